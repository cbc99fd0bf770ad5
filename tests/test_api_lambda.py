"""Lambda: for every request the bytes are those that uvicorn sends."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

import pytest
from mangum import Mangum

from tests.events import Asked, ask, assert_alike, event, name_of, told
from tests.handlers import serving
from tests.questions import REQUESTS
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
    answer = function(event(asked, is_function_url), None)
    expected, found = ask(served, asked), told(answer)
    wanted = asked.headers.get("x-request-id")
    if wanted:
        assert answer["headers"]["x-request-id"] == wanted
    if asked.path in ("/health", "/version"):
        # The process tells its bundle's version; the application made here has none.
        assert json.loads(found.body).keys() == json.loads(expected.body).keys()
        return
    assert_alike(asked, expected, found)


def test_the_table_asks_of_every_route(bundle: Path) -> None:
    asked = {(one.method, _kind(unquote(one.path))) for one in REQUESTS}
    routes = {
        (method, _kind(route.path)) for route in app_of(bundle).routes for method in route.methods
    }
    assert len(routes) > 15
    assert routes - asked == set()
    assert {method for method, _ in asked} >= {"GET", "HEAD", "POST", "PUT", "OPTIONS"}
    assert max(len(one.body) for one in REQUESTS) > 2_000_000


def _kind(path: str) -> str:
    """The page's files have a route each, and are answered alike."""
    return "/static/…" if path.startswith("/static/") else path
