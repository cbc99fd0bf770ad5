"""A store on S3, or on what speaks its language (``AWS_ENDPOINT_URL``)."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final

from botocore.exceptions import ClientError

from embed.errors import StoreError
from embed.manifest import FileInfo
from embed.store.download import download, read_whole
from embed.store.multipart import Parts, upload_parts
from embed.store.objects import Advance, Listed
from embed.store.place import S3Url
from embed.store.problems import code, told

PART_BYTES: Final = 16 << 20
"""S3 takes 5 MiB to 5 GiB, 10,000 of them: 160 GiB a file, and a cut costs 16 MiB at most."""

_ABSENT: Final = frozenset({"NoSuchKey", "404", "NotFound"})
_LOST_RACE: Final = frozenset({"PreconditionFailed", "412"})
_ASK_AGAIN: Final = frozenset({"ConditionalRequestConflict", "409"})
_CONFLICTS: Final = 4
"""Two conditional writes at the very same moment: S3 decides neither, and says so."""


class S3Objects:
    """Objects under ``url``, by a boto3 S3 client."""

    def __init__(
        self,
        client: Any,  # noqa: ANN401
        url: S3Url,
        part_bytes: int = PART_BYTES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._sleep = sleep
        self._url = url
        self._part_bytes = part_bytes

    @property
    def place(self) -> str:
        """The URL."""
        return str(self._url)

    def read(self, key: str) -> tuple[bytes, str] | None:
        """See Objects; the tag is the ETag."""
        with told(self._at(key)):
            try:
                return read_whole(self._client, self._target(key), self._at(key), self._sleep)
            except ClientError as error:
                if code(error) in _ABSENT:
                    return None
                raise

    def replace(self, key: str, data: bytes, tag: str | None) -> bool:
        """See Objects; by If-Match, or If-None-Match."""
        condition = {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}
        request = {
            **self._target(key),
            **condition,
            "Body": data,
            "ChecksumSHA256": _base64(hashlib.sha256(data).digest()),
            "CacheControl": "no-cache",
        }
        with told(self._at(key)):
            for conflicts in range(1, _CONFLICTS + 1):
                try:
                    self._client.put_object(**request)
                except ClientError as error:
                    if code(error) in _LOST_RACE | _ABSENT:
                        return False
                    if code(error) not in _ASK_AGAIN or conflicts == _CONFLICTS:
                        raise
                    self._sleep(0.1 * 2**conflicts)
                else:
                    return True
        raise AssertionError

    def put(self, key: str, file: BinaryIO, info: FileInfo, advance: Advance) -> None:
        """See Objects; large files in parts, going on where an earlier upload ended."""
        place = self._at(key)
        parts = Parts.of(file, self._part_bytes)
        if parts.sha256 != info.sha256:
            raise StoreError(
                f"{place}: changed while it was pushed: SHA-256 {parts.sha256}, the manifest says "
                f"{info.sha256}; nothing is lost, push again"
            )
        is_there = partial(self._holds, key, parts, info)
        with told(place):
            if is_there():
                advance(info.bytes)
                return
            if len(parts) == 1:
                self._client.put_object(
                    **self._target(key),
                    Body=parts.read(1),
                    ChecksumSHA256=parts.checksum,
                    Metadata={"sha256": info.sha256},
                )
                advance(info.bytes)
            else:
                upload_parts(self._client, self._target(key), parts, advance, is_there)
            if not is_there():
                raise StoreError(f"{place}: is not there as it was sent; push again")

    def size(self, key: str) -> int | None:
        """See Objects."""
        with told(self._at(key)):
            found = self._head(key)
        return None if found is None else int(found["ContentLength"])

    def fetch(self, key: str, to: Path, info: FileInfo, advance: Advance) -> None:
        """See Objects; goes on where a connection was cut."""
        place = self._at(key)
        digest = hashlib.sha256()
        with told(place), to.open("wb") as file:
            pieces = download(self._client, self._target(key), info.bytes, place, sleep=self._sleep)
            for piece in pieces:
                digest.update(piece)
                file.write(piece)
                advance(len(piece))
        if digest.hexdigest() != info.sha256:
            raise StoreError(
                f"{place}: damaged, its SHA-256 is {digest.hexdigest()}, "
                f"the manifest says {info.sha256}"
            )

    def copy(self, key: str, to: Path) -> bool:
        """See Objects; goes on where a connection was cut."""
        place = self._at(key)
        with told(place):
            found = self._head(key)
            if found is None:
                return False
            size, tag, target = found["ContentLength"], found.get("ETag"), self._target(key)
            with to.open("wb") as file:
                file.writelines(download(self._client, target, size, place, tag, self._sleep))
        return True

    def list(self, prefix: str) -> Iterator[Listed]:
        """See Objects."""
        start = self._url.key("")
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._url.bucket, Prefix=self._url.key(prefix)
        )
        with told(self.place):
            for page in pages:
                for found in page.get("Contents", []):
                    key = found["Key"].removeprefix(start)
                    yield Listed(key, found["Size"], found["LastModified"], found["ETag"])

    def _holds(self, key: str, parts: Parts, info: FileInfo) -> bool:
        """Whether the object is there with the same size and checksum."""
        found = self._head(key)
        if found is None or found["ContentLength"] != info.bytes:
            return False
        checksum = found.get("ChecksumSHA256")
        if checksum is not None and found.get("ChecksumType", "") != "FULL_OBJECT":
            # Of parts it is the checksum of their checksums, "-" and their number.
            return bool(checksum.partition("-")[0] == parts.checksum.partition("-")[0])
        if checksum is not None:
            return bool(checksum == _base64(bytes.fromhex(info.sha256)))
        # Stores that keep no checksums still keep what was noted when it was written.
        return bool(found.get("Metadata", {}).get("sha256") == info.sha256)

    def _head(self, key: str) -> Any:  # noqa: ANN401
        try:
            return self._client.head_object(**self._target(key), ChecksumMode="ENABLED")
        except ClientError as error:
            if code(error) in _ABSENT:
                return None
            raise

    def _target(self, key: str) -> dict[str, str]:
        return {"Bucket": self._url.bucket, "Key": self._url.key(key)}

    def _at(self, key: str) -> str:
        return f"{self._url}/{key}"


def fetch_object(client: Any, url: S3Url, name: str, to: Path, size: int, tag: str) -> None:  # noqa: ANN401
    """Copy the object ``name`` under ``url`` to ``to``.

    Raises StoreError when it no longer has ``size`` bytes and the ETag ``tag``, OSError when
    ``to`` cannot be written.
    """
    place = f"{url}/{name}"
    target = {"Bucket": url.bucket, "Key": url.key(name)}
    with told(place), to.open("wb") as file:
        for piece in download(client, target, size, place, tag):
            file.write(piece)


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
