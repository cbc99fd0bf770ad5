"""Clips to ask by: honest ones, and those that mean harm."""

from __future__ import annotations

import io
import struct
import wave
from collections.abc import Iterator

import numpy as np

BOUNDARY = "a-boundary"
FORM = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


def wav(seconds: float = 0.3, rate_hz: int = 8_000, level: int = 9_000) -> bytes:
    """A rising tone, 16 bits, mono."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    tone = (level * np.sin(2 * np.pi * (200 + 400 * time_s) * time_s)).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, rate_hz, 0, "NONE", ""))
        out.writeframes(tone.tobytes())
    return file.getvalue()


def form(*fields: tuple[str, bytes], end: bytes = f"--{BOUNDARY}--\r\n".encode()) -> bytes:
    """multipart/form-data of files under these names."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="x"\r\n'
        "Content-Type: audio/wav\r\n\r\n".encode()
        + content
        + b"\r\n"
        for name, content in fields
    ]
    return b"".join(parts) + end


def wav_header(rate_hz: int, channels: int, data_bytes: int, body: bytes = b"") -> bytes:
    """A WAV that claims this much, whatever follows."""
    block = 2 * channels
    layout = struct.pack(
        "<HHIIHH", 1, channels, rate_hz, (rate_hz * block) % 2**32, block % 2**16, 16
    )
    return (
        b"RIFF" + struct.pack("<I", (36 + data_bytes) % 2**32) + b"WAVEfmt "
        + struct.pack("<I", 16) + layout + b"data" + struct.pack("<I", data_bytes) + body
    )  # fmt: skip


def ogg_page(payload: bytes, granule: int, serial: int, number: int, flags: int = 0) -> bytes:
    """One Ogg page (RFC 3533), checksum right."""
    lacing = bytes([255] * (len(payload) // 255) + [len(payload) % 255])
    head = struct.pack("<4sBBqIIIB", b"OggS", 0, flags, granule, serial, number, 0, len(lacing))
    page = bytearray(head + lacing + payload)
    page[22:26] = struct.pack("<I", _ogg_crc(page))
    return bytes(page)


def ogg_pages(data: bytes) -> Iterator[tuple[int, int]]:
    """Where each page of an Ogg file starts and ends."""
    at = 0
    while at < len(data):
        count = data[at + 26]
        end = at + 27 + count + sum(data[at + 27 : at + 27 + count])
        yield at, end
        at = end


def with_granule(data: bytes, granule: int) -> bytes:
    """An Ogg file whose last page claims to end at sample ``granule``."""
    *_, (start, end) = ogg_pages(data)
    page = bytearray(data[start:end])
    page[6:14] = struct.pack("<q", granule)
    page[22:26] = bytes(4)
    page[22:26] = struct.pack("<I", _ogg_crc(page))
    return data[:start] + bytes(page) + data[end:]


def repeated_ogg(data: bytes, times: int, samples: int) -> bytes:
    """An Ogg file that goes on with the same ``samples``, again and again, by every right."""
    heads, body = list[bytes](), list[bytes]()
    for start, end in ogg_pages(data):
        granule = struct.unpack_from("<q", data, start + 6)[0]
        (body if granule > 0 else heads).append(data[start:end])
    pages = []
    for turn in range(times):
        for place, page in enumerate(body):
            new = bytearray(page)
            new[5] = 0  # neither the first nor the last
            granule = struct.unpack_from("<q", page, 6)[0] + turn * samples
            number = len(heads) + turn * len(body) + place
            struct.pack_into("<q", new, 6, granule)
            struct.pack_into("<II", new, 18, number, 0)
            struct.pack_into("<I", new, 22, _ogg_crc(new))
            pages.append(bytes(new))
    return b"".join(heads + pages)


def with_box(data: bytes, kind: bytes, at: int, value: bytes) -> bytes:
    """An MP4 whose first box of that ``kind`` holds ``value`` at byte ``at`` of its content."""
    start = data.index(kind) + 4 + at
    return data[:start] + value + data[start + len(value) :]


def _ogg_crc(page: bytes) -> int:
    crc = 0
    for byte in page:
        crc = ((crc << 8) & 0xFFFFFFFF) ^ _CRC[(crc >> 24) ^ byte]
    return crc


def _crc_row(byte: int) -> int:
    crc = byte << 24
    for _ in range(8):
        crc = ((crc << 1) ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    return crc


_CRC = [_crc_row(byte) for byte in range(256)]
