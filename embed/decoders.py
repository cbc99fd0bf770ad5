"""Two decoders behind one face: libsndfile, and FFmpeg (PyAV) for what it lacks.

Both give mono float32 samples of an exact range of a song, without decoding the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import numpy as np
import soundfile
from mutagen import MutagenError
from mutagen.mp3 import MP3, BitrateMode
from numpy.typing import NDArray

from embed.errors import AudioError

if TYPE_CHECKING:
    import av

RATE_RANGE_HZ: Final = (1_000, 768_000)
"""768 kHz is the highest rate any converter sells; beyond lies only a forged header."""

MAX_CHANNELS: Final = 64

_PREROLL_S: Final = Fraction(1, 4)
"""Decoded and thrown away before a range: MP3's bit reservoir (≤ 10 frames of 26 ms) and
AAC's overlap reach back less."""

_JITTER_S: Final = Fraction(1, 20)
"""Time stamps this close to the last sample's end mean 'the next sample': FFmpeg's are off by
part of a block where Vorbis changes its block size."""

_XING_TOLERANCE: Final = 0.1


class Range(NamedTuple):
    """``frames`` sample frames of a song from ``start``, at the song's own rate."""

    start: int
    frames: int


class Reader(Protocol):
    """An open song. ``frames`` counts sample frames at ``rate_hz``, as they really decode."""

    rate_hz: int
    frames: int

    def read(self, ranges: Sequence[Range]) -> list[NDArray[np.float32]]:
        """Mono float32 ``(frames,)`` for each range; starts ascend, ranges may overlap.

        Raises AudioError when the song cannot be decoded there, or ends before.
        """


@contextmanager
def open_reader(path: Path) -> Iterator[Reader]:
    """The reader for the file's content, whatever its extension says.

    Raises AudioError when neither decoder makes sense of it.
    """
    if path.stat().st_size == 0:
        raise AudioError("empty file (0 bytes)")
    if _length_is_a_guess(path):
        yield AvReader(path)
        return
    try:
        file = soundfile.SoundFile(path)
    except soundfile.LibsndfileError as error:
        yield _av_after(path, error.error_string)
        return
    with file:
        reader = SoundFileReader(file)
        if reader.reaches_end():
            yield reader
            return
    yield AvReader(path)


class SoundFileReader:
    """libsndfile: wav, flac, ogg, opus, mp3, aiff; seeks by sample."""

    def __init__(self, file: soundfile.SoundFile) -> None:
        self._file = file
        self.rate_hz: int = file.samplerate
        self.frames: int = file.frames
        _check_layout(self.rate_hz, file.channels)

    def read(self, ranges: Sequence[Range]) -> list[NDArray[np.float32]]:
        """As ``Reader.read``."""
        return [self._read(span) for span in ranges]

    def reaches_end(self) -> bool:
        """Whether the last frame that the header promises is there (a truncated file's is not)."""
        if self.frames == 0:
            return True
        try:
            self._read(Range(self.frames - 1, 1))
        except AudioError:
            return False
        return True

    def _read(self, span: Range) -> NDArray[np.float32]:
        try:
            self._file.seek(span.start)
            samples = self._file.read(span.frames, dtype="float32", always_2d=True)
        except (soundfile.LibsndfileError, RuntimeError) as error:
            raise AudioError(f"cannot decode from frame {span.start}: {error}") from error
        if len(samples) < span.frames:
            raise AudioError(f"ends at frame {span.start + len(samples)} of {self.frames} promised")
        mono: NDArray[np.float32] = samples.mean(axis=1, dtype=np.float32)
        return mono


