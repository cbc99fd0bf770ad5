"""Bundles made in a store: what stops a run halfway costs nothing twice, and who serves from it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from embed.bundle import open_bundle
from embed.errors import StoreError
from embed.pipeline import Options, embed_folder
from embed.store.cache import local_copy
from embed.store.place import parse_place
from embed.store.push import push
from embed.working import PROGRESS, working_copy
from tests.audio_files import write_tune
from tests.bundles import change
from tests.handlers import serving
from tests.processes import REPOSITORY, eventually, run_module


def test_import_to_a_store(tmp_path, bucket):
    np.savez(tmp_path / "x.npz", names=["A - B", "C - D"], embeddings=np.eye(2, 512))
    run = run_module("embed", "import", tmp_path / "x.npz", "--to", bucket.url)
    assert run.returncode == 0, run.stderr
    assert [one.manifest.songs for one in bucket.store().versions()] == [2]


def test_a_run_that_is_evicted_goes_on_elsewhere(tmp_path, bucket, model_bundle):
    for seed in range(12):
        write_tune(tmp_path / f"{seed}.flac", 12, 8_000, seed=seed)
        bucket.put(f"library/{seed}.flac", (tmp_path / f"{seed}.flac").read_bytes())
    where = [f"s3://{bucket.name}/library", "--to", bucket.url, "--model", str(model_bundle)]
    command = [sys.executable, "-m", "embed", *where, "--workers", "1"]
    with subprocess.Popen(
        [*command, "--work", str(tmp_path / "first")],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        [state] = _wait_for_songs(tmp_path / "first", 3)
        assert state.exists()
        run.send_signal(signal.SIGTERM)
        said = run.stderr.read()
    assert run.returncode == 130, said
    assert said.splitlines()[-1].startswith("stopped; what was embedded is kept")
    assert bucket.store().latest() is None
    assert bucket.store().objects.size(PROGRESS) > 0
    again = run_module("embed", *where, "--workers", "1", "--work", tmp_path / "second")
    assert again.returncode == 0, again.stderr
    embedded = int(again.stderr.split("songs found: ")[1].split()[0])
    assert 0 <= embedded <= 9
    assert [one.manifest.songs for one in bucket.store().versions()] == [12]


def _wait_for_songs(work: Path, songs: int) -> list[Path]:
    import sqlite3

    def has_songs() -> bool:
        for path in work.glob("*/work/.embed.sqlite"):
            try:
                with sqlite3.connect(path) as database:
                    [count] = database.execute("SELECT COUNT(*) FROM embeddings").fetchone()
            except sqlite3.Error:
                return False
            finally:
                database.close()
            if count >= songs:
                return True
        return False

    assert eventually(has_songs)
    return list(work.glob("*/work/.embed.sqlite"))


def test_embeddings_of_a_lost_race_are_not_made_again(tmp_path, bucket, run, model_bundle):
    """A push that another writer outran: the next run takes over what that one embedded."""
    place, work = parse_place(bucket.url), tmp_path / "work"
    options = Options(str(model_bundle), workers=1)
    said: list[str] = []
    with working_copy(place, work, said.append) as copy:
        embed_folder(run.music, copy.path, options, tell=said.append)
        change(tmp_path / "theirs", 1)
        push(tmp_path / "theirs", bucket.store())
        with pytest.raises(StoreError, match="another writer pushed it since the store was empty"):
            copy.push()
    push(model_bundle, bucket.store())
    with working_copy(place, work, said.append) as copy:
        report = embed_folder(run.music, copy.path, options, tell=said.append)
        copy.push()
    assert (report.found, report.embedded) == (4, 0)
    [latest] = [one for one in bucket.store().versions() if one.is_latest]
    assert latest.manifest.songs == 4


def test_work_that_was_not_pushed_is_not_lost(tmp_path, bucket, run, model_bundle):
    place, work = parse_place(bucket.url), tmp_path / "work"
    push(model_bundle, bucket.store())
    with working_copy(place, work, lambda _: None) as copy:
        embed_folder(run.music, copy.path, Options(workers=1), tell=lambda _: None)
        mine = open_bundle(copy.path).manifest.version
    with working_copy(place, work, lambda _: None) as copy:
        assert open_bundle(copy.path).manifest.version == mine
        copy.push()
    assert bucket.store().latest().version == mine


def test_damaged_progress_is_passed_over(tmp_path, bucket):
    bucket.put(f"music/store/{PROGRESS}", b"not a database" * 100)
    said: list[str] = []
    with working_copy(parse_place(bucket.url), tmp_path / "work", said.append) as copy:
        assert not (copy.path / ".embed.sqlite").exists()
    assert f"{PROGRESS}: passed over" in said[0]


def test_a_version_is_not_written_to(tmp_path, bucket):
    place = parse_place(f"{bucket.url}/versions/0123abcd")
    refused = pytest.raises(StoreError, match="a version never changes; give the store itself")
    with refused, working_copy(place, tmp_path, print):
        pass


def test_local_copies(tmp_path, bucket):
    change(tmp_path / "mine", 1)
    first = push(tmp_path / "mine", bucket.store()).version
    change(tmp_path / "mine", 2)
    second = push(tmp_path / "mine", bucket.store()).version
    place, cache = parse_place(bucket.url), tmp_path / "cache"
    copy = local_copy(place, cache)
    assert copy.is_relative_to(cache)
    assert open_bundle(copy).manifest.version == second
    pinned = local_copy(parse_place(f"{bucket.url}/versions/{first[:10]}"), cache)
    assert open_bundle(pinned).manifest.version == first
    bucket.store().rollback(first)
    assert local_copy(place, cache) == copy
    assert open_bundle(copy).manifest.version == first
    assert local_copy(tmp_path / "mine") == tmp_path / "mine"
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(StoreError, match="say where copies may be kept"):
        local_copy(place, blocked)


def test_the_api_serves_a_store(tmp_path, bucket):
    change(tmp_path / "mine", 4)
    push(tmp_path / "mine", bucket.store())
    cache = str(tmp_path / "c")
    with serving("--bundle", bucket.url, "--port", "0", VIBE_CACHE=cache) as (_, host, port, _):
        health = f"http://{host}:{port}/health"
        with urllib.request.urlopen(health, timeout=30) as answer:
            assert b'"songs_loaded":5' in answer.read()


def test_the_api_says_in_one_line_what_is_wrong_with_a_store(tmp_path, bucket):
    settings = {"VIBE_BUNDLE": bucket.url, "VIBE_CACHE": str(tmp_path / "c")}
    run = run_module("handler", **settings)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == (f"handler: {bucket.url}: no bundle has been pushed here (no 'latest')\n")
    settings["VIBE_BUNDLE"] = "s3:/x"
    assert run_module("handler", **settings).stderr == (
        "handler: VIBE_BUNDLE: s3:/x: expected a directory or s3://bucket/prefix\n"
    )
