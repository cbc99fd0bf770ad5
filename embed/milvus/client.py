"""Milvus, as far as we need it; the one module that knows pymilvus.

A call takes about ``timeout_s`` at most. Within that, pymilvus tries again with growing pauses
where the server cannot be reached or is too busy (``pymilvus.decorators.retry_on_rpc_failure``).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Concatenate, Final, ParamSpec, TypeVar

import numpy as np

from embed.errors import EngineError, UnfitEngineError
from embed.milvus.address import Address
from embed.spec import EMBEDDING_SIZE

if TYPE_CHECKING:
    from pymilvus import MilvusClient

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

_CHANNEL: Final = {
    "grpc.initial_reconnect_backoff_ms": 500,
    "grpc.min_reconnect_backoff_ms": 500,
    "grpc.max_reconnect_backoff_ms": 3_000,
}
"""How long gRPC waits before it connects anew. Its own pauses grow to two minutes: so long would a
server that is back be taken for one that is not."""

_STRONG: Final = "Strong"
"""Sees all that was written before. Costs up to 200 ms, the server's tick."""
_ANY: Final = "Eventually"
"""Enough for readers: what they read is never written to again."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def _told(
    method: Callable[Concatenate[Milvus, Arguments], Result],
) -> Callable[Concatenate[Milvus, Arguments], Result]:
    """``method``, whose errors are EngineError in one line."""

    def told(self: Milvus, /, *arguments: Arguments.args, **keywords: Arguments.kwargs) -> Result:
        try:
            import grpc  # noqa: PLC0415 - half a second, and optional
            from pymilvus.exceptions import MilvusException  # noqa: PLC0415
        except ImportError as error:
            raise UnfitEngineError(f"{self}: {_missing(error)}") from None
        try:
            return method(self, *arguments, **keywords)
        except MilvusException as error:
            raise EngineError(f"{self}: {_line(error.message)}") from error
        except grpc.RpcError as error:
            code = error.code().name.lower().replace("_", " ")
            raise EngineError(f"{self}: {code}: {_line(error.details())}") from error

    return told


class Milvus:
    """The server at ``address``, connected to by the first call; safe to share between threads.

    Every method raises EngineError.
    """

    def __init__(self, address: Address, token: str = "", timeout_s: float = 10.0) -> None:
        self.address = address
        self._token = token
        self._timeout_s = timeout_s
        self._connecting = threading.Lock()
        self._client: MilvusClient | None = None

    def __str__(self) -> str:
        return f"Milvus at {self.address}"

    def close(self) -> None:
        """Leave; the next call connects again."""
        with self._connecting:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    @property
    def _connected(self) -> MilvusClient:
        if self._client is None:
            with self._connecting:
                if self._client is None:
                    self._client = self._connect()
        return self._client

    def _connect(self) -> MilvusClient:
        from pymilvus import MilvusClient  # noqa: PLC0415 - half a second, and optional

        # It logs each failure with a traceback. Ours are answered, and logged as such.
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
        try:
            return MilvusClient(
                self.address.uri,
                token=self._token,
                timeout=self._timeout_s,
                grpc_options=_CHANNEL,
            )
        except ImportError as error:  # Milvus Lite is a package of its own
            raise UnfitEngineError(f"{self}: {_missing(error)}") from None

    # --- collections and their aliases

    @_told
    def collections(self) -> list[str]:
        """Every collection's name."""
        return list(self._connected.list_collections(timeout=self._timeout_s))

    @_told
    def aliases(self, collection: str) -> list[str]:
        """What else ``collection`` is called."""
        found = self._connected.list_aliases(collection, timeout=self._timeout_s)
        return list(found["aliases"])

    @_told
    def point(self, alias: str, collection: str, before: str | None) -> None:
        """Let ``alias`` lead to ``collection``, in one step when it led to ``before``."""
        set_alias = self._connected.create_alias if before is None else self._connected.alter_alias
        set_alias(collection, alias, timeout=self._timeout_s)

    @_told
    def forget(self, alias: str) -> None:
        """Drop ``alias``."""
        self._connected.drop_alias(alias, timeout=self._timeout_s)

    @_told
    def create(self, collection: str) -> None:
        """An empty collection of rows and embeddings with an index, ready to be searched."""
        from pymilvus import DataType  # noqa: PLC0415

        client = self._connected
        schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field(ROW, DataType.INT64, is_primary=True)
        schema.add_field(EMBEDDING, DataType.FLOAT_VECTOR, dim=EMBEDDING_SIZE)
        client.create_collection(collection, schema=schema, timeout=self._timeout_s)

    @_told
    def build(self, collection: str) -> None:
        """An index over ``collection``, unless it has one, and the collection in memory."""
        client = self._connected
        if not client.list_indexes(collection, timeout=self._timeout_s):
            index = client.prepare_index_params()
            index.add_index(EMBEDDING, index_type="HNSW", metric_type=_METRIC, params=_INDEX)
            client.create_index(collection, index, timeout=self._timeout_s)
        client.load_collection(collection)  # as long as it takes: it reads all of it

    @_told
    def release(self, collection: str) -> None:
        """Keep ``collection`` in storage alone."""
        self._connected.release_collection(collection, timeout=self._timeout_s)

    @_told
    def is_loaded(self, collection: str) -> bool:
        """Whether ``collection`` can be searched."""
        state = self._connected.get_load_state(collection, timeout=self._timeout_s)
        return bool(state["state"].name == "Loaded")

    @_told
    def drop(self, collection: str) -> None:
        """``collection``, gone."""
        self._connected.drop_collection(collection, timeout=self._timeout_s)

    # --- rows

    @_told
    def count(self, collection: str) -> int:
        """How many rows were written, whatever they are; twice one that is there twice. What is
        read after that sees them all."""
        return self._counted(collection, "", _STRONG)

    @_told
    def held(self, collection: str, start: int, end: int) -> tuple[int, int]:
        """How many rows there are from ``start`` to before ``end``: different ones, and all."""
        between = f"{ROW} >= {start} and {ROW} < {end}"
        found = self._connected.query(
            collection,
            filter=between,
            output_fields=[ROW],
            consistency_level=_ANY,
            timeout=self._timeout_s,
        )
        return len({one[ROW] for one in found}), self._counted(collection, between, _ANY)

    def _counted(self, collection: str, between: str, consistency: str) -> int:
        found = self._connected.query(
            collection,
            filter=between,
            output_fields=["count(*)"],
            consistency_level=consistency,
            timeout=self._timeout_s,
        )
        return int(found[0]["count(*)"])

    @_told
    def write(self, collection: str, start: int, vectors: Vectors, is_new: bool) -> None:
        """Rows from ``start`` on; unless ``is_new``, in the place of those that are there."""
        rows = [{ROW: row, EMBEDDING: one} for row, one in enumerate(vectors, start)]
        # Milvus does not look whether an inserted key is there already, and an upsert of all
        # would leave as many deletions behind. An insert that is tried again may be there twice.
        write = self._connected.insert if is_new else self._connected.upsert
        write(collection, rows, timeout=self._timeout_s)

    @_told
    def flush(self, collection: str) -> None:
        """Seal what was written, so that it gets its index."""
        self._connected.flush(collection)

    @_told
    def unindexed(self, collection: str) -> tuple[int, bool]:
        """Rows that have no index yet, and whether the server is still at work on them. (Of
        parts under 1,024 rows it makes none.)"""
        found = self._connected.describe_index(collection, EMBEDDING, timeout=self._timeout_s)
        return int(found.get("pending_index_rows", 0)), found.get("state") != "Finished"

    @_told
    def get(self, collection: str, rows: Sequence[int]) -> dict[int, Vectors]:
        """The embeddings of ``rows``, as far as they are there."""
        found = self._connected.get(
            collection,
            ids=list(rows),
            output_fields=[ROW, EMBEDDING],
            consistency_level=_ANY,
            timeout=self._timeout_s,
        )
        return {int(one[ROW]): np.array(one[EMBEDDING], np.float32) for one in found}

    @_told
    def search(
        self, collection: str, query: Vectors, count: int, with_embeddings: bool
    ) -> tuple[Rows, list[float], list[Vectors] | None]:
        """Some ``count`` of the nearest of ``query``, similarity down; fewer where it finds fewer.

        Their rows, inner products and, if asked for, embeddings.
        """
        [hits] = self._connected.search(
            collection,
            data=[query],
            limit=count,
            output_fields=[EMBEDDING if with_embeddings else ROW],
            search_params={"metric_type": _METRIC, "params": {"ef": max(_BREADTH, 2 * count)}},
            consistency_level=_ANY,
            timeout=self._timeout_s,
        )
        rows = np.array([hit.id for hit in hits], np.int64)
        similarities = [float(hit.distance) for hit in hits]
        if not with_embeddings:
            return rows, similarities, None
        embeddings = [np.array(hit["entity"][EMBEDDING], np.float32) for hit in hits]
        return rows, similarities, embeddings


def _line(message: object) -> str:
    """A message's first line, whose rest is gRPC's inside."""
    return (str(message or "no reason given").splitlines() or [""])[0][:300]


def _missing(error: ImportError) -> str:
    package = "pymilvus" if (error.name or "").startswith(("pymilvus", "grpc")) else "milvus-lite"
    return f"{package} is not installed; pip install -r requirements/milvus.txt"
