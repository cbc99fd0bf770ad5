"""A program on a terminal, typed to."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager


class Terminal:
    """The end at which people sit."""

    def __init__(self, end: int) -> None:
        self._end = end

    def type(self, text: str) -> None:
        os.write(self._end, text.encode())

    def wait_for(self, text: str, timeout_s: float = 60) -> None:
        """Read until ``text`` comes. AssertionError with what came when it does not."""
        shown = b""
        until = time.monotonic() + timeout_s
        while text.encode() not in shown:
            assert time.monotonic() < until, f"{text!r} not in {shown.decode(errors='replace')!r}"
            if select.select([self._end], [], [], 0.1)[0]:
                shown += os.read(self._end, 65_536)


@contextmanager
def on_terminal(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Terminal]:
    """``command`` on a terminal of its own, ended when the block is left."""
    ours, its = pty.openpty()
    try:
        process = subprocess.Popen(
            command, env=environment, stdin=its, stdout=its, stderr=its, start_new_session=True
        )
        os.close(its)
        try:
            yield Terminal(ours)
        finally:
            process.kill()
            process.wait(10)
    finally:
        os.close(ours)
