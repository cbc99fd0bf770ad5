"""Worker processes for work that may crash, hang or eat memory: it costs its own task alone.

Each worker has a pipe of its own, so that whoever dies, and wherever in a message, takes no
other worker's task along. (Pools whose workers share one queue blame the wrong task, or break,
when a worker dies at once.)
"""

from __future__ import annotations

import math
import multiprocessing
import queue
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

from embed.errors import VibeError

T = TypeVar("T")
R = TypeVar("R")

_START_TIMEOUT_S: Final = 120.0
"""A worker imports its modules first; on a busy machine with a cold disk that takes seconds."""

_END_S: Final = 1.0
"""A worker ends by itself when its pipe does; one that hangs must be killed."""

_ORPHAN_S: Final = 60
"""How much longer than allowed a worker may hang once nobody is left to stop it."""

# Workers see strangers' files: each begins clean, with nothing forked.
_CONTEXT: Final = multiprocessing.get_context("spawn")


class WorkerDied(Exception):  # noqa: N818 - it is what happened
    """A worker process ended on its own; ``exitcode`` is minus the signal that killed it."""

    def __init__(self, exitcode: int | None) -> None:
        super().__init__(f"the worker ended with {exitcode}")
        self.exitcode = exitcode


class WorkerNotStarted(WorkerDied):
    """No task's fault: the process could not be started, or ended before it could work."""


class WorkerPool(Generic[T, R]):
    """``workers`` processes that call ``work`` on tasks; a context manager.

    ``begin`` is called first in each process. All three travel by pickle: module-level
    functions, or partials of them.
    """

    def __init__(
        self, work: Callable[[T], R], begin: Callable[[], None], workers: int, timeout_s: float
    ) -> None:
        self._all = [_Worker(work, begin, timeout_s) for _ in range(workers)]
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for worker in self._all:
            self._idle.put(worker)
        self._threads = ThreadPoolExecutor(workers, "workers")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(at_once=kind is not None)

    def close(self, *, at_once: bool = False) -> None:
        """End the processes; ``at_once``, without waiting for the tasks in them."""
        if at_once:
            self._threads.shutdown(wait=False, cancel_futures=True)
            for worker in self._all:
                worker.abandon()
        self._threads.shutdown(wait=True)
        for worker in self._all:
            worker.stop()

    def submit(self, task: T) -> Future[R]:
        """A future of ``work(task)``.

        It raises what ``work`` raised (what is not ours, OSError or MemoryError as a VibeError
        that names it), TimeoutError, or WorkerDied.
        """
        return self._threads.submit(self._call, task)

    def _call(self, task: T) -> R:
        worker = self._idle.get()
        try:
            result: R = worker.call(task)
            return result
        finally:
            self._idle.put(worker)


class _Worker:
    """One process, started when it is first needed and again after it was lost."""

    def __init__(
        self, work: Callable[[Any], Any], begin: Callable[[], None], timeout_s: float
    ) -> None:
        self._work, self._begin, self._timeout_s = work, begin, timeout_s
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._is_abandoned = False

    def call(self, task: object) -> Any:  # noqa: ANN401 - whatever the work gives
        try:
            pipe = self._hand_over(task)
            has_answer = pipe.poll(self._timeout_s)
            value, error = pipe.recv() if has_answer else (None, TimeoutError())
        except (EOFError, OSError):
            raise WorkerDied(self.stop()) from None
        if isinstance(error, TimeoutError | MemoryError):
            self.stop()  # the next task shall find a worker at rest, and all its memory
        if error is not None:
            raise error
        return value

    def abandon(self) -> None:
        """From another thread: whoever waits in ``call`` gets WorkerDied."""
        self._is_abandoned = True
        process = self._process
        if process is not None:
            process.kill()

    def stop(self) -> int | None:
        """End the process, if there is one; its exit code, as it was or as this made it."""
        process, self._process, pipe, self._pipe = self._process, None, self._pipe, None
        if pipe is not None:
            pipe.close()
        if process is None:
            return None
        process.join(_END_S)
        process.kill()
        process.join()
        return process.exitcode

    def _hand_over(self, task: object) -> Connection:
        if self._pipe is not None:
            try:
                self._pipe.send(task)
            except OSError:
                self.stop()  # it died while it was idle, which is not this task's fault
            else:
                return self._pipe
        try:
            pipe = self._start()
        except (EOFError, OSError):
            raise WorkerNotStarted(self.stop()) from None
        if self._is_abandoned:
            raise EOFError
        pipe.send(task)
        return pipe

    def _start(self) -> Connection:
        self._pipe, theirs = _CONTEXT.Pipe()
        arguments = (theirs, self._work, self._begin, math.ceil(self._timeout_s) + _ORPHAN_S)
        process = _CONTEXT.Process(target=_serve, args=arguments, daemon=True)
        with _without_interrupt():
            process.start()
        self._process = process
        theirs.close()  # now only the worker holds it, and its death is the pipe's end
        if not self._pipe.poll(_START_TIMEOUT_S):
            raise EOFError
        self._pipe.recv()
        return self._pipe


@contextmanager
def _without_interrupt() -> Iterator[None]:
    """What is started in here gets no Ctrl-C, which the parent answers, not even at first."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # else its start, inside the worker's, ends the blocking
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(
    pipe: Connection, work: Callable[[Any], Any], begin: Callable[[], None], alarm_s: int
) -> None:
    """A worker process' whole life: ends when the pipe does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # see _without_interrupt
    begin()
    pipe.send(None)
    try:
        while True:
            task = pipe.recv()
            _set_alarm(alarm_s)
            answer = _answer(work, task)
            _set_alarm(0)
            pipe.send(answer)
    except (EOFError, ConnectionError):
        return


def _set_alarm(seconds: int) -> None:
    """Let the system end this process, even one that hangs in C, where systems can."""
    if hasattr(signal, "alarm"):
        signal.alarm(seconds)


def _answer(work: Callable[[Any], Any], task: object) -> tuple[object, Exception | None]:
    """Result and error, one of them None; no error but those that surely survive pickling."""
    try:
        return work(task), None
    except VibeError as error:
        return None, error
    except MemoryError:
        return None, MemoryError()
    except OSError as error:
        return None, OSError(error.errno, error.strerror or str(error))
    except Exception as error:  # noqa: BLE001 - a task's failure, named; see batch.py
        return None, VibeError(f"{type(error).__name__}: {error}")
