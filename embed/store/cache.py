"""Bundles of S3 stores, kept on this machine: for those who read, and for those who write."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Final

from embed.errors import StoreError
from embed.store.place import Place, S3Url, split_version

_NAME: Final = "vibe-search"
_WAIT_S: Final = 600.0
"""For another process of this machine that fetches the same bundle at the same moment."""


def local_copy(place: Place, cache: Path | None = None) -> Path:
    """A directory that holds the bundle at ``place``: the latest version, or the one it names.

    A directory is its own copy. That of ``s3://bucket/prefix[/versions/1f6a…]`` is kept below
    ``cache``, brought up to date first, and never half of one. Raises StoreError, BundleError.
    """
    if isinstance(place, Path):
        return place
    from embed.store.pull import pull  # noqa: PLC0415 - a local bundle needs none of it
    from embed.store.versions import open_store  # noqa: PLC0415

    url, version = split_version(place)
    root = store_folder(place, cache) / "bundle"
    pull(open_store(url), root, version, wait_s=_WAIT_S)
    return root


def store_folder(url: S3Url, cache: Path | None = None) -> Path:
    """Where copies of ``url`` are kept on this machine; made when absent. Raises StoreError."""
    digest = hashlib.sha256(str(url).encode()).hexdigest()[:12]
    folder = _cache_folder(cache) / f"{url.bucket}-{digest}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror}") from error
    return folder


def _cache_folder(chosen: Path | None) -> Path:
    """``chosen``, else ~/.cache/vibe-search, else (read-only homes) one for temporary files."""
    if chosen is not None:
        return _made(chosen)
    try:
        return _made(Path.home() / ".cache" / _NAME)
    except (StoreError, RuntimeError):  # RuntimeError: this user has no home
        return _made(Path(tempfile.gettempdir()) / f"{_NAME}-{_user()}")


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror}; say where copies may be kept") from error
    if hasattr(os, "geteuid") and status.st_uid not in (os.geteuid(), 0):
        raise StoreError(f"{folder}: belongs to another user; say where copies may be kept")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StoreError(f"{folder}: not writable; say where copies may be kept")
    return folder


def _user() -> str:
    return str(os.geteuid()) if hasattr(os, "geteuid") else "user"
