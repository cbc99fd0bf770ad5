"""Milvus beside the exact index: ``python -m tests.bench.milvus --songs 10000``.

Random embeddings in clusters, as near to each other as CLAP's are (mean cosine 0.78, nearest 0.96);
on Milvus Lite and on the real server, standalone, whichever are installed.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import click
import numpy as np
import psutil
import pytest

from embed.assemble import stage_songs
from embed.bundle import Bundle, open_bundle
from embed.index import ExactIndex, Index
from embed.manifest import VECTORS_FILE
from embed.milvus.index import MilvusIndex
from embed.milvus.publish import publish
from embed.spec import EMBEDDING_SIZE, Spec
from embed.writer import BundleWriter
from tests import milvus
from tests.bench.measure import tree_mib
from tests.relay import Relay
from tests.serving import song, unit

_QUERIES = 300
_CLIENTS = 4
_TOP_K = 10


def clustered(songs: int, seed: int = 0) -> np.ndarray:
    """Unit rows: a common direction, one of each cluster of 100, and one of each song."""
    rng = np.random.default_rng(seed)
    common, centres = unit(rng.standard_normal(EMBEDDING_SIZE)), max(4, songs // 100)
    of_cluster = unit(rng.standard_normal((centres, EMBEDDING_SIZE)))
    own = rng.standard_normal((songs, EMBEDDING_SIZE)) / np.sqrt(EMBEDDING_SIZE)
    return unit(1.75 * common + 0.85 * of_cluster[rng.integers(0, centres, songs)] + 0.4 * own)


def bundle_of(folder: Path, songs: int) -> Bundle:
    vectors = clustered(songs)
    by_id = {song(f"A - {row}").id: vectors[row] for row in range(songs)}
    spec = Spec("0" * 64)
    with BundleWriter(folder) as writer:
        everyone = [song(f"A - {row}") for row in range(songs)]
        stage_songs(writer, everyone, spec, lambda one: by_id[one.id])
        writer.commit(model=None, spec=spec, songs=songs)
    return open_bundle(folder)


def measured(index: Index, queries: np.ndarray) -> tuple[list[np.ndarray], str]:
    """What it finds, and how fast: one client's p50 and p99, and queries/s of several."""
    found, times = [], []
    for query in queries:
        started = time.perf_counter()
        found.append(index.search(query, _TOP_K)[0])
        times.append((time.perf_counter() - started) * 1e3)
    search: Callable[[np.ndarray], object] = lambda query: index.search(query, _TOP_K)  # noqa: E731
    started = time.perf_counter()
    with ThreadPoolExecutor(_CLIENTS) as pool:
        list(pool.map(search, queries))
    rate = len(queries) / (time.perf_counter() - started)
    return found, f"{np.median(times):.1f} | {np.percentile(times, 99):.1f} | {rate:.0f}"


def servers_mib() -> float:
    """Memory of all that this process started."""
    return sum(tree_mib(child.pid) for child in psutil.Process().children())


@click.command()
@click.option("--songs", default=10_000, show_default=True)
def main(songs: int) -> None:
    """Print a table in Markdown."""
    print("| songs | | load, s | p50, ms | p99, ms | queries/s, 4 clients | recall@10 | MiB |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        bundle = bundle_of(Path(place) / "bundle", songs)
        queries = clustered(songs, 0)[:: max(1, songs // _QUERIES)][:_QUERIES]
        exact, speed = measured(ExactIndex(bundle.file(VECTORS_FILE)), queries)
        print(f"| {songs:,} | exact, in this process | – | {speed} | 1 | |", flush=True)
        for name, serve in milvus.SERVERS.items():
            folder = Path(place) / name
            folder.mkdir()
            try:
                with serve(folder) as server, Relay(server) as relay:
                    empty_mib = servers_mib()
                    there = milvus.client(relay.url, "bench", 120)
                    with closing(there):
                        started = time.perf_counter()
                        publish(there, bundle)
                        took = time.perf_counter() - started
                        index = MilvusIndex(there, bundle.manifest.version, songs)
                        found, speed = measured(index, queries)
                    mib = f"{servers_mib():,.0f}, empty {empty_mib:,.0f}"
                same = [
                    len(set(a.tolist()) & set(b.tolist()))
                    for a, b in zip(found, exact, strict=True)
                ]
                recall = sum(same) / (_TOP_K * len(same))
                figures = f"{took:.0f} | {speed} | {recall:.4f} | {mib}"
                print(f"| {songs:,} | {name} | {figures} |", flush=True)
            except pytest.skip.Exception as skipped:
                print(f"{name}: {skipped}", flush=True)


if __name__ == "__main__":
    main()
