"""One index in a process of its own: opened, asked, weighed. Prints JSON.

python -m tests.bench.searching exact|approximate|faiss FOLDER QUERIES
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from embed.hnsw import EXPANSION_SEARCH
from tests.bench.building import NEIGHBOURS
from tests.bench.measure import seconds

THREADS = 2
WARM_UP = 20

Search = Callable[[NDArray[np.float32]], NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Searched:
    """What was measured; ``rows`` are the answers, one list for each query."""

    open_s: float
    p50_ms: float
    p99_ms: float
    rate: float
    resident_mib: float
    rows: list[list[int]]


def main(kind: str, folder: Path, count: int) -> None:
    queries = np.load(folder / "queries.npy")[:count]
    base = psutil.Process().memory_info().rss
    started = time.perf_counter()
    search = OPENERS[kind](folder)
    open_s = time.perf_counter() - started
    for query in queries[-WARM_UP:]:
        search(query)
    rows: list[list[int]] = []
    times = [seconds(lambda q=query: rows.append(search(q).tolist())) for query in queries]
    with ThreadPoolExecutor(THREADS) as pool:
        whole = seconds(lambda: list(pool.map(search, queries)))
    resident = psutil.Process().memory_info().rss - base
    p50, p99 = np.percentile(times, [50, 99]) * 1000
    found = Searched(open_s, p50, p99, len(queries) / whole, resident / 2**20, rows)
    print(json.dumps(asdict(found)))


def _exact(folder: Path) -> Search:
    from embed.index import ExactIndex

    index = ExactIndex(folder / "vectors.npy")
    return lambda query: index.search(query, NEIGHBOURS)[0]


def _approximate(folder: Path) -> Search:
    from embed.approximate import ApproximateIndex
    from embed.indexfile import ABOUT_FILE, GRAPH_FILE, ROWS_FILE, open_index_files
    from embed.vectorfile import VectorFile

    vectors = VectorFile(folder / "vectors.npy")
    paths = (folder / name for name in (GRAPH_FILE, ROWS_FILE, ABOUT_FILE))
    index = ApproximateIndex(vectors, open_index_files(*paths, len(vectors)))
    return lambda query: index.search(query, NEIGHBOURS)[0]


def _faiss(folder: Path) -> Search:
    """As many candidates as ours, and as exactly compared."""
    import faiss

    from embed.approximate import FETCHED_LEAST
    from embed.index import best
    from embed.vectorfile import VectorFile

    vectors = VectorFile(folder / "vectors.npy")
    faiss.omp_set_num_threads(1)
    index = faiss.read_index(str(folder / "faiss.index"))
    index.hnsw.efSearch = EXPANSION_SEARCH
    scale = np.float32(np.load(folder / "faiss.npy"))

    def search(query: NDArray[np.float32]) -> NDArray[np.int64]:
        rows = np.sort(index.search(np.rint(query[np.newaxis] * scale), FETCHED_LEAST)[1][0])
        return rows[best(np.vecdot(vectors.at(rows), query), NEIGHBOURS)]

    return search


OPENERS: dict[str, Callable[[Path], Search]] = {
    "exact": _exact,
    "approximate": _approximate,
    "faiss": _faiss,
}


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
