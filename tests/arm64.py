"""Linux on ARM, emulated: Debian's Python 3.11, the wheels that the image would install, qemu."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from packaging.requirements import Requirement

from tests.handlers import environment
from tests.images import wait_for
from tests.processes import REPOSITORY

QEMU = shutil.which("qemu-aarch64")

# Graviton2, the oldest that AWS runs functions and t4g, c6g on.
_CPU = "neoverse-n1"

# The base image's glibc is 2.36 or newer.
_PLATFORMS = [*(f"manylinux_2_{minor}_aarch64" for minor in range(36, 16, -1)),
              "manylinux2014_aarch64"]  # fmt: skip
_TARGET = {"platform_machine": "aarch64", "sys_platform": "linux", "python_version": "3.11"}


def pip_for_arm(*arguments: object) -> subprocess.CompletedProcess[str]:
    """``pip install`` of wheels for Linux on ARM and Python 3.11, as in the Dockerfile."""
    options = ["--only-binary=:all:", "--no-deps", "--ignore-installed", "--quiet"]
    options += [f"--platform={platform}" for platform in _PLATFORMS]
    options += ["--implementation=cp", "--python-version=3.11"]
    command = [sys.executable, "-m", "pip", "install", *options, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)


def pins_for_arm(name: str, folder: Path) -> Path:
    """``requirements/NAME.txt`` as read on ARM: pip asks markers of the machine it runs on."""
    lines = (REPOSITORY / f"requirements/{name}.txt").read_text().splitlines()
    wanted = [Requirement(line.partition("#")[0]) for line in lines if line[:1].isalpha()]
    path = folder / f"{name}.txt"
    path.write_text(
        "".join(
            f"{one.name}{one.specifier}\n"
            for one in wanted
            if one.marker is None or one.marker.evaluate(_TARGET)
        )
    )
    return path


class Arm:
    """A machine: ``python`` is its interpreter, which runs here, with the API's packages."""

    def __init__(self, folder: Path) -> None:
        self.python = folder / "python"
        self._folder = folder
        root = folder / "root"
        # Unpacked, not installed: nothing of it has to run for that.
        command = ["mmdebstrap", "--variant=extract", "--architectures=arm64",
                   "--include=python3,libstdc++6", "bookworm", str(root)]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True, timeout=900)
        done = pip_for_arm("--target", folder / "site", *(
            argument for name in ("handler", "lambda")
            for argument in ("-r", pins_for_arm(name, folder))
        ))  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(done.stderr[-3000:])
        self.python.write_text(
            f'#!/bin/sh\nexec {QEMU} -cpu {_CPU} -L {root} {root}/usr/bin/python3.11 "$@"\n'
        )
        self.python.chmod(0o755)
        # The kernel cannot run the interpreter by itself, which would begin a worker process so.
        (folder / "site/sitecustomize.py").write_text(
            f"import multiprocessing.spawn as s\ns.set_executable({str(self.python)!r})\n"
        )

    def environment(self, **settings: str) -> dict[str, str]:
        """In which ``python`` finds packages and code."""
        places = os.pathsep.join([str(self._folder / "site"), str(REPOSITORY)])
        more = {"PYTHONPATH": places, "PYTHONDONTWRITEBYTECODE": "1"}
        return environment(**more, **settings)

    @contextmanager
    def running(self, *command: object, ready: str, **settings: str) -> Iterator[None]:
        """A program of it that answers at the URL ``ready`` meanwhile."""
        log = self._folder / "log"
        with log.open("w") as said:
            process = subprocess.Popen(
                list(map(str, command)), env=self.environment(**settings),
                stdout=said, stderr=said,
            )  # fmt: skip
        try:
            try:
                wait_for(ready, f"{command[0]}", patience_s=300)
            except TimeoutError as error:
                raise TimeoutError(f"{error}\n{log.read_text()[-3000:]}") from error
            yield
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
