"""``--towers text``: it joins its own audio tower, goes where that goes, and else is refused."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from embed.bundle import open_bundle
from embed.errors import ModelError
from embed.manifest import MODEL_FILE, TOKENIZER_FILE
from export.checkpoint import find, load_checkpoint
from export.text.checkpoint import load_text
from tests.albums import write_album
from tests.checkpoints import SMALL_AUDIO, TINY_TEXT, write_random_clap
from tests.exports import encoder_of, export, refused, run_with_hub, text_of, write_clap
from tests.fake_hub import COMMIT, fake_hub

pytestmark = pytest.mark.filterwarnings("ignore")  # torch's and optimum's own


@pytest.fixture
def copy(clap: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clap, tmp_path / "copy"))


@pytest.fixture
def bundle(clap_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clap_bundle, tmp_path / "bundle"))


def test_text_joins_songs_of_its_audio_tower(clap: Path, tmp_path: Path) -> None:
    from embed.pipeline import Options, embed_folder

    root = tmp_path / "bundle"
    assert export("--model", clap, "--to", root).exit_code == 0
    embed_folder(write_album(tmp_path / "music"), root, Options(windows=1), tell=lambda _: None)
    before = open_bundle(root).manifest
    audio = (root / MODEL_FILE).stat().st_mtime_ns
    result = export("--model", clap, "--to", root, "--towers", "text")
    assert result.exit_code == 0, result.output
    after = open_bundle(root).manifest
    assert (after.songs, after.spec) == (before.songs, before.spec)
    assert (root / MODEL_FILE).stat().st_mtime_ns == audio
    assert after.model == dataclasses.replace(before.model, text=text_of(root))  # type: ignore[type-var]
    # The audio tower again: the same bytes, so songs and words stay.
    assert export("--model", clap, "--to", root).exit_code == 0
    assert open_bundle(root).manifest == after


def test_words_go_with_the_model_to_other_bundles(clap_bundle: Path, tmp_path: Path) -> None:
    from embed.pipeline import Options, embed_folder

    music, to = write_album(tmp_path / "music"), tmp_path / "to"
    embed_folder(music, to, Options(str(clap_bundle), windows=1), tell=lambda _: None)
    assert text_of(to) == text_of(clap_bundle)
    tokenizer = open_bundle(to).file(TOKENIZER_FILE)
    assert tokenizer.read_bytes() == (clap_bundle / TOKENIZER_FILE).read_bytes()
    # A model of the same audio tower without words takes none away.
    bare = tmp_path / "bare"
    model = open_bundle(clap_bundle).manifest.model
    assert model is not None
    from embed.writer import BundleWriter

    with BundleWriter(bare) as writer:
        shutil.copyfile(clap_bundle / MODEL_FILE, writer.stage(MODEL_FILE))
        writer.commit(model=dataclasses.replace(model, text=None))
    (music / "new.wav").write_bytes(next(music.glob("*.wav")).read_bytes()[:-4])
    embed_folder(music, to, Options(str(bare), windows=1), tell=lambda _: None)
    assert text_of(to) == text_of(clap_bundle)


def test_words_are_pushed_and_pulled(bundle: Path, tmp_path: Path) -> None:
    from embed.store.pull import pull
    from embed.store.push import push
    from embed.store.versions import open_store

    store = open_store(tmp_path / "store")
    push(bundle, store)
    pull(store, tmp_path / "pulled")
    assert text_of(tmp_path / "pulled") == text_of(bundle)
    assert np.array_equal(
        encoder_of(tmp_path / "pulled").embed("piano"), encoder_of(bundle).embed("piano")
    )


def test_words_of_another_checkpoint_are_refused(bundle: Path, tmp_path: Path) -> None:
    other = write_clap(tmp_path / "other", seed=1)
    before = (bundle / "manifest.json").read_bytes()
    result = export("--model", other, "--to", bundle, "--towers", "text")
    refused(result, str(bundle), "is clap", "is of other", "cosine", "not of one checkpoint")
    assert (bundle / "manifest.json").read_bytes() == before


def test_another_audio_tower_takes_its_words_along(bundle: Path, tmp_path: Path) -> None:
    other = write_clap(tmp_path / "other", seed=1)
    assert export("--model", other, "--to", bundle).exit_code == 0
    manifest = open_bundle(bundle).manifest
    assert manifest.model is not None
    assert manifest.model.text is None
    assert set(manifest.files) == {MODEL_FILE}


def test_words_alone_need_a_bundle_to_join(clap: Path, tmp_path: Path) -> None:
    result = export("--model", clap, "--to", tmp_path / "none", "--towers", "text")
    refused(result, str(tmp_path / "none"), "--towers audio,text")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("towers", ["", "words", "audio,words", "audio text"])
def test_unknown_towers_are_wrong_use(clap: Path, tmp_path: Path, towers: str) -> None:
    result = export("--model", clap, "--to", tmp_path / "b", "--towers", towers)
    assert result.exit_code == 2
    assert "expected audio or text" in result.output


@pytest.mark.parametrize(
    ("gone", "expected"),
    [
        (
            ("tokenizer.json", "merges.txt"),
            "neither tokenizer.json, nor vocab.json with merges.txt",
        ),
        (("tokenizer.json", "vocab.json"), "holds no tokenizer"),
    ],
)
def test_a_checkpoint_without_tokenizer(
    copy: Path, tmp_path: Path, gone: tuple[str, ...], expected: str
) -> None:
    for name in gone:
        (copy / name).unlink()
    result = export("--model", copy, "--to", tmp_path / "b", "--towers", "audio,text")
    refused(result, str(copy), expected)


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
def test_a_damaged_tokenizer(copy: Path, tmp_path: Path, name: str) -> None:
    (copy / name).write_text("{")
    result = export("--model", copy, "--to", tmp_path / "b", "--towers", "audio,text")
    refused(result, str(copy), "the tokenizer cannot be loaded")


def test_a_tokenizer_of_another_model(copy: Path, tmp_path: Path) -> None:
    shape = TINY_TEXT | {"vocab_size": 300}
    write_random_clap(copy, audio=SMALL_AUDIO, text=shape)
    result = export("--model", copy, "--to", tmp_path / "b", "--towers", "audio,text")
    refused(result, str(copy), "tokens, the text tower 300", "not of one checkpoint")


def test_an_audio_tower_alone_has_no_words(tmp_path: Path) -> None:
    alone = write_random_clap(tmp_path / "alone", audio=SMALL_AUDIO, audio_only=True)
    result = export("--model", alone, "--to", tmp_path / "b", "--towers", "audio,text")
    refused(result, str(alone), "model_type 'clap_audio_model'", "no text tower here")


def test_missing_text_weight_is_named(copy: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    gone = "text_projection.linear1.weight"
    del weights[gone]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    result = export("--model", copy, "--to", tmp_path / "b", "--towers", "audio,text")
    refused(result, str(copy), "lacks", gone)
    assert load_checkpoint(str(copy)).id == "copy"  # the audio is whole


def test_a_text_tower_that_cannot_be_expressed(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    config["text_config"]["position_embedding_type"] = "relative_key"
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError):
        load_text(find(str(copy)))


def test_the_hub_is_asked_for_the_tokenizer_when_words_are(clap: Path, tmp_path: Path) -> None:
    repository = "laion/clap-htsat-unfused"
    hub = Path(shutil.copytree(clap, tmp_path / "hub"))
    (hub / "README.md").write_text("not needed")
    with fake_hub(repository, hub) as (address, asked):
        cache, to = tmp_path / "cache", tmp_path / "bundle"
        done = run_with_hub(address, cache, "--model", repository, "--to", to)
        assert done.returncode == 0, done.stderr
        assert set(asked) == {"config.json", "preprocessor_config.json", "model.safetensors"}
        del asked[:]
        done = run_with_hub(address, cache, "--model", repository, "--to", to, "--towers", "text")
    assert done.returncode == 0, done.stderr
    assert set(asked) == {
        *("tokenizer.json", "vocab.json", "merges.txt"),
        *("tokenizer_config.json", "special_tokens_map.json"),
    }
    model = open_bundle(to).manifest.model
    assert model is not None
    assert (model.id, model.revision) == (repository, COMMIT)
    assert text_of(to).max_tokens == 512
