"""The image on ARM, as far as another machine can tell: every pin has a wheel for it.

``make image-test`` runs these, since they ask the package index.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.processes import REPOSITORY

pytestmark = pytest.mark.image

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
