"""Uploads to the API as it runs: what they cost the server in memory, time and disk."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest

from embed.clip import CLIP_MEMORY_MIB, CLIP_TIMEOUT_S
from tests.audio_files import tune, write
from tests.clips import FORM, form, ogg_page, repeated_ogg, wav, wav_header
from tests.handlers import serving
from tests.serving import named_bundle

MAX_BYTES = 25_000_000
PLACES = 4
OGG = {"content-type": "audio/ogg"}


@dataclass
class Served:
    host: str
    port: int
    pid: int
    spools: Path

    def ask(self, body: object, headers: dict[str, str], is_chunked: bool = False) -> Answered:
        """What a client is told that sends all of ``body`` before it listens."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        started = time.perf_counter()
        connection.request(
            *("POST", "/recommend/audio", body, headers),  # type: ignore[arg-type]
            encode_chunked=is_chunked,
        )
        response = connection.getresponse()
        found = json.loads(response.read())
        connection.close()
        return Answered(response.status, found, time.perf_counter() - started)

    def worker(self) -> int:
        [pid] = [
            one.pid
            for one in psutil.Process(self.pid).children()
            if "spawn_main" in " ".join(one.cmdline())
        ]
        return pid


@dataclass
class Answered:
    status: int
    json: dict[str, object]
    seconds: float


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("served")
    spools = root / "spools"
    spools.mkdir()
    bundle = named_bundle(root / "bundle")
    with serving("--bundle", str(bundle), "--port", "0", TMPDIR=str(spools)) as (
        *(process, host, port),
        _line,
    ):
        found = Served(host, port, process.pid, spools)
        assert found.ask(wav(), OGG).status == 200  # what the first one loads is no other's doing
        yield found
        assert list(spools.iterdir()) == []


def peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line) / 1024


def noise(size: int) -> bytes:
    return np.random.default_rng(size).bytes(size)


def test_clips_of_the_most_bytes_are_never_held_in_memory(served: Served) -> None:
    body = noise(MAX_BYTES)
    before = peak_mib(served.pid)
    kinds = [(body, OGG), (form(("file", body)), FORM)]
    with ThreadPoolExecutor(PLACES) as pool:
        answers = pool.map(lambda one: served.ask(*one), kinds * (PLACES // len(kinds)))
        assert [answer.status for answer in answers] == [422] * PLACES
    assert peak_mib(served.pid) - before < 12, "100 MB came in"


def chunks(piece: bytes, count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield piece


@pytest.mark.parametrize("headers", [OGG, FORM], ids=["raw", "form"])
def test_too_much_is_told_to_those_who_do_not_say_how_much(
    served: Served, headers: dict[str, str]
) -> None:
    head = b"" if headers is OGG else form(("file", b""), end=b"")[:-2]
    pieces = [head, *chunks(noise(100_000), 400)]
    before = peak_mib(served.pid)
    answer = served.ask(iter(pieces), headers | {"transfer-encoding": "chunked"}, is_chunked=True)
    assert (answer.status, answer.json["error"]) == (413, "file: longer than 25,000,000 bytes")
    assert peak_mib(served.pid) - before < 12


def test_who_says_that_it_is_too_much_is_told_before_sending_it(served: Served) -> None:
    head = (
        b"POST /recommend/audio HTTP/1.1\r\nhost: x\r\ncontent-type: audio/ogg\r\n"
        b"content-length: 25000001\r\nexpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection((served.host, served.port), timeout=20) as client:
        client.sendall(head)
        assert client.recv(4_096).startswith(b"HTTP/1.1 413 ")


def test_an_upload_without_end_ends(served: Served) -> None:
    """Ogg pages for as long as the server reads: it answers, whatever still comes."""
    head = (
        b"POST /recommend/audio HTTP/1.1\r\nhost: x\r\ncontent-type: audio/ogg\r\n"
        b"transfer-encoding: chunked\r\n\r\n"
    )
    page = ogg_page(bytes(50_000), 10**6, 7, 1)
    chunk = b"%x\r\n%s\r\n" % (len(page), page)
    with socket.create_connection((served.host, served.port), timeout=20) as client:
        client.sendall(head)
        sent, answer = 0, b""
        while sent < 4 * MAX_BYTES and not answer:
            client.sendall(chunk)
            sent += len(chunk)
            client.setblocking(False)
            try:
                answer = client.recv(4_096)
            except BlockingIOError:
                pass
            finally:
                client.settimeout(20)
        assert answer.startswith(b"HTTP/1.1 413 ")
    assert sent < 1.5 * MAX_BYTES


def flac_bomb(folder: Path) -> bytes:
    return write(folder / "bomb.flac", np.zeros((40_000_000, 1), np.float32), 4_000).read_bytes()


def endless_ogg(folder: Path) -> bytes:
    data = write(folder / "a.ogg", tune(10, 8_000), 8_000).read_bytes()
    return repeated_ogg(data, 100, 80_000)


HOSTILE: dict[str, Callable[[Path], bytes]] = {
    "wrong header": lambda _: b"RIFF" + noise(1_000_000),
    "gigahertz": lambda _: wav_header(2**31 - 1, 1, 1_000_000, bytes(1_000_000)),
    "1,000 channels": lambda _: wav_header(48_000, 1_000, 2_000_000, bytes(2_000_000)),
    "flac bomb": flac_bomb,
    "endless ogg": endless_ogg,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_a_4xx_that_costs_little(
    served: Served, tmp_path: Path, kind: str
) -> None:
    body = HOSTILE[kind](tmp_path)
    server, worker = peak_mib(served.pid), served.worker()
    before = peak_mib(worker)
    for content, headers in ((body, OGG), (form(("file", body)), FORM)):
        answer = served.ask(content, headers)
        assert 400 <= answer.status < 500, answer.json
        assert answer.json["recommendations"] == []
        assert answer.json["error"]
        assert answer.seconds < CLIP_TIMEOUT_S
    assert served.worker() == worker, "it cost no worker"
    assert peak_mib(worker) - before < CLIP_MEMORY_MIB / 4
    assert peak_mib(served.pid) - server < 12
    assert list(served.spools.iterdir()) == []
