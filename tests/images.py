"""Building the real Dockerfile and running what comes out: docker, or buildah and podman."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.processes import REPOSITORY

BASE = "docker.io/library/python:3.11-slim"
TAG = "localhost/vibe-search-test"
STAND_IN = "localhost/vibe-search-test-base"
MEMORY = "512m"
_BUILD_S = 1500
_START_S = 60

_CONTAINERS_CONF = """[containers]
default_ulimits = ["nofile=20000:20000", "nproc=4096:4096"]
cgroups = "enabled"
[engine]
runtime = "runc"
"""
"""runc, since Debian's crun wants more of the kernel than a container host in a container has."""


class Engine:
    """``docker``, or ``buildah`` and ``podman`` as root."""

    def __init__(self, folder: Path) -> None:
        self.is_docker = _works("docker", "info")
        if not self.is_docker and not (shutil.which("buildah") and shutil.which("podman")):
            raise FileNotFoundError("neither a docker that works, nor buildah and podman")
        conf = folder / "containers.conf"
        conf.write_text(_CONTAINERS_CONF)
        # BuildKit: before version 23, docker asks for it by name.
        self._environment = os.environ | {"CONTAINERS_CONF": str(conf), "DOCKER_BUILDKIT": "1"}
        self._name = "docker" if self.is_docker else "podman"
        self._folder = folder

    def run(
        self, *arguments: object, timeout_s: float = 120, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """``docker ARGUMENTS`` or ``podman ARGUMENTS``."""
        return self._run([self._name, *map(str, arguments)], timeout_s, check)

    @functools.cached_property
    def base(self) -> str:
        """The Dockerfile's own base where a registry is within reach, else a stand-in of
        Debian's packages."""
        if self.run("pull", "-q", BASE, timeout_s=300, check=False).returncode == 0:
            return BASE
        if self.run("image", "inspect", STAND_IN, check=False).returncode != 0:
            archive = self._folder / "base.tar"
            _debian(archive)
            self.run("import", "--change", "ENV PATH=/usr/local/bin:/usr/bin:/bin", archive,
                     STAND_IN, timeout_s=300)  # fmt: skip
            archive.unlink()
        return STAND_IN

    def build(
        self, tag: str, context: Path, *arguments: str, target: str = "serve"
    ) -> subprocess.CompletedProcess[str]:
        """Build the Dockerfile of ``context``; the finished process, whatever became of it."""
        options = [*arguments, "--target", target, "--build-arg", f"BASE={self.base}", "-t", tag]
        if self.is_docker:
            command = ["docker", "build", *options, str(context)]
        else:
            # Docker's format: OCI's knows no health check.
            command = ["buildah", "bud", "--isolation=chroot", "--network=host", "--format=docker"]
            command += ["--layers", *_pip_as_here(self._folder), *options, str(context)]
        return self._run(command, _BUILD_S, check=False)

    def inspect(self, name: str, kind: str = "image") -> dict[str, Any]:
        """What the engine knows of an image, or of a ``container``."""
        found: dict[str, Any] = json.loads(self.run(kind, "inspect", name).stdout)[0]
        return found

    @property
    def host(self) -> str:
        """Where a container must listen to be reached on loopback: docker may run in a machine of
        its own, and leads a port there; podman's containers share our network."""
        return "0.0.0.0" if self.is_docker else "127.0.0.1"

    @contextmanager
    def running(
        self, image: str, *arguments: str, port: int, options: Sequence[str] = ()
    ) -> Iterator[str]:
        """A container as a cautious host runs it, with ``port`` of ``host`` as ours; its name."""
        name = f"vibe-search-test-{os.getpid()}-{port}"
        confined = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "all", "--memory", MEMORY,
                    "--security-opt", "no-new-privileges"]  # fmt: skip
        leads = ["--publish", f"127.0.0.1:{port}:{port}"] if self.is_docker else ["--network=host"]
        self.run("run", "-d", "--name", name, *confined, *leads, *options, image, *arguments)
        try:
            yield name
        finally:
            self.run("rm", "-f", name, check=False)

    def logs(self, name: str) -> str:
        """What a container printed."""
        done = self.run("logs", name, check=False)
        return done.stdout + done.stderr

    def _run(
        self, command: Sequence[str], timeout_s: float, check: bool
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.returncode}\n{done.stderr[-3000:]}")
        return done


def wait_for(url: str, what: str, patience_s: float = _START_S) -> None:
    """Until ``url`` answers anything at all."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except urllib.error.HTTPError:
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what}: no answer at {url}: {error}") from error
            time.sleep(0.05)
        else:
            return


def _works(*command: str) -> bool:
    if shutil.which(command[0]) is None:
        return False
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    return done.returncode == 0


def _debian(archive: Path) -> None:
    """A root file system with Python 3.11 and nothing else, as python:3.11-slim has it."""
    packages = "python3,python3-venv,python-is-python3,ca-certificates"
    command = ["mmdebstrap", "--variant=minbase", f"--include={packages}", "bookworm", archive]
    subprocess.run(list(map(str, command)), check=True, capture_output=True, timeout=900)


def _pip_as_here(folder: Path) -> list[str]:
    """Options for buildah that let pip in a build find packages where pip finds them here."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    values: dict[str, str] = {}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        values[key.rpartition(".")[2]] = value.strip("'\"")
    conf = folder / "pip.conf"
    conf.write_text("[global]\n" + "".join(f"{key} = {value}\n" for key, value in values.items()))
    places = {part for value in values.values() for part in value.split()}
    paths = {Path(place.removeprefix("file://")) for place in places}
    mounted = {path for path in paths if path.is_absolute() and path.exists()}
    # A simple index's pages link to files beside it.
    mounted |= {path.parent for path in mounted if path.name == "simple"}
    volumes = [f"{path}:{path}:ro" for path in sorted(mounted)]
    return [f"--volume={volume}" for volume in (f"{conf}:/etc/pip.conf:ro", *volumes)]


@contextmanager
def context_with(extra: Mapping[str, Path]) -> Iterator[Path]:
    """A copy of the repository's image sources, and folders beside them; nobody but us may read
    them, as in a clone by somebody whose umask is 077."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(REPOSITORY / "Dockerfile", folder)
        for part in ("embed", "handler", "requirements"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(REPOSITORY / part, folder / part, ignore=ignored)
        for to, source in extra.items():
            shutil.copytree(source, folder / to)
        for path in folder.rglob("*"):
            path.chmod(0o700 if path.is_dir() else 0o600)
        yield folder
