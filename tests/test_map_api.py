"""/map, its names and similarities, and the page's files: bytes, caching, compression."""

from __future__ import annotations

import base64
import gzip
import re
from pathlib import Path

import numpy as np
import pytest

from embed.bundle import open_bundle
from embed.mapfile import read_map
from handler.asgi import App
from handler.songmap.schemas import MapResponse, NamesResponse, SimilaritiesResponse
from handler.web.page import FILES
from tests.pages import large_map_app
from tests.services import app_of
from tests.serving import NAMES, call, named_bundle

LAMBDA_BYTES = 6 * 1024 * 1024


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return named_bundle(tmp_path_factory.mktemp("map") / "bundle")


@pytest.fixture(scope="module")
def app(bundle: Path) -> App:
    return app_of(bundle)


def test_the_map_is_the_bundles(app: App, bundle: Path) -> None:
    answer = call(app, "GET", "/map").json
    MapResponse.model_validate(answer)
    points = np.frombuffer(base64.b64decode(answer["points"]), "<u2").reshape(-1, 2)
    assert np.array_equal(points, read_map(open_bundle(bundle))[:, :2])
    artists = np.frombuffer(base64.b64decode(answer["artists"]), "<u4")
    assert artists.tolist() == [1, 2, 3, 3, 4, 5, 6, 6, 7, 8]
    assert answer["version"] == open_bundle(bundle).manifest.version[:12]
    assert answer["songs"] == 10


def test_names_by_page(app: App) -> None:
    answer = call(app, "GET", "/map/names").json
    assert NamesResponse.model_validate(answer).names == list(NAMES)
    assert call(app, "GET", "/map/names", query="page=1").json == {"names": []}
    refused = call(app, "GET", "/map/names", query="page=x")
    assert (refused.status, refused.json) == (
        422,
        {"error": "page: 'x', expected a whole number from 0 to 1,000,000"},
    )


def test_similarities_are_the_cosines(app: App, bundle: Path) -> None:
    answer = call(app, "GET", "/map/similarities", query="song=creep").json
    SimilaritiesResponse.model_validate(answer)
    assert answer["matched"] == "Radiohead - Creep"
    found = np.frombuffer(base64.b64decode(answer["similarities"]), np.uint8) / 127.5 - 1
    vectors = np.load(bundle / "vectors.npy")
    assert found == pytest.approx(vectors @ vectors[8], abs=1 / 255 + 1e-6)
    unknown = call(app, "GET", "/map/similarities", query="song=purple+rain")
    assert unknown.status == 404
    assert unknown.json["similarities"] is None
    assert unknown.json["suggestions"]


@pytest.mark.parametrize("path", ["/map", "/", "/static/main.js", "/static/base.css"])
def test_compressed_for_those_who_take_it(app: App, path: str) -> None:
    plain = call(app, "GET", path)
    packed = call(app, "GET", path, headers=[(b"accept-encoding", b"br, gzip;q=0.5")])
    if path == "/map":
        assert "content-encoding" not in packed.headers, "ten songs are not worth it"
        return
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert packed.headers["etag"] != plain.headers["etag"]
    assert packed.headers["vary"] == plain.headers["vary"] == "accept-encoding"
    for answer, encoding in ((plain, b""), (packed, b"gzip")):
        etag = answer.headers["etag"].encode()
        known = [(b"if-none-match", etag), (b"accept-encoding", encoding)]
        again = call(app, "GET", path, headers=known)
        assert (again.status, again.body) == (304, b"")


def test_names_of_this_version_never_change(app: App) -> None:
    version = call(app, "GET", "/map").json["version"]
    kept = call(app, "GET", "/map/names", query=f"v={version}")
    assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
    other = call(app, "GET", "/map/names", query="v=older")
    assert other.headers["cache-control"] == "no-cache"


def test_fifty_thousand_songs_fit_into_a_lambda_answer() -> None:
    app = large_map_app(50_000)
    for path, query in (("/map", ""), ("/map/names", "page=0"), ("/map/similarities", "song=song")):
        plain = call(app, "GET", path, query=query)
        packed = call(app, "GET", path, query=query, headers=[(b"accept-encoding", b"gzip")])
        print(f"\n{path}: {len(plain.body):,} bytes, {len(packed.body):,} compressed")
        assert max(len(plain.body), len(packed.body) * 4 / 3) < LAMBDA_BYTES / 4


def test_the_page_may_load_only_from_here(app: App) -> None:
    headers = call(app, "GET", "/").headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["img-src"] == policy["media-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    for part in ("base-uri", "form-action", "frame-ancestors", "trusted-types"):
        assert policy[part] == "'none'"
    for other in ("unsafe", "http", "*", "data:", "blob:"):
        assert other not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_every_file_the_page_names_is_there(app: App) -> None:
    text = "".join(path.read_text("utf-8") for path in FILES.iterdir())
    named = set(re.findall(r'(?:href|src)="(static/[^"]+)"', text))
    named |= {f"static/{name}" for name in re.findall(r'from "\./([\w.]+)"', text)}
    assert len(named) > 12
    for name in named:
        assert call(app, "GET", f"/{name}").status == 200
    assert named | {"static/index.html"} == {f"static/{path.name}" for path in FILES.iterdir()}
    assert not re.search(r"\b(?:inner|outer)HTML\b|insertAdjacentHTML|document\.write", text)
    assert not re.search(r'(?:src|href)="(?:https?:)?/', text), "an address that is not relative"


@pytest.mark.parametrize("path", ["/static/", "/static/nope.js", "/static/../page.py", "/static"])
def test_other_files_are_not_served(app: App, path: str) -> None:
    assert call(app, "GET", path).status == 404
