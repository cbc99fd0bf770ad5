"""Previews: ten seconds of each song, made once, kept, and played in parts."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from embed.bundle import open_bundle
from embed.catalogue import Catalogue
from embed.clips import PREVIEWS_FILE, Clips, write_clips
from embed.errors import BundleError
from embed.opus import RATE_HZ, encode_opus
from embed.pipeline import Options, embed_folder
from embed.previews import STATE_FILE, preview
from embed.scan import scan
from handler.asgi import App
from tests.albums import Runs
from tests.services import app_of
from tests.serving import NAMES, call, named_bundle, random_vectors, song, write_bundle


def decoded(clip: bytes) -> tuple[np.ndarray, int]:
    samples, rate_hz = soundfile.read(io.BytesIO(clip), dtype="float32")
    return samples, rate_hz


def tone(seconds: float, hz: float, rate_hz: int = RATE_HZ) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate_hz)) / rate_hz)).astype("f4")


def loudest_hz(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * RATE_HZ / len(samples))


def test_the_middle_ten_seconds(tmp_path: Path) -> None:
    parts = [tone(8, 300, 44_100), tone(10, 1_000, 44_100), tone(8, 3_000, 44_100)]
    stereo = np.stack([np.concatenate(parts)] * 2, axis=1)
    soundfile.write(tmp_path / "A - B.flac", stereo, 44_100)
    clip = preview(scan(tmp_path)[0])
    samples, rate_hz = decoded(clip)
    assert (rate_hz, samples.shape) == (48_000, (480_000,))
    assert 30_000 < len(clip) < 90_000
    assert loudest_hz(samples[48_000:432_000]) == pytest.approx(1_000, abs=2)
    assert np.sqrt(np.mean(samples[48_000:432_000] ** 2)) == pytest.approx(0.354, abs=0.02)
    assert np.abs(samples[:48]).max() < 0.05, "it begins with a click"


def test_a_short_song_is_not_repeated(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "A - B.wav", tone(1.5, 500), 48_000)
    samples, _ = decoded(preview(scan(tmp_path)[0]))
    assert len(samples) == pytest.approx(72_000, abs=1_000)


def test_equal_samples_give_equal_bytes() -> None:
    assert encode_opus(tone(2, 440)) == encode_opus(tone(2, 440))


def clips_of(root: Path) -> dict[str, bytes]:
    """Name → clip."""
    bundle = open_bundle(root)
    catalogue, clips = Catalogue(bundle.file("catalogue.sqlite")), Clips(bundle.file(PREVIEWS_FILE))
    found = {one.name: clips.clip(one.sha256) for one in catalogue.songs()}
    catalogue.close()
    clips.close()
    return {name: clip for name, clip in found.items() if clip is not None}


def test_once_asked_for_they_are_kept_up(run: Runs) -> None:
    run()
    assert PREVIEWS_FILE not in open_bundle(run.bundle).manifest.files
    assert run(previews=True).changed
    before = clips_of(run.bundle)
    assert len(before) == 4
    assert {len(decoded(clip)[0]) > 10_000 for clip in before.values()} == {True}
    content = (run.bundle / PREVIEWS_FILE).read_bytes()
    assert not run().changed
    (run.music / "Last.wav").unlink()
    soundfile.write(run.music / "New - Song.wav", tone(2, 700), 48_000)
    (run.music / "b/Nina - Sinnerman.flac").rename(run.music / "b/Nina - Another.flac")
    run()
    after = clips_of(run.bundle)
    assert "New - Song" in after
    assert len(after) == 4
    assert len(set(after.values()) & set(before.values())) == 3, "made anew"
    assert (run.bundle / PREVIEWS_FILE).read_bytes() != content
    assert not (run.bundle / STATE_FILE).exists()


def test_the_same_folder_gives_the_same_file(run: Runs, tmp_path: Path) -> None:
    run(previews=True)
    options = Options(model=str(run.model), workers=2, previews=True)
    embed_folder(run.music, tmp_path / "other", options, tell=lambda _: None)
    assert (tmp_path / "other" / PREVIEWS_FILE).read_bytes() == (
        run.bundle / PREVIEWS_FILE
    ).read_bytes()


def test_a_song_that_cannot_be_read_again_is_listed(run: Runs) -> None:
    run()
    # As it was when it was embedded, so far as anybody can tell, but damaged since.
    path = run.music / "Last.wav"
    status = path.stat()
    path.write_bytes(b"\0" * status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    report = run(previews=True)
    assert [one.key for one in report.without_preview] == ["Last.wav"]
    assert "without a preview:" in report.lines()
    assert len(clips_of(run.bundle)) == 3


def test_another_file_is_refused(tmp_path: Path) -> None:
    root = named_bundle(tmp_path / "b")
    with pytest.raises(BundleError, match="not a file of previews"):
        Clips(root / "catalogue.sqlite")
    write_clips(tmp_path / "x", [("00", b"1"), ("01", b"2")])
    clips = Clips(tmp_path / "x")
    assert (clips.clip("01"), clips.clip("02"), [*clips.digests()]) == (b"2", None, ["00", "01"])
    clips.close()


CLIP = bytes(range(256)) * 8


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    return app_of(named_bundle(tmp_path_factory.mktemp("previews") / "bundle"))


def ask(app: App, song: str, **headers: str):
    sent = [(key.encode(), value.encode()) for key, value in headers.items()]
    return call(app, "GET", "/previews", query=f"song={song}", headers=sent)


@pytest.mark.parametrize(
    ("wanted", "first", "end"),
    [
        *[("bytes=0-", 0, 2048), ("bytes=100-199", 100, 200), ("bytes=-5", 2043, 2048)],
        *[("bytes=2000-9999", 2000, 2048), ("bytes=-9999", 0, 2048), ("bytes=7-7", 7, 8)],
    ],
)
def test_a_part_of_a_clip(app: App, wanted: str, first: int, end: int) -> None:
    answer = ask(app, NAMES[0], range=wanted)
    assert answer.status == 206
    assert answer.body == CLIP[first:end]
    assert answer.headers["content-range"] == f"bytes {first}-{end - 1}/2048"
    assert answer.content_type == "audio/ogg"


@pytest.mark.parametrize("wanted", ["", "bytes=1-2,4-5", "songs=1-2", "bytes=9-2", "bytes=-", "x"])
def test_what_is_no_range_is_all_of_it(app: App, wanted: str) -> None:
    answer = ask(app, NAMES[0], range=wanted)
    assert (answer.status, answer.body) == (200, CLIP)
    assert answer.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize("wanted", ["bytes=2048-", "bytes=-0", "bytes=5000-6000"])
def test_a_range_beyond_the_end(app: App, wanted: str) -> None:
    answer = ask(app, NAMES[0], range=wanted)
    assert answer.status == 416
    assert answer.headers["content-range"] == "bytes */2048"
    assert answer.json["error"] == f"range: {wanted!r}, expected a part of 2048 bytes"


def test_caching(app: App) -> None:
    answer = ask(app, NAMES[0])
    etag = answer.headers["etag"]
    assert answer.headers["cache-control"] == "no-cache"
    again = ask(app, NAMES[0], **{"if-none-match": etag})
    assert (again.status, again.body) == (304, b"")
    changed = ask(app, NAMES[0], **{"if-range": '"other"', "range": "bytes=1-2"})
    assert changed.status == 200
    same = ask(app, NAMES[0], **{"if-range": etag, "range": "bytes=1-2"})
    assert same.status == 206
    version = call(app, "GET", "/map").json["version"]
    assert "immutable" in ask(app, f"{NAMES[0]}&v={version}").headers["cache-control"]


def test_songs_without_and_bundles_without(app: App, tmp_path: Path) -> None:
    assert ask(app, "creep").status == 404
    assert ask(app, "creep").json["error"] == "'Radiohead - Creep': has no preview"
    assert ask(app, "purple rain").json["suggestions"]
    assert call(app, "GET", "/map").json["previews"] is True
    bare = app_of(write_bundle(tmp_path / "b", [song("A - B")], random_vectors(1)))
    answer = ask(bare, "A - B")
    assert answer.status == 501
    assert "python -m embed MUSIC --to BUNDLE --previews" in answer.json["error"]
    assert call(bare, "GET", "/map").json["previews"] is False
