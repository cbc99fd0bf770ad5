"""/recommend/text without words, or with a queue for them; and the texts that are remembered."""

from __future__ import annotations

import asyncio
import shlex
import shutil
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed.bundle import open_bundle
from embed.errors import ModelError
from embed.manifest import MODEL_FILE, TEXT_FILE, ModelInfo
from embed.pipeline import Options, embed_folder
from embed.writer import BundleWriter
from handler.app import create_app
from handler.asgi import App
from handler.errors import LackingError
from handler.queue import WorkQueue
from handler.words.moods import Moods, moods_of
from handler.words.routes import Words
from tests.processes import python
from tests.services import app_of, service_of
from tests.serving import call, named_bundle, random_vectors, song, unit, write_bundle
from tests.words import get, post, songs


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
