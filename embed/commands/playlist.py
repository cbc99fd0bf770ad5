"""``playlist``: songs in an order to be heard, as a file that a player opens."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict, Unpack

import click

from embed.arguments import PlaceType
from embed.commands.library import opened, rows_of

if TYPE_CHECKING:
    from embed.library import Library
    from embed.playlist import Listed
    from embed.store.place import Place

_FOLDER: Final = click.Path(path_type=Path, file_okay=False)
_STDOUT: Final = Path("-")
_MAX_SONGS: Final = 100  # embed.playlist.MAX_SONGS, which --help need not wait for


class _Given(TypedDict):
    start: str | None
    end: str | None
    song: tuple[str, ...]
    count: int
    exclude: tuple[str, ...]
    not_like: tuple[str, ...]
    max_per_artist: int | None
    diversity: float
    output: Path
    music: Path | None
    absolute: bool
    cache: Path | None


@click.command("playlist", short_help="Songs from one to another, or that go on, as an m3u8.")
@click.argument("bundle", type=PlaceType())
@click.option("--from", "start", metavar="NAME", help="The first song, with --to.")
@click.option("--to", "end", metavar="NAME", help="The last song.")
@click.option("--song", multiple=True, metavar="NAME", help="A song to go on from; repeatable.")
@click.option(
    "-n",
    "--count",
    type=click.IntRange(1, _MAX_SONGS),
    default=20,
    show_default=True,
    help="How many songs; with --from and --to these two are among them.",
)
@click.option("--exclude", multiple=True, metavar="NAME", help="Not these songs; repeatable.")
@click.option("--not-like", multiple=True, metavar="NAME", help="Nor what sounds so; repeatable.")
@click.option("--max-per-artist", type=click.IntRange(min=1), help="[default: any number]")
@click.option("--diversity", type=click.FloatRange(0, 1), default=0.0, help="With --song.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    default=_STDOUT,
    metavar="FILE",
    help="Where the m3u8 goes. [default: standard output]",
)
@click.option(
    "--music",
    type=_FOLDER,
    help="The folder that was embedded. Without it the m3u8 must lie in that folder.",
)
@click.option("--absolute", is_flag=True, help="Whole paths, not as seen from --output.")
@click.option("--cache", type=_FOLDER, help="Where copies of s3:// bundles are kept.")
def playlist_command(bundle: Place, **given: Unpack[_Given]) -> None:
    """A playlist of BUNDLE's songs: from a song to another in steps that each sound close to
    the last, or songs that go on from given ones.

    Needs no server and no model. Prints the songs, to standard error when the m3u8 itself goes
    to standard output.
    """
    from embed.m3u8 import as_in_catalogue, below_folder, m3u8  # noqa: PLC0415

    _check(given)
    music, output = given["music"], given["output"]
    is_seen_from_file = output != _STDOUT and not given["absolute"]
    place = (
        as_in_catalogue
        if music is None
        else below_folder(music, output if is_seen_from_file else None)
    )
    with opened(bundle, given["cache"]) as library:
        listed = _listed(library, given)
        songs = library.songs.songs_at([one.row for one in listed])
    content = m3u8(songs, place).encode()
    if output == _STDOUT:
        sys.stdout.buffer.write(content)
    else:
        _write(output, content)
    for song, one in zip(songs, listed, strict=True):
        near = "      " if one.similarity is None else f"{one.similarity:.4f}"
        click.echo(f"{near}  {_printable(song.name)}", err=output == _STDOUT)
    if len(songs) < given["count"]:
        click.echo(f"{len(songs)} songs; there are no more that fit", err=True)
    if music is not None and (lost := sum(not (music / one.path).exists() for one in songs)):
        click.echo(f"{lost} of {len(songs)} songs are not in {music}", err=True)


def _check(given: _Given) -> None:
    is_journey = given["start"] is not None and given["end"] is not None
    is_half = (given["start"] is None) != (given["end"] is None)
    if is_half or is_journey == bool(given["song"]):
        raise click.UsageError("expected --from and --to, or --song")
    if is_journey and given["count"] < 2:
        raise click.UsageError("--count: 1, expected 2 or more with --from and --to")
    if is_journey and given["diversity"]:
        raise click.UsageError("--diversity: expected with --song only")
    if given["absolute"] and given["music"] is None:
        raise click.UsageError(
            "--absolute: expected with --music, the folder that paths begin with"
        )


def _listed(library: Library, given: _Given) -> list[Listed]:
    from embed.playlist import Limits, continuation, journey  # noqa: PLC0415

    excluded = {name: library.songs.lookup.find(name) for name in given["exclude"]}
    for name in (name for name, rows in excluded.items() if not rows):
        click.echo(f"--exclude {name!r}: no song is named so", err=True)
    limits = Limits(
        [row for rows in excluded.values() for row in rows],
        rows_of(library, given["not_like"]),
        given["max_per_artist"],
        given["diversity"],
    )
    if given["start"] is not None and given["end"] is not None:
        start, end = rows_of(library, [given["start"], given["end"]])
        return journey(library, start, end, given["count"], limits)
    return continuation(library, rows_of(library, given["song"]), given["count"], limits)


def _write(path: Path, content: bytes) -> None:
    """In one step: a player never sees half of it, and a failure leaves the old one."""
    with tempfile.NamedTemporaryFile(
        dir=path.absolute().parent, prefix=f".{path.name}-", delete=False
    ) as file:
        try:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), 0o666 & ~_umask())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _printable(text: str) -> str:
    # What comes from tags must not steer a terminal.
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)
