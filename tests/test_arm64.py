"""The image on ARM, as far as an x86-64 machine can tell: its wheels exist, and they answer alike.

``make image-test`` runs these. What is emulated is the processor (qemu), not Debian, Python, the
wheels or AWS's emulator of Lambda: those are the ones that an image for ARM holds.
"""

from __future__ import annotations

import http.client
import json
import platform
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.arm64 import QEMU, Arm, pins_for_arm, pip_for_arm
from tests.bench.load import free_port, post
from tests.emulator import EVENTS, FOLDER
from tests.events import REQUESTS, Asked, ask, assert_alike, event, name_of, told
from tests.handlers import serving
from tests.serving import named_bundle

pytestmark = pytest.mark.image

RIE = FOLDER / "aws-lambda-rie-arm64"
PATIENCE_S = 300


@pytest.mark.parametrize("names", ["handler lambda", "embed", "milvus", "ray"])
def test_every_pin_has_a_wheel(names: str, tmp_path: Path) -> None:
    pins = [one for name in names.split() for one in ("-r", pins_for_arm(name, tmp_path))]
    report = tmp_path / "report.json"
    done = pip_for_arm("--dry-run", "--report", report, "--target", tmp_path / "x", *pins)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(report.read_text())["install"]
    wheels = [one["download_info"]["url"].rpartition("/")[2] for one in found]
    assert len(wheels) == sum(len(path.read_text().split()) for path in pins[1::2])
    assert all(name.endswith(("aarch64.whl", "-any.whl")) for name in wheels)
    assert any("aarch64" in name for name in wheels)


@pytest.fixture(scope="module")
def arm(tmp_path_factory: pytest.TempPathFactory) -> Arm:
    if platform.machine() in ("aarch64", "arm64"):
        pytest.skip("this machine is one: test_image tells more")
    for program in ("qemu-aarch64", "mmdebstrap"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} (apt-get install qemu-user mmdebstrap)")
    return Arm(tmp_path_factory.mktemp("arm"))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return named_bundle(tmp_path_factory.mktemp("bundle") / "bundle")


@pytest.fixture(scope="module")
def here(bundle: Path) -> Iterator[http.client.HTTPConnection]:
    """The API on this machine's own processor."""
    with (
        serving("--bundle", str(bundle), "--port", "0") as (_, host, port, _line),
        closing(http.client.HTTPConnection(host, port, timeout=60)) as connection,
    ):
        yield connection


@pytest.fixture(scope="module")
def server(arm: Arm, bundle: Path) -> Iterator[http.client.HTTPConnection]:
    port = free_port()
    command = [arm.python, "-m", "handler", "--bundle", bundle, "--port", port]
    with (
        arm.running(*command, ready=f"http://127.0.0.1:{port}/readyz"),
        closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as connection,
    ):
        yield connection


@pytest.fixture(scope="module")
def function(arm: Arm, bundle: Path) -> Iterator[str]:
    if not RIE.exists():
        pytest.skip(f"no {RIE}: make image-test installs it")
    port = free_port()
    command = [QEMU, RIE, "--runtime-interface-emulator-address", f"127.0.0.1:{port}",
               "--runtime-api-address", f"127.0.0.1:{free_port()}",
               arm.python, "-m", "handler.entrypoint"]  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    with arm.running(*command, ready=f"{url}/", VIBE_BUNDLE=str(bundle)):
        yield url + EVENTS


def test_it_is_another_processor(arm: Arm, server: http.client.HTTPConnection) -> None:
    code = "import platform, numpy, onnxruntime, av, soxr; print(platform.machine())"
    run = subprocess.run(
        [arm.python, "-c", code], env=arm.environment(), capture_output=True, text=True, check=True
    )
    assert run.stdout == "aarch64\n"


@pytest.mark.parametrize("asked", REQUESTS, ids=name_of)
def test_server_and_function_answer_as_here(
    asked: Asked,
    here: http.client.HTTPConnection,
    server: http.client.HTTPConnection,
    function: str,
) -> None:
    expected = ask(here, asked)
    sent = event(asked, is_function_url=True)
    there, emulated = ask(server, asked), told(json.loads(post(function, sent, PATIENCE_S)))
    assert_alike(asked, there, emulated)
    if asked.path == "/version":  # Debian's Python is of another day
        expected, there = (
            one._replace(body=_but_for(one.body, "python")) for one in (expected, there)
        )
    assert_alike(asked, expected, there)


def _but_for(body: bytes, name: str) -> bytes:
    found = json.loads(body)
    assert found.pop(name).startswith("3.")
    return json.dumps(found).encode()
