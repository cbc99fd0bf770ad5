"""Searching where Milvus has a graph, on both servers."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np

from embed.index import ExactIndex
from embed.manifest import VECTORS_FILE
from embed.milvus.client import EMBEDDING
from embed.milvus.index import MilvusIndex
from embed.milvus.publish import publish
from tests import milvus
from tests.bench.milvus import bundle_of
from tests.relay import Relay
from tests.serving import unit

SONGS = 5_000
"""Of parts under 1,024 rows Milvus makes no graph, and compares every one."""

FOUND, RECALL = 10, 0.99
QUERIES = 100
MANY = 500


def test_the_graph_finds_what_the_exact_index_does(relay: Relay, tmp_path: Path) -> None:
    bundle = bundle_of(tmp_path / "bundle", SONGS)
    exact = ExactIndex(bundle.file(VECTORS_FILE))
    with closing(milvus.client(relay.url, milvus.new_name(), 60)) as there:
        publish(there, bundle)
        index = MilvusIndex(there, bundle.manifest.version, SONGS)
        made = there.connected.describe_index(index.collection, EMBEDDING)
        assert (made["index_type"], made["metric_type"]) == ("HNSW", "IP")
        assert made["pending_index_rows"] == 0, "it was served before it had its graph"
        # Songs of the catalogue, and clips: what lies at a cosine of 0.99 beside one.
        songs = exact.vectors(np.arange(0, SONGS, SONGS // QUERIES))
        noise = unit(np.random.default_rng(1).standard_normal(songs.shape))
        queries = np.concatenate([songs, unit(songs + 0.15 * noise)]).astype(np.float32)
        same = 0
        for query in queries:
            rows, similarities = index.search(query, FOUND)
            expected, theirs = exact.search(query, FOUND)
            assert len(rows) == FOUND
            same += len({*rows.tolist()} & {*expected.tolist()})
            known = dict(zip(expected.tolist(), theirs.tolist(), strict=True))
            for row, similarity in zip(rows.tolist(), similarities.tolist(), strict=True):
                assert known.get(row, similarity) == similarity  # to the last bit
        assert same / (FOUND * len(queries)) >= RECALL
        # As many as filters may ask for; of all, the server's graph reaches a fifth.
        rows, similarities = index.search(queries[0], MANY)
        assert len({*rows.tolist()}) == len(rows) == MANY
        assert (np.diff(similarities) <= 0).all()
