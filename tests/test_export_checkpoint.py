"""Every form in which a checkpoint comes, and what must not be taken for one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import ClapModel

from embed.errors import ModelError
from export.checkpoint import load_checkpoint
from export.reference import embeddings
from tests.checkpoints import SMALL_AUDIO, write_random_clap
from tests.fake_hub import COMMIT, fake_hub

INDEX = "audio_model.audio_encoder.layers.0.blocks.0.attention.self.relative_position_index"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_clap(tmp_path_factory.mktemp("small") / "clap", audio=SMALL_AUDIO)


@pytest.fixture(scope="module")
def whole(small: Path) -> ClapModel:
    return ClapModel.from_pretrained(small)


@pytest.fixture
def copy(small: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small, tmp_path / "copy"))


def audio_weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value for name, value in model.state_dict().items() if name.startswith("audio")}


def as_bin(model: ClapModel, to: Path) -> None:
    model.save_pretrained(to, safe_serialization=False)


def as_shards(model: ClapModel, to: Path) -> None:
    model.save_pretrained(to, max_shard_size="10MB")


def as_bin_shards(model: ClapModel, to: Path) -> None:
    model.save_pretrained(to, max_shard_size="10MB", safe_serialization=False)


def as_an_old_version_did(model: ClapModel, to: Path) -> None:
    """No counters, a text buffer that is gone now, an index left out, fields that are gone."""
    model.save_pretrained(to)
    (to / "model.safetensors").unlink()
    weights = model.state_dict() | {"text_model.embeddings.position_ids": torch.arange(514)[None]}
    kept = {k: v for k, v in weights.items() if not k.endswith("num_batches_tracked")}
    del kept[INDEX]
    torch.save(kept, to / "pytorch_model.bin")
    config = json.loads((to / "config.json").read_text())
    config |= {"torch_dtype": "float32", "transformers_version": "4.27.0.dev0", "top_k": 50}
    config["audio_config"] |= {"fusion_num_hidden_layers": 2, "select_audio": None, "top_k": 50}
    (to / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize("save", [as_bin, as_shards, as_bin_shards, as_an_old_version_did])
def test_any_form_gives_the_same_weights(
    whole: ClapModel, small: Path, tmp_path: Path, save: Callable[[ClapModel, Path], None]
) -> None:
    save(whole, tmp_path / "clap")
    shutil.copy(small / "preprocessor_config.json", tmp_path / "clap")
    found = load_checkpoint(str(tmp_path / "clap")).model.state_dict()
    expected = audio_weights(whole)
    assert found.keys() == expected.keys()
    assert [name for name in found if not torch.equal(found[name], expected[name])] == []


def test_half_precision_is_read_as_float32(small: Path, tmp_path: Path) -> None:
    ClapModel.from_pretrained(small).half().save_pretrained(tmp_path / "clap")
    shutil.copy(small / "preprocessor_config.json", tmp_path / "clap")
    assert load_checkpoint(str(tmp_path / "clap")).model.dtype == torch.float32


def test_checkpoint_of_the_hub_works_again_without_it(small: Path, tmp_path: Path) -> None:
    code = "from export.hub import download; print(*download('laion/clap', None))"
    with fake_hub("laion/clap", small) as (address, asked):
        hub = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path), "HF_HUB_DISABLE_XET": "1"}
        hub |= {"no_proxy": "127.0.0.1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        folder, commit = run(code, hub).split()
    assert commit == COMMIT
    assert set(asked) == {path.name for path in Path(folder).iterdir()}
    # The hub out of reach, and a hub that must not be tried.
    for environment in (hub, hub | {"HF_HUB_OFFLINE": "1"}):
        assert run(code, environment).split() == [folder, COMMIT]


def run(code: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def lfs_pointer(folder: Path) -> None:
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    (folder / "model.safetensors").write_text(text)


def cut_bin(folder: Path) -> None:
    no_weights(folder)
    (folder / "pytorch_model.bin").write_bytes(b"PK\x03\x04 and then nothing")


class Malice:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("executed"),)


def code_in_a_pickle(folder: Path) -> None:
    no_weights(folder)
    torch.save({"weights": Malice()}, folder / "pytorch_model.bin")


def deeper_weights(folder: Path) -> None:
    change_audio(folder, depths=[2, 2, 1])


def deeper_config(folder: Path) -> None:
    change_audio(folder, depths=[2, 2, 3])


def wider_config(folder: Path) -> None:
    change_audio(folder, patch_embeds_hidden_size=96, hidden_size=384)


def other_mel(folder: Path) -> None:
    change_audio(folder, num_mel_bins=128)


def not_json(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def nonsense(folder: Path) -> None:
    change_audio(folder, num_attention_heads="many")


def change_audio(folder: Path, **fields: object) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["audio_config"] |= fields
    path.write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (no_weights, "holds no weights"),
        (lfs_pointer, "is a Git LFS pointer"),
        (cut_bin, "cannot be loaded"),
        (code_in_a_pickle, "cannot be loaded"),
        (deeper_weights, "holds unknown audio_model.audio_encoder.layers.2.blocks.1"),
        (deeper_config, "lacks audio_model.audio_encoder.layers.2.blocks.2"),
        (wider_config, "cannot be loaded"),
        (other_mel, "takes 128 mel bands, preprocessor_config.json makes 64"),
        (not_json, "config.json is not JSON"),
        (nonsense, "cannot be loaded"),
    ],
)
def test_what_is_spoilt_is_refused_in_one_line(
    copy: Path, spoil: Callable[[Path], None], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copy)
    spoil(copy)
    with pytest.raises(ModelError) as caught:
        load_checkpoint(str(copy))
    text = str(caught.value)
    assert text.startswith(f"{copy}: ")
    assert expected in text
    assert "\n" not in text
    assert not Path("executed").exists()


def test_sizes_that_do_not_fit_are_refused(copy: Path) -> None:
    change_audio(copy, window_size=12)  # its weights' shapes are others, too
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_checkpoint(str(copy))
    folder = copy.parent / "other"
    # 256 / 64 = 4 mel folds onto 2 tokens of the last stage: transformers divides by zero.
    sizes: dict[str, Any] = SMALL_AUDIO | {"patch_size": 32, "patch_stride": [32, 32]}
    checkpoint = load_checkpoint(str(write_random_clap(folder, audio=sizes, audio_only=True)))
    with pytest.raises(ModelError, match="PyTorch cannot run it"):
        embeddings(checkpoint, torch.zeros(1, 1001, 64).numpy())
