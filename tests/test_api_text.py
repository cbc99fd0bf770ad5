"""/recommend/text: what words find, how it is asked, and what is said when it cannot be."""

from __future__ import annotations

import asyncio
import json
import shlex
import shutil
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed.bundle import open_bundle
from embed.errors import ModelError
from embed.manifest import MODEL_FILE, TEXT_FILE, ModelInfo
from embed.pipeline import Options, embed_folder
from embed.writer import BundleWriter
from handler.app import create_app
from handler.asgi import App
from handler.errors import LackingError
from handler.queue import WorkQueue
from handler.schemas import RecommendResponse
from handler.words.moods import Moods, moods_of
from handler.words.routes import Words
from tests.processes import python
from tests.services import app_of, service_of
from tests.serving import (
    NAMES,
    Answer,
    call,
    named_bundle,
    random_vectors,
    song,
    unit,
    write_bundle,
)
from tests.tiny_text import tiny_text_embedding

PATH = "/recommend/text"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    return app_of(named_bundle(tmp_path_factory.mktemp("text") / "bundle"))


def get(app: App, query: str) -> Answer:
    return call(app, "GET", PATH, query=query)


def post(app: App, **body: Any) -> Answer:
    return call(app, "POST", PATH, body)


def songs(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    assert answer.json["matched"] is None
    return [one["song"] for one in answer.json["recommendations"]]


def nearest(query: np.ndarray) -> list[str]:
    similarities = random_vectors(len(NAMES)) @ query
    return [NAMES[row] for row in np.argsort(-similarities, kind="stable")]


def test_words_find_the_songs_nearest_to_their_embedding(app: App) -> None:
    expected = nearest(tiny_text_embedding("slow dark piano"))
    assert songs(get(app, "q=slow+dark+piano&top_k=10")) == expected
    assert songs(post(app, text="slow dark piano", top_k=3)) == expected[:3]
    assert get(app, "q=slow+dark+piano").body == post(app, text="slow dark piano").body


def test_minus_is_taken_away(app: App) -> None:
    wanted, drums, loud = map(tiny_text_embedding, ("piano", "drums", "loud"))
    assert songs(post(app, text="piano", minus="drums", top_k=10)) == nearest(wanted - drums)
    both = unit(drums + loud)
    half = nearest(wanted - 0.5 * both)
    body = {"text": "piano", "minus": ["drums", "loud"], "minus_weight": 0.5, "top_k": 10}
    assert songs(post(app, **body)) == half
    assert songs(get(app, "q=piano&minus=drums&minus=loud&minus_weight=0.5&top_k=10")) == half
    assert half != nearest(wanted)  # else it shows nothing


def test_options_are_those_of_every_recommendation(app: App) -> None:
    expected = nearest(tiny_text_embedding("piano"))
    left = [name for name in expected if "Queen -" not in name and name != NAMES[8]]
    found = get(app, "q=piano&top_k=100&exclude=queen+-&exclude=creep&exclude=no+such+song")
    assert songs(found) == left
    assert found.json["exclude_unmatched"] == ["no such song"]
    assert songs(post(app, text="piano", min_similarity=1)) == []


def test_options_that_came_later_hold_too(app: App) -> None:
    first = songs(get(app, "q=piano&top_k=1"))[0]
    found = get(app, "q=piano&top_k=100&max_per_artist=1&not_like=creep&diversity=0.3")
    artists = [name.partition(" - ")[0] for name in songs(found)]
    assert len(set(artists)) == len(artists) > 4
    assert found.json["not_like"] == ["Radiohead - Creep"]
    assert songs(post(app, text="piano", diversity=0.0, top_k=1)) == [first]
    missing = get(app, "q=piano&not_like=no+such+song+at+all")
    assert (missing.status, missing.json["recommendations"]) == (404, [])


def test_songs_are_a_playlist_for_whoever_prefers_one(app: App) -> None:
    names = songs(get(app, "q=piano&top_k=3"))
    accept = [(b"accept", b"audio/x-mpegurl")]
    for answer in (
        call(app, "GET", PATH, query="q=piano&top_k=3", headers=accept),
        call(app, "POST", PATH, {"text": "piano", "top_k": 3}, headers=accept),
    ):
        assert (answer.status, answer.content_type) == (200, "audio/x-mpegurl")
        lines = answer.body.decode().splitlines()
        assert lines[0] == "#EXTM3U"
        assert lines[1::2] == [f"#EXTINF:200,{name}" for name in names]
        assert lines[2::2] == [f"{name}.ogg" for name in names]
    browser = [(b"accept", b"text/html,application/xhtml+xml,*/*;q=0.8")]
    assert call(app, "GET", PATH, query="q=piano", headers=browser).json["recommendations"]


def test_space_around_a_text_says_nothing(app: App) -> None:
    assert get(app, "q=++piano%0A").body == get(app, "q=piano").body


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("", "q: missing, expected a text of 1 to 1,000 characters, not only spaces"),
        ("q=", "q: '', expected a text of 1"),
        ("q=%20%09%E3%80%80", "expected a text of 1 to 1,000 characters, not only spaces"),
        ("q=" + "x" * 1_001, "q: 'xxx"),
        ("q=a&q=b", "'q': given more than once, expected once"),
        ("q=a&top_k=x", "top_k: 'x', expected a whole number from 1 to 100"),
        ("q=a&top_k=1.5", "top_k: '1.5', expected a whole number from 1 to 100"),
        ("q=a&minus=", "minus[0]: '', expected a text of 1 to 1,000 characters, not only spaces"),
        ("q=a" + "&minus=b" * 11, 'minus: ["b", "b"'),
        ("q=a&minus_weight=3", "minus_weight: '3', expected a number from 0 to 2"),
        ("q=a&minus_weight=nan", "minus_weight: 'nan', expected a number from 0 to 2"),
        ("q=a&text=b", "'text': unknown, expected one of q, minus, "),
        ("q=slow&minus=slow", "text, minus: mean the same, so that nothing is left to look for"),
    ],
)
def test_bad_queries_are_told_what_was_wrong(app: App, query: str, error: str) -> None:
    answer = get(app, query)
    assert answer.status == 422
    assert error in answer.json.pop("error")
    assert answer.json["matched"] is None
    assert answer.json["recommendations"] == []


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({}, 422, "text: missing, expected a text of 1 to 1,000 characters"),
        ({"text": 5}, 422, "text: 5, expected a text of 1"),
        ({"text": "a", "top_k": "5"}, 422, "top_k: '5', expected a whole number"),
        ({"text": "a", "minus": [""]}, 422, "minus[0]: '', expected a text of 1"),
        ({"text": "a", "minus": ["b"] * 11}, 422, "minus: "),
        ({"text": "a", "minus": {}}, 422, "minus: {}, expected a text of 1"),
        ({"text": "a", "q": "b"}, 422, "'q': unknown, expected one of text, minus, "),
        ([], 422, "body: [], expected a JSON object"),
        (b"{", 400, "body: not JSON"),
        (b" " * 65_537, 413, "body: longer than 65536 bytes"),
    ],
)
def test_bad_bodies_are_told_what_was_wrong(app: App, body: Any, status: int, error: str) -> None:
    answer = call(app, "POST", PATH, body)
    assert (answer.status, answer.json["recommendations"]) == (status, [])
    assert error in answer.json["error"]


