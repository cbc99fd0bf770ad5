"""The bundle on disk, as a reader sees it: whole, verified, never half of one.

``embed/writer.py`` tells how a bundle changes; for a reader it means: while
``.pending/manifest.json`` is there, that is the manifest, and each file lies in ``.pending``
when it is still there, else in its place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from embed.errors import BundleError
from embed.manifest import Manifest

MANIFEST_FILE: Final = "manifest.json"
PENDING: Final = ".pending"
_OPEN_TRIES: Final = 10

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle as ``open_bundle`` found it: its manifest, and files of the right size."""

    root: Path
    manifest: Manifest

    def file(self, name: str, *, verify: bool = True) -> Path:
        """Where ``name`` lies; with ``verify`` only once its SHA-256 is the manifest's.

        Raises BundleError when the bundle does not list it, or the bytes are others.
        """
        info = self.manifest.files.get(name)
        if info is None:
            raise BundleError(f"{self.root}: holds no {name}")
        path = _locate(self.root, name)
        if verify and (found := sha256_file(path)) != info.sha256:
            raise BundleError(f"{path}: SHA-256 is {found}, the manifest says {info.sha256}")
        return path

    def is_current(self) -> bool:
        """Whether the bundle on disk is still this one."""
        try:
            return _manifest_bytes(self.root) == self.manifest.to_bytes()
        except BundleError:
            return False


def open_bundle(root: Path, without: Collection[str] = ()) -> Bundle:
    """The bundle at ``root``, its manifest consistent and every file of the size it lists, but
    for those that it may be ``without``.

    Raises BundleError when there is none, or it is torn, or of another format.
    """
    place = str(root / MANIFEST_FILE)
    for attempt in range(_OPEN_TRIES):
        data = _manifest_bytes(root)
        is_moving = (root / PENDING).exists()
        try:
            bundle = Bundle(root, Manifest.from_bytes(data, place))
            for name, info in bundle.manifest.files.items():
                if name in without:
                    continue
                size = _locate(root, name).stat().st_size
                if size != info.bytes:
                    raise BundleError(
                        f"{root / name}: {size} bytes, the manifest says {info.bytes}"
                    )
        except (BundleError, OSError) as error:
            # A writer may have moved files between two looks: look again, if so.
            has_moved = is_moving or _manifest_bytes(root) != data
            if attempt + 1 < _OPEN_TRIES and has_moved:
                continue
            if isinstance(error, OSError):
                raise BundleError(
                    f"{error.filename}: {error.strerror}, but {place} lists it"
                ) from error
            raise
        return bundle
    raise BundleError(f"{root}: is being rewritten without pause")


def load_bundle(root: Path, load: Callable[[Bundle], T], without: Collection[str] = ()) -> T:
    """``load(open_bundle(root, without))``, done again when a writer replaced the bundle meanwhile.

    What ``load`` opened belongs to one and the same bundle. Raises BundleError.
    """
    for attempt in range(_OPEN_TRIES):
        bundle = open_bundle(root, without)
        is_moving = (root / PENDING).exists()
        try:
            loaded = load(bundle)
        except (BundleError, OSError):
            has_moved = is_moving or not bundle.is_current()
            if attempt + 1 < _OPEN_TRIES and has_moved:
                continue
            raise
        if bundle.is_current():
            return loaded
    raise BundleError(f"{root}: is being rewritten without pause")


def sha256_file(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _locate(root: Path, name: str) -> Path:
    pending = root / PENDING / name
    return pending if pending.exists() else root / name


def _manifest_bytes(root: Path) -> bytes:
    # .pending first: while it holds the manifest, that one is the bundle.
    for path in (root / PENDING / MANIFEST_FILE, root / MANIFEST_FILE):
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise BundleError(f"{path}: {error.strerror}") from error
    raise BundleError(f"{root}: no bundle here (no {MANIFEST_FILE})")
