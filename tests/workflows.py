""".github/workflows read as data, and steps of theirs run with stand-ins for what GitHub has."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.processes import REPOSITORY

FOLDER = REPOSITORY / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))

Workflow = dict[str, Any]


def load(name: str) -> Workflow:
    """A workflow; ``on``, which YAML 1.1 takes for true, is called so again."""
    read: dict[Any, Any] = yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))
    return {"on" if key is True else key: value for key, value in read.items()}


def steps(name: str, job: str) -> list[Workflow]:
    found: list[Workflow] = load(name)["jobs"][job]["steps"]
    return found


def script(name: str, job: str, step: str) -> str:
    """What the step of that name runs. Without expressions: they come in by its environment."""
    (found,) = [each["run"] for each in steps(name, job) if each.get("name") == step]
    assert "${{" not in found
    return str(found)


def scripts() -> list[tuple[str, str]]:
    """Every script, with where it is."""
    return [
        (f"{path.stem}/{job}/{number}", step["run"])
        for path in FILES
        for job, body in load(path.stem)["jobs"].items()
        for number, step in enumerate(body.get("steps", []))
        if "run" in step
    ]


def expressions(pattern: str) -> set[str]:
    """Every match of ``pattern`` in the workflows' text."""
    return {found for path in FILES for found in re.findall(pattern, path.read_text())}


class Runner:
    """A machine that runs steps: programs in ``bin``, files in ``temp``, outputs as GitHub's."""

    def __init__(self, root: Path) -> None:
        self.bin, self.temp = root / "bin", root / "temp"
        self.output = root / "output"
        self.summary = root / "summary"
        for folder in (self.bin, self.temp):
            folder.mkdir(parents=True)
        self.environment = {
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(root),
            "GIT_CONFIG_NOSYSTEM": "1",
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_OUTPUT": str(self.output),
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_REPOSITORY": "owner/vibe-search",
            "GITHUB_SHA": "c0ffee" * 6 + "c0ff",
        }

    def program(self, name: str, text: str, *, interpreter: str = "/bin/sh") -> None:
        """A stand-in on the PATH."""
        path = self.bin / name
        path.write_text(f"#!{interpreter}\n{text}")
        path.chmod(0o755)

    def python_program(self, name: str, text: str) -> None:
        self.program(name, text, interpreter=sys.executable)

    def run(self, script: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """As GitHub runs ``shell: bash``."""
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=folder,
            env=self.environment | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def outputs(self) -> dict[str, str]:
        """What was written to GITHUB_OUTPUT since last asked."""
        lines = self.output.read_text().splitlines()
        self.output.unlink()
        return dict(line.split("=", 1) for line in lines)
