"""``similar-pairs``: songs that a bundle may hold twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from embed.arguments import PlaceType
from embed.commands.library import opened

if TYPE_CHECKING:
    from embed.catalogue import Song
    from embed.pairs import Pair
    from embed.store.place import Place
    from embed.versions import Kind

_AT_A_TIME: Final = 100
_KINDS: Final = ("same", "remaster", "version", "cover", "close")


@click.command("similar-pairs", short_help="Songs that a bundle may hold twice.")
@click.argument("bundle", type=PlaceType())
@click.option("--kind", type=click.Choice(_KINDS), help="[default: all]")
@click.option("--min-similarity", type=click.FloatRange(-1, 1), default=-1.0, metavar="COSINE")
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line.")
@click.option("--cache", type=click.Path(path_type=Path, file_okay=False), help="As of handler.")
def pairs_command(
    bundle: Place, kind: Kind | None, min_similarity: float, as_json: bool, cache: Path | None
) -> None:
    """Pairs of BUNDLE's songs: the same recording, remasters, other versions, covers.

    They are printed as they are found; 100,000 songs take half an hour.
    """
    from embed.pairs import At, Pairs  # noqa: PLC0415 - --help waits for nothing

    show = _as_json if as_json else _as_text
    at: At | None = At()
    with opened(bundle, cache) as library:
        pairs = Pairs(library, kind, min_similarity)
        while at is not None:
            page, at = pairs.page(at, _AT_A_TIME)
            for pair in page:
                click.echo(show(pair, library.songs.songs_at([pair.one, pair.other])))


def _as_json(pair: Pair, songs: list[Song]) -> str:
    names = [
        {"song": song.name, "path": song.path, "duration_s": song.duration_s} for song in songs
    ]
    return json.dumps(
        {"kind": pair.kind, "similarity": pair.similarity, "songs": names}, ensure_ascii=False
    )


def _as_text(pair: Pair, songs: list[Song]) -> str:
    paths = "\n".join(f"    {song.path}" for song in songs)
    text = f"{pair.kind:8}  {pair.similarity:.4f}  {songs[0].name} | {songs[1].name}\n{paths}"
    # What comes from tags must not steer a terminal.
    return "".join(sign if sign.isprintable() or sign == "\n" else "\ufffd" for sign in text)
