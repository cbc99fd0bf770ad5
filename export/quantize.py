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
    model = onnx.load(target)
    _unshare(model.graph)
    onnx.save(model, target)


def _unshare(graph: onnx.GraphProto) -> None:
    """Give each product weights of its own, though chunks of one block use the same.

    x86 without VNNI adds int8's products in pairs, in 16 bits, and saturates. ONNX Runtime
    can turn weights to uint8 against that (``session.x64quantprecision``), but 1.31 fails
    to load a model in which two products share some. It keeps a packed copy for each anyway;
    the file grows by a tenth.
    """
    stored = {value.name: value for value in graph.initializer}
    taken: set[str] = set()
    for node in graph.node:
        if node.op_type != "MatMulInteger":
            continue
        for place, name in enumerate(node.input):
            if name in taken:
                own = onnx.TensorProto()
                own.CopyFrom(stored[name])
                own.name = f"{name}.{node.name}"
                graph.initializer.append(own)
                node.input[place] = own.name
            elif name in stored:
                taken.add(name)


def layer_weights(source: Path) -> list[str]:
    """Names of the weights that may become int8, in the order in which they are used."""
    names = [node.input[1] for node in onnx.load(source).graph.node if node.op_type == "MatMul"]
    return list(dict.fromkeys(name for name in names if name.startswith(LAYER_WEIGHTS)))
