"""Services to put the API before: over a bundle, in memory, and one that knows nothing."""

from __future__ import annotations

import atexit
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embed.bundle import open_bundle
from embed.catalogue import Catalogue, Song
from embed.clips import PREVIEWS_FILE, Clips
from embed.index import ExactIndex
from embed.mapfile import read_map
from embed.names import fold
from handler.app import create_app
from handler.asgi import App
from handler.lists.files import Files
from handler.lists.routes import ListRoutes
from handler.previews.routes import Previews
from handler.schemas import RecommendRequest
from handler.service import About, Answer, Service
from handler.songmap.atlas import Atlas
from handler.songmap.routes import SongMap
from handler.sound.listener import Listener
from handler.sound.routes import Sound
from handler.words.moods import moods_of
from handler.words.routes import Words
from tests.serving import song


@dataclass
class MemoryIndex:
    """Brute force; remembers how many were asked for."""

    rows: NDArray[np.float32]
    asked: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)

    def vectors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.rows[rows]

    def search(
        self, query: NDArray[np.float32], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        self.asked.append(count)
        similarities = np.vecdot(self.rows, query)
        order = np.argsort(-similarities, kind="stable")[:count]
        return order, similarities[order]


class MemoryNames:
    """Exact and partial matches only."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def containing(self, part: str, start: int = 0, limit: int = -1) -> list[int]:
        rows = [i for i, name in enumerate(self.names) if fold(part) in fold(name) and i >= start]
        return rows if limit < 0 else rows[:limit]

    def find(self, name: str, limit: int = -1) -> list[int]:
        rows = [i for i, one in enumerate(self.names) if fold(one) == fold(name)]
        return rows or self.containing(name, 0, limit)

    def alike(self, name: str, limit: int) -> list[tuple[int, float]]:
        return [(row, 50.0) for row in range(len(self.names))][:limit]


@dataclass
class MemorySongs:
    names: Sequence[str]
    copies: Mapping[int, int] = field(default_factory=dict)

    @property
    def lookup(self) -> MemoryNames:
        return MemoryNames(self.names)

    def artists(self, rows: Sequence[int]) -> list[str | None]:
        parts = [self.names[row].partition(" - ") for row in rows]
        return [fold(artist) if dash else None for artist, dash, _ in parts]

    def songs_at(self, rows: Sequence[int]) -> list[Song]:
        return [song(self.names[row], path=f"{row}.ogg") for row in rows]


ABOUT = About({"id": "tiny", "kind": "sample", "precision": "fp32"}, "0123456789ab", "ba98")


def service_of(
    vectors: NDArray[np.float32],
    names: Sequence[str] | None = None,
    copies: Mapping[int, int] | None = None,
) -> Service:
    names = names if names is not None else [f"song {row:03}" for row in range(len(vectors))]
    return Service(MemorySongs(names, copies or {}), MemoryIndex(vectors), ABOUT)


def recommended(found: Service, **request: object) -> list[tuple[str, float]]:
    answer = found.recommend(RecommendRequest.model_validate(request))
    return [(one["song"], one["similarity"]) for one in answer["recommendations"]]


def songs_of(found: Service, **request: object) -> list[str]:
    return [name for name, _ in recommended(found, **request)]


def app_of(bundle: Path, service: Service | None = None, **options: int) -> App:
    """The API over a bundle as ``handler.main`` makes it, or over another ``service`` for it;
    ``options`` are ``create_app``'s."""
    service = service or Service(
        Catalogue(bundle / "catalogue.sqlite"),
        ExactIndex(bundle / "vectors.npy"),
        ABOUT,
    )
    found = open_bundle(bundle)
    version, has_previews = found.manifest.version[:12], PREVIEWS_FILE in found.manifest.files
    clips = Clips(bundle / PREVIEWS_FILE) if has_previews else None
    features = [
        ListRoutes(service, Files()),
        Sound(service, listener_of(bundle), max_bytes=25_000_000, queue=4),
        Words(service, moods_of(found), 65_536),
        SongMap(Atlas(service.library, read_map(found), version, has_previews)),
        Previews(service.library, clips, version),
    ]
    return create_app(service, features=features, **options)


@cache
def listener_of(bundle: Path) -> Listener:
    """One for all applications over a bundle: its worker takes a second to start."""
    listener = Listener(open_bundle(bundle), longest_s=900)
    atexit.register(listener.close)
    return listener


class Silent:
    """A service that answers nothing much; ``error`` is raised by /recommend."""

    is_quick = True

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.asked: list[Any] = []

    def health(self) -> Answer:
        return {"status": "ok"}

    def ready(self) -> None:
        pass

    def songs(self, query: Any) -> Answer:
        self.asked.append(query)
        return {"songs": [], "next_cursor": None}

    def recommend(self, request: Any) -> Answer:
        self.asked.append(request)
        if self.error is not None:
            raise self.error
        return {"matched": "x", "recommendations": [], "error": None}
