"""Texts to embeddings: the encoder, loaded by the first that asks, and what it said lately."""

from __future__ import annotations

import shlex
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from embed.bundle import Bundle
from embed.manifest import TEXT_FILE, TOKENIZER_FILE, ModelInfo
from handler.errors import BusyError, LackingError
from handler.operations.metrics import EncoderMetrics
from handler.queue import WorkQueue

Vector = NDArray[np.float32]

KEPT: Final = 1_024
"""Embeddings of recent texts, 2 MB: people page, and change one option after another."""

WORKERS: Final = 2
WAITING: Final = 32
"""A text takes some 20 ms, so that the last of these waits a third of a second; the first
ones after a start wait for the model, a second or two."""


class Encodes(Protocol):
    """See ``embed.text.TextEncoder``."""

    def embed(self, text: str) -> Vector: ...


class Moods:
    """What texts mean; ``load`` makes the encoder, once, when a text is first asked for."""

    def __init__(
        self,
        load: Callable[[], Encodes],
        queue: WorkQueue | None = None,
        kept: int = KEPT,
        metrics: EncoderMetrics | None = None,
    ) -> None:
        self._load = load
        self._queue = work = queue or WorkQueue("words", WORKERS, WAITING)
        self._metrics = metrics or EncoderMetrics()
        self._metrics.queue(lambda: work.held, work.limit)
        self._kept = kept
        self._encoder: Encodes | None = None
        self._loading = threading.Lock()
        self._recent: OrderedDict[str, Vector] = OrderedDict()

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """Each text's unit embedding, float32 ``(512,)``.

        Raises BusyError when too many wait, LackingError, ModelError or BundleError when there
        is no encoder to be had.
        """
        texts = [text.strip() for text in texts]
        known = {text: self._recent[text] for text in texts if text in self._recent}
        unknown = [text for text in dict.fromkeys(texts) if text not in known]
        if unknown:
            found = await self._measured(unknown)
            known |= dict(zip(unknown, found, strict=True))
        for text in texts:  # only ever from the event loop's thread: no lock
            self._recent[text] = known[text]
            self._recent.move_to_end(text)
        while len(self._recent) > self._kept:
            self._recent.popitem(last=False)
        return [known[text] for text in texts]

    async def _measured(self, texts: Sequence[str]) -> list[Vector]:
        started = time.perf_counter()
        try:
            found = await self._queue.run(self._embed, texts)
        except BusyError:
            self._metrics.rejected()
            raise
        self._metrics.encoded(time.perf_counter() - started)
        return found

    def _embed(self, texts: Sequence[str]) -> list[Vector]:
        with self._loading:
            if self._encoder is None:
                self._encoder = self._load()
        return [self._encoder.embed(text) for text in texts]


def moods_of(bundle: Bundle, metrics: EncoderMetrics | None = None) -> Moods | LackingError:
    """The texts of a bundle's text tower; the error to answer with where it has none."""
    model = bundle.manifest.model
    if model is None or model.text is None:
        return LackingError(f"this bundle has no text tower; {_remedy(model)}")

    def load() -> Encodes:
        # Imported late: a start must not wait for ONNX Runtime, nor pay its memory.
        from embed.text import TextEncoder  # noqa: PLC0415

        return TextEncoder(bundle.file(TEXT_FILE), bundle.file(TOKENIZER_FILE))

    return Moods(load, metrics=metrics)


def _remedy(model: ModelInfo | None) -> str:
    new = "python -m export --model laion/clap-htsat-unfused --to NEW --towers audio,text"
    if model is None:
        return f"imported embeddings have none, embed the songs anew with a model of {new}"
    if model.kind == "sample":
        return "python -m embed MUSIC --to BUNDLE --model sample adds it"
    if model.revision is None:
        return "python -m export --model DIR --to BUNDLE --towers text adds it"
    revision = f" --revision {shlex.quote(model.revision)}"
    source = shlex.quote(model.id)
    return f"python -m export --model {source}{revision} --to BUNDLE --towers text adds it"
