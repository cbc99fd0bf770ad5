"""Which songs may stand in one answer together: no recording twice, no artist too often."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final

from embed.recordings import NO_TWINS, Recordings

Artists = Callable[[Sequence[int]], list[str | None]]

_BLOCK: Final = 128
"""Songs compared with each other at a time: never N × N cosines."""


class Admission:
    """Lets songs pass by their rows, the first come first.

    None passes that is a recording among ``apart`` or one that has passed, none by
    ``artists_out``, and at most ``most`` by one artist (None: any number; songs without an artist
    count each by themselves), those ``beside`` included. ``artists`` gives the artists of rows,
    and is asked only when they matter.
    """

    def __init__(
        self,
        recordings: Recordings,
        artists: Artists,
        apart: Collection[int],
        most: int | None = None,
        artists_out: Collection[str | None] = (),
        beside: Sequence[int] = (),
    ) -> None:
        self._recordings = recordings
        self._artists = artists
        self._apart = apart
        self._most = most
        self._artists_out = artists_out
        self._beside = beside

    def admitted(self, rows: Sequence[int]) -> Iterator[int]:
        """Those of ``rows`` that pass, one by one."""
        most = self._most
        seen = set(self._apart)
        songs: dict[str | None, int] = {}
        if most is not None and self._beside:
            for artist in self._artists(self._beside):
                songs[artist] = songs.get(artist, 0) + 1
        artists: list[str | None] = []
        for start in range(0, len(rows), _BLOCK):
            block = rows[start : start + _BLOCK]
            if most is not None or self._artists_out:
                block, artists = self._let_in(block, songs)
            twins = self._recordings.twins(block, seen)
            for at, row in enumerate(block):
                if not twins.get(row, NO_TWINS).isdisjoint(seen):
                    continue
                if most is not None and (artist := artists[at]) is not None:
                    count = songs.get(artist, 0)
                    if count >= most:
                        continue
                    songs[artist] = count + 1
                seen.add(row)
                yield row

    def _let_in(
        self, rows: Sequence[int], songs: dict[str | None, int]
    ) -> tuple[Sequence[int], list[str | None]]:
        """Those of ``rows`` whose artists may come in still, and these artists."""
        most = self._most
        out = set(self._artists_out)
        if most is not None:
            out |= {artist for artist, count in songs.items() if count >= most}
        out.discard(None)
        pairs = zip(rows, self._artists(rows), strict=True)
        chosen = [(row, artist) for row, artist in pairs if artist not in out]
        return [row for row, _ in chosen], [artist for _, artist in chosen]
