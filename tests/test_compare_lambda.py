"""``python -m handler.compare`` with a function's name: boto3 and all, before a stand-in for AWS.

The stand-in speaks Lambda's Invoke; behind it is the real function, under AWS's emulator.
"""

from __future__ import annotations

import base64
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from handler.compare.functions import LambdaTarget, function_target
from handler.compare.targets import Request, TargetError
from tests.bench.load import post
from tests.emulator import EVENTS, emulated, emulator
from tests.handlers import serving
from tests.processes import REPOSITORY, python
from tests.s3 import forget_credentials
from tests.serving import named_bundle

INVOKE = "/2015-03-31/functions/vibe-search/invocations"

# As Lambda writes it: https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html
REPORT = (
    "START RequestId: 8f50 Version: $LATEST\nEND RequestId: 8f50\nREPORT RequestId: 8f50\t"
    "Duration: 3.21 ms\tBilled Duration: 4 ms\tMemory Size: 1769 MB\tMax Memory Used: 91 MB\t"
)
COLD = f"{REPORT}Init Duration: 612.34 ms\t\n"


class Aws:
    """What a request is answered; ``cold`` are the events that find no instance."""

    def __init__(self, behind: str = "", cold: tuple[int, ...] = ()) -> None:
        self.behind, self.cold = behind, cold
        self.asked: list[dict[str, str]] = []
        self.refusal: tuple[int, str, str] | None = None
        self.fails = False

    def answer(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        self.asked.append(headers)
        if self.refusal is not None:
            status, kind, said = self.refusal
            return status, {"x-amzn-errortype": kind}, json.dumps({"Message": said}).encode()
        if self.fails:
            return 200, {"x-amz-function-error": "Unhandled"}, b'{"errorMessage": "out of memory"}'
        log = COLD if len(self.asked) in self.cold else REPORT
        tail = {"x-amz-log-result": base64.b64encode(log.encode()).decode()}
        found = post(self.behind + EVENTS, json.loads(body)) if self.behind else b"{}"
        return 200, tail, found


@contextmanager
def aws(monkeypatch: pytest.MonkeyPatch, home: Path, stand_in: Aws) -> Iterator[Aws]:
    """An environment in which boto3 finds ``stand_in``, which answers one event at a time."""
    turn = threading.Lock()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with turn:
                assert self.path == INVOKE, self.path
                status, more, content = stand_in.answer(headers, body)
            self.send_response(status)
            for name, value in {**more, "content-length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    forget_credentials(monkeypatch, home)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings = {
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "y",
            "AWS_REGION": "eu-west-1",
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_ENDPOINT_URL_LAMBDA": f"http://127.0.0.1:{server.server_port}",
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        try:
            yield stand_in
        finally:
            server.shutdown()


def compare(http: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = ["-m", "handler.compare", "--http", http, "--lambda", "vibe-search"]
    return subprocess.run(
        [sys.executable, *command, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return named_bundle(tmp_path_factory.mktemp("compare") / "bundle")


@pytest.mark.skipif(not emulator().exists(), reason=f"no {emulator()}: make test installs it")
@pytest.mark.parametrize("is_cold", [True, False])
def test_a_function_by_its_name(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_cold: bool
) -> None:
    with (
        serving("--bundle", str(bundle), "--port", "0") as (_, host, port, _line),
        emulated(bundle) as function,
        aws(monkeypatch, tmp_path, Aws(function, (1, 40) if is_cold else ())) as stand_in,
    ):
        done = compare(
            f"http://{host}:{port}",
            *("--requests", 50, "--concurrency", 2, "--memory-mb", 1024),
            *("--usd-per-million-requests", 1, "--usd-per-gb-s", 0.001, "--usd-per-node-hour", 3.6),
        )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "18 different requests: 18 answers are equal"
    cold = (
        r"\d+ ms for the first event, of which initialisation 612 ms; "
        r"1 more under load, initialisation 612–612 ms"
        if is_cold
        else r"not met by the first event, which took \d+ ms: an instance was warm"
    )
    assert re.fullmatch(f"cold start of vibe-search: {cold}", lines[1])
    figures = r"p50 [\d.]+ ms, p95 [\d.]+ ms, p99 [\d.]+ ms, [\d,]+ requests/s"
    assert re.fullmatch(f"http://{re.escape(host)}:{port}: {figures}", lines[2])
    assert re.fullmatch(f"vibe-search: {figures}", lines[3])
    # 4 ms of 1 GB at 0.001 are 4 dollars a million, and 1 for the requests: 5. A node's 3.60 an
    # hour pay for 720,000 of these in it, 200 a second.
    assert lines[4] == "Lambda at 1024 MB: $5.00 a million requests"
    assert lines[5].startswith("one node at $3.6 an hour: $2628.00 a month of 730 h, $")
    assert lines[6].startswith("break-even: 200.00 requests/s day and night (17,280,000 a day); ")
    # The first event, 18 to compare, 2 to connect, 50 under load.
    assert len(stand_in.asked) == 1 + 18 + 2 + 50
    for headers in stand_in.asked:
        assert headers["x-amz-log-type"] == "Tail"
        assert "/eu-west-1/lambda/aws4_request" in headers["authorization"]


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (
            (404, "ResourceNotFoundException", "Function not found: arn:x"),
            "Function not found: arn",
        ),
        (
            (403, "AccessDeniedException", "may not\ninvoke"),
            "AccessDeniedException: may not invoke",
        ),
        ((429, "TooManyRequestsException", "Rate Exceeded."), "TooManyRequestsException: Rate Exc"),
        ((403, "ExpiredTokenException", "x"), "the credentials have expired; get new ones"),
    ],
)
def test_a_refusal_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: Any, words: str
) -> None:
    stand_in = Aws()
    stand_in.refusal = refusal
    with aws(monkeypatch, tmp_path, stand_in):
        done = compare("http://x")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: vibe-search: ")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_function_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = Aws()
    stand_in.fails = True
    failed = pytest.raises(TargetError, match=r"vibe-search: Unhandled: .*out of memory")
    with aws(monkeypatch, tmp_path, stand_in), failed:
        LambdaTarget("vibe-search").send(Request("GET", "/health"))


@pytest.mark.parametrize(
    ("without", "words"),
    [
        (["AWS_REGION"], "no AWS region; set AWS_REGION"),
        (["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"], "no AWS credentials found; set AWS_ACC"),
    ],
)
def test_what_boto3_lacks_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without: list[str], words: str
) -> None:
    with aws(monkeypatch, tmp_path, Aws()):
        for name in without:
            monkeypatch.delenv(name)
        done = compare("http://x")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: vibe-search: {words}")
    assert done.stderr.count("\n") == 1


def test_without_boto3(tmp_path: Path) -> None:
    """As in the API's own image: only a function in AWS needs it."""
    code = (
        "import sys; sys.modules['boto3'] = None; from handler.compare.__main__ import main; "
        "main(['--http', 'http://x', '--lambda', 'vibe-search'])"
    )
    done = python("-c", code)
    assert done.returncode == 2
    assert done.stderr == "error: vibe-search: boto3 is not installed; pip install boto3\n"


def test_an_address_that_is_no_emulators() -> None:
    with pytest.raises(TargetError, match="a Function URL tells no durations; give the function's"):
        function_target("https://abc.lambda-url.eu-west-1.on.aws/", 1)


@pytest.mark.parametrize("price", ["-1", "free"])
def test_a_price_that_is_none(price: str) -> None:
    done = compare("http://x", "--usd-per-gb-s", price)
    assert done.returncode == 2
    assert "--usd-per-gb-s" in done.stderr
