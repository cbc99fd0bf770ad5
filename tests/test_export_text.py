"""``--towers text``: the text tower agrees with transformers, and joins its own audio tower."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner, Result
from transformers import AutoTokenizer, ClapModel, ClapProcessor, RobertaTokenizer

from embed.bundle import open_bundle
from embed.errors import ModelError
from embed.manifest import MODEL_FILE, TEXT_FILE, TOKENIZER_FILE, TextInfo
from embed.text import TextEncoder
from export.__main__ import main
from export.checkpoint import find, load_checkpoint
from export.text.checkpoint import load_text
from export.text.texts import texts
from export.text.verify import text_reference, verify_text
from tests.albums import write_album
from tests.checkpoints import SMALL_AUDIO, TINY_TEXT, write_random_clap, write_tokenizer
from tests.fake_hub import COMMIT, fake_hub
from tests.test_export_cli import refused, run_with_hub

pytestmark = pytest.mark.filterwarnings("ignore")  # torch's and optimum's own

SIZE = TINY_TEXT["vocab_size"]


def export(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def write_whole(folder: Path, seed: int = 0) -> Path:
    write_random_clap(folder, seed, audio=SMALL_AUDIO, text=TINY_TEXT)
    return write_tokenizer(folder, SIZE)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both towers and a tokenizer, with the files of laion/clap-htsat-unfused."""
    return write_whole(tmp_path_factory.mktemp("whole") / "clap")


@pytest.fixture(scope="module")
def both(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("both") / "bundle"
    result = export("--model", whole, "--to", to, "--towers", "audio,text")
    assert result.exit_code == 0, result.output
    return to


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "copy"))


@pytest.fixture
def bundle(both: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(both, tmp_path / "bundle"))


def text_of(root: Path) -> TextInfo:
    model = open_bundle(root).manifest.model
    assert model is not None
    assert model.text is not None
    return model.text


def encoder_of(root: Path) -> TextEncoder:
    bundle = open_bundle(root)
    return TextEncoder(bundle.file(TEXT_FILE), bundle.file(TOKENIZER_FILE))


