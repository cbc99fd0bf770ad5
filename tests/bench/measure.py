"""Measuring on noisy machines: interleaved repetitions, medians, memory of whole process trees."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median

import psutil


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: a measurement, its reference's, and the fidelity beside them."""

    what: str
    value: float
    unit: str
    reference: float | None = None
    fidelity: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times better than the reference (for rates: higher is better)."""
        return None if not self.reference else self.value / self.reference


@dataclass(slots=True)
class Part:
    """A table of the benchmark: rows, what is to be said below them, and curves of growth.

    ``growth`` maps a curve's name to its points, ``(size, value)``; ``axes`` names both.
    """

    name: str
    title: str
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    growth: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    axes: tuple[str, str] = ("", "")


def interleaved(
    subjects: dict[str, Callable[[], float]], rounds: int, warm_up: int = 1
) -> dict[str, float]:
    """Median of each subject's own measure, A B C A B C …, so that drift hits all alike."""
    found: dict[str, list[float]] = {name: [] for name in subjects}
    for turn in range(warm_up + rounds):
        for name, subject in subjects.items():
            value = subject()
            if turn >= warm_up:
                found[name].append(value)
    return {name: median(values) for name, values in found.items()}


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


@dataclass(frozen=True, slots=True)
class Run:
    """A finished process: exit code, wall seconds, peak memory of its whole tree, output."""

    code: int
    wall_s: float
    peak_mib: float
    output: str


def run(command: Sequence[str], cores: int | None = None) -> Run:
    """Run a command to its end, adding up the memory of it and its children every 50 ms.

    ``cores`` keeps it to that many (Linux). Proportional set size (Linux) counts shared pages
    once; elsewhere it is resident size.
    """
    started = time.perf_counter()
    if cores is not None:
        chosen = sorted(os.sched_getaffinity(0))[:cores]
        command = ["taskset", "-c", ",".join(map(str, chosen)), *command]
    process = subprocess.Popen(
        command,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    peak = 0.0
    finished = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not finished.wait(0.05):
            peak = max(peak, tree_mib(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    output, _ = process.communicate()
    finished.set()
    watcher.join()
    return Run(process.returncode, time.perf_counter() - started, peak, output)


def tree_mib(pid: int) -> float:
    """Memory of a process and its descendants, MiB."""
    total = 0
    try:
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            total += _memory(process)
    except psutil.Error:
        pass  # it ended meanwhile
    return total / 2**20


def _memory(process: psutil.Process) -> int:
    try:
        full = process.memory_full_info()
        return int(getattr(full, "pss", 0) or full.rss)
    except psutil.Error:
        return 0


def machine() -> str:
    """The machine and the versions that a figure is worth nothing without."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    packages = ("onnxruntime", "numpy", "torch", "transformers", "soundfile", "soxr")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    cores = psutil.cpu_count()
    return f"{model}, {cores} cores, Python {sys.version.split()[0]}; {versions}"
