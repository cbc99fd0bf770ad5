"""int8: what it may cost, which layers it hurts, and that a loss is never silent."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
from click.testing import CliRunner, Result

from embed.bundle import open_bundle
from export.__main__ import main
from export.checkpoint import Checkpoint, load_checkpoint
from export.convert import TRACED, convert, requantize
from export.quantize import layer_weights
from export.reference import Reference, reference
from export.sensitivity import by_harm
from export.smooth import smoothed_tower
from export.verify import verify
from tests.checkpoints import SMALL_AUDIO, write_random_clap

pytestmark = pytest.mark.filterwarnings("ignore")  # torch's own while tracing

PLANTED = "tower.steps.2.down.weight"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small") / "clap"
    return write_random_clap(folder, audio=SMALL_AUDIO, audio_only=True)


@pytest.fixture(scope="module")
def checkpoint(small: Path) -> Checkpoint:
    return load_checkpoint(str(small))


@pytest.fixture(scope="module")
def truth(checkpoint: Checkpoint) -> Reference:
    return reference(checkpoint)


@pytest.fixture(scope="module")
def hurt(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a few units of one layer's hidden activation made 300 times louder, which
    no smoothing reaches: they are made behind a Gelu."""
    model = load_checkpoint(str(small)).model
    block = model.audio_model.audio_encoder.layers[0].blocks[1]
    with torch.no_grad():
        block.intermediate.dense.weight[:2] *= 300
        block.intermediate.dense.bias[:2] *= 300
        block.output.dense.weight[:, :2] /= 300
    folder = tmp_path_factory.mktemp("hurt") / "clap"
    model.save_pretrained(folder)
    name = "preprocessor_config.json"
    (folder / name).write_bytes((small / name).read_bytes())
    return folder


def export(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_int8_keeps_to_its_limits_and_is_small(
    checkpoint: Checkpoint, truth: Reference, tmp_path: Path
) -> None:
    model = convert(checkpoint, "int8", tmp_path)
    found = verify(model, "int8", truth)
    assert found.shortfalls() == []
    assert 0.999 < found.mean_cosine < 1 - 1e-7  # else nothing was rounded
    assert found.thread_error == 0
    assert model.stat().st_size < 0.6 * (tmp_path / TRACED).stat().st_size


def test_every_layer_is_int8_but_those_kept(checkpoint: Checkpoint, tmp_path: Path) -> None:
    every = layer_weights(tmp_path / TRACED) if convert(checkpoint, "int8", tmp_path) else []
    assert len(every) == 6 * 6 + 2  # six products in each of six blocks, two merges
    kept = requantize(tmp_path, every[:3])
    weights = {value.name: value.data_type for value in onnx.load(kept).graph.initializer}
    assert [weights[name] for name in every[:3]] == [onnx.TensorProto.FLOAT] * 3
    whole = {name for name, kind in weights.items() if kind == onnx.TensorProto.FLOAT}
    assert not whole & set(every[3:])
    assert {"tower.front.patch.weight", "tower.hidden.weight", "tower.embedding.weight"} <= whole


def test_the_layer_that_hurts_is_found(hurt: Path, truth: Reference) -> None:
    loaded = load_checkpoint(str(hurt))
    tower = smoothed_tower(loaded.model, loaded.front_end)
    assert by_harm(tower, truth.log_mels)[0] == PLANTED


def test_layers_that_hurt_stay_fp32(hurt: Path, tmp_path: Path) -> None:
    result = export("--model", hurt, "--to", tmp_path / "b", "--precision", "int8")
    assert result.exit_code == 0, result.output
    assert "int8 misses its limits" in result.output
    model = open_bundle(tmp_path / "b").manifest.model
    assert model is not None
    assert model.precision == "int8"
    assert PLANTED in model.verification["fp32_layers"]
    assert len(model.verification["fp32_layers"]) == 4
    assert model.verification["accepted_loss"] == []
    assert model.verification["mean_cosine"] >= 0.999


def test_loss_is_refused_or_accepted_aloud(
    hurt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from export import gate

    monkeypatch.setattr(gate, "KEPT", ())  # as if no layer's return to fp32 could help
    command = ("--model", hurt, "--to", tmp_path / "b", "--precision", "int8")
    refused = export(*command)
    assert refused.exit_code == 2
    last = refused.output.strip().splitlines()[-1]
    assert last.startswith("error: clap as int8 is not written: mean cosine 0.9")
    assert "< 0.999" in last
    assert last.endswith("fp32 would pass")
    assert not (tmp_path / "b").exists()

    assert export(*command, "--accept-loss").exit_code == 0
    model = open_bundle(tmp_path / "b").manifest.model
    assert model is not None
    assert model.verification["accepted_loss"][0].startswith("mean cosine 0.9")
