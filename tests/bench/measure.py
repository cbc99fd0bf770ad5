"""Measuring on noisy machines: interleaved repetitions, medians, memory of whole process trees."""

from __future__ import annotations

import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

import psutil
from tabulate import tabulate


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


def run(command: Sequence[str], cwd: Path | None = None) -> Run:
    """Run a command to its end, adding up the memory of it and its children every 50 ms.

    Proportional set size (Linux) counts shared pages once; elsewhere resident size.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
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


def table(title: str, rows: Sequence[Row]) -> str:
    """A Markdown table of the rows."""
    lines = [
        (
            row.what,
            f"{row.value:,.4g} {row.unit}",
            "" if row.reference is None else f"{row.reference:,.4g} {row.unit}",
            "" if row.ratio is None else f"{row.ratio:.2f}×",
            row.fidelity,
        )
        for row in rows
    ]
    head = ("", "measured", "reference", "ratio", "fidelity")
    return f"\n### {title}\n\n" + tabulate(lines, head, "github", disable_numparse=True)


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
