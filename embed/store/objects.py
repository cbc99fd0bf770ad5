"""What a store needs of the place where it lies; ``local.py`` and ``s3.py`` give it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from embed.manifest import FileInfo

Advance = Callable[[int], None]
"""Is told of bytes that are done: moved, or found to be there."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An object as a listing shows it; ``tag`` changes when its content does."""

    key: str
    bytes: int
    modified: datetime
    tag: str


class Objects(Protocol):
    """Files under keys such as ``versions/1f6a…/model/audio.onnx``.

    Every method raises StoreError, in one line, when the place cannot be reached or refuses.
    """

    @property
    def place(self) -> str:
        """As people write it."""

    def read(self, key: str) -> tuple[bytes, str] | None:
        """A small object and its tag, None when there is none."""

    def replace(self, key: str, data: bytes, tag: str | None) -> bool:
        """Write a small object if it still has ``tag`` (None: if there still is none).

        False, and nothing written, when another writer was faster.
        """

    def put(self, key: str, file: BinaryIO, info: FileInfo, advance: Advance) -> None:
        """Write the whole of ``file``, unless just that is there already.

        Raises StoreError when ``file`` does not hold what ``info`` says.
        """

    def size(self, key: str) -> int | None:
        """Bytes of an object, None when there is none."""

    def fetch(self, key: str, to: Path, info: FileInfo, advance: Advance) -> None:
        """Copy an object to ``to``. Raises StoreError when it is not what ``info`` says."""

    def copy(self, key: str, to: Path) -> bool:
        """Copy an object as it is now to ``to``, whatever its size; False when there is none."""

    def list(self, prefix: str) -> Iterator[Listed]:
        """Every object whose key begins with ``prefix``, by key."""
