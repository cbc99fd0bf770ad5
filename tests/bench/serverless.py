"""The same API as a Lambda function, under AWS's Runtime Interface Emulator."""

from __future__ import annotations

import json
import time
from pathlib import Path
from statistics import median, quantiles

from tests.bench.load import post
from tests.bench.measure import Part, Row
from tests.emulator import EVENTS, emulated, emulator
from tests.events import Asked, event

COLD_ROUNDS = 7
WARM_CALLS = 500


def bench(bundle: Path, songs: int) -> Part:
    """Cold: a first event to its answer, initialisation among it. Warm: those after it."""
    part = Part("lambda", f"Lambda's emulator, {songs} songs")
    if not emulator().exists():
        part.notes.append(f"left out: no {emulator()} (make bench installs it)")
        return part
    cold, warm = [], []
    for turn in range(COLD_ROUNDS):
        with emulated(bundle) as address:
            url = address + EVENTS
            cold.append(1e3 * _invoke(url, 1))
            if turn == 0:
                warm = [1e3 * _invoke(url, number % songs) for number in range(WARM_CALLS)]
    part.rows = [
        Row("cold: init and first answer", median(cold), "ms"),
        Row("warm, p50", median(warm), "ms"),
        Row("warm, p99", quantiles(warm, n=100)[-1], "ms"),
    ]
    return part


def _invoke(url: str, number: int) -> float:
    """Seconds from an event to its answer, which must be a recommendation."""
    song = f"Artist {number % 20} - Song {number}"
    body = json.dumps({"song": song, "top_k": 5}).encode()
    asked = event(Asked("POST", "/recommend", body=body), is_function_url=True)
    started = time.perf_counter()
    answer = json.loads(post(url, asked))
    took = time.perf_counter() - started
    if answer["statusCode"] != 200 or not json.loads(answer["body"])["recommendations"]:
        raise SystemExit(f"the function answers {answer}")
    return took
