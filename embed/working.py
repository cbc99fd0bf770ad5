"""A bundle that is changed on this machine and belongs elsewhere: pulled, changed, pushed."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from embed.bundle import Bundle, open_bundle, sha256_file
from embed.catalogue import songs_of
from embed.errors import BundleError, StoreError
from embed.manifest import CATALOGUE_FILE, VECTORS_FILE, FileInfo
from embed.state import STATE_FILE, State
from embed.store.cache import store_folder
from embed.store.place import Place
from embed.store.pull import pull
from embed.store.push import push
from embed.store.record import remember, versions_seen
from embed.store.versions import Store, open_store, short
from embed.vectorfile import VectorFile

PROGRESS: Final = "progress.sqlite"
SAVE_EVERY_S: Final = 300.0
"""A machine that is taken away costs so much work at most."""


class WorkingCopy:
    """A bundle at ``path`` on this machine; ``push`` brings it to where it belongs."""

    def __init__(self, path: Path, store: Store | None, tell: Callable[[str], None]) -> None:
        self.path = path
        self._store = store
        self._tell = tell
        self._saved_s = time.monotonic()

    def begin(self) -> None:
        """Bring the copy up to date, but for work of its own that is not pushed yet.

        Raises StoreError or BundleError.
        """
        if self._store is None:
            return
        latest = self._store.latest()
        if latest is None:
            self.path.mkdir(parents=True, exist_ok=True)
            remember(self.path, str(self._store), None)
        elif not self._is_ahead_of(latest.version):
            _keep_embeddings(self.path, latest.version)
            done = pull(self._store, self.path, latest.version)
            self._tell(f"{self._store}: {short(done.version)}, {done.manifest.songs} songs")
        if not (self.path / STATE_FILE).exists():
            self._fetch_progress()

    def push(self) -> None:
        """Make it the latest version of its store. Raises StoreError or BundleError."""
        if self._store is None:
            return
        done = push(self.path, self._store)
        self._tell(f"{self._store}: latest is {short(done.version)}")
        self.save(now=True)

    def save(self, *, now: bool = False) -> None:
        """Keep in the store what is embedded so far, every few minutes or ``now``.

        So that another machine can go on. When the store fails that is said, and no more.
        """
        is_time = now or time.monotonic() - self._saved_s >= SAVE_EVERY_S
        if self._store is None or not is_time or not (self.path / STATE_FILE).exists():
            return
        self._saved_s = time.monotonic()
        try:
            with tempfile.NamedTemporaryFile(prefix=f"vibe-{PROGRESS}-") as file:
                _snapshot(self.path / STATE_FILE, Path(file.name))
                info = FileInfo(Path(file.name).stat().st_size, sha256_file(Path(file.name)))
                with Path(file.name).open("rb") as copy:
                    self._store.objects.put(PROGRESS, copy, info, lambda _: None)
        except (StoreError, OSError, sqlite3.Error) as error:
            self._tell(f"progress is kept here, not in the store: {error}")

    def _is_ahead_of(self, version: str) -> bool:
        """Whether this is ``version`` with songs added, by a run whose push failed."""
        try:
            mine = open_bundle(self.path).manifest.version
        except BundleError:
            return False
        seen = versions_seen(self.path, str(self._store)) or []
        return version in seen and mine not in seen

    def _fetch_progress(self) -> None:
        assert self._store is not None
        self.path.mkdir(parents=True, exist_ok=True)
        file = self.path / STATE_FILE
        part = file.with_name(f"{STATE_FILE}.part")  # not the whole of it, until it is
        if not self._store.objects.copy(PROGRESS, part):
            return
        part.replace(file)
        try:
            with State(file) as state:
                state.check()
        except BundleError as error:
            for part in self.path.glob(f"{STATE_FILE}*"):
                part.unlink()
            self._tell(f"{self._store}/{PROGRESS}: passed over, {error}")


@contextmanager
def working_copy(
    place: Place, work: Path | None, tell: Callable[[str], None]
) -> Iterator[WorkingCopy]:
    """The bundle at ``place``, to be changed: a directory as it is, an S3 store's by a copy.

    The copy is kept below ``work``, so that a run that was stopped goes on. A run that ends
    early keeps its progress in the store too. Raises StoreError or BundleError.
    """
    if isinstance(place, Path):
        yield WorkingCopy(place, None, tell)
        return
    store = open_store(place)
    copy = WorkingCopy(store_folder(place, work) / "work", store, tell)
    copy.begin()
    try:
        yield copy
    except KeyboardInterrupt:
        copy.save(now=True)
        raise


def _keep_embeddings(root: Path, version: str) -> None:
    """Note the embeddings of a bundle that ``version`` will replace: another push was faster."""
    try:
        bundle = open_bundle(root)
    except BundleError:
        return
    if bundle.manifest.spec is None or bundle.manifest.version == version:
        return
    with State(root / STATE_FILE) as state:
        state.keep(bundle.manifest.spec.digest, _embeddings(bundle))


def _embeddings(bundle: Bundle) -> Iterator[tuple[str, float, bytes]]:
    with closing(VectorFile(bundle.file(VECTORS_FILE))) as vectors:
        for row, song in enumerate(songs_of(bundle.file(CATALOGUE_FILE))):
            if song.sha256:
                vector = vectors.between(row, row + 1)[0]
                yield song.sha256, song.duration_s, vector.astype("<f4").tobytes()


def _snapshot(source: Path, to: Path) -> None:
    """A copy of a database that is being written."""
    with closing(sqlite3.connect(source)) as database, closing(sqlite3.connect(to)) as copy:
        database.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
