"""Opening a bundle: torn, tampered with, half moved; each is refused by name or read whole."""

from __future__ import annotations

import shutil

import pytest

from embed.bundle import PENDING, load_bundle, open_bundle, sha256_file
from embed.errors import BundleError
from embed.manifest import CATALOGUE_FILE, MODEL_FILE, VECTORS_FILE
from tests.bundles import change, read

FILES = [CATALOGUE_FILE, MODEL_FILE, VECTORS_FILE]


@pytest.fixture
def root(tmp_path):
    change(tmp_path / "b", 1)
    return tmp_path / "b"


def test_a_file_is_where_the_manifest_says_and_as_it_says(root):
    bundle = open_bundle(root)
    for name in FILES:
        assert bundle.file(name) == root / name
        assert sha256_file(root / name) == bundle.manifest.files[name].sha256
    assert bundle.is_current()


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(root, name):
    (root / name).unlink()
    with pytest.raises(BundleError) as caught:
        open_bundle(root)
    assert f"{root / name}: No such file or directory" in str(caught.value)
    assert f"{root}/manifest.json lists it" in str(caught.value)


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_size_is_named_with_both(root, name):
    size = (root / name).stat().st_size
    with (root / name).open("ab") as file:
        file.write(b"x")
    with pytest.raises(BundleError) as caught:
        open_bundle(root)
    assert str(caught.value) == f"{root / name}: {size + 1} bytes, the manifest says {size}"


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_is_found_when_the_file_is_asked_for(root, name):
    path = root / name
    right = sha256_file(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    bundle = open_bundle(root)
    with pytest.raises(BundleError) as caught:
        bundle.file(name)
    assert str(caught.value) == (
        f"{path}: SHA-256 is {sha256_file(path)}, the manifest says {right}"
    )
    assert bundle.file(name, verify=False) == path


def test_a_file_that_the_bundle_does_not_hold(root):
    with pytest.raises(BundleError, match=r"/b: holds no model/text\.onnx$"):
        open_bundle(root).file("model/text.onnx")


@pytest.mark.parametrize("kind", ["absent", "empty", "a file"])
def test_no_bundle_here(tmp_path, kind):
    path = tmp_path / "b"
    if kind == "empty":
        path.mkdir()
    elif kind == "a file":
        path.write_bytes(b"")
    with pytest.raises(BundleError, match=r"/b: no bundle here \(no manifest\.json\)$"):
        open_bundle(path)


@pytest.mark.parametrize("moved", range(5))
def test_files_on_their_way_are_found_where_they_are(tmp_path, root, moved):
    # As a writer killed while moving leaves it, written by hand.
    change(tmp_path / "new", 2)
    (root / PENDING).mkdir()
    for number, name in enumerate([*FILES, "manifest.json"]):
        target = root / name if number < moved else root / PENDING / name
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(tmp_path / "new" / name, target)
    assert load_bundle(root, read) == 2
    assert open_bundle(root).file(MODEL_FILE).exists()


def test_a_bundle_that_was_replaced_is_not_current(root):
    old = open_bundle(root)
    change(root, 2)
    assert not old.is_current()
    assert open_bundle(root).is_current()
    shutil.rmtree(root)
    assert not old.is_current()


def test_loading_begins_anew_when_the_bundle_changes_meanwhile(root):
    tries = []

    def load(bundle):
        tries.append(bundle.manifest.songs)
        first = sha256_file(bundle.file(MODEL_FILE))
        if len(tries) == 1:
            change(root, 2)
        return first, read(open_bundle(root))

    digest, content = load_bundle(root, load)
    assert (digest, content) == (open_bundle(root).manifest.model.sha256, 2)
    assert tries == [2, 3]


def test_a_failed_load_is_tried_again_only_when_something_moved(root):
    tries = []

    def load(bundle):
        tries.append(bundle)
        raise BundleError("bad")

    with pytest.raises(BundleError, match=r"^bad$"):
        load_bundle(root, load)
    assert len(tries) == 1

    def load_after_change(bundle):
        tries.append(bundle)
        if len(tries) < 4:
            change(root, len(tries))
            raise OSError("gone")
        return "loaded"

    assert load_bundle(root, load_after_change) == "loaded"


def test_a_bundle_that_never_rests_is_named(root):
    contents = iter(range(2, 100))
    with pytest.raises(BundleError, match=r"/b: is being rewritten without pause$"):
        load_bundle(root, lambda _: change(root, next(contents)))
