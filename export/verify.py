"""PyTorch against ONNX, on windows of audio: what fails is not shipped."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime as ort

from embed.encoder import Encoder
from export.clap import INPUT, OUTPUT
from export.convert import Precision
from export.reference import Reference, Rows

NEIGHBOURS: Final = 10
MAX_FRONT_END_ERROR_DB: Final = 0.1
"""NumPy's float32 transform came within 0.04 dB of ClapFeatureExtractor on every signal."""

MAX_BATCH_ERROR: Final = 1e-5
"""Of one component, fp32: other matrix shapes sum in another order (seen: 1e-7)."""

_FEW: Final = 3


@dataclass(frozen=True, slots=True)
class Limits:
    """The least a model must reach, against fp32 PyTorch on the same log-mels."""

    mean_cosine: float
    min_cosine: float
    neighbour_overlap: float


LIMITS: Final[Mapping[Precision, Limits]] = {
    "fp32": Limits(mean_cosine=0.9999, min_cosine=0.9999, neighbour_overlap=0.99),
    "int8": Limits(mean_cosine=0.999, min_cosine=0.995, neighbour_overlap=0.95),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was measured of a tower, on windows of audio or on texts.

    Cosines are those between an input's two embeddings; ``neighbour_overlap`` is the mean
    share of an input's 10 nearest others that both models name; ``max_error`` the largest
    difference of one component. ``thread_error``: between 1 and 2 threads. ``fp32_layers`` are
    those of an int8 model that stayed fp32; ``accepted_loss`` are limits missed and accepted by
    the user.
    """

    precision: Precision
    mean_cosine: float
    min_cosine: float
    neighbour_overlap: float
    max_error: float
    thread_error: float
    fp32_layers: tuple[str, ...] = ()
    accepted_loss: tuple[str, ...] = ()

    @property
    def seen(self) -> str:
        """What it was measured on."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, for the manifest."""
        return dataclasses.asdict(self)

    def shortfalls(self) -> list[str]:
        """Every limit missed, with both numbers; empty when the model may be shipped."""
        limits = LIMITS[self.precision]
        least = [
            ("mean cosine", self.mean_cosine, limits.mean_cosine),
            ("minimum cosine", self.min_cosine, limits.min_cosine),
            (f"top-{NEIGHBOURS} overlap", self.neighbour_overlap, limits.neighbour_overlap),
        ]
        # `not >=` rather than `<`: a NaN must miss too.
        missed = [f"{what} {found:.5f} < {at}" for what, found, at in least if not found >= at]
        return missed + [
            f"{what} {found:.2g} > {at}" for what, found, at in self._errors() if not found <= at
        ]

    def _errors(self) -> list[tuple[str, float, float]]:
        """What else must be small: what, how much, and how much at most."""
        return [("difference between 1 and 2 threads", self.thread_error, 0.0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification(Verdict):
    """Of an audio tower. ``batch_error``: between a window alone and beside others; None for
    int8, whose scales depend on the batch, so that it only ever runs one window at a time."""

    windows: int
    songs: int
    batch_error: float | None
    front_end_error_db: float

    @property
    def seen(self) -> str:
        """What it was measured on."""
        return f"{self.windows} windows"

    def _errors(self) -> list[tuple[str, float, float]]:
        return [
            *Verdict._errors(self),  # super() knows no class that was rebuilt for its slots
            ("difference by batching", self.batch_error or 0.0, MAX_BATCH_ERROR),
            ("front end's error in dB", self.front_end_error_db, MAX_FRONT_END_ERROR_DB),
        ]


def verify(model: Path, precision: Precision, reference: Reference) -> Verification:
    """Run ``model`` as the pipeline does, one window a call, and compare with PyTorch.

    Raises ModelError when it cannot be loaded, or answers what is no embedding.
    """
    mels, truth = reference.log_mels, reference.embeddings
    found = embed_each(Encoder(model, reference.front_end, threads=1), mels)
    two_threads = embed_each(Encoder(model, reference.front_end, threads=2), mels[:_FEW])
    batch_error = None
    if precision == "fp32":
        batch_error = difference(_embed_batch(model, mels[-_FEW:]), found[-_FEW:])
    return Verification(
        precision=precision,
        windows=len(mels),
        songs=reference.songs,
        **agreement(found, truth),
        thread_error=difference(two_threads, found[:_FEW]),
        batch_error=batch_error,
        front_end_error_db=reference.front_end_error_db,
    )


def agreement(found: Rows, truth: Rows) -> dict[str, Any]:
    """How near ``found`` is to ``truth``, both ``(N, 512)``: a Verdict's fields of that."""
    cosines = np.sum(found.astype(np.float64) * truth, axis=1)
    return {
        "mean_cosine": float(cosines.mean()),
        "min_cosine": float(cosines.min()),
        "neighbour_overlap": neighbour_overlap(found, truth),
        "max_error": difference(found, truth),
    }


def neighbour_overlap(left: Rows, right: Rows, count: int = NEIGHBOURS) -> float:
    """Mean share of each row's ``count`` nearest other rows that both spaces name, 0 to 1.

    ``left`` and ``right`` are float32 ``(N, d)``, unit rows of the same N things, N > count.
    """
    shared = [
        len(set(ours) & set(theirs))
        for ours, theirs in zip(_nearest(left, count), _nearest(right, count), strict=True)
    ]
    return float(np.mean(shared)) / count


def _nearest(rows: Rows, count: int) -> list[list[int]]:
    cosines = rows.astype(np.float64) @ rows.T.astype(np.float64)
    np.fill_diagonal(cosines, -np.inf)
    nearest: list[list[int]] = np.argsort(-cosines, axis=1, kind="stable")[:, :count].tolist()
    return nearest


def embed_each(encoder: Encoder, log_mels: Rows) -> Rows:
    """``(N, frames, mel_bands)`` → ``(N, 512)``, one window a call, two calls at a time."""
    with ThreadPoolExecutor(2) as pool:
        return np.stack(list(pool.map(encoder.embed, log_mels)))


def _embed_batch(model: Path, log_mels: Rows) -> Rows:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(model, options, ["CPUExecutionProvider"])
    rows: Rows = session.run([OUTPUT], {INPUT: log_mels[:, np.newaxis]})[0]
    return rows


def difference(left: Rows, right: Rows) -> float:
    """The largest between two components."""
    return float(np.abs(left - right).max())
