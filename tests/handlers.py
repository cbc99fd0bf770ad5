"""``python -m handler`` as a process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from handler.settings import SETTINGS

ROOT = Path(__file__).parent.parent


def environment(**settings: str) -> dict[str, str]:
    ours = {setting.name for setting in SETTINGS}
    return {key: value for key, value in os.environ.items() if key not in ours} | settings


@contextmanager
def serving(
    *arguments: str, **settings: str
) -> Iterator[tuple[subprocess.Popen[str], str, int, str]]:
    """A running handler: the process, its host and port, and what it printed first."""
    process = subprocess.Popen(
        [sys.executable, "-m", "handler", *arguments],
        cwd=ROOT,
        env=environment(**settings),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline() + process.stdout.readline()
        found = re.search(r"http://(\S+):(\d+),", line)
        assert found is not None, (line, process.communicate(timeout=10))
        yield process, found[1].strip("[]"), int(found[2]), line
    finally:
        process.kill()
        process.communicate(timeout=10)
