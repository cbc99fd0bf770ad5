"""What optimum lacks to export CLAP: the ONNX configuration and the model patcher."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Final

import torch
from optimum.exporters.onnx.base import OnnxConfig
from optimum.exporters.onnx.model_patcher import ModelPatcher
from optimum.utils import NormalizedConfig
from torch.nn.functional import normalize
from transformers import ClapAudioConfig, ClapAudioModelWithProjection

from embed.spec import FrontEnd
from export.smooth import smoothed_tower
from export.tower import Tower, misfit

INPUT: Final = "input_features"
OUTPUT: Final = "embeddings"


class ClapAudioPatcher(ModelPatcher):  # type: ignore[misc]
    """Puts the re-expressed tower in the model's place while it is traced.

    A model that the tower cannot express is traced as transformers wrote it. The output is
    what ``ClapModel.get_audio_features`` returns either way.
    """

    def __init__(
        self,
        config: ClapAudioOnnxConfig,
        model: ClapAudioModelWithProjection,
        model_kwargs: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(config, model, model_kwargs)
        self._blocks = [
            block for stage in model.audio_model.audio_encoder.layers for block in stage.blocks
        ]
        tower: Tower | None = None
        if config.smoothed:
            tower = smoothed_tower(model, config.front_end)
        elif not misfit(model):
            tower = Tower(model, config.front_end.frames).eval()

        def forward(input_features: torch.Tensor) -> dict[str, torch.Tensor]:
            if tower is not None:
                return {OUTPUT: tower(input_features)}
            return {OUTPUT: normalize(self.orig_forward(input_features).audio_embeds, dim=-1)}

        self._tower, self.patched_forward = tower, forward

    def __enter__(self) -> None:
        super().__enter__()
        if self._tower is not None:
            # A part of the model, so that its weights are exported under their names.
            self._model.add_module("tower", self._tower)
        for block in self._blocks:
            # Under tracing transformers would make sizes tensors, and what uses them dynamic.
            block.set_shift_and_window_size = lambda _resolution: None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for block in self._blocks:
            del block.set_shift_and_window_size
        if self._tower is not None:
            del self._model.tower
        super().__exit__(kind, error, trace)


class ClapAudioOnnxConfig(OnnxConfig):  # type: ignore[misc]
    """One input, one output, only the batch dynamic."""

    NORMALIZED_CONFIG_CLASS = NormalizedConfig
    DEFAULT_ONNX_OPSET = 20  # the newest torch's exporter knows, and the first with Gelu
    _MODEL_PATCHER = ClapAudioPatcher

    def __init__(
        self, config: ClapAudioConfig, front_end: FrontEnd, *, smoothed: bool = False
    ) -> None:
        """``smoothed``: prepared for int8 (see ``smooth``), which only the tower can be."""
        super().__init__(config, task="feature-extraction")
        self.front_end, self.smoothed = front_end, smoothed

    @property
    def inputs(self) -> dict[str, dict[int, str]]:
        """The names and dynamic axes of what goes in."""
        return {INPUT: {0: "batch"}}

    @property
    def outputs(self) -> dict[str, dict[int, str]]:
        """The names and dynamic axes of what comes out."""
        return {OUTPUT: {0: "batch"}}

    def generate_dummy_inputs(self, framework: str = "pt", **_shapes: int) -> dict[str, object]:
        """What is traced: two windows, so that nothing can take the batch for a constant."""
        zeros = torch.zeros(2, 1, self.front_end.frames, self.front_end.mel_bands)
        return {INPUT: zeros if framework == "pt" else zeros.numpy()}
