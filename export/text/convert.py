"""A checkpoint's text tower → one ONNX file, and its tokenizer → one ``tokenizer.json``."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from optimum.exporters.onnx import export
from optimum.exporters.onnx.base import OnnxConfig
from optimum.exporters.onnx.model_patcher import ModelPatcher
from optimum.utils import NormalizedConfig
from transformers import ClapTextModelWithProjection

from export.convert import TRACED, Precision
from export.graph import finish, unfuse_gelu
from export.quantize import quantize
from export.text.checkpoint import TextCheckpoint
from export.text.tower import TextTower

INPUT: Final = "input_ids"
OUTPUT: Final = "embeddings"
TOKENIZER: Final = "tokenizer.json"
_TABLE: Final = "tower.front.words"


class ClapTextPatcher(ModelPatcher):  # type: ignore[misc]
    """Puts the re-expressed tower in the model's place while it is traced."""

    def __init__(
        self,
        config: ClapTextOnnxConfig,
        model: ClapTextModelWithProjection,
        model_kwargs: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(config, model, model_kwargs)
        self._tower = tower = TextTower(model).eval()

        def forward(input_ids: torch.Tensor) -> dict[str, torch.Tensor]:
            return {OUTPUT: tower(input_ids)}

        self.patched_forward = forward

    def __enter__(self) -> None:
        super().__enter__()
        # A part of the model, so that its weights are exported under their names.
        self._model.add_module("tower", self._tower)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        del self._model.tower
        super().__exit__(kind, error, trace)


class ClapTextOnnxConfig(OnnxConfig):  # type: ignore[misc]
    """One text of any length in, one embedding out."""

    NORMALIZED_CONFIG_CLASS = NormalizedConfig
    DEFAULT_ONNX_OPSET = 20  # the newest torch's exporter knows, and the first with Gelu
    _MODEL_PATCHER = ClapTextPatcher

    @property
    def inputs(self) -> dict[str, dict[int, str]]:
        """The names and dynamic axes of what goes in."""
        return {INPUT: {1: "tokens"}}

    @property
    def outputs(self) -> dict[str, dict[int, str]]:
        """The names and dynamic axes of what comes out: none."""
        return {OUTPUT: {}}

    def generate_dummy_inputs(self, framework: str = "pt", **_shapes: int) -> dict[str, object]:
        """What is traced: begin, a few tokens, end."""
        ids = torch.tensor([[0, 5, 6, 7, 8, 9, 2]])
        return {INPUT: ids if framework == "pt" else ids.numpy()}


def convert_text(checkpoint: TextCheckpoint, precision: Precision, folder: Path) -> Path:
    """Write ``folder/<precision>.onnx`` and ``folder/tokenizer.json``; the model's path.

    One input, ``input_ids`` int64 ``(1, tokens)``, and one output, ``embeddings`` float32
    ``(1, 512)`` of unit length. The same checkpoint gives the same bytes. Beside an int8 model
    lies ``traced.onnx``, what ``requantize_text`` starts from. Raises ModelError when the graph
    is not valid, OSError when a file cannot be written.
    """
    traced = folder / TRACED
    config = ClapTextOnnxConfig(checkpoint.model.config, task="feature-extraction")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as for the audio tower
        export(checkpoint.model, config, traced, disable_dynamic_axes_fix=True)
    finish(traced)
    write_tokenizer(checkpoint, folder / TOKENIZER)
    if precision == "int8":
        return requantize_text(folder)
    unfuse_gelu(traced, folder / "fp32.onnx")
    return folder / "fp32.onnx"


def requantize_text(folder: Path, keep: Collection[str] = ()) -> Path:
    """Write ``int8.onnx`` anew from ``convert_text``'s trace, the layers of ``keep`` in fp32."""
    target = folder / "int8.onnx"
    quantize(folder / TRACED, target, keep)
    _shrink_table(target)
    return target


def write_tokenizer(checkpoint: TextCheckpoint, path: Path) -> None:
    """The tokenizer as one file that ``tokenizers`` reads: it cuts texts, and pads none."""
    backend = checkpoint.tokenizer.backend_tokenizer
    backend.no_padding()
    backend.enable_truncation(checkpoint.max_tokens)
    path.write_text(backend.to_str(pretty=False), encoding="utf-8")


def _shrink_table(path: Path) -> None:
    """Store the words' vectors in int8 steps of each vector's own size.

    RoBERTa's 50,265 are 154 of the text tower's 500 MB, and of each text a few are read.
    """
    model = onnx.load(path)
    graph = model.graph
    table = next(value for value in graph.initializer if value.name == _TABLE)
    reader = next(node for node in graph.node if _TABLE in node.input)
    rows = numpy_helper.to_array(table)
    steps = np.maximum(np.abs(rows).max(axis=1, keepdims=True), np.finfo(np.float32).tiny) / 127
    small = np.round(rows / steps).astype(np.int8)
    graph.initializer.remove(table)
    graph.initializer.extend(
        [
            numpy_helper.from_array(small, _TABLE),
            numpy_helper.from_array(steps.astype(np.float32), f"{_TABLE}.steps"),
        ]
    )
    (found,) = reader.output
    reader.output[0] = f"{_TABLE}.small"
    ids = reader.input[1]
    nodes = [
        helper.make_node(
            "Cast", [f"{_TABLE}.small"], [f"{_TABLE}.float"], to=onnx.TensorProto.FLOAT
        ),
        helper.make_node("Gather", [f"{_TABLE}.steps", ids], [f"{_TABLE}.step"]),
        helper.make_node("Mul", [f"{_TABLE}.float", f"{_TABLE}.step"], [found]),
    ]
    place = list(graph.node).index(reader) + 1
    for node in reversed(nodes):
        graph.node.insert(place, node)
    onnx.save(model, path)
