"""Text towers: what is answered, what is refused, and one text less others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from embed.contrast import without
from embed.errors import ModelError, SearchError
from embed.text import TextEncoder
from tests.serving import unit
from tests.tiny_model import write_tiny_model
from tests.tiny_text import MAX_TOKENS, tiny_text_embedding, write_tiny_text


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("text")
    write_tiny_text(folder / "text.onnx", folder / "tokenizer.json")
    return folder / "text.onnx", folder / "tokenizer.json"


@pytest.mark.parametrize("text", ["piano", "Slow Dark PIANO", "a zither", "loud " * 50])
def test_a_text_has_the_towers_embedding(files: tuple[Path, Path], text: str) -> None:
    found = TextEncoder(*files).embed(text)
    assert (found.dtype, found.shape) == (np.float32, (512,))
    assert abs(np.linalg.norm(found) - 1) < 1e-6
    assert np.abs(found - tiny_text_embedding(text)).max() < 1e-6


def test_long_texts_are_cut(files: tuple[Path, Path]) -> None:
    encoder = TextEncoder(*files)
    assert encoder.tokens("sad " * MAX_TOKENS + "happy " * 9) == encoder.tokens("sad " * 20)


def test_half_a_surrogate_pair_is_no_crash(files: tuple[Path, Path]) -> None:
    encoder = TextEncoder(*files)
    assert encoder.tokens("a \ud800") == encoder.tokens("a ?")


def test_threads_share_an_encoder(files: tuple[Path, Path]) -> None:
    encoder = TextEncoder(*files, threads=2)
    texts = ["slow piano", "fast drums", "a", "sad strings"] * 20
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(encoder.embed, texts))
    assert all(np.array_equal(a, encoder.embed(b)) for a, b in zip(found, texts, strict=True))


def test_what_is_no_text_tower_is_named(files: tuple[Path, Path], tmp_path: Path) -> None:
    model, tokenizer = files
    audio = write_tiny_model(tmp_path / "audio.onnx")
    with pytest.raises(ModelError, match=r"audio.onnx: takes .*input_features.* expected"):
        TextEncoder(audio, tokenizer)
    with pytest.raises(ModelError, match=r"text.onnx: not a tokenizer: "):
        TextEncoder(model, model)
    with pytest.raises(ModelError, match=r"none.json: No such file"):
        TextEncoder(model, tmp_path / "none.json")
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(ModelError, match=r"list.json: not a tokenizer: "):
        TextEncoder(model, tmp_path / "list.json")


@pytest.mark.parametrize("scale", [0.0, np.nan])
def test_an_answer_without_direction_is_an_error(tmp_path: Path, scale: float) -> None:
    write_tiny_text(tmp_path / "t.onnx", tmp_path / "t.json", scale=scale)
    with pytest.raises(ModelError, match="embedding of length"):
        TextEncoder(tmp_path / "t.onnx", tmp_path / "t.json").embed("piano")


AXES = np.eye(4, 512, dtype=np.float32)


def test_a_text_less_others() -> None:
    both = unit(AXES[0] + AXES[1])
    assert np.allclose(without(both, [AXES[1]], 0.5**0.5), AXES[0], atol=1e-6)
    assert np.allclose(without(AXES[0], [AXES[1], AXES[2]], 1.0) @ AXES[:3].T, [0.7071, -0.5, -0.5],
                       atol=1e-4)  # fmt: skip
    assert np.array_equal(without(both, [], 1.0), both)
    assert np.allclose(without(both, [AXES[3]], 0.0), both, atol=1e-7)
    found = without(both, [AXES[1]], 2.0)
    assert (found.dtype, abs(np.linalg.norm(found) - 1) < 1e-6) == (np.float32, True)


def test_texts_that_cancel_out() -> None:
    with pytest.raises(SearchError, match="text, minus: mean the same"):
        without(AXES[0], [AXES[0]], 1.0)
    with pytest.raises(SearchError, match="minus: its texts mean opposite things"):
        without(AXES[0], [AXES[1], -AXES[1]], 1.0)
