"""Bundle → store: upload what is not there, the manifest last, ``latest`` last of all."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from embed.bundle import MANIFEST_FILE, Bundle, load_bundle
from embed.errors import StoreError
from embed.manifest import FileInfo, Manifest
from embed.progress import Transfer, transfer
from embed.store.record import remember, versions_seen
from embed.store.versions import LATEST, Latest, Store, short, version_key

ShowBytes = Callable[[int], Transfer]


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push did; ``before`` is the version that was the latest."""

    version: str
    before: str | None


def push(
    root: Path, store: Store, replacing: str | None = None, show: ShowBytes = transfer
) -> Pushed:
    """Make the bundle at ``root`` the latest version of ``store``.

    The bundle is pushed as it was when this began, whatever happens to it meanwhile.
    ``replacing`` names the latest version that may be lost, when it is one that this bundle
    has never been. Raises BundleError when the bundle is damaged; StoreError when the latest
    version is another writer's or the store fails, and then the latest stays as it was.
    """
    with _opened(root) as (manifest, files):
        version = manifest.version
        before = store.latest()
        _check_replaces(store, before, version, versions_seen(root, str(store)), replacing)
        _upload(store, manifest, files, show)
    is_latest = before is not None and before.version == version
    if not is_latest and not store.point(version, before):
        raise store.faster(before, version)
    remember(root, str(store), version)
    return Pushed(version, None if before is None else before.version)


@contextmanager
def _opened(root: Path) -> Iterator[tuple[Manifest, dict[str, BinaryIO]]]:
    """The bundle's files, verified and held open: a writer may replace them meanwhile."""
    with ExitStack() as held:
        bundle, files = load_bundle(root, partial(_open, held))
        yield bundle.manifest, files


def _open(held: ExitStack, bundle: Bundle) -> tuple[Bundle, dict[str, BinaryIO]]:
    names = bundle.manifest.files
    return bundle, {name: held.enter_context(bundle.file(name).open("rb")) for name in names}


def _upload(store: Store, manifest: Manifest, files: dict[str, BinaryIO], show: ShowBytes) -> None:
    version, data = manifest.version, manifest.to_bytes()
    with show(sum(info.bytes for info in manifest.files.values()) + len(data)) as shown:
        for name, file in files.items():
            info = manifest.files[name]
            store.objects.put(version_key(version, name), file, info, shown.advance)
        info = FileInfo(len(data), version)
        key = version_key(version, MANIFEST_FILE)
        store.objects.put(key, io.BytesIO(data), info, shown.advance)


def _check_replaces(
    store: Store,
    before: Latest | None,
    version: str,
    seen: list[str] | None,
    replacing: str | None,
) -> None:
    """That no other writer's work is lost."""
    if replacing is not None:
        expected = store.resolve(replacing)
        found = None if before is None else before.version
        if found not in (expected, version):
            raise StoreError(
                f"{store}: {LATEST} is {short(found) if found else 'nothing'}, not "
                f"{short(expected)}; nothing was pushed"
            )
        return
    if before is None or seen is None or before.version in (*seen, version):
        return
    since = f"since {short(seen[-1])}" if seen else "since the store was empty"
    raise StoreError(
        f"{store}: {LATEST} is {short(before.version)}, which this bundle ({short(version)}) has "
        f"never been: another writer pushed it {since}. Pull it first (or run embed --to again), "
        f"or push --replacing {short(before.version)}"
    )
