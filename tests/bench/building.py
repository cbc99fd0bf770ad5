"""What is searched at one size, made once: embeddings, the graphs over them, the true neighbours.

    python -m tests.bench.building FOLDER SONGS approximate,faiss

Building takes minutes to an hour; what lies in the folder already is left as it is.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np

from embed.hnsw import CONNECTIVITY, EXPANSION_ADD, Graph
from embed.indexfile import ABOUT_FILE, GRAPH_FILE, ROWS_FILE, write_about
from embed.indexing import grow
from tests.bench.clusters import nearest, write_clusters

QUERIES = 500
NEIGHBOURS = 10
COST_FILE = "built.json"


def made(folder: Path, songs: int, kinds: Collection[str]) -> dict[str, float]:
    """Make in ``folder`` what it lacks. Returns what the building of each graph took: seconds of
    one core, since several share the work, and a machine its cores."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "truth.npy").exists():
        queries = write_clusters(folder / "vectors.npy", songs, QUERIES)
        np.save(folder / "queries.npy", queries)
        np.save(folder / "truth.npy", nearest(folder / "vectors.npy", queries, NEIGHBOURS))
    cost = folder / COST_FILE
    took: dict[str, float] = json.loads(cost.read_text()) if cost.exists() else {}
    for kind, build in BUILDERS.items():
        if kind in kinds and kind not in took:
            started = time.process_time()
            build(folder)
            took[kind] = time.process_time() - started
            cost.write_text(json.dumps(took))
    return took


def build(folder: Path) -> None:
    """Our index of ``vectors.npy``, on all cores."""
    graph = Graph.empty()
    rows = grow(graph, np.zeros(0, np.int32), folder / "vectors.npy", on_all_cores=True)
    graph.save(folder / GRAPH_FILE)
    write_about(folder / ROWS_FILE, folder / ABOUT_FILE, rows, "")


def _faiss(folder: Path) -> None:
    """faiss' graph with the same links and effort, over a byte a number, on all cores."""
    import faiss

    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    some = vectors[:: max(1, len(vectors) // 20_000)]
    scale = 127 / float(np.abs(some).max())  # its codes have one scale for all
    np.save(folder / "faiss.npy", scale)
    index = faiss.IndexHNSWSQ(
        512, faiss.ScalarQuantizer.QT_8bit_direct_signed, CONNECTIVITY, faiss.METRIC_INNER_PRODUCT
    )
    index.hnsw.efConstruction = EXPANSION_ADD
    for start in range(0, len(vectors), 50_000):
        index.add(np.clip(np.rint(vectors[start : start + 50_000] * scale), -127, 127))
    faiss.write_index(index, str(folder / "faiss.index"))


BUILDERS: dict[str, Callable[[Path], None]] = {"approximate": build, "faiss": _faiss}


if __name__ == "__main__":
    print(made(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3].split(",")))
