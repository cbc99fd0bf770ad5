"""A text tower small enough for every test: the mean of its words' vectors, drawn once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from embed.bundle import sha256_file
from embed.manifest import TextInfo

WORDS = ("<unk>", "slow", "fast", "dark", "piano", "drums", "strings", "sad", "loud", "a")
MAX_TOKENS = 8
_OPSET, _IR_VERSION = 18, 9


def write_tiny_text(model: Path, tokenizer: Path, seed: int = 0, scale: float = 1.0) -> TextInfo:
    """Write both files; ``scale`` 0 for a tower that answers nothing, NaN for none."""
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "input_ids"], ["words"]),
            helper.make_node("ReduceMean", ["words", "axes"], ["embeddings"], keepdims=0),
        ],
        "tiny text",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, "tokens"])],
        [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, [1, 512])],
        [
            numpy_helper.from_array(_table(seed) * np.float32(scale), "table"),
            numpy_helper.from_array(np.array([1]), "axes"),
        ],
    )
    built = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION
    )
    model.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(built, model)
    cut = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    cut.normalizer = normalizers.Lowercase()
    cut.pre_tokenizer = pre_tokenizers.Whitespace()
    cut.enable_truncation(MAX_TOKENS)
    tokenizer.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.write_text(cut.to_str(), encoding="utf-8")
    return TextInfo(sha256_file(model), sha256_file(tokenizer), MAX_TOKENS)


def tiny_text_embedding(text: str, seed: int = 0) -> np.ndarray:
    """What the tower answers, computed in NumPy."""
    words = text.lower().split()[:MAX_TOKENS]
    rows = _table(seed)[[WORDS.index(word) if word in WORDS else 0 for word in words]]
    row = rows.mean(axis=0, dtype=np.float64)
    return row / np.linalg.norm(row)


def _table(seed: int) -> np.ndarray:
    shape = (len(WORDS), 512)
    return np.random.default_rng([seed, 1]).standard_normal(shape).astype(np.float32)
