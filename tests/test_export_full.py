"""A full-size CLAP, random weights: what is shipped agrees with PyTorch, always bit by bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from embed.encoder import Encoder
from export.checkpoint import Checkpoint, load_checkpoint
from export.convert import Precision, convert
from export.reference import Reference, reference
from export.verify import verify
from tests.checkpoints import spread, write_random_clap

pytestmark = pytest.mark.filterwarnings("ignore")  # torch's own while tracing


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder = tmp_path_factory.mktemp("full") / "clap"
    return load_checkpoint(str(write_random_clap(folder, audio_only=True)))


@pytest.fixture(scope="module")
def truth(checkpoint: Checkpoint) -> Reference:
    return reference(checkpoint)


@pytest.fixture(scope="module")
def models(
    checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory
) -> dict[Precision, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {precision: convert(checkpoint, precision, folder) for precision in ("fp32", "int8")}


@pytest.mark.parametrize(
    ("precision", "mean_cosine", "min_cosine", "overlap", "megabytes"),
    [("fp32", 0.9999, 0.9999, 0.99, 125), ("int8", 0.999, 0.995, 0.95, 42)],
)
def test_agrees_with_pytorch(
    models: dict[Precision, Path],
    truth: Reference,
    precision: Precision,
    mean_cosine: float,
    min_cosine: float,
    overlap: float,
    megabytes: int,
) -> None:
    assert spread(truth.embeddings) < 0.8  # else neighbours were noise
    found = verify(models[precision], precision, truth)
    assert found.shortfalls() == []
    assert found.mean_cosine >= mean_cosine
    assert found.min_cosine >= min_cosine
    assert found.neighbour_overlap >= overlap
    assert models[precision].stat().st_size < megabytes * 1e6


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_same_window_same_bits_at_any_number_of_threads(
    models: dict[Precision, Path], truth: Reference, precision: Precision
) -> None:
    windows = truth.log_mels[20:22]
    rows = [
        [Encoder(models[precision], truth.front_end, threads).embed(window) for window in windows]
        for threads in (1, 2, 3, 8)
    ]
    assert all(np.array_equal(rows[0], other) for other in rows[1:])


def test_batch_is_dynamic(models: dict[Precision, Path], truth: Reference) -> None:
    session = ort.InferenceSession(models["fp32"])
    batch = truth.log_mels[10:13, np.newaxis]
    rows = session.run(None, {"input_features": batch})[0]
    assert rows.shape == (3, 512)
    assert np.abs(rows - truth.embeddings[10:13]).max() < 1e-5
    assert np.abs(np.linalg.norm(rows, axis=1) - 1).max() < 1e-6


def test_int8_is_int8_where_the_arithmetic_is(models: dict[Precision, Path]) -> None:
    graph = onnx.load(models["int8"]).graph
    sizes = {onnx.TensorProto.INT8: 0, onnx.TensorProto.FLOAT: 0}
    for value in graph.initializer:
        if len(value.dims) == 2 and value.data_type in sizes:
            sizes[value.data_type] += int(np.prod(value.dims))
    assert sizes[onnx.TensorProto.INT8] > 26e6  # of 28.2 million parameters
    assert sizes[onnx.TensorProto.FLOAT] < 1e6
