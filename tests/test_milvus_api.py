"""The API that searches in Milvus: the same answers, and what it says when Milvus is down; on
both servers."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from embed.bundle import open_bundle
from embed.milvus.circuit import Circuit
from embed.milvus.index import MilvusIndex
from embed.milvus.publish import publish
from embed.milvus.versions import Versions
from handler.asgi import App
from handler.engine.milvus import open_engine
from handler.service import Service
from handler.settings import read_settings
from tests import milvus
from tests.events import Asked, name_of
from tests.handlers import serving
from tests.processes import eventually, python
from tests.questions import REQUESTS
from tests.relay import Relay, Upstream
from tests.services import ABOUT, app_of
from tests.serving import Answer, call, named_bundle, random_vectors, song, write_bundle

CREEP = {"song": "creep", "top_k": 3}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not to be written to."""
    return named_bundle(tmp_path_factory.mktemp("named") / "bundle")


def load(relay: Relay, bundle: Path) -> str:
    """Publish it. Returns the catalogue's name."""
    name = milvus.new_name()
    with closing(milvus.client(relay.url, name)) as there:
        publish(there, open_bundle(bundle))
    return name


def opened(relay: Relay, bundle: Path, name: str) -> tuple[App, MilvusIndex]:
    """The API as handler.main makes it, whose circuit is open for moments only."""
    address = f"milvus+{relay.url}?collection={name}"
    environment = {"VIBE_BUNDLE": str(bundle), "VIBE_INDEX": address}
    settings = read_settings(environment | {"VIBE_INDEX_TIMEOUT_MS": "1000"})
    _, catalogue, index, engine = open_engine(bundle, settings)
    index.circuit = Circuit(wait_s=0.3)
    return app_of(bundle, Service(catalogue, index, ABOUT, 0, engine)), index


def ask(app: App) -> Answer:
    return call(app, "POST", "/recommend", CREEP)


def is_ready(app: App) -> bool:
    return call(app, "GET", "/readyz").status == 200


def refused(app: App) -> str:
    """What it says to those who would search; the rest is answered."""
    answer = ask(app)
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json.keys() == {"matched", "recommendations", "error"}
    assert (answer.json["matched"], answer.json["recommendations"]) == (None, [])
    assert call(app, "GET", "/livez").status == 200
    assert call(app, "GET", "/songs", query="limit=1").status == 200
    ready = call(app, "GET", "/readyz")
    assert ready.status == 503
    assert int(ready.headers["retry-after"]) >= 1
    return str(answer.json["error"])


def circuit_of(app: App) -> tuple[str, str | None]:
    told = call(app, "GET", "/health").json
    assert told["songs_loaded"] == 10
    assert told["index"].keys() == {"kind", "address", "collection", "circuit", "error"}
    return told["index"]["circuit"], told["index"]["error"]


@pytest.fixture(scope="module")
def both(server: Upstream, bundle: Path) -> Iterator[tuple[App, App]]:
    """The API over the bundle's own vectors, and over Milvus."""
    with Relay(server) as relay:
        app, index = opened(relay, bundle, load(relay, bundle))
        with closing(index):
            yield app_of(bundle), app


SAME = [asked for asked in REQUESTS if asked.path not in ("/health", "/metrics")]


@pytest.mark.parametrize("asked", SAME, ids=name_of)
def test_every_answer_is_that_of_the_exact_index(both: tuple[App, App], asked: Asked) -> None:
    headers = [(key.encode(), value.encode()) for key, value in asked.headers.items()]
    exact, found = (
        call(app, asked.method, asked.path, asked.body, asked.query, None, headers) for app in both
    )
    assert (found.status, found.body) == (exact.status, exact.body)


def test_health_tells_where_it_searches(both: tuple[App, App], bundle: Path) -> None:
    exact, found = (call(app, "GET", "/health").json for app in both)
    told = found.pop("index")
    assert found == exact
    assert (told["kind"], told["circuit"], told["error"]) == ("milvus", "closed", None)
    assert told["address"].startswith("http://127.0.0.1:")
    assert told["collection"].endswith(open_bundle(bundle).manifest.version)


def test_down_at_the_start_it_starts_and_recovers(relay: Relay, bundle: Path) -> None:
    name = load(relay, bundle)
    relay.refuse()
    app, index = opened(relay, bundle, name)
    with closing(index):
        assert refused(app).startswith(f"Milvus at {relay.url}: ")
        relay.resume()
        assert eventually(lambda: is_ready(app))
        assert ask(app).status == 200
        assert circuit_of(app) == ("closed", None)


def test_down_in_the_middle_it_says_so_stops_asking_and_recovers(
    relay: Relay, bundle: Path
) -> None:
    app, index = opened(relay, bundle, load(relay, bundle))
    with closing(index):
        before = ask(app)
        assert before.status == 200
        relay.refuse()
        for _ in range(2):
            refused(app)
        index.circuit._wait_s = 60  # type: ignore[misc]
        assert eventually(lambda: refused(app) != "" and circuit_of(app)[0] == "open")
        relay.resume()
        asked = relay.connections
        assert "not asked again for a while" in refused(app)
        state, reason = circuit_of(app)
        assert state == "open"
        assert reason is not None
        assert reason.startswith(f"Milvus at {relay.url}: ")
        assert relay.connections == asked
        index.circuit._until = 0
        index.circuit._wait_s = 0.3
        assert eventually(lambda: is_ready(app))
        assert ask(app).body == before.body


