"""``kill -9`` in the middle, again and again: nothing lost, embedded twice, or half-written."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest

from embed.bundle import open_bundle
from embed.errors import BundleError
from embed.manifest import CATALOGUE_FILE, VECTORS_FILE
from embed.mapfile import MAP_FILE
from embed.pipeline import STATE_FILE, Options, embed_folder
from tests.audio_files import write_tune
from tests.processes import python, start_python

SONGS = 40


@pytest.fixture(scope="module")
def music(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("music")
    for seed in range(SONGS):
        write_tune(folder / f"{seed:02}.flac", 12, 8_000, seed=seed)
    shutil.copy(folder / "07.flac", folder / "twin of 07.flac")
    return folder


@pytest.fixture(scope="module")
def uninterrupted(music, model_bundle, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("whole") / "bundle"
    report = embed_folder(music, root, Options(str(model_bundle), 2, 2), tell=lambda _: None)
    assert (report.embedded, report.in_bundle) == (SONGS, SONGS + 1)
    return root


def _recorded(root: Path) -> int:
    """Embeddings in the record of a run that is under way, or was killed."""
    if not (root / STATE_FILE).exists():
        return 0
    database = sqlite3.connect(root / STATE_FILE, timeout=60)
    try:
        return database.execute("SELECT COUNT(*) FROM embeddings").fetchone()[0]
    except sqlite3.OperationalError:
        return 0  # not yet made
    finally:
        database.close()


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_goes_on_where_it_was(music, model_bundle, uninterrupted, tmp_path, sign):
    root = tmp_path / "bundle"
    command = ["-m", "embed", music, "--to", root, "--model", model_bundle, "--windows", "2"]
    done = 0
    for goal in (1, 15, 30):
        with start_python(*command, "--workers", "2") as run:
            while run.poll() is None and _recorded(root) < goal:
                time.sleep(0.01)
            assert run.poll() is None, f"finished before it could be killed: {run.stderr.read()}"
            run.send_signal(sign)
            text = run.stderr.read()
        assert run.returncode == (130 if sign == signal.SIGINT else -sign)
        if sign == signal.SIGINT:
            assert "stopped; what was embedded is kept, run it again to go on" in text
            assert "Traceback" not in text
        with pytest.raises(BundleError, match="no bundle here"):
            open_bundle(root)
        assert _recorded(root) >= max(goal, done), "what was recorded must not be lost"
        done = _recorded(root)
    last = python(*command)
    assert last.returncode == 0, last.stderr
    assert f"{SONGS - done} embedded" in last.stderr, "no song may be embedded twice"
    assert f"{SONGS + 1} songs in the bundle" in last.stderr
    for name in (VECTORS_FILE, CATALOGUE_FILE, "manifest.json"):
        assert (root / name).read_bytes() == (uninterrupted / name).read_bytes()
    assert _recorded(root) == 0, "the bundle holds them now"


def test_a_kill_while_songs_are_added_leaves_the_old_bundle(
    music, model_bundle, uninterrupted, tmp_path
):
    some = tmp_path / "music"
    shutil.copytree(music, some)
    root = tmp_path / "bundle"
    hidden = [some / f"{seed:02}.flac" for seed in range(20, SONGS)]
    for path in hidden:
        path.rename(path.with_suffix(".away"))
    command = ["-m", "embed", some, "--to", root, "--model", model_bundle, "--windows", "2"]
    assert python(*command).returncode == 0
    before = open_bundle(root).manifest
    for path in hidden:
        path.with_suffix(".away").rename(path)
    with start_python(*command) as run:
        while run.poll() is None and _recorded(root) < 3:
            time.sleep(0.01)
        run.kill()
    assert open_bundle(root).manifest == before
    assert np.load(open_bundle(root).file(VECTORS_FILE)).shape == (21, 512)
    assert python(*command).returncode == 0
    found, whole = (open_bundle(one).manifest for one in (root, uninterrupted))
    # The map alone remembers how the bundle came to be: old songs stay where they were.
    assert found.files.keys() == whole.files.keys()
    assert {**found.files, MAP_FILE: None} == {**whole.files, MAP_FILE: None}
    assert (found.model, found.spec, found.songs) == (whole.model, whole.spec, whole.songs)
