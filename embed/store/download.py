"""One object's bytes, going on where a connection was cut."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, Final

from botocore.exceptions import ClientError

from embed.errors import StoreError
from embed.store.problems import CUT, code

_PIECE_BYTES: Final = 1 << 20
_CUTS: Final = 5
"""In a row, without one byte between: then there is no use in going on."""


def download(
    client: Any,  # noqa: ANN401
    target: dict[str, str],
    expected_bytes: int,
    place: str,
    tag: str | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[bytes]:
    """The object ``target`` (Bucket, Key) in pieces, all of one state of it.

    ``tag`` is the ETag it must have. Raises StoreError when it is not ``expected_bytes`` long,
    is not there, or changes meanwhile; and what the client raises.
    """
    done = cuts = 0
    while cuts < _CUTS:
        condition = {} if tag is None else {"IfMatch": tag}
        if done:
            condition["Range"] = f"bytes={done}-"
        try:
            answer = _get(client, {**target, **condition}, place)
            tag = _tag(answer, place)
            with closing(answer["Body"]) as body:
                total = done + answer["ContentLength"]
                if total != expected_bytes:
                    raise StoreError(f"{place}: {total:,} bytes, expected {expected_bytes:,}")
                while piece := body.read(_PIECE_BYTES):
                    done, cuts = done + len(piece), 0
                    yield piece
            if done == expected_bytes:
                return
        except CUT:
            if cuts + 1 == _CUTS:
                raise
        cuts += 1
        _wait(cuts, sleep)
    raise StoreError(f"{place}: ends after {done:,} of {expected_bytes:,} bytes")


def read_whole(
    client: Any,  # noqa: ANN401
    target: dict[str, str],
    place: str,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[bytes, str]:
    """A small object's bytes and its ETag. Raises StoreError, and what the client raises."""
    for cuts in range(1, _CUTS + 1):
        answer = client.get_object(**target)
        try:
            with closing(answer["Body"]) as body:
                return body.read(), _tag(answer, place)
        except CUT:
            if cuts == _CUTS:
                raise
            _wait(cuts, sleep)
    raise AssertionError


def _tag(answer: Any, place: str) -> str:  # noqa: ANN401
    tag: str | None = answer.get("ETag")
    if tag is None:
        raise StoreError(
            f"{place}: what answers there is no S3 (no ETag); is AWS_ENDPOINT_URL its API's?"
        )
    return tag


def _wait(cuts: int, sleep: Callable[[float], None]) -> None:
    sleep(random.uniform(0.5, 1) * 2 ** (cuts - 1))  # noqa: S311 - no secret


def _get(client: Any, request: dict[str, str], place: str) -> Any:  # noqa: ANN401
    try:
        return client.get_object(**request)
    except ClientError as error:
        match code(error):
            case "NoSuchKey" | "404":
                raise StoreError(f"{place}: is not there") from error
            case "PreconditionFailed" | "412":
                raise StoreError(f"{place}: changed while it was read; run again") from error
            case _:
                raise
