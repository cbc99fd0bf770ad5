"""The same API as a Lambda function, under AWS's Runtime Interface Emulator."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from tests.bench.load import free_port, post
from tests.bench.measure import Part, Row

EMULATOR = Path(sys.prefix) / "emulator/samcli/local/rapid"
"""Where ``make bench`` puts the emulator, which the wheel of aws-sam-cli carries."""

COLD_ROUNDS = 7
WARM_CALLS = 500
_START_S = 30


def bench(bundle: Path, songs: int) -> Part:
    """Cold: a first event to its answer, initialisation among it. Warm: those after it."""
    part = Part("lambda", f"Lambda's emulator, {songs} songs")
    if not emulator().exists():
        part.notes.append(f"left out: no {emulator()} (make bench installs it)")
        return part
    cold, warm = [], []
    for turn in range(COLD_ROUNDS):
        with emulated(bundle) as url:
            cold.append(1e3 * _invoke(url, 1))
            if turn == 0:
                warm = [1e3 * _invoke(url, number % songs) for number in range(WARM_CALLS)]
    part.rows = [
        Row("cold: init and first answer", median(cold), "ms"),
        Row("warm, p50", median(warm), "ms"),
        Row("warm, p99", quantiles(warm, n=100)[-1], "ms"),
    ]
    return part


def emulator() -> Path:
    """The emulator's binary for this machine."""
    arm = platform.machine() in ("aarch64", "arm64")
    return EMULATOR / f"aws-lambda-rie-{'arm64' if arm else 'x86_64'}"


@contextmanager
def emulated(bundle: Path) -> Iterator[str]:
    """Run the function for a bundle; where events go."""
    port = free_port()
    emulator().chmod(0o755)  # pip leaves a wheel's data not executable
    process = subprocess.Popen(
        [emulator(), "--runtime-interface-emulator-address", f"127.0.0.1:{port}",
         "--runtime-api-address", f"127.0.0.1:{free_port()}",
         sys.executable, "-m", "awslambdaric", "handler.main.handler"],
        env=os.environ | {"VIBE_BUNDLE": str(bundle)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _listening(port, process)
        yield f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
    finally:
        process.terminate()
        process.wait(10)


def _listening(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until the emulator (not yet the function) takes connections."""
    deadline = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1).close()
        except urllib.error.HTTPError:
            return  # no such page: it answers
        except OSError:
            time.sleep(0.01)
        else:
            return
    raise SystemExit(f"the emulator did not start (exit code {process.poll()})")


def _invoke(url: str, number: int) -> float:
    """Seconds from an event to its answer, which must be a recommendation."""
    song = f"Artist {number % 20} - Song {number}"
    event = _event("POST", "/recommend", json.dumps({"song": song, "top_k": 5}))
    started = time.perf_counter()
    answer = json.loads(post(url, event))
    took = time.perf_counter() - started
    if answer["statusCode"] != 200 or not json.loads(answer["body"])["recommendations"]:
        raise SystemExit(f"the function answers {answer}")
    return took


def _event(method: str, path: str, body: str) -> dict[str, Any]:
    """As a Function URL (API Gateway's payload format 2.0) sends it."""
    http = {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"}
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "host": "localhost"},
        "requestContext": {"http": http, "stage": "$default", "domainName": "localhost"},
        "body": body,
        "isBase64Encoded": False,
    }
