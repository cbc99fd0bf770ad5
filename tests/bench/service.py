"""The API under load: wrk against this service and the one it replaces, in turn."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np

from embed.importer import import_catalogue
from tests.bench.measure import Row, tree_mib

ROUNDS = 3
CONNECTIONS = 16
DURATION_S = 5


def bench(scratch: Path, songs: int = 75) -> list[Row]:
    """Requests per second and percentiles; empty, with a line that says so, without wrk."""
    if shutil.which("wrk") is None:
        print("service: left out, wrk is not installed (apt-get install wrk)", file=sys.stderr)
        return []
    catalogue = _catalogue(scratch, songs)
    new = [sys.executable, "-m", "handler", "--bundle", str(scratch / "bundle"), "--port"]
    old = [sys.executable, "-m", "tests.bench.old_service", str(catalogue)]
    import_catalogue(catalogue, scratch / "bundle")
    script = scratch / "recommend.lua"
    script.write_text(_LUA % json.dumps(json.dumps({"song": "Artist 7 - Song 7", "top_k": 5})))
    rows = []
    with _served(new) as (ours, our_pid), _served(old) as (theirs, their_pid):
        for path, lua in (("/recommend", script), ("/songs", None)):
            found: dict[str, list[_Load]] = {ours: [], theirs: []}
            for _ in range(ROUNDS):
                for base, loads in found.items():
                    loads.append(_wrk(base + path, lua))
            mine, other = found[ours], found[theirs]
            rate, base_rate = (median(x.rate for x in part) for part in (mine, other))
            rows.append(
                Row(f"{path}, {songs} songs", rate, "requests/s", base_rate, _same(ours, theirs))
            )
            for name in ("p50_ms", "p99_ms"):
                values = (median(getattr(x, name) for x in part) for part in (mine, other))
                rows.append(
                    Row(f"{path} {name[:3]} (less is better)", next(values), "ms", next(values))
                )
        rows.append(Row("memory (less is better)", tree_mib(our_pid), "MiB", tree_mib(their_pid)))
    return rows


_LUA = """wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.body = %s
"""


class _Load:
    """What wrk printed: requests a second, percentiles of latency in milliseconds."""

    def __init__(self, output: str) -> None:
        if "Non-2xx" in output or "Socket errors" in output:
            raise SystemExit(f"wrk met errors:\n{output}")
        self.rate = float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1])  # type: ignore[index]
        self.p50_ms = _ms(output, "50%")
        self.p99_ms = _ms(output, "99%")


def _ms(output: str, percentile: str) -> float:
    match = re.search(rf"{percentile}\s+([\d.]+)(us|ms|s)\b", output)
    assert match is not None, output
    return float(match[1]) * {"us": 1e-3, "ms": 1, "s": 1e3}[match[2]]


def _wrk(url: str, script: Path | None) -> _Load:
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{DURATION_S}s", "--latency", url]
    if script is not None:
        command[1:1] = ["-s", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return _Load(done.stdout)


def _catalogue(scratch: Path, songs: int) -> Path:
    """Random unit embeddings under plain names."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((songs, 512)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    path = scratch / f"catalogue-{songs}.npz"
    names = [f"Artist {i % 20} - Song {i}" for i in range(songs)]
    np.savez(path, names=np.array(names), embeddings=vectors)
    return path


def _same(ours: str, theirs: str) -> str:
    """Whether both answer the same songs in the same order."""
    request = json.dumps({"song": "Artist 7 - Song 7", "top_k": 5}).encode()
    answers = [
        [one["song"] for one in _post(base + "/recommend", request)["recommendations"]]
        for base in (ours, theirs)
    ]
    return f"top-5 overlap {len(set(answers[0]) & set(answers[1])) / 5:.0%}"


def _post(url: str, body: bytes) -> dict[str, list[dict[str, object]]]:
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as response:
        value: dict[str, list[dict[str, object]]] = json.load(response)
        return value


@contextmanager
def _served(command: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Start a server on a free loopback port; its base address and process id."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([*command, str(port)], stdout=subprocess.DEVNULL)
    base = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(base + "/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        else:
            raise SystemExit(f"{command} did not start")
        yield base, process.pid
    finally:
        process.terminate()
        process.wait(10)
