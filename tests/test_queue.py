"""Work off the event loop: how much may wait, and that nothing lost keeps a place."""

from __future__ import annotations

import asyncio
import threading

import pytest

from handler.errors import BusyError
from handler.queue import WorkQueue


def test_more_than_may_wait_are_told_when_to_come_back() -> None:
    gate = threading.Event()
    queue = WorkQueue("words", workers=1, waiting=2, retry_after_s=3)

    async def crowd() -> list[object]:
        calls = [asyncio.ensure_future(queue.run(gate.wait, 10)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(BusyError, match=r"words: 3 requests .* in 3 s") as refused:
            await queue.run(gate.wait)
        assert refused.value.retry_after_s == 3
        gate.set()
        return list(await asyncio.gather(*calls))

    assert asyncio.run(crowd()) == [True, True, True]
    assert queue.held == 0


def test_the_loop_runs_on_meanwhile() -> None:
    gate = threading.Event()
    queue = WorkQueue("words", workers=1, waiting=0)

    async def both() -> bool:
        slow = asyncio.ensure_future(queue.run(gate.wait, 10))
        await asyncio.sleep(0)
        gate.set()  # never reached, and False after ten seconds, were the loop held up
        return await slow

    assert asyncio.run(both())


def test_errors_come_through_and_free_the_place() -> None:
    queue = WorkQueue("words", workers=1, waiting=0)

    def fail(value: str, *, base: int) -> int:
        return int(value, base)

    for _ in range(3):
        with pytest.raises(ValueError, match="'x'"):
            asyncio.run(queue.run(fail, "x", base=10))
    assert asyncio.run(queue.run(fail, "11", base=2)) == 3  # in yet another loop
    assert queue.held == 0


def test_a_caller_who_left_gives_up_a_waiting_place_but_not_a_running_one() -> None:
    gate, done = threading.Event(), threading.Event()
    queue = WorkQueue("words", workers=1, waiting=1)
    ran: list[str] = []

    def slow() -> None:
        gate.wait(10)
        done.set()

    async def leave() -> None:
        running = asyncio.ensure_future(queue.run(slow))
        waiting = asyncio.ensure_future(queue.run(ran.append, "waited"))
        await asyncio.sleep(0)
        assert queue.held == 2
        waiting.cancel()
        running.cancel()
        await asyncio.sleep(0.01)
        assert queue.held == 1
        gate.set()
        await queue.run(done.wait, 10)

    asyncio.run(leave())
    assert done.is_set()
    assert ran == []
    assert queue.held == 0
