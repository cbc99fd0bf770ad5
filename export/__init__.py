"""CLAP's audio tower, from a PyTorch checkpoint to an ONNX file that is proved equal to it."""
