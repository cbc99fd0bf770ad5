"""A worker's CPU time: what is stopped is what the work used, not what the machine had no time for.

No test here waits for a clock to have gone far: those that spin do so until they are stopped, or
have used so much CPU time, however long that takes.
"""

from __future__ import annotations

import signal
import time

import pytest

from embed.confine import cpu_limited, is_out_of_cpu
from embed.workers import WorkerDied, WorkerPool
from tests.test_workers import begin

CPU_S = 0.2
LONG_S = 600.0
"""So long that only a limit on CPU time ends a worker that spins."""


def limited(task: tuple[str, float]) -> str:
    """Do what the task says within ``CPU_S``, and after it."""
    match task:
        case ["spin", _]:
            with cpu_limited(CPU_S):
                while True:
                    pass
        case ["spin in C", _]:
            with cpu_limited(CPU_S):
                # One call that holds the interpreter's lock, as decoders may, for days.
                sum(range(10**15))
        case ["sleep", seconds]:
            with cpu_limited(CPU_S):
                time.sleep(seconds)
        case ["use", cpu_s]:
            with cpu_limited(CPU_S):
                _use(cpu_s)
        case ["use after", cpu_s]:
            with cpu_limited(CPU_S):
                pass
            _use(cpu_s)
    return "done"


def _use(cpu_s: float) -> None:
    end = time.process_time() + cpu_s
    while time.process_time() < end:
        pass


@pytest.mark.parametrize("spin", ["spin", "spin in C"])
def test_who_uses_the_time_is_stopped_by_it_and_replaced(spin: str) -> None:
    with WorkerPool(limited, begin, 1, LONG_S) as pool:
        error = pool.submit((spin, 0)).exception(LONG_S)
        assert isinstance(error, WorkerDied)
        assert error.exitcode == -signal.SIGPROF
        assert is_out_of_cpu(error)
        assert pool.submit(("use", 0)).result(LONG_S) == "done"


def test_who_sleeps_has_used_none_and_meets_the_clock() -> None:
    with WorkerPool(limited, begin, 1, timeout_s=1) as pool:
        error = pool.submit(("sleep", LONG_S)).exception(LONG_S)
    assert isinstance(error, TimeoutError)
    assert not is_out_of_cpu(error)


def test_each_task_has_all_of_it_and_what_follows_it_no_limit() -> None:
    with WorkerPool(limited, begin, 1, LONG_S) as pool:
        tasks = [("use", CPU_S / 2), ("use after", 2 * CPU_S), ("use", CPU_S / 2)] * 2
        assert [pool.submit(task).result(LONG_S) for task in tasks] == ["done"] * 6


def test_an_error_ends_the_limit_too() -> None:
    with pytest.raises(KeyError), cpu_limited(LONG_S):
        assert signal.getitimer(signal.ITIMER_PROF)[0] > 0
        raise KeyError
    assert signal.getitimer(signal.ITIMER_PROF) == (0, 0)


@pytest.mark.parametrize(
    "error",
    [WorkerDied(-signal.SIGKILL), WorkerDied(1), WorkerDied(None), TimeoutError(), MemoryError()],
)
def test_other_ends_are_others(error: BaseException) -> None:
    assert not is_out_of_cpu(error)
