"""Run after run: what is embedded anew, kept, dropped, and what survives a mistake."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest

from embed.bundle import open_bundle
from embed.errors import BundleError, ModelError
from embed.manifest import VECTORS_FILE
from embed.pipeline import STATE_FILE
from tests.albums import SONGS, content
from tests.audio_files import write_tune
from tests.bundles import change
from tests.tiny_model import write_model_bundle


def test_a_second_run_changes_nothing_and_starts_no_worker(run):
    run()
    before = {path: path.stat().st_mtime_ns for path in run.bundle.glob("[!.]*")}
    report = run(workers=None)
    assert (report.embedded, report.unchanged, report.changed) == (0, 4, False)
    assert {path: path.stat().st_mtime_ns for path in run.bundle.glob("[!.]*")} == before
    assert report.seconds.keys() <= {"write"}
    assert "4 songs in the bundle, which was up to date" in report.lines()


def test_only_what_is_new_or_changed_is_embedded(run, music):
    run()
    before = content(run.bundle)
    write_tune(music / "new.wav", 0.4, 22_050, seed=9)
    write_tune(music / "Last.wav", 0.4, 22_050, seed=10)
    (music / "b/c/Echoes.ogg").unlink()
    report = run()
    assert (report.found, report.embedded, report.unchanged, report.removed) == (4, 2, 2, 1)
    after = content(run.bundle)
    assert after.keys() == before.keys() - {"b/c/Echoes.ogg"} | {"new.wav"}
    for path in ("b/Nina - Sinnerman.flac", "01. Abba - Waterloo.wav"):
        assert np.array_equal(after[path][1], before[path][1])
    assert not np.array_equal(after["Last.wav"][1], before["Last.wav"][1])


@pytest.mark.parametrize("how", ["touched", "moved", "folder renamed", "state lost"])
def test_what_holds_the_same_is_not_embedded_again(run, music, how):
    run()
    before = content(run.bundle)
    if how == "touched":
        os.utime(music / "Last.wav", ns=(1, 1))
    elif how == "moved":
        (music / "Last.wav").rename(music / "b/Queen - Last.wav")
    elif how == "folder renamed":
        (music / "b").rename(music / "d")
    else:
        for path in run.bundle.glob(STATE_FILE + "*"):
            path.unlink()
    report = run()
    assert (report.embedded, report.unchanged) == (0, 4)
    after = content(run.bundle)
    expected = {
        "moved": {"Last.wav": "b/Queen - Last.wav"},
        "folder renamed": {path: path.replace("b/", "d/") for path in SONGS[::2]},
    }.get(how, {})
    assert after.keys() == {expected.get(path, path) for path in before}
    for path, (_, vector) in before.items():
        assert np.array_equal(after[expected.get(path, path)][1], vector)
    assert report.removed == len(expected)
    if how == "moved":
        assert after["b/Queen - Last.wav"][0] == "Queen - Last"


def test_a_song_that_goes_bad_leaves(run, music):
    run()
    (music / "Last.wav").write_bytes(b"")
    report = run()
    assert (report.removed, len(report.failures)) == (1, 1)
    assert "Last.wav" not in content(run.bundle)


def test_when_every_song_is_bad_the_bundle_stays(run, music):
    run()
    version = open_bundle(run.bundle).manifest.version
    for path in music.rglob("*.*"):
        path.write_bytes(b"")
    report = run()
    assert (report.in_bundle, len(report.failures), report.changed) == (0, 4, False)
    assert open_bundle(run.bundle).manifest.version == version


def test_songs_that_come_back_after_all_were_bad(run, music, album):
    run()
    version = open_bundle(run.bundle).manifest.version
    for name in SONGS:
        (music / name).write_bytes(b"")
    run()
    for name in SONGS:
        shutil.copy2(album / name, music / name)
    report = run()
    assert (report.embedded, report.in_bundle) == (0, 4)
    assert open_bundle(run.bundle).manifest.version == version


def test_another_number_of_windows_embeds_anew(run, music):
    run()
    report = run(windows="middle")
    assert (report.embedded, report.unchanged) == (4, 0)
    assert open_bundle(run.bundle).manifest.spec.windows == "middle"
    assert run.told[0].endswith("the model or windows changed, so all 4 songs are embedded anew")
    # What the bundle was made with is what later runs keep.
    assert run().embedded == 0
    assert open_bundle(run.bundle).manifest.spec.windows == "middle"


def test_another_model_embeds_anew(run, music, tmp_path):
    run()
    before = content(run.bundle)
    write_model_bundle(tmp_path / "other", seed=1)
    report = run(model=str(tmp_path / "other"))
    assert (report.embedded, report.removed) == (4, 0)
    after = content(run.bundle)
    assert all(not np.array_equal(after[path][1], before[path][1]) for path in before)
    # Without --model the bundle's own is used.
    assert run(model=None).embedded == 0


def test_a_damaged_bundle_is_not_built_upon(run, music):
    run()
    path = run.bundle / VECTORS_FILE
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    write_tune(music / "new.wav", 0.4, 22_050)
    with pytest.raises(BundleError, match=r"vectors\.npy: SHA-256 is"):
        run()


def test_a_model_that_cannot_be_loaded_is_named_and_nothing_is_lost(run, music, tmp_path):
    run()
    version = open_bundle(run.bundle).manifest.version
    change(tmp_path / "no model", 1)  # its model is eight bytes of text
    with pytest.raises(ModelError, match="ONNX Runtime cannot load it"):
        run(model=str(tmp_path / "no model"))
    assert open_bundle(run.bundle).manifest.version == version
    assert run(model=None).embedded == 0
