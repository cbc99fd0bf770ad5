"""What optimum lacks to export CLAP: the ONNX configuration and the model patcher."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Final

import torch
from optimum.exporters.onnx.base import OnnxConfig
from optimum.exporters.onnx.model_patcher import ModelPatcher
from optimum.utils import NormalizedConfig
from torch.nn.functional import normalize
from transformers import ClapAudioConfig, ClapAudioModelWithProjection

from embed.spec import FrontEnd

INPUT: Final = "input_features"
OUTPUT: Final = "embeddings"


class ClapAudioPatcher(ModelPatcher):  # type: ignore[misc]
    """Makes the tower traceable, and its output what ``ClapModel.get_audio_features`` returns."""

    def __init__(self, config: OnnxConfig, model: ClapAudioModelWithProjection, **rest: Any):
        super().__init__(config, model, **rest)
        self._blocks = [
            block for stage in model.audio_model.audio_encoder.layers for block in stage.blocks
        ]

        def forward(input_features: torch.Tensor) -> dict[str, torch.Tensor]:
            embeddings = self.orig_forward(input_features).audio_embeds
            return {OUTPUT: normalize(embeddings, dim=-1)}

        self.patched_forward = forward

    def __enter__(self) -> None:
        super().__enter__()
        for block in self._blocks:
            # Under tracing transformers would make these tensors, and their users dynamic.
            block.set_shift_and_window_size(block.input_resolution)
            block.set_shift_and_window_size = lambda _resolution: None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for block in self._blocks:
            del block.set_shift_and_window_size
        super().__exit__(kind, error, trace)


class ClapAudioOnnxConfig(OnnxConfig):  # type: ignore[misc]
    """One input, one output, only the batch dynamic."""

    NORMALIZED_CONFIG_CLASS = NormalizedConfig
    _MODEL_PATCHER = ClapAudioPatcher

    def __init__(self, config: ClapAudioConfig, front_end: FrontEnd) -> None:
        super().__init__(config, task="feature-extraction")
        self._front_end = front_end

    @property
    def inputs(self) -> dict[str, dict[int, str]]:
        return {INPUT: {0: "batch"}}

    @property
    def outputs(self) -> dict[str, dict[int, str]]:
        return {OUTPUT: {0: "batch"}}

    def generate_dummy_inputs(self, framework: str = "pt", **_shapes: int) -> dict[str, Any]:
        """What is traced: two windows, so that nothing can take the batch for a constant."""
        shape = (2, 1, self._front_end.frames, self._front_end.mel_bands)
        zeros = torch.zeros(shape)
        return {INPUT: zeros if framework == "pt" else zeros.numpy()}
