"""The sample: a small model of our own and songs to try it on. It is not CLAP.

Nothing heavy is imported here; the generator lives in the modules beside this one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

MODEL_ID: Final = "sample"
"""What manifests, ``/health`` and the page call this model; it never pretends to be CLAP."""

MODEL_PATH: Final = Path(__file__).parent / "audio.onnx"
"""The encoder: log-mel ``(B, 1, 1001, 64)`` → embeddings ``(B, 512)``."""

TEXT_PATH: Final = Path(__file__).parent / "text.onnx"
TOKENIZER_PATH: Final = Path(__file__).parent / "tokenizer.json"
"""The text tower, and what cuts texts into its tokens."""

TEXT_INFO_PATH: Final = Path(__file__).parent / "text.json"
"""What a manifest says of it, but for the files' digests."""

PREPROCESSOR_PATH: Final = Path(__file__).parent / "preprocessor_config.json"
"""The front end, in the format of a CLAP checkpoint's file of that name."""
