"""The circuit breaker, with a clock that the test turns."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from embed.errors import EngineError
from embed.milvus.circuit import Circuit


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def failing(message: str = "down") -> Callable[[], None]:
    def call() -> None:
        raise EngineError(message)

    return call


def opened() -> tuple[Circuit, Clock]:
    clock = Clock()
    circuit = Circuit(failures=3, wait_s=5, clock=clock)
    for number in range(3):
        with pytest.raises(EngineError, match=f"^reason {number}$"):
            circuit.call(failing(f"reason {number}"))
    return circuit, clock


def test_it_opens_after_failures_in_a_row_only() -> None:
    circuit = Circuit(failures=3, wait_s=5, clock=Clock())
    for _ in range(4):
        for _ in range(2):
            with pytest.raises(EngineError):
                circuit.call(failing())
        assert (circuit.state, circuit.reason) == ("closed", None)
        assert circuit.call(lambda: 7) == 7


def test_open_it_refuses_with_the_last_reason_and_when_to_come_back() -> None:
    circuit, clock = opened()
    assert (circuit.state, circuit.reason) == ("open", "reason 2")
    clock.now += 1.5
    with pytest.raises(EngineError, match="reason 2") as refused:
        circuit.call(lambda: pytest.fail("it was asked"))
    assert refused.value.retry_after_s == 4  # 3.5, as whole seconds


def test_half_open_one_call_tries_and_closes_it() -> None:
    circuit, clock = opened()
    clock.now += 5
    assert circuit.state == "half-open"
    assert circuit.call(lambda: 1) == 1
    assert (circuit.state, circuit.reason) == ("closed", None)


def test_half_open_one_failure_opens_it_anew() -> None:
    circuit, clock = opened()
    clock.now += 5
    with pytest.raises(EngineError, match="still"):
        circuit.call(failing("still"))
    assert (circuit.state, circuit.reason) == ("open", "still")
    clock.now += 4.9
    assert circuit.state == "open"


def test_half_open_others_do_not_wait_for_the_one_that_tries() -> None:
    circuit, clock = opened()
    clock.now += 5
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> str:
        begun.set()
        assert go_on.wait(30)
        return "found"

    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(circuit.call(slow)))
    thread.start()
    assert begun.wait(30)
    with pytest.raises(EngineError, match="reason 2"):
        circuit.call(lambda: pytest.fail("two tried"))
    go_on.set()
    thread.join(30)
    assert found == ["found"]
    assert circuit.state == "closed"


def test_calls_run_side_by_side() -> None:
    circuit = Circuit()
    both = threading.Barrier(2, timeout=30)
    threads = [threading.Thread(target=circuit.call, args=(both.wait,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not both.broken


def test_an_error_that_is_not_the_engines_says_nothing_of_it() -> None:
    circuit, clock = opened()
    clock.now += 5
    with pytest.raises(ZeroDivisionError):
        circuit.call(lambda: 1 / 0)
    assert circuit.call(lambda: 2) == 2
    assert circuit.state == "closed"
