"""A checkpoint's audio tower → one ONNX file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Final, Literal

from optimum.exporters.onnx import export

from export.checkpoint import Checkpoint
from export.clap import ClapAudioOnnxConfig

Precision = Literal["fp32", "int8"]

OPSET: Final = 18


def convert(checkpoint: Checkpoint, precision: Precision, folder: Path) -> Path:
    """Write ``folder/audio.onnx`` and return its path."""
    path = folder / "audio.onnx"
    config = ClapAudioOnnxConfig(checkpoint.model.config, checkpoint.front_end)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        export(checkpoint.model, config, path, opset=OPSET, disable_dynamic_axes_fix=True)
    return path
