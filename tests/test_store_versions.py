"""The versions of a store, local and on S3: listed, named by how they begin, rolled back."""

from __future__ import annotations

from pathlib import Path

import pytest

from embed.bundle import open_bundle
from embed.errors import StoreError
from embed.store.pull import pull
from embed.store.push import push
from embed.store.versions import Store, short
from tests.bundles import change, read


@pytest.fixture
def bundle(tmp_path) -> Path:
    change(tmp_path / "mine", 1)
    return tmp_path / "mine"


def _next(root: Path, content: int, store: Store) -> str:
    change(root, content)
    return push(root, store).version


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


def test_short_versions_are_12_digits():
    assert short("0123456789abcdef" * 4) == "0123456789ab"
