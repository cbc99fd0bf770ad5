"""Clips to embeddings by the bundle's own model, which is loaded when the first one comes."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import to_thread

from embed.bundle import Bundle
from embed.cores import available_cores
from embed.index import Vectors
from embed.manifest import MODEL_FILE
from handler.errors import LackingError

if TYPE_CHECKING:
    from embed.clip import Clips


class Listener:
    """Over the ``bundle`` that is being served; a clip may last ``longest_s``."""

    def __init__(self, bundle: Bundle, longest_s: float) -> None:
        self._bundle = bundle
        self._longest_s = longest_s
        self._clips: Clips | None = None
        self._opening = threading.Lock()

    def expect_model(self) -> None:
        """Raises LackingError when there is nothing that a clip could be embedded by."""
        manifest = self._bundle.manifest
        if manifest.model is None or manifest.spec is None:
            raise LackingError(
                "the bundle holds no model (its embeddings were imported), so that a clip cannot "
                "be compared with its songs; embed them with python -m embed"
            )

    async def embedding(self, clip: Path) -> Vectors:
        """The embedding of a clip, float32 ``(512,)``, unit length.

        Raises AudioError when the clip is to blame, StarvedError when it got too little CPU
        time, BundleError or ModelError when the model cannot be used, VibeError when no worker
        can be had.
        """
        clips = self._clips
        if clips is None:
            clips = await to_thread.run_sync(self._open)
        try:
            return await asyncio.wrap_future(clips.submit(clip))
        except Exception as error:
            raise clips.failure(error) from error

    def close(self) -> None:
        """End the worker process, if there is one, whatever it does."""
        if self._clips is not None:
            self._clips.close()

    def _open(self) -> Clips:
        # Only now: ONNX Runtime and the decoders take longer to load than all else to start.
        from embed.clip import Clips, ClipWork  # noqa: PLC0415

        with self._opening:
            if self._clips is None:
                spec = self._bundle.manifest.spec
                assert spec is not None
                assert spec.front_end is not None
                work = ClipWork(
                    # Verified against the manifest that the songs were opened with: another
                    # model, put there since, would put clips into another space.
                    self._bundle.file(MODEL_FILE),
                    spec.front_end,
                    spec.windows,
                    self._longest_s,
                    threads=max(available_cores() - 1, 1),
                )
                self._clips = Clips(work)
            return self._clips