def rewrite(path: Path, **fields: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_manifest_says_how_well_it_agrees(both: Path) -> None:
    text = text_of(both)
    assert (text.max_tokens, text.precision) == (512, "fp32")
    assert text.verification["texts"] >= 100
    assert text.verification["longest_tokens"] == 512
    assert text.verification["min_cosine"] >= 0.9999
    assert text.verification["neighbour_overlap"] >= 0.99
    assert (text.verification["other_tokens"], text.verification["thread_error"]) == (0, 0)


def test_every_text_has_the_embedding_of_get_text_features(whole: Path, both: Path) -> None:
    model, processor = ClapModel.from_pretrained(whole), ClapProcessor.from_pretrained(whole)
    encoder = encoder_of(both)
    lengths = set()
    for text in texts():
        inputs = processor(text=[text], truncation=True, return_tensors="pt")
        with torch.inference_mode():
            truth = model.get_text_features(**inputs)[0].numpy()
        assert np.abs(encoder.embed(text) - truth / np.linalg.norm(truth)).max() < 1e-5, text
        lengths.add(inputs["input_ids"].shape[1])
    assert {2, 3, 512} < lengths
    assert len(lengths) > 20


@pytest.mark.parametrize("length", [1, 2, 3, 17, 130, 511, 512])
def test_positions_count_from_the_padding_on(whole: Path, both: Path, length: int) -> None:
    """Ids straight into the tower; a padding token among them moves no other."""
    model = ClapModel.from_pretrained(whole)
    ids = np.random.default_rng(length).integers(4, SIZE - 100, (1, length))
    ids[0, length // 2] = 1
    with torch.inference_mode():
        truth = model.get_text_features(torch.from_numpy(ids))[0].numpy()
    session = encoder_of(both)._session
    found = session.run(None, {"input_ids": ids})[0][0]
    assert np.abs(found - truth / np.linalg.norm(truth)).max() < 1e-5


def test_tokens_are_those_of_the_slow_tokenizer_too(whole: Path, both: Path) -> None:
    """Another implementation, in Python; the two differ in how they strip before <mask>."""
    slow, encoder = RobertaTokenizer.from_pretrained(whole), encoder_of(both)
    for text in texts():
        if "<mask>" not in text:
            assert encoder.tokens(text) == slow(text, truncation=True)["input_ids"], text


def test_vocabulary_and_merges_make_the_same_tokenizer(
    both: Path, copy: Path, bundle: Path
) -> None:
    (copy / "tokenizer.json").unlink()
    assert export("--model", copy, "--to", bundle, "--towers", "text").exit_code == 0
    assert text_of(bundle) == text_of(both)


@pytest.mark.parametrize(
    ("said", "positions", "expected"), [(77, 514, 77), (None, 514, 512), (512, 130, 128)]
)
def test_texts_are_cut_where_the_checkpoint_says(
    copy: Path, bundle: Path, said: int | None, positions: int, expected: int
) -> None:
    shape = TINY_TEXT | {"max_position_embeddings": positions}
    write_random_clap(copy, audio=SMALL_AUDIO, text=shape)
    write_tokenizer(copy, SIZE, said)
    checkpoint = load_text(find(str(copy)))
    assert checkpoint.max_tokens == expected
    result = export("--model", copy, "--to", bundle, "--towers", "text")
    assert result.exit_code == 0, result.output
    tokens = encoder_of(bundle).tokens("piano " * 2_000)
    slow = AutoTokenizer.from_pretrained(copy)
    assert tokens == slow("piano " * 2_000, truncation=True, max_length=expected)["input_ids"]
    assert (len(tokens), tokens[0], tokens[-1]) == (expected, 0, 2)


def test_text_joins_songs_of_its_audio_tower(whole: Path, tmp_path: Path) -> None:
    from embed.pipeline import Options, embed_folder

    root = tmp_path / "bundle"
    assert export("--model", whole, "--to", root).exit_code == 0
    embed_folder(write_album(tmp_path / "music"), root, Options(windows=1), tell=lambda _: None)
    before = open_bundle(root).manifest
    audio = (root / MODEL_FILE).stat().st_mtime_ns
    result = export("--model", whole, "--to", root, "--towers", "text")
    assert result.exit_code == 0, result.output
    after = open_bundle(root).manifest
    assert (after.songs, after.spec) == (before.songs, before.spec)
    assert (root / MODEL_FILE).stat().st_mtime_ns == audio
    assert after.model == dataclasses.replace(before.model, text=text_of(root))  # type: ignore[type-var]
    # The audio tower again: the same bytes, so songs and words stay.
    assert export("--model", whole, "--to", root).exit_code == 0
    assert open_bundle(root).manifest == after


def test_words_go_with_the_model_to_other_bundles(both: Path, tmp_path: Path) -> None:
    from embed.pipeline import Options, embed_folder

    music, to = write_album(tmp_path / "music"), tmp_path / "to"
    embed_folder(music, to, Options(str(both), windows=1), tell=lambda _: None)
    assert text_of(to) == text_of(both)
    assert open_bundle(to).file(TOKENIZER_FILE).read_bytes() == (both / TOKENIZER_FILE).read_bytes()
    # A model of the same audio tower without words takes none away.
    bare = tmp_path / "bare"
    model = open_bundle(both).manifest.model
    assert model is not None
    from embed.writer import BundleWriter

    with BundleWriter(bare) as writer:
        shutil.copyfile(both / MODEL_FILE, writer.stage(MODEL_FILE))
        writer.commit(model=dataclasses.replace(model, text=None))
    (music / "new.wav").write_bytes(next(music.glob("*.wav")).read_bytes()[:-4])
    embed_folder(music, to, Options(str(bare), windows=1), tell=lambda _: None)
    assert text_of(to) == text_of(both)


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
    other = write_whole(tmp_path / "other", seed=1)
    before = (bundle / "manifest.json").read_bytes()
    result = export("--model", other, "--to", bundle, "--towers", "text")
    refused(result, str(bundle), "is clap", "is of other", "cosine", "not of one checkpoint")
    assert (bundle / "manifest.json").read_bytes() == before


def test_another_audio_tower_takes_its_words_along(bundle: Path, tmp_path: Path) -> None:
    other = write_whole(tmp_path / "other", seed=1)
    assert export("--model", other, "--to", bundle).exit_code == 0
    manifest = open_bundle(bundle).manifest
    assert manifest.model is not None
    assert manifest.model.text is None
    assert set(manifest.files) == {MODEL_FILE}


def test_words_alone_need_a_bundle_to_join(whole: Path, tmp_path: Path) -> None:
    result = export("--model", whole, "--to", tmp_path / "none", "--towers", "text")
    refused(result, str(tmp_path / "none"), "--towers audio,text")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("towers", ["", "words", "audio,words", "audio text"])
def test_unknown_towers_are_wrong_use(whole: Path, tmp_path: Path, towers: str) -> None:
    result = export("--model", whole, "--to", tmp_path / "b", "--towers", towers)
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


def test_a_text_tower_that_disagrees_is_not_written(
    whole: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from export.text import gate

    before, judge = (bundle / "manifest.json").read_bytes(), gate.verify_text

    def harsh(*arguments: object) -> object:
        return dataclasses.replace(judge(*arguments), other_tokens=3)  # type: ignore[arg-type]

    monkeypatch.setattr(gate, "verify_text", harsh)
    result = export("--model", whole, "--to", bundle, "--towers", "text")
    refused(result, "text tower as fp32 is not written", "texts split into other tokens 3 > 0")
    assert (bundle / "manifest.json").read_bytes() == before


def test_another_tokenizer_is_noticed(whole: Path, both: Path, tmp_path: Path) -> None:
    checkpoint = load_text(find(str(whole)))
    reference = text_reference(checkpoint, ["Slow piano", "a", "dark"] * 11)
    other = json.loads((both / TOKENIZER_FILE).read_text())
    other["normalizer"] = {"type": "Lowercase"}
    (tmp_path / "tokenizer.json").write_text(json.dumps(other))
    found = verify_text(both / TEXT_FILE, tmp_path / "tokenizer.json", "fp32", reference)
    assert found.other_tokens == 11
    assert any("texts split into other tokens" in missed for missed in found.shortfalls())


def test_int8_is_int8_words_included(whole: Path, bundle: Path) -> None:
    result = export("--model", whole, "--to", bundle, "--towers", "text", "--precision", "int8")
    assert result.exit_code == 0, result.output
    text = text_of(bundle)
    assert text.precision == "int8"
    assert 0.999 < text.verification["mean_cosine"] < 1 - 1e-7  # else nothing was rounded
    kinds = {
        value.name: value.data_type for value in onnx.load(bundle / TEXT_FILE).graph.initializer
    }
    assert kinds["tower.front.words"] == onnx.TensorProto.INT8
    matrices = [kind for name, kind in kinds.items() if name.endswith("weight_quantized")]
    # The gate takes back what this tower, on this processor, cannot bear: a few at most.
    spared = len(text.verification.get("fp32_layers", ()))
    assert matrices == [onnx.TensorProto.INT8] * (6 * TINY_TEXT["num_hidden_layers"] - spared)
    assert len(matrices) > spared


def test_int8_that_hurts_gets_its_layer_back(whole: Path, bundle: Path, tmp_path: Path) -> None:
    loud = ClapModel.from_pretrained(whole)
    layer = loud.text_model.encoder.layer[1]
    with torch.no_grad():
        layer.intermediate.dense.weight[:2] *= 300
        layer.intermediate.dense.bias[:2] *= 300
        layer.output.dense.weight[:, :2] /= 300
    folder = Path(shutil.copytree(whole, tmp_path / "loud"))
    loud.save_pretrained(folder)
    arguments = ("--model", folder, "--to", bundle, "--towers", "text")
    result = export(*arguments, "--precision", "int8")
    assert result.exit_code == 0, result.output
    assert "tower.steps.1.down.weight" in text_of(bundle).verification["fp32_layers"]


def test_a_text_tower_that_cannot_be_expressed(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    config["text_config"]["position_embedding_type"] = "relative_key"
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError):
        load_text(find(str(copy)))


def test_the_hub_is_asked_for_the_tokenizer_when_words_are(whole: Path, tmp_path: Path) -> None:
    repository = "laion/clap-htsat-unfused"
    hub = Path(shutil.copytree(whole, tmp_path / "hub"))
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
