"""``python -m export`` as it is used: what it writes, and one clear line when it does not."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from embed.bundle import open_bundle
from embed.manifest import MODEL_FILE
from tests.checkpoints import SMALL_AUDIO, write_random_clap
from tests.exports import export, refused, run_with_hub
from tests.fake_hub import COMMIT, fake_hub
from tests.same_model import assert_same_model

pytestmark = pytest.mark.filterwarnings("ignore")  # torch's and optimum's own


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole ClapModel, its audio tower as small as the sample's."""
    return write_random_clap(tmp_path_factory.mktemp("small") / "clap", audio=SMALL_AUDIO)


@pytest.fixture(scope="module")
def exported(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("exported") / "bundle"
    result = export("--model", small, "--to", to)
    assert result.exit_code == 0, result.output
    return to


@pytest.fixture
def copy(small: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small, tmp_path / "copy"))


def rewrite(path: Path, **fields: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_manifest_says_which_model_and_how_well_it_agrees(exported: Path) -> None:
    bundle = open_bundle(exported)
    model = bundle.manifest.model
    assert model is not None
    assert (model.id, model.kind, model.revision, model.precision) == ("clap", "clap", None, "fp32")
    assert bundle.file(MODEL_FILE).stat().st_size > 1_000_000
    assert model.verification["windows"] >= 32
    assert model.verification["min_cosine"] >= 0.9999
    assert model.verification["neighbour_overlap"] >= 0.99
    assert model.verification["front_end_error_db"] < 0.1


def test_front_end_is_read_and_not_assumed(copy: Path, tmp_path: Path) -> None:
    rewrite(copy / "preprocessor_config.json", frequency_min=100, frequency_max=12_000)
    result = export("--model", copy, "--to", tmp_path / "bundle")
    assert result.exit_code == 0, result.output
    model = open_bundle(tmp_path / "bundle").manifest.model
    assert model is not None
    assert (model.front_end.frequency_min_hz, model.front_end.frequency_max_hz) == (100, 12_000)


def test_audio_tower_alone_gives_the_same_model(exported: Path, tmp_path: Path) -> None:
    tower = write_random_clap(tmp_path / "clap", audio=SMALL_AUDIO, audio_only=True)
    assert export("--model", tower, "--to", tmp_path / "bundle").exit_code == 0
    assert_same_model(tmp_path / "bundle" / MODEL_FILE, exported / MODEL_FILE)


@pytest.mark.parametrize(
    ("file", "fields", "expected"),
    [
        ("preprocessor_config.json", {"truncation": "fusion"}, ("fusion", "unfused")),
        ("preprocessor_config.json", {"padding": "reflect"}, ("padding", "'reflect'")),
        ("config.json", {"model_type": "wav2vec2"}, ("model_type", "'wav2vec2'")),
        (
            "config.json",
            {"audio_config": SMALL_AUDIO | {"enable_fusion": True}},
            ("enable_fusion", "clap-htsat-unfused"),
        ),
        (
            "config.json",
            {"projection_dim": 256, "audio_config": SMALL_AUDIO | {"projection_dim": 256}},
            ("projection_dim is 256", "expected 512"),
        ),
    ],
)
def test_unfit_checkpoint_is_refused(
    copy: Path, tmp_path: Path, file: str, fields: dict[str, object], expected: tuple[str, ...]
) -> None:
    rewrite(copy / file, **fields)
    refused(export("--model", copy, "--to", tmp_path / "bundle"), str(copy), *expected)
    assert not (tmp_path / "bundle" / "manifest.json").exists()


@pytest.mark.parametrize("missing", ["config.json", "preprocessor_config.json"])
def test_directory_that_is_no_checkpoint(copy: Path, tmp_path: Path, missing: str) -> None:
    (copy / missing).unlink()
    refused(export("--model", copy, "--to", tmp_path / "bundle"), str(copy), missing)


def test_directory_that_is_not_there(tmp_path: Path) -> None:
    refused(export("--model", tmp_path / "no", "--to", tmp_path / "b"), str(tmp_path / "no"))


def test_missing_weight_is_named(copy: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    gone = "audio_projection.linear1.weight"
    del weights[gone]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    refused(export("--model", copy, "--to", tmp_path / "bundle"), str(copy), "lacks", gone)


def test_truncated_weights(copy: Path, tmp_path: Path) -> None:
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    refused(export("--model", copy, "--to", tmp_path / "bundle"), str(copy), "cannot be loaded")


def test_model_that_disagrees_is_not_written(
    small: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from export import gate

    to = Path(shutil.copytree(exported, tmp_path / "bundle"))
    before = (to / "manifest.json").read_bytes()
    judge = gate.verify

    def harsh(*arguments: object) -> object:
        return dataclasses.replace(judge(*arguments), min_cosine=0.97)

    monkeypatch.setattr(gate, "verify", harsh)
    refused(export("--model", small, "--to", to), "minimum cosine 0.97", "0.9999")
    assert (to / "manifest.json").read_bytes() == before
    assert open_bundle(to).file(MODEL_FILE).exists()


def test_full_disk_leaves_the_old_model(small: Path, tmp_path: Path) -> None:
    to = tmp_path / "full"
    to.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", to], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a small disk needs root")
    try:
        refused(export("--model", small, "--to", to / "bundle"), "No space left on device")
        left = {path.name for path in (to / "bundle").rglob("*") if path.is_file()}
        assert left <= {".lock"}
    finally:
        subprocess.run(["umount", to], check=True)


def test_hub_id_is_fetched_at_a_known_commit(small: Path, exported: Path, tmp_path: Path) -> None:
    repository = "laion/clap-htsat-unfused"
    (tmp_path / "hub").mkdir()
    for file in small.iterdir():
        shutil.copy(file, tmp_path / "hub")
    (tmp_path / "hub" / "pytorch_model.bin").write_bytes(b"the same weights again")
    (tmp_path / "hub" / "tokenizer.json").write_text("{}")
    with fake_hub(repository, tmp_path / "hub") as (address, asked):
        cache, to = tmp_path / "cache", tmp_path / "bundle"
        done = run_with_hub(address, cache, "--model", repository, "--to", to)
    assert done.returncode == 0, done.stderr
    model = open_bundle(to).manifest.model
    assert model is not None
    assert (model.id, model.revision) == (repository, COMMIT)
    assert model.sha256 == open_bundle(exported).manifest.model.sha256  # type: ignore[union-attr]
    assert set(asked) == {"config.json", "preprocessor_config.json", "model.safetensors"}


def test_hub_out_of_reach(tmp_path: Path) -> None:
    # Port 9 of loopback: nobody listens, as behind a closed network.
    done = run_with_hub(
        *("http://127.0.0.1:9", tmp_path / "cache", "--model", "laion/clap-htsat-unfused"),
        *("--to", tmp_path / "bundle"),
    )
    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == [done.stderr.strip()]
    assert "laion/clap-htsat-unfused" in done.stderr
    assert "out of reach" in done.stderr
    assert not (tmp_path / "bundle").exists()


def test_the_sample_checkpoint_never_passes_for_clap(tmp_path: Path) -> None:
    checkpoint = Path(__file__).parent.parent / "export" / "sample_checkpoint"
    assert export("--model", checkpoint, "--to", tmp_path / "bundle").exit_code == 0
    model = open_bundle(tmp_path / "bundle").manifest.model
    assert model is not None
    assert model.kind == "sample"
