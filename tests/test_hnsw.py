"""The graph alone: searched by many threads at once, over a file that may be gone by then."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from embed import hnsw
from embed.hnsw import Graph
from tests.bench.clusters import write_clusters

NODES = 2_000
QUERIES = 200


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """A graph's file, and queries near its embeddings."""
    folder = tmp_path_factory.mktemp("graph")
    queries = write_clusters(folder / "vectors.npy", NODES, QUERIES)
    graph = Graph.empty()
    graph.add(np.load(folder / "vectors.npy"))
    graph.save(folder / "graph.usearch")
    return folder / "graph.usearch", queries


@pytest.mark.parametrize("cores", [1, 3])
def test_threads_side_by_side_find_what_one_finds(
    cores: int, written: tuple[Path, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, queries = written
    monkeypatch.setattr(hnsw, "available_cores", lambda: cores)
    graph = Graph.open(path, NODES)
    alone = [graph.near(query, 10).tolist() for query in queries]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda query: graph.near(query, 10).tolist(), [*queries] * 5))
    assert together == alone * 5


def test_what_is_mapped_stays_when_the_file_goes(
    written: tuple[Path, np.ndarray], tmp_path: Path
) -> None:
    path, queries = written
    copy = tmp_path / "graph.usearch"
    copy.write_bytes(path.read_bytes())
    graph = Graph.open(copy, NODES)
    before = graph.near(queries[0], 10).tolist()
    copy.unlink()
    gc.collect()
    assert graph.near(queries[0], 10).tolist() == before


def test_it_grows_like_one_that_was_never_closed(written: tuple[Path, np.ndarray]) -> None:
    path, queries = written
    graphs = [Graph.open(path, NODES, to_change=True) for _ in range(2)]
    for graph in graphs:
        graph.add(queries)
    assert len(graphs[0]) == NODES + QUERIES
    assert [graph.near(queries[7], 1).tolist() for graph in graphs] == [[NODES + 7]] * 2
