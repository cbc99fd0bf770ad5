"""Words to a point among the songs: a tokenizer, and the ONNX session of a text tower."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from embed.encoder import open_session, unit_row
from embed.errors import ModelError
from embed.spec import EMBEDDING_SIZE

_INPUT: Final = "input_ids"
_OUTPUT: Final = "embeddings"


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