class AvReader:
    """FFmpeg: walks the packets, which is cheap, and decodes only those that ranges need.

    Neither the header's length nor a seek is trusted: ``frames`` is counted from packets.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        end = 0
        with _av_open(path) as container:
            stream = _audio_stream(container)
            self.rate_hz: int = stream.rate
            _check_layout(self.rate_hz, stream.channels)
            self._unit_s = Fraction(stream.time_base or 1)
            self._first = max(stream.start_time or 0, 0)
            for packet in container.demux(stream):
                if packet.pts is not None:
                    end = max(end, packet.pts + (packet.duration or 0))
        self.frames: int = max(int((end - self._first) * self._unit_s * self.rate_hz), 0)

    def read(self, ranges: Sequence[Range]) -> list[NDArray[np.float32]]:
        """As ``Reader.read``; one pass over the packets for all ranges."""
        outs = [np.zeros(span.frames, dtype=np.float32) for span in ranges]
        filled = [0] * len(ranges)
        for at, samples in self._decode(ranges):
            for i, (start, count) in enumerate(ranges):
                low, high = max(at, start), min(at + len(samples), start + count)
                if low < high:
                    outs[i][low - start : high - start] = samples[low - at : high - at]
                    filled[i] += high - low
        for span, found in zip(ranges, filled, strict=True):
            # Encoder padding at the end, which a decoder trims, is no loss; more is.
            if found < span.frames - self.rate_hz // 10:
                raise AudioError(
                    f"only {found} of {span.frames} frames from {span.start} can be decoded"
                )
        return outs

    def _decode(self, ranges: Sequence[Range]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """First frame and mono samples of each decoded piece that a range may need."""
        import av  # noqa: PLC0415 - see _av_open

        preroll = int(_PREROLL_S * self.rate_hz)
        jitter = int(_JITTER_S * self.rate_hz)
        resampler = av.AudioResampler(format="fltp")
        end = -jitter  # of what was decoded last
        with _av_open(self._path) as container:
            for packet in container.demux(_audio_stream(container)):
                if packet.pts is None:
                    continue
                low = self._frame_number(packet.pts)
                high = self._frame_number(packet.pts + (packet.duration or 0))
                if not any(s.start - preroll <= high and low <= s.start + s.frames for s in ranges):
                    continue
                try:
                    pieces = [p for frame in packet.decode() for p in resampler.resample(frame)]
                except av.error.InvalidDataError:
                    continue  # one damaged packet: a gap, which ``read`` counts
                for piece in pieces:
                    at = end if piece.pts is None else self._frame_number(piece.pts)
                    if abs(at - end) < jitter:
                        at = end
                    samples = piece.to_ndarray().astype(np.float32, copy=False).mean(axis=0)
                    end = at + len(samples)
                    yield at, samples

    def _frame_number(self, pts: int) -> int:
        return round((pts - self._first) * self._unit_s * self.rate_hz)


def _av_open(path: Path) -> av.container.InputContainer:
    import av  # noqa: PLC0415 - 60 MB of libraries that most folders never need

    try:
        return av.open(str(path), metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        raise AudioError(f"not audio that FFmpeg knows: {error}") from error


def _av_after(path: Path, refusal: str) -> AvReader:
    """FFmpeg's reader where libsndfile refused; when FFmpeg does too, both reasons."""
    try:
        return AvReader(path)
    except AudioError as error:
        raise AudioError(f"{refusal.rstrip('.')}; {error}") from error


def _audio_stream(container: av.container.InputContainer) -> av.AudioStream:
    if not container.streams.audio:
        raise AudioError("holds no audio stream")
    return container.streams.audio[0]


def _check_layout(rate_hz: int, channels: int) -> None:
    low_hz, high_hz = RATE_RANGE_HZ
    if not low_hz <= rate_hz <= high_hz:
        raise AudioError(f"sample rate {rate_hz} Hz, expected {low_hz} to {high_hz}")
    if not 1 <= channels <= MAX_CHANNELS:
        raise AudioError(f"{channels} channels, expected 1 to {MAX_CHANNELS}")


def _length_is_a_guess(path: Path) -> bool:
    """Whether this is an MP3 whose length no header tells, or one that its size belies.

    libsndfile takes such a file's length from the first frame's bit rate and decodes no
    further: a fifth of a variable-rate song.
    """
    with path.open("rb") as file:
        start = file.read(4)
    is_mpeg = start[:3] == b"ID3" or (start[:1] == b"\xff" and start[1:2] >= b"\xe0")
    if not is_mpeg:
        return False
    try:
        info = MP3(path).info
    except MutagenError:
        return True
    if info.bitrate_mode == BitrateMode.UNKNOWN:
        return True
    promised = info.length * info.bitrate / 8
    present = path.stat().st_size - info.frame_offset
    return bool(abs(present - promised) > _XING_TOLERANCE * max(promised, 1))
