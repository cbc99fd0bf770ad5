"""A store: immutable versions of a bundle, and which of them is the latest."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from embed.bundle import MANIFEST_FILE
from embed.errors import BundleError, StoreError
from embed.manifest import Manifest
from embed.store.objects import Objects
from embed.store.place import Place, S3Url, split_version

LATEST: Final = "latest"
_DIGITS: Final = 12
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_PART_OF_DIGEST: Final = re.compile(r"[0-9a-f]{1,64}")


@dataclass(frozen=True, slots=True)
class Latest:
    """Which version ``latest`` names, and the tag of the object that says so."""

    version: str
    tag: str


@dataclass(frozen=True, slots=True)
class Version:
    """One version; ``manifest`` is None when it is damaged, and ``problem`` says how."""

    digest: str
    pushed: datetime
    is_latest: bool
    manifest: Manifest | None
    problem: str = ""


class Store:
    """The versions that lie in ``objects``. Every method raises StoreError."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects

    def __str__(self) -> str:
        return self.objects.place

    def latest(self) -> Latest | None:
        """The version to serve, None while nothing has been pushed."""
        found = self.objects.read(LATEST)
        if found is None:
            return None
        text = found[0].decode("ascii", "replace").strip()
        if not _DIGEST.fullmatch(text):
            raise StoreError(
                f"{self}/{LATEST}: {text[:80]!r}, expected a version (64 hexadecimal digits)"
            )
        return Latest(text, found[1])

    def point(self, version: str, before: Latest | None) -> bool:
        """Make ``version`` the latest if ``before`` still is; whether it was done."""
        tag = None if before is None else before.tag
        if self.objects.replace(LATEST, f"{version}\n".encode(), tag):
            return True
        # An answer that got lost is asked for again, and then meets its own work.
        now = self.latest()
        return now is not None and now.version == version

    def resolve(self, wanted: str | None) -> str:
        """The digest that ``wanted`` begins, or that of the latest version for None."""
        if wanted is None:
            latest = self.latest()
            if latest is None:
                raise StoreError(f"{self}: no bundle has been pushed here (no {LATEST!r})")
            return latest.version
        wanted = wanted.lower()
        if not _PART_OF_DIGEST.fullmatch(wanted):
            raise StoreError(f"{wanted!r}: expected a version, or how it begins (0-9, a-f)")
        found = sorted(self._manifests(wanted))
        if not found:
            raise StoreError(f"{self}: no version begins with {wanted}")
        if len(found) > 1:
            some = ", ".join(found[:4]) + (", …" if len(found) > 4 else "")
            raise StoreError(f"{self}: {len(found)} versions begin with {wanted}: {some}")
        return found[0]

    def manifest(self, version: str) -> Manifest:
        """The manifest of ``version``, its digest checked."""
        key = version_key(version, MANIFEST_FILE)
        found = self.objects.read(key)
        place = f"{self}/{key}"
        if found is None:
            raise StoreError(f"{place}: is not there; version {short(version)} is not whole")
        digest = hashlib.sha256(found[0]).hexdigest()
        if digest != version:
            raise StoreError(f"{place}: damaged, its SHA-256 is {digest}")
        try:
            return Manifest.from_bytes(found[0], place)
        except BundleError as error:
            raise StoreError(str(error)) from error

    def versions(self) -> list[Version]:
        """Every whole version, the newest first."""
        latest = self.latest()
        found = []
        for digest, pushed in self._manifests("").items():
            manifest, problem = None, ""
            try:
                manifest = self.manifest(digest)
            except StoreError as error:
                problem = str(error)
            is_latest = latest is not None and digest == latest.version
            found.append(Version(digest, pushed, is_latest, manifest, problem))
        return sorted(found, key=lambda one: (one.pushed, one.digest), reverse=True)

    def rollback(self, wanted: str) -> tuple[str | None, str]:
        """Make an older (or any) version the latest: (the version before, the version now).

        Nothing but ``latest`` changes; and not even that when files of the version are missing.
        """
        before = self.latest()
        version = self.resolve(wanted)
        for name, info in self.manifest(version).files.items():
            key = version_key(version, name)
            size = self.objects.size(key)
            if size != info.bytes:
                found = "is not there" if size is None else f"{size} bytes"
                raise StoreError(
                    f"{self}/{key}: {found}, the manifest says {info.bytes} bytes; "
                    f"{LATEST} stays as it was"
                )
        if before is not None and before.version == version:
            return version, version
        if not self.point(version, before):
            raise StoreError(self._faster(before, f"rollback to {short(version)}"))
        return (None if before is None else before.version), version

    def _faster(self, before: Latest | None, what: str) -> str:
        now = self.latest()
        was = "nothing" if before is None else short(before.version)
        return (
            f"{self}: {LATEST} is {short(now.version) if now else 'gone'} now and was {was} when "
            f"this {what} began: another writer was faster"
        )

    def faster(self, before: Latest | None, version: str) -> StoreError:
        """That another push won over that of ``version``, which names both."""
        return StoreError(
            f"{self._faster(before, 'push')}; {short(version)} is uploaded but not {LATEST}: "
            "pull and bring the bundle up to date, or run embed --to again"
        )

    def _manifests(self, beginning: str) -> dict[str, datetime]:
        """Digest → when it was pushed, of the versions that have a manifest."""
        found = {}
        for listed in self.objects.list(f"versions/{beginning}"):
            _, digest, *rest = listed.key.split("/")
            if rest == [MANIFEST_FILE] and _DIGEST.fullmatch(digest):
                found[digest] = listed.modified
        return found


def version_key(version: str, name: str) -> str:
    """Where a file of a version lies."""
    return f"versions/{version}/{name}"


def short(version: str) -> str:
    """As people compare versions by eye."""
    return version[:_DIGITS]


def open_store(place: Place) -> Store:
    """The store at ``place``; nothing is looked at yet.

    Raises StoreError, also when ``place`` is one of a store's versions: it has none of its own.
    """
    if isinstance(place, S3Url) and split_version(place)[1] is not None:
        raise StoreError(f"{place}: a version never changes; give the store itself")
    # Imported late: boto3 takes half a second, and need not be there for local stores.
    if isinstance(place, Path):
        from embed.store.local import LocalObjects  # noqa: PLC0415

        return Store(LocalObjects(place.absolute()))
    try:
        from embed.store.connection import connect  # noqa: PLC0415
        from embed.store.s3 import S3Objects  # noqa: PLC0415
    except ImportError as error:
        raise StoreError(f"{place}: {error.name} is not installed; pip install boto3") from error
    return Store(S3Objects(connect(), place))
