"""What PyTorch makes of windows of audio: the truth a converted model is held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize
from transformers import ClapFeatureExtractor

from embed.audio import read_windows
from embed.errors import AudioError, ModelError
from embed.mel import Samples, log_mel
from embed.scan import scan
from embed.spec import FrontEnd
from export.checkpoint import Checkpoint
from export.hub import one_line
from export.signals import synthetic_windows

Rows = NDArray[np.float32]

MIN_WINDOWS: Final = 32
MAX_SONGS: Final = 100
"""Evenly spread over the folder; PyTorch takes some 0.1 s for each of their windows."""

WINDOWS_PER_SONG: Final = 2
_FRONT_END_WINDOWS: Final = 12  # every so many-th; ClapFeatureExtractor's float64 is slow
_BATCH: Final = 4


@dataclass(frozen=True, slots=True)
class Reference:
    """Log-mels ``(N, frames, mel_bands)`` and PyTorch's embeddings of them ``(N, 512)``.

    ``songs`` counts the songs that some windows are of. ``front_end_error_db`` is the largest
    difference between our log-mels and ``ClapFeatureExtractor``'s.
    """

    front_end: FrontEnd
    log_mels: Rows
    embeddings: Rows
    songs: int
    front_end_error_db: float


def reference(checkpoint: Checkpoint, songs_folder: Path | None = None) -> Reference:
    """PyTorch on the synthetic windows and on those of the folder's songs.

    Raises ModelError when PyTorch's embeddings are not finite, AudioError when the folder
    holds no song that can be read.
    """
    front_end = checkpoint.front_end
    windows = list(synthetic_windows(front_end).values())
    songs = 0
    if songs_folder is not None:
        songs, found = song_windows(songs_folder, front_end)
        windows += found
    return compute_reference(checkpoint, windows, songs)


def compute_reference(
    checkpoint: Checkpoint, windows: Sequence[Samples], songs: int = 0
) -> Reference:
    """PyTorch on ``windows``, each float32 ``(window_samples,)``; at least 32 of them."""
    if len(windows) < MIN_WINDOWS:
        raise ModelError(f"{len(windows)} windows to verify with, expected {MIN_WINDOWS} or more")
    mels = np.stack([log_mel(window, checkpoint.front_end) for window in windows])
    rows = embeddings(checkpoint, mels)
    if not np.isfinite(rows).all():
        raise ModelError(f"{checkpoint.id}: PyTorch's embeddings are not finite")
    step = max(1, len(windows) // _FRONT_END_WINDOWS)
    error_db = _front_end_error(checkpoint, windows[::step], mels[::step])
    return Reference(checkpoint.front_end, mels, rows, songs, error_db)


def embeddings(checkpoint: Checkpoint, log_mels: Rows) -> Rows:
    """``ClapModel.get_audio_features`` of log-mels ``(N, frames, mel_bands)``: ``(N, 512)``.

    Raises ModelError when PyTorch cannot run the model.
    """
    batches = torch.from_numpy(log_mels)[:, None].split(_BATCH)
    try:
        with torch.inference_mode():
            rows = [normalize(checkpoint.model(batch).audio_embeds, dim=-1) for batch in batches]
    except (RuntimeError, ValueError) as error:
        # Sizes that load but do not fit each other, such as a window larger than its stage.
        raise ModelError(f"{checkpoint.id}: PyTorch cannot run it: {one_line(error)}") from error
    found: Rows = torch.cat(rows).numpy()
    return found


def song_windows(folder: Path, front_end: FrontEnd) -> tuple[int, list[Samples]]:
    """How many songs of ``folder`` were read, and windows of them; unreadable ones are left out.

    Raises AudioError when none can be read, OSError when the folder cannot.
    """
    files = scan(folder)
    step = -(-len(files) // MAX_SONGS)
    songs, windows = 0, []
    for file in files[::step]:
        try:
            windows += list(read_windows(file.path, front_end, WINDOWS_PER_SONG).samples)
        except (AudioError, OSError):
            continue
        songs += 1
    if not songs:
        raise AudioError(f"{folder}: none of {len(files[::step])} songs can be decoded")
    return songs, windows


def _front_end_error(checkpoint: Checkpoint, windows: Sequence[Samples], log_mels: Rows) -> float:
    """Largest difference in dB. The windows are exact: of longer ones it crops at random."""
    extractor = ClapFeatureExtractor(**checkpoint.preprocessor)
    rate_hz = checkpoint.front_end.sample_rate_hz
    theirs = extractor(list(windows), sampling_rate=rate_hz)["input_features"]
    return float(np.abs(np.stack(theirs)[:, 0] - log_mels).max())
