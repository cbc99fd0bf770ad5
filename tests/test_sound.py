"""``POST /recommend/audio`` over a bundle that python -m embed wrote."""

from __future__ import annotations

import http.client
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from embed.importer import import_catalogue
from embed.manifest import MODEL_FILE
from embed.pipeline import Options, embed_folder
from handler.asgi import App
from handler.schemas import RecommendResponse
from tests.albums import SONGS, write_album
from tests.bench.load import post
from tests.clips import FORM, form, wav
from tests.handlers import serving
from tests.services import app_of
from tests.serving import call, random_vectors

CREDITS = {
    "b/Nina - Sinnerman.flac": "Nina - Sinnerman",
    "01. Abba - Waterloo.wav": "Abba - Waterloo",
    "b/c/Echoes.ogg": "Echoes",
    "Last.wav": "Last",
}


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_album(tmp_path_factory.mktemp("sound") / "music")


@pytest.fixture(scope="module")
def bundle(music: Path, model_bundle: Path) -> Path:
    root = music.parent / "bundle"
    embed_folder(music, root, Options(model=str(model_bundle), workers=1), tell=lambda _: None)
    return root


@pytest.fixture(scope="module")
def app(bundle: Path) -> App:
    return app_of(bundle)


def hear(app: App, clip: bytes, query: str = "", content_type: str = "audio/ogg") -> Any:
    answer = call(app, "POST", "/recommend/audio", clip, query, content_type)
    RecommendResponse.model_validate_json(answer.body)
    return answer


@pytest.mark.parametrize("path", SONGS)
def test_a_song_of_the_catalogue_sounds_most_like_itself(app: App, music: Path, path: str) -> None:
    clip = (music / path).read_bytes()
    found = hear(app, clip).json
    assert found["matched"] is None
    assert found["error"] is None
    assert found["recommendations"][0] == {"song": CREDITS[path], "similarity": 1.0}
    assert len(found["recommendations"]) == 4
    assert hear(app, form(("file", clip)), "", FORM["content-type"]).json == found


def test_similarities_are_those_of_the_song_asked_by_name(app: App, music: Path) -> None:
    by_name = call(app, "POST", "/recommend", {"song": "waterloo"}).json
    clip = (music / "01. Abba - Waterloo.wav").read_bytes()
    by_sound = hear(app, clip, "exclude=waterloo").json
    assert by_sound["recommendations"] == by_name["recommendations"]


def test_options_are_heeded(app: App, music: Path) -> None:
    clip = (music / "Last.wav").read_bytes()
    found = hear(app, clip, "top_k=1&exclude=last&exclude=nobody").json
    assert len(found["recommendations"]) == 1
    assert found["recommendations"][0]["song"] != "Last"
    assert found["exclude_unmatched"] == ["nobody"]
    assert len(hear(app, clip, "min_similarity=0.9999").json["recommendations"]) == 1


def test_a_song_to_keep_away_from_that_is_none_is_a_documented_404(app: App, music: Path) -> None:
    answer = hear(app, (music / "Last.wav").read_bytes(), "not_like=nobody+at+all")
    assert (answer.status, answer.json["recommendations"]) == (404, [])
    assert answer.json["error"] == "no song is named like 'nobody at all'"
    assert answer.json["suggestions"]
    document = call(app, "GET", "/openapi.json").json
    assert "404" in document["paths"]["/recommend/audio"]["post"]["responses"]


def test_what_a_clip_sounds_like_is_a_playlist_for_whoever_prefers_one(
    app: App, music: Path
) -> None:
    clip = (music / "Last.wav").read_bytes()
    names = [one["song"] for one in hear(app, clip).json["recommendations"]]
    answer = call(
        app, "POST", "/recommend/audio", clip, "", "audio/wav", [(b"accept", b"audio/mpegurl")]
    )
    assert (answer.status, answer.content_type) == (200, "audio/mpegurl")
    lines = answer.body.decode().splitlines()
    assert [line.partition(",")[2] for line in lines[1::2]] == names
    assert sorted(lines[2::2]) == sorted(SONGS)
    refused = call(
        app, "POST", "/recommend/audio", b"x", "", "audio/wav", [(b"accept", b"audio/*")]
    )
    assert (refused.status, refused.content_type) == (422, "application/json")


def test_a_clip_that_is_none_says_why(app: App) -> None:
    answer = hear(app, b"not a song")
    assert answer.status == 422
    assert "Format not recognised" in answer.json["error"]


def test_imported_embeddings_cannot_be_compared_with_a_clip(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", names=["A - B"], embeddings=random_vectors(1))
    import_catalogue(tmp_path / "x.npz", tmp_path / "b")
    answer = hear(app_of(tmp_path / "b"), wav())
    assert answer.status == 501
    assert answer.json["error"].startswith("the bundle holds no model")


def test_another_model_than_the_songs_is_not_used(
    music: Path, model_bundle: Path, tmp_path: Path
) -> None:
    root = tmp_path / "bundle"
    embed_folder(music, root, Options(model=str(model_bundle), workers=1), tell=lambda _: None)
    app = app_of(root)
    model = root / MODEL_FILE
    good = model.read_bytes()
    model.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    answer = hear(app, wav())
    assert answer.status == 503
    assert "SHA-256 is" in answer.json["error"]
    model.write_bytes(good)
    assert hear(app, wav()).status == 200, "and is used again once it is right"


def test_the_worker_starts_with_the_first_clip_and_ends_with_the_server(
    bundle: Path, music: Path
) -> None:
    with serving("--bundle", str(bundle), "--port", "0") as (process, host, port, _):
        server = psutil.Process(process.pid)
        post(f"http://{host}:{port}/recommend", {"song": "last"})
        assert server.children(recursive=True) == []
        answer = _upload(host, port, (music / "Last.wav").read_bytes())
        assert b'"song":"Last","similarity":1.0' in answer
        children = server.children(recursive=True)
        assert children
        process.terminate()
        assert process.wait(20) == 0
        assert psutil.wait_procs(children, timeout=10)[1] == []


def _upload(host: str, port: int, clip: bytes) -> bytes:
    connection = http.client.HTTPConnection(host, port, timeout=60)
    connection.request("POST", "/recommend/audio", clip, {"content-type": "audio/wav"})
    answer = connection.getresponse().read()
    connection.close()
    return answer
