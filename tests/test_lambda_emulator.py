"""The API as AWS's own runtime runs it: every answer is the one that uvicorn gives."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.bench.load import post
from tests.emulator import EVENTS, emulated, emulator
from tests.events import Asked, ask, assert_alike, event, name_of, told
from tests.handlers import serving
from tests.questions import REQUESTS
from tests.serving import named_bundle

pytestmark = pytest.mark.skipif(
    not emulator().exists(), reason=f"no {emulator()}: make test installs it"
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return named_bundle(tmp_path_factory.mktemp("emulator") / "bundle")


@pytest.fixture(scope="module")
def served(bundle: Path) -> Iterator[http.client.HTTPConnection]:
    with (
        serving("--bundle", str(bundle), "--port", "0") as (_, host, port, _line),
        closing(http.client.HTTPConnection(host, port, timeout=10)) as connection,
    ):
        yield connection


@pytest.fixture(scope="module")
def function(bundle: Path) -> Iterator[str]:
    with emulated(bundle) as address:
        yield address + EVENTS


@pytest.mark.parametrize("is_function_url", [False, True], ids=["gateway", "function-url"])
@pytest.mark.parametrize("asked", REQUESTS, ids=name_of)
def test_status_body_and_type_are_uvicorns(
    asked: Asked, is_function_url: bool, served: http.client.HTTPConnection, function: str
) -> None:
    answer = json.loads(post(function, event(asked, is_function_url)))
    assert_alike(asked, ask(served, asked), told(answer))


def test_a_name_in_unicode_is_itself(function: str) -> None:
    asked = Asked("POST", "/recommend", "", json.dumps({"song": "hoppípolla"}).encode())
    answer = json.loads(post(function, event(asked, is_function_url=False)))
    assert json.loads(answer["body"])["matched"] == "Sigur Rós - Hoppípolla"
