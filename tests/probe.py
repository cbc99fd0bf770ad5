"""The tiny model by which the encoder learns how int8 is computed here.

python -m tests.probe           writes embed/int8_probe.onnx anew
"""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from tests.processes import REPOSITORY

PATH = REPOSITORY / "embed/int8_probe.onnx"


def probe() -> ModelProto:
    """uint8 (4, 64) times int8 (64, 64), all 127."""
    weights = numpy_helper.from_array(np.full((64, 64), 127, dtype=np.int8), "weights")
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["inputs", "weights"], ["outputs"])],
        "int8_probe",
        [helper.make_tensor_value_info("inputs", TensorProto.UINT8, [4, 64])],
        [helper.make_tensor_value_info("outputs", TensorProto.INT32, [4, 64])],
        [weights],
    )
    opsets = [helper.make_opsetid("", 21)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10, producer_name="")


if __name__ == "__main__":
    PATH.write_bytes(probe().SerializeToString())
