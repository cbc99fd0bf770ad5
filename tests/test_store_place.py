"""What ``s3://`` may be: places told from folders, and those that are none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from embed.errors import StoreError
from embed.store.place import S3Url, parse_place


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("s3://bucket/a/b/", S3Url("bucket", "a/b")),
        ("s3://bucket", S3Url("bucket")),
        ("s3://bucket/", S3Url("bucket")),
        ("music", Path("music")),
        ("/a:/b", Path("/a:/b")),
        ("C:/music", Path("C:/music")),
    ],
)
def test_places(text, place):
    assert parse_place(text) == place
    assert str(parse_place(text)) == text.rstrip("/")


@pytest.mark.parametrize("text", ["s3:/bucket/x", "s3://", "s3://A/b", "s3:///b", "S3://x/y"])
def test_places_that_are_none(text):
    with pytest.raises(StoreError, match="expected"):
        parse_place(text)
    with pytest.raises(StoreError, match="expected a directory or s3://bucket/prefix"):
        parse_place("https://example.org/x")
    with pytest.raises(
        StoreError, match=r"'s3://bucket/\\udcff': keys are UTF-8, which this is not"
    ):
        parse_place(os.fsdecode(b"s3://bucket/\xff"))
