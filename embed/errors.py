"""What can go wrong, as one tree.

    VibeError
    ├── AudioError     a song cannot be decoded, or decodes to nothing usable
    ├── ModelError     a model cannot be read, converted, verified or run
    ├── BundleError    a bundle is absent, torn, of another format, or of another spec
    ├── StoreError     a store cannot be reached, or refuses
    └── SearchError    a query cannot be answered (no such song, bad top_k, …)

Every message names the place, the value found, and what was expected, in one line:
``song.mp3: no audio frames (0 samples)``.
"""


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


class SearchError(VibeError):
    """A query cannot be answered."""
