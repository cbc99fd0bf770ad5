"""/metrics, /version and request ids: what operators are told, and what they are not."""

from __future__ import annotations

import platform
import re
import sys
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from embed import __version__
from handler.app import create_app
from handler.asgi import App
from handler.operations.routes import Operations
from tests.handlers import ROOT
from tests.services import Silent, app_of
from tests.serving import call, named_bundle


@pytest.fixture
def app(tmp_path: Path) -> App:
    return app_of(named_bundle(tmp_path / "bundle"))


def figures(app: App) -> dict[str, float]:
    """Every sample of /metrics, by its name and labels as they are written."""
    families = plain(call(app, "GET", "/metrics").body.decode())
    return {
        one.name
        + "".join(f",{key}={value}" for key, value in sorted(one.labels.items())): one.value
        for family in families
        for one in family.samples
    }


def test_requests_are_counted_by_route_method_and_status(app: App) -> None:
    for song in ("creep", "queen", "purple rain"):
        call(app, "POST", "/recommend/", {"song": song})
    call(app, "HEAD", "/songs")
    found = figures(app)
    count = "vibe_http_requests_total,method=POST,route=/recommend,status="
    assert found[count + "200"] == 2
    assert found[count + "404"] == 1
    assert found["vibe_http_requests_total,method=HEAD,route=/songs,status=200"] == 1
    seconds = "vibe_http_request_duration_seconds"
    labels = ",method=POST,route=/recommend,status=200"
    assert found[f"{seconds}_count{labels}"] == 2
    assert 0 < found[f"{seconds}_sum{labels}"] < 2
    assert found[f"{seconds}_bucket,le=+Inf{labels}"] == 2
    assert found["vibe_http_requests_in_progress"] == 1  # the one that asks


def test_what_clients_invent_is_one_label() -> None:
    app = create_app(Silent())
    for number in range(20):
        call(app, "GET", f"/nope/{number}")
        call(app, f"M{number}", "/songs")
        call(app, "GET", "/songs", query=f"q={number}")
    requests = {name for name in figures(app) if name.startswith("vibe_http_requests_total")}
    assert requests == {
        "vibe_http_requests_total,method=GET,route=other,status=404",
        "vibe_http_requests_total,method=other,route=/songs,status=405",
        "vibe_http_requests_total,method=GET,route=/songs,status=200",
    }


def test_two_applications_count_apart() -> None:
    one, other = create_app(Silent()), create_app(Silent())
    call(one, "GET", "/livez")
    name = "vibe_http_requests_total,method=GET,route=/livez,status=200"
    assert name in figures(one)
    assert name not in figures(other)


def test_buckets_hold_those_before_them() -> None:
    operations = Operations({})
    app = create_app(Silent(), operations=operations)
    for seconds in (0.0004, 0.0005, 0.3, 99):
        operations.metrics.answered("GET", "/x", 200, seconds)
    name = "vibe_http_request_duration_seconds_bucket,le={},method=GET,route=/x,status=200"
    found = figures(app)
    assert [found[name.format(le)] for le in ("0.0005", "0.25", "0.5", "30.0", "+Inf")] == [
        *(2, 2, 3, 3, 4)
    ]


def test_an_encoder_tells_of_its_queue() -> None:
    operations = Operations({})
    app = create_app(Silent(), operations=operations)
    encoder = operations.metrics.encoder("audio")
    waiting = [1, 2, 3]
    encoder.queue(lambda: len(waiting), 8)
    encoder.rejected()
    encoder.encoded(0.03)
    found = figures(app)
    assert found["vibe_encoder_queue_depth,kind=audio"] == 3
    assert found["vibe_encoder_queue_limit,kind=audio"] == 8
    assert found["vibe_encoder_rejected_total,kind=audio"] == 1
    assert found["vibe_encoder_duration_seconds_sum,kind=audio"] == 0.03
    assert found["vibe_encoder_duration_seconds_bucket,kind=audio,le=0.025"] == 0
    waiting.pop()
    assert figures(app)["vibe_encoder_queue_depth,kind=audio"] == 2
    assert operations.metrics.encoder("audio") is encoder


def test_catalogue_and_build_are_told(app: App) -> None:
    found = figures(app)
    assert found["vibe_songs"] == 10
    [info] = [name for name in found if name.startswith("vibe_build_info")]
    for label in (f"version={__version__}", "bundle=ba98", "model=tiny", "format=1"):
        assert f",{label}" in info
    assert any(name.startswith("process_cpu_seconds_total") for name in found) or (
        sys.platform != "linux"
    )


def test_the_format_is_the_one_asked_for(app: App) -> None:
    accept = "application/openmetrics-text; version=1.0.0,text/plain;q=0.5"
    answer = call(app, "GET", "/metrics", accept=accept)
    assert answer.content_type.startswith("application/openmetrics-text; version=1.0.0")
    names = {family.name for family in openmetrics(answer.body.decode())}
    assert {"vibe_http_requests", "vibe_songs", "vibe_build", "vibe_encoder_rejected"} <= names
    assert call(app, "GET", "/metrics").content_type.startswith("text/plain; version=0.0.4")


def test_version_tells_program_and_bundle() -> None:
    service = Silent()
    operations = Operations({"bundle": "ba98"}, "3d0d5fd")
    answer = call(create_app(service, operations=operations), "GET", "/version")
    assert answer.json == {
        "version": __version__,
        "revision": "3d0d5fd",
        "bundle": "ba98",
        "format": 1,
        "python": platform.python_version(),
    }


@pytest.mark.parametrize(
    "given",
    ["a", "8f14e45f-ceea-467f-a8f2-2b0b0a7d9b1c", "Root=1-67891233-abc:d/e+f=@_", "x" * 128],
)
def test_an_id_that_fits_is_kept(app: App, given: str) -> None:
    for method, path in (("GET", "/health"), ("GET", "/nope"), ("POST", "/songs")):
        assert call(app, method, path, x_request_id=given).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", 'a"b', "a\nb", "a;b", "{}", "ä", "a\0"])
def test_an_id_that_does_not_fit_is_replaced(app: App, given: str) -> None:
    ids = {call(app, "GET", "/nope", x_request_id=given).headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in ids)


def test_the_documented_metrics_are_those_there_are() -> None:
    operations = Operations({})
    app = create_app(Silent(), operations=operations)
    operations.metrics.encoder("audio")
    call(app, "GET", "/livez")
    figures_text = call(app, "GET", "/metrics").body.decode()
    there = set(re.findall(r"^# TYPE (vibe_\S+) ", figures_text, re.M))
    text = (ROOT / "docs/operating.md").read_text(encoding="utf-8")
    documented = dict(re.findall(r"^\| `(vibe_\w+)` \| (.*?) \|", text, re.M))
    assert documented.keys() == there
    for family in plain(figures_text):
        for sample in family.samples:
            name = re.sub("_(bucket|sum|count)$", "", sample.name)
            if name in documented:
                labels = {f"`{label}`" for label in sample.labels if label != "le"}
                assert labels == set(re.findall(r"`\w+`", documented[name])), name
