"""Large files in parts, each with its SHA-256; an upload that was cut goes on where it ended."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, Self

from botocore.exceptions import ClientError

from embed.errors import StoreError
from embed.store.objects import Advance
from embed.store.problems import code

_UPLOAD_GONE: Final = "NoSuchUpload"
_BEGINNINGS: Final = 3
"""Another writer of the same version may finish, or a bucket's rule drop, what we go on with."""


@dataclass(frozen=True, slots=True)
class Parts:
    """A file cut into parts of ``size`` bytes, the last one shorter.

    ``digests`` are the parts' SHA-256 (raw), ``sha256`` (hex) that of the whole.
    """

    file: BinaryIO
    size: int
    digests: tuple[bytes, ...]
    sha256: str

    @classmethod
    def of(cls, file: BinaryIO, size: int) -> Self:
        """Read ``file`` once, from its beginning; an empty file has one empty part."""
        whole, digests = hashlib.sha256(), list[bytes]()
        file.seek(0)
        while (data := file.read(size)) or not digests:
            whole.update(data)
            digests.append(hashlib.sha256(data).digest())
            if not data:
                break
        return cls(file, size, tuple(digests), whole.hexdigest())

    def __len__(self) -> int:
        return len(self.digests)

    @property
    def checksum(self) -> str:
        """What S3 answers as the object's ChecksumSHA256: of parts, that of their digests."""
        if len(self) == 1:
            return _base64(self.digests[0])
        return f"{_base64(hashlib.sha256(b''.join(self.digests)).digest())}-{len(self)}"

    def part_checksum(self, number: int) -> str:
        """ChecksumSHA256 of part ``number``, counted from 1."""
        return _base64(self.digests[number - 1])

    def read(self, number: int) -> bytes:
        """The bytes of part ``number``. Raises StoreError when the file changed meanwhile."""
        self.file.seek((number - 1) * self.size)
        data = self.file.read(self.size)
        if hashlib.sha256(data).digest() != self.digests[number - 1]:
            raise StoreError(f"{self.file.name}: changed while it was pushed; push again")
        return data


def upload_parts(
    client: Any,  # noqa: ANN401
    target: dict[str, str],
    parts: Parts,
    advance: Advance,
    is_there: Callable[[], bool],
) -> None:
    """Write ``parts`` to the object ``target`` (Bucket, Key).

    When the upload vanishes and the object then ``is_there``, the answer to its end got lost, or
    another writer of the same was faster. Raises StoreError when the file changes meanwhile,
    and what the client raises.
    """
    done = 0

    def progress(number: int, count: int) -> None:
        # What an upload that vanished had done is not counted twice.
        nonlocal done
        if number > done:
            done = number
            advance(count)

    for beginning in range(1, _BEGINNINGS + 1):
        upload = _unfinished(client, target) or _begin(client, target, parts)
        try:
            _finish(client, {**target, "UploadId": upload}, parts, progress)
        except ClientError as error:
            if code(error) != _UPLOAD_GONE or beginning == _BEGINNINGS:
                raise
            if not is_there():
                continue
            for number in range(done + 1, len(parts) + 1):
                progress(number, len(parts.read(number)))
        return


def _begin(client: Any, target: dict[str, str], parts: Parts) -> str:  # noqa: ANN401
    found = client.create_multipart_upload(
        **target, ChecksumAlgorithm="SHA256", Metadata={"sha256": parts.sha256}
    )
    return str(found["UploadId"])


def _unfinished(client: Any, target: dict[str, str]) -> str | None:  # noqa: ANN401
    """The newest upload of this very object that was begun and not ended."""
    pages = client.get_paginator("list_multipart_uploads").paginate(
        Bucket=target["Bucket"], Prefix=target["Key"]
    )
    try:
        found = [
            upload
            for page in pages
            for upload in page.get("Uploads", [])
            if upload["Key"] == target["Key"] and upload.get("ChecksumAlgorithm") == "SHA256"
        ]
    except ClientError as error:
        if code(error) == "AccessDenied":  # without s3:ListBucketMultipartUploads: begin anew
            return None
        raise
    newest = max(found, key=lambda upload: upload["Initiated"], default=None)
    return None if newest is None else str(newest["UploadId"])


def _finish(client: Any, upload: dict[str, str], parts: Parts, progress: Any) -> None:  # noqa: ANN401
    there = {
        part["PartNumber"]: part
        for page in client.get_paginator("list_parts").paginate(**upload)
        for part in page.get("Parts", [])
    }
    listed = []
    for number in range(1, len(parts) + 1):
        checksum = parts.part_checksum(number)
        tag = _tag_of_same(there.get(number), checksum)
        data = parts.read(number)
        if tag is None:
            answer = client.upload_part(
                **upload, PartNumber=number, Body=data, ChecksumSHA256=checksum
            )
            tag = answer["ETag"]
        listed.append({"PartNumber": number, "ETag": tag, "ChecksumSHA256": checksum})
        progress(number, len(data))
    client.complete_multipart_upload(**upload, MultipartUpload={"Parts": listed})


def _tag_of_same(part: Any, checksum: str) -> str | None:  # noqa: ANN401
    """The ETag of a part that is there already, None when it is not, or is another."""
    if part is None or part.get("ChecksumSHA256") != checksum:
        return None
    return str(part["ETag"])


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
