"""Programs run as users run them: in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
_PATIENCE_S = 300  # no speed is asserted, but a hang must end


def python(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    """``python ARGUMENTS``, from any folder; the caller looks at how it ended."""
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(
        command,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
        **options,
    )


def run_module(
    module: str, *arguments: object, **variables: str
) -> subprocess.CompletedProcess[str]:
    """``python -m MODULE ARGUMENTS`` in the environment as it is now, with ``variables`` in it."""
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **variables},
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )


def start_python(*arguments: object, **options: object) -> subprocess.Popen[str]:
    """As ``python``, but not waited for."""
    command = [sys.executable, *map(str, arguments)]
    return subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True, **options)


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether ``condition`` comes true while anybody would still wait for it."""
    for _ in range(300):
        if condition():
            return True
        time.sleep(0.1)
    return False


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that nobody waited for yet does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return _status(pid)[0] != "Z"


def group(leader: int) -> list[int]:
    """The processes that run in the group of ``leader``."""
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    found = [(pid, _status(pid)) for pid in pids]
    return [pid for pid, status in found if status[2] == str(leader) and status[0] != "Z"]


def _status(pid: int) -> list[str]:
    """State, parent, group, … as ``/proc`` tells them; of no state where it does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["", "", ""]
