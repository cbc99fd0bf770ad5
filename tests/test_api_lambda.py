"""Lambda: for every request the bytes are those that uvicorn sends."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from mangum import Mangum

from tests.events import REQUESTS, Asked, event, name_of
from tests.handlers import serving
from tests.services import app_of
from tests.serving import named_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return named_bundle(tmp_path_factory.mktemp("lambda") / "bundle")


@pytest.fixture(scope="module")
def served(bundle: Path) -> Iterator[http.client.HTTPConnection]:
    with (
        serving("--bundle", str(bundle), "--port", "0") as (_, host, port, _line),
        closing(http.client.HTTPConnection(host, port, timeout=10)) as connection,
    ):
        yield connection


@pytest.fixture
def function(bundle: Path) -> Iterator[Mangum]:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield Mangum(app_of(bundle), lifespan="off")
    asyncio.set_event_loop(None)
    loop.close()


@pytest.mark.parametrize("is_function_url", [False, True], ids=["gateway", "function-url"])
@pytest.mark.parametrize("asked", REQUESTS, ids=name_of)
def test_status_body_and_type_are_uvicorns(
    asked: Asked,
    is_function_url: bool,
    served: http.client.HTTPConnection,
    function: Mangum,
) -> None:
    target = asked.path + (f"?{asked.query}" if asked.query else "")
    served.request(asked.method, target, asked.body or None, asked.headers)
    response = served.getresponse()
    expected = (response.status, response.read(), response.headers.get("content-type"))
    answer = function(event(asked, is_function_url), None)
    body = answer["body"].encode()
    if answer["isBase64Encoded"]:
        body = base64.b64decode(body)
    wanted = asked.headers.get("x-request-id")
    ids = [headers["x-request-id"] for headers in (response.headers, answer["headers"])]
    assert ids == [wanted, wanted] if wanted else ids[0] != ids[1]
    if asked.path in ("/health", "/version"):
        # The process tells its bundle's version; the application made here has none.
        assert json.loads(body).keys() == json.loads(expected[1]).keys()
        return
    if (asked.method, asked.path) == ("GET", "/metrics"):
        # Another process, other figures: of the same names.
        assert _names(body) == _names(expected[1])
        return
    found = (answer["statusCode"], body, answer["headers"].get("content-type"))
    if expected[2] is None:  # Mangum names a type even where there is no body
        assert found[:2] == expected[:2]
        assert body == b""
    else:
        assert found == expected
    assert expected[0] < 500


def _names(figures: bytes) -> list[str]:
    lines = figures.decode().splitlines()
    return [line for line in lines if line.startswith(("# HELP vibe_", "# TYPE vibe_"))]
