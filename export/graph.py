"""The last hand on a traced graph: opset, names, and what belongs in no file."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import onnx

from embed.errors import ModelError
from embed.spec import EMBEDDING_SIZE
from export.block import ATTENTION_DOMAIN

OPSET: Final = 23
"""The first with ``Attention``. No operator in use changed between torch's 20 and 23 but in
the types it takes (onnx's operator changelog)."""

IR_VERSION: Final = 11
"""The one that opset 23 came with."""


def finish(path: Path) -> None:
    """Rewrite the file in place as the model that is shipped, and check it.

    Raises ModelError when onnx finds fault with it.
    """
    model = onnx.load(path)
    for node in model.graph.node:
        if node.domain == ATTENTION_DOMAIN:
            node.domain = ""
        node.ClearField("doc_string")
    del model.opset_import[:]
    model.opset_import.append(onnx.helper.make_opsetid("", OPSET))
    model.ir_version = IR_VERSION
    model.producer_name, model.producer_version = "vibe-search", ""
    # Shapes of the trace, its batch among them: ONNX Runtime infers them better.
    del model.graph.value_info[:]
    width = model.graph.output[0].type.tensor_type.shape.dim[1]
    width.Clear()
    width.dim_value = EMBEDDING_SIZE
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelError(f"the converted graph is not valid ONNX: {error}") from error
    onnx.save(model, path)


def unfuse_gelu(source: Path, target: Path) -> None:
    """Write ``target``: ``source`` with biases before a Gelu as ``(1, 1, n)``.

    ONNX Runtime 1.31 fuses a flat bias and Gelu to a kernel half as fast as the two alone
    (1.6 against 0.9 ns an element). int8 needs flat ones: there they join the product before.
    """
    model = onnx.load(source)
    inputs = {node.input[0] for node in model.graph.node if node.op_type == "Gelu"}
    biases = {
        name
        for node in model.graph.node
        if node.op_type == "Add" and node.output[0] in inputs
        for name in node.input
    }
    for value in model.graph.initializer:
        if value.name in biases and len(value.dims) == 1:
            value.dims[:] = [1, 1, value.dims[0]]
    onnx.save(model, target)
