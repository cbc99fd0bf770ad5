"""Playlists as answers that a player opens."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response

from embed.catalogue import Song
from embed.m3u8 import as_in_catalogue, below_url, m3u8


class Files:
    """Makes playlists whose songs lie below ``music_url``.

    Without it they bear their paths in the catalogue, for a playlist that is put into the folder
    of music. Where songs lie is the operator's to say, never a request's: what a client can put
    into a playlist's addresses a player fetches.
    """

    def __init__(self, music_url: str | None = None) -> None:
        self._place = as_in_catalogue if music_url is None else below_url(music_url)

    def answer(self, songs: Sequence[Song], kind: str) -> Response:
        """``songs`` as a file of media type ``kind``."""
        headers = {"content-disposition": 'attachment; filename="playlist.m3u8"'}
        content = m3u8(songs, self._place).encode()
        return Response(content, headers=headers, media_type=kind)
