"""Words to a point among the songs: tokenizer and text tower, and one text less others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from embed.encoder import open_session, unit_row
from embed.errors import ModelError, SearchError
from embed.spec import EMBEDDING_SIZE

_INPUT: Final = "input_ids"
_OUTPUT: Final = "embeddings"
_LEAST: Final = 1e-3
"""Length of a difference of unit vectors below which its direction is noise."""


class TextEncoder:
    """A text tower and its tokenizer: a text → unit float32 ``(512,)``.

    One text a call, so none is padded and none depends on another. What is longer than the
    tower takes is cut, as transformers does. Safe to call from several threads, each call
    using ``threads`` cores.

    Raises ModelError when a file is none of its kind, or the tower's input and output are
    others.
    """

    def __init__(self, model: Path, tokenizer: Path, threads: int = 1) -> None:
        self._tokenizer = read_tokenizer(tokenizer)
        session = open_session(model, threads)
        inputs = [(node.name, node.type, len(node.shape)) for node in session.get_inputs()]
        outputs = [(node.name, node.shape) for node in session.get_outputs()]
        wanted = [(_INPUT, "tensor(int64)", 2)]
        if inputs != wanted or outputs != [(_OUTPUT, [1, EMBEDDING_SIZE])]:
            raise ModelError(
                f"{model}: takes {inputs} and gives {outputs}, expected {wanted} and "
                f"{_OUTPUT} [1, {EMBEDDING_SIZE}]"
            )
        self._session = session

    def tokens(self, text: str) -> list[int]:
        """What the tower is given: at least a beginning and an end."""
        # Half of a surrogate pair, which JSON may carry, is no text.
        ids: list[int] = self._tokenizer.encode(text.encode("utf-8", "replace").decode()).ids
        return ids

    def embed(self, text: str) -> NDArray[np.float32]:
        """The unit embedding ``(512,)`` of a text. Raises ModelError when not finite."""
        ids = np.array([self.tokens(text)], dtype=np.int64)
        return unit_row(self._session.run([_OUTPUT], {_INPUT: ids})[0][0])


def read_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer in a ``tokenizer.json``. Raises ModelError when it is none."""
    try:
        return Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"{path}: not a tokenizer: {reason}") from error


def without(
    wanted: NDArray[np.float32], unwanted: Sequence[NDArray[np.float32]], weight: float
) -> NDArray[np.float32]:
    """``wanted`` less ``weight`` times the mean direction of ``unwanted``, at length 1.

    All are unit float32 ``(512,)``. Raises SearchError when they cancel out.
    """
    if not unwanted:
        return wanted
    mean = np.mean(np.asarray(unwanted, np.float64), axis=0)
    length = float(np.linalg.norm(mean))
    if length < _LEAST:
        raise SearchError("minus: its texts mean opposite things, and cancel each other out")
    rest = wanted - weight * mean / length
    left = float(np.linalg.norm(rest))
    if left < _LEAST:
        raise SearchError("text, minus: mean the same, so that nothing is left to look for")
    found: NDArray[np.float32] = (rest / left).astype(np.float32)
    return found
