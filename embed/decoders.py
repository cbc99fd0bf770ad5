"""Two decoders behind one face: libsndfile, and FFmpeg for what it lacks."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
from mutagen import MutagenError
from mutagen.mp3 import MP3, BitrateMode
from numpy.typing import NDArray

from embed.errors import AudioError
from embed.ffmpeg import AvReader
from embed.reader import Range, Reader, check_layout

_XING_TOLERANCE: Final = 0.1
_XING_SLACK_BYTES: Final = 8192
"""The header's own frame, encoder padding and trailing tags, which a short song must not pay for:
a truncated one that hides in this is found by ``reaches_end``."""


@contextmanager
def open_reader(path: Path, longest_s: float = math.inf) -> Iterator[Reader]:
    """The reader for the file's content, whatever its extension says.

    Of a song that is longer than ``longest_s`` it may count no more than tells so.

    Raises AudioError when neither decoder makes sense of it.
    """
    if path.stat().st_size == 0:
        raise AudioError("empty file (0 bytes)")
    try:
        # As bytes: soundfile cannot encode a file name that is not UTF-8.
        file = soundfile.SoundFile(os.fsencode(path))
    except soundfile.LibsndfileError as error:
        yield _av_after(path, longest_s, error.error_string)
        return
    with file:
        reader = SoundFileReader(file)
        is_guess = file.format == "MP3" and _length_is_a_guess(path)
        if not is_guess and reader.reaches_end():
            yield reader
            return
    yield AvReader(path, longest_s)


class SoundFileReader:
    """libsndfile: wav, flac, ogg, opus, mp3, aiff; seeks by sample."""

    def __init__(self, file: soundfile.SoundFile) -> None:
        self._file = file
        self.rate_hz: int = file.samplerate
        self.frames: int = file.frames
        check_layout(self.rate_hz, file.channels)

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


def _av_after(path: Path, longest_s: float, refusal: str) -> AvReader:
    """FFmpeg's reader where libsndfile refused; when FFmpeg does too, both reasons."""
    try:
        return AvReader(path, longest_s)
    except AudioError as error:
        raise AudioError(f"libsndfile: {refusal.rstrip('.')}; {error}") from error


def _length_is_a_guess(path: Path) -> bool:
    """Whether no header tells this MP3's length, or its size belies the header.

    libsndfile takes such a file's length from the first frame's bit rate and decodes no
    further: a fifth of a variable-rate song.
    """
    try:
        info = MP3(path).info
    except MutagenError:
        return True
    if info.bitrate_mode == BitrateMode.UNKNOWN:
        return True
    promised = info.length * info.bitrate / 8
    present = path.stat().st_size - info.frame_offset
    return bool(abs(present - promised) > max(_XING_TOLERANCE * promised, _XING_SLACK_BYTES))
