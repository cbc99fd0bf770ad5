"""A checkpoint's audio tower → one ONNX file."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Final, Literal

from optimum.exporters.onnx import export

from embed.errors import ModelError
from export.checkpoint import Checkpoint
from export.clap import ClapAudioOnnxConfig
from export.graph import finish, unfuse_gelu
from export.quantize import quantize
from export.tower import misfit

Precision = Literal["fp32", "int8"]

TRACED: Final = "traced.onnx"


def convert(checkpoint: Checkpoint, precision: Precision, folder: Path) -> Path:
    """Write ``folder/<precision>.onnx`` and return its path.

    One input, ``input_features`` float32 ``(batch, 1, frames, mel_bands)``, and one output,
    ``embeddings`` float32 ``(batch, 512)`` with rows of unit length. The same checkpoint gives
    the same bytes. Beside an int8 model lies ``traced.onnx``, what ``requantize`` starts from.

    Raises ModelError when the graph is not valid or int8 cannot be made of this architecture,
    OSError when the file cannot be written.
    """
    if precision == "int8" and (reason := misfit(checkpoint.model)):
        raise ModelError(f"{checkpoint.id}: int8 is not made of {reason}; fp32 is")
    traced = folder / TRACED
    config = ClapAudioOnnxConfig(
        checkpoint.model.config, checkpoint.front_end, smoothed=precision == "int8"
    )
    with warnings.catch_warnings():
        # torch: this exporter is the old one (the new one cannot trace CLAP); constants.
        warnings.simplefilter("ignore")
        export(checkpoint.model, config, traced, disable_dynamic_axes_fix=True)
    finish(traced)
    if precision == "int8":
        return requantize(folder)
    unfuse_gelu(traced, folder / "fp32.onnx")
    return folder / "fp32.onnx"


def requantize(folder: Path, keep: Collection[str] = ()) -> Path:
    """Write ``int8.onnx`` anew from ``convert``'s trace, the layers of ``keep`` in fp32."""
    quantize(folder / TRACED, folder / "int8.onnx", keep)
    return folder / "int8.onnx"
