"""From a name as someone typed it to the rows of the songs it may mean."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from embed.database import Database
from embed.names import TYPO_CUTOFF, fold, likeness, plain, trigrams

_COMPARE_ALL: Final = 1_000
"""Up to here every name is compared with a misspelt one (6 ms); above, the likeliest."""

_LIKELIEST: Final = 400

_TRIGRAMS: Final = 64
"""Trigrams of a query that are looked up: FTS5 refuses expressions deeper than 256."""

_AROUND: Final = 200
_AROUND_ROWS: Final = 20_000
"""Trigrams, and names that hold them, by which one or two letters are looked for: of more
common letters the first names of the catalogue bring enough."""

_TELLING: Final = 6
"""Trigrams, the rarest, by which a part of a name is looked for; the name itself confirms it."""

_PIECES: Final = 4
"""Pieces into which a misspelt name is cut: a slip of the finger lies in one or two of them, and by
the others the name is found."""

_PIECE: Final = 3
"""Trigrams of a piece, the rarest, that a name must hold all of."""

_PIECE_ROWS: Final = 2_000
"""Rows at most that a piece brings; of a well-known artist there are many."""

_MOST_ROWS: Final = 8_000
"""Rows of single rare trigrams that are weighed beside them, at 0.5 µs each. The rarest one is
taken in any case."""


class Lookup:
    """Finds the songs of an open catalogue by name; safe to share between threads.

    ``names`` are the songs' names by row. Every method raises BundleError when the
    catalogue's file turns out to be damaged.
    """

    def __init__(self, database: Database, names: Sequence[str]) -> None:
        self._database = database
        self._names = names
        # Catalogues written before there were counts have none.
        tables = database.column("SELECT name FROM sqlite_master WHERE type = 'table'")
        self._has_counts = "trigrams" in tables
        self._has_short_names = "short_names" in tables

    def exact(self, name: str) -> list[int]:
        """Rows of the songs with this name, case and spacing aside."""
        return self._exact(fold(name))

    def _exact(self, folded: str) -> list[int]:
        # Names are in the order of their folded form, and 7 of 75 are looked at (17 of 100,000)
        # in a tenth of the time that SQLite takes to begin.
        row = bisect_left(self._names, folded, key=fold)
        found: list[int] = []
        while row < len(self._names) and fold(self._names[row]) == folded:
            found.append(row)
            row += 1
        return found

    def containing(self, part: str, start: int = 0, limit: int = -1) -> list[int]:
        """Rows, ``start`` and up, of songs whose folded name holds ``part``; all with limit -1."""
        folded = fold(part)
        found = trigrams(plain(folded))[:_TRIGRAMS]
        if found:
            rarest = self._by_rarity(found)
            if len(rarest) < len(found):
                return []
            return self._database.column(
                "SELECT songs.row FROM names CROSS JOIN songs ON songs.row = names.rowid"
                " WHERE names MATCH ? AND names.rowid >= ? AND instr(songs.folded, ?)"
                " ORDER BY names.rowid LIMIT ?",
                *(" ".join(_term(one) for _, one in rarest[:_TELLING]), start, folded, limit),
            )
        rare = self._trigrams_around(plain(folded))
        if rare:
            return self._database.column(
                "SELECT row FROM songs WHERE row IN (SELECT rowid FROM names WHERE names MATCH ?"
                " UNION SELECT row FROM short_names) AND row >= ? AND instr(folded, ?)"
                " ORDER BY row LIMIT ?",
                *(" OR ".join(map(_term, rare)), start, folded, limit),
            )
        # In many names, so that a page of them is soon full; or punctuation, or an old catalogue.
        return self._database.column(
            "SELECT row FROM songs WHERE row >= ? AND instr(folded, ?) ORDER BY row LIMIT ?",
            *(start, folded, limit),
        )

    def _trigrams_around(self, part: str) -> list[str]:
        """The trigrams that hold one or two letters, if they are few and so are their names."""
        if not part or not self._has_short_names:
            return []
        found = self._database.rows(
            "SELECT trigram, songs FROM trigrams WHERE instr(trigram, ?) ORDER BY songs LIMIT ?",
            *(part, _AROUND + 1),
        )
        few = len(found) <= _AROUND and sum(songs for _, songs in found) <= _AROUND_ROWS
        return [trigram for trigram, _ in found] if few else []

    def find(self, name: str, limit: int = -1) -> list[int]:
        """Rows of the songs that ``name`` means, equally good matches by name; [] for none.

        The first of these that finds any: the exact name, a part of the name, the name with
        typos (of these only the best). All rows with limit -1.
        """
        folded = fold(name)
        if not folded:
            return []
        rows = self._exact(folded) or self.containing(name, limit=limit) or self._misspelt(name)
        return rows if limit < 0 else rows[:limit]

    def _misspelt(self, name: str) -> list[int]:
        found = self.alike(name, _LIKELIEST)
        best = max(found[0][1], TYPO_CUTOFF) if found else TYPO_CUTOFF
        return [row for row, score in found if score >= best]

    def alike(self, name: str, limit: int) -> list[tuple[int, float]]:
        """The most similarly spelt names as (row, score 0–100), best first, then by row."""
        query = plain(name)
        rows = self._likeliest(query)
        scores = likeness(query, [plain(self._names[row]) for row in rows]).tolist()
        best = sorted(zip(rows, scores, strict=True), key=lambda pair: (-pair[1], pair[0]))
        return best[:limit]

    def _likeliest(self, query: str) -> Sequence[int]:
        """Rows whose names share trigrams with ``query``: rare ones count for more."""
        if len(self._names) <= _COMPARE_ALL:
            return range(len(self._names))
        found = trigrams(query)[:_TRIGRAMS]
        counts = {trigram: count for count, trigram in self._by_rarity(found)}
        if not counts:
            return []
        parts: list[str] = []
        values: list[object] = []
        for terms in _parts([trigram for trigram in found if trigram in counts], counts):
            weight = sum(math.log(1 + len(self._names) / counts[one]) for one in terms)
            parts.append(
                "SELECT * FROM (SELECT rowid, ? AS weight FROM names WHERE names MATCH ? LIMIT ?)"
            )
            most = _PIECE_ROWS if len(terms) > 1 else -1
            values += [weight, " ".join(map(_term, terms)), most]
        return self._database.column(
            f"SELECT rowid FROM ({' UNION ALL '.join(parts)}) GROUP BY rowid"  # noqa: S608
            f" ORDER BY SUM(weight) DESC, rowid LIMIT {_LIKELIEST}",
            *values,
        )

    def _by_rarity(self, found: Sequence[str]) -> list[tuple[int, str]]:
        """How many names hold each of these trigrams, the rarest first; without those in none."""
        if not self._has_counts:
            counts = [
                (self._database.column("SELECT COUNT(*) FROM names WHERE names MATCH ?", term), one)
                for one, term in zip(found, map(_term, found), strict=True)
            ]
            return sorted((count, one) for [count], one in counts if count)
        marks = ", ".join("?" * len(found))
        return self._database.rows(
            f"SELECT songs, trigram FROM trigrams WHERE trigram IN ({marks})"  # noqa: S608
            " ORDER BY songs, trigram",
            *found,
        )


def _parts(found: Sequence[str], counts: Mapping[str, int]) -> Iterator[list[str]]:
    """By which trigrams together a misspelt name is looked for: those of each piece of it, and
    the rarest alone. ``found`` is in the name's order."""
    size = -(-len(found) // _PIECES)
    for start in range(0, len(found), size):
        piece = sorted(found[start : start + size], key=counts.__getitem__)[:_PIECE]
        if len(piece) > 1:
            yield piece
    budget = _MOST_ROWS
    for place, trigram in enumerate(sorted(found, key=counts.__getitem__)):
        budget -= counts[trigram]
        if place and budget < 0:
            break
        yield [trigram]


def _term(trigram: str) -> str:
    """A trigram of a plain name as FTS5's query."""
    return f'"{trigram}"'
