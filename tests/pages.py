"""An application for the page's tests: clusters of songs, and answers to what is not by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
from starlette.requests import Request
from starlette.responses import Response

from embed.opus import encode_opus
from embed.planar import lay_out, principal
from embed.songmap import quantised
from handler.app import Feature, create_app
from handler.asgi import App, read_body
from handler.documentation import Route
from handler.service import Service
from handler.songmap.atlas import Atlas
from handler.songmap.routes import SongMap
from tests.services import ABOUT, MemoryIndex, MemorySongs
from tests.serving import unit

GENRES = ("Dub", "Waltz", "Ragtime", "Techno", "Choral")
EVIL = 'Bobby <img src=x onerror="throw 1"> - </script><b>Tables'


def song_names(songs: int) -> list[str]:
    """Five artists, and one song with a name that means harm."""
    names = [
        f"The {GENRES[at % 5]} Trio - {GENRES[at % 5]} No. {at // 5 + 1}" for at in range(songs)
    ]
    return sorted([*names[: songs - 1], EVIL])


class Answers:
    """Fakes of the routes that other features own; each remembers what it was asked."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.asked: list[tuple[str, Any]] = []

    def routes(self) -> list[Route]:
        return [
            Route("POST", "/recommend/audio", self.audio, "fake", {}),
            Route("GET", "/recommend/text", self.text, "fake", {}),
            Route("POST", "/recommend/text", self.text, "fake", {}),
            Route("POST", "/playlist", self.playlist, "fake", {}),
            Route("GET", "/similar-pairs", self.pairs, "fake", {}),
        ]

    async def audio(self, request: Request) -> Response:
        body = await read_body(request, 1_000_000)
        self.asked.append(("audio", (request.headers["content-type"], body)))
        return self._found([0.71, 0.7, 0.4])

    async def text(self, request: Request) -> Response:
        self.asked.append(("text", dict(request.query_params)))
        return self._found([0.31, 0.2, 0.01])

    async def playlist(self, request: Request) -> Response:
        asked = orjson.loads(await read_body(request, 10_000))
        self.asked.append(("playlist", asked))
        if "mpegurl" in request.headers["accept"]:
            return Response(b"#EXTM3U\n/music/one.ogg\n", media_type="audio/x-mpegurl")
        songs = [*self.names[: asked["n"] - 1], asked.get("to", self.names[-2])]
        found = [{"song": song, "similarity": 0.5} for song in songs]
        return Response(orjson.dumps({"matched": [], "songs": found, "error": None}))

    async def pairs(self, request: Request) -> Response:
        """An empty page, then a pair, then another and the end."""
        at = int(request.query_params.get("cursor", 0))
        self.asked.append(("pairs", at))
        songs = [{"song": name, "path": f"{name}.ogg"} for name in self.names[at : at + 2]]
        pair = {"kind": ("remaster", "close")[at % 2], "similarity": 0.97, "songs": songs}
        following = str(at + 1) if at < 2 else None
        return Response(orjson.dumps({"pairs": [pair] if at else [], "next_cursor": following}))

    def _found(self, similarities: list[float]) -> Response:
        pairs = zip(self.names, similarities, strict=False)
        found = [{"song": song, "similarity": one} for song, one in pairs]
        return Response(orjson.dumps({"matched": None, "recommendations": found, "error": None}))


class Tone:
    """A second of a tone for every song, by the encoder that makes previews."""

    def __init__(self) -> None:
        wave = 0.1 * np.sin(np.arange(48_000) * 0.05)
        self._clip = encode_opus(wave.astype(np.float32))
        self.asked: list[str] = []

    def routes(self) -> list[Route]:
        return [Route("GET", "/previews", self.play, "fake", {})]

    async def play(self, request: Request) -> Response:
        self.asked.append(request.query_params["song"])
        return Response(self._clip, media_type="audio/ogg")


def page_app(
    songs: int = 60, *, has_map: bool = True, tone: Tone | None = None
) -> tuple[App, Answers]:
    """The API over ``songs`` songs in five clusters."""
    names = song_names(songs)
    rng = np.random.default_rng(0)
    centres = {genre: rng.standard_normal(512) * 2 for genre in (*GENRES, "")}
    of = [next((genre for genre in GENRES if genre in name), "") for name in names]
    vectors = unit([centres[genre] + rng.standard_normal(512) for genre in of])
    points = None
    if has_map:
        points = np.zeros((songs, 3), np.uint16)
        points[:, :2] = quantised(lay_out(principal(vectors)))
    service = Service(MemorySongs(names), MemoryIndex(vectors), ABOUT)
    answers = Answers(names)
    atlas = Atlas(service.library, points, "v1", has_previews=tone is not None)
    features: list[Feature] = [SongMap(atlas), answers, *([tone] if tone else [])]
    return create_app(service, features=features), answers


def large_map_app(songs: int) -> App:
    """A map of very many songs, in spirals."""
    rng = np.random.default_rng(0)
    turn, arm = rng.random(songs) * 9, np.arange(songs) % 7
    angle = turn + arm * 2 * np.pi / 7
    points = np.zeros((songs, 3), np.uint16)
    spread = rng.standard_normal((songs, 2)) * 0.25
    points[:, :2] = quantised(
        (np.stack([np.cos(angle), np.sin(angle)], axis=1) * turn[:, None] + spread).astype(
            np.float32
        )
    )
    names = [f"Artist {at // 10:05} - Song {at:05}" for at in range(songs)]
    vectors = unit(rng.standard_normal((songs, 8)))
    service = Service(MemorySongs(names), MemoryIndex(vectors), ABOUT)
    return create_app(service, features=[SongMap(Atlas(service.library, points, "v1"))])
