"""One way to compute embeddings, in a process of its own: the encoder benchmark's subjects.

    python -m tests.bench.subjects NAME THREADS CHECKPOINT BUNDLE MELS.npy

Apart from each other, so that no one's thread pool or allocator disturbs another's. A line
on standard input starts a turn: all windows once; its seconds are printed. At the end of
the input the embeddings of the last turn are written beside the log-mels.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.bench.measure import seconds

Rows = NDArray[np.float32]
Subject = Callable[[Rows], Rows]

GEMM = "gemm"
GEMM_SIDE = 2048
GEMM_GFLOP = 2 * GEMM_SIDE**3 / 1e9


def eager(threads: int, checkpoint: Path, _bundle: Path) -> Subject:
    """transformers' own model, one window after the other, PyTorch with ``threads``."""
    return _torch(_model(checkpoint), threads)


def compiled(threads: int, checkpoint: Path, _bundle: Path) -> Subject:
    """The same under torch.compile; it needs a C++ compiler."""
    import torch

    return _torch(torch.compile(_model(checkpoint), dynamic=False), threads)


def as_traced(threads: int, checkpoint: Path, _bundle: Path) -> Subject:
    """ONNX Runtime on the graph as torch.onnx.export traces it."""
    import onnxruntime as ort

    with tempfile.TemporaryDirectory() as folder:
        path = _trace(checkpoint, Path(folder))
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        session = ort.InferenceSession(path, options, ["CPUExecutionProvider"])
    return _threaded(lambda mel: session.run(None, {"mel": mel[None, None]})[0][0], threads)


def openvino(threads: int, checkpoint: Path, _bundle: Path) -> Subject:
    """OpenVINO fp32 on the same trace, a stream for each core, as its guide advises."""
    return _openvino(threads, checkpoint, "f32")


def openvino_bf16(threads: int, checkpoint: Path, _bundle: Path) -> Subject:
    """The same in bfloat16."""
    return _openvino(threads, checkpoint, "bf16")


def ours(threads: int, _checkpoint: Path, bundle: Path) -> Subject:
    """This project's encoder: as many windows at once as cores, one thread each."""
    from embed.encoder import Encoder
    from embed.model import model_of

    model = model_of(bundle)
    return _threaded(Encoder(model.path, model.info.front_end).embed, threads)


def gemm(threads: int, _checkpoint: Path, _bundle: Path) -> Subject:
    """No encoder but the machine: one product of two square float32 matrices."""
    import torch

    torch.set_num_threads(threads)
    left, right = torch.randn(2, GEMM_SIDE, GEMM_SIDE).unbind()
    out = torch.empty(GEMM_SIDE, GEMM_SIDE)

    def multiply(mels: Rows) -> Rows:
        torch.mm(left, right, out=out)
        return mels[:, 0, :0]

    return multiply


SUBJECTS: dict[str, Callable[[int, Path, Path], Subject]] = {
    "PyTorch eager": eager,
    "torch.compile": compiled,
    "ONNX Runtime, graph as traced": as_traced,
    "OpenVINO fp32, graph as traced": openvino,
    "OpenVINO bf16, graph as traced": openvino_bf16,
    "fp32": ours,
    "int8": ours,
    GEMM: gemm,
}


def _model(checkpoint: Path) -> Any:
    from transformers import ClapAudioModelWithProjection

    return ClapAudioModelWithProjection.from_pretrained(checkpoint).eval()


def _torch(model: Any, threads: int) -> Subject:
    import torch

    torch.set_num_threads(threads)

    def embed(mels: Rows) -> Rows:
        with torch.inference_mode():
            return np.stack(
                [model(torch.from_numpy(mel[None, None])).audio_embeds[0].numpy() for mel in mels]
            )

    return embed


def _trace(checkpoint: Path, folder: Path) -> Path:
    import torch

    model = _model(checkpoint)
    zeros = torch.zeros(1, 1, 1001, 64)
    model(zeros)  # decides shifts and window sizes, which tracing must not
    for stage in model.audio_model.audio_encoder.layers:
        for block in stage.blocks:
            block.set_shift_and_window_size = lambda _resolution: None

    class Embeds(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, mel: torch.Tensor) -> torch.Tensor:
            return self.model(mel).audio_embeds

    path = folder / "traced.onnx"
    torch.onnx.export(Embeds(), (zeros,), path, dynamo=False, opset_version=17, input_names=["mel"])
    return path


def _openvino(threads: int, checkpoint: Path, precision: str) -> Subject:
    import openvino

    core = openvino.Core()
    with tempfile.TemporaryDirectory() as folder:
        model = core.compile_model(
            _trace(checkpoint, Path(folder)),
            "CPU",
            {
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": threads,
                "INFERENCE_PRECISION_HINT": precision,
            },
        )

    def embed(mels: Rows) -> Rows:
        found: dict[int, Rows] = {}
        requests = openvino.AsyncInferQueue(model, threads)
        requests.set_callback(
            lambda request, number: found.update(
                {number: request.get_output_tensor(0).data[0].copy()}
            )
        )
        for number, mel in enumerate(mels):
            requests.start_async([mel[None, None]], number)
        requests.wait_all()
        return np.stack([found[number] for number in range(len(mels))])

    return embed


def _threaded(embed: Callable[[Rows], Rows], threads: int) -> Subject:
    pool = ThreadPoolExecutor(threads)
    return lambda mels: np.stack(list(pool.map(embed, mels)))


def main() -> None:
    name, threads, checkpoint, bundle, mels_path, out = sys.argv[1:]
    mels = np.load(mels_path)
    subject = SUBJECTS[name](int(threads), Path(checkpoint), Path(bundle))
    rows = subject(mels)  # a warm-up, and torch.compile's compilation
    print("ready", flush=True)
    for _ in sys.stdin:
        print(seconds(lambda: subject(mels)), flush=True)
    np.save(out, rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))


if __name__ == "__main__":
    main()
