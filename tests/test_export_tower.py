"""The re-expressed tower is transformers' tower, and what is exported is it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch.nn.functional import interpolate, normalize
from transformers import ClapAudioConfig, ClapAudioModelWithProjection
from transformers.models.clap.modeling_clap import ClapAudioPatchMerging, window_partition

from export import layout
from export.checkpoint import Checkpoint, load_checkpoint
from export.convert import convert
from export.smooth import smoothed_tower
from export.tower import Tower, misfit
from tests.checkpoints import SMALL_AUDIO, write_random_clap

FRAMES = 1001
TINY: dict[str, Any] = {
    "patch_size": 4,
    "patch_stride": [4, 4],
    "patch_embeds_hidden_size": 16,
    "hidden_size": 64,
    "depths": [2, 3, 2],
    "num_attention_heads": [2, 4, 4],
    "num_hidden_layers": 3,
}
"""Full-size grids, 64 × 64 and down, at a sixth of the channels."""


def checkpoint(folder: Path, **audio: object) -> Checkpoint:
    return load_checkpoint(str(write_random_clap(folder, audio=TINY | audio, audio_only=True)))


def expected(model: ClapAudioModelWithProjection, inputs: torch.Tensor) -> np.ndarray:
    with torch.inference_mode():
        return normalize(model(inputs).audio_embeds, dim=-1).numpy()


def log_mels(count: int, frames: int = FRAMES) -> torch.Tensor:
    """Not audio, but no two alike, and in the range of a log-mel."""
    generator = torch.Generator().manual_seed(5)
    offsets = torch.empty(count, 1, 1, 64).uniform_(-60, 0, generator=generator)
    return offsets + 15 * torch.randn(count, 1, frames, 64, generator=generator)


@pytest.mark.parametrize(
    "audio",
    [
        pytest.param({}, id="as released, but narrow"),
        pytest.param(SMALL_AUDIO, id="the sample's"),
        pytest.param({"qkv_bias": False}, id="no biases"),
        pytest.param({"enable_patch_layer_norm": False}, id="no norm of patches"),
        pytest.param({"hidden_act": "relu", "projection_hidden_act": "gelu"}, id="activations"),
        pytest.param({"window_size": 4}, id="small windows"),
        pytest.param({"window_size": 16}, id="a window as large as a stage"),
        pytest.param({"patch_size": [4, 8], "patch_stride": [4, 8]}, id="patches not square"),
    ],
)
@pytest.mark.parametrize("hidden_bytes", [20_000, layout.HIDDEN_BYTES])
def test_tower_is_the_model(
    tmp_path: Path, audio: dict[str, object], hidden_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Small chunks: every window is alone in its chunk, or with others of its mask.
    monkeypatch.setattr(layout, "HIDDEN_BYTES", hidden_bytes)
    model = checkpoint(tmp_path / "clap", **audio).model
    inputs = log_mels(3)
    truth = expected(model, inputs)
    with torch.inference_mode():
        found = Tower(model, FRAMES).eval()(inputs).numpy()
    assert np.abs(found - truth).max() < 1e-6
    assert np.abs(truth[0] - truth[1]).max() > 0.01  # else anything would pass


def test_tower_without_a_stretch(tmp_path: Path) -> None:
    model = checkpoint(tmp_path / "clap").model
    inputs = log_mels(2, frames=1024)
    with torch.inference_mode():
        found = Tower(model, 1024).eval()(inputs).numpy()
    assert np.abs(found - expected(model, inputs)).max() < 1e-6


@pytest.mark.parametrize("shift", [0, 4])
def test_partition_is_roll_and_window_partition(shift: int) -> None:
    grid = torch.arange(16 * 24).view(1, 16, 24, 1)
    windows = window_partition(grid.roll((-shift, -shift), (1, 2)), 8)
    assert torch.equal(layout.partition(16, 24, 8, shift), windows.reshape(-1, 64))


def test_merged_is_the_order_of_patch_merging() -> None:
    merging = ClapAudioPatchMerging((4, 6), dim=1)
    merging.norm = merging.reduction = torch.nn.Identity()
    numbers = merging(torch.arange(24.0).view(1, 24, 1), (4, 6))
    assert torch.equal(layout.merged(4, 6), numbers[0].long())


@pytest.mark.parametrize(("frames", "wanted"), [(1001, 1024), (500, 1024), (1024, 1024), (7, 12)])
def test_stretch_is_the_bicubic_one(frames: int, wanted: int) -> None:
    signal = torch.randn(1, 1, frames, 3, generator=torch.Generator().manual_seed(1))
    seen, weights = layout.stretch(frames, wanted)
    found = (weights @ signal[0, 0][seen]).reshape(wanted, 3)
    truth = interpolate(signal, (wanted, 3), mode="bicubic", align_corners=True)[0, 0]
    assert torch.allclose(found, truth, atol=2e-6)


def test_chunks_hold_each_window_once_and_one_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "HIDDEN_BYTES", 64 * 4 * 10)  # ten windows
    windows = layout.partition(64, 64, 8, 4)
    kinds = torch.arange(64).view(8, 8)
    # As the shift's masks fall: the last row, the last column, and their corner are special.
    mask = ((kinds % 8 == 7).int() + 2 * (kinds >= 56).int()).view(64, 1, 1).expand(64, 64, 64)
    found = layout.chunks(windows, mask, token_bytes=4)
    assert sorted(w for chunk in found for w in chunk.windows) == list(range(64))
    assert Counter(len(chunk.windows) for chunk in found) == {10: 4, 9: 1, 7: 2, 1: 1}
    assert all(len({int(mask[w, 0, 0]) for w in chunk.windows}) == 1 for chunk in found)


def test_smoothing_changes_no_answer_and_not_the_model(tmp_path: Path) -> None:
    loaded = checkpoint(tmp_path / "clap")
    before = {name: value.clone() for name, value in loaded.model.state_dict().items()}
    inputs = log_mels(2)
    truth = expected(loaded.model, inputs)
    with torch.inference_mode():
        found = smoothed_tower(loaded.model, loaded.front_end)(inputs).numpy()
    assert np.abs(found - truth).max() < 1e-6
    after = loaded.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in after)


@pytest.mark.parametrize(
    ("audio", "reason"),
    [
        ({"patch_size": 8}, "overlapping"),
        ({"window_size": 6}, "windows of 6"),
        ({"spec_size": 192, "num_mel_bins": 64, "window_size": 12}, None),
    ],
)
@pytest.mark.filterwarnings("ignore")  # torch's own while tracing
def test_any_architecture_is_exported(
    tmp_path: Path, audio: dict[str, object], reason: str | None
) -> None:
    frames = 480 if "spec_size" in audio else FRAMES
    model = ClapAudioModelWithProjection(ClapAudioConfig(**(TINY | audio))).eval()
    found = misfit(model)
    assert found is None if reason is None else reason in str(found)
    loaded = checkpoint(tmp_path / "clap", **audio)
    shorter = type(loaded.front_end)(window_samples=(frames - 1) * 480)
    loaded = Checkpoint(loaded.id, None, shorter, loaded.preprocessor, loaded.model)
    path = convert(loaded, "fp32", tmp_path)
    inputs = log_mels(3, frames)
    truth = expected(loaded.model, inputs)
    rows = ort.InferenceSession(path).run(None, {"input_features": inputs.numpy()})[0]
    assert np.abs(rows - truth).max() < 1e-5
    assert not hasattr(loaded.model, "tower")  # the patcher took its hands off


def test_graph_is_lean_and_static_but_for_batch(tmp_path: Path) -> None:
    model = onnx.load(convert(checkpoint(tmp_path / "clap"), "fp32", tmp_path))
    onnx.checker.check_model(model, full_check=True)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 23)]
    used = {node.op_type for node in model.graph.node}
    assert used <= {
        *("Add", "Attention", "Clip", "Concat", "Constant", "Div", "Gather", "Gelu", "Identity"),
        *("LayerNormalization", "MatMul", "Mul", "ReduceL2", "ReduceMean", "Relu", "Reshape"),
    }
    shapes = [
        [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    ]
    assert shapes == [["batch", 1, FRAMES, 64], ["batch", 512]]
    text = model.SerializeToString()
    assert not [word for word in (b"/home", b"/tmp", b"/work", b".py") if word in text]
