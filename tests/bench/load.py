"""Servers on loopback, and what wrk and hey say of them."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

CONNECTIONS = 16
DURATION_S = 5
_START_S = 60

RECOMMEND_LUA = """
local songs, number = %d, 0
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
request = function()
  number = (number * 31 + 7) %% songs
  local song = "Artist " .. number %% 20 .. " - Song " .. number
  return wrk.format(nil, nil, nil, '{"song":"' .. song .. '","top_k":5}')
end
"""
"""For wrk: another song each time, so that nobody is measured who remembers answers."""


class Load(NamedTuple):
    """Requests a second, and percentiles of latency in milliseconds."""

    rate: float
    p50_ms: float
    p99_ms: float


def wrk(url: str, script: Path | None, connections: int = CONNECTIONS) -> Load:
    """As many requests as the server answers, over that many connections."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{DURATION_S}s", "--latency", url]
    if script is not None:
        command[1:1] = ["-s", str(script)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        raise SystemExit(f"wrk met errors:\n{output}")
    percentiles = (_wrk_ms(output, percentile) for percentile in ("50%", "99%"))
    return Load(_number(r"Requests/sec:\s+([\d.]+)", output), *percentiles)


def at_rate(url: str, rate: float, script: Path | None) -> Load:
    """The same at a given rate, by hey; ``script`` tells only that it is a recommendation."""
    command = ["hey", "-z", f"{DURATION_S}s", "-c", str(CONNECTIONS), "-q", f"{rate / CONNECTIONS}"]
    if script is not None:
        body = json.dumps({"song": "Artist 7 - Song 7", "top_k": 5})
        command += ["-m", "POST", "-T", "application/json", "-d", body]
    output = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    answers = re.findall(r"\[(\d+)\]\s+\d+ responses", output)
    if answers != ["200"]:
        raise SystemExit(f"hey met errors:\n{output}")
    percentiles = (1e3 * _number(rf"{share}% in ([\d.]+) secs", output) for share in (50, 99))
    return Load(_number(r"Requests/sec:\s+([\d.]+)", output), *percentiles)


def _wrk_ms(output: str, percentile: str) -> float:
    match = re.search(rf"{percentile}\s+([\d.]+)(us|ms|s)\b", output)
    if match is None:
        raise SystemExit(f"wrk says no {percentile}:\n{output}")
    return float(match[1]) * {"us": 1e-3, "ms": 1, "s": 1e3}[match[2]]


def _number(pattern: str, output: str) -> float:
    match = re.search(pattern, output)
    if match is None:
        raise SystemExit(f"{pattern} is not in:\n{output}")
    return float(match[1])


def get(url: str) -> bytes:
    """The body of an answer. Raises OSError when there is none, or it is an error."""
    with urllib.request.urlopen(url, timeout=10) as response:
        body: bytes = response.read()
        return body


def post(url: str, value: Any, timeout_s: float = 10) -> bytes:
    """The body of the answer to a JSON request. Raises OSError as ``get``."""
    body = json.dumps(value).encode()
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=timeout_s) as response:
        answer: bytes = response.read()
        return answer


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def served(
    command: Sequence[str], wait: Callable[[str], object] = lambda base: get(base + "/health")
) -> Iterator[tuple[str, int]]:
    """Start a server, its port appended; its base address and process id once ``wait`` returns."""
    port = free_port()
    process = subprocess.Popen([*command, str(port)], stdout=subprocess.DEVNULL)
    base = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + _START_S
        while True:
            try:
                wait(base)
                break
            except OSError as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{command} did not start: {error}") from error
                time.sleep(0.005)
        yield base, process.pid
    finally:
        process.terminate()
        process.wait(10)
