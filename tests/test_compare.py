"""``python -m handler.compare``: the same load to both, the truth about their answers."""

from __future__ import annotations

import http.server
import json
import math
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from handler.compare.costs import Prices, costs
from handler.compare.load import differences, measure, percentile, requests_for
from handler.compare.targets import Answer, HttpTarget, Request, TargetError
from tests.emulator import emulated, emulator
from tests.handlers import serving
from tests.processes import python
from tests.serving import named_bundle, random_vectors, song, write_bundle


class Fake:
    """Answers every request with a status and what was asked, but for those in ``other``."""

    def __init__(self, name: str, other: set[str] | None = None) -> None:
        self.name, self._other = name, other or set()

    def send(self, request: Request) -> Answer:
        body = b"other" if request.path in self._other else request.path.encode()
        if request.path == "/songs":
            body = json.dumps({"songs": ["A - B", "C - D"]}).encode()
        return Answer(200, "application/json", body, 0.001)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return named_bundle(tmp_path_factory.mktemp("compare") / "bundle")


def test_every_answer_that_differs_is_named_with_both() -> None:
    left, right = Fake("left"), Fake("right", {"/health"})
    mix = requests_for(left)
    assert {request.path for request in mix} >= {"/health", "/songs", "/recommend", "/nowhere"}
    (line,) = differences(mix, left, right)
    assert line.startswith("GET /health: left (200, ")
    assert "b'/health'" in line
    assert "b'other'" in line


def test_costs_are_those_of_the_price_list() -> None:
    # A million requests of 4 ms at half a GB: 0.20 for requests, 2,000 GB-s at 1e-5 = 0.02.
    found = costs(Prices(0.20, 1e-5, 512, 0.01), billed_ms=4, node_rps=1000)
    assert found.lambda_per_million == pytest.approx(0.22)
    assert found.node_per_month == pytest.approx(7.30)
    assert found.node_per_million == pytest.approx(0.01 / 3.6)
    # 0.01 dollars an hour buy 45,454.5 requests an hour.
    assert found.break_even_rps == pytest.approx(0.01 / 0.22 * 1e6 / 3600)
    free = costs(Prices(0, 0, 512, 0.01), billed_ms=4, node_rps=1000)
    assert (free.lambda_per_million, free.break_even_rps) == (0, math.inf)


def test_every_request_is_billed_for_whole_milliseconds() -> None:
    class Timed(Fake):
        def send(self, request: Request) -> Answer:
            return replace(super().send(request), seconds=next(times))

    times = iter([0.5] + [0.0011, 0.0029] * 2)
    found = measure([Request("GET", "/")], Timed("x"), 4, 1)
    assert found.billed_ms == 2.5, "2 and 3, not the 2 of their mean; the first only connects"


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.95, 95), (0.99, 99), (0.001, 1)])
def test_percentiles_by_nearest_rank(share: float, expected: int) -> None:
    assert percentile(range(1, 101), share) == expected
    assert percentile([7], share) == 7


def test_a_service_that_is_not_there() -> None:
    with pytest.raises(TargetError, match=r"http://127\.0\.0\.1:1: "):
        HttpTarget("http://127.0.0.1:1").send(Request("GET", "/health"))
    for url in (
        "127.0.0.1:8000",
        "http://host:port",
        "http://host:70000",
        "http://[::1",
        "http://",
    ):
        with pytest.raises(TargetError, match="expected http://HOST"):
            HttpTarget(url)


def test_where_bodies_differ_is_shown_and_not_all_of_them() -> None:
    class Long(Fake):
        def send(self, request: Request) -> Answer:
            return replace(
                super().send(request), body=b"x" * 5_000 + self.name.encode() + b"y" * 99
            )

    (line,) = differences([Request("GET", "/")], Long("this"), Long("that"))
    assert line.startswith("GET /: this (200, 'application/json', …b'xxx")
    assert "xxthis" in line
    assert "xxthat" in line
    assert len(line) < 400


def test_a_connection_that_was_closed_meanwhile_is_made_anew() -> None:
    """uvicorn closes one that is idle for 5 s: as long as a cold start beside it may take."""
    with another(b"{}", closes=True) as url:
        target = HttpTarget(url)
        for _ in range(3):
            assert target.send(Request("GET", "/")).body == b"{}"
    with pytest.raises(TargetError, match="refused"):  # it is not asked for ever
        target.send(Request("GET", "/"))


@contextmanager
def another(answer: bytes, *, closes: bool = False) -> Iterator[str]:
    """A server that gives every request the same answer; and ``closes``, without a word."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1" if closes else "HTTP/1.0"

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
            self.close_connection = True

        do_POST = do_GET  # noqa: N815 - as http.server calls it

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("answer", [b"", b"[]", b'{"errorMessage":"boom"}', b"not JSON"])
def test_what_answers_no_http_event_is_refused(bundle: Path, answer: bytes) -> None:
    with (
        serving("--bundle", str(bundle), "--port", "0") as (_, host, port, _line),
        another(answer) as url,
    ):
        done = python("-m", "handler.compare", "--http", f"http://{host}:{port}", "--lambda", url)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {url}: not an answer to an HTTP event")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(not emulator().exists(), reason=f"no {emulator()}: make test installs it")
def test_uvicorn_and_the_emulated_function_answer_alike(bundle: Path, tmp_path: Path) -> None:
    with (
        serving("--bundle", str(bundle), "--port", "0") as (_, host, port, _line),
        emulated(bundle) as function,
    ):
        arguments = ["--http", f"http://{host}:{port}", "--requests", 50]
        done = python("-m", "handler.compare", *arguments, "--lambda", function)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "18 different requests: 18 answers are equal"
    assert re.fullmatch(
        rf"cold start of {re.escape(function)}: \d+ ms for the first event", lines[1]
    )
    assert [line.split(": p50")[0] for line in lines[2:4]] == [f"http://{host}:{port}", function]
    assert lines[-1].startswith("break-even: ")


@pytest.mark.skipif(not emulator().exists(), reason=f"no {emulator()}: make test installs it")
def test_another_bundle_gives_other_answers(bundle: Path, tmp_path: Path) -> None:
    songs = [song("ABBA - Dancing Queen"), song("Nobody - Nothing")]
    other = write_bundle(tmp_path / "bundle", songs, random_vectors(len(songs)))
    with (
        serving("--bundle", str(bundle), "--port", "0") as (_, host, port, _line),
        emulated(other) as function,
    ):
        arguments = ["--http", f"http://{host}:{port}", "--requests", 20]
        done = python("-m", "handler.compare", *arguments, "--lambda", function)
    assert done.returncode == 1
    assert "GET /songs" in done.stdout
