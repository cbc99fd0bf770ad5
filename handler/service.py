"""What the API can do, without HTTP: answers as plain dictionaries, ready for JSON."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np

from embed.errors import SearchError
from embed.index import Index, Vectors, pool_seeds
from handler.choice import Choice, Sought
from handler.parse import InvalidRequestError, shown
from handler.recordings import COMPARE_ALL, Recordings
from handler.schemas import RecommendRequest, SongsQuery, Wanted

MAX_ALSO: Final = 20
SUGGESTIONS: Final = 5

INLINE_SONGS: Final = 5_000
"""Up to here a search takes 0.4 ms, less than handing it to a thread and back is worth."""

Answer = dict[str, Any]


class NoSuchSongError(SearchError):
    """No song has a name like the one asked for; ``suggestions`` are the closest names."""

    def __init__(self, message: str, suggestions: Sequence[str]) -> None:
        super().__init__(message)
        self.suggestions = list(suggestions)


class Songs(Protocol):
    """What the service needs of a catalogue; see ``embed.catalogue.Catalogue``."""

    @property
    def names(self) -> Sequence[str]: ...
    @property
    def lookup(self) -> Names: ...
    @property
    def copies(self) -> Mapping[int, int]: ...
    def artists(self, rows: Sequence[int]) -> list[str | None]: ...


class Names(Protocol):
    """Finds rows by name; see ``embed.lookup.Lookup``."""

    def containing(self, part: str, start: int = 0, limit: int = -1) -> list[int]: ...
    def find(self, name: str, limit: int = -1) -> list[int]: ...
    def alike(self, name: str, limit: int) -> list[tuple[int, float]]: ...


@dataclass(frozen=True, slots=True)
class About:
    """What /health says of the bundle. ``model`` holds id, kind and precision."""

    model: dict[str, str] | None
    spec: str
    bundle: str


class Service:
    """Answers about the songs of one bundle; safe to share between threads."""

    def __init__(
        self, songs: Songs, index: Index, about: About, compare_all: int = COMPARE_ALL
    ) -> None:
        self._songs = songs
        self._index = index
        self._recordings = Recordings(index, songs.copies, compare_all)
        self._about = about

    @property
    def is_quick(self) -> bool:
        """Whether an answer takes so little time that an event loop may wait for it."""
        return len(self._songs.names) <= INLINE_SONGS

    def health(self) -> Answer:
        """What is being served."""
        return {
            "status": "ok",
            "songs_loaded": len(self._songs.names),
            "model": self._about.model,
            "spec": self._about.spec,
            "bundle": self._about.bundle,
        }

    def songs(self, query: SongsQuery) -> Answer:
        """A page of names. Raises InvalidRequestError on a cursor that is not ours."""
        names = self._songs.names
        # A cursor of a longer catalogue ends the list; SQLite takes no number of 20 digits.
        start = 0 if query.cursor is None else min(_row_of(query.cursor), len(names))
        if query.q:
            rows = self._songs.lookup.containing(query.q, start, query.limit + 1)
            page = [names[row] for row in rows[: query.limit]]
            following = rows[query.limit] if len(rows) > query.limit else None
        else:
            end = start + query.limit
            page = list(names[start:end])
            following = end if end < len(names) else None
        return {"songs": page, "next_cursor": None if following is None else _cursor(following)}

    def recommend(self, request: RecommendRequest) -> Answer:
        """The songs most like those asked for.

        A song named twice counts once. Raises NoSuchSongError when a name means no song,
        SearchError when the songs have nothing between them.
        """
        asked = [request.song] if request.song is not None else request.songs or []
        meant = [self._find(name) for name in asked]
        seeds = list(dict.fromkeys(rows[0] for rows in meant))
        vectors = self._index.vectors(np.array(seeds, np.int64))
        query = vectors[0] if len(seeds) == 1 else pool_seeds(vectors)
        names = self._songs.names
        matched = [names[rows[0]] for rows in meant]
        also = {
            name: [names[row] for row in rows[1:]]
            for name, rows in zip(asked, meant, strict=True)
            if len(rows) > 1
        }
        answer = self._near(query, request, seeds, request.exclude_same_artist)
        answer["matched"] = matched if request.song is None else matched[0]
        if also:
            answer["also"] = also if request.song is None else also[request.song]
        return answer

    def near(self, query: Vectors, wanted: Wanted) -> Answer:
        """The songs nearest to ``query``, float32 ``(512,)``, unit length; ``matched`` is null."""
        return self._near(query, wanted)

    def _near(
        self,
        query: Vectors,
        wanted: Wanted,
        seeds: Sequence[int] = (),
        without_artists_of_seeds: bool = False,
    ) -> Answer:
        excluded = [(name, self._songs.lookup.find(name)) for name in wanted.exclude]
        rows_out = [row for _, rows in excluded for row in rows]
        sought = Sought(query, wanted, seeds, rows_out, without_artists_of_seeds)
        choice = Choice(self._index, self._recordings, self._songs.artists, sought)
        names = self._songs.names
        answer: Answer = {
            "matched": None,
            "recommendations": [
                {"song": names[row], "similarity": similarity}
                for row, similarity in choice.nearest()
            ],
            "error": None,
        }
        if unmatched := [name for name, rows in excluded if not rows]:
            answer["exclude_unmatched"] = unmatched
        return answer

    def _find(self, name: str) -> list[int]:
        rows = self._songs.lookup.find(name, MAX_ALSO + 1)
        if not rows:
            alike = self._songs.lookup.alike(name, SUGGESTIONS)
            suggestions = list(dict.fromkeys(self._songs.names[row] for row, _ in alike))
            raise NoSuchSongError(f"no song is named like {shown(name)}", suggestions)
        return rows


def _cursor(row: int) -> str:
    return base64.urlsafe_b64encode(b"row:%d" % row).decode().rstrip("=")


def _row_of(cursor: str) -> int:
    """The row a cursor stands for. Raises InvalidRequestError."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), "-_", validate=True).decode()
        row = int(text.removeprefix("row:"))
    except (binascii.Error, ValueError):
        row = -1
    if row < 0 or _cursor(row) != cursor:
        raise InvalidRequestError(
            f"cursor: {shown(cursor)}, expected the next_cursor of an earlier answer"
        )
    return row
