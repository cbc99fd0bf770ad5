"""The bundle on disk: open and verify; write so that nobody ever sees half of one.

A writer fills ``.staging-…``, then renames it to ``.pending``: that one rename is the
commit. Its files then move to their places, the manifest last. A reader that finds
``.pending/manifest.json`` takes each file from ``.pending`` when it is still there, so it
sees the new bundle whole; before the rename it sees the old one whole. A writer that was
killed while moving is finished by the next one.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from filelock import FileLock, Timeout

from embed.errors import BundleError
from embed.manifest import (
    CATALOGUE_FILE,
    MODEL_FILE,
    VECTORS_FILE,
    FileInfo,
    Manifest,
    ModelInfo,
)
from embed.spec import Spec

MANIFEST_FILE: Final = "manifest.json"
_PENDING: Final = ".pending"
_STAGING: Final = ".staging-"
_LOCK: Final = ".lock"
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


def open_bundle(root: Path) -> Bundle:
    """The bundle at ``root``, its manifest consistent and every file of the size it lists.

    Raises BundleError when there is none, or it is torn, or of another format.
    """
    place = str(root / MANIFEST_FILE)
    for attempt in range(_OPEN_TRIES):
        data = _manifest_bytes(root)
        try:
            bundle = Bundle(root, Manifest.from_bytes(data, place))
            for name, info in bundle.manifest.files.items():
                size = _locate(root, name).stat().st_size
                if size != info.bytes:
                    raise BundleError(
                        f"{root / name}: {size} bytes, the manifest says {info.bytes}"
                    )
        except (BundleError, OSError) as error:
            # A writer may have moved files between the two looks: look again, if so.
            if attempt + 1 < _OPEN_TRIES and _manifest_bytes(root) != data:
                continue
            if isinstance(error, OSError):
                raise BundleError(
                    f"{error.filename}: {error.strerror}, but {place} lists it"
                ) from error
            raise
        return bundle
    raise BundleError(f"{root}: is being rewritten without pause")


def load_bundle(root: Path, load: Callable[[Bundle], T]) -> T:
    """``load(open_bundle(root))``, done again when a writer replaced the bundle meanwhile.

    What ``load`` opened belongs to one and the same bundle. Raises BundleError.
    """
    for _ in range(_OPEN_TRIES):
        bundle = open_bundle(root)
        try:
            loaded = load(bundle)
        except (BundleError, OSError):
            if bundle.is_current():
                raise
            continue
        if bundle.is_current():
            return loaded
    raise BundleError(f"{root}: is being rewritten without pause")


class BundleWriter:
    """Changes a bundle in one step, under a lock: all of it, or nothing.

        with BundleWriter(root) as writer:
            shutil.copy(model, writer.stage("model/audio.onnx"))
            writer.commit(model=info)

    ``previous`` is the manifest found there, None in a new place. Files that are neither
    staged nor dropped stay. Raises BundleError when another writer holds the lock, or what
    lies there is no bundle of ours.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.previous: Manifest | None = None
        self._staged: set[str] = set()
        self._staging: Path | None = None
        self._lock = FileLock(root / _LOCK, timeout=0)

    def __enter__(self) -> Self:
        if self.root.exists() and not self.root.is_dir():
            raise BundleError(f"{self.root}: not a directory")
        self.root.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire()
        except Timeout:
            raise BundleError(f"{self.root}: another process is writing this bundle") from None
        try:
            _finish(self.root)
            for stale in self.root.glob(_STAGING + "*"):
                shutil.rmtree(stale)
            if (self.root / MANIFEST_FILE).exists():
                self.previous = open_bundle(self.root).manifest
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._staging is not None:
            shutil.rmtree(self._staging, ignore_errors=True)
        self._lock.release()

    def stage(self, name: str) -> Path:
        """Where to write the new ``name``; it counts only once ``commit`` returns."""
        if self._staging is None:
            self._staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=self.root))
            self._staging.chmod(0o755)  # mkdtemp's 0700 would hide the model's folder
        path = self._staging / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self._staged.add(name)
        return path

    def commit(
        self,
        *,
        model: ModelInfo | None,
        spec: Spec | None = None,
        songs: int = 0,
    ) -> Manifest:
        """Put what was staged in place, with the manifest that describes it.

        With ``spec`` None the bundle holds no songs; with ``model`` None, no model.
        Raises BundleError when the parts do not fit each other.
        """
        kept = {} if self.previous is None else dict(self.previous.files)
        staging = self.stage(MANIFEST_FILE).parent
        self._staged.discard(MANIFEST_FILE)
        for name in self._staged:
            path = staging / name
            _sync(path)
            kept[name] = FileInfo(path.stat().st_size, sha256_file(path))
        dropped = ({MODEL_FILE} if model is None else set()) | (
            {CATALOGUE_FILE, VECTORS_FILE} if spec is None else set()
        )
        files = {name: kept[name] for name in sorted(kept) if name not in dropped}
        manifest = Manifest(files=files, model=model, spec=spec, songs=songs)
        (staging / MANIFEST_FILE).write_bytes(manifest.to_bytes())
        _sync(staging / MANIFEST_FILE)
        staging.rename(self.root / _PENDING)
        self._staging = None
        self._staged.clear()
        _sync(self.root)
        _finish(self.root)
        self.previous = manifest
        return manifest


def sha256_file(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _locate(root: Path, name: str) -> Path:
    pending = root / _PENDING / name
    return pending if pending.exists() else root / name


def _manifest_bytes(root: Path) -> bytes:
    # .pending first: while it holds the manifest, that one is the bundle.
    for path in (root / _PENDING / MANIFEST_FILE, root / MANIFEST_FILE):
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise BundleError(f"{path}: {error.strerror}") from error
    raise BundleError(f"{root}: no bundle here (no {MANIFEST_FILE})")


def _finish(root: Path) -> None:
    """Move a committed ``.pending`` to its places, and drop what is no longer listed."""
    pending = root / _PENDING
    if not (pending / MANIFEST_FILE).exists():
        # Moved whole but for the empty folders, or never there.
        shutil.rmtree(pending, ignore_errors=True)
        return
    manifest = Manifest.from_bytes((pending / MANIFEST_FILE).read_bytes(), str(pending))
    for name in (CATALOGUE_FILE, VECTORS_FILE, MODEL_FILE):
        if name not in manifest.files:
            (root / name).unlink(missing_ok=True)
    for name in [*manifest.files, MANIFEST_FILE]:
        source = pending / name
        if source.exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            source.replace(root / name)
    _sync(root)
    shutil.rmtree(pending)


def _sync(path: Path) -> None:
    """fsync a file or directory, where the system can."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
