"""The numbers that decide an embedding, each with its source, and their digest.

Two embeddings are comparable only when their specs are equal, so a spec travels with
every catalogue and its digest with every song.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from embed.errors import BundleError, ModelError

EMBEDDING_SIZE: Final = 512
"""Width of CLAP's joint space (``ClapConfig.projection_dim`` of every released checkpoint)."""

DEFAULT_WINDOWS: Final = 5
"""Windows per song; docs/performance.md holds the stability table behind the choice."""

MAX_WINDOWS: Final = 64
"""Past this, windows of an ordinary song overlap several times over and add only cost."""

Padding = Literal["repeatpad", "repeat", "pad"]
Windows = Literal["middle"] | int


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """How samples become a log-mel; the fields of CLAP's ``preprocessor_config.json``.

    The defaults are those of laion/clap-htsat-unfused. ``mel_scale`` is always Slaney's:
    ``ClapFeatureExtractor`` uses it for every truncation mode but ``fusion``, which is
    refused.
    """

    sample_rate_hz: int = 48_000
    fft_samples: int = 1024
    hop_samples: int = 480
    mel_bands: int = 64
    frequency_min_hz: float = 50.0
    frequency_max_hz: float = 14_000.0
    window_samples: int = 480_000
    padding: Padding = "repeatpad"

    def __post_init__(self) -> None:
        for name in (
            "sample_rate_hz",
            "fft_samples",
            "hop_samples",
            "mel_bands",
            "window_samples",
        ):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
                raise ModelError(f"front end: {name} is {value!r}, expected a whole number above 0")
        nyquist_hz = self.sample_rate_hz / 2
        if not 0 <= self.frequency_min_hz < self.frequency_max_hz <= nyquist_hz:
            raise ModelError(
                f"front end: mel range {self.frequency_min_hz}–{self.frequency_max_hz} Hz, "
                f"expected 0 ≤ low < high ≤ {nyquist_hz:g} Hz"
            )
        if self.window_samples < self.fft_samples:
            raise ModelError(
                f"front end: window of {self.window_samples} samples is shorter than its "
                f"transform of {self.fft_samples}"
            )
        if self.padding not in get_args(Padding):
            raise ModelError(
                f"front end: padding {self.padding!r}, expected one of {get_args(Padding)}"
            )

    @property
    def frames(self) -> int:
        """Log-mel frames of one window; centred frames, hence the one more (1001)."""
        return self.window_samples // self.hop_samples + 1

    @property
    def window_s(self) -> float:
        """Length of one window in seconds."""
        return self.window_samples / self.sample_rate_hz

    @classmethod
    def from_preprocessor(cls, config: Mapping[str, Any], place: str) -> FrontEnd:
        """The front end that a checkpoint's ``preprocessor_config.json`` asks for.

        ``place`` names the file in errors. Raises ModelError on a fusion checkpoint, a
        missing field, or a number that makes no sense.
        """
        truncation = config.get("truncation", "rand_trunc")
        if truncation == "fusion":
            raise ModelError(
                f"{place}: truncation is 'fusion'; fusion checkpoints are not supported, "
                "use an unfused one such as laion/clap-htsat-unfused"
            )
        fields = {
            "sample_rate_hz": "sampling_rate",
            "fft_samples": "fft_window_size",
            "hop_samples": "hop_length",
            "mel_bands": "feature_size",
            "frequency_min_hz": "frequency_min",
            "frequency_max_hz": "frequency_max",
            "padding": "padding",
        }
        missing = [theirs for theirs in fields.values() if theirs not in config]
        if missing:
            raise ModelError(f"{place}: missing {', '.join(missing)}")
        values = {ours: config[theirs] for ours, theirs in fields.items()}
        for name in ("frequency_min_hz", "frequency_max_hz"):
            if isinstance(values[name], bool) or not isinstance(values[name], int | float):
                raise ModelError(f"{place}: {fields[name]} is {values[name]!r}, expected a number")
            values[name] = float(values[name])
        # Older files carry only max_length_s; ClapFeatureExtractor derives the samples from it.
        samples = config.get("nb_max_samples")
        if samples is None:
            length_s = config.get("max_length_s")
            if isinstance(length_s, bool) or not isinstance(length_s, int | float):
                raise ModelError(f"{place}: missing max_length_s (and nb_max_samples)")
            samples = int(length_s * values["sample_rate_hz"])
        try:
            return cls(window_samples=samples, **values)
        except ModelError as error:
            raise ModelError(f"{place}: {error}") from error


@dataclass(frozen=True, slots=True)
class Spec:
    """Everything that decides an embedding.

    ``model_sha256`` is the digest of the encoder's ONNX file, or, for an imported
    catalogue, of the embeddings that were imported (``front_end`` is None then: how they
    were made is not known, so nothing can be added to them).
    """

    model_sha256: str
    front_end: FrontEnd | None = FrontEnd()
    windows: Windows = DEFAULT_WINDOWS
    pooling: str = "mean of unit embeddings"
    resampler: str = "soxr HQ"

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the spec's canonical JSON."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """The spec as plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any], place: str) -> Spec:
        """The inverse of ``to_json``. Raises BundleError that names ``place``."""
        try:
            fields = dict(value)
            if fields.get("front_end") is not None:
                fields["front_end"] = FrontEnd(**fields["front_end"])
            return cls(**fields)
        except (TypeError, ValueError, ModelError) as error:
            raise BundleError(f"{place}: the spec cannot be read: {error}") from error


def parse_windows(text: str) -> Windows:
    """``middle`` or a count as a spec holds it; one window *is* the middle one.

    Raises ValueError that names the text.
    """
    if text == "middle":
        return "middle"
    if not text.isdecimal() or not 1 <= int(text) <= MAX_WINDOWS:
        raise ValueError(f"{text!r}: expected 'middle' or a number from 1 to {MAX_WINDOWS}")
    count = int(text)
    return "middle" if count == 1 else count
