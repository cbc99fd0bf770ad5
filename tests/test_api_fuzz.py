"""HTTP: whatever is sent, the answer is no 5xx and fits its model."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.asgi import App
from handler.schemas import RecommendResponse
from tests.services import app_of
from tests.serving import NAMES, call, named_bundle


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    return app_of(named_bundle(tmp_path_factory.mktemp("api") / "bundle"))


NUMBERS = st.integers() | st.floats() | st.integers(0, 101)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=30) | st.sampled_from(NAMES),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
BODIES = st.dictionaries(
    st.sampled_from(
        ["song", "songs", "top_k", "exclude", "exclude_same_artist", "min_similarity", "x"]
    ),
    VALUES,
)


@given(BODIES | VALUES)
def test_no_json_body_is_a_5xx(app: App, body: Any) -> None:
    answer = call(app, "POST", "/recommend", body)
    assert answer.status in (200, 400, 404, 422)
    RecommendResponse.model_validate_json(answer.body)


@given(
    st.fixed_dictionaries(
        {"song": st.sampled_from(NAMES) | st.text(min_size=1, max_size=12)},
        optional={
            "top_k": st.integers(1, 100),
            "exclude": st.lists(st.sampled_from(NAMES) | st.text(min_size=1, max_size=5)),
            "exclude_same_artist": st.booleans(),
            "min_similarity": st.floats(-1, 1),
        },
    )
)
def test_no_sensible_request_is_a_5xx(app: App, body: Any) -> None:
    answer = call(app, "POST", "/recommend", body)
    assert answer.status in (200, 404, 422)
    found = answer.json
    assert len(found["recommendations"]) <= body.get("top_k", 5)
    assert all(one["song"] != found["matched"] for one in found["recommendations"])


@given(st.binary(max_size=60))
def test_no_bytes_are_a_5xx(app: App, body: bytes) -> None:
    assert call(app, "POST", "/recommend", body).status in (200, 400, 404, 422)


@given(st.binary(max_size=40).map(lambda value: value.decode("latin-1")))
def test_no_query_is_a_5xx(app: App, query: str) -> None:
    for text in (query, f"q={query}", f"cursor={query}", f"limit={query}"):
        latin = text.encode("latin-1", "replace").decode("latin-1")
        ascii_only = latin.encode("ascii", "backslashreplace").decode()
        assert call(app, "GET", "/songs", query=ascii_only).status in (200, 422)
