"""What a Milvus does to those who wait for it: hangs, gaps, a kill -9, a wrong password."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from embed.bundle import Bundle, open_bundle
from embed.catalogue import Catalogue
from embed.errors import EngineError
from embed.milvus.circuit import Circuit
from embed.milvus.index import MilvusIndex
from embed.milvus.publish import publish
from handler.service import Service
from tests import milvus
from tests.processes import eventually, python
from tests.relay import Relay, Upstream
from tests.services import ABOUT, app_of
from tests.serving import call, named_bundle

CREEP = {"song": "creep", "top_k": 3}
TIMEOUT_S = 2.0
MOST_S = 3 * TIMEOUT_S
"""A busy machine adds to a timeout. Nobody's timeout, or twelve in a row, would be more."""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Not to be written to."""
    return open_bundle(named_bundle(tmp_path_factory.mktemp("named") / "bundle"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    """Milvus Lite alone: a relay makes the trouble, or the test starts a server of its own."""
    with milvus.lite(tmp_path_factory.mktemp("milvus")) as found:
        yield found


def published(relay: Relay, bundle: Bundle, token: str = "") -> str:
    """The catalogue's name, that ``bundle`` is published under."""
    name = milvus.new_name()
    with closing(milvus.client(relay.url, name, token=token)) as there:
        publish(there, bundle)
    return name


def index_at(
    relay: Relay, bundle: Bundle, name: str, timeout_s: float = TIMEOUT_S, **options: str
) -> MilvusIndex:
    there = milvus.client(relay.url, name, timeout_s, **options)
    circuit = Circuit(wait_s=0.3)
    return MilvusIndex(there, bundle.manifest.version, bundle.manifest.songs, circuit)


def failed_after(function: Callable[[], object]) -> float:
    """Seconds until it raised EngineError."""
    started = time.monotonic()
    with pytest.raises(EngineError):
        function()
    return time.monotonic() - started


def test_a_server_that_hangs_costs_the_timeout_and_little_more(
    relay: Relay, bundle: Bundle
) -> None:
    with closing(index_at(relay, bundle, published(relay, bundle))) as index:
        index.check()
        relay.hold()
        took = failed_after(lambda: index.search(np.zeros(512, np.float32), 3))
        assert 0.9 * TIMEOUT_S < took < MOST_S


def test_who_waits_for_a_connection_waits_no_longer_for_being_many(
    relay: Relay, bundle: Bundle
) -> None:
    """The API asks from forty threads; a server that hangs from the start on holds none up."""
    with closing(index_at(relay, bundle, published(relay, bundle))) as index:
        relay.hold()
        times: list[float] = []
        ask = lambda: times.append(failed_after(index.check))  # noqa: E731
        threads = [threading.Thread(target=ask) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(times) == len(threads)
        assert max(times) < MOST_S
        assert index.circuit.state != "closed"
        relay.resume()
        assert eventually(lambda: answers(index))


def answers(index: MilvusIndex) -> bool:
    try:
        index.check()
    except EngineError:
        return False
    return True


def test_a_short_gap_is_not_noticed(relay: Relay, bundle: Bundle) -> None:
    """What cannot be reached is tried again, with pauses, until the timeout."""
    with closing(index_at(relay, bundle, published(relay, bundle), timeout_s=30)) as index:
        index.check()
        relay.refuse()
        threading.Timer(1.0, relay.resume).start()
        started = time.monotonic()
        index.check()
        assert 0.5 < time.monotonic() - started < 25
        assert index.circuit.state == "closed"


def test_a_real_server_that_is_killed_comes_back_by_itself(tmp_path: Path, bundle: Bundle) -> None:
    """kill -9, and the same data again: nothing is published, nothing restarted on our side."""
    server = milvus.Standalone(tmp_path)
    try:
        server.start()
        with Relay(server.socket) as relay:
            index = index_at(relay, bundle, published(relay, bundle), timeout_s=5)
            catalogue = Catalogue(bundle.file("catalogue.sqlite"))
            app = app_of(bundle.root, Service(catalogue, index, ABOUT, 0))
            before = call(app, "POST", "/recommend", CREEP)
            exact = call(app_of(bundle.root), "POST", "/recommend", CREEP)
            assert (before.status, before.body) == (200, exact.body)
            server.kill()
            for _ in range(3):
                refused = call(app, "POST", "/recommend", CREEP)
                assert refused.status == 503
                assert refused.json["error"].startswith(f"Milvus at {relay.url}: ")
            server.start()
            assert eventually(lambda: call(app, "POST", "/recommend", CREEP).status == 200)
            assert call(app, "POST", "/recommend", CREEP).body == before.body
            index.close()
    finally:
        server.kill()


def test_a_password_that_is_asked_for(tmp_path: Path, bundle: Bundle) -> None:
    """By VIBE_INDEX_TOKEN, and said in one line when it is wrong."""
    token = "root:Milvus"  # what a new server comes with
    server = milvus.Standalone(tmp_path, "--authorization-enabled", "true")
    try:
        server.start(token)
        with Relay(server.socket) as relay:
            name = published(relay, bundle, token)
            with closing(index_at(relay, bundle, name, 20, token=token)) as index:
                index.check()
            with closing(index_at(relay, bundle, name, 20)) as stranger:
                assert failed_after(stranger.check) < 20
            where = ("--milvus", relay.url, "--collection", name, "--list")
            run = python("-m", "embed", "publish", *where, "--token", "root:wrong")
            assert run.returncode == 2
            assert len(run.stderr.splitlines()) == 1
            assert run.stderr.startswith(f"error: Milvus at {relay.url}: ")
            assert "wrong" not in run.stderr
    finally:
        server.kill()
