"""``list``, ``info``, ``similar`` and ``verify`` as people run them, on bundles and stores."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed import __version__
from embed.bundle import open_bundle
from embed.catalogue import write_catalogue
from embed.manifest import CATALOGUE_FILE, VECTORS_FILE
from embed.writer import BundleWriter
from tests.processes import REPOSITORY
from tests.services import recommended, service_of
from tests.serving import NAMES, at_similarities, named_bundle, random_vectors, song, write_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not to be written to."""
    return named_bundle(tmp_path_factory.mktemp("commands") / "bundle")


def _embed(*arguments: object) -> subprocess.CompletedProcess[str]:
    run = subprocess.run(
        [sys.executable, "-m", "embed", *map(str, arguments)],
        # As it is now: a bucket's credentials are in it.
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in run.stderr
    return run


def _json(*arguments: object, code: int = 0) -> Any:
    run = _embed(*arguments, "--json")
    assert run.returncode == code, run.stderr
    return json.loads(run.stdout)


def test_list_shows_songs_by_name(bundle: Path) -> None:
    run = _embed("list", bundle)
    assert (run.returncode, run.stderr) == (0, "")
    _, _, *rows = run.stdout.splitlines()
    assert [row.partition("  ")[0] for row in rows] == list(NAMES)
    assert rows[1].split("  ")[-1] == "Björk - Army of Me.ogg"
    assert " 3:20 " in rows[1]


@pytest.mark.parametrize(
    ("options", "expected", "total"),
    [
        ([], list(NAMES), 10),
        (["--limit", 2], list(NAMES[:2]), 10),
        (["--limit", 0], [], 10),
        (["--query", "QUEEN"], [NAMES[0], NAMES[6], NAMES[7]], 3),
        (["--artist", "daft punk"], [NAMES[2], NAMES[3]], 2),
        (["--artist", "queen", "--query", "love", "--limit", 5], [NAMES[7]], 1),
        (["--artist", "quee"], [], 0),
    ],
)
def test_songs_are_filtered(bundle: Path, options: Any, expected: list[str], total: int) -> None:
    found = _json("list", bundle, *options)
    assert [one["name"] for one in found["songs"]] == expected
    assert found["total"] == total
    assert all(one["duration_s"] == 200.5 for one in found["songs"])


def test_list_of_a_store_is_its_versions_and_with_songs_its_latests(
    bundle: Path, tmp_path: Path
) -> None:
    store, version = tmp_path / "store", open_bundle(bundle).manifest.version
    copy = Path(shutil.copytree(bundle, tmp_path / "copy"))
    assert _embed("push", copy, store).returncode == 0
    [found] = _json("list", store)["versions"]
    assert found.pop("pushed").endswith("Z")
    assert found == {
        "version": version,
        "is_latest": True,
        "songs": 10,
        "model": {"id": "tiny", "kind": "sample", "precision": "fp32"},
        "problem": None,
    }
    assert _json("list", store, "--songs", "--limit", 1)["songs"][0]["name"] == NAMES[0]
    refused = _embed("list", store, "--query", "queen")
    assert refused.returncode == 2
    assert "--query, --artist and --limit need --songs" in refused.stderr


def test_songs_of_a_bucket(bucket: Any, bundle: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "copy"))
    assert _embed("push", copy, bucket.url).returncode == 0
    assert _json("list", bucket.url, "--songs")["total"] == 10
    version = _json("list", bucket.url)["versions"][0]["version"]
    assert _json("list", f"{bucket.url}/versions/{version[:8]}")["total"] == 10
    cache = ["--cache", tmp_path / "cache"]
    assert _json("info", bucket.url, *cache)["version"] == version
    assert _json("verify", bucket.url, *cache)["is_whole"] is True
    assert _json("similar", bucket.url, "creep", *cache)["matched"] == ["Radiohead - Creep"]


def test_info_tells_the_manifest_and_what_follows_from_it(bundle: Path) -> None:
    found = _json("info", bundle)
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert found == {
        "bundle": str(bundle),
        "version": open_bundle(bundle).manifest.version,
        "bytes": sum(one["bytes"] for one in manifest["files"].values()),
        "artists": 8,
        "duration_s": 2005.0,
        "manifest": manifest,
    }
    text = _embed("info", bundle).stdout
    for part in ("10, by 8 artists, 33:25 in all", "tiny (sample, fp32)", "model/audio.onnx"):
        assert part in text


def test_info_of_a_bundle_without_songs(model_bundle: Path) -> None:
    found = _json("info", model_bundle)
    assert (found["artists"], found["duration_s"], found["manifest"]["spec"]) == (0, 0.0, None)
    assert "0, by 0 artists" in _embed("info", model_bundle).stdout
    for command in (["list"], ["similar", "x"]):
        run = _embed(command[0], model_bundle, *command[1:])
        assert run.returncode == 2
        assert "holds no songs, add some with python -m embed" in run.stderr


