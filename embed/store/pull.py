"""Store → bundle: every byte checked, and put in place in one step."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from embed.bundle import open_bundle
from embed.errors import BundleError, StoreError
from embed.manifest import FileInfo, Manifest
from embed.progress import transfer
from embed.store.push import ShowBytes
from embed.store.record import remember
from embed.store.versions import Store, version_key
from embed.writer import LOCK_FILE, BundleWriter


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull did; ``bytes`` were fetched, 0 when the bundle was that version already."""

    version: str
    manifest: Manifest
    bytes: int


def pull(
    store: Store,
    root: Path,
    wanted: str | None = None,
    show: ShowBytes = transfer,
    wait_s: float = 0,
) -> Pulled:
    """Make the bundle at ``root`` a version of ``store``: the latest, or what ``wanted`` begins.

    Files that the bundle has already are not fetched again; damaged ones are. For ``wait_s``
    seconds another process may be writing there. Raises StoreError or BundleError, and then
    the bundle stays as it was.
    """
    version = store.resolve(wanted)
    manifest = store.manifest(version)
    if _missing(root, manifest) is None:
        remember(root, str(store), version)
        return Pulled(version, manifest, 0)
    is_new, has_begun = not root.exists(), False
    try:
        with BundleWriter(root, wait_s=wait_s, over_damage=True) as writer:
            has_begun = True
            missing = _missing(root, manifest)
            fetched = _fetch(store, version, writer, missing or {}, show)
            if missing is not None:
                writer.adopt(manifest)
            remember(root, str(store), version)
    except BaseException:
        if is_new and has_begun:
            _leave_nothing(root)
        raise
    return Pulled(version, manifest, fetched)


def _missing(root: Path, manifest: Manifest) -> dict[str, FileInfo] | None:
    """What the bundle lacks to be ``manifest``; None when it is just that, and sound."""
    try:
        bundle = open_bundle(root)
    except BundleError:
        return dict(manifest.files)
    missing = {}
    for name, info in manifest.files.items():
        try:
            is_there = bundle.manifest.files.get(name) == info and bundle.file(name).exists()
        except (BundleError, OSError):
            is_there = False
        if not is_there:
            missing[name] = info
    return missing if missing or bundle.manifest.version != manifest.version else None


def _fetch(
    store: Store,
    version: str,
    writer: BundleWriter,
    missing: dict[str, FileInfo],
    show: ShowBytes,
) -> int:
    total = sum(info.bytes for info in missing.values())
    free = shutil.disk_usage(writer.root).free
    if total > free:
        raise StoreError(f"{writer.root}: {total:,} bytes to fetch, {free:,} are free; disk full")
    with show(total) as shown:
        for name, info in missing.items():
            path = writer.stage(name)
            try:
                store.objects.fetch(version_key(version, name), path, info, shown.advance)
            except OSError as error:  # of the disk here: the store's own are StoreError
                raise StoreError(f"{path}: {error.strerror or error}") from error
    return total


def _leave_nothing(root: Path) -> None:
    """Take back a place that was made for a pull that failed."""
    with suppress(OSError):
        (root / LOCK_FILE).unlink(missing_ok=True)
        root.rmdir()
