"""The image, built from the real Dockerfile and run as a server and as a Lambda function.

``make image-test`` runs these; they take minutes and need docker, or buildah and podman.
"""

from __future__ import annotations

import gzip
import http.client
import json
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from embed import __version__
from tests.bench.load import free_port, get, post
from tests.emulator import EVENTS, emulator
from tests.events import Asked, ask, assert_alike, event, name_of, told
from tests.images import TAG, Engine, context_with, wait_for
from tests.questions import REQUESTS
from tests.s3 import KEYS, Bucket

pytestmark = pytest.mark.image

MOST_MB = 350
"""Of packages and code over the base image, uncompressed and without the bundle."""

LAMBDA = ["--user=993:990", "--ipc=none"]
"""What Lambda does to every image: a user of its own, and no /dev/shm."""

SECRET = "wJalrXUtnFEMI-not-a-key-of-anybody"


@pytest.fixture(scope="module")
def server(engine: Engine, image: str) -> Iterator[tuple[str, int]]:
    """The container's name and its port."""
    with serving(engine, image) as found:
        yield found


@contextmanager
def serving(engine: Engine, image: str) -> Iterator[tuple[str, int]]:
    port = free_port()
    settings = [f"--env=VIBE_HOST={engine.host}", f"--env=VIBE_PORT={port}"]
    with engine.running(image, port=port, options=settings) as name:
        wait_for(f"http://127.0.0.1:{port}/readyz", engine.logs(name))
        yield name, port


@pytest.fixture(scope="module")
def function(engine: Engine, image: str) -> Iterator[str]:
    """Where events go: the image's own entry point under Lambda's emulator."""
    if not emulator().exists():
        pytest.skip(f"no {emulator()}: make image-test installs it")
    emulator().chmod(0o755)
    port = free_port()
    command = ["--runtime-interface-emulator-address", f"{engine.host}:{port}",
               "--runtime-api-address", f"127.0.0.1:{free_port()}",
               *engine.inspect(image)["Config"]["Entrypoint"]]  # fmt: skip
    options = [f"--volume={emulator()}:/emulator:ro", "--entrypoint=/emulator", *LAMBDA]
    with engine.running(image, *command, port=port, options=options) as name:
        wait_for(f"http://127.0.0.1:{port}/", engine.logs(name))
        yield f"http://127.0.0.1:{port}{EVENTS}"


@pytest.mark.parametrize("asked", REQUESTS, ids=name_of)
def test_server_and_function_answer_alike(
    asked: Asked, server: tuple[str, int], function: str
) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", server[1], timeout=60)) as connection:
        served = ask(connection, asked)
    for is_function_url in (True, False):
        answer = json.loads(post(function, event(asked, is_function_url), timeout_s=60))
        assert_alike(asked, served, told(answer))


def in_container(engine: Engine, name: str, code: str) -> str:
    return engine.run("exec", name, "python", "-c", code).stdout.strip()


def test_it_is_nobody_and_can_write_nothing(engine: Engine, server: tuple[str, int]) -> None:
    found = in_container(engine, server[0], "import os; print(os.getuid(), os.getgid())")
    assert found == "10001 10001"
    code = "open('/bundle/x', 'w')"
    done = engine.run("exec", server[0], "python", "-c", code, check=False)
    assert "Read-only file system" in done.stderr
    status = in_container(engine, server[0], "print(open('/proc/self/status').read())")
    capabilities = [line.split()[1] for line in status.splitlines() if line.startswith("Cap")]
    assert {int(value, 16) for value in capabilities} == {0}
    assert engine.inspect(server[0], "container")["HostConfig"]["Memory"] == 512 * 2**20


def test_what_serving_does_not_need_is_not_there(engine: Engine, server: tuple[str, int]) -> None:
    names = ["torch", "transformers", "boto3", "openTSNE", "sklearn", "pytest", "export", "tests"]
    code = f"import importlib.util as u; print([n for n in {names} if u.find_spec(n)])"
    assert in_container(engine, server[0], code) == "[]"
    code = "import numpy, pathlib as p; print(*p.Path(numpy.__file__).parent.rglob('tests'))"
    assert in_container(engine, server[0], code) == ""
    tools = ["gcc", "cc", "make", "g++"]
    code = f"import shutil; print([n for n in {tools} if shutil.which(n)])"
    assert in_container(engine, server[0], code) == "[]"


def test_the_health_check_passes_and_can_fail(engine: Engine, server: tuple[str, int]) -> None:
    found = engine.inspect(TAG)
    check = (found.get("Healthcheck") or found["Config"]["Healthcheck"])["Test"]
    assert check[0] == "CMD"
    assert engine.run("exec", server[0], *check[1:], check=False).returncode == 0
    wrong = engine.run("exec", "--env", "VIBE_PORT=1", server[0], *check[1:], check=False)
    assert wrong.returncode == 1


