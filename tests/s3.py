"""S3 on loopback: moto for speed, LocalStack for strictness, each in a venv of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Self

import pytest

from embed.store.connection import connect
from embed.store.place import S3Url
from embed.store.s3 import S3Objects
from embed.store.versions import Store

_PATIENCE_S = 120
_BUCKETS = f"vibe-{os.getpid()}"
_LOCALSTACK_OBJECTS = Path("/tmp/localstack-s3-storage")  # it takes no other
_numbers = count(1)

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}


def forget_credentials(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Nothing of who runs the tests reaches them."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


class Bucket:
    """An empty bucket, and the environment in which it is found."""

    def __init__(self, endpoint: str, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
        forget_credentials(monkeypatch, home)
        for name, value in {**KEYS, "AWS_ENDPOINT_URL": endpoint}.items():
            monkeypatch.setenv(name, value)
        self.endpoint = endpoint
        self.name = f"{_BUCKETS}-{next(_numbers)}"
        self.client = connect()
        self.client.create_bucket(Bucket=self.name)
        self.url = f"s3://{self.name}/music/store"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def objects(self, client: Any = None, **options: Any) -> S3Objects:
        """Its objects under the prefix of ``url``."""
        return S3Objects(client or self.client, S3Url(self.name, "music/store"), **options)

    def store(self, **options: Any) -> Store:
        """The store at ``url``."""
        return Store(self.objects(**options))

    def contents(self) -> dict[str, bytes]:
        """Every object: key → bytes."""
        listed = self.client.list_objects_v2(Bucket=self.name).get("Contents", [])
        return {found["Key"]: self.get(found["Key"]) for found in listed}

    def get(self, key: str) -> bytes:
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()

    def put(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=data)


@contextmanager
def moto() -> Iterator[str]:
    """The address of a moto server."""
    program = _installed("moto")
    with _serving([program, "-m", "moto.server", "-H", "127.0.0.1"], {}, "/") as address:
        yield address


@contextmanager
def localstack(folder: Path) -> Iterator[str]:
    """The address of a LocalStack with nothing but S3, its files in ``folder``."""
    environment = {
        "SERVICES": "s3",
        "GATEWAY_SERVER": "hypercorn",  # the other one listens on every address
        "OVERRIDE_IN_DOCKER": "0",  # in containers it takes /var/lib for its own
        "TMPDIR": str(folder),
        "HOME": str(folder),
        "FILESYSTEM_ROOT": str(folder / "root"),
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DNS_ADDRESS": "0",
    }
    command = [_installed("localstack"), "-m", "localstack.runtime.main"]
    try:
        with _serving(command, environment, "/_localstack/health") as address:
            yield address
    finally:
        for left in _LOCALSTACK_OBJECTS.glob(f"{_BUCKETS}-*"):
            shutil.rmtree(left)


def _installed(name: str) -> Path:
    program = Path(sys.prefix) / name / "bin/python"
    if not program.exists():
        pytest.skip(f"{name} is not installed ({program}): make .venv/.{name}")
    return program


@contextmanager
def _serving(command: list[object], settings: dict[str, str], path: str) -> Iterator[str]:
    port = _free_port()
    address = f"http://127.0.0.1:{port}"
    if settings:
        settings["GATEWAY_LISTEN"] = f"127.0.0.1:{port}"
    else:
        command += ["-p", port]
    environment = {"PATH": os.environ["PATH"], "PYTHONWARNINGS": "ignore", **settings}
    process = subprocess.Popen(
        [str(part) for part in command],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(address + path, process)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        assert process.poll() is None, f"{process.args} ended with {process.returncode}"
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url}: no answer for {_PATIENCE_S} s")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]
