"""``--engine ray`` on real clusters: the local run's bytes, whatever happens to the machines."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from embed.manifest import CATALOGUE_FILE, VECTORS_FILE
from embed.pipeline import Options, embed_folder
from tests.alone import alone
from tests.audio_files import write_tune
from tests.processes import python
from tests.ray_prepare import CRASHES, WAITS
from tests.ray_scenes import CHUNK_SONGS

SONGS = 40
BUNDLE = (VECTORS_FILE, CATALOGUE_FILE, "manifest.json")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Forty songs, one that is there twice, and one that ends its decoder."""
    root = tmp_path_factory.mktemp("cluster")
    music = root / "music"
    music.mkdir()
    for seed in range(SONGS):
        write_tune(music / f"{seed:02}.flac", 12, 8_000, seed=seed)
    shutil.copy(music / "07.flac", music / "twin of 07.flac")
    shutil.copy(music / "08.flac", music / CRASHES)
    return root


@pytest.fixture(scope="module")
def scenes(folder, model_bundle) -> dict[str, Any]:
    return alone("-m", "tests.ray_scenes", folder, model_bundle)


@pytest.mark.parametrize("scene", ["stopped", "lost", "again"])
@pytest.mark.parametrize("name", BUNDLE)
def test_the_bundle_is_that_of_a_local_run(folder, scenes, scene, name):
    assert (folder / scene / name).read_bytes() == (folder / "local" / name).read_bytes()


@pytest.mark.parametrize("scene", ["stopped", "lost"])
def test_a_song_that_ends_its_decoder_costs_itself_alone(scenes, scene):
    found = scenes[scene]
    assert found["failures"] == {CRASHES: "the decoder crashed (SIGABRT)"}
    assert found["in_bundle"] == SONGS + 1
    assert found["embedded"] == SONGS, "one content is one embedding, as in a local run"


def test_a_lost_machine_costs_the_chunks_it_was_on(scenes):
    found = scenes["lost"]
    assert found["killed"] == 1
    times = Counter(found["prepared"])
    assert len(times) == SONGS + 2
    assert times[WAITS] == 2
    # It had one chunk in hand, and at most as many waiting as Ray Data gives an actor ahead.
    twice = [key for key, count in times.items() if count > 1]
    assert max(times.values()) == 2
    assert len(twice) < SONGS / 2


def test_a_decoders_process_does_not_load_ray(scenes):
    assert scenes["lost"]["loaded"] is False


def test_a_stopped_run_goes_on_from_the_shards(scenes):
    found = scenes["stopped"]
    assert len(found["kept"]) >= CHUNK_SONGS
    assert len(set(found["kept"])) == len(found["kept"])
    assert not {*found["kept"]} & {*found["prepared"]}
    assert {*found["kept"]} | {*found["prepared"]} >= {f"{seed:02}.flac" for seed in range(SONGS)}


def test_shards_are_enough_for_another_bundle(scenes):
    # The song that failed is tried again, and it alone.
    assert scenes["again"]["failures"] == {CRASHES: "prepared again"}


@pytest.fixture(scope="module")
def bucket(tmp_path_factory, album, model_bundle) -> tuple[Path, dict[str, Any]]:
    """An album from a bucket to a bucket, and again when only its shards are left there."""
    folder = tmp_path_factory.mktemp("bucket")
    options = Options(str(model_bundle), workers=1)
    embed_folder(album, folder / "local", options, tell=lambda _: None)
    return folder, alone("-m", "tests.ray_bucket", album, model_bundle, folder / "first")


@pytest.mark.parametrize("run", ["first", "again"])
def test_from_a_bucket_to_a_bucket(bucket, run):
    folder, found = bucket
    assert found[run]["codes"] == [0, 0], found[run]["told"]
    assert "4 embedded" in found[run]["told"]
    for name in BUNDLE:
        assert (folder / run / name).read_bytes() == (folder / "local" / name).read_bytes()


def test_shards_in_a_bucket_are_found_again_and_not_written_anew(bucket):
    _, found = bucket
    (shard,) = found["shards"]
    assert shard.endswith(".parquet")
    assert found["stayed"]


def test_without_ray_one_line_says_what_to_install(album, tmp_path):
    program = (
        "import sys, runpy; sys.modules['ray'] = None;"
        f"sys.argv = ['embed', {str(album)!r}, '--to', {str(tmp_path / 'b')!r}, '--engine', 'ray'];"
        "runpy.run_module('embed', run_name='__main__')"
    )
    run = python("-c", program)
    assert run.returncode == 2
    assert run.stderr == (
        "error: --engine ray: ray is not installed; pip install -r requirements/ray.txt\n"
    )
    assert not (tmp_path / "b").exists()


def test_an_address_is_of_a_cluster(album, tmp_path):
    run = python("-m", "embed", album, "--to", tmp_path / "b", "--address", "auto")
    assert run.returncode == 2
    assert "--address is of --engine ray" in run.stderr


def test_a_cluster_that_is_not_there_is_one_line(album, tmp_path):
    arguments = ("--engine", "ray", "--address", "127.0.0.1:1")
    run = python("-m", "embed", album, "--to", tmp_path / "b", *arguments)
    assert run.returncode == 2
    assert run.stderr.splitlines()[-1] == "error: Ray, 127.0.0.1:1: Connection refused"
