"""docs/api.md: every route is there, and every curl in it gives what stands beside it."""

from __future__ import annotations

import json
import re
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api_docs import Answered, Example, differences, examples, run
from tests.handlers import ROOT, serving

EXAMPLES = examples((ROOT / "docs/api.md").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def address(sample_bundle: Path) -> Iterator[str]:
    with serving("--bundle", str(sample_bundle), "--port", "0") as (_, host, port, _line):
        # So that /metrics has counted something whichever test comes first.
        urllib.request.urlopen(f"http://{host}:{port}/health", timeout=20).close()
        yield f"{host}:{port}"


@pytest.fixture(scope="module")
def folder(sample_music: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands run: a song lies there as ``clip`` with the ending of its kind."""
    folder = tmp_path_factory.mktemp("commands")
    for path in sorted(sample_music.rglob("*")):
        if path.is_file() and not (folder / f"clip{path.suffix}").exists():
            shutil.copy(path, folder / f"clip{path.suffix}")
    return folder


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
@pytest.mark.parametrize(
    "example", EXAMPLES, ids=lambda one: f"{one.method} {one.path} {one.status}"
)
def test_a_documented_request_is_answered_as_documented(
    example: Example, address: str, folder: Path
) -> None:
    answered = run(example, address, folder)
    assert differences(example, answered) == []
    assert ("json" in answered.content_type) == (example.kind == "json")


def test_every_route_is_in_the_docs(address: str) -> None:
    with urllib.request.urlopen(f"http://{address}/openapi.json", timeout=20) as response:
        paths = json.load(response)["paths"]
    routes = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert len(routes) >= 7
    good = [(one.method, one.path) for one in EXAMPLES if one.status < 300]
    missing = {(method, path) for method, path in routes if not _is_asked(method, path, good)}
    assert missing == set(), "no curl in docs/api.md gets a good answer of these"
    headings = re.findall(r"^### (GET|POST) (\S+)$", (ROOT / "docs/api.md").read_text(), re.M)
    assert set(headings) == routes


def _is_asked(method: str, path: str, asked: list[tuple[str, str]]) -> bool:
    pattern = re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(path))
    return any(one == method and re.fullmatch(pattern, found) for one, found in asked)


ANSWER = {"songs": ["a b", "c"], "at": None, "n": 0.5}


@pytest.mark.parametrize(
    ("shown", "problem"),
    [
        (ANSWER, None),
        ({**ANSWER, "songs": ["a …", "…"]}, None),
        ({**ANSWER, "songs": ["…"]}, None),
        ({**ANSWER, "n": 0.9}, None),
        ({**ANSWER, "n": 1}, "answer.n: 0.5 instead of 1"),
        ({**ANSWER, "songs": ["a b"]}, "answer.songs: 2 entries instead of 1"),
        ({**ANSWER, "songs": ["a b", "x"]}, "answer.songs[1]: 'c' instead of 'x'"),
        ({**ANSWER, "at": "…"}, "answer.at: None instead of '…'"),
        ({"songs": []}, "answer: ['at', 'n', 'songs'] instead of ['songs']"),
    ],
)
def test_a_wrong_document_is_found_out(shown: Any, problem: str | None) -> None:
    example = Example("curl localhost:8000/x", 200, "json", json.dumps(shown))
    answered = Answered(200, "application/json", json.dumps(ANSWER).encode())
    assert differences(example, answered) == ([] if problem is None else [problem])
    [wrong] = differences(example, answered._replace(status=404))
    assert wrong.startswith("status 404")
