"""Folder → bundle: what is embedded, kept, dropped and told, run after run."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest

from embed.audio import read_windows
from embed.bundle import open_bundle
from embed.catalogue import Catalogue, song_id
from embed.errors import AudioError, BundleError
from embed.manifest import CATALOGUE_FILE, MODEL_FILE
from embed.mel import log_mel
from embed.pipeline import Options, embed_folder
from embed.spec import FrontEnd
from tests.albums import SONGS, content
from tests.audio_files import tune, write, write_tune
from tests.tiny_model import tiny_embedding, write_model_bundle


def test_a_folder_becomes_a_bundle(run, music, model_bundle):
    report = run()
    assert (report.found, report.embedded, report.in_bundle) == (4, 4, 4)
    assert (report.unchanged, report.removed, report.failures) == (0, 0, [])
    found = content(run.bundle)
    assert {path: name for path, (name, _) in found.items()} == {
        "b/Nina - Sinnerman.flac": "Nina - Sinnerman",
        "01. Abba - Waterloo.wav": "Abba - Waterloo",
        "b/c/Echoes.ogg": "Echoes",
        "Last.wav": "Last",
    }
    bundle = open_bundle(run.bundle)
    assert bundle.file(MODEL_FILE).read_bytes() == (model_bundle / MODEL_FILE).read_bytes()
    assert bundle.manifest.spec.windows == 5
    assert run.told == ["model tiny (fp32), windows: 5"]
    for path, (_, vector) in found.items():
        window = read_windows(music / path, FrontEnd(), "middle").samples[0]
        assert float(vector @ tiny_embedding(log_mel(window, FrontEnd()))) >= 0.999999
    songs = {song.path: song for song in Catalogue(bundle.file(CATALOGUE_FILE)).songs()}
    assert songs["Last.wav"].duration_s == pytest.approx(0.8, abs=1e-4)
    assert songs["Last.wav"].id == song_id("Last.wav")


def test_a_song_of_several_windows_is_their_mean(run, music):
    for path in list(music.rglob("*.*")):
        path.unlink()
    write_tune(music / "long.flac", 33, 16_000)
    run(windows=3)
    ((_, vector),) = content(run.bundle).values()
    windows = read_windows(music / "long.flac", FrontEnd(), 3).samples
    assert len(windows) == 3
    mean = np.mean([tiny_embedding(log_mel(window, FrontEnd())) for window in windows], axis=0)
    assert float(vector @ mean) / np.linalg.norm(mean) >= 0.999999


def test_the_same_content_and_the_same_name_twice_stay_two_songs(run, music):
    shutil.copy(music / "Last.wav", music / "b/Last.wav")
    write_tune(music / "b/c/Last.flac", 0.3, 8_000, seed=5)
    report = run()
    assert (report.found, report.embedded, report.in_bundle) == (6, 5, 6)
    found = content(run.bundle)
    assert [name for name, _ in found.values()].count("Last") == 3
    assert np.array_equal(found["Last.wav"][1], found["b/Last.wav"][1])
    assert not np.array_equal(found["Last.wav"][1], found["b/c/Last.flac"][1])
    (music / "Last.wav").unlink()
    assert run().embedded == 0
    assert set(content(run.bundle)) >= {"b/Last.wav", "b/c/Last.flac"}


def test_bad_songs_are_listed_and_cost_only_themselves(run, music):
    (music / "empty.mp3").write_bytes(b"")
    (music / "b/text.mp3").write_text("not a song")
    (music / "cut.flac").write_bytes((music / SONGS[0]).read_bytes()[:200])
    nan = tune(1, 8_000)
    nan[100] = np.nan
    write(music / "nan.wav", nan, 8_000, subtype="FLOAT")
    shutil.copy(music / "Last.wav", music / "really a wav.mp3")
    report = run()
    assert (report.found, report.embedded, report.in_bundle) == (9, 4, 5)
    assert [failure.key for failure in report.failures] == [
        *("b/text.mp3", "cut.flac", "empty.mp3", "nan.wav")
    ]
    reasons = {failure.key: failure.reason for failure in report.failures}
    assert reasons["empty.mp3"] == "empty file (0 bytes)"
    assert reasons["nan.wav"] == "sample at 0.013 s is nan"
    lines = report.lines()
    assert lines[0] == "9 songs found: 4 embedded, 1 already known, 4 failed; 0 removed"
    assert lines[-5:-3] == ["failed:", f"  b/text.mp3: {reasons['b/text.mp3']}"]
    # They are tried again, and still cost nothing else.
    again = run()
    assert (again.embedded, len(again.failures), again.changed) == (0, 4, False)


def test_bundle_and_model_may_be_the_same(music, tmp_path):
    write_model_bundle(tmp_path / "bundle")
    report = embed_folder(music, tmp_path / "bundle", Options(workers=1), tell=lambda _: None)
    assert report.embedded == 4
    assert len(content(tmp_path / "bundle")) == 4


def test_the_same_folder_gives_the_same_bytes_whatever_the_workers(music, tmp_path, model_bundle):
    versions = set()
    for workers in (1, 2):
        root = tmp_path / f"bundle {workers}"
        embed_folder(music, root, Options(str(model_bundle), 2, workers), tell=lambda _: None)
        versions.add(open_bundle(root).manifest.version)
    assert len(versions) == 1


def test_a_bundle_of_imported_songs_takes_no_others(run, tmp_path):
    from embed.importer import import_catalogue

    np.savez(tmp_path / "x.npz", names=["A - B"], embeddings=np.ones((1, 512)))
    import_catalogue(tmp_path / "x.npz", run.bundle)
    with pytest.raises(BundleError, match=r"holds 1 imported songs.*choose another --to"):
        run()
    assert open_bundle(run.bundle).manifest.songs == 1


@pytest.mark.parametrize("model", ["nowhere", "imported"])
def test_a_bundle_without_a_model_is_no_model(run, tmp_path, model):
    from embed.importer import import_catalogue

    if model == "imported":
        np.savez(tmp_path / "x.npz", names=["A - B"], embeddings=np.ones((1, 512)))
        import_catalogue(tmp_path / "x.npz", tmp_path / "imported")
    with pytest.raises(BundleError, match=f"{model}: .*(no bundle here|without a model)"):
        run(model=str(tmp_path / model))


def test_a_folder_without_songs_makes_no_bundle(tmp_path, model_bundle):
    (tmp_path / "music").mkdir()
    with pytest.raises(AudioError, match="no audio files"):
        embed_folder(tmp_path / "music", tmp_path / "bundle", Options(str(model_bundle)))
    assert not (tmp_path / "bundle").exists()


def test_names_that_are_not_utf8(run, music):
    name = os.fsdecode(b"Caf\xe9 - Noir.wav")
    try:
        shutil.copy(music / "Last.wav", music / name)
    except OSError:
        pytest.skip("this file system refuses the name")
    report = run()
    assert (report.in_bundle, report.failures) == (5, [])
    assert content(run.bundle)[r"Caf\udce9 - Noir.wav"][0] == r"Caf\udce9 - Noir"
    assert run().embedded == 0
