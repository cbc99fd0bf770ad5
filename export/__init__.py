"""CLAP's towers, from a PyTorch checkpoint to ONNX files that are proved equal to it."""
