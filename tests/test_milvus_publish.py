"""Publishing to Milvus: whole or not at all, whatever happens meanwhile; on both servers."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from embed.bundle import Bundle, open_bundle
from embed.errors import EngineError, UnfitEngineError
from embed.index import ExactIndex
from embed.manifest import VECTORS_FILE
from embed.milvus import publish as publishing
from embed.milvus.client import Milvus
from embed.milvus.index import MilvusIndex
from embed.milvus.publish import publish, roll_back
from embed.milvus.versions import Versions
from tests import milvus
from tests.processes import eventually, python, start_python
from tests.relay import Relay
from tests.serving import random_vectors, song, write_bundle

SONGS = 300


@pytest.fixture
def there(relay: Relay) -> Iterator[Milvus]:
    """A catalogue of its own on the server."""
    with closing(milvus.client(relay.url, milvus.new_name())) as found:
        yield found
        versions = Versions(found)
        for one in versions.all():
            versions.drop(one.version)


def bundle_of(folder: Path, seed: int = 0, songs: int = SONGS) -> Bundle:
    vectors = random_vectors(songs, seed)
    vectors[7] = vectors[3]  # ties must come in order of row
    names = [song(f"Artist - Song {seed} {row:05}") for row in range(songs)]
    return open_bundle(write_bundle(folder / str(seed), names, vectors))


def index_of(there: Milvus, bundle: Bundle) -> MilvusIndex:
    return MilvusIndex(there, bundle.manifest.version, bundle.manifest.songs)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Not to be written to."""
    return bundle_of(tmp_path_factory.mktemp("bundle"))


def test_it_answers_as_the_exact_index_does(there: Milvus, bundle: Bundle) -> None:
    done = publish(there, bundle)
    assert (done.before, done.written, done.dropped) == (None, SONGS, [])
    exact, index = ExactIndex(bundle.file(VECTORS_FILE)), index_of(there, bundle)
    assert len(index) == len(exact)
    everyone = np.arange(SONGS)
    assert np.array_equal(index.vectors(everyone), exact.vectors(everyone))  # float32, bit for bit
    assert index.vectors(np.zeros(0, np.int64)).shape == (0, 512)
    assert (
        index.vectors(np.array([5, 2, 5])).tobytes() == exact.vectors(np.array([5, 2, 5])).tobytes()
    )
    for row in (0, 3, 7, 123):
        [query] = exact.vectors(np.array([row]))
        for count in (1, 2, 10, 100):
            rows, similarities = index.search(query, count)
            expected, theirs = exact.search(query, count)
            assert rows.tolist() == expected.tolist()
            assert similarities.tobytes() == theirs.tobytes()
    assert len(index.search(query, 0)[0]) == 0
    rows, similarities = index.search(query, SONGS * 2)
    assert len(set(rows.tolist())) == len(rows) > SONGS * 0.9
    assert (np.diff(similarities) <= 0).all()


def test_again_it_writes_nothing(there: Milvus, bundle: Bundle) -> None:
    publish(there, bundle)
    again = publish(there, bundle)
    assert (again.before, again.written) == (bundle.manifest.version, 0)
    assert there.count(Versions(there).collection(bundle.manifest.version)) == SONGS


@pytest.mark.parametrize("is_doubled", [False, True], ids=["missing", "doubled"])
def test_what_is_half_loaded_is_not_served_and_is_made_whole(
    there: Milvus, bundle: Bundle, monkeypatch: pytest.MonkeyPatch, is_doubled: bool
) -> None:
    monkeypatch.setattr(publishing, "BLOCK", 20)
    vectors = np.load(bundle.file(VECTORS_FILE))
    collection = Versions(there).collection(bundle.manifest.version)
    there.create(collection)
    there.build(collection)
    # As a publisher leaves it that was killed, or whose insert was tried twice.
    there.write(collection, 0, vectors[:130], is_new=True)
    there.write(collection, 200, vectors[200:205], is_new=True)
    if is_doubled:  # as many as are missing up to 140: counting alone finds nothing wrong there
        there.write(collection, 60, vectors[60:70], is_new=True)
    index = index_of(there, bundle)
    with pytest.raises(EngineError, match="is not whole yet"):
        index.search(vectors[0], 3)
    assert publish(there, bundle).written >= SONGS - 135
    assert there.count(collection) == SONGS
    assert np.array_equal(index.vectors(np.arange(SONGS)), vectors)
    rows = index.search(vectors[60], 100)[0].tolist()
    assert len(set(rows)) == 100


