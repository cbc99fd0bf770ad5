"""The encoder's time by operator.

    python -m tests.bench.profile [BUNDLE]

Runs the bundle's model (the sample's when none is given) one window at a time on one core,
under ONNX Runtime's own profiler, and adds up each kind of operator.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median

import numpy as np
import onnxruntime as ort
from tabulate import tabulate

from embed.encoder import session_options
from embed.mel import log_mel
from embed.model import model_of, sample_model
from export.signals import synthetic_windows
from tests.bench.measure import machine

RUNS = 30
WARM_UP = 3
_SUFFIX = "_kernel_time"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path, nargs="?", help="[default: the sample model]")
    args = parser.parse_args()
    model = model_of(args.bundle) if args.bundle else sample_model()
    front_end = model.info.front_end
    window = next(iter(synthetic_windows(front_end).values()))
    rows = profile(model.path, log_mel(window, front_end)[np.newaxis, np.newaxis])
    total = sum(row[1] for row in rows)
    print(f"{machine()}\n\n{model.info.id} ({model.info.precision}), a window on one core\n")
    lines = [(name, count, f"{ms:.2f}", f"{ms / total:.1%}") for name, ms, count in rows]
    lines.append(("all", sum(row[2] for row in rows), f"{total:.2f}", ""))
    print(tabulate(lines, ("operator", "calls", "ms", "share"), "github", disable_numparse=True))


def profile(model: Path, batch: np.ndarray) -> list[tuple[str, float, int]]:
    """Operators with their milliseconds per run (each node's median, added up) and calls."""
    with tempfile.TemporaryDirectory() as folder:
        options = session_options(threads=1)
        options.enable_profiling = True
        options.profile_file_prefix = f"{folder}/profile"
        session = ort.InferenceSession(str(model), options, ["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        for _ in range(WARM_UP + RUNS):
            session.run(None, {name: batch})
        events = json.loads(Path(session.end_profiling()).read_text())
    nodes: dict[tuple[str, str], list[float]] = defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith(_SUFFIX):
            nodes[event["args"]["op_name"], event["name"]].append(event["dur"] / 1e3)
    found: dict[str, list[float]] = defaultdict(list)
    for (operator, _), times in nodes.items():
        found[operator].append(median(times[WARM_UP:]))
    rows = [(operator, sum(times), len(times)) for operator, times in found.items()]
    return sorted(rows, key=lambda row: -row[1])


if __name__ == "__main__":
    main()
