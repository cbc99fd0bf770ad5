"""Where a bundle or music lies: a directory, or ``s3://bucket/prefix``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from embed.errors import StoreError

# Names that S3 gives out today; https://docs.aws.amazon.com/AmazonS3/latest/userguide/
# bucketnamingrules.html
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_VERSION: Final = re.compile(r"(?:(.*)/)?versions/([0-9a-f]{4,64})")
_S3: Final = "s3://"


@dataclass(frozen=True, slots=True)
class S3Url:
    """``s3://bucket/prefix``; ``prefix`` has no slash at either end, and may be empty."""

    bucket: str
    prefix: str = ""

    def __str__(self) -> str:
        return f"{_S3}{self.bucket}/{self.prefix}".rstrip("/")

    def key(self, name: str) -> str:
        """The object key of ``name`` under the prefix."""
        return f"{self.prefix}/{name}" if self.prefix else name


Place: TypeAlias = Path | S3Url


def parse_place(text: str) -> Place:
    """A directory, or ``s3://bucket/prefix``. Raises StoreError when it is neither."""
    if not text.startswith(_S3):
        scheme, colon, rest = text.partition(":/")
        # Also "s3:/bucket", which is what a path library makes of "s3://bucket".
        if colon and (scheme.lower() == "s3" or (rest.startswith("/") and scheme.isalnum())):
            raise StoreError(f"{text}: expected a directory or s3://bucket/prefix")
        return Path(text)
    bucket, _, prefix = text.removeprefix(_S3).partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise StoreError(
            f"{text}: {bucket!r} is no bucket's name (3 to 63 of a-z, 0-9, dot and hyphen); "
            "expected s3://bucket/prefix"
        )
    try:
        prefix.encode()
    except UnicodeEncodeError:
        raise StoreError(f"{text!r}: keys are UTF-8, which this is not") from None
    return S3Url(bucket, prefix.strip("/"))


def split_version(url: S3Url) -> tuple[S3Url, str | None]:
    """The store, and the version when ``url`` names one: ``s3://bucket/prefix/versions/1f6a``."""
    found = _VERSION.fullmatch(url.prefix)
    if found is None:
        return url, None
    return S3Url(url.bucket, found[1] or ""), found[2]
