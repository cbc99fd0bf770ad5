"""Stores, local and on S3: what is pushed is what is pulled, whatever comes between."""

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
from embed.store.pull import pull
from embed.store.push import push
from embed.store.versions import Store
from tests.bundles import change, hidden, read, tree
from tests.stores import Interrupted, Wrapped, files_of


@pytest.fixture
def bundle(tmp_path) -> Path:
    change(tmp_path / "mine", 1)
    return tmp_path / "mine"


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
    change(bundle, 2)
    push(bundle, store)
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
