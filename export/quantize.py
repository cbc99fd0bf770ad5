"""A finished graph → the same with int8 matrix products.

Dynamic: an activation is scaled by the extremes it has in this call, so nothing needs to be
calibrated and nothing saturates. Weights are scaled per output channel. ONNX Runtime fuses what
is written here, in ONNX's own operators, to its int8 kernels when it loads the model.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic

LAYER_WEIGHTS: Final = "tower.steps."
"""Initialisers of the matrices in the blocks and between stages: 99 % of the arithmetic. What
comes before and after is as cheap in fp32, and nearer to the input and the answer."""


def quantize(source: Path, target: Path, keep: Collection[str] = ()) -> None:
    """Write ``target``: ``source`` with the layers' products in int8, but for those of ``keep``.

    ``keep`` are names of weights, as ``layer_weights`` lists them.
    """
    wanted = set(layer_weights(source)) - set(keep)
    model = onnx.load(source)
    others = [
        node.name
        for node in model.graph.node
        if node.op_type in ("MatMul", "Gemm") and node.input[1] not in wanted
    ]
    quantize_dynamic(
        source,
        target,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=others,
        extra_options={"MatMulConstBOnly": True},
    )


def layer_weights(source: Path) -> list[str]:
    """Names of the weights that may become int8, in the order in which they are used."""
    names = [node.input[1] for node in onnx.load(source).graph.node if node.op_type == "MatMul"]
    return list(dict.fromkeys(name for name in names if name.startswith(LAYER_WEIGHTS)))
