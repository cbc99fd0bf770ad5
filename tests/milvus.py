"""Milvus on loopback: Milvus Lite as a server of its own, and the real one, standalone 2.3.5."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest

from embed.errors import EngineError
from embed.milvus.address import parse_address
from embed.milvus.client import Milvus
from tests.processes import ENVIRONMENT, REPOSITORY
from tests.relay import Relay, Upstream

_PATIENCE_S = 180
_PORT = 19_530
_names = count(1)


def new_name() -> str:
    """A catalogue that no other test knows."""
    return f"songs_{os.getpid()}_{next(_names)}"


def client(uri: str, name: str, timeout_s: float = 20, token: str = "") -> Milvus:
    return Milvus(parse_address(uri, name), token, timeout_s)


def is_up(milvus: Milvus) -> bool:
    """Whether it answers."""
    try:
        milvus.collections()
    except EngineError:
        return False
    return True


@contextmanager
def lite(folder: Path) -> Iterator[Upstream]:
    """A port of Milvus Lite, as a process."""
    pytest.importorskip("milvus_lite", reason="milvus-lite is not installed")
    program = (
        "import sys, time\n"
        "from milvus_lite.adapter.grpc.server import start_server_in_thread\n"
        "server, database, port = start_server_in_thread(sys.argv[1])\n"
        "print(port, flush=True)\n"
        "time.sleep(86_400)\n"
    )
    command = [sys.executable, "-c", program, str(folder / "lite")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


class Standalone:
    """The real server, with its data in ``folder``; ``socket`` leads to it.

    It listens on every address, and on eleven ports, so it gets a network of its own, in which
    there is loopback alone. ``options`` are more of its own.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.socket = folder / "socket"
        self._folder = folder
        self._options = " ".join(options)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, token: str = "") -> None:
        """Start it, over the data that it left if it ran before, and wait until it answers."""
        server = Path(sys.prefix) / "milvus/bin/milvus-server"
        if not server.exists():
            pytest.skip(f"the Milvus server is not installed ({server}): make .venv/.milvus")
        if shutil.which("unshare") is None or _run("unshare", "-n", "true"):
            pytest.skip("unshare -n is not allowed here: Milvus listens on every address")
        script = (
            "ip link set lo up || exit 9\n"
            f'"{sys.executable}" -m tests.relay "{self.socket}" {_PORT} &\n'
            f'exec "{server}" --debug --data "{self._folder}/server" --proxy-port {_PORT} '
            f"{self._options}\n"
        )
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["unshare", "-n", "sh", "-c", script],
                cwd=REPOSITORY,
                env={**ENVIRONMENT, "HOME": str(self._folder)},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        _wait_for(self.socket, self._process, token)

    def kill(self) -> None:
        """As by kill -9; its data stay."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def standalone(folder: Path) -> Iterator[Upstream]:
    """A Unix socket that leads to the real server."""
    server = Standalone(folder)
    try:
        server.start()
        yield server.socket
    finally:
        server.kill()


def _wait_for(socket: Path, process: subprocess.Popen[bytes], token: str) -> None:
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        assert process.poll() is None, f"{process.args} ended with {process.returncode}"
        if socket.exists():
            with Relay(socket) as relay:
                milvus = client(relay.url, "vibe", timeout_s=5, token=token)
                try:
                    if is_up(milvus):
                        return
                finally:
                    milvus.close()
        time.sleep(0.5)
    raise AssertionError(f"Milvus: no answer for {_PATIENCE_S} s")


def _run(*command: str) -> int:
    return subprocess.run(command, capture_output=True, check=False).returncode


SERVERS = {"lite": lite, "standalone": standalone}
