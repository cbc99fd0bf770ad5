"""Programs in a network and a process tree of their own: all that is there is loopback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import lru_cache
from typing import Any

import pytest

from tests.processes import ENVIRONMENT, REPOSITORY

_PATIENCE_S = 400
_APART = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]


@lru_cache
def _command() -> list[str] | None:
    """What a command begins with, or None where the system does not let us."""
    apart = _APART if os.geteuid() == 0 else [*_APART, "--map-root-user"]
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return None
    done = subprocess.run([*apart, "ip", "link"], capture_output=True, check=False, timeout=60)
    return apart if done.returncode == 0 else None


def alone(*arguments: object) -> dict[str, Any]:
    """``python ARGUMENTS`` where it reaches nothing but itself; its last line, JSON.

    Whatever it started ends with it.
    """
    apart = _command()
    if apart is None:
        pytest.skip("no network of one's own here (unshare, ip)")
    script = 'ip link set lo up && exec "$@"'
    command = [*apart, "sh", "-c", script, "sh", sys.executable, *map(str, arguments)]
    done = subprocess.run(
        command,
        env=ENVIRONMENT | {"RAY_USAGE_STATS_ENABLED": "0"},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
