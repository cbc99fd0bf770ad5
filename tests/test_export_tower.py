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
from transformers import ClapAudioModelWithProjection
from transformers.models.clap.modeling_clap import ClapAudioPatchMerging, window_partition

from embed.spec import FrontEnd
from export import layout
from export.checkpoint import Checkpoint
from export.convert import convert
from export.smooth import smoothed_tower
from export.tower import Tower, misfit
from tests.checkpoints import SMALL_AUDIO, random_tower

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


def checkpoint(frames: int = FRAMES, **audio: object) -> Checkpoint:
    front_end = FrontEnd(window_samples=(frames - 1) * 480)
    return Checkpoint("random", "clap", None, front_end, {}, random_tower(audio=TINY | audio))


def expected(model: ClapAudioModelWithProjection, inputs: torch.Tensor) -> np.ndarray:
    with torch.inference_mode():
        return normalize(model(inputs).audio_embeds, dim=-1).numpy()


def log_mels(count: int, frames: int = FRAMES) -> torch.Tensor:
    """Not audio, but no two alike, and in the range of a log-mel."""
    generator = torch.Generator().manual_seed(5)
    offsets = torch.empty(count, 1, 1, 64).uniform_(-60, 0, generator=generator)
    return offsets + 15 * torch.randn(count, 1, frames, 64, generator=generator)


@pytest.mark.parametrize(
    ("audio", "hidden_bytes"),
    [
        pytest.param({}, layout.HIDDEN_BYTES, id="as released, but narrow"),
        # Each window in a chunk of its own; a few of the same mask.
        pytest.param({}, 20_000, id="in 64 chunks"),
        pytest.param(SMALL_AUDIO, layout.HIDDEN_BYTES, id="the sample's"),
        pytest.param(SMALL_AUDIO, 200_000, id="the sample's, in chunks"),
        pytest.param({"qkv_bias": False}, layout.HIDDEN_BYTES, id="no biases"),
        pytest.param({"enable_patch_layer_norm": False}, 1 << 20, id="no norm of patches"),
        pytest.param({"hidden_act": "relu", "projection_hidden_act": "gelu"}, 1 << 20, id="acts"),
        pytest.param({"window_size": 4}, 1 << 20, id="small windows"),
        pytest.param({"window_size": 16}, 1 << 20, id="a window as large as a stage"),
        pytest.param({"patch_size": [4, 8], "patch_stride": [4, 8]}, 1 << 20, id="oblong patches"),
    ],
)
def test_tower_is_the_model(
    audio: dict[str, object], hidden_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "HIDDEN_BYTES", hidden_bytes)
    model = random_tower(audio=TINY | audio)
    inputs = log_mels(2)
    truth = expected(model, inputs)
    with torch.inference_mode():
        found = Tower(model, FRAMES).eval()(inputs).numpy()
    assert np.abs(found - truth).max() < 1e-6
    assert np.abs(truth[0] - truth[1]).max() > 0.01  # else anything would pass


def test_tower_without_a_stretch() -> None:
    model = random_tower(audio=TINY)
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


def test_smoothing_changes_no_answer_and_not_the_model() -> None:
    model = random_tower(audio=TINY)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    inputs = log_mels(2)
    with torch.inference_mode():
        found = smoothed_tower(model, FrontEnd())(inputs).numpy()
    assert np.abs(found - expected(model, inputs)).max() < 1e-6
    after = model.state_dict()
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
    frames = 481 if "spec_size" in audio else FRAMES
    loaded = checkpoint(frames, **audio)
    found = misfit(loaded.model)
    assert found is None if reason is None else reason in str(found)
    path = convert(loaded, "fp32", tmp_path)
    inputs = log_mels(3, frames)
    truth = expected(loaded.model, inputs)
    rows = ort.InferenceSession(path).run(None, {"input_features": inputs.numpy()})[0]
    assert np.abs(rows - truth).max() < 1e-5
    assert not hasattr(loaded.model, "tower")  # the patcher took its hands off


@pytest.mark.filterwarnings("ignore")
def test_graph_is_lean_and_static_but_for_batch(tmp_path: Path) -> None:
    model = onnx.load(convert(checkpoint(), "fp32", tmp_path))
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
