"""CLAP's towers, from a PyTorch checkpoint to ONNX files that are proved equal to it."""

import embed  # noqa: F401 - before ONNX Runtime is loaded, see there