def test_a_server_that_hangs_is_given_up_in_time(relay: Relay, bundle: Path) -> None:
    app, index = opened(relay, bundle, load(relay, bundle))
    with closing(index):
        assert is_ready(app)
        relay.hold()
        assert "deadline exceeded" in refused(app)
        relay.resume()
        assert eventually(lambda: ask(app).status == 200)


def test_half_loaded_it_is_not_served_until_it_is_whole(relay: Relay, tmp_path: Path) -> None:
    vectors, name = random_vectors(50), milvus.new_name()
    root = write_bundle(tmp_path / "b", [song(f"A - creep {row:02}") for row in range(50)], vectors)
    there = milvus.client(relay.url, name)
    collection = Versions(there).collection(open_bundle(root).manifest.version)
    there.create(collection)
    there.build(collection)
    there.write(collection, 0, vectors[:49], is_new=True)
    app, index = opened(relay, root, name)
    with closing(index):
        assert "is not whole yet; python -m embed publish loads it" in refused(app)
        assert publish(there, open_bundle(root)).written > 0
        assert eventually(lambda: is_ready(app))
        assert ask(app).status == 200


def test_a_version_that_is_lost_is_told_of_and_served_once_it_is_published_anew(
    relay: Relay, bundle: Path
) -> None:
    name = load(relay, bundle)
    app, index = opened(relay, bundle, name)
    with closing(index):
        assert is_ready(app)
        before = ask(app)
        there = milvus.client(relay.url, name)
        Versions(there).drop(open_bundle(bundle).manifest.version)
        assert "it has no version, the bundle's is" in call(app, "GET", "/readyz").json["error"]
        publish(there, open_bundle(bundle))
        assert eventually(lambda: is_ready(app))
        assert ask(app).body == before.body


def asked_of(bundle: Path, there: str) -> bytes:
    """What ``python -m handler`` answers."""
    with serving("--bundle", str(bundle), "--port", "0", VIBE_INDEX=there) as (_, host, port, _):
        content = {"content-type": "application/json"}
        url = f"http://{host}:{port}/recommend"
        request = urllib.request.Request(url, json.dumps(CREEP).encode(), content)
        with urllib.request.urlopen(request, timeout=60) as answer:
            body: bytes = answer.read()
            return body


def test_it_needs_no_vectors_of_its_own(relay: Relay, bundle: Path, tmp_path: Path) -> None:
    name = load(relay, bundle)
    slim = Path(shutil.copytree(bundle, tmp_path / "slim"))
    (slim / "vectors.npy").unlink()
    exact = call(app_of(bundle), "POST", "/recommend", CREEP)
    assert asked_of(slim, f"milvus+{relay.url}?collection={name}") == exact.body
    run = python("-m", "handler", "--bundle", slim)
    assert run.returncode == 2
    assert "vectors.npy: No such file" in run.stderr


def started(bundle: Path, index: str, before: str = "") -> tuple[int, str]:
    """How ``handler.main`` ends, and its words."""
    program = (
        f"import os, sys\n{before}\nos.environ['VIBE_BUNDLE'] = {str(bundle)!r}\n"
        f"os.environ['VIBE_INDEX'] = {index!r}\nimport handler.main"
    )
    run = python("-c", program)
    return run.returncode, run.stderr


def test_another_version_is_refused_at_the_start_naming_both(
    relay: Relay, bundle: Path, tmp_path: Path
) -> None:
    other = write_bundle(tmp_path / "b", [song("A - B")], random_vectors(1))
    name = load(relay, other)
    code, words = started(bundle, f"milvus+{relay.url}?collection={name}")
    versions = [open_bundle(root).manifest.version[:12] for root in (other, bundle)]
    assert code == 2
    assert f"its current version is {versions[0]}, the bundle's is {versions[1]}; " in words
    assert len(words.splitlines()) == 1


@pytest.mark.parametrize("package", ["pymilvus", "grpc"])
def test_a_client_that_is_not_installed_is_said_in_one_line(bundle: Path, package: str) -> None:
    index = "milvus+http://127.0.0.1:1"
    code, words = started(bundle, index, f"sys.modules[{package!r}] = None")
    assert code == 2
    assert words == (
        "handler: Milvus at http://127.0.0.1:1: pymilvus is not installed; "
        "pip install -r requirements/milvus.txt\n"
    )


def test_a_server_that_hangs_from_the_start_on_is_waited_for_in_bounds(
    relay: Relay, bundle: Path
) -> None:
    name = load(relay, bundle)
    with Relay(relay.port) as slow:
        slow.hold()
        app, index = opened(slow, bundle, name)
        with closing(index):
            assert refused(app).startswith(f"Milvus at {slow.url}: ")
            slow.resume()
            assert eventually(lambda: is_ready(app))
            assert ask(app).status == 200


def test_in_a_file_without_any_server(bundle: Path, tmp_path: Path) -> None:
    """Milvus Lite: published by one process, served by another."""
    pytest.importorskip("milvus_lite")
    there = f"milvus+file:{tmp_path}/songs.db"
    run = python("-m", "embed", "publish", bundle, "--milvus", there)
    assert run.returncode == 0, run.stderr
    exact = call(app_of(bundle), "POST", "/recommend", CREEP)
    assert asked_of(bundle, there) == exact.body
