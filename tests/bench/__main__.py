"""``make bench``: every speed against its reference, in one run, fidelity beside it.

    python -m tests.bench [--music FOLDER] [--only pipeline,encoder,service]

Weights are random (no benchmark downloads a model): speed and parity do not depend on what
weights mean. Without --music the songs are made by the sample generator, 2 to 3 minutes
each, Ogg and MP3.
"""

from __future__ import annotations

import argparse
import tempfile
from datetime import date
from pathlib import Path

from embed.pipeline import available_cores
from tests.bench.fixtures import checkpoint, exported, long_songs
from tests.bench.measure import machine, table

PARTS = ("encoder", "pipeline", "service")
CACHE = Path(".cache/bench")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--music", type=Path, help="a folder of songs [default: made here]")
    parser.add_argument("--only", default=",".join(PARTS), help=f"parts, of {','.join(PARTS)}")
    args = parser.parse_args()
    parts = args.only.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"--only {','.join(unknown)}: expected some of {','.join(PARTS)}")
    print(f"{date.today()}, {machine()}", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        if "encoder" in parts or "pipeline" in parts:
            weights = checkpoint(CACHE)
            models = exported(CACHE, weights)
        if "encoder" in parts:
            from tests.bench import encoder

            rows = encoder.bench(weights, models, available_cores())
            print(table("Encoder: ONNX Runtime against PyTorch eager", rows), flush=True)
        if "pipeline" in parts:
            from tests.bench import pipeline

            music = args.music or long_songs(CACHE)
            rows = pipeline.bench(music, weights, models, Path(scratch))
            print(table(f"Pipeline, {music.name}: against the obvious one", rows), flush=True)
        if "service" in parts:
            from tests.bench import service

            rows = service.bench(Path(scratch))
            print(table("Service: against the one it replaces", rows), flush=True)


if __name__ == "__main__":
    main()