def test_similar_answers_as_the_api_does(tmp_path: Path) -> None:
    names = [f"Artist {number % 7} - Song {number:03}" for number in range(200)]
    vectors = random_vectors(200)
    root = write_bundle(tmp_path / "b", [song(name) for name in names], vectors)
    # Rows are in the order of names, in a bundle and in memory.
    order = sorted(range(200), key=names.__getitem__)
    service = service_of(vectors[order], [names[row] for row in order])
    for k in (1, 5, 100):
        found = _json("similar", root, names[33], "-k", k)
        assert found["matched"] == [names[33]]
        expected = recommended(service, song=names[33], top_k=k)
        assert [(one["song"], one["similarity"]) for one in found["recommendations"]] == expected
    several = _json("similar", root, names[3], names[4], "--exclude-same-artist")
    expected = recommended(service, songs=[names[3], names[4]], exclude_same_artist=True)
    assert [(one["song"], one["similarity"]) for one in several["recommendations"]] == expected


def test_similar_stops_where_it_is_told(tmp_path: Path) -> None:
    songs = [song("A - seed"), *(song(f"B - {number}") for number in range(3))]
    root = write_bundle(tmp_path / "b", songs, at_similarities(0.9, 0.5, 0.1))
    found = _json("similar", root, "seed", "--min-similarity", 0.5)["recommendations"]
    assert found == [{"song": "B - 0", "similarity": 0.9}, {"song": "B - 1", "similarity": 0.5}]
    assert _embed("similar", root, "seed", "-k", 1).stdout.split()[-4:] == ["0.9000", "B", "-", "0"]


def test_a_name_that_means_nothing_is_2_with_suggestions(bundle: Path) -> None:
    run = _embed("similar", bundle, "purple rain", "--json")
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("error: no song is named like 'purple rain'; perhaps '")


def test_a_whole_bundle_verifies(bundle: Path, model_bundle: Path) -> None:
    found = _json("verify", bundle)
    assert found["is_whole"] is True
    names = [one["check"] for one in found["checks"]]
    assert {"manifest", "catalogue.sqlite", "vectors of unit length", "counts"} < set(names)
    assert {one["problem"] for one in found["checks"]} == {None}
    assert _embed("verify", model_bundle).returncode == 0


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _restage(root: Path, name: str, write: Callable[[Path], object]) -> None:
    """Another content, which the manifest agrees with."""
    with BundleWriter(root) as writer:
        previous = writer.previous
        assert previous is not None
        write(writer.stage(name))
        writer.commit(model=previous.model, spec=previous.spec, songs=previous.songs)


def _long_rows(path: Path) -> None:
    np.save(path, random_vectors(10) * 1.5)


def _fewer_rows(path: Path) -> None:
    np.save(path, random_vectors(9))


def _other_spec(path: Path) -> None:
    write_catalogue(path, [song(name) for name in NAMES], "another")


def _other_ids(path: Path) -> None:
    songs = [song(name) for name in NAMES]
    object.__setattr__(songs[4], "id", "0" * 20)
    write_catalogue(path, songs, open_bundle(path.parent.parent).manifest.spec.digest)


@pytest.mark.parametrize(
    ("damage", "check", "problem"),
    [
        (lambda root: (root / "manifest.json").unlink(), "manifest", "no bundle here"),
        (lambda root: (root / VECTORS_FILE).unlink(), "manifest", "No such file"),
        (lambda root: _flip(root / VECTORS_FILE), VECTORS_FILE, "the manifest says"),
        (lambda root: _flip(root / CATALOGUE_FILE), CATALOGUE_FILE, "the manifest says"),
        (lambda root: _flip(root / "model/audio.onnx"), "model/audio.onnx", "the manifest says"),
        (lambda root: _restage(root, VECTORS_FILE, _long_rows), "vectors of unit length", "1.5"),
        (lambda root: _restage(root, VECTORS_FILE, _fewer_rows), "counts", "9 in the vectors"),
        (lambda root: _restage(root, CATALOGUE_FILE, _other_spec), "songs' spec", "another"),
        (lambda root: _restage(root, CATALOGUE_FILE, _other_ids), "songs' ids", "0" * 20),
        (
            lambda root: _restage(root, CATALOGUE_FILE, lambda path: path.write_bytes(b"x" * 99)),
            "catalogue opens",
            "file is not a database",
        ),
    ],
)
def test_each_kind_of_damage_is_found_and_is_2(
    bundle: Path, tmp_path: Path, damage: Callable[[Path], object], check: str, problem: str
) -> None:
    root = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    damage(root)
    found = _json("verify", root, code=2)
    assert found["is_whole"] is False
    problems = {one["check"]: one["problem"] for one in found["checks"] if one["problem"]}
    assert problem in problems[check], problems


def test_the_version_is_the_projects() -> None:
    assert _embed("--version").stdout == f"vibe-embed, version {__version__}\n"