def test_versions_switch_roll_back_and_are_dropped(there: Milvus, tmp_path: Path) -> None:
    bundles = [bundle_of(tmp_path, seed, 40) for seed in range(4)]
    names = [one.manifest.version for one in bundles]
    versions = Versions(there)
    assert publish(there, bundles[0], keep=2).dropped == []
    assert publish(there, bundles[1], keep=2).before == names[0]
    assert [(one.version, one.is_current) for one in versions.all()] == [
        *((names[1], True), (names[0], False))
    ]
    # Those who still read the old one do so: rows mean other songs there.
    exact = ExactIndex(bundles[0].file(VECTORS_FILE))
    assert index_of(there, bundles[0]).search(exact.vectors(np.array([5]))[0], 1)[0].tolist() == [5]
    assert roll_back(there, names[0][:8]) == (names[1], names[0])
    assert [one.version for one in versions.all() if one.is_current] == [names[0]]
    # What is current stays, whatever its age.
    done = publish(there, bundles[2], keep=1)
    assert (done.before, sorted(done.dropped)) == (names[0], sorted(names[:2]))
    assert [one.version for one in versions.all()] == [names[2]]
    with pytest.raises(EngineError, match=f"no version begins so; there are {names[2][:12]}"):
        roll_back(there, names[0])
    # Its number counts on, so that which is older is known.
    publish(there, bundles[3], keep=3)
    assert [one.version for one in versions.all()] == [names[3], names[2]]


def test_another_version_is_refused_naming_both(
    there: Milvus, tmp_path: Path, bundle: Bundle
) -> None:
    other = bundle_of(tmp_path, 9, 40)
    with pytest.raises(UnfitEngineError, match="it has no version, the bundle's is"):
        index_of(there, bundle).check()
    publish(there, other)
    told = f"its current version is {other.manifest.version[:12]}, the bundle's is "
    with pytest.raises(UnfitEngineError, match=told + bundle.manifest.version[:12]):
        index_of(there, bundle).check()


def test_a_version_that_is_not_in_memory_is_told_of(there: Milvus, tmp_path: Path) -> None:
    bundles = [bundle_of(tmp_path, seed, 40) for seed in range(3)]
    for one in bundles:
        publish(there, one)
    oldest = index_of(there, bundles[0])
    with pytest.raises(EngineError, match=r"is not in memory; python -m embed publish --rollback"):
        oldest.check()
    roll_back(there, bundles[0].manifest.version)
    oldest.check()


def test_the_server_goes_in_the_middle_and_it_goes_on(
    relay: Relay, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "BLOCK", 20)
    there = milvus.client(relay.url, milvus.new_name(), timeout_s=1)
    written = 0
    write = there.write

    def and_then_none(*arguments: object, **more: object) -> None:
        nonlocal written
        written += 1
        if written == 5:
            relay.refuse()
        write(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(there, "write", and_then_none)
    with pytest.raises(EngineError):
        publish(there, bundle)
    relay.resume()
    there.close()
    again = milvus.client(relay.url, there.address.collection)
    assert eventually(lambda: milvus.is_up(again))
    assert publish(again, bundle).written == SONGS - 4 * 20
    index_of(again, bundle).check()


def test_killed_anywhere_it_goes_on_and_nothing_is_doubled(relay: Relay, tmp_path: Path) -> None:
    """kill -9 of the command while it writes, several times; it ends whole all the same."""
    bundle, name = bundle_of(tmp_path, 5, 12_000), milvus.new_name()
    command = ("-m", "embed", "publish", bundle.root, "--milvus", relay.url, "--collection", name)
    there = milvus.client(relay.url, name)
    collection = Versions(there).collection(bundle.manifest.version)

    def rows() -> int:
        try:
            return there.count(collection)
        except EngineError:
            return 0  # it is not there yet, or not in memory

    killed = 0
    for least in (1, 4_001):
        process = start_python(*command)
        until = time.monotonic() + 120
        while rows() < least and process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if process.returncode == -signal.SIGKILL and 0 < rows() < 12_000:
            killed += 1
            with pytest.raises(EngineError, match="not whole"):
                index_of(there, bundle).check()
    assert killed > 0, "each time it was done before it could be killed"
    run = python(*command)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == bundle.manifest.version
    assert there.count(collection) == 12_000
    vectors = np.load(bundle.file(VECTORS_FILE))
    places = np.arange(0, 12_000, 37)
    assert np.array_equal(index_of(there, bundle).vectors(places), vectors[places])


def test_the_commands_words(relay: Relay, bundle: Bundle) -> None:
    where = ("--milvus", relay.url, "--collection", milvus.new_name())
    version = bundle.manifest.version
    run = python("-m", "embed", "publish", bundle.root, *where)
    assert (run.returncode, run.stdout.strip()) == (0, version)
    assert f"current is {version[:12]}, was nothing; {SONGS} rows written" in run.stderr
    listed = python("-m", "embed", "publish", *where, "--list")
    assert re.search(rf"^{version[:12]}  current$", listed.stdout, re.M)
    listed = python("-m", "embed", "publish", *where, "--list", "--json")
    assert json.loads(listed.stdout)["versions"] == [
        {"version": version, "is_current": True, "is_whole": True}
    ]
    run = python("-m", "embed", "publish", *where, "--rollback", version[:6])
    assert (run.returncode, run.stdout.strip()) == (0, version)
    run = python("-m", "embed", "publish", *where, "--rollback", "beef")
    assert run.returncode == 2
    assert run.stderr.startswith("error: Milvus at ")
    assert "no version begins so" in run.stderr
