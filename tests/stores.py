"""Stores that do something beside their work, and what a bundle's files hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from embed.bundle import open_bundle
from embed.store.objects import Objects


class Interrupted(BaseException):
    """A process that is killed, as far as one can be without dying."""


class Wrapped:
    """``objects``, but a function is called with the key before each call of that name."""

    def __init__(self, objects: Objects, **before: Callable[[str], object]) -> None:
        self._objects = objects
        self._before = before

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._objects, name)
        if name not in self._before:
            return found

        def call(key: str, *rest: object) -> Any:
            self._before[name](key)
            return found(key, *rest)

        return call


def files_of(root: Path) -> dict[str, bytes]:
    """Name → bytes of every file that the bundle lists, and its manifest."""
    names = ["manifest.json", *open_bundle(root).manifest.files]
    return {name: (root / name).read_bytes() for name in names}
