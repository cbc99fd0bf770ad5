"""Catalogues of names and embeddings from elsewhere: right ones, wrong ones, hostile ones."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from embed.bundle import open_bundle
from embed.catalogue import Catalogue
from embed.errors import BundleError
from embed.importer import import_catalogue
from embed.manifest import CATALOGUE_FILE, VECTORS_FILE
from embed.spec import FrontEnd
from tests.tiny_model import write_model_bundle

NAMES = ["Zoë - Last", "LEEAAV - IN THIS DARK", "No Artist", "LEEAAV - IN THIS DARK"]


def _embeddings(count: int = 4) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, 512)) * [[3.0]]


def _npz(path: Path, **arrays: object) -> Path:
    np.savez(path, **arrays)
    return path


def _pickled(path: Path, value: object, protocol: int = pickle.DEFAULT_PROTOCOL) -> Path:
    path.write_bytes(pickle.dumps(value, protocol))
    return path


def _check(bundle: Path) -> None:
    """The bundle holds NAMES with the directions of ``_embeddings()``."""
    opened = open_bundle(bundle)
    assert opened.manifest.model is None
    assert opened.manifest.songs == 4
    vectors = np.load(opened.file(VECTORS_FILE))
    songs = list(Catalogue(opened.file(CATALOGUE_FILE)).songs())
    assert sorted(song.name for song in songs) == sorted(NAMES)
    assert {song.name: song.artist for song in songs}["No Artist"] is None
    assert {song.title for song in songs} == {"Last", "IN THIS DARK", "No Artist"}
    embeddings = _embeddings()
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    for row, song in enumerate(songs):
        cosines = unit @ vectors[row].astype(np.float64)
        assert NAMES[int(cosines.argmax())] == song.name
        assert cosines.max() == pytest.approx(1, abs=1e-6)
    # Two songs of one name are two, with their own embeddings.
    twins = [row for row, song in enumerate(songs) if song.name == NAMES[1]]
    assert sorted(int((unit @ vectors[row]).argmax()) for row in twins) == [1, 3]


@pytest.mark.parametrize("names_as", [list, tuple, np.array, lambda n: np.array(n, dtype=object)])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_of_any_protocol(tmp_path, names_as, protocol):
    value = {"names": names_as(NAMES), "embeddings": _embeddings(), "extra": {"a": (1, {2})}}
    assert import_catalogue(_pickled(tmp_path / "x.pkl", value, protocol), tmp_path / "b") == 4
    _check(tmp_path / "b")


@pytest.mark.parametrize("names_as", [np.array, lambda n: np.array(n, dtype=object)])
@pytest.mark.parametrize("compress", [np.savez, np.savez_compressed])
def test_a_numpy_archive(tmp_path, names_as, compress):
    # What else is in it is not looked at, be it a class that could not be loaded.
    compress(
        tmp_path / "x.npz",
        names=names_as(NAMES),
        embeddings=_embeddings(),
        other=np.array([FrontEnd()], dtype=object),
    )
    assert import_catalogue(tmp_path / "x.npz", tmp_path / "b") == 4
    _check(tmp_path / "b")


@pytest.mark.parametrize("dtype", ["float16", "float32", ">f8", "int32"])
def test_numbers_of_any_type(tmp_path, dtype):
    embeddings = np.asfortranarray((_embeddings() * 10).astype(dtype))
    file = _pickled(tmp_path / "x.pkl", {"names": NAMES, "embeddings": embeddings})
    import_catalogue(file, tmp_path / "b")
    vectors = np.load(open_bundle(tmp_path / "b").file(VECTORS_FILE))
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(4), abs=1e-6)


def test_a_list_of_rows_will_do(tmp_path):
    value = {"names": NAMES, "embeddings": [list(map(float, row)) for row in _embeddings()]}
    import_catalogue(_pickled(tmp_path / "x.pkl", value), tmp_path / "b")
    _check(tmp_path / "b")


def test_importing_again_replaces(tmp_path):
    for names in (["Old - Song"], NAMES):
        value = {"names": names, "embeddings": _embeddings(len(names))}
        import_catalogue(_pickled(tmp_path / "x.pkl", value), tmp_path / "b")
    _check(tmp_path / "b")


def test_the_same_file_gives_the_same_bundle(tmp_path):
    file = _npz(tmp_path / "x.npz", names=NAMES, embeddings=_embeddings())
    import_catalogue(file, tmp_path / "a")
    import_catalogue(file, tmp_path / "b")
    versions = {open_bundle(tmp_path / name).manifest.version for name in "ab"}
    assert len(versions) == 1


def test_names_are_cleaned_to_one_line(tmp_path):
    value = {"names": [" A\n - \tB\x00"], "embeddings": _embeddings(1)}
    import_catalogue(_pickled(tmp_path / "x.pkl", value), tmp_path / "b")
    catalogue = Catalogue(open_bundle(tmp_path / "b").file(CATALOGUE_FILE))
    assert catalogue.names == ["A - B"]


def _with(**changes: object) -> dict[str, object]:
    return {"names": NAMES, "embeddings": _embeddings(), **changes}


def _spoilt(row: int, value: float) -> np.ndarray:
    embeddings = _embeddings()
    embeddings[row] = value
    return embeddings


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"names": NAMES, "vectors": 1, 7: 2}, "missing embeddings (it has ['7', 'names', 'vect"),
        ({}, "missing names and embeddings"),
        ([1, 2], "holds a list, expected a dictionary"),
        (_with(names="LEEAAV"), "names is 'LEEAAV', expected a list of texts"),
        (_with(names=np.array("one")), "expected a list of texts"),
        (_with(names=5), "names is 5"),
        (_with(names=np.array([NAMES])), "expected a list of texts"),
        (_with(names=["A", "B", 3, "D"]), "names[2] is 3, expected a text"),
        (_with(names=["A", " \n", "C", "D"]), r"names[1] is ' \n', expected a text"),
        (_with(names=[b"A", "B", "C", "D"]), "names[0] is b'A'"),
        (_with(names=NAMES[:3]), "shape (4, 512) for 3 names, expected (N, 512) with N names"),
        (_with(names=[], embeddings=np.zeros((0, 512))), "N above 0"),
        (_with(embeddings=np.ones((4, 511))), "shape (4, 511) for 4 names"),
        (_with(embeddings=np.ones(512)), "shape (512,)"),
        (_with(embeddings=[[1.0] * 512] * 3 + [[1.0]]), "no matrix of numbers"),
        (_with(embeddings={"a": 1}), "no matrix of numbers"),
        (_with(embeddings=[["x"] * 512] * 4), "no matrix of numbers"),
        (_with(embeddings=_spoilt(1, np.nan)), "('LEEAAV - IN THIS DARK') has length nan"),
        (_with(embeddings=_spoilt(2, 1e200)), "embeddings[2] ('No Artist') has length inf"),
        (_with(embeddings=_spoilt(0, 0)), "embeddings[0] ('Zoë - Last') has length 0.0"),
    ],
)
def test_a_catalogue_that_makes_no_sense_is_refused_by_name(tmp_path, value, words):
    file = _pickled(tmp_path / "x.pkl", value)
    with pytest.raises(BundleError) as caught:
        import_catalogue(file, tmp_path / "b")
    assert str(caught.value).startswith(f"{file}: ")
    assert words in str(caught.value)
    assert not (tmp_path / "b").exists()


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(BundleError, match=r"x\.pkl: No such file or directory$"):
        import_catalogue(tmp_path / "x.pkl", tmp_path / "b")


def test_a_folder_is_no_catalogue(tmp_path):
    with pytest.raises(BundleError, match="Is a directory"):
        import_catalogue(tmp_path, tmp_path / "b")


def test_imported_embeddings_do_not_mix_with_a_models(tmp_path):
    write_model_bundle(tmp_path / "b")
    before = (tmp_path / "b/manifest.json").read_bytes()
    file = _npz(tmp_path / "x.npz", names=NAMES, embeddings=_embeddings())
    with pytest.raises(BundleError, match=r"holds the model tiny; .* choose another --to"):
        import_catalogue(file, tmp_path / "b")
    assert (tmp_path / "b/manifest.json").read_bytes() == before
