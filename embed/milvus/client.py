"""Milvus, as far as we need it: collections, aliases, and rows of embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from embed.errors import EngineError
from embed.milvus.connection import Connection, told
from embed.spec import EMBEDDING_SIZE

if TYPE_CHECKING:
    from embed.index import Rows, Vectors

ROW: Final = "row"
EMBEDDING: Final = "embedding"

MOST_FOUND: Final = 16_384
"""Neighbours that one search may ask for (Milvus' quotaAndLimits.limits.topK)."""

# HNSW, Malkov and Yashunin 2018; see docs/milvus.md for the recall that these give.
_INDEX: Final = {"M": 32, "efConstruction": 256}
_METRIC: Final = "IP"
"""Of unit vectors that is their cosine, and leaves the embeddings as they are: COSINE may store
them scaled anew."""
_BREADTH: Final = 256
"""``ef``: candidates that a search keeps, at least; more where more are asked for."""

_STRONG: Final = "Strong"
"""Sees all that was written before. Costs up to 200 ms, the server's tick."""
_ANY: Final = "Eventually"
"""Enough for readers: what they read is never written to again."""


class Milvus(Connection):
    """What is asked of the server at ``address``; safe to share between threads.

    Every method raises EngineError.
    """

    # Collections and their aliases.

    @told
    def collections(self) -> list[str]:
        """Every collection's name."""
        return list(self.connected.list_collections(timeout=self.timeout_s))

    @told
    def aliases(self, collection: str) -> list[str]:
        """What else ``collection`` is called."""
        found = self.connected.list_aliases(collection, timeout=self.timeout_s)
        return list(found["aliases"])

    @told
    def point(self, alias: str, collection: str, before: str | None) -> None:
        """Let ``alias`` lead to ``collection``, in one step when it led to ``before``."""
        set_alias = self.connected.create_alias if before is None else self.connected.alter_alias
        set_alias(collection, alias, timeout=self.timeout_s)

    @told
    def forget(self, alias: str) -> None:
        """Drop ``alias``."""
        self.connected.drop_alias(alias, timeout=self.timeout_s)

    @told
    def create(self, collection: str) -> None:
        """An empty collection of rows and embeddings with an index, ready to be searched."""
        from pymilvus import DataType  # noqa: PLC0415

        client = self.connected
        schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field(ROW, DataType.INT64, is_primary=True)
        schema.add_field(EMBEDDING, DataType.FLOAT_VECTOR, dim=EMBEDDING_SIZE)
        client.create_collection(collection, schema=schema, timeout=self.timeout_s)

    @told
    def build(self, collection: str) -> None:
        """An index over ``collection``, unless it has one, and the collection in memory."""
        client = self.connected
        if not client.list_indexes(collection, timeout=self.timeout_s):
            index = client.prepare_index_params()
            index.add_index(EMBEDDING, index_type="HNSW", metric_type=_METRIC, params=_INDEX)
            client.create_index(collection, index, timeout=self.timeout_s)
        client.load_collection(collection)  # as long as it takes: it reads all of it

    @told
    def release(self, collection: str) -> None:
        """Keep ``collection`` in storage alone."""
        self.connected.release_collection(collection, timeout=self.timeout_s)

    @told
    def is_loaded(self, collection: str) -> bool:
        """Whether ``collection`` can be searched."""
        state = self.connected.get_load_state(collection, timeout=self.timeout_s)
        return bool(state["state"].name == "Loaded")

    @told
    def drop(self, collection: str) -> None:
        """``collection``, gone."""
        self.connected.drop_collection(collection, timeout=self.timeout_s)

    # Rows.

    @told
    def count(self, collection: str) -> int:
        """How many rows were written, whatever they are; twice one that is there twice. What is
        read after that sees them all."""
        return self._counted(collection, "", _STRONG)

    @told
    def held(self, collection: str, start: int, end: int) -> tuple[int, int]:
        """How many rows there are from ``start`` to before ``end``: different ones, and all."""
        between = f"{ROW} >= {start} and {ROW} < {end}"
        found = self.connected.query(
            collection,
            filter=between,
            output_fields=[ROW],
            consistency_level=_ANY,
            timeout=self.timeout_s,
        )
        return len({one[ROW] for one in found}), self._counted(collection, between, _ANY)

    def _counted(self, collection: str, between: str, consistency: str) -> int:
        found = self.connected.query(
            collection,
            filter=between,
            output_fields=["count(*)"],
            consistency_level=consistency,
            timeout=self.timeout_s,
        )
        return int(found[0]["count(*)"])

    @told
    def write(self, collection: str, start: int, vectors: Vectors, is_new: bool) -> None:
        """Rows from ``start`` on; unless ``is_new``, in the place of those that are there."""
        rows = [{ROW: row, EMBEDDING: one} for row, one in enumerate(vectors, start)]
        # Milvus does not look whether an inserted key is there already, and an upsert of all
        # would leave as many deletions behind. An insert that is tried again may be there twice.
        write = self.connected.insert if is_new else self.connected.upsert
        write(collection, rows, timeout=self.timeout_s)

    @told
    def flush(self, collection: str) -> None:
        """Seal what was written, so that it gets its index."""
        self.connected.flush(collection)

    @told
    def unindexed(self, collection: str) -> tuple[int, bool]:
        """Rows that have no index yet, and whether the server is still at work on them. (Of
        parts under 1,024 rows it makes none.) Raises EngineError when it has given up, too."""
        found = self.connected.describe_index(collection, EMBEDDING, timeout=self.timeout_s)
        if found.get("state") == "Failed":
            raise EngineError(f"{self}: {collection}: the index could not be built; see its log")
        return int(found.get("pending_index_rows", 0)), found.get("state") != "Finished"

    @told
    def get(self, collection: str, rows: Sequence[int]) -> dict[int, Vectors]:
        """The embeddings of ``rows``, as far as they are there."""
        found = self.connected.get(
            collection,
            ids=list(rows),
            output_fields=[ROW, EMBEDDING],
            consistency_level=_ANY,
            timeout=self.timeout_s,
        )
        return {int(one[ROW]): np.array(one[EMBEDDING], np.float32) for one in found}

    @told
    def search(
        self, collection: str, query: Vectors, count: int, with_embeddings: bool
    ) -> tuple[Rows, list[float], list[Vectors] | None]:
        """Some ``count`` of the nearest of ``query``, similarity down; fewer where it finds fewer.

        Their rows, inner products and, if asked for, embeddings.
        """
        [hits] = self.connected.search(
            collection,
            data=[query],
            limit=count,
            output_fields=[EMBEDDING if with_embeddings else ROW],
            search_params={"metric_type": _METRIC, "params": {"ef": max(_BREADTH, 2 * count)}},
            consistency_level=_ANY,
            timeout=self.timeout_s,
        )
        rows = np.array([hit.id for hit in hits], np.int64)
        similarities = [float(hit.distance) for hit in hits]
        if not with_embeddings:
            return rows, similarities, None
        embeddings = [np.array(hit["entity"][EMBEDDING], np.float32) for hit in hits]
        return rows, similarities, embeddings
