"""An encoder small enough for every test: fixed, fast, and each sound has its own embedding."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from embed.bundle import sha256_file
from embed.manifest import MODEL_FILE, ModelInfo
from embed.writer import BundleWriter

SHAPE = (1001, 64)
_OPSET, _IR_VERSION = 17, 9


def write_tiny_model(path: Path, seed: int = 0, scale: float = 1.0) -> Path:
    """log-mel ``(B, 1, 1001, 64)`` → ``(B, 512)``: band means through a random projection.

    ``scale`` multiplies what comes out: 0 for a model that answers nothing, NaN for one that
    answers none.
    """
    rng = np.random.default_rng(seed)
    weights = {
        "projection": rng.standard_normal((64, 512)) / 100 * scale,
        "bias": rng.standard_normal(512) * scale,
    }
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["input_features"], ["bands"], axes=[1, 2], keepdims=0),
            helper.make_node("MatMul", ["bands", "projection"], ["product"]),
            helper.make_node("Add", ["product", "bias"], ["embeddings"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("input_features", TensorProto.FLOAT, ["batch", 1, *SHAPE])],
        [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["batch", 512])],
        [numpy_helper.from_array(w.astype(np.float32), name) for name, w in weights.items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


def tiny_model() -> bytes:
    """The same as bytes, for bundles written by hand."""
    with TemporaryDirectory() as folder:
        return write_tiny_model(Path(folder) / "tiny.onnx").read_bytes()


def tiny_embedding(log_mel: np.ndarray, seed: int = 0) -> np.ndarray:
    """What the model answers, computed in NumPy."""
    rng = np.random.default_rng(seed)
    projection, bias = rng.standard_normal((64, 512)) / 100, rng.standard_normal(512)
    row = log_mel.mean(axis=0, dtype=np.float64) @ projection + bias
    return row / np.linalg.norm(row)


def write_model_bundle(root: Path, seed: int = 0) -> ModelInfo:
    """A bundle with the tiny model and no songs, as ``python -m export`` leaves one."""
    with BundleWriter(root) as writer:
        path = write_tiny_model(writer.stage(MODEL_FILE), seed)
        info = ModelInfo(id="tiny", sha256=sha256_file(path))
        writer.commit(model=info)
    return info
