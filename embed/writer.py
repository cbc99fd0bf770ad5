"""Changing a bundle so that nobody ever sees half of one.

A writer fills ``.staging-…``, then renames it to ``.pending``: that one rename is the
commit. Its files then move to their places, the manifest last. Before the rename a reader
sees the old bundle whole, after it the new one. A writer that was killed while moving is
finished by the next one.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from filelock import FileLock, Timeout

from embed.bundle import MANIFEST_FILE, PENDING, open_bundle, sha256_file
from embed.errors import BundleError
from embed.manifest import (
    CATALOGUE_FILE,
    MODEL_FILE,
    VECTORS_FILE,
    FileInfo,
    Manifest,
    ModelInfo,
    is_of_model,
)
from embed.spec import Spec

_STAGING: Final = ".staging-"
LOCK_FILE: Final = ".lock"
_SOURCES: Final = (CATALOGUE_FILE, VECTORS_FILE, MODEL_FILE)
"""What a bundle is; other files are made of these, or go with them."""


class BundleWriter:
    """Changes a bundle in one step, under a lock: all of it, or nothing.

        with BundleWriter(root) as writer:
            shutil.copy(model, writer.stage("model/audio.onnx"))
            writer.commit(model=info)

    ``previous`` is the manifest found there, None in a new place. Files that are neither
    staged nor dropped stay, but for those made of a model or of vectors that are replaced.
    Raises BundleError when another writer holds the lock (for ``wait_s`` seconds), or what lies
    there is no bundle of ours; with ``over_damage`` that counts as none.
    """

    def __init__(self, root: Path, *, wait_s: float = 0, over_damage: bool = False) -> None:
        self.root = root
        self._over_damage = over_damage
        self.previous: Manifest | None = None
        self._staged: set[str] = set()
        self._staging: Path | None = None
        self._lock = FileLock(root / LOCK_FILE, timeout=wait_s)

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
                self.previous = self._open_previous()
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
        if isinstance(error, OSError) and error.filename is None:
            # A full disk, met while writing, does not say where.
            raise BundleError(f"{self.root}: {error.strerror or error}") from error

    def stage(self, name: str) -> Path:
        """Where to write the new ``name``; it counts only once ``commit`` returns."""
        path = self._staging_folder() / name
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
        found = self._files()
        wanted = {
            name
            for name in found
            if not (model is None if is_of_model(name) else spec is None)
            and (name in self._staged or not self._is_outdated(name))
        }
        files = {name: found[name] for name in sorted(wanted)}
        return self._place(Manifest(files=files, model=model, spec=spec, songs=songs))

    def adopt(self, manifest: Manifest) -> Manifest:
        """Put what was staged in place, under a manifest made elsewhere.

        Raises BundleError when what was staged, and what was there, is not what it lists.
        """
        kept = self._files()
        for name, info in manifest.files.items():
            if kept.get(name) != info:
                raise BundleError(f"{self.root}: {name} is {kept.get(name)}, expected {info}")
        return self._place(manifest)

    def _is_outdated(self, name: str) -> bool:
        """Whether ``name`` was made of what is replaced now: a map of the old vectors, say."""
        source = MODEL_FILE if is_of_model(name) else VECTORS_FILE
        return source in self._staged and name not in _SOURCES

    def _staging_folder(self) -> Path:
        if self._staging is None:
            self._staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=self.root))
            self._staging.chmod(0o755)  # mkdtemp's 0700 would hide the model's folder
        return self._staging

    def _open_previous(self) -> Manifest | None:
        try:
            return open_bundle(self.root).manifest
        except BundleError:
            if not self._over_damage:
                raise
            return None

    def _files(self) -> dict[str, FileInfo]:
        """What the bundle would hold: what was there, and over it what was staged."""
        files = {} if self.previous is None else dict(self.previous.files)
        for name in self._staged:
            path = self._staging_folder() / name
            _sync(path)
            files[name] = FileInfo(path.stat().st_size, sha256_file(path))
        return files

    def _place(self, manifest: Manifest) -> Manifest:
        staging = self._staging_folder()
        (staging / MANIFEST_FILE).write_bytes(manifest.to_bytes())
        for path in (staging / MANIFEST_FILE, *_folders(staging)):
            _sync(path)
        staging.rename(self.root / PENDING)
        self._staging = None
        self._staged.clear()
        _sync(self.root)
        _finish(self.root)
        self.previous = manifest
        return manifest


def _finish(root: Path) -> None:
    """Move a committed ``.pending`` to its places, and drop what is no longer listed."""
    pending = root / PENDING
    if not (pending / MANIFEST_FILE).exists():
        # Moved whole but for the empty folders, or never there.
        shutil.rmtree(pending, ignore_errors=True)
        return
    manifest = Manifest.from_bytes((pending / MANIFEST_FILE).read_bytes(), str(pending))
    for name in _listed(root) - manifest.files.keys():
        (root / name).unlink(missing_ok=True)
    for name in [*manifest.files, MANIFEST_FILE]:
        source = pending / name
        if source.exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            source.replace(root / name)
    for folder in {(root / name).parent for name in [*manifest.files, MANIFEST_FILE]}:
        _sync(folder)
    shutil.rmtree(pending)


def _listed(root: Path) -> set[str]:
    """The files of the bundle that is being replaced, if it can be read."""
    path = root / MANIFEST_FILE
    try:
        return {*Manifest.from_bytes(path.read_bytes(), str(path)).files}
    except (FileNotFoundError, BundleError):
        return {*_SOURCES}


def _folders(root: Path) -> list[Path]:
    """``root`` and every folder in it, the innermost first."""
    return [Path(folder) for folder, _, _ in os.walk(root, topdown=False)]


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
