"""HTTP: the contract's bodies, pages, probes, and what /docs says."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handler.app import create_app
from handler.asgi import App
from handler.schemas import HealthResponse, RecommendResponse, SongsResponse
from handler.service import Answer
from tests.services import Silent, app_of
from tests.serving import NAMES, at_similarities, call, named_bundle, song, write_bundle


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    return app_of(named_bundle(tmp_path_factory.mktemp("api") / "bundle"))


def test_recommend_answers_as_the_contract_says(tmp_path: Path) -> None:
    songs = [song("LEEAAV - IN THIS DARK"), song("Moderat - A New Error")]
    app = app_of(write_bundle(tmp_path / "bundle", songs, at_similarities(0.9077)))
    answer = call(app, "POST", "/recommend", {"song": "in this dark", "top_k": 3})
    assert (answer.status, answer.content_type) == (200, "application/json")
    assert answer.body == (
        b'{"matched":"LEEAAV - IN THIS DARK","recommendations":'
        b'[{"song":"Moderat - A New Error","similarity":0.9077}],"error":null}'
    )


def test_songs_answers_as_the_contract_says(app: App) -> None:
    answer = call(app, "GET", "/songs")
    assert (answer.status, answer.content_type) == (200, "application/json")
    assert answer.json == {"songs": list(NAMES), "next_cursor": None}
    assert answer.body.startswith(b'{"songs":["ABBA - Dancing Queen","Bj\xc3\xb6rk - ')


def test_songs_are_paged_and_filtered(app: App) -> None:
    first = call(app, "GET", "/songs", query="q=QUEEN&limit=2").json
    assert first["songs"] == ["ABBA - Dancing Queen", "Queen - Don't Stop Me Now"]
    rest = call(app, "GET", "/songs", query=f"q=queen&cursor={first['next_cursor']}").json
    assert rest == {"songs": ["Queen - Somebody to Love"], "next_cursor": None}
    assert call(app, "GET", "/songs", query="q=nothing+like+it").json["songs"] == []
    assert call(app, "GET", "/songs", query="q=bj%C3%B6rk").json["songs"] == [NAMES[1]]
    assert call(app, "GET", "/songs", query="q=").json["songs"] == list(NAMES)


def test_health_says_which_model_and_how_many_songs(app: App) -> None:
    answer = call(app, "GET", "/health")
    assert answer.json == {
        "status": "ok",
        "songs_loaded": 10,
        "model": {"id": "tiny", "kind": "sample", "precision": "fp32"},
        "spec": "0123456789ab",
        "bundle": "ba98",
    }


def test_probes_and_the_front_door(app: App) -> None:
    assert call(app, "GET", "/livez").json == {"status": "alive"}
    assert call(app, "GET", "/readyz").json == {"status": "ready"}
    assert b"<title>vibe-search</title>" in call(app, "GET", "/").body


def test_an_unknown_song_is_404_with_the_same_fields_and_suggestions(app: App) -> None:
    answer = call(app, "POST", "/recommend", {"song": "purple rain"})
    assert answer.status == 404
    suggestions = answer.json.pop("suggestions")
    assert answer.json == {
        "matched": None,
        "recommendations": [],
        "error": "no song is named like 'purple rain'",
        "suggestions": suggestions,
    }
    assert len(suggestions) == 5
    assert set(suggestions) < set(NAMES)


def test_misspelt_names_are_understood(app: App) -> None:
    answer = call(app, "POST", "/recommend", {"song": "daft pnuk get lucky", "top_k": 1})
    assert answer.json["matched"] == "Daft Punk - Get Lucky"


@pytest.mark.parametrize("path", ["/health", "/songs", "/livez", "/readyz", "/docs", "/nope"])
def test_head_is_get_without_a_body(app: App, path: str) -> None:
    head, get = call(app, "HEAD", path), call(app, "GET", path)
    assert (head.status, head.headers, head.body) == (get.status, get.headers, b"")


def test_a_slash_at_the_end_changes_nothing(app: App) -> None:
    assert call(app, "GET", "/songs/") == call(app, "GET", "/songs")
    body = {"song": "creep"}
    assert call(app, "POST", "/recommend/", body) == call(app, "POST", "/recommend", body)


def test_a_slow_service_is_asked_in_a_thread() -> None:
    class Slow(Silent):
        is_quick = False

        def recommend(self, request: Any) -> Answer:
            answer = super().recommend(request)
            return {**answer, "matched": threading.current_thread().name}

    answer = call(create_app(Slow()), "POST", "/recommend", {"song": "a"})
    assert answer.json["matched"] != threading.main_thread().name


def test_defaults_are_those_of_the_documentation() -> None:
    service = Silent()
    app = create_app(service)
    call(app, "POST", "/recommend", {"song": "a"})
    call(app, "GET", "/songs")
    recommend, songs = service.asked
    document = call(app, "GET", "/openapi.json").json
    asked = document["components"]["schemas"]["RecommendRequest"]["properties"]
    options = ("top_k", "exclude", "exclude_same_artist", "min_similarity")
    for name in (*options, "not_like", "diversity", "max_per_artist"):
        assert asked[name]["default"] == getattr(recommend, name)
    for parameter in document["paths"]["/songs"]["get"]["parameters"]:
        default = parameter["schema"].get("default")
        assert default == getattr(songs, parameter["name"])


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref":
                yield inner
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_the_documentation_is_whole(app: App) -> None:
    document = call(app, "GET", "/openapi.json").json
    assert set(document["paths"]) == {
        *("/health", "/livez", "/readyz", "/songs", "/recommend", "/recommend/audio"),
        *("/playlist", "/similar-pairs", "/recommend/text", "/version", "/metrics"),
        *("/map", "/map/names", "/map/similarities", "/previews"),
    }
    schemas = document["components"]["schemas"]
    names = {reference.rpartition("/")[2] for reference in references(document)}
    assert names == set(schemas)
    assert set(document["paths"]["/recommend"]["post"]["responses"]) == {
        *("200", "400", "404", "405", "413", "415", "422", "500", "503")
    }
    page = call(app, "GET", "/docs")
    assert (page.status, page.content_type) == (200, "text/html; charset=utf-8")


@pytest.mark.parametrize(
    "request_body",
    [
        {"song": "queen"},
        {"songs": ["queen", "creep"], "exclude": ["nobody", "daft"]},
        {"song": "no such song at all"},
        {"song": ""},
    ],
)
def test_answers_fit_the_models_that_document_them(app: App, request_body: Any) -> None:
    RecommendResponse.model_validate_json(call(app, "POST", "/recommend", request_body).body)
    SongsResponse.model_validate_json(call(app, "GET", "/songs", query="limit=3").body)
    HealthResponse.model_validate_json(call(app, "GET", "/health").body)


def test_json_is_compact_and_keeps_other_scripts(tmp_path: Path) -> None:
    app = app_of(write_bundle(tmp_path / "b", [song("宇多田ヒカル - 初恋")], at_similarities()))
    body = call(app, "GET", "/songs").body
    assert (
        body
        == json.dumps(
            {"songs": ["宇多田ヒカル - 初恋"], "next_cursor": None},
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode()
    )
