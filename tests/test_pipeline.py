"""Folder → bundle: what is embedded, kept, dropped and told, run after run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from embed.audio import read_windows
from embed.bundle import open_bundle
from embed.catalogue import Catalogue, song_id
from embed.errors import AudioError, BundleError, ModelError
from embed.manifest import CATALOGUE_FILE, MODEL_FILE, VECTORS_FILE
from embed.mel import log_mel
from embed.pipeline import STATE_FILE, Options, embed_folder
from embed.report import Report
from embed.spec import FrontEnd
from tests.audio_files import tune, write, write_tune
from tests.bundles import change
from tests.tiny_model import tiny_embedding, write_model_bundle

SONGS = ["b/Nina - Sinnerman.flac", "01. Abba - Waterloo.wav", "b/c/Echoes.ogg", "Last.wav"]


@pytest.fixture(scope="module")
def album(tmp_path_factory) -> Path:
    """Four short songs. Not to be written to."""
    folder = tmp_path_factory.mktemp("album")
    for seed, name in enumerate(SONGS):
        write_tune(folder / name, 0.5 + seed / 10, 22_050, seed=seed)
    return folder


@pytest.fixture
def music(album, tmp_path) -> Path:
    shutil.copytree(album, tmp_path / "music")
    return tmp_path / "music"


@pytest.fixture
def run(music, tmp_path, model_bundle):
    """One run over ``music`` into ``bundle``; what it told is in ``run.told``."""

    def run(**options: object) -> Report:
        run.told.clear()
        wanted = Options(**{"model": str(model_bundle), "workers": 1, **options})
        return embed_folder(music, tmp_path / "bundle", wanted, tell=run.told.append)

    run.told = []
    run.bundle = tmp_path / "bundle"
    return run


def _content(root: Path) -> dict[str, tuple[str, np.ndarray]]:
    """Path → name and vector."""
    bundle = open_bundle(root)
    catalogue = Catalogue(bundle.file(CATALOGUE_FILE))
    vectors = np.load(bundle.file(VECTORS_FILE))
    songs = list(catalogue.songs())
    catalogue.close()
    assert len(songs) == len(vectors) == bundle.manifest.songs
    return {song.path: (song.name, vectors[row]) for row, song in enumerate(songs)}


def test_a_folder_becomes_a_bundle(run, music, model_bundle):
    report = run()
    assert (report.found, report.embedded, report.in_bundle) == (4, 4, 4)
    assert (report.unchanged, report.removed, report.failures) == (0, 0, [])
    content = _content(run.bundle)
    assert {path: name for path, (name, _) in content.items()} == {
        "b/Nina - Sinnerman.flac": "Nina - Sinnerman",
        "01. Abba - Waterloo.wav": "Abba - Waterloo",
        "b/c/Echoes.ogg": "Echoes",
        "Last.wav": "Last",
    }
    bundle = open_bundle(run.bundle)
    assert bundle.file(MODEL_FILE).read_bytes() == (model_bundle / MODEL_FILE).read_bytes()
    assert bundle.manifest.spec.windows == 5
    assert run.told == ["model tiny (fp32), windows: 5"]
    for path, (_, vector) in content.items():
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
    ((_, vector),) = _content(run.bundle).values()
    windows = read_windows(music / "long.flac", FrontEnd(), 3).samples
    assert len(windows) == 3
    mean = np.mean([tiny_embedding(log_mel(window, FrontEnd())) for window in windows], axis=0)
    assert float(vector @ mean) / np.linalg.norm(mean) >= 0.999999


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
    before = _content(run.bundle)
    write_tune(music / "new.wav", 0.4, 22_050, seed=9)
    write_tune(music / "Last.wav", 0.4, 22_050, seed=10)
    (music / "b/c/Echoes.ogg").unlink()
    report = run()
    assert (report.found, report.embedded, report.unchanged, report.removed) == (4, 2, 2, 1)
    after = _content(run.bundle)
    assert after.keys() == before.keys() - {"b/c/Echoes.ogg"} | {"new.wav"}
    for path in ("b/Nina - Sinnerman.flac", "01. Abba - Waterloo.wav"):
        assert np.array_equal(after[path][1], before[path][1])
    assert not np.array_equal(after["Last.wav"][1], before["Last.wav"][1])


@pytest.mark.parametrize("how", ["touched", "moved", "folder renamed", "state lost"])
def test_what_holds_the_same_is_not_embedded_again(run, music, how):
    run()
    before = _content(run.bundle)
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
    after = _content(run.bundle)
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


def test_the_same_content_and_the_same_name_twice_stay_two_songs(run, music):
    shutil.copy(music / "Last.wav", music / "b/Last.wav")
    write_tune(music / "b/c/Last.flac", 0.3, 8_000, seed=5)
    report = run()
    assert (report.found, report.embedded, report.in_bundle) == (6, 5, 6)
    content = _content(run.bundle)
    assert [name for name, _ in content.values()].count("Last") == 3
    assert np.array_equal(content["Last.wav"][1], content["b/Last.wav"][1])
    assert not np.array_equal(content["Last.wav"][1], content["b/c/Last.flac"][1])
    (music / "Last.wav").unlink()
    assert run().embedded == 0
    assert set(_content(run.bundle)) >= {"b/Last.wav", "b/c/Last.flac"}


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


def test_a_song_that_goes_bad_leaves(run, music):
    run()
    (music / "Last.wav").write_bytes(b"")
    report = run()
    assert (report.removed, len(report.failures)) == (1, 1)
    assert "Last.wav" not in _content(run.bundle)


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
    before = _content(run.bundle)
    write_model_bundle(tmp_path / "other", seed=1)
    report = run(model=str(tmp_path / "other"))
    assert (report.embedded, report.removed) == (4, 0)
    after = _content(run.bundle)
    assert all(not np.array_equal(after[path][1], before[path][1]) for path in before)
    # Without --model the bundle's own is used.
    assert run(model=None).embedded == 0


def test_bundle_and_model_may_be_the_same(music, tmp_path):
    write_model_bundle(tmp_path / "bundle")
    report = embed_folder(music, tmp_path / "bundle", Options(workers=1), tell=lambda _: None)
    assert report.embedded == 4
    assert len(_content(tmp_path / "bundle")) == 4


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
    assert _content(run.bundle)[r"Caf\udce9 - Noir.wav"][0] == r"Caf\udce9 - Noir"
    assert run().embedded == 0
