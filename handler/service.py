"""What the API can do, without HTTP: answers as plain dictionaries, ready for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np

from embed.catalogue import Song
from embed.choice import Found, Sought
from embed.index import Index, Vectors, pool_seeds
from embed.library import Library, Songs
from embed.recordings import COMPARE_ALL
from handler.cursors import cursor, numbers_of
from handler.schemas import RecommendRequest, SongsQuery, Wanted

MAX_ALSO: Final = 20

INLINE_SONGS: Final = 5_000
"""Up to here a search takes 0.4 ms, less than handing it to a thread and back is worth."""

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class About:
    """What /health says of the bundle. ``model`` holds id, kind and precision."""

    model: dict[str, str] | None
    spec: str
    bundle: str


class Engine(Protocol):
    """What searches elsewhere, and may be down."""

    def check(self) -> None:
        """Raises EngineError when it cannot be searched."""
        ...

    def health(self) -> Answer:
        """What /health says of it."""
        ...


class Service:
    """Answers about the songs of one bundle; safe to share between threads.

    ``engine`` is what ``index`` asks, None when that is in this process.
    """

    def __init__(
        self,
        songs: Songs,
        index: Index,
        about: About,
        compare_all: int = COMPARE_ALL,
        engine: Engine | None = None,
    ) -> None:
        self.library = Library(songs, index, compare_all)
        self._songs = songs
        self._about = about
        self._engine = engine

    @property
    def is_quick(self) -> bool:
        """Whether an answer takes so little time that an event loop may wait for it."""
        return self._engine is None and len(self._songs.names) <= INLINE_SONGS

    def ready(self) -> None:
        """Raises EngineError when songs cannot be searched now."""
        if self._engine is not None:
            self._engine.check()

    def health(self) -> Answer:
        """What is being served."""
        answer = {
            "status": "ok",
            "songs_loaded": len(self._songs.names),
            "model": self._about.model,
            "spec": self._about.spec,
            "bundle": self._about.bundle,
        }
        if self._engine is not None:
            answer["index"] = self._engine.health()
        return answer

    def songs(self, query: SongsQuery) -> Answer:
        """A page of names. Raises InvalidRequestError on a cursor that is not ours."""
        names = self._songs.names
        # A cursor of a longer catalogue ends the list; SQLite takes no number of 20 digits.
        start = (
            0 if query.cursor is None else min(numbers_of(query.cursor, "row", 1)[0], len(names))
        )
        if query.q:
            rows = self._songs.lookup.containing(query.q, start, query.limit + 1)
            page = [names[row] for row in rows[: query.limit]]
            following = rows[query.limit] if len(rows) > query.limit else None
        else:
            end = start + query.limit
            page = list(names[start:end])
            following = end if end < len(names) else None
        return {
            "songs": page,
            "next_cursor": None if following is None else cursor("row", following),
        }

    def recommend(self, request: RecommendRequest) -> Answer:
        """The songs most like those asked for.

        A song named twice counts once. Raises NoSuchSongError when a name means no song,
        SearchError when the songs have nothing between them.
        """
        return self._recommend(request)[0]

    def recommended(self, request: RecommendRequest) -> list[Song]:
        """The songs that ``recommend`` answers, in its order, with where they lie."""
        return self._songs.songs_at([row for row, _ in self._recommend(request)[1]])

    def _recommend(self, request: RecommendRequest) -> tuple[Answer, Found]:
        asked = [request.song] if request.song is not None else request.songs or []
        meant = [self.library.meant(name, MAX_ALSO + 1) for name in asked]
        seeds = list(dict.fromkeys(rows[0] for rows in meant))
        vectors = self.library.index.vectors(np.array(seeds, np.int64))
        query = vectors[0] if len(seeds) == 1 else pool_seeds(vectors)
        answer, found = self._near(query, request, seeds, request.exclude_same_artist)
        names = self._songs.names
        matched = [names[others[0]] for others in meant]
        answer["matched"] = matched if request.song is None else matched[0]
        if also := self.also(asked, meant):
            answer["also"] = also if request.song is None else also[request.song]
        return answer, found

    def near(self, query: Vectors, wanted: Wanted) -> Answer:
        """The songs nearest to ``query``, float32 ``(512,)``, unit length; ``matched`` is null.

        Raises NoSuchSongError when a name of ``not_like`` means no song.
        """
        return self._near(query, wanted)[0]

    def near_songs(self, query: Vectors, wanted: Wanted) -> list[Song]:
        """The songs that ``near`` answers, in its order, with where they lie."""
        return self._songs.songs_at([row for row, _ in self._near(query, wanted)[1]])

    def _near(
        self,
        query: Vectors,
        wanted: Wanted,
        seeds: Sequence[int] = (),
        without_artists_of_seeds: bool = False,
    ) -> tuple[Answer, Found]:
        excluded, unmatched = self.excluded(wanted.exclude) if wanted.exclude else ([], [])
        not_like = [self.library.meant(name)[0] for name in wanted.not_like]
        sought = Sought(
            query,
            wanted.top_k,
            wanted.min_similarity,
            seeds,
            excluded,
            without_artists_of_seeds,
            not_like,
            wanted.diversity,
            wanted.max_per_artist,
        )
        found = self.library.nearest(sought)
        names = self._songs.names
        answer: Answer = {
            "matched": None,
            "recommendations": [
                {"song": names[row], "similarity": similarity} for row, similarity in found
            ],
            "error": None,
        }
        if unmatched:
            answer["exclude_unmatched"] = unmatched
        if not_like:
            answer["not_like"] = [names[row] for row in not_like]
        return answer, found

    def excluded(self, names: Sequence[str]) -> tuple[list[int], list[str]]:
        """Every row that ``names`` may mean, and those of the names that mean none."""
        found = [(name, self._songs.lookup.find(name)) for name in names]
        rows = [row for _, rows in found for row in rows]
        return rows, [name for name, rows in found if not rows]

    def also(self, asked: Sequence[str], meant: Sequence[Sequence[int]]) -> dict[str, list[str]]:
        """The other songs that the names ``asked`` may mean, of those that may."""
        names = self._songs.names
        return {
            name: [names[row] for row in rows[1:]]
            for name, rows in zip(asked, meant, strict=True)
            if len(rows) > 1
        }
