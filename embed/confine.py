"""A worker process that is fed strangers' files: its bounds, and what it means to meet them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

from embed.errors import VibeError
from embed.workers import WorkerDied


def confine(memory_mib: int) -> None:
    """Bind this process: ``memory_mib`` beyond what it needs at rest, one thread for BLAS,
    nothing printed."""
    # One thread each: as many workers as cores run beside the encoder's threads.
    threadpool_limits(1)
    _limit_memory(memory_mib)
    _silence()


@contextmanager
def cpu_limited(cpu_s: float) -> Iterator[None]:
    """In here the system ends this process, even one that hangs in C, once all its threads have
    used ``cpu_s`` of CPU time: the work's own doing, however busy the machine is. Not on Windows.
    """
    if not hasattr(signal, "setitimer"):
        yield
        return
    # Not RLIMIT_CPU: that counts a process' whole life, in whole seconds.
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def is_out_of_cpu(error: BaseException) -> bool:
    """Whether a task failed because its worker met ``cpu_limited``."""
    return (
        isinstance(error, WorkerDied)
        and hasattr(signal, "SIGPROF")
        and error.exitcode == -signal.SIGPROF
    )


def reason_of(error: BaseException, timeout_s: float, memory_mib: int) -> str:
    """Why a task failed in a worker with these bounds, in words for people."""
    match error:
        case VibeError():
            return str(error)
        case TimeoutError():
            return f"took longer than {timeout_s:g} s to decode; given up"
        case MemoryError():
            return f"needs more than {memory_mib} MiB to decode; given up"
        case WorkerDied():
            return f"the decoder crashed ({_exit_name(error.exitcode)})"
        case OSError():
            return error.strerror or str(error)
        case _:
            return f"{type(error).__name__}: {error}"


def _exit_name(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return signal.Signals(-exitcode).name
    return f"exit code {exitcode}"


def _silence() -> None:
    """Drop what C libraries print: libmpg123 does, on honest songs too, across the progress."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _limit_memory(mib: int) -> None:
    """Cap this process' address space at what it has now plus ``mib``, where systems can."""
    try:
        import resource  # noqa: PLC0415 - absent on Windows
    except ImportError:
        return
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
            used = int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return  # no /proc (macOS, whose kernel does not enforce RLIMIT_AS either)
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    wanted = used + mib * 2**20
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
