"""docs/lists.md: every curl in it is answered, and the figures of the code are the code's."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from embed import choice, index, pairs, playlist, recordings, versions
from handler.lists.schemas import MAX_PAIRS
from tests.services import app_of
from tests.serving import call, named_bundle

DOCUMENT = (Path(__file__).parent.parent / "docs/lists.md").read_text(encoding="utf-8")
CURLS = re.findall(r"^    (curl (?:[^\n]*\\\n)*[^\n]*)$", DOCUMENT, re.M)


@pytest.mark.parametrize("command", CURLS)
def test_a_curl_is_answered(command: str, tmp_path: Path) -> None:
    words = shlex.split(command.replace("\\\n", " "))
    url = urlsplit("http://" + next(word for word in words if word.startswith("localhost")))
    given = [words[at + 1] for at, word in enumerate(words) if word == "-H"]
    accept = [value.split(": ")[1] for value in given if value.startswith("accept")]
    body = words[words.index("-d") + 1].encode() if "-d" in words else b""
    app = app_of(named_bundle(tmp_path / "bundle"))
    method, headers = "POST" if body else "GET", [(b"accept", one.encode()) for one in accept]
    answer = call(app, method, url.path, body, url.query, headers=headers)
    assert answer.status == 200, answer.body
    assert answer.content_type == (accept or ["application/json"])[0]


def test_there_are_curls() -> None:
    found = {urlsplit(f"//{place}").path for place in re.findall(r"localhost[^' ]*", DOCUMENT)}
    assert found == {"/recommend", "/playlist", "/similar-pairs"}
    assert len(CURLS) == 5


def test_documented_numbers_are_the_codes() -> None:
    assert f"unit(query − {index.AWAY} · mean" in DOCUMENT
    assert f"`n` songs in all (2 to {playlist.MAX_SONGS})" in DOCUMENT
    assert f"`limit` is 1 to {MAX_PAIRS}" in DOCUMENT
    for kind, numbers in {
        "same": [recordings.SAME_RECORDING],
        "remaster": [versions.CLOSE, versions.NAMED],
        "cover": [versions.COVER],
        "close": [versions.CLOSE],
    }.items():
        row = next(line for line in DOCUMENT.splitlines() if line.startswith(f"| `{kind}` |"))
        assert all(f"from {number}" in row for number in numbers)
    assert (choice._POOL, choice._POOL_PER_SONG) == (50, 4)
    assert (pairs._NEAREST, pairs._NEXT_NAMES, pairs._FEWEST) == (10, 8, 16)
