"""Files that mean harm cost little time and memory, and only themselves."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from embed.clip import CLIP_MEMORY_MIB, Clips, ClipWork
from embed.confine import is_out_of_cpu
from embed.errors import AudioError
from embed.manifest import MODEL_FILE
from embed.spec import FrontEnd
from tests.audio_files import every_kind, tune, write
from tests.clips import ogg_page, wav, wav_header, with_box, with_granule

HOUR_S = 3_600
NEITHER = "^libsndfile: Format not recognised; FFmpeg: Invalid (data|argument)"


@pytest.fixture(scope="module")
def clips(model_bundle: Path) -> Iterator[Clips]:
    clips = Clips(ClipWork(model_bundle / MODEL_FILE, FrontEnd(), 5, longest_s=900))
    yield clips
    clips.close()


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return every_kind(tmp_path_factory.mktemp("kinds"), 12)


def peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line) / 1024


def heard(clips: Clips, path: Path) -> str | None:
    """Why a clip was refused; None when it was heard after all. It may be refused for nothing
    but itself, and not for the time it took."""
    try:
        embedding = clips.submit(path).result(120)
    except Exception as error:  # noqa: BLE001 - `failure` names it
        failure = clips.failure(error)
        assert type(failure) is AudioError
        assert not is_out_of_cpu(error)
        return str(failure)
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-6)
    return None


def flac_bomb(folder: Path) -> bytes:
    """Three hours of nothing in a few hundred kilobytes."""
    path = write(folder / "bomb.flac", np.zeros((3 * HOUR_S * 4_000, 1), np.float32), 4_000)
    data = path.read_bytes()
    assert len(data) < 500_000
    return data


def flac_of_unknown_length(folder: Path) -> bytes:
    data = bytearray(flac_bomb(folder))
    data[21] &= 0xF0  # STREAMINFO's 36 bits of total samples: 0 says that nobody knows
    data[22:26] = bytes(4)
    return bytes(data)


def flac_of_forged_length(folder: Path) -> bytes:
    data = bytearray(write(folder / "a.flac", tune(5, 8_000), 8_000).read_bytes())
    data[21] |= 0x0F
    data[22:26] = b"\xff" * 4
    return bytes(data)


def playlist(text: str) -> Callable[[Path], bytes]:
    def make(folder: Path) -> bytes:
        other = folder / "other.wav"
        other.write_bytes(wav(2))
        return text.format(other=other).encode()

    return make


def zipped(folder: Path) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("song.wav", wav(60))
    return file.getvalue()


def in_each_other(folder: Path) -> bytes:
    """A WAV that holds an Ogg that holds a WAV."""
    inner = ogg_page(wav(1)[:60_000], 1_000, 1, 0, 2)
    return wav_header(8_000, 1, len(inner))[:20] + b"\x55\x00" + bytes(22) + inner


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda _: b"RIFF" + bytes(1_000), NEITHER),
        (lambda _: b"OggS" * 1_000, "Invalid data"),
        (lambda _: b"fLaC" + bytes(4_000), "Invalid data"),
        (lambda _: b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + bytes(4_000), NEITHER),
        (lambda _: b"\xff\xfb\x90\x00" * 250_000, "Invalid data"),
        (lambda _: bytes(1_000_000), NEITHER),
        (lambda _: wav_header(2**31 - 1, 1, 1_000, bytes(1_000)), "^sample rate 2147483647 Hz"),
        (lambda _: wav_header(4_000_000_000, 1, 1_000, bytes(1_000)), "Invalid data"),
        (lambda _: wav_header(48_000, 1_000, 200_000, bytes(200_000)), "^1000 channels, expected"),
        (lambda _: wav_header(48_000, 65_535, 2**17, bytes(2**17)), "Too many channels"),
        (lambda _: wav_header(0, 1, 1_000, bytes(1_000)), "Invalid data"),
        (lambda _: wav_header(48_000, 0, 1_000, bytes(1_000)), "Channel count is zero"),
        (lambda _: wav_header(48_000, 1, 0), "^no audio frames"),
        (flac_bomb, "^plays 10,800 s or more, expected at most 900 s$"),
        (flac_of_unknown_length, "^plays 90. s or more, expected at most 900 s$"),
        (playlist("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:2,\n{other}\n"), NEITHER),
        (playlist("#EXTM3U\n{other}\nfile://{other}\n"), NEITHER),
        (playlist("ffconcat version 1.0\nfile '{other}'\n"), NEITHER),
        (playlist("[playlist]\nFile1={other}\n"), NEITHER),
        (zipped, NEITHER),
        (in_each_other, "Malformed 'fmt ' chunk"),
    ],
)
def test_a_hostile_file_is_refused(clips, tmp_path, make, reason):
    path = tmp_path / "clip"
    path.write_bytes(make(tmp_path))
    found = heard(clips, path)
    assert found is not None
    assert re.search(reason, found), found


@pytest.mark.parametrize(
    "spoil",
    [
        lambda ogg: ogg * 200,  # chained: each link a song of its own
        lambda ogg: with_granule(ogg, 2**62),
        lambda ogg: with_granule(ogg, -1),
        lambda ogg: with_granule(ogg, 0),
        lambda ogg: ogg + b"".join(ogg_page(bytes(200), 10**9 + n, 7, n) for n in range(2_000)),
    ],
    ids=["chained", "forged", "negative", "zero", "endless"],
)
@pytest.mark.parametrize("kind", ["ogg", "opus"])
def test_an_ogg_without_end_is_bounded(clips, tmp_path, kinds, kind, spoil):
    path = tmp_path / "clip"
    path.write_bytes(spoil(kinds[kind]))
    heard(clips, path)


@pytest.mark.parametrize(
    ("box", "at", "value"),
    [
        (b"mdhd", 12, bytes(4)),  # time units a second
        (b"mdhd", 12, b"\xff" * 4),
        (b"stts", 4, b"\xff" * 4),  # how many entries
        (b"stts", 8, b"\x7f" + b"\xff" * 7),  # as many packets, as long
        (b"stsc", 4, b"\x7f" + b"\xff" * 3),
        (b"stsc", 12, b"\x7f" + b"\xff" * 3),  # packets a chunk
        (b"stsz", 4, b"\0\0\0\1\x7f\xff\xff\xff"),  # two thousand million packets of a byte
        (b"stsz", 4, b"\0\0\0\0\x7f\xff\xff\xff"),
        (b"stco", 4, b"\x7f" + b"\xff" * 3),
        (b"mp4a", 16, b"\x03\xe8"),  # 1,000 channels
        (b"mp4a", 24, b"\xff" * 4),  # its rate
        (b"moov", -8, b"\xff" * 4),  # its length
    ],
)
def test_an_m4a_that_lies_is_bounded(clips, tmp_path, kinds, box, at, value):
    path = tmp_path / "clip"
    path.write_bytes(with_box(kinds["m4a"], box, at, value))
    heard(clips, path)


@pytest.mark.parametrize("kind", ["wav", "aiff", "flac", "ogg", "opus", "mp3", "m4a", "aac"])
def test_bytes_changed_at_random_are_heard_or_refused(clips, tmp_path, kinds, kind):
    rng = np.random.default_rng(len(kind))
    path = tmp_path / "clip"
    for turn in range(12):
        data = np.frombuffer(kinds[kind], np.uint8).copy()
        end = len(data) if turn % 2 else 2_000  # every other time in its head
        places = rng.integers(0, end, 1 + end // 500)
        data[places] = rng.integers(0, 256, len(places))
        path.write_bytes(data.tobytes())
        heard(clips, path)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9])
def test_a_truncated_file_is_heard_or_refused(clips, tmp_path, kinds, share):
    for data in kinds.values():
        path = tmp_path / "clip"
        path.write_bytes(data[: int(len(data) * share)])
        heard(clips, path)


def test_a_forged_length_is_not_believed(clips, tmp_path):
    path = tmp_path / "clip"
    path.write_bytes(flac_of_forged_length(tmp_path))
    heard(clips, path)


def test_so_many_samples_that_memory_ends_cost_the_clip(clips, tmp_path):
    """64 channels at 768 kHz: honest to libsndfile, and 200 MB a second."""
    path = tmp_path / "clip"
    with path.open("wb") as file:
        file.write(wav_header(768_000, 64, 2**31 - 64))
        file.truncate(2**31)  # a hole: no disk is used
    reason = heard(clips, path)
    assert reason == f"needs more than {CLIP_MEMORY_MIB} MiB to decode; given up"
    (tmp_path / "good").write_bytes(wav())
    assert heard(clips, tmp_path / "good") is None


def test_memory_stays_bounded_over_all_of_them(clips, tmp_path, kinds):
    (tmp_path / "good").write_bytes(wav())
    assert heard(clips, tmp_path / "good") is None
    process = clips._pool._all[0]._process
    rest = peak_mib(process.pid)
    for make in (flac_bomb, flac_of_unknown_length, flac_of_forged_length, zipped):
        (tmp_path / "clip").write_bytes(make(tmp_path))
        heard(clips, tmp_path / "clip")
    assert clips._pool._all[0]._process is process, "none of them cost the worker"
    assert peak_mib(process.pid) - rest < 100
