"""``POST /recommend/audio``."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from embed.index import Vectors
from handler.documentation import BUSY, M3U8, NOT_FOUND, Route, parameters
from handler.errors import BusyError
from handler.lists.files import Files
from handler.near import Near, near_answer
from handler.operations.metrics import EncoderMetrics
from handler.parse import parse_query
from handler.routes import NO_SONGS
from handler.schemas import RecommendResponse, Wanted
from handler.service import Answer
from handler.sound.form import FIELD
from handler.sound.places import Places
from handler.sound.upload import CLIP_TYPES, FORM, UPLOAD_S, check_upload, spooled

_CLIP: Final = {"type": "string", "format": "binary"}
_BODY: Final[dict[str, Any]] = {
    "required": True,
    "description": "A sound file of any kind that `python -m embed` takes; its content decides.",
    "content": {
        FORM: {
            "schema": {"type": "object", "required": [FIELD], "properties": {FIELD: _CLIP}},
        },
        "audio/*": {"schema": _CLIP},
        "application/octet-stream": {"schema": _CLIP},
    },
}
_EXAMPLE: Final[Answer] = {
    "matched": None,
    "recommendations": [{"song": "Moderat - A New Error", "similarity": 0.8213}],
    "error": None,
}
_ERRORS: Final = {
    400: "body: the form ends without its last boundary",
    408: f"body: not here after {UPLOAD_S:g} s",
    413: "file: longer than 25,000,000 bytes",
    415: f"content-type: 'text/plain', expected audio/*, {', '.join(sorted(CLIP_TYPES))}, or "
    f"{FORM} with one field, file",
    422: "file: empty (0 bytes), expected an audio file",
    501: "the bundle holds no model (its embeddings were imported), so that a clip cannot be "
    "compared with its songs; embed them with python -m embed",
    503: "4 clips are waiting already; try again in a moment",
}


class Ear(Protocol):
    """Makes an embedding of a clip; see ``handler.sound.listener.Listener``."""

    def expect_model(self) -> None: ...
    async def embedding(self, clip: Path) -> Vectors: ...


class Sound:
    """Over ``service``; so many clips at a time (``queue``) of ``max_bytes`` each, which may take
    ``upload_s`` to arrive; ``metrics`` are told of them, ``files`` makes playlists."""

    def __init__(
        self,
        service: Near,
        ear: Ear,
        max_bytes: int,
        queue: int,
        upload_s: float = UPLOAD_S,
        metrics: EncoderMetrics | None = None,
        files: Files | None = None,
    ) -> None:
        self._service = service
        self._files = files or Files()
        self._ear = ear
        self._max_bytes = max_bytes
        self._places = Places(queue)
        self._upload_s = upload_s
        self._metrics = metrics or EncoderMetrics()
        self._metrics.queue(self._places.busy, queue)

    def routes(self) -> list[Route]:
        """The one there is, documented."""
        answers = dict.fromkeys(
            (200, 400, 404, 408, 413, 415, 422, 500, 501, 503), RecommendResponse
        )
        takes = {
            "parameters": parameters(Wanted),
            "requestBody": _BODY,
            "responses": BUSY,
        }
        return [
            Route(
                *("POST", "/recommend/audio", self.recommend),
                "Songs that sound like a clip; m3u8 if Accept says so",
                answers,
                takes,
                nothing=NO_SONGS,
                examples={
                    200: _EXAMPLE,
                    404: NO_SONGS | NOT_FOUND,
                    **{status: _failed(one) for status, one in _ERRORS.items()},
                },
                contents={200: M3U8},
                tag="songs",
            )
        ]

    async def recommend(self, request: Request) -> Response:
        """Songs that sound like an uploaded one."""
        text = request.scope["query_string"].decode("latin-1")
        wanted = parse_query(parse_qsl(text, keep_blank_values=True), Wanted)
        self._ear.expect_model()
        check_upload(request, self._max_bytes)
        try:
            with self._places.taken():
                async with spooled(request, self._max_bytes, self._upload_s) as clip:
                    started = perf_counter()
                    query = await self._ear.embedding(clip)
                    self._metrics.encoded(perf_counter() - started)
        except BusyError:
            self._metrics.rejected()
            raise
        return await near_answer(self._service, self._files, request, query, wanted)


def _failed(error: str) -> Answer:
    return {**NO_SONGS, "error": error}
