"""The encoder alone: windows per second, this project's and others', against PyTorch eager."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embed.mel import log_mel
from embed.spec import FrontEnd
from export.signals import synthetic_windows
from tests.bench.fixtures import Models
from tests.bench.measure import Part, Row, interleaved
from tests.bench.subjects import GEMM, GEMM_GFLOP, SUBJECTS

ROUNDS = 7
WINDOWS = 16
WINDOW_GFLOP = 11.8
"""Of CLAP's audio tower, full size: 10.9 in linear layers, the rest in attention."""

REFERENCE = "PyTorch eager"
OURS = ("fp32", "int8")
ONE_CORE = (REFERENCE, *OURS, GEMM)


def bench(models: Models, cores: int, scratch: Path) -> Part:
    """Every subject on all cores, the most important ones on one core, too."""
    mels_path = scratch / "mels.npy"
    front_end = FrontEnd()
    windows = list(synthetic_windows(front_end).values())[:WINDOWS]
    mels = np.stack([log_mel(window, front_end) for window in windows])
    # A turn of the small model's, too, must take longer than what starts it.
    np.save(mels_path, mels if models.is_full_size else np.tile(mels, (10, 1, 1)))
    part = Part("encoder", f"Encoder, {models.name}: windows per second")
    for threads in sorted({1, cores}):
        names = [*SUBJECTS] if threads == cores else [*ONE_CORE]
        if not models.is_full_size:
            names = [REFERENCE, *OURS]
        part.rows += _rows(names, threads, models, mels_path, part)
    return part


def _rows(
    names: Sequence[str], threads: int, models: Models, mels: Path, part: Part
) -> Iterator[Row]:
    folder = mels.parent / f"{models.name}-{threads}"
    folder.mkdir()
    outputs = {name: folder / f"{number}.npy" for number, name in enumerate(names)}
    with ExitStack() as stack:
        turns = {}
        for name, output in outputs.items():
            try:
                turns[name] = stack.enter_context(_subject(name, threads, models, mels, output))
            except ChildProcessError as error:
                part.notes.append(f"left out: {name}, {error}")
        medians = interleaved(turns, ROUNDS)
    windows = len(np.load(mels, mmap_mode="r"))
    rates = {name: windows / medians[name] for name in turns if name != GEMM}
    truth = np.load(outputs[REFERENCE])
    suffix = f"{threads} core{'s' * (threads > 1)}"
    for name, rate in rates.items():
        fidelity = "" if name == REFERENCE else _fidelity(np.load(outputs[name]), truth)
        yield Row(f"{name}, {suffix}", rate, "windows/s", rates[REFERENCE], fidelity)
    if GEMM in turns:
        gflops = GEMM_GFLOP / medians[GEMM]
        part.notes.append(
            f"{suffix}: large float32 matrix products run at {gflops:.0f} GFLOP/s; fp32's "
            f"{rates['fp32'] * WINDOW_GFLOP:.0f} GFLOP/s are "
            f"{rates['fp32'] * WINDOW_GFLOP / gflops:.0%} of that"
        )


@contextmanager
def _subject(name: str, threads: int, models: Models, mels: Path, output: Path) -> Iterator[object]:
    """A running subject, as a function that takes one turn and returns its seconds.

    Raises ChildProcessError when it cannot be started.
    """
    bundle = models.bundles.get(name, models.bundles["fp32"])
    arguments = [name, threads, models.checkpoint, bundle, mels, output]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.subjects", *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    if process.stdout.readline().strip() != "ready":
        said = process.communicate()[1].strip().splitlines()
        raise ChildProcessError(said[-1] if said else f"exit code {process.returncode}")
    stdin, stdout = process.stdin, process.stdout

    def turn() -> float:
        print("go", file=stdin, flush=True)
        return float(stdout.readline())

    try:
        yield turn
    finally:
        process.communicate()


def _fidelity(found: NDArray[np.float32], truth: NDArray[np.float32]) -> str:
    cosines = (found * truth).sum(axis=1)
    return f"cosine mean {cosines.mean():.6f}, min {cosines.min():.6f}"
