"""What can go wrong, as one tree.

    VibeError
    ├── AudioError     a song cannot be decoded, or decodes to nothing usable
    ├── ModelError     a model cannot be read, converted, verified or run
    ├── BundleError    a bundle is absent, torn, of another format, or of another spec
    ├── StoreError     a store cannot be reached, or refuses
    ├── EngineError    the vector engine cannot be reached, or lacks what is asked of it
    │   └── UnfitEngineError    … and that will not change by waiting
    ├── StarvedError   the machine gave too little CPU time; the same again may do
    └── SearchError    a query cannot be answered (bad top_k, opposite songs, …)
        └── NoSuchSongError    no song has a name like the one asked for

Every message names the place, the value found, and what was expected, in one line:
``song.mp3: no audio frames (0 samples)``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

_SHOWN_VALUE: Final = 80
"""Characters of a bad value that an error repeats."""


class VibeError(Exception):
    """Root of every error this project raises on purpose; its text is one line for people."""


class AudioError(VibeError):
    """A song cannot be decoded, or decodes to nothing that can be embedded."""


class ModelError(VibeError):
    """A model cannot be read, converted, verified or run."""


class BundleError(VibeError):
    """A bundle is absent, torn, of another format, or of another spec."""


class StoreError(VibeError):
    """A store cannot be reached, or refuses what was asked of it."""


class EngineError(VibeError):
    """The vector engine cannot be reached, or lacks what is asked of it; worth trying again in
    ``retry_after_s`` seconds."""

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class UnfitEngineError(EngineError):
    """Waiting helps nothing: the engine holds another version, or its client is not installed."""


class StarvedError(VibeError):
    """The machine gave too little CPU time, whatever was asked; worth trying again in
    ``retry_after_s`` seconds."""

    def __init__(self, message: str, retry_after_s: int = 10) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class SearchError(VibeError):
    """A query cannot be answered."""


class NoSuchSongError(SearchError):
    """No song has a name like the one asked for; ``suggestions`` are the closest names."""

    def __init__(self, message: str, suggestions: Sequence[str]) -> None:
        super().__init__(message)
        self.suggestions = list(suggestions)


def shown(value: object) -> str:
    """A value as an error repeats it: a text in quotes, else JSON; cut to 80 characters."""
    try:
        text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except (ValueError, TypeError):
        # Python refuses to print a whole number of more than 4,300 digits.
        return f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN_VALUE else text[: _SHOWN_VALUE - 1] + "…"
