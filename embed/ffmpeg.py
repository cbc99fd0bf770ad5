"""FFmpeg (PyAV), for what libsndfile lacks or misreads: m4a, aac, MP3 of unknown length."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from embed.errors import AudioError
from embed.reader import Range, check_layout

if TYPE_CHECKING:
    import av

_PREROLL_S: Final = Fraction(1, 4)
"""Decoded and thrown away before a range: MP3's bit reservoir (≤ 10 frames of 26 ms) and
AAC's overlap reach back less."""

_JITTER_S: Final = Fraction(1, 20)
"""Time stamps this close to the last sample's end mean 'the next sample': FFmpeg's are off by
part of a block where Vorbis changes its block size."""

_OPTIONS: Final = {
    # Audio files only: playlists, which FFmpeg also knows by content, name other files.
    "format_whitelist": "aac,aiff,asf,caf,flac,matroska,mov,mp3,ogg,w64,wav",
    "protocol_whitelist": "file",
}


class AvReader:
    """FFmpeg: walks the packets, which is cheap, and decodes only those that ranges need.

    Neither the header's length nor a seek is trusted: ``frames`` is counted from packets, as
    far as ``longest_s`` and one packet more.
    """

    def __init__(self, path: Path, longest_s: float = math.inf) -> None:
        self._path = path
        end = 0
        with _av_open(path) as container:
            stream = _audio_stream(container)
            self.rate_hz: int = stream.rate
            check_layout(self.rate_hz, stream.channels)
            self._unit_s = Fraction(stream.time_base or 1)
            self._first = max(stream.start_time or 0, 0)
            last = self._first + longest_s / float(self._unit_s)
            for packet in _packets(container, stream):
                if packet.pts is not None:
                    end = max(end, packet.pts + (packet.duration or 0))
                    if end > last:
                        break
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
            if found == 0 or found < span.frames - self.rate_hz // 10:
                raise AudioError(
                    f"only {found} of {span.frames} frames from {span.start} can be decoded"
                )
        return outs

    def _decode(self, ranges: Sequence[Range]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """First frame and mono samples of each decoded piece that a range may need."""
        import av  # noqa: PLC0415 - see _av_open

        wanted = [self._time_stamps(span) for span in ranges]
        jitter = int(_JITTER_S * self.rate_hz)
        resampler = av.AudioResampler(format="fltp")
        end: int | None = None  # of what was decoded last; None where a gap leaves it unknown
        with _av_open(self._path) as container:
            for packet in _packets(container, _audio_stream(container)):
                if packet.pts is None:
                    continue
                # Integers: ten hours are a million packets, and fractions cost 10 µs each.
                stop = packet.pts + (packet.duration or 0)
                if not any(first <= stop and packet.pts <= last for first, last in wanted):
                    end = None
                    continue
                try:
                    pieces = [p for frame in packet.decode() for p in resampler.resample(frame)]
                except MemoryError:
                    raise
                except av.error.FFmpegError:
                    end = None
                    continue  # one damaged packet: a gap, which ``read`` counts
                except ValueError as error:
                    at = self._frame_number(packet.pts)
                    raise AudioError(f"changes its format at frame {at}: {error}") from error
                for piece in pieces:
                    if piece.sample_rate != self.rate_hz:
                        raise AudioError(
                            f"decodes to {piece.sample_rate} Hz, its header says {self.rate_hz}"
                        )
                    at = self._frame_number(packet.pts if piece.pts is None else piece.pts)
                    if end is not None and (piece.pts is None or abs(at - end) < jitter):
                        at = end
                    samples = piece.to_ndarray().astype(np.float32, copy=False).mean(axis=0)
                    end = at + len(samples)
                    yield at, samples

    def _time_stamps(self, span: Range) -> tuple[int, int]:
        """Of the first and last packets that a range needs, in the stream's own unit."""
        start_s = Fraction(span.start, self.rate_hz) - _PREROLL_S
        end_s = Fraction(span.start + span.frames, self.rate_hz)
        first, last = (self._first + at_s / self._unit_s for at_s in (start_s, end_s))
        return math.floor(first) - 1, math.ceil(last) + 1

    def _frame_number(self, pts: int) -> int:
        return round((pts - self._first) * self._unit_s * self.rate_hz)


def _av_open(path: Path) -> av.container.InputContainer:
    import av  # noqa: PLC0415 - 60 MB of libraries that most folders never need

    try:
        # "file:", or a song named "data:x.mp3" would be taken for an address.
        return av.open(f"file:{path}", "r", options=_OPTIONS, metadata_errors="replace")
    except MemoryError:
        raise
    except av.error.FFmpegError as error:
        raise AudioError(f"FFmpeg: {error.strerror}") from error


def _packets(
    container: av.container.InputContainer, stream: av.AudioStream
) -> Iterator[av.Packet[av.AudioStream]]:
    """The stream's packets. Raises AudioError where the container is damaged."""
    import av  # noqa: PLC0415 - see _av_open

    try:
        yield from container.demux(stream)
    except MemoryError:
        raise
    except av.error.FFmpegError as error:
        raise AudioError(f"FFmpeg cannot read on: {error.strerror}") from error


def _audio_stream(container: av.container.InputContainer) -> av.AudioStream:
    if not container.streams.audio:
        raise AudioError("holds no audio stream")
    return container.streams.audio[0]
