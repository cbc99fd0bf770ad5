"""The connection to Milvus, and what goes wrong on it in our words."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Concatenate, Final, ParamSpec, TypeVar

from embed.errors import EngineError, UnfitEngineError
from embed.milvus.address import Address

if TYPE_CHECKING:
    from pymilvus import MilvusClient

_CHANNEL: Final = {
    "grpc.initial_reconnect_backoff_ms": 500,
    "grpc.min_reconnect_backoff_ms": 500,
    "grpc.max_reconnect_backoff_ms": 3_000,
}
"""How long gRPC waits before it connects anew. Its own pauses grow to two minutes: so long would a
server that is back be taken for one that is not."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Client = TypeVar("Client", bound="Connection")


def told(
    method: Callable[Concatenate[Client, Arguments], Result],
) -> Callable[Concatenate[Client, Arguments], Result]:
    """``method``, whose errors are EngineError in one line."""

    def asked(self: Client, /, *arguments: Arguments.args, **keywords: Arguments.kwargs) -> Result:
        try:
            import grpc  # noqa: PLC0415 - half a second, and optional
            from pymilvus.exceptions import MilvusException  # noqa: PLC0415
        except ImportError:
            raise UnfitEngineError(
                f"{self}: pymilvus is not installed; pip install -r requirements/milvus.txt"
            ) from None
        try:
            return method(self, *arguments, **keywords)
        except MilvusException as error:
            raise EngineError(f"{self}: {_line(error.message)}") from error
        except grpc.RpcError as error:
            code = error.code().name.lower().replace("_", " ")
            raise EngineError(f"{self}: {code}: {_line(error.details())}") from error

    return asked


class Connection:
    """The server at ``address``, connected to by the first call; safe to share between threads.

    A call takes about ``timeout_s`` at most. Within that, pymilvus tries again with growing pauses
    where the server is not there or too busy (``pymilvus.decorators.retry_on_rpc_failure``).
    """

    def __init__(self, address: Address, token: str = "", timeout_s: float = 10.0) -> None:
        self.address = address
        self._token = token
        self.timeout_s = timeout_s
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
    def connected(self) -> MilvusClient:
        """The client, connected."""
        if self._client is None:
            with self._connecting:
                if self._client is None:
                    self._client = self._connect()
        return self._client

    def _connect(self) -> MilvusClient:
        from pymilvus import MilvusClient  # noqa: PLC0415 - half a second, and optional

        # It logs each failure with a traceback. Ours are answered, and logged as such.
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
        return MilvusClient(
            self.address.uri, token=self._token, timeout=self.timeout_s, grpc_options=_CHANNEL
        )


def _line(message: object) -> str:
    """A message's first line, whose rest is gRPC's inside."""
    return (str(message or "no reason given").splitlines() or [""])[0][:300]
