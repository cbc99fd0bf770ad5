"""The log: one line for each thing told, with the id of its request."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator

import pytest

from embed.errors import BundleError
from handler.app import create_app
from handler.operations.logs import configure_logs
from handler.operations.request_id import current
from handler.service import Answer
from tests.services import Silent
from tests.serving import call


@pytest.fixture
def lines(capfd: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    """What the log writes; it is as it was afterwards."""
    names = ["", "vibe", "uvicorn", "uvicorn.error", "uvicorn.access"]
    loggers = [logging.getLogger(name) for name in names]
    before = [(one.level, one.handlers[:], one.propagate) for one in loggers]
    yield capfd
    logging.captureWarnings(False)
    for one, (level, handlers, propagate) in zip(loggers, before, strict=True):
        one.setLevel(level)
        one.handlers[:] = handlers
        one.propagate = propagate


def test_a_request_is_one_line_of_json(lines: pytest.CaptureFixture[str]) -> None:
    configure_logs(is_json=True, is_access_logged=True)
    call(create_app(Silent()), "GET", "/nope\n\u2028x", x_request_id="id-1")
    [line] = lines.readouterr().err.splitlines()
    found = json.loads(line)
    assert found.pop("duration_ms") > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00", found.pop("time"))
    assert re.fullmatch(r"GET /nope\\n\\u2028x 404 [\d.]+ ms", found.pop("message"))
    assert found == {
        "level": "INFO",
        "logger": "vibe.access",
        "request_id": "id-1",
        "method": "GET",
        "path": "/nope\\n\\u2028x",
        "route": "",
        "status": 404,
        "client": "127.0.0.1",
        "error": "'/nope\\n\\u2028x': no such page, see /docs",
    }


def test_a_failure_is_one_line_with_its_traceback(lines: pytest.CaptureFixture[str]) -> None:
    configure_logs(is_json=True, is_access_logged=False)
    app = create_app(Silent(ZeroDivisionError("why")))
    call(app, "POST", "/recommend", {"song": "a"}, x_request_id="id-2")
    call(app, "GET", "/livez")
    [line] = lines.readouterr().err.splitlines()
    found = json.loads(line)
    assert (found["level"], found["status"], found["request_id"]) == ("ERROR", 500, "id-2")
    assert found["traceback"].startswith("Traceback (most recent call last):\n")
    assert found["traceback"].endswith("ZeroDivisionError: why")


def test_a_bundle_that_fails_is_told_without_an_access_log(
    lines: pytest.CaptureFixture[str],
) -> None:
    configure_logs(is_json=False, is_access_logged=False)
    call(create_app(Silent(BundleError("torn"))), "POST", "/recommend", {"song": "a"})
    [line] = lines.readouterr().err.splitlines()
    assert re.fullmatch(r"[\d ,:-]+ WARNING POST /recommend 503 [\d.]+ ms \[test\]", line)


def test_others_lines_and_warnings_are_json_too(lines: pytest.CaptureFixture[str]) -> None:
    configure_logs(is_json=True, is_access_logged=True)
    token = current.set("id-3")
    logging.getLogger("uvicorn.error").info("started %d", 7, extra={"color_message": "x"})
    current.reset(token)
    logging.getLogger("asyncio").warning("slow")
    logging.getLogger("uvicorn.access").info("never")
    first, second = map(json.loads, lines.readouterr().err.splitlines())
    assert (first["message"], first["request_id"]) == ("started 7", "id-3")
    assert (second["level"], second["logger"], second["message"]) == ("WARNING", "asyncio", "slow")
    assert not {"color_message", "request_id"} & second.keys()
    assert "color_message" not in first


class Telling(Silent):
    """Answers in a thread, and warns there."""

    is_quick = False

    def recommend(self, request: object) -> Answer:
        logging.getLogger("embed").warning("slow disk")
        return super().recommend(request)


def test_what_a_thread_says_during_a_request_bears_its_id(
    lines: pytest.CaptureFixture[str],
) -> None:
    configure_logs(is_json=True, is_access_logged=True)
    call(create_app(Telling()), "POST", "/recommend", {"song": "a"}, x_request_id="id-4")
    said, request = map(json.loads, lines.readouterr().err.splitlines())
    assert (said["message"], said["logger"], said["request_id"]) == ("slow disk", "embed", "id-4")
    assert (request["route"], request["request_id"]) == ("/recommend", "id-4")
