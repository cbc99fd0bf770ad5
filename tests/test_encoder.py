"""The ONNX session: what it answers, what it refuses to load."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from embed.encoder import Encoder
from embed.errors import ModelError
from embed.spec import FrontEnd
from tests.processes import ENVIRONMENT, python
from tests.tiny_model import tiny_embedding, write_tiny_model


def _log_mel(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-100, 0, (1001, 64)).astype(np.float32)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "audio.onnx")


@pytest.mark.parametrize("threads", [1, 2])
def test_an_embedding_is_the_models_answer_made_unit(model, threads):
    row = Encoder(model, FrontEnd(), threads).embed(_log_mel())
    assert (row.shape, row.dtype) == ((512,), np.float32)
    assert float(np.linalg.norm(row)) == pytest.approx(1, abs=1e-6)
    assert float(row @ tiny_embedding(_log_mel())) >= 0.999999


def test_threads_do_not_meet(model):
    encoder = Encoder(model, FrontEnd())
    alone = [encoder.embed(_log_mel(seed)) for seed in range(20)]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda seed: encoder.embed(_log_mel(seed)), range(20)))
    assert np.array_equal(alone, together)


@pytest.mark.parametrize(("scale", "length"), [(0.0, "0.0"), (np.nan, "nan"), (np.inf, "nan")])
def test_an_answer_without_direction_is_refused(tmp_path, scale, length):
    encoder = Encoder(write_tiny_model(tmp_path / "m.onnx", scale=scale), FrontEnd())
    with pytest.raises(ModelError, match=f"embedding of length {length}$"):
        encoder.embed(_log_mel())


def test_a_log_mel_that_is_not_finite_is_refused(model):
    log_mel = _log_mel()
    log_mel[500, 3] = np.inf
    with pytest.raises(ModelError, match="embedding of length"):
        Encoder(model, FrontEnd()).embed(log_mel)


@pytest.mark.parametrize(
    "content", [b"", b"not a model", b"\x08\x09" * 50, None], ids=["empty", "text", "bytes", "cut"]
)
def test_a_file_that_is_no_model_is_refused_by_name(tmp_path, model, content):
    path = tmp_path / "audio.onnx"
    path.write_bytes(model.read_bytes()[:-1000] if content is None else content)
    with pytest.raises(ModelError) as caught:
        Encoder(path, FrontEnd())
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["absent", "folder"])
def test_what_is_no_file_is_refused_by_name(tmp_path, kind):
    path = tmp_path / "audio.onnx"
    if kind == "folder":
        path.mkdir()
    with pytest.raises(ModelError, match=r"audio\.onnx: ONNX Runtime cannot load it: "):
        Encoder(path, FrontEnd())


@pytest.mark.parametrize(
    ("names", "shapes"),
    [
        (("audio", "embeddings"), ([1, 1001, 64], [512])),
        (("input_features", "pooled"), ([1, 1001, 64], [512])),
        (("input_features", "embeddings"), ([1, 1001, 64], [256])),
        (("input_features", "embeddings"), ([1, 64, 1001], [512])),
        (("input_features", "embeddings"), ([4, 1001, 64], [512])),
    ],
)
def test_a_model_of_another_shape_is_refused_with_both_shapes(tmp_path, names, shapes):
    sound, answer = names
    graph = helper.make_graph(
        [helper.make_node("RandomNormal", [], [answer], shape=[1, *shapes[1]])],
        "other",
        [helper.make_tensor_value_info(sound, TensorProto.FLOAT, ["batch", *shapes[0]])],
        [helper.make_tensor_value_info(answer, TensorProto.FLOAT, ["batch", *shapes[1]])],
    )
    path = tmp_path / "other.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path
    )
    with pytest.raises(ModelError) as caught:
        Encoder(path, FrontEnd())
    for part in (sound, str(shapes[0]), answer, str(shapes[1]), "expected input_features [1, 1001"):
        assert part in str(caught.value)


def test_a_front_end_that_the_model_was_not_made_for_is_refused(model):
    with pytest.raises(ModelError, match=r"expected input_features \[1, 2001, 64\]"):
        Encoder(model, FrontEnd(hop_samples=240))


def test_denormals_are_zeros_from_the_first_session_on() -> None:
    # ONNX Runtime asks only a process' first session; without it a window takes twice as long.
    code = (
        "import numpy as np; from embed.encoder import Encoder; from embed.model import "
        "sample_model as s; Encoder(s().path, s().info.front_end); "
        "print((np.full(8, 1e-40, np.float32) * np.float32(1)).max())"
    )
    done = python("-c", code)
    assert done.stdout.strip() == "0.0", done.stderr


WATCH = """
import os, sys
from importlib.abc import MetaPathFinder

class Watch(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "onnxruntime":
            print("loaded with", os.environ.get("ORT_DISABLE_TELEMETRY"), flush=True)

os.environ.pop("ORT_DISABLE_TELEMETRY", None)
sys.meta_path.insert(0, Watch())
__import__(sys.argv[1])
"""


@pytest.mark.parametrize("module", ["embed.encoder", "export.quantize", "export.verify"])
def test_onnx_runtime_is_told_to_report_to_nobody(module: str) -> None:
    """These are all that load it (test_imports); what they import first decides."""
    done = python("-c", WATCH, module)
    assert done.stdout == "loaded with 1\n", done.stderr


def test_no_identifier_of_the_machine_or_the_session_is_kept(model: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from embed.encoder import Encoder; "
        "from embed.spec import FrontEnd; Encoder(Path(sys.argv[1]), FrontEnd())"
    )
    places = {"TMPDIR": str(tmp_path), "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code, model],
        env=ENVIRONMENT | places,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
