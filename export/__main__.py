"""``python -m export``: arguments and exit codes only.

Exit codes: 0 the model is in the bundle, 2 nothing was written, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import click

from embed.arguments import PlaceType
from embed.errors import VibeError
from embed.store.place import Place

_NOTHING_DONE, _INTERRUPTED = 2, 130
_DIRECTORY: Final = click.Path(path_type=Path)
_TOWERS: Final = ("audio", "text")


class _TowersType(click.ParamType[tuple[str, ...]]):
    name = "audio|text|audio,text"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        wanted = [part.strip() for part in str(value).split(",")]
        if unknown := [part for part in wanted if part not in _TOWERS]:
            self.fail(f"{unknown[0]!r}, expected {' or '.join(_TOWERS)}", param, ctx)
        return tuple(tower for tower in _TOWERS if tower in wanted)


@click.command()
@click.option(
    "--model",
    "source",
    required=True,
    metavar="HUB_ID|DIR",
    help="laion/clap-htsat-unfused, or a directory as save_pretrained writes it.",
)
@click.option("--revision", help="Branch, tag or commit on the hub. [default: its main branch]")
@click.option(
    "--to",
    required=True,
    type=PlaceType(),
    metavar="BUNDLE",
    help="Where it goes: a directory, or s3://bucket/prefix as a new version.",
)
@click.option(
    "--towers",
    type=_TowersType(),
    default="audio",
    show_default=True,
    help="audio, text, or audio,text. The text tower lets words find songs; alone it joins "
    "the audio tower of the same checkpoint that BUNDLE holds.",
)
@click.option("--precision", type=click.Choice(["fp32", "int8"]), default="fp32", show_default=True)
@click.option(
    "--verify-with",
    type=_DIRECTORY,
    metavar="DIR",
    help="A folder of songs to judge the model on, beside synthetic sounds.",
)
@click.option(
    "--accept-loss",
    is_flag=True,
    help="Write the model even where it misses its limits; the manifest says so.",
)
@click.option(
    "--work",
    type=_DIRECTORY,
    metavar="DIR",
    help="Where a copy of an s3:// bundle is kept. [default: ~/.cache/vibe-search]",
)
@click.option("--verbose", is_flag=True, help="Let PyTorch's and the hub's own messages through.")
def main(to: Place, work: Path | None, verbose: bool, **arguments: Any) -> None:  # noqa: ANN401 (the fields of Order)
    """CLAP's towers, from a PyTorch checkpoint to the model in a bundle.

    The model is held against PyTorch before it is written; one that fails is refused, and
    what the bundle held stays.
    """
    # Imported late: torch takes seconds, --help and wrong use must not.
    from export.quiet import quiet  # noqa: PLC0415

    try:
        with quiet(not verbose):
            from embed.working import working_copy  # noqa: PLC0415
            from export.ship import Order, ship  # noqa: PLC0415

            with working_copy(to, work, click.echo) as copy:
                ship(Order(to=copy.path, **arguments), click.echo)
                copy.push()
    except VibeError as error:
        _fail(str(error))
    except OSError as error:
        _fail(": ".join(str(part) for part in (error.filename, error.strerror or error) if part))
    except KeyboardInterrupt:
        click.echo("stopped; nothing was written", err=True)
        sys.exit(_INTERRUPTED)
    click.echo(f"{to}: ready")


def _fail(message: str) -> None:
    click.echo(f"error: {message}", err=True)
    sys.exit(_NOTHING_DONE)


if __name__ == "__main__":
    main(prog_name="python -m export")
