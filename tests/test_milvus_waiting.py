"""How a publisher waits for the index: with a server that says what the test tells it to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, repeat
from typing import Any

import pytest

from embed.errors import EngineError
from embed.milvus.address import parse_address
from embed.milvus.client import Milvus
from embed.milvus.publish import _wait_for_index

Look = tuple[int, str]
"""Rows without an index, and the server's state."""


class Server:
    """As far as it is asked here."""

    def __init__(self, looks: Iterator[Look]) -> None:
        self._looks = looks
        self.looked = 0

    def describe_index(self, *_: object, **__: object) -> dict[str, Any]:
        self.looked += 1
        pending, state = next(self._looks)
        return {"pending_index_rows": pending, "state": state}


def waiting(looks: Iterator[Look], stuck_s: float = 60) -> tuple[Server, Callable[[], None]]:
    server, milvus = Server(looks), Milvus(parse_address("http://h:1"))
    milvus._client = server
    return server, lambda: _wait_for_index(milvus, "c", 0, stuck_s)


@pytest.mark.parametrize(
    ("looks", "looked"),
    [
        ([(0, "Finished")], 1),
        ([(9, "InProgress"), (4, "InProgress"), (0, "InProgress"), (0, "Finished")], 4),
        # What stays without, since it is small: seen four times, nothing at work.
        ([(7, "Finished")] * 4, 4),
        # So many may get one yet, whatever the server says: it looks for them once a minute.
        ([*[(1_024, "Finished")] * 90, (0, "Finished")], 91),
        # Or they are all of small parts.
        ([(1_024, "Finished")] * 151, 151),
        # At work again in between, it is waited for anew.
        ([*[(7, "Finished")] * 3, (7, "InProgress"), *[(7, "Finished")] * 3], 7),
    ],
)
def test_until_all_have_one_that_get_one(looks: list[Look], looked: int) -> None:
    server, wait = waiting(iter(looks))
    wait()
    assert server.looked == looked


def test_an_index_that_failed_is_an_error() -> None:
    _, wait = waiting(iter([(9, "InProgress"), (9, "Failed")]))
    with pytest.raises(EngineError, match="Milvus at http://h:1: c: the index could not be built"):
        wait()


def test_a_server_that_gets_nowhere_is_not_waited_for_for_ever() -> None:
    _, wait = waiting(chain([(9, "InProgress")], repeat((5, "InProgress"))), stuck_s=0.05)
    with pytest.raises(EngineError, match="5 rows without an index, and none more for 0 s"):
        wait()
