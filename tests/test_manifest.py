"""The manifest: its bytes, and every way in which it can lie."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed.errors import BundleError
from embed.manifest import (
    CATALOGUE_FILE,
    MODEL_FILE,
    TEXT_FILE,
    TOKENIZER_FILE,
    VECTORS_FILE,
    FileInfo,
    Manifest,
    ModelInfo,
    TextInfo,
)
from embed.spec import FrontEnd, Spec

MODEL = ModelInfo("laion/clap", "aa" * 32, revision="r1", verification={"min cosine": 0.99999})
FILES = {
    MODEL_FILE: FileInfo(115_000_000, "aa" * 32),
    CATALOGUE_FILE: FileInfo(4096, "bb" * 32),
    VECTORS_FILE: FileInfo(2176, "cc" * 32),
}
WHOLE = Manifest(FILES, MODEL, Spec("aa" * 32), songs=1)


def test_json_there_and_back():
    assert Manifest.from_bytes(WHOLE.to_bytes(), "here") == WHOLE


@pytest.mark.parametrize(
    "manifest",
    [
        Manifest({}),
        Manifest({MODEL_FILE: FILES[MODEL_FILE]}, MODEL),
        Manifest(
            {name: FILES[name] for name in (CATALOGUE_FILE, VECTORS_FILE)},
            spec=Spec("dd" * 32, front_end=None, windows="middle"),
            songs=7,
        ),
    ],
    ids=["empty", "model only", "imported"],
)
def test_parts_may_be_missing(manifest):
    assert Manifest.from_bytes(manifest.to_bytes(), "here") == manifest


def test_what_the_file_says():
    value = json.loads(WHOLE.to_bytes())
    assert value["format"] == 1
    assert value["counts"] == {"songs": 1}
    assert value["files"][VECTORS_FILE] == {"bytes": 2176, "sha256": "cc" * 32}
    assert value["spec_digest"] == WHOLE.spec.digest
    assert value["model"]["front_end"]["hop_samples"] == 480
    assert WHOLE.to_bytes().endswith(b"}\n")


TEXT = TextInfo("dd" * 32, "ee" * 32, 512, verification={"texts": 103})
TEXT_FILES = {TEXT_FILE: FileInfo(9, "dd" * 32), TOKENIZER_FILE: FileInfo(8, "ee" * 32)}


def test_a_text_tower_there_and_back():
    spoken = Manifest({**FILES, **TEXT_FILES}, replace(MODEL, text=TEXT))
    assert Manifest.from_bytes(spoken.to_bytes(), "here") == spoken


def test_without_a_text_tower_the_bytes_are_those_of_before_there_were_any():
    value = json.loads(WHOLE.to_bytes())
    assert list(value["model"]) == [
        *("front_end", "id", "kind", "precision", "revision", "sha256", "verification"),
    ]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, "lists no model/text.onnx"),
        ({TEXT_FILE: TEXT_FILES[TEXT_FILE]}, "lists no model/tokenizer.json"),
        ({**TEXT_FILES, TEXT_FILE: FileInfo(9, "ff" * 32)}, "text tower's digest dddd"),
        ({**TEXT_FILES, TOKENIZER_FILE: FileInfo(9, "ff" * 32)}, "tokenizer's digest eeee"),
    ],
)
def test_a_text_tower_is_the_files_beside_it(files, expected):
    with pytest.raises(BundleError, match=expected):
        Manifest({**FILES, **files}, replace(MODEL, text=TEXT))


def test_equal_bundles_have_equal_bytes_and_versions():
    turned = replace(WHOLE, files=dict(reversed(FILES.items())))
    assert turned.to_bytes() == WHOLE.to_bytes()
    assert turned.version == hashlib.sha256(WHOLE.to_bytes()).hexdigest()
    assert replace(WHOLE, songs=2).version != WHOLE.version


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"files": {}}, f"lists no {MODEL_FILE}"),
        ({"files": {MODEL_FILE: FILES[MODEL_FILE]}}, f"lists no {CATALOGUE_FILE}"),
        ({"model": replace(MODEL, sha256="ee")}, f"digest ee is not that of {MODEL_FILE}: aaaa"),
        ({"spec": Spec("ff")}, "model digest ff is not that of the songs' spec: aaaa"),
        ({"spec": Spec("aa" * 32, FrontEnd(hop_samples=1))}, "front end is not the model's"),
    ],
)
def test_parts_that_contradict_each_other_are_refused(parts, words):
    with pytest.raises(BundleError) as caught:
        replace(WHOLE, **parts)
    assert words in str(caught.value)


def _changed(*path: str, to: object) -> bytes:
    value = json.loads(WHOLE.to_bytes())
    at = value
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = to
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a bundle's manifest: Expecting value"),
        (b"[]", "not a bundle's manifest"),
        (b"{}", "missing 'format'"),
        (b"\xff\xfe", "not a bundle's manifest"),
        (b"[" * 100_000, "not a bundle's manifest"),
        (_changed("format", to=2), "bundle format 2, this program reads 1"),
        (_changed("format", to="1"), "bundle format '1', this program reads 1"),
        (_changed("spec_digest", to="00"), "spec digest 00 is not that of the spec beside it: "),
        (_changed("spec", "windows", to=6), "spec digest"),
        (_changed("spec", "loudness", to=1), "spec cannot be read"),
        (_changed("model", "front_end", "hop_samples", to=0), "hop_samples is 0"),
        (_changed("model", "front_end", "hop_samples", to=240), "front end is not the model's"),
        (_changed("files", VECTORS_FILE, to=5), "not a bundle's manifest"),
        (_changed("counts", to={}), "missing 'songs'"),
        (_changed("counts", "songs", to=float("inf")), "not a bundle's manifest"),
    ],
)
def test_a_manifest_that_cannot_be_right_is_refused_by_place(data, words):
    with pytest.raises(BundleError) as caught:
        Manifest.from_bytes(data, "place/manifest.json")
    assert str(caught.value).startswith("place/manifest.json: ")
    assert words in str(caught.value)
    assert str(caught.value).count("place/manifest.json") == 1


@pytest.mark.parametrize(
    "name",
    [
        *("/etc/passwd", "../up", "a/../../up", "a//b", "./a", "a/", ".", "", "a\0b"),
        *(".lock", ".pending/manifest.json", ".embed.sqlite"),
    ],
)
def test_a_file_outside_the_bundle_is_refused(name):
    with pytest.raises(BundleError, match="which is no path inside a bundle"):
        Manifest.from_bytes(_changed("files", name, to={"bytes": 1, "sha256": "aa"}), "here")


def _values() -> st.SearchStrategy[Any]:
    # ONNX Runtime, once it has run, leaves its thread without subnormal numbers.
    numbers = st.integers() | st.floats(allow_subnormal=False)
    leaves = st.none() | st.booleans() | numbers | st.text(max_size=5)
    return st.recursive(leaves, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(), v))


def _paths(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(value, dict):
        return [path]
    inner = [p for key, part in value.items() for p in _paths(part, (*path, key))]
    return [path, *inner] if path else inner


@given(path=st.sampled_from(_paths(json.loads(WHOLE.to_bytes()))), to=_values())
def test_any_json_is_a_manifest_or_a_named_error(path, to):
    try:
        Manifest.from_bytes(_changed(*path, to=to), "here")
    except BundleError as error:
        assert str(error).startswith("here: ")