def test_labels_and_user(engine: Engine, image: str) -> None:
    config = engine.inspect(image)["Config"]
    assert config["User"] == "10001:10001"
    prefix = "org.opencontainers.image."
    labels = {
        name.removeprefix(prefix): value
        for name, value in config["Labels"].items()
        if name.startswith(prefix) and not name.endswith("description")
    }
    assert labels == {
        "title": "vibe-search",
        "licenses": "Apache-2.0",
        "version": __version__,
        "revision": "unknown",
        "base.name": engine.base,
    }


def test_it_is_small(engine: Engine, image: str, image_bundle: Path) -> None:
    base, whole = (engine.inspect(name)["Size"] for name in (engine.base, image))
    files = sum(path.stat().st_size for path in image_bundle.rglob("*") if path.is_file())
    more = (whole - base - files) / 1e6
    print(f"\nthe image is {more:.0f} MB over its base ({base / 1e6:.0f} MB)")
    assert 100 < more <= MOST_MB, "less would be no ONNX Runtime, and a mistake of this test"


def test_sigterm_ends_it_well(engine: Engine, image: str) -> None:
    with serving(engine, image) as (name, _):
        started = time.monotonic()
        engine.run("kill", "--signal", signal.SIGTERM.name, name)
        assert engine.run("wait", name).stdout.strip() == "0"
        assert time.monotonic() - started < 10


def shown_by(engine: Engine, image: str, folder: Path, *texts: bytes) -> list[bool]:
    """Which of ``texts`` whoever has the image can read, in its configuration or any layer."""
    archive, found = folder / "image.tar", set()
    engine.run("save", "-o", archive, image, timeout_s=300)
    with tarfile.open(archive) as members:
        for member in members:
            if (file := members.extractfile(member)) is not None:
                data = file.read()
                data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
                found |= {text for text in texts if text in data}
    archive.unlink()
    return [text in found for text in texts]


def test_a_bundle_from_s3_and_no_secret_in_any_layer(
    engine: Engine,
    image_bundle: Path,
    moto_server: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if engine.is_docker and sys.platform != "linux":
        pytest.skip("docker builds in a machine of its own, where loopback's S3 is not")
    secret = tmp_path / "credentials"
    secret.write_text(
        f"[default]\naws_access_key_id = {KEYS['AWS_ACCESS_KEY_ID']}\n"
        f"aws_secret_access_key = {SECRET}\n"
    )
    with Bucket(moto_server, monkeypatch, tmp_path) as bucket, context_with({}) as context:
        command = [sys.executable, "-m", "embed", "push", str(image_bundle), bucket.url]
        run = subprocess.run(command, check=True, capture_output=True, text=True)
        # As the release has it: the version that the image's tag names, not whatever is the latest.
        url = f"{bucket.url}/versions/{run.stdout.strip()}"
        options = [f"--build-arg=BUNDLE={url}", "--build-arg=AWS_REGION=us-east-1",
                   f"--build-arg=AWS_ENDPOINT_URL={moto_server}", "--network=host"]  # fmt: skip
        without = engine.build(f"{TAG}-s3", context, *options)
        assert without.returncode != 0
        assert "no aws credentials" in (without.stdout + without.stderr).lower()
        options.append(f"--secret=id=aws,src={secret}")
        for target in ("serve", "bundle"):
            done = engine.build(f"{TAG}-s3-{target}", context, *options, target=target)
            assert done.returncode == 0, done.stderr[-3000:]
    marker = (image_bundle / "vectors.npy").read_bytes()
    for target in ("serve", "bundle"):  # what is shipped, and the layers where it was used
        found = shown_by(engine, f"{TAG}-s3-{target}", tmp_path, marker, SECRET.encode())
        assert found == [True, False], "the bundle in it is, and shows that a secret would be"
    with serving(engine, f"{TAG}-s3-serve") as (_, port):
        answer = json.loads(post(f"http://127.0.0.1:{port}/recommend", {"song": "creep"}))
        assert answer["matched"] == "Radiohead - Creep"


def test_a_bundle_that_is_not_there_is_one_line(engine: Engine, image: str) -> None:
    with context_with({}) as context:
        done = engine.build(f"{TAG}-none", context, "--build-arg=BUNDLE=no-such-folder")
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "BUNDLE=no-such-folder: no such folder in the build context" in said
    assert "Traceback" not in said


def test_the_jobs_image_embeds(engine: Engine, jobs_image: str) -> None:
    shown = engine.run("run", "--rm", "--network", "host", "--read-only", jobs_image, "--help")
    assert "MUSIC" in shown.stdout
    code = "import embed.pipeline, embed.store.s3, onnxruntime, soundfile, av; print('whole')"
    shown = engine.run("run", "--rm", "--network", "host", "--read-only",
                       "--entrypoint=python", jobs_image, "-c", code)  # fmt: skip
    assert shown.stdout.strip() == "whole"


def test_without_a_bundle_it_serves_the_sample(engine: Engine) -> None:
    with context_with({}) as context:
        done = engine.build(f"{TAG}-sample", context)
    assert done.returncode == 0, done.stderr[-3000:]
    with serving(engine, f"{TAG}-sample") as (_, port):
        songs = json.loads(get(f"http://127.0.0.1:{port}/songs"))["songs"]
        assert len(songs) == 48
