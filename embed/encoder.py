"""The ONNX Runtime session: one log-mel in, one embedding out."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from embed.errors import ModelError
from embed.spec import EMBEDDING_SIZE, FrontEnd
from embed.windows import pool

_INPUT: Final = "input_features"
_OUTPUT: Final = "embeddings"

# ONNX Runtime's errors share no base but Exception.
_LOAD_ERRORS: Final = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)

_SESSION_CONFIG: Final = {
    # Denormals, as silence makes them, cost a hundredfold on x86 and carry nothing.
    "session.set_denormal_as_zero": "1",
    # Idle threads sleep: decoders need the cores more than a spinning pool does.
    "session.intra_op.allow_spinning": "0",
    # bf16 matrix products where Arm has them (Graviton 3 and later); other CPUs ignore it.
    "mlas.enable_gemm_fastmath_arm64_bfloat16": "1",
}


_EXACT_INT8: Final = ("session.x64quantprecision", "1")
_PROBE: Final = Path(__file__).with_name("int8_probe.onnx")
"""One ``MatMulInteger`` of uint8 (4, 64) with int8 (64, 64), all 127: see ``int8_saturates``."""


@lru_cache(maxsize=1)
def int8_saturates() -> bool:
    """Whether products of uint8 and int8 go wrong here.

    x86 without VNNI adds them in pairs, in 16 bits, and saturates: seen, cosine 0.995 of an
    embedding to the same model's elsewhere. The kernel itself is asked: flags of processors
    differ by maker and system, and an emulator shows its host's.
    """
    # With options of ours: whether denormals are zeros is decided by a process' first session.
    session = ort.InferenceSession(str(_PROBE), _options(1), ["CPUExecutionProvider"])
    (found,) = session.run(None, {"inputs": np.full((4, 64), 255, dtype=np.uint8)})
    return bool((found != 64 * 255 * 127).any())


def session_options(threads: int) -> ort.SessionOptions:
    """How every session runs: ``threads`` cores, all fusions, no spinning, exact int8."""
    options = _options(threads)
    if int8_saturates():
        # The exact way (0.999999), where it is needed only: it takes twice the time.
        options.add_session_config_entry(*_EXACT_INT8)
    return options


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    for key, value in _SESSION_CONFIG.items():
        options.add_session_config_entry(key, value)
    return options


class Encoder:
    """An audio tower: log-mel float32 ``(frames, mel_bands)`` → unit float32 ``(512,)``.

    One window a call: dynamic int8 scales activations over the whole batch, so a window's
    embedding would depend on its neighbours. Safe to call from several threads, each call
    using ``threads`` cores.

    Raises ModelError when the file is no model, or its input and output are others.
    """

    def __init__(self, model: Path, front_end: FrontEnd, threads: int = 1) -> None:
        session = open_session(model, threads)
        wanted = [1, front_end.frames, front_end.mel_bands]
        inputs = {node.name: node.shape[1:] for node in session.get_inputs()}
        outputs = {node.name: node.shape[1:] for node in session.get_outputs()}
        if inputs != {_INPUT: wanted} or outputs != {_OUTPUT: [EMBEDDING_SIZE]}:
            raise ModelError(
                f"{model}: takes {inputs} and gives {outputs} (batch left out), "
                f"expected {_INPUT} {wanted} and {_OUTPUT} [{EMBEDDING_SIZE}]"
            )
        self._session = session

    def embed(self, log_mel: NDArray[np.float32]) -> NDArray[np.float32]:
        """The unit embedding ``(512,)`` of one window. Raises ModelError when not finite."""
        batch = log_mel[np.newaxis, np.newaxis]
        return unit_row(self._session.run([_OUTPUT], {_INPUT: batch})[0][0])


def open_session(model: Path, threads: int) -> ort.InferenceSession:
    """A session over ``model``, with our options. Raises ModelError when it cannot be loaded."""
    try:
        return ort.InferenceSession(str(model), session_options(threads), ["CPUExecutionProvider"])
    except _LOAD_ERRORS as error:
        raise ModelError(f"{model}: ONNX Runtime cannot load it: {_line(error)}") from error


def unit_row(row: NDArray[np.float32]) -> NDArray[np.float32]:
    """``row`` at length 1. Raises ModelError when it has none, or is not finite."""
    length = float(np.linalg.norm(row))
    if not np.isfinite(length) or length == 0:
        raise ModelError(f"the model answers an embedding of length {length}")
    return row / np.float32(length)


def embed_windows(encoder: Encoder, log_mels: NDArray[np.float32]) -> NDArray[np.float32]:
    """One embedding ``(512,)`` for a song's log-mels ``(windows, frames, mel_bands)``."""
    rows = np.stack([encoder.embed(log_mel) for log_mel in log_mels])
    # A single window is its song's embedding as it stands: pooling would only round it.
    return rows[0] if len(rows) == 1 else pool(rows)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
