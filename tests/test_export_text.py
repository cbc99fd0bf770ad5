"""``--towers text``: what is exported agrees with transformers, or is not written."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from transformers import AutoTokenizer, ClapModel, ClapProcessor, RobertaTokenizer

from embed.manifest import TEXT_FILE, TOKENIZER_FILE
from export.checkpoint import find
from export.text.checkpoint import load_text
from export.text.texts import texts
from export.text.verify import text_reference, verify_text
from tests.checkpoints import SMALL_AUDIO, TINY_TEXT, write_random_clap, write_tokenizer
from tests.exports import VOCABULARY, encoder_of, export, refused, text_of

pytestmark = pytest.mark.filterwarnings("ignore")  # torch's and optimum's own


@pytest.fixture
def copy(clap: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clap, tmp_path / "copy"))


@pytest.fixture
def bundle(clap_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clap_bundle, tmp_path / "bundle"))


def test_manifest_says_how_well_it_agrees(clap_bundle: Path) -> None:
    text = text_of(clap_bundle)
    assert (text.max_tokens, text.precision) == (512, "fp32")
    assert text.verification["texts"] >= 100
    assert text.verification["longest_tokens"] == 512
    assert text.verification["min_cosine"] >= 0.9999
    assert text.verification["neighbour_overlap"] >= 0.99
    assert (text.verification["other_tokens"], text.verification["thread_error"]) == (0, 0)


def test_every_text_has_the_embedding_of_get_text_features(clap: Path, clap_bundle: Path) -> None:
    model, processor = ClapModel.from_pretrained(clap), ClapProcessor.from_pretrained(clap)
    encoder = encoder_of(clap_bundle)
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
def test_positions_count_from_the_padding_on(clap: Path, clap_bundle: Path, length: int) -> None:
    """Ids straight into the tower; a padding token among them moves no other."""
    model = ClapModel.from_pretrained(clap)
    ids = np.random.default_rng(length).integers(4, VOCABULARY - 100, (1, length))
    ids[0, length // 2] = 1
    with torch.inference_mode():
        truth = model.get_text_features(torch.from_numpy(ids))[0].numpy()
    session = encoder_of(clap_bundle)._session
    found = session.run(None, {"input_ids": ids})[0][0]
    assert np.abs(found - truth / np.linalg.norm(truth)).max() < 1e-5


def test_tokens_are_those_of_the_slow_tokenizer_too(clap: Path, clap_bundle: Path) -> None:
    """Another implementation, in Python; the two differ in how they strip before <mask>."""
    slow, encoder = RobertaTokenizer.from_pretrained(clap), encoder_of(clap_bundle)
    for text in texts():
        if "<mask>" not in text:
            assert encoder.tokens(text) == slow(text, truncation=True)["input_ids"], text


def test_vocabulary_and_merges_make_the_same_tokenizer(
    clap_bundle: Path, copy: Path, bundle: Path
) -> None:
    (copy / "tokenizer.json").unlink()
    assert export("--model", copy, "--to", bundle, "--towers", "text").exit_code == 0
    assert text_of(bundle) == text_of(clap_bundle)


@pytest.mark.parametrize(
    ("said", "positions", "expected"), [(77, 514, 77), (None, 514, 512), (512, 130, 128)]
)
def test_texts_are_cut_where_the_checkpoint_says(
    copy: Path, bundle: Path, said: int | None, positions: int, expected: int
) -> None:
    shape = TINY_TEXT | {"max_position_embeddings": positions}
    write_random_clap(copy, audio=SMALL_AUDIO, text=shape)
    write_tokenizer(copy, VOCABULARY, said)
    checkpoint = load_text(find(str(copy)))
    assert checkpoint.max_tokens == expected
    result = export("--model", copy, "--to", bundle, "--towers", "text")
    assert result.exit_code == 0, result.output
    tokens = encoder_of(bundle).tokens("piano " * 2_000)
    slow = AutoTokenizer.from_pretrained(copy)
    assert tokens == slow("piano " * 2_000, truncation=True, max_length=expected)["input_ids"]
    assert (len(tokens), tokens[0], tokens[-1]) == (expected, 0, 2)


def test_a_text_tower_that_disagrees_is_not_written(
    clap: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from export.text import gate

    before, judge = (bundle / "manifest.json").read_bytes(), gate.verify_text

    def harsh(*arguments: object) -> object:
        return dataclasses.replace(judge(*arguments), other_tokens=3)  # type: ignore[arg-type]

    monkeypatch.setattr(gate, "verify_text", harsh)
    result = export("--model", clap, "--to", bundle, "--towers", "text")
    refused(result, "text tower as fp32 is not written", "texts split into other tokens 3 > 0")
    assert (bundle / "manifest.json").read_bytes() == before


def test_another_tokenizer_is_noticed(clap: Path, clap_bundle: Path, tmp_path: Path) -> None:
    checkpoint = load_text(find(str(clap)))
    reference = text_reference(checkpoint, ["Slow piano", "a", "dark"] * 11)
    other = json.loads((clap_bundle / TOKENIZER_FILE).read_text())
    other["normalizer"] = {"type": "Lowercase"}
    (tmp_path / "tokenizer.json").write_text(json.dumps(other))
    found = verify_text(clap_bundle / TEXT_FILE, tmp_path / "tokenizer.json", "fp32", reference)
    assert found.other_tokens == 11
    assert any("texts split into other tokens" in missed for missed in found.shortfalls())


def test_int8_is_int8_words_included(clap: Path, bundle: Path) -> None:
    result = export("--model", clap, "--to", bundle, "--towers", "text", "--precision", "int8")
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


def test_int8_that_hurts_gets_its_layer_back(clap: Path, bundle: Path, tmp_path: Path) -> None:
    loud = ClapModel.from_pretrained(clap)
    layer = loud.text_model.encoder.layer[1]
    with torch.no_grad():
        layer.intermediate.dense.weight[:2] *= 300
        layer.intermediate.dense.bias[:2] *= 300
        layer.output.dense.weight[:, :2] /= 300
    folder = Path(shutil.copytree(clap, tmp_path / "loud"))
    loud.save_pretrained(folder)
    arguments = ("--model", folder, "--to", bundle, "--towers", "text")
    result = export(*arguments, "--precision", "int8")
    assert result.exit_code == 0, result.output
    assert "tower.steps.1.down.weight" in text_of(bundle).verification["fp32_layers"]
