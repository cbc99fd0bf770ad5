"""How many cores this process may use."""

from __future__ import annotations

import os
from pathlib import Path


def available_cores() -> int:
    """Cores this process may use: its affinity, and a container's quota (cgroup v2)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text("ascii").split()
        limit = max(int(quota) // int(period), 1)
    except (OSError, ValueError):
        return cores or 1  # no cgroup v2, or "max"
    return min(cores or 1, limit)
