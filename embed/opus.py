"""Samples → Ogg Opus, by FFmpeg's libopus."""

from __future__ import annotations

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray

RATE_HZ: Final = 48_000
BITS_PER_S: Final = 48_000
"""Mono music that nobody takes for the record, at 60 kB for ten seconds."""


def encode_opus(samples: NDArray[np.float32]) -> bytes:
    """Mono ``samples`` in ±1 at 48 kHz as one Ogg Opus stream; equal samples give equal bytes."""
    import av  # noqa: PLC0415 - 60 MB of libraries that only previews need

    buffer = io.BytesIO()
    # bitexact: else the stream's number is drawn, and the encoder's version written down.
    options = {"fflags": "+bitexact"}
    with av.open(buffer, "w", format="ogg", options=options) as container:
        # Constrained: free to vary, it spends twice the bits on what is hard.
        stream = container.add_stream(
            "libopus", rate=RATE_HZ, layout="mono", options={"vbr": "constrained"}
        )
        stream.bit_rate = BITS_PER_S
        stream.codec_context.flags |= av.codec.context.Flags.bitexact.value
        clipped = np.ascontiguousarray(np.clip(samples, -1, 1)[np.newaxis])
        frame = av.AudioFrame.from_ndarray(clipped, format="flt", layout="mono")
        frame.sample_rate = RATE_HZ
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    return buffer.getvalue()