def test_a_browser_form_is_refused(app: App) -> None:
    answer = call(app, "POST", PATH, {"text": "a"}, content_type="text/plain")
    assert answer.status == 415


def test_other_methods_are_told_both(app: App) -> None:
    answer = call(app, "PUT", PATH)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, POST")
    assert answer.json["error"] == "method: 'PUT', expected GET, POST"


TEXTS = st.text(min_size=1, max_size=40) | st.sampled_from(["slow", "piano", "drums"])


@given(TEXTS, st.lists(TEXTS, max_size=3), st.floats(0, 2, allow_subnormal=False))
def test_no_words_are_a_5xx(app: App, text: str, minus: list[str], weight: float) -> None:
    answer = post(app, text=text, minus=minus, minus_weight=weight)
    assert answer.status in (200, 422)
    RecommendResponse.model_validate_json(answer.body)


@pytest.mark.parametrize(
    ("model", "command"),
    [
        (
            {"kind": "clap", "id": "laion/clap", "revision": "abc"},
            "python -m export --model laion/clap --revision abc --to BUNDLE --towers text adds it",
        ),
        ({"kind": "clap", "id": "mine"}, "python -m export --model DIR --to BUNDLE --towers text"),
        ({"kind": "sample"}, "python -m embed MUSIC --to BUNDLE --model sample adds it"),
    ],
)
def test_without_a_text_tower_the_command_that_adds_it(
    tmp_path: Path, model: dict[str, Any], command: str
) -> None:
    root = write_bundle(tmp_path / "b", [song("A - B")], random_vectors(1))
    with BundleWriter(root) as writer:
        before = writer.previous
        assert before is not None
        assert before.model is not None
        writer.commit(model=replace(before.model, **model), spec=before.spec, songs=1)
    for answer in (get(app_of(root), "q=piano"), post(app_of(root), text="piano")):
        assert (answer.status, answer.json["matched"]) == (501, None)
        assert command in answer.json["error"]
    assert get(app_of(root), "q=").status == 422  # what makes no sense is said first


