"""What the tests of catalogue, service and API share: songs, bundles, an ASGI call by hand."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.types import ASGIApp, Message

from embed.approximate import APPROXIMATE_FROM
from embed.assemble import stage_songs
from embed.catalogue import Song, song_id
from embed.clips import PREVIEWS_FILE, write_clips
from embed.derived import stage_derived
from embed.manifest import (
    MODEL_FILE,
    TEXT_FILE,
    TOKENIZER_FILE,
    ModelInfo,
)
from embed.spec import EMBEDDING_SIZE, FrontEnd, Spec
from embed.writer import BundleWriter
from tests.tiny_model import tiny_model
from tests.tiny_text import write_tiny_text

NAMES = (
    "ABBA - Dancing Queen",
    "Björk - Army of Me",
    "Daft Punk - Get Lucky",
    "Daft Punk - One More Time",
    "LEEAAV - IN THIS DARK",
    "Moderat - A New Error",
    "Queen - Don't Stop Me Now",
    "Queen - Somebody to Love",
    "Radiohead - Creep",
    "Sigur Rós - Hoppípolla",
)
"""In the order of their folded names, so that place here is row in a catalogue."""


def song(name: str, path: str | None = None, content: str | None = None) -> Song:
    """A song of that name; of other bytes than every other, unless ``content`` says so."""
    artist, dash, title = name.partition(" - ")
    path = path if path is not None else f"{name}.ogg"
    return Song(
        id=song_id(path),
        name=name,
        artist=artist if dash else None,
        title=title if dash else name,
        path=path,
        duration_s=200.5,
        sha256=hashlib.sha256((content or path).encode("utf-8", "replace")).hexdigest(),
    )


def unit(vectors: Any) -> NDArray[np.float32]:
    """``vectors`` with rows of unit length."""
    rows = np.asarray(vectors, np.float64)
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def random_vectors(songs: int, seed: int = 0) -> NDArray[np.float32]:
    return unit(np.random.default_rng(seed).standard_normal((songs, EMBEDDING_SIZE)))


def at_similarities(*similarities: float) -> NDArray[np.float32]:
    """Row 0, and rows at these cosines to it; to each other at their products."""
    rows = np.zeros((len(similarities) + 1, EMBEDDING_SIZE))
    rows[0, 0] = 1
    for row, similarity in enumerate(similarities, 1):
        rows[row, 0] = similarity
        rows[row, row] = np.sqrt(1 - similarity**2)
    return rows.astype(np.float32)


def write_bundle(
    root: Path,
    songs: Sequence[Song],
    vectors: NDArray[np.float32],
    kind: str = "sample",
    model: bytes = b"not a model",
    with_text: bool = False,
    approximate_from: int = APPROXIMATE_FROM,
) -> Path:
    """A bundle of ``songs`` with ``vectors`` in the same order, an audio tower that is none,
    and perhaps the tiny text tower."""
    info = ModelInfo(id="tiny", sha256=hashlib.sha256(model).hexdigest(), kind=kind)
    spec = Spec(model_sha256=info.sha256, front_end=FrontEnd())
    by_id = {one.id: vector for one, vector in zip(songs, vectors, strict=True)}
    with BundleWriter(root) as writer:
        stage_songs(writer, songs, spec, lambda one: by_id[one.id])
        stage_derived(writer, approximate_from)
        writer.stage(MODEL_FILE).write_bytes(model)
        if with_text:
            text = write_tiny_text(writer.stage(TEXT_FILE), writer.stage(TOKENIZER_FILE))
            info = replace(info, text=text)
        writer.commit(model=info, spec=spec, songs=len(songs))
    return root


def named_bundle(root: Path) -> Path:
    """A bundle of ``NAMES`` with random embeddings, towers that work, and bytes to play for the
    first song."""
    songs = [song(name) for name in NAMES]
    vectors = random_vectors(len(NAMES))
    write_bundle(root, songs, vectors, model=tiny_model(), with_text=True)
    with BundleWriter(root) as writer:
        assert writer.previous is not None
        write_clips(writer.stage(PREVIEWS_FILE), [(songs[0].sha256, bytes(range(256)) * 8)])
        writer.commit(model=writer.previous.model, spec=writer.previous.spec, songs=len(songs))
    return root


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a content type and a body."""

    status: int
    content_type: str
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def call(
    app: ASGIApp,
    method: str,
    path: str,
    body: bytes | Any = b"",
    query: str = "",
    content_type: str | None = "application/json",
    headers: Sequence[tuple[bytes, bytes]] = (),
    **more_headers: str,
) -> Answer:
    """One request, straight into the application; a ``body`` that is not bytes becomes JSON.

    Its id is always the same, so that equal answers are equal; ``more_headers`` are added, with
    hyphens for their underscores.
    """
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"host": "test", "x_request_id": "test"} | more_headers
    own = [(name.replace("_", "-").encode(), one.encode()) for name, one in given.items()]
    sent_headers = [*own, *headers]
    if content_type is not None:
        sent_headers.append((b"content-type", content_type.encode()))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": sent_headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    start = sent[0]
    found = {key.decode(): value.decode() for key, value in start["headers"]}
    return Answer(
        status=start["status"],
        content_type=found.get("content-type", ""),
        body=b"".join(message.get("body", b"") for message in sent[1:]),
        headers=found,
    )
