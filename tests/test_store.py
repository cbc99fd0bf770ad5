"""Stores, local and on S3: versions, the latest, push, pull, rollback."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from embed.bundle import open_bundle, sha256_file
from embed.errors import BundleError, StoreError
from embed.manifest import FileInfo
from embed.store.local import LocalObjects
from embed.store.pull import pull
from embed.store.push import push
from embed.store.versions import Store, short
from tests.bundles import change, hidden, read, tree
from tests.stores import Interrupted, Wrapped, files_of


@pytest.fixture(params=["local", "moto"])
def store(request, tmp_path) -> Store:
    if request.param == "local":
        return Store(LocalObjects(tmp_path / "store"))
    return request.getfixturevalue("bucket").store()


@pytest.fixture
def bundle(tmp_path) -> Path:
    change(tmp_path / "mine", 1)
    return tmp_path / "mine"


def _next(root: Path, content: int, store: Store) -> str:
    change(root, content)
    return push(root, store).version


def test_what_is_pushed_is_what_is_pulled(tmp_path, store, bundle):
    done = push(bundle, store)
    version = open_bundle(bundle).manifest.version
    assert (done.version, done.before) == (version, None)
    assert store.latest().version == version
    pulled = pull(store, tmp_path / "a/theirs")
    assert pulled.version == version
    assert pulled.bytes == sum(info.bytes for info in pulled.manifest.files.values())
    assert read(open_bundle(tmp_path / "a/theirs")) == 1
    assert hidden(tmp_path / "a/theirs") == {".lock", ".stores.json"}
    assert files_of(tmp_path / "a/theirs") == files_of(bundle)


def test_layout(store, bundle):
    version = push(bundle, store).version
    names = ("manifest.json", "model/audio.onnx", "catalogue.sqlite", "vectors.npy")
    keys = [f"versions/{version}/{name}" for name in names]
    assert [listed.key for listed in store.objects.list("")] == ["latest", *sorted(keys)]
    assert [listed.key for listed in store.objects.list("versions/")] == sorted(keys)
    assert list(store.objects.list(f"versions/{version}/v")) != []
    assert list(store.objects.list("versions/x")) == []
    assert store.objects.read("latest")[0] == f"{version}\n".encode()


def test_a_pull_that_changes_nothing_fetches_and_writes_nothing(tmp_path, store, bundle):
    push(bundle, store)
    root = tmp_path / "theirs"
    pull(store, root)
    before = {path: found for path, found in tree(root).items() if ".stores" not in path}
    assert pull(store, root).bytes == 0
    assert {path: found for path, found in tree(root).items() if path in before} == {
        **before,
        ".": tree(root)["."],
    }


def test_files_that_did_not_change_are_not_fetched_again(tmp_path, store, bundle):
    push(bundle, store)
    pull(store, tmp_path / "theirs")
    _next(bundle, 2, store)
    # Of the next version the model is at hand, by luck or by an earlier pull.
    fetched = []
    there = Wrapped(store.objects, fetch=lambda key: fetched.append(key.rpartition("/")[2]))
    info = open_bundle(bundle).manifest.files
    shutil.copytree(bundle, tmp_path / "other")
    change(tmp_path / "other", 2)
    (tmp_path / "other/vectors.npy").write_bytes(b"x" * info["vectors.npy"].bytes)
    done = pull(Store(there), tmp_path / "other")
    assert (fetched, done.bytes) == (["vectors.npy"], info["vectors.npy"].bytes)
    assert read(open_bundle(tmp_path / "other")) == 2


@pytest.mark.parametrize("damage", ["torn", "same size", "missing", "manifest"])
def test_a_pull_mends_a_damaged_bundle(tmp_path, store, bundle, damage):
    push(bundle, store)
    root = tmp_path / "theirs"
    pull(store, root)
    file = root / "catalogue.sqlite"
    match damage:
        case "torn":
            file.write_bytes(file.read_bytes()[:-1])
        case "same size":
            file.write_bytes(file.read_bytes()[:-1] + b"?")
        case "missing":
            file.unlink()
        case "manifest":
            (root / "manifest.json").write_text("{")
    pull(store, root)
    assert read(open_bundle(root)) == 1


def test_versions_the_newest_first(store, bundle):
    digests = [push(bundle, store).version, *(_next(bundle, n, store) for n in (2, 3))]
    found = store.versions()
    assert {one.digest for one in found} == set(digests)
    assert [one.digest for one in found if one.is_latest] == [digests[2]]
    assert [one.pushed for one in found] == sorted((one.pushed for one in found), reverse=True)
    songs = {one.digest: (one.manifest.songs, one.manifest.model.id) for one in found}
    assert songs[digests[1]] == (3, "model 2")


def test_a_damaged_version_is_listed_as_such(store, bundle):
    first, second = push(bundle, store).version, _next(bundle, 2, store)
    key = f"versions/{first}/manifest.json"
    store.objects.replace(key, b"{}", store.objects.read(key)[1])
    by_digest = {one.digest: one for one in store.versions()}
    assert by_digest[second].manifest.songs == 3
    assert by_digest[first].manifest is None
    assert "damaged, its SHA-256 is 44136fa355b3" in by_digest[first].problem


def test_rollback_changes_nothing_but_the_latest(tmp_path, store, bundle):
    first, second = push(bundle, store).version, _next(bundle, 2, store)
    before = list(store.objects.list("versions/"))
    assert store.rollback(first[:8]) == (second, first)
    assert list(store.objects.list("versions/")) == before
    assert store.latest().version == first
    pull(store, tmp_path / "theirs")
    assert read(open_bundle(tmp_path / "theirs")) == 1
    pull(store, tmp_path / "theirs", second[:8])
    assert read(open_bundle(tmp_path / "theirs")) == 2
    assert store.rollback(first) == (first, first)


def test_after_a_rollback_the_way_on_is_free(store, bundle):
    first = push(bundle, store).version
    _next(bundle, 2, store)
    store.rollback(first)
    third = _next(bundle, 3, store)
    assert store.latest().version == third


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("", "expected a version, or how it begins"),
        ("main", "'main': expected a version, or how it begins"),
        ("../../x", "expected a version, or how it begins"),
        ("f" * 64, "no version begins with ffff"),
        ("f" * 65, "expected a version"),
    ],
)
def test_a_version_that_is_none(store, bundle, wanted, words):
    push(bundle, store)
    with pytest.raises(StoreError, match=words):
        store.rollback(wanted)


def test_an_ambiguous_version_names_those_it_may_be(store, bundle):
    first = push(bundle, store).version
    twin = first[:10] + ("1" if first[10] == "0" else "0") * 54
    store.objects.replace(f"versions/{twin}/manifest.json", b"{}", None)
    with pytest.raises(StoreError, match=f"2 versions begin with {first[:10]}: ") as caught:
        store.resolve(first[:10])
    assert twin in str(caught.value)
    assert first in str(caught.value)
    assert store.resolve(first[:11]) == first


def test_an_empty_store_says_so(tmp_path, store):
    assert store.versions() == []
    with pytest.raises(StoreError, match=r"no bundle has been pushed here \(no 'latest'\)"):
        pull(store, tmp_path / "theirs")
    assert not (tmp_path / "theirs").exists()


def test_what_is_no_bundle_is_not_pushed(tmp_path, store):
    with pytest.raises(BundleError, match="no bundle here"):
        push(tmp_path, store)
    assert list(store.objects.list("")) == []


def test_a_damaged_bundle_is_not_pushed(store, bundle):
    data = (bundle / "vectors.npy").read_bytes()
    (bundle / "vectors.npy").write_bytes(data[:-1] + b"?")
    with pytest.raises(BundleError, match=r"vectors\.npy: SHA-256 is "):
        push(bundle, store)
    assert list(store.objects.list("")) == []


def test_a_stopped_push_goes_on_where_it_was(tmp_path, store, bundle):
    first = push(bundle, store).version
    change(bundle, 2)
    sent = []

    def stop_at_the_third(key: str) -> None:
        sent.append(key)
        if len(sent) == 3:
            raise Interrupted

    with pytest.raises(Interrupted):
        push(bundle, Store(Wrapped(store.objects, put=stop_at_the_third)))
    assert store.latest().version == first
    assert [one.digest for one in store.versions()] == [first], "half a version is none"
    before = {one.key: one.modified for one in store.objects.list("versions/")}
    second = push(bundle, store).version
    after = {one.key: one.modified for one in store.objects.list("versions/")}
    assert {key: after[key] for key in before} == before, "what was there was not sent again"
    pull(store, tmp_path / "theirs")
    assert (read(open_bundle(tmp_path / "theirs")), store.latest().version) == (2, second)


def test_a_bundle_that_changes_meanwhile_is_pushed_as_it_was(tmp_path, store, bundle):
    def change_it(_: str) -> None:
        if read(open_bundle(bundle)) == 1:
            change(bundle, 2)

    version = push(bundle, Store(Wrapped(store.objects, put=change_it))).version
    pull(store, tmp_path / "theirs")
    assert open_bundle(tmp_path / "theirs").manifest.version == version
    assert read(open_bundle(tmp_path / "theirs")) == 1
    assert read(open_bundle(bundle)) == 2


def test_pushing_again_mends_a_version(tmp_path, store, bundle):
    version = push(bundle, store).version
    key = f"versions/{version}/vectors.npy"
    data, tag = store.objects.read(key)
    store.objects.replace(key, data[:-1] + b"?", tag)
    with pytest.raises(StoreError, match=r"vectors\.npy: damaged, its SHA-256 is "):
        pull(store, tmp_path / "theirs")
    assert push(bundle, store).before == version
    pull(store, tmp_path / "theirs")
    assert read(open_bundle(tmp_path / "theirs")) == 1


def test_short_versions_are_12_digits():
    assert short("0123456789abcdef" * 4) == "0123456789ab"


def test_a_bundle_that_cannot_be_written_is_pushed_all_the_same(tmp_path, store, bundle):
    mount = ["mount", "--bind", "-o", "ro", str(bundle), str(bundle)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a folder read-only")
    try:
        assert push(bundle, store).before is None
        assert pull(store, bundle).bytes == 0
        assert not (bundle / ".stores.json").exists()
    finally:
        subprocess.run(["umount", str(bundle)], check=True)


def test_an_object_of_any_size_is_copied_to_a_file(tmp_path, store):
    data = np.random.default_rng(0).bytes(3 << 20)
    (tmp_path / "data").write_bytes(data)
    info = FileInfo(len(data), sha256_file(tmp_path / "data"))
    with (tmp_path / "data").open("rb") as file:
        store.objects.put("some/where", file, info, lambda _: None)
    assert store.objects.copy("some/where", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == data
    assert not store.objects.copy("some/where else", tmp_path / "none")
    assert not (tmp_path / "none").exists()
