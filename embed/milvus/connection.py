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
    "grpc.service_config": '{"methodConfig": [{"name": [{}], "waitForReady": true}]}',
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.min_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 3_000,
}
"""gRPC tries to connect, with pauses that grow and vary, until a call's time is up. (Without
``waitForReady`` pymilvus 3.0 gives up with the first connection that is refused.) Its own pauses
grow to two minutes: so long would a server that is back be taken for one that is not."""

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

    A call takes about ``timeout_s`` at most. Within that, gRPC tries again where the server is not
    there, and pymilvus where it is too busy (``pymilvus.decorators.retry_on_rpc_failure``).
    """

    def __init__(self, address: Address, token: str = "", timeout_s: float = 10.0) -> None:
        self.address = address
        self._token = token
        self.timeout_s = timeout_s
        self._connecting = threading.Lock()
        self._client: MilvusClient | None = None
        self._attempts = 0
        self._failure: Exception | None = None

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
            attempts = self._attempts
            with self._connecting:
                if self._client is None:
                    # Those who waited for an attempt share its end: one after the other, each with
                    # an attempt of its own, the last of forty would wait forty times as long.
                    if self._attempts != attempts and self._failure is not None:
                        raise self._failure
                    self._client = self._try_to_connect()
        return self._client

    def _try_to_connect(self) -> MilvusClient:
        self._failure = None
        try:
            return self._connect()
        except Exception as error:
            self._failure = error
            raise
        finally:
            self._attempts += 1

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
