"""What there is to say about lists, without HTTP: answers as dictionaries, ready for JSON."""

from __future__ import annotations

from embed.catalogue import Song
from embed.pairs import At, Pair, Pairs
from embed.playlist import Limits, Listed, as_given, continuation, journey
from handler.cursors import cursor, numbers_of
from handler.lists.schemas import PairsQuery, PlaylistRequest
from handler.service import MAX_ALSO, Answer, Service

_CURSOR = "pair"


class Lists:
    """Playlists and pairs of the songs of ``service``; safe to share between threads."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._library = service.library

    def playlist(self, request: PlaylistRequest) -> Answer:
        """Songs in an order to be heard.

        Raises NoSuchSongError when a name means no song, SearchError when there is nothing
        between the songs.
        """
        return self._playlist(request)[0]

    def playlist_songs(self, request: PlaylistRequest) -> list[Song]:
        """The same songs, with where they lie."""
        rows = [one.row for one in self._playlist(request)[1]]
        return self._library.songs.songs_at(rows)

    def _playlist(self, request: PlaylistRequest) -> tuple[Answer, list[Listed]]:
        asked = _asked(request)
        meant = [self._library.meant(name, MAX_ALSO + 1) for name in asked]
        rows = [others[0] for others in meant]
        excluded, unmatched = self._service.excluded(request.exclude)
        not_like = [self._library.meant(name)[0] for name in request.not_like]
        limits = Limits(excluded, not_like, request.max_per_artist, request.diversity)
        if request.these is not None:
            listed = as_given(self._library, rows)
        elif request.songs is not None:
            listed = continuation(self._library, rows, request.n, limits)
        else:
            listed = journey(self._library, rows[0], rows[1], request.n, limits)
        names = self._library.songs.names
        answer: Answer = {
            "matched": [names[row] for row in rows],
            "songs": [{"song": names[one.row], "similarity": one.similarity} for one in listed],
            "error": None,
        }
        if also := self._service.also(asked, meant):
            answer["also"] = also
        if unmatched:
            answer["exclude_unmatched"] = unmatched
        if not_like:
            answer["not_like"] = [names[row] for row in not_like]
        return answer, listed

    def pairs(self, query: PairsQuery) -> Answer:
        """A page of near-duplicates. Raises InvalidRequestError on a cursor that is not ours."""
        at = At()
        if query.cursor is not None:
            row, skip = numbers_of(query.cursor, _CURSOR, 2)
            # A cursor of a longer catalogue ends the list.
            at = At(min(row, len(self._library)), skip)
        pairs = Pairs(self._library, query.kind, query.min_similarity)
        page, following = pairs.page(at, query.limit)
        return {
            "pairs": [self._pair(pair) for pair in page],
            "next_cursor": None if following is None else cursor(_CURSOR, *following),
        }

    def _pair(self, pair: Pair) -> Answer:
        songs = self._library.songs.songs_at([pair.one, pair.other])
        return {
            "kind": pair.kind,
            "similarity": pair.similarity,
            "songs": [
                {"song": song.name, "path": song.path, "duration_s": song.duration_s}
                for song in songs
            ],
        }


def _asked(request: PlaylistRequest) -> list[str]:
    """The names in it that a playlist is made from."""
    if request.start is not None and request.end is not None:
        return [request.start, request.end]
    return request.these or request.songs or []
