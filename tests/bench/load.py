"""Servers on loopback, and what wrk says of them."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

CONNECTIONS = 16
DURATION_S = 5
_START_S = 60

_LUA = """
local songs, number, pause = %d, 0, %d
if songs > 0 then
  wrk.method = "POST"
  wrk.headers["content-type"] = "application/json"
  request = function()
    number = (number * 31 + 7) %% songs
    local song = "Artist " .. number %% 20 .. " - Song " .. number
    return wrk.format(nil, nil, nil, '{"song":"' .. song .. '","top_k":5}')
  end
end
if pause > 0 then
  delay = function() return pause end
end
"""
"""Another song each time, so that nobody is measured who remembers answers."""


class Load(NamedTuple):
    """Requests a second, percentiles of latency in milliseconds, and the share of the machine
    that its host gave to others meanwhile: on a shared one the tail is theirs."""

    rate: float
    p50_ms: float
    p99_ms: float
    stolen: float


def wrk(url: str, songs: int = 0, connections: int = CONNECTIONS, pause_ms: int = 0) -> Load:
    """As many requests as the server answers over that many connections.

    ``songs`` above 0 asks for recommendations, of one of so many songs each time; a connection
    waits ``pause_ms`` before each request.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_LUA % (songs, pause_ms))
        script.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{DURATION_S}s", "--latency"]
        command += ["-s", script.name, url]
        before = _stolen()
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        stolen, total = (now - then for now, then in zip(_stolen(), before, strict=True))
    if "Non-2xx" in output or "Socket errors" in output:
        raise SystemExit(f"wrk met errors:\n{output}")
    p50_ms, p99_ms = (_wrk_ms(output, percentile) for percentile in ("50%", "99%"))
    rate = _number(r"Requests/sec:\s+([\d.]+)", output)
    return Load(rate, p50_ms, p99_ms, stolen / max(total, 1))


def at_half_load(url: str, full: Load, songs: int) -> Load:
    """About half of ``full``'s rate: connections pause as long as they take."""
    pause_ms = 2e3 * CONNECTIONS / full.rate - full.p50_ms / 2
    return wrk(url, songs, pause_ms=max(1, round(pause_ms)))


def _stolen() -> tuple[int, int]:
    """Ticks that the host took from this machine, and all ticks (Linux; zeros elsewhere)."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0, 0
    ticks = [int(field) for field in stat.read_text().splitlines()[0].split()[1:9]]
    return ticks[7], sum(ticks)


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
