"""``python -m embed``: arguments and exit codes only.

Exit codes: 0 all done, 1 done but some songs failed and are listed, 2 wrong use or nothing
done, 130 stopped by Ctrl-C (what was embedded is kept).
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from click_default_group import DefaultGroup

from embed import __version__
from embed.arguments import PlaceType
from embed.commands.every import COMMANDS as QUESTIONS
from embed.errors import VibeError
from embed.spec import DEFAULT_WINDOWS, MAX_WINDOWS, Windows, parse_windows
from embed.store.commands import COMMANDS
from embed.store.place import Place, S3Url

if TYPE_CHECKING:
    from embed.engine import Engine

_DONE, _SOME_FAILED, _NOTHING_DONE, _INTERRUPTED = 0, 1, 2, 130
_DIRECTORY: Final = click.Path(path_type=Path)
_PLACE: Final = PlaceType()
_WORK: Final = click.option(
    "--work",
    type=_DIRECTORY,
    metavar="DIR",
    help="Where copies of s3:// bundles are kept and a stopped run goes on. "
    "[default: ~/.cache/vibe-search]",
)


class _WindowsType(click.ParamType[Windows]):
    name = "middle|N"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Windows:
        try:
            return parse_windows(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.group(cls=DefaultGroup, default="folder", default_if_no_args=False)
@click.version_option(__version__, prog_name="vibe-embed")
def main() -> None:
    """Songs to vectors: python -m embed MUSIC --to BUNDLE.

    MUSIC and BUNDLE are directories or s3://bucket/prefix.

    Run it again to bring the bundle in step with the folder: only new and changed songs are
    embedded, removed ones leave. Stop it at any moment and run it again: nothing is lost.

    A folder named like a command is written ./import.
    """


@click.command("folder", short_help="Embed a folder of music (the default command).")
@click.argument("music", type=_PLACE)
@click.option("--to", required=True, type=_PLACE, metavar="BUNDLE", help="Where it goes.")
@click.option(
    "--model",
    metavar="sample|BUNDLE",
    help="The small model shipped here, or the bundle that python -m export made. "
    "[default: the model in --to, else sample]",
)
@click.option(
    "--windows",
    type=_WindowsType(),
    help=f"10 s windows per song, 1 to {MAX_WINDOWS}, pooled. "
    f"[default: what --to was made with, else {DEFAULT_WINDOWS}]",
)
@click.option("--workers", type=click.IntRange(1, 256), help="[default: the cores at hand]")
@click.option(
    "--song-timeout",
    type=click.FloatRange(min=1),
    metavar="SECONDS",
    help="Give up on a song that takes longer to fetch and decode. [default: 120]",
)
@click.option(
    "--previews",
    is_flag=True,
    help="Keep ten seconds of each song (60 kB) to listen to on the page. Once a bundle has "
    "them, new songs get theirs.",
)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    help="Who embeds: this machine, or a Ray cluster (docs/scale.md). [default: local]",
)
@click.option(
    "--address", help="Of the Ray cluster, such as auto. [default: a Ray on this machine]"
)
@_WORK
def folder(
    music: Place,
    to: Place,
    model: str | None,
    windows: Windows | None,
    workers: int | None,
    song_timeout: float | None,
    previews: bool,
    engine: str,
    address: str | None,
    work: Path | None,
) -> None:
    """Embed every song under MUSIC, and write BUNDLE.

    A BUNDLE on S3 is pulled first and pushed last, as a new version; songs in a bucket are
    fetched one by one, new and changed ones only.
    """
    # Imported late: --help and wrong use must not wait for ONNX Runtime.
    from embed.pipeline import Options, embed_folder  # noqa: PLC0415
    from embed.prepare import SONG_TIMEOUT_S  # noqa: PLC0415
    from embed.working import working_copy  # noqa: PLC0415

    timeout_s = song_timeout or SONG_TIMEOUT_S
    options = Options(
        model,
        windows,
        workers,
        timeout_s,
        cache=work,
        previews=previews or None,
        engine=_engine(engine, address, to),
    )
    if isinstance(to, S3Url):  # an evicted pod ends like Ctrl-C: its progress is saved
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    with working_copy(to, work, _tell) as copy:
        report = embed_folder(music, copy.path, options, tell=_tell, saved=copy.save)
        for line in report.lines():
            _tell(line)
        if not report.in_bundle:
            raise VibeError(f"{music}: no song could be embedded; {to} stays as it was")
        copy.push()
    sys.exit(_SOME_FAILED if report.failures or report.without_preview else _DONE)


def _engine(name: str, address: str | None, to: Place) -> Engine:
    from embed.engine import local  # noqa: PLC0415

    if name == "local":
        if address is not None:
            raise click.UsageError("--address is of --engine ray")
        return local
    try:
        from embed.cluster.engine import RayEngine  # noqa: PLC0415
    except ImportError as error:
        raise VibeError(
            f"--engine ray: {error.name} is not installed; pip install -r requirements/ray.txt"
        ) from error
    return RayEngine(to, address)


@click.command("import")
@click.argument("file", type=_DIRECTORY)
@click.option("--to", required=True, type=_PLACE, metavar="BUNDLE", help="Where it goes.")
@_WORK
def import_(file: Path, to: Place, work: Path | None) -> None:
    """Make BUNDLE from FILE, an .npz or .pkl with 'names' and 'embeddings' (N, 512)."""
    from embed.importer import import_catalogue  # noqa: PLC0415
    from embed.working import working_copy  # noqa: PLC0415

    with working_copy(to, work, _tell) as copy:
        songs = import_catalogue(file, copy.path)
        copy.push()
    _tell(f"{songs} songs imported into {to}")


main.add_command(folder)
main.add_command(import_)
for command in (*COMMANDS, *QUESTIONS):
    main.add_command(command)


def _tell(line: str) -> None:
    click.echo(line, err=True)


def run() -> None:
    """The command line; every error of ours is one line and exit code 2."""
    try:
        main(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except VibeError as error:
        _tell(f"error: {error}")
        sys.exit(_NOTHING_DONE)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _tell(f"error: {place}{error.strerror or error}")
        sys.exit(_NOTHING_DONE)
    except (click.Abort, KeyboardInterrupt):
        _tell("stopped; what was embedded is kept, run it again to go on")
        sys.exit(_INTERRUPTED)
    finally:
        # All is said: Ctrl-C while Python leaves would only turn the exit code into a signal's.
        signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    run()
