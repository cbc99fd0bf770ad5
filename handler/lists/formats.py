"""Which form of an answer a client asks for: JSON, or a playlist that a player opens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

PLAYLIST_TYPES: Final = (
    *("audio/x-mpegurl", "audio/mpegurl"),
    *("application/vnd.apple.mpegurl", "application/x-mpegurl"),
)
"""Names that go round for M3U8; the answer bears the one that was asked for."""

_JSON: Final = "application/json"
_MOST_RANGES: Final = 32
"""Parts of an Accept header that are looked at."""


def playlist_type(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The playlist's type that the Accept header prefers to JSON; None when JSON will do.

    By RFC 9110: the range that fits a type best tells its weight. At equal weights the type that
    is named more closely wins, then that which is named first; JSON where nothing tells.
    """
    given = [value for name, value in headers if name == b"accept"]
    if not given or given == [b"*/*"]:  # of most requests this is all
        return None
    accept = b",".join(given).lower()
    if b"audio/" not in accept and b"mpegurl" not in accept:
        return None
    ranges = _ranges(accept.decode("latin-1"))
    json = _rank(ranges, _JSON)
    best, chosen = json, None
    for kind in PLAYLIST_TYPES:
        rank = _rank(ranges, kind)
        if rank > best:
            best, chosen = rank, kind
    return chosen if best[0] > 0 else None


def _ranges(accept: str) -> list[tuple[str, float]]:
    """Each media range and its weight, in the order of the header."""
    found = []
    for part in accept.split(",")[:_MOST_RANGES]:
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        weights = [value[2:] for value in parameters if value.startswith("q=")]
        found.append((kind, _weight(weights[0]) if weights else 1.0))
    return found


def _rank(ranges: list[tuple[str, float]], kind: str) -> tuple[float, int, int]:
    """Weight, closeness and place of what is said of ``kind``: more is better."""
    family = f"{kind.partition('/')[0]}/*"
    for closeness, name in ((2, kind), (1, family), (0, "*/*")):
        for place, (named, weight) in enumerate(ranges):
            if named == name:
                return weight, closeness, -place
    return 0.0, 0, 0


def _weight(text: str) -> float:
    is_number = text.replace(".", "", 1).isdecimal() and text.isascii()
    return min(float(text), 1.0) if is_number else 0.0
