"""Addresses of Milvus: what VIBE_INDEX and --milvus take."""

from __future__ import annotations

import pytest

from embed.errors import EngineError
from embed.milvus.address import Address, parse_address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("milvus+http://host:19530", Address("http://host:19530", "vibe")),
        ("http://host:19530/", Address("http://host:19530", "vibe")),
        ("milvus+https://a.b.c", Address("https://a.b.c", "vibe")),
        ("http://h:1?collection=mine", Address("http://h:1", "mine")),
        ("http://[::1]:19530/database", Address("http://[::1]:19530/database", "vibe")),
        ("milvus+file:a/b.db", Address("a/b.db", "vibe")),
        ("milvus+file:///a/b.db?collection=x_1", Address("/a/b.db", "x_1")),
        ("./x.db", Address("./x.db", "vibe")),
    ],
)
def test_addresses(text: str, expected: Address) -> None:
    assert parse_address(text) == expected
    assert parse_address(text).is_file == expected.uri.endswith(".db")


def test_a_name_that_is_given_wins() -> None:
    assert parse_address("http://h?collection=a", "b").collection == "b"


@pytest.mark.parametrize(
    "text",
    [
        *("", "host:19530", "grpc://h:1", "http://", "http://:19530", "http://h:0", "http://h:x"),
        *("http://h:1?db=x", "http://h:1?collection=", "http://h:1?collection=a-b"),
        *("http://u:p@h:1", "http://h:1#x", "file:x", "x.sqlite", "s3://b/x.db", "http://[::1"),
        *("http://h?collection=a&collectio=b", "http://h?collection=" + "x" * 152),
    ],
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(EngineError, match=r"expected milvus\+http://host:19530") as refused:
        parse_address(text)
    assert repr(text) in str(refused.value)
