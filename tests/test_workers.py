"""Worker processes that die: whose fault it is, and what becomes of the rest."""

from __future__ import annotations

import os
import signal
import textwrap
import threading
import time
from concurrent.futures import Future

import pytest

from embed.errors import AudioError, VibeError
from embed.workers import WorkerDied, WorkerNotStarted, WorkerPool
from tests.processes import eventually, is_alive, python


def act(task: object) -> object:
    """What a worker does: the task says it."""
    match task:
        case "abort":
            os.abort()
        case ["exit", code]:
            os._exit(code)
        case ["sleep", seconds]:
            time.sleep(seconds)
        case Exception():
            raise task
        case "pid":
            return os.getpid()
        case bytes():
            return task * 3_000_000
    return task


def begin() -> None:
    """Nothing to do at first."""


def begin_badly() -> None:
    """A worker that cannot even start."""
    os._exit(3)


def _error(future: Future[object]) -> BaseException | None:
    return future.exception(timeout=60)


@pytest.mark.parametrize("workers", [1, 2])
def test_who_dies_takes_only_its_own_task_along(workers):
    tasks = [("abort" if i % 3 == 0 else i) for i in range(30)]
    with WorkerPool(act, begin, workers, timeout_s=60) as pool:
        futures = [pool.submit(task) for task in tasks]
        for task, future in zip(tasks, futures, strict=True):
            if task == "abort":
                assert isinstance(_error(future), WorkerDied)
                assert _error(future).exitcode == -signal.SIGABRT
            else:
                assert future.result(timeout=60) == task


def test_a_worker_killed_from_outside_while_it_answers():
    # Large answers fill the pipe: the kill meets a message half written.
    stop = threading.Event()
    with WorkerPool(act, begin, 2, timeout_s=60) as pool:

        def kill_now_and_then():
            while not stop.wait(0.15):
                for worker in pool._all:
                    process = worker._process
                    if process is not None:
                        process.kill()

        killer = threading.Thread(target=kill_now_and_then)
        killer.start()
        futures = [pool.submit(b"x") for _ in range(40)]
        errors = [_error(future) for future in futures]
        stop.set()
        killer.join()
        assert {type(error) for error in errors} <= {type(None), WorkerDied, WorkerNotStarted}
        assert [pool.submit(i).result(timeout=60) for i in range(5)] == [0, 1, 2, 3, 4]


def test_a_worker_that_died_while_idle_costs_no_task():
    with WorkerPool(act, begin, 1, timeout_s=60) as pool:
        pid = pool.submit("pid").result(timeout=60)
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.2)
        assert pool.submit("next").result(timeout=60) == "next"


def test_a_worker_that_takes_too_long_is_replaced():
    with WorkerPool(act, begin, 1, timeout_s=0.5) as pool:
        first = pool.submit("pid").result(timeout=60)
        slow, next_one = pool.submit(["sleep", 100]), pool.submit("pid")
        assert isinstance(_error(slow), TimeoutError)
        assert next_one.result(timeout=60) != first


@pytest.mark.parametrize(
    ("raised", "kind", "text"),
    [
        (AudioError("empty file"), AudioError, "empty file"),
        (OSError(5, "Input/output error", "x"), OSError, "[Errno 5] Input/output error"),
        (MemoryError("of NumPy's"), MemoryError, ""),
        (ValueError("odd"), VibeError, "ValueError: odd"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), VibeError, "UnicodeDecodeError: 'utf"),
    ],
)
def test_what_the_work_raises_arrives(raised, kind, text):
    with WorkerPool(act, begin, 1, timeout_s=60) as pool:
        error = _error(pool.submit(raised))
        assert type(error) is kind
        assert str(error).startswith(text)
        assert pool.submit("next").result(timeout=60) == "next"


def test_workers_that_cannot_start_are_named_for_each_task():
    with WorkerPool(act, begin_badly, 2, timeout_s=60) as pool:
        errors = [_error(pool.submit(i)) for i in range(3)]
    assert [(type(error), error.exitcode) for error in errors] == [(WorkerNotStarted, 3)] * 3


def test_leaving_with_an_error_waits_for_nobody():
    started = time.monotonic()
    with pytest.raises(RuntimeError, match="enough"), WorkerPool(act, begin, 2, 600) as pool:
        futures = [pool.submit(["sleep", 500]) for _ in range(4)]
        pids = [worker._process and worker._process.pid for worker in pool._all]
        raise RuntimeError("enough")
    assert time.monotonic() - started < 100
    assert all(future.done() for future in futures)
    assert not any(pid and is_alive(pid) for pid in pids)


def test_workers_end_with_their_parent_however_it_ends():
    program = textwrap.dedent("""
        import os, signal, time
        from embed.workers import WorkerPool
        from tests.test_workers import act, begin
        if __name__ == "__main__":
            with WorkerPool(act, begin, 2, timeout_s=60) as pool:
                pool.submit(["sleep", 0.5])
                pids = {pool.submit("pid").result() for _ in range(20)}
                print(*pids, flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
    """)
    done = python("-c", program)
    pids = [int(pid) for pid in done.stdout.split()]
    assert pids
    assert eventually(lambda: not any(map(is_alive, pids)))
