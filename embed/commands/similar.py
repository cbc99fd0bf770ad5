"""``similar``: the songs that sound like one, or like several together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from embed.commands.completion import complete_song
from embed.commands.opened import BUNDLE, CACHE, of_songs, vectors_file
from embed.commands.output import AS_JSON, print_json, print_table
from embed.errors import SearchError
from embed.store.place import Place

if TYPE_CHECKING:
    from embed.bundle import Bundle
    from embed.catalogue import Catalogue
    from embed.index import Index

_DECIMALS: Final = 4
_SUGGESTIONS: Final = 5
_FIRST: Final = 64
"""Neighbours looked for at first; four times as many each time that these are not enough."""


@click.command("similar", short_help="Songs that sound like one, or several.")
@BUNDLE
@click.argument("names", nargs=-1, required=True, metavar="NAME…", shell_complete=complete_song)
@click.option("-k", "--top-k", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--min-similarity", type=click.FloatRange(-1, 1), default=-1.0, metavar="COSINE")
@click.option("--exclude-same-artist", is_flag=True, help="Leave out the artists asked for.")
@CACHE
@AS_JSON
def similar_command(
    bundle: Place,
    names: Sequence[str],
    top_k: int,
    min_similarity: float,
    exclude_same_artist: bool,
    cache: Path | None,
    as_json: bool,
) -> None:
    """The songs of BUNDLE nearest to NAME; to all of them together when there are several.

    A name matches exactly (case aside), then as a part of a name, then with typos.
    """
    answer = of_songs(
        bundle,
        cache,
        lambda opened, catalogue: _similar(
            opened, catalogue, names, top_k, min_similarity, exclude_same_artist
        ),
    )
    if as_json:
        print_json(answer)
        return
    click.echo(f"like {' + '.join(answer['matched'])}:", err=True)
    rows = [(f"{one['similarity']:.4f}", one["song"]) for one in answer["recommendations"]]
    print_table(("cosine", "song"), rows)


def _similar(
    bundle: Bundle,
    catalogue: Catalogue,
    names: Sequence[str],
    top_k: int,
    min_similarity: float,
    exclude_same_artist: bool,
) -> dict[str, Any]:
    """As /recommend answers. Raises SearchError when a name means no song."""
    from embed.index import ExactIndex  # noqa: PLC0415

    seeds = list(dict.fromkeys(_row(catalogue, name) for name in names))
    out = {*seeds, *(row for row, first in catalogue.copies.items() if first in seeds)}
    without: set[str | None] = set(catalogue.artists(seeds)) if exclude_same_artist else set()
    without.discard(None)
    with closing(ExactIndex(vectors_file(bundle))) as index:
        passing = (
            (row, similarity)
            for row, similarity in _nearest(index, seeds, min_similarity)
            if row not in out and not (without and catalogue.artists([row])[0] in without)
        )
        # By what is shown: similarity down, then name.
        found = sorted(islice(passing, top_k), key=lambda pair: (-pair[1], pair[0]))
    return {
        "matched": [catalogue.names[row] for row in seeds],
        "recommendations": [
            {"song": catalogue.names[row], "similarity": similarity} for row, similarity in found
        ],
    }


def _row(catalogue: Catalogue, name: str) -> int:
    if found := catalogue.lookup.find(name, 1):
        return found[0]
    alike = [catalogue.names[row] for row, _ in catalogue.lookup.alike(name, _SUGGESTIONS)]
    meant = f"; perhaps {', '.join(map(repr, alike))}" if alike else ""
    raise SearchError(f"no song is named like {name!r}{meant}")


def _nearest(
    index: Index, seeds: Sequence[int], min_similarity: float
) -> Iterator[tuple[int, float]]:
    """Rows and cosines, nearest first, as many as are asked for."""
    import numpy as np  # noqa: PLC0415

    from embed.index import pool_seeds  # noqa: PLC0415

    vectors = index.vectors(np.array(seeds, np.int64))
    query = vectors[0] if len(seeds) == 1 else pool_seeds(vectors)
    seen, count = 0, _FIRST
    while seen < len(index):
        rows, cosines = index.search(query, count)
        for row, cosine in zip(rows[seen:].tolist(), cosines[seen:].tolist(), strict=True):
            similarity = round(cosine, _DECIMALS) + 0.0  # nobody wants to see a -0.0
            if similarity < min_similarity:
                return
            yield row, similarity
        seen, count = len(rows), count * 4
