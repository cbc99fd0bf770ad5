"""The API as a process: it starts, says where it is, serves, and stops when told to."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from embed.catalogue import write_catalogue
from embed.writer import BundleWriter
from handler.settings import SETTINGS
from tests.handlers import ROOT, environment, serving
from tests.serving import NAMES, named_bundle, song


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return named_bundle(tmp_path_factory.mktemp("process") / "bundle")


def test_it_says_where_it_is_and_what_to_try(bundle: Path) -> None:
    with serving("--bundle", str(bundle), "--port", "0") as (_, host, port, line):
        assert line.startswith(f"10 songs at http://127.0.0.1:{port}, documented at ")
        command = line.splitlines()[1].strip()
        shell = ["sh", "-c", command + " -s"]
        done = subprocess.run(shell, check=False, capture_output=True, timeout=10)
        if done.returncode != 127:  # no curl here
            assert json.loads(done.stdout)["matched"] == NAMES[0]
        connection = http.client.HTTPConnection(host, port)
        connection.request("GET", "/health")
        assert json.load(connection.getresponse())["songs_loaded"] == 10
        connection.close()


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_well_when_told_to(bundle: Path, signal_number: signal.Signals) -> None:
    with serving("--bundle", str(bundle), "--port", "0") as (process, host, port, _):
        connection = http.client.HTTPConnection(host, port)
        connection.request("GET", "/livez")
        connection.getresponse().read()  # an idle connection must not hold it up
        process.send_signal(signal_number)
        _, errors = process.communicate(timeout=10)
        assert (process.returncode, errors) == (0, "")
        connection.close()


def test_a_request_under_way_is_answered_before_the_end(bundle: Path) -> None:
    body = json.dumps({"song": "creep"}).encode()
    head = b"POST /recommend HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)
    with serving("--bundle", str(bundle), "--port", "0") as (process, host, port, _):
        with socket.create_connection((host, port), timeout=10) as client:
            client.sendall(head + body[:5])
            # Only once it answers others it has certainly read our first part.
            other = http.client.HTTPConnection(host, port)
            other.request("GET", "/livez")
            other.getresponse().read()
            process.terminate()
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.5)
            client.sendall(body[5:])
            assert client.recv(65_536).startswith(b"HTTP/1.1 200 OK")
            other.close()
        assert process.wait(10) == 0


def test_while_it_drains_new_requests_are_answered_and_connections_closed(bundle: Path) -> None:
    with serving("--bundle", str(bundle), "--port", "0", VIBE_DRAIN_S="1") as (
        process,
        host,
        port,
        _,
    ):
        kept = http.client.HTTPConnection(host, port)
        kept.request("GET", "/livez")
        assert kept.getresponse().read()
        process.terminate()
        for client in (kept, http.client.HTTPConnection(host, port)):
            client.request("GET", "/livez")
            answer = client.getresponse()
            assert (answer.status, answer.getheader("connection")) == (200, "close")
            client.close()
        assert process.poll() is None
        assert process.wait(10) == 0


def test_a_second_signal_ends_the_draining(bundle: Path) -> None:
    with serving("--bundle", str(bundle), "--port", "0", VIBE_DRAIN_S="600") as (process, *_):
        process.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.terminate()
        assert process.wait(10) == 0


def test_the_environment_is_enough_and_options_win(bundle: Path) -> None:
    settings = {"VIBE_BUNDLE": str(bundle), "VIBE_PORT": "0", "VIBE_HOST": "::1"}
    with serving(**settings) as (_, host, _port, _line):
        assert host == "::1"
    with serving("--host", "127.0.0.1", **settings) as (_, host, _port, _line):
        assert host == "127.0.0.1"


def test_requests_at_once_do_not_disturb_each_other(bundle: Path) -> None:
    answers: dict[str, set[bytes]] = {name: set() for name in NAMES}
    with serving("--bundle", str(bundle), "--port", "0") as (_, host, port, _line):

        def ask(names: Sequence[str]) -> None:
            connection = http.client.HTTPConnection(host, port)
            for name in names:
                body = json.dumps({"song": name})
                connection.request("POST", "/recommend", body, {"content-type": "application/json"})
                answers[name].add(connection.getresponse().read())
            connection.close()

        threads = [threading.Thread(target=ask, args=(NAMES * 5,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert all(len(found) == 1 for found in answers.values())
    assert all(json.loads(min(found))["matched"] == name for name, found in answers.items())


def test_a_bundle_rewritten_while_serving_leaves_the_server_alone(tmp_path: Path) -> None:
    root = named_bundle(tmp_path / "bundle")
    with serving("--bundle", str(root), "--port", "0") as (_, host, port, _line):
        connection = http.client.HTTPConnection(host, port)
        before, after = [], []
        for answers in (before, after):
            for name in ("creep", "in this drak"):
                body = json.dumps({"song": name})
                connection.request("POST", "/recommend", body, {"content-type": "application/json"})
                answers.append(connection.getresponse().read())
            if answers is before:
                with BundleWriter(root) as writer:
                    previous = writer.previous
                    assert previous is not None
                    write_catalogue(writer.stage("catalogue.sqlite"), [song("other")], "d")
                    writer.commit(model=previous.model, spec=previous.spec, songs=1)
        assert before == after
        connection.close()


def test_help_lists_every_setting() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "handler", "--help"],
        cwd=ROOT, env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    for setting in SETTINGS:
        line = next(line for line in done.stdout.splitlines() if setting.name + "  " in line)
        assert setting.description in line
        assert setting.default is None or f"[{setting.default}]" in line


def test_the_wiring_loads_neither_model_nor_audio(bundle: Path) -> None:
    code = (
        "import sys, handler.main;"
        "heavy = {'onnxruntime', 'soundfile', 'soxr', 'av', 'torch', 'uvicorn', 'embed.audio'};"
        "print(sorted(heavy & set(sys.modules)), type(handler.main.handler).__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, env=environment(VIBE_BUNDLE=str(bundle)), capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stdout == "[] Mangum\n"
