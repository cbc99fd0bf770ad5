"""The same requests to every target: are the answers equal, and how long do they take?"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import quote

from handler.compare.targets import Answer, Request, Target, TargetError

SONGS = 50
"""Seeds for recommendations, spread over the service's first page of songs."""

_AROUND = 60
"""Bytes that are shown on either side of where two bodies begin to differ."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one target under load; milliseconds as the client sees them.

    ``billed_ms`` is the mean of what Lambda bills, ``inits_ms`` are the initialisations that
    requests waited for.
    """

    p50_ms: float
    p95_ms: float
    p99_ms: float
    rps: float
    billed_ms: float
    inits_ms: tuple[float, ...] = ()


def requests_for(target: Target) -> list[Request]:
    """A mix of every route, recommendations for many of the target's songs, and mistakes.

    Raises TargetError when the target has no songs.
    """
    page = target.send(Request("GET", "/songs", "limit=1000"))
    try:
        songs: list[str] = json.loads(page.body)["songs"]
    except (ValueError, KeyError, TypeError) as error:
        raise TargetError(f"{target.name}: /songs answers {page.body[:200]!r}") from error
    if not songs:
        raise TargetError(f"{target.name}: /songs is empty")
    chosen = songs[:: max(1, len(songs) // SONGS)][:SONGS]
    recommend = [_recommend({"song": song, "top_k": 5}) for song in chosen]
    return [
        Request("GET", "/health"),
        Request("GET", "/songs", "limit=20"),
        Request("GET", "/songs", f"q={quote(songs[0][:6])}"),
        *recommend,
        _recommend({"song": "\N{SNOWMAN} no such song \N{SNOWMAN}"}),
        _recommend({"song": songs[0], "top_k": "many"}),
        Request("POST", "/recommend", body=b"{"),
        Request("GET", "/recommend"),
        Request("GET", "/nowhere"),
    ]


def _recommend(body: dict[str, object]) -> Request:
    return Request("POST", "/recommend", body=json.dumps(body, ensure_ascii=False).encode())


def differences(requests: Sequence[Request], left: Target, right: Target) -> list[str]:
    """Every request whose status, content type or body is not the same, with both."""
    found = []
    for request in requests:
        ours, theirs = left.send(request), right.send(request)
        if ours.content != theirs.content:
            what = f"{request.method} {request.path} {request.body.decode()}".strip()
            at = next(
                (n for n, (a, b) in enumerate(zip(ours.body, theirs.body, strict=False)) if a != b),
                min(len(ours.body), len(theirs.body)),
            )
            shown = [f"{t.name} {_shown(a, at)}" for t, a in ((left, ours), (right, theirs))]
            found.append(f"{what}: {', '.join(shown)}")
    return found


def _shown(answer: Answer, at: int) -> str:
    """Status, content type, and of the body what is around ``at``."""
    start = max(0, at - _AROUND)
    before, after = "…" if start else "", "…" if at + _AROUND < len(answer.body) else ""
    part = answer.body[start : at + _AROUND]
    return f"({answer.status}, {answer.content_type!r}, {before}{part!r}{after})"


def measure(requests: Sequence[Request], target: Target, count: int, concurrency: int) -> Measured:
    """Send ``count`` requests, ``concurrency`` at a time, round and round the given ones."""
    todo = [requests[number % len(requests)] for number in range(count)]
    with ThreadPoolExecutor(concurrency) as pool:
        list(pool.map(target.send, todo[:concurrency]))  # connections are made
        started = time.perf_counter()
        answers = list(pool.map(target.send, todo))
        took = time.perf_counter() - started
    billed = [_billed_ms(answer) for answer in answers]
    inits = tuple(answer.init_ms for answer in answers if answer.init_ms is not None)
    times = sorted(1e3 * answer.seconds for answer in answers)
    p50, p95, p99 = (percentile(times, share) for share in (0.5, 0.95, 0.99))
    return Measured(p50, p95, p99, count / took, sum(billed) / count, inits)


def _billed_ms(answer: Answer) -> float:
    """What Lambda bills: whole milliseconds; where nothing says so (the emulator), of what the
    client waited."""
    return math.ceil(1e3 * answer.seconds) if answer.billed_ms is None else answer.billed_ms


def percentile(ordered: Sequence[float], share: float) -> float:
    """The least of ``ordered`` that ``share`` of all do not exceed (nearest rank)."""
    rank = max(1, -(-int(share * 1000) * len(ordered) // 1000))
    return ordered[rank - 1]