def test_the_command_that_is_told_adds_the_samples_words(album: Path, tmp_path: Path) -> None:
    """A bundle as the sample model made them before it had words."""
    root = tmp_path / "b"
    embed_folder(album, root, Options("sample", windows=1, workers=1), tell=lambda _: None)
    with BundleWriter(root) as writer:
        before = writer.previous
        assert before is not None
        assert before.model is not None
        shutil.copyfile(root / MODEL_FILE, writer.stage(MODEL_FILE))
        bare = replace(before.model, text=None)
        writer.commit(model=bare, spec=before.spec, songs=before.songs)
    assert not (root / TEXT_FILE).exists()
    told = get(app_of(root), "q=piano").json["error"]
    command = told.partition("; ")[2].removesuffix(" adds it")
    assert command == "python -m embed MUSIC --to BUNDLE --model sample"
    words = shlex.split(command.replace("MUSIC", str(album)).replace("BUNDLE", str(root)))
    assert python(*words[1:]).returncode == 0
    after = open_bundle(root).manifest
    assert (after.spec, after.songs) == (before.spec, before.songs), "its songs stay"
    assert songs(get(app_of(root), "q=piano"))


class Slow:
    """An encoder that waits for its ``gate``, and counts."""

    def __init__(self) -> None:
        self.gate, self.asked = threading.Event(), []

    def embed(self, text: str) -> np.ndarray:
        self.asked.append(text)
        assert self.gate.wait(10)
        return unit(np.ones(512)) if text == "one" else np.eye(1, 512, dtype=np.float32)[0]


def app_with(moods: Moods | LackingError) -> App:
    service = service_of(random_vectors(3))
    return create_app(service, features=[Words(service, moods, 1_000)])


def test_when_too_many_wait_the_next_is_told_when_to_come_back() -> None:
    encoder = Slow()
    moods = Moods(lambda: encoder, WorkQueue("words", workers=1, waiting=0, retry_after_s=2))
    app = app_with(moods)

    async def crowd() -> None:
        first = asyncio.ensure_future(moods.embed(["one"]))
        await asyncio.sleep(0)
        answer = await asyncio.to_thread(get, app, "q=two")
        assert (answer.status, answer.headers["retry-after"]) == (503, "2")
        assert answer.json["error"].startswith("words: 1 requests are before this one")
        assert answer.json["recommendations"] == []
        by_name = await asyncio.to_thread(call, app, "POST", "/recommend", {"song": "song 001"})
        assert by_name.status == 200
        encoder.gate.set()
        await first

    asyncio.run(crowd())
    assert get(app, "q=two").status == 200


def embed(moods: Moods, *texts: str) -> Sequence[np.ndarray]:
    return asyncio.run(moods.embed(texts))


def test_recent_texts_are_remembered() -> None:
    encoder = Slow()
    encoder.gate.set()
    moods = Moods(lambda: encoder, kept=2)
    first, other, again = embed(moods, "one", "two", " one ")
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert encoder.asked == ["one", "two"]
    embed(moods, "three")  # "two" was asked for before "one" was again
    embed(moods, "one")
    assert encoder.asked == ["one", "two", "three"]
    embed(moods, "two")
    assert encoder.asked == ["one", "two", "three", "two"]


def test_the_encoder_is_loaded_once_by_the_first_text() -> None:
    loads: list[int] = []

    def load() -> Slow:
        loads.append(1)
        if len(loads) == 1:
            raise ModelError("text.onnx: damaged")
        encoder = Slow()
        encoder.gate.set()
        return encoder

    moods = Moods(load)
    app = app_with(moods)
    assert loads == []
    failed = get(app, "q=piano")
    assert (failed.status, failed.json["error"]) == (503, "text.onnx: damaged")
    assert get(app, "q=piano").status == 200  # not for good

    async def together() -> None:
        await asyncio.gather(*(moods.embed([f"text {i}"]) for i in range(8)))

    asyncio.run(together())
    assert loads == [1, 1]


def test_a_damaged_text_tower_is_503(tmp_path: Path) -> None:
    root = named_bundle(tmp_path / "b")
    file = root / TEXT_FILE
    file.write_bytes(b"x" * file.stat().st_size)
    answer = get(app_of(root), "q=piano")
    assert answer.status == 503
    assert "SHA-256" in answer.json["error"]


def test_imported_embeddings_have_no_words(tmp_path: Path) -> None:
    class Imported:
        class manifest:  # noqa: N801
            model: ModelInfo | None = None

    found = moods_of(Imported)  # type: ignore[arg-type]
    assert isinstance(found, LackingError)
    assert "imported embeddings" in str(found)
    answer = get(app_with(found), "q=piano")
    assert (answer.status, answer.json["error"]) == (501, str(found))


def test_the_models_say_what_is_answered(app: App) -> None:
    document = call(app, "GET", "/openapi.json").json
    asked = document["paths"][PATH]
    get, both = {"200", "404", "405", "422", "500", "501", "503"}, {"400", "413", "415"}
    assert set(asked["get"]["responses"]) == get
    assert set(asked["post"]["responses"]) == get | both
    fields = {one["name"]: one for one in asked["get"]["parameters"]}
    assert fields["q"]["required"]
    assert not fields["minus"]["required"]
    assert {"top_k", "exclude", "min_similarity"} <= set(fields)
    minus = document["components"]["schemas"]["TextRequest"]["properties"]["minus"]
    assert [one["type"] for one in minus["anyOf"]] == ["string", "array"]
    json.dumps(document)
