"""Files that are not what they should be: each decodes rightly, or is refused by name."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import av
import numpy as np
import pytest

from embed.audio import read_windows
from embed.decoders import SoundFileReader, open_reader
from embed.errors import AudioError
from embed.ffmpeg import AvReader
from embed.reader import Range
from embed.spec import FrontEnd
from tests.audio_files import decode_whole, every_kind, write

RATE_HZ = 44_100


@pytest.fixture(scope="module")
def songs(tmp_path_factory) -> dict[str, bytes]:
    """Half a minute of a tune in every format, as bytes."""
    return every_kind(tmp_path_factory.mktemp("songs"), seconds=30)


def _frames(path: Path) -> int:
    with open_reader(path) as reader:
        return reader.frames


@pytest.mark.parametrize("kind", ["wav", "aiff", "flac", "ogg", "opus", "mp3", "m4a", "aac"])
def test_content_decides_and_not_the_extension(tmp_path, songs, kind):
    right, wrong = tmp_path / f"song.{kind}", tmp_path / ("song.mp3", "song.wav")[kind == "mp3"]
    right.write_bytes(songs[kind])
    expected = read_windows(right, FrontEnd(), "middle")
    right.rename(wrong)
    assert np.array_equal(read_windows(wrong, FrontEnd(), "middle").samples, expected.samples)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.mp3", b"", ["empty file (0 bytes)"]),
        ("text.mp3", b"not a song\n" * 400, ["libsndfile", "FFmpeg"]),
        ("noise.flac", np.random.default_rng(0).bytes(5000), ["libsndfile"]),
        ("zeros.wav", bytes(100_000), ["libsndfile", "FFmpeg"]),
        ("riff.wav", b"RIFF\x24\x00\x00\x00WAVE", ["libsndfile", "FFmpeg"]),
        ("sync.mp3", b"\xff\xfb\x90\x64" * 10, ["FFmpeg"]),
        ("tag.mp3", b"ID3\x04\x00\x00\x00\x00\x00\x00", ["FFmpeg"]),
        ("playlist.mp3", b"#EXTM3U\n#EXTINF:5,\nhttp://localhost/x.ts\n#EXT-X-ENDLIST\n", []),
    ],
)
def test_what_is_no_song_is_refused(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(AudioError) as caught:
        read_windows(path, FrontEnd(), "middle")
    for word in words:
        assert word in str(caught.value)
    assert str(tmp_path) not in str(caught.value), "the report names the song already"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("rate_hz", "channels", "words"),
    [
        (999, 1, "sample rate 999 Hz, expected 1000 to 768000"),
        (768_001, 1, "sample rate 768001 Hz, expected 1000 to 768000"),
        (48_000, 65, "65 channels, expected 1 to 64"),
    ],
)
def test_a_layout_that_no_song_has_is_refused(tmp_path, rate_hz, channels, words):
    path = write(tmp_path / "song.wav", np.zeros((100, channels), np.float32), rate_hz)
    with pytest.raises(AudioError, match=words):
        read_windows(path, FrontEnd(), "middle")


def test_a_video_without_sound_is_refused(tmp_path):
    path = tmp_path / "film.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 16
        frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), "rgb24")
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    with pytest.raises(AudioError, match="holds no audio stream"):
        read_windows(path, FrontEnd(), "middle")


def test_a_playlist_cannot_read_another_file(tmp_path, songs):
    (tmp_path / "secret.aac").write_bytes(songs["aac"])
    path = tmp_path / "song.m4a"
    path.write_bytes(b"ffconcat version 1.0\nfile secret.aac\n")
    with pytest.raises(AudioError):
        read_windows(path, FrontEnd(), "middle")


@pytest.mark.parametrize("kind", ["wav", "m4a"])
@pytest.mark.parametrize("name", [b"caf\xe9", "🎵 猫".encode(), b"a\nb", b"data:x", b"-i"])
def test_any_file_name_will_do(tmp_path, monkeypatch, songs, kind, name):
    monkeypatch.chdir(tmp_path)
    path = Path(os.fsdecode(name) + "." + kind)
    try:
        path.write_bytes(songs[kind])
    except OSError:
        pytest.skip("this file system refuses the name")
    assert _frames(path) == 30 * RATE_HZ


def test_a_wav_that_was_written_to_a_pipe_tells_no_length(tmp_path, songs):
    song = songs["wav"]
    at = song.index(b"data") + 4
    endless = struct.pack("<I", 0xFFFFFFFF)
    path = tmp_path / "song.wav"
    path.write_bytes(song[:4] + endless + song[8:at] + endless + song[at + 4 :])
    assert _frames(path) == 30 * RATE_HZ


def test_a_flac_that_was_written_to_a_pipe_tells_no_length(tmp_path, songs):
    song = bytearray(songs["flac"])
    # STREAMINFO: 36 bits of total samples, in the low half of byte 21 and bytes 22 to 25.
    song[21] &= 0xF0
    song[22:26] = bytes(4)
    path = tmp_path / "song.flac"
    path.write_bytes(song)
    assert _frames(path) == pytest.approx(30 * RATE_HZ, abs=4096)


def test_partial_reads_by_ffmpeg_are_parts_of_the_whole(tmp_path, songs):
    path = tmp_path / "song.m4a"
    path.write_bytes(songs["m4a"])
    whole = decode_whole(path)
    rng = np.random.default_rng(0)
    starts = sorted(int(start) for start in rng.integers(0, 29 * RATE_HZ, 12))
    ranges = [Range(start, int(rng.integers(1, RATE_HZ))) for start in starts]
    for span, samples in zip(ranges, AvReader(path).read(ranges), strict=True):
        expected = whole[span.start : span.start + span.frames]
        assert np.abs(samples - expected).max() <= 1e-6


def test_reading_past_the_end_is_an_error_and_not_silence(tmp_path, songs):
    for kind in ("wav", "m4a"):
        path = tmp_path / f"song.{kind}"
        path.write_bytes(songs[kind])
        with open_reader(path) as reader, pytest.raises(AudioError, match="frame"):
            reader.read([Range(29 * RATE_HZ, 2 * RATE_HZ)])


@pytest.mark.parametrize(
    ("kind", "reader_type"), [("mp3", SoundFileReader), ("ogg", SoundFileReader), ("m4a", AvReader)]
)
def test_who_reads_what(tmp_path, songs, kind, reader_type):
    path = tmp_path / f"song.{kind}"
    path.write_bytes(songs[kind])
    with open_reader(path) as reader:
        assert type(reader) is reader_type


def test_files_are_closed(tmp_path, songs):
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    if not Path("/proc/self/fd").exists():
        pytest.skip("no /proc: open files cannot be counted")
    paths = []
    for kind in ("wav", "m4a", "mp3"):
        paths.append(tmp_path / f"song.{kind}")
        paths[-1].write_bytes(songs[kind])
        paths.append(tmp_path / f"cut.{kind}")
        paths[-1].write_bytes(songs[kind][:3000])
    before = open_files()
    for path in paths:
        try:
            read_windows(path, FrontEnd(), "middle")
        except AudioError:
            continue
    assert open_files() == before
