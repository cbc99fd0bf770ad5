"""The library, and ``python -m embed``. ``__version__`` is the whole project's: pyproject.toml
reads it here, since the image holds no installed package to ask."""

import os

__version__ = "0.1.0"

# ONNX Runtime's wheels report to Microsoft, and keep an identifier, unless this is set before
# they are loaded (onnxruntime/Privacy.md; the switch in its API comes after a first event).
# Here, as all that loads it imports this first. Who wants that may set it to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
