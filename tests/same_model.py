"""Whether two ONNX files are one model.

Weights are folded at export by matrix products, whose last bit depends on the processor and on
where in memory a matrix lies: so bytes may differ, the graph and what it computes may not.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

_CLOSE = {"rtol": 1e-5, "atol": 1e-6}


def assert_same_model(one: Path, other: Path) -> None:
    """Equal but for the last bits of float weights."""
    models = [onnx.load(path) for path in (one, other)]
    weights = [
        {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        for model in models
    ]
    assert weights[0].keys() == weights[1].keys()
    for name, mine in weights[0].items():
        theirs = weights[1][name]
        assert (mine.dtype, mine.shape) == (theirs.dtype, theirs.shape), name
        if np.issubdtype(mine.dtype, np.floating):
            np.testing.assert_allclose(mine, theirs, err_msg=name, **_CLOSE)
        else:
            np.testing.assert_array_equal(mine, theirs, err_msg=name)
    for model in models:
        del model.graph.initializer[:]
    assert models[0].SerializeToString() == models[1].SerializeToString()
