"""The same requests to every target: are the answers equal, and how long do they take?"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import quote

from handler.compare.targets import Answer, Request, Target, TargetError

SONGS = 50
"""Seeds for recommendations, spread over the service's first page of songs."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one target under load; milliseconds as the client sees them."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    rps: float
    billed_ms: float


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
        ours, theirs = left.send(request).content, right.send(request).content
        if ours != theirs:
            what = f"{request.method} {request.path} {request.body.decode()}".strip()
            found.append(f"{what}: {left.name} {ours}, {right.name} {theirs}")
    return found


def measure(requests: Sequence[Request], target: Target, count: int, concurrency: int) -> Measured:
    """Send ``count`` requests, ``concurrency`` at a time, round and round the given ones."""
    todo = [requests[number % len(requests)] for number in range(count)]
    with ThreadPoolExecutor(concurrency) as pool:
        list(pool.map(target.send, todo[:concurrency]))  # connections are made
        started = time.perf_counter()
        answers = list(pool.map(target.send, todo))
        took = time.perf_counter() - started
    billed = [_billed_ms(answer) for answer in answers]
    times = sorted(1e3 * answer.seconds for answer in answers)
    p50, p95, p99 = (percentile(times, share) for share in (0.5, 0.95, 0.99))
    return Measured(p50, p95, p99, rps=count / took, billed_ms=sum(billed) / count)


def _billed_ms(answer: Answer) -> float:
    """What Lambda bills; where nothing says so (the emulator), what the client waited."""
    return 1e3 * answer.seconds if answer.billed_ms is None else answer.billed_ms


def percentile(ordered: Sequence[float], share: float) -> float:
    """The least of ``ordered`` that ``share`` of all do not exceed (nearest rank)."""
    rank = max(1, -(-int(share * 1000) * len(ordered) // 1000))
    return ordered[rank - 1]
