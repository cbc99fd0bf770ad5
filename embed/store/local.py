"""A store in a local directory (or on a network file system that knows locks and renames)."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from filelock import FileLock, Timeout

from embed.bundle import sha256_file
from embed.errors import StoreError
from embed.manifest import FileInfo
from embed.store.objects import Advance, Listed

_LOCK: Final = ".lock"
_LOCK_TIMEOUT_S: Final = 30.0
"""It is held while one small file is written."""
_PIECE_BYTES: Final = 1 << 20


class LocalObjects:
    """Files below ``root``, which is made when something is written."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def place(self) -> str:
        """The directory."""
        return str(self._root)

    def read(self, key: str) -> tuple[bytes, str] | None:
        """See Objects; the tag is the content's SHA-256."""
        with self._errors(key):
            try:
                data = (self._root / key).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return data, hashlib.sha256(data).hexdigest()

    def replace(self, key: str, data: bytes, tag: str | None) -> bool:
        """See Objects; all writers on this file system share one lock."""
        with self._errors(key):
            self._root.mkdir(parents=True, exist_ok=True)
            try:
                with FileLock(self._root / _LOCK, timeout=_LOCK_TIMEOUT_S):
                    found = self.read(key)
                    if (None if found is None else found[1]) != tag:
                        return False
                    self._write(key, lambda file: file.write(data))
            except Timeout:
                raise StoreError(
                    f"{self._root / _LOCK}: held by another writer for {_LOCK_TIMEOUT_S:g} s"
                ) from None
        return True

    def put(self, key: str, file: BinaryIO, info: FileInfo, advance: Advance) -> None:
        """See Objects."""
        with self._errors(key):
            there = self._root / key
            if self.size(key) == info.bytes and sha256_file(there) == info.sha256:
                advance(info.bytes)
                return
            self._write(key, lambda to: _copy(file, to, info, f"{key} as it was read", advance))

    def size(self, key: str) -> int | None:
        """See Objects."""
        with self._errors(key):
            try:
                return (self._root / key).stat().st_size
            except (FileNotFoundError, NotADirectoryError):
                return None

    def fetch(self, key: str, to: Path, info: FileInfo, advance: Advance) -> None:
        """See Objects."""
        with self._errors(key):
            source = (self._root / key).open("rb")
        with source, to.open("wb") as file:
            _copy(source, file, info, f"{self._root / key}: damaged", advance)

    def copy(self, key: str, to: Path) -> bool:
        """See Objects."""
        if self.size(key) is None:
            return False
        with self._errors(key):
            shutil.copyfile(self._root / key, to)
        return True

    def list(self, prefix: str) -> Iterator[Listed]:
        """See Objects."""
        folder = self._root / prefix.rpartition("/")[0]
        with self._errors(prefix):
            for path in sorted(folder.rglob("*")):
                key = path.relative_to(self._root).as_posix()
                # Names with a dot are locks, and files that are being written.
                if key.startswith(prefix) and not path.name.startswith(".") and path.is_file():
                    status = path.stat()
                    modified = datetime.fromtimestamp(status.st_mtime, UTC)
                    yield Listed(key, status.st_size, modified, str(status.st_mtime_ns))

    def _write(self, key: str, fill: Callable[[BinaryIO], object]) -> None:
        """Fill a new file beside ``key``'s place and move it there in one step."""
        path = self._root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=".part-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                fill(file)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)  # mkstemp's 0600 would hide it from other readers
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            place = error.filename or self._root / key
            raise StoreError(f"{place}: {error.strerror or error}") from error


def _copy(source: BinaryIO, to: BinaryIO, info: FileInfo, what: str, advance: Advance) -> None:
    digest = hashlib.sha256()
    source.seek(0)
    while piece := source.read(_PIECE_BYTES):
        digest.update(piece)
        to.write(piece)
        advance(len(piece))
    if digest.hexdigest() != info.sha256:
        raise StoreError(
            f"{what}, its SHA-256 is {digest.hexdigest()}, the manifest says {info.sha256}"
        )
