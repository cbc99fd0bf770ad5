"""``similar``: the songs that sound like one, or like several together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import click

from embed.commands.completion import complete_song
from embed.commands.library import opened, rows_of
from embed.commands.opened import BUNDLE, CACHE
from embed.commands.output import AS_JSON, print_json, print_table
from embed.store.place import Place

if TYPE_CHECKING:
    from embed.library import Library


class _Wanted(TypedDict):
    top_k: int
    min_similarity: float
    exclude_same_artist: bool
    max_per_artist: int | None
    diversity: float


@click.command("similar", short_help="Songs that sound like one, or several.")
@BUNDLE
@click.argument("names", nargs=-1, required=True, metavar="NAME…", shell_complete=complete_song)
@click.option("-k", "--top-k", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--min-similarity", type=click.FloatRange(-1, 1), default=-1.0, metavar="COSINE")
@click.option("--exclude-same-artist", is_flag=True, help="Leave out the artists asked for.")
@click.option("--max-per-artist", type=click.IntRange(min=1), help="[default: any number]")
@click.option("--diversity", type=click.FloatRange(0, 1), default=0.0, help="Less like each other.")
@CACHE
@AS_JSON
def similar_command(
    bundle: Place,
    names: tuple[str, ...],
    cache: Path | None,
    as_json: bool,
    **wanted: Unpack[_Wanted],
) -> None:
    """The songs of BUNDLE nearest to NAME; to all of them together when there are several.

    A name matches exactly (case aside), then as a part of a name, then with typos.
    """
    with opened(bundle, cache) as library:
        answer = _similar(library, names, wanted)
    if as_json:
        print_json(answer)
        return
    click.echo(f"like {' + '.join(answer['matched'])}:", err=True)
    rows = [(f"{one['similarity']:.4f}", one["song"]) for one in answer["recommendations"]]
    print_table(("cosine", "song"), rows)


def _similar(library: Library, asked: tuple[str, ...], wanted: _Wanted) -> dict[str, Any]:
    """As /recommend answers. Raises SearchError when a name means no song."""
    import numpy as np  # noqa: PLC0415 - --help waits for nothing

    from embed.choice import Sought  # noqa: PLC0415
    from embed.index import pool_seeds  # noqa: PLC0415

    seeds = list(dict.fromkeys(rows_of(library, asked)))
    vectors = library.index.vectors(np.array(seeds, np.int64))
    sought = Sought(
        vectors[0] if len(seeds) == 1 else pool_seeds(vectors),
        wanted["top_k"],
        wanted["min_similarity"],
        seeds,
        without_artists_of_seeds=wanted["exclude_same_artist"],
        diversity=wanted["diversity"],
        max_per_artist=wanted["max_per_artist"],
    )
    names = library.songs.names
    return {
        "matched": [names[row] for row in seeds],
        "recommendations": [
            {"song": names[row], "similarity": similarity}
            for row, similarity in library.nearest(sought)
        ],
    }
