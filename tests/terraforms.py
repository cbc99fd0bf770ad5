"""Terraform on a copy of ``infra/``, with whatever binary and provider this machine has."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from tests.processes import REPOSITORY

INFRA = REPOSITORY / "infra"
TOOLS = Path(sys.prefix) / "infra" / "bin"
_PATIENCE_S = 600

_NEEDED = (1, 11)
"""versions.tf: write-only arguments."""

_PLUGINS = Path("registry.terraform.io/hashicorp/aws")


class Done(NamedTuple):
    """How a program ended, and all that it said."""

    code: int
    said: str


class Terraform:
    """Runs ``terraform`` in ``folder``."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self._environment = _environment() | environment

    def __call__(self, *arguments: str) -> Done:
        done = subprocess.run(
            ["terraform", *arguments, "-no-color"],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
        return Done(done.returncode, done.stdout)

    def json(self, *arguments: str) -> Any:
        """What ``terraform … -json`` printed."""
        done = self(*arguments, "-json")
        assert done.code == 0, done.said
        return json.loads(done.said)

    def write(self, name: str, text: str) -> None:
        """A file of the configuration."""
        (self.folder / name).write_text(text)

    def replace(self, name: str, old: str, new: str) -> None:
        """A fault, for tests that must see it."""
        text = (self.folder / name).read_text()
        assert old in text, (name, old)
        (self.folder / name).write_text(text.replace(old, new))


def why_no_terraform() -> str | None:
    """Why terraform cannot be used here; None if it can."""
    if shutil.which("terraform") is None:
        return "terraform is not installed"
    version = Terraform(INFRA).json("version")["terraform_version"]
    if tuple(int(part) for part in version.split(".")[:2]) < _NEEDED:
        return f"terraform {version}: infra needs {'.'.join(map(str, _NEEDED))}"
    return None


def copy_infra(to: Path) -> Terraform:
    """The configuration, to be initialised or spoiled."""
    shutil.copytree(INFRA, to, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
    return Terraform(to)


def initialise(terraform: Terraform) -> str | None:
    """``terraform init``, as configured or from a mirror on this machine; why not, if neither."""
    done = Done(1, "")
    for mirror in [*_mirrors(), None]:
        source = [] if mirror is None else [f"-plugin-dir={mirror}"]
        done = terraform("init", "-backend=false", "-input=false", *source)
        if done.code == 0:
            return None
    reason = [line for line in done.said.splitlines() if line.strip(" │╵╷")]
    return f"no AWS provider: terraform init said {' '.join(reason)[:300]}"


def variables(**changes: Any) -> dict[str, Any]:
    """What must be given, made up."""
    return {
        "github_repository": "owner/vibe-search",
        "github_repository_ids": {"owner": 583231, "repository": 1296269123},
        "client_cidrs": ["203.0.113.7/32"],
        "alarm_email": "owner@example.org",
        "k3s_sha256": {"amd64": "1" * 64},
        "ecr_credential_provider_sha256": {"amd64": "3" * 64},
    } | changes


def run_tool(name: str, *arguments: str | Path) -> Done:
    """A program of requirements/infra.txt."""
    done = subprocess.run(
        [TOOLS / name, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
        env={**os.environ, "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}"},
    )
    return Done(done.returncode, done.stdout)


def _environment() -> dict[str, str]:
    # No credentials, profile or endpoint of whoever runs the tests; only a file that is there.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    if not Path(kept.get("TF_CLI_CONFIG_FILE", "")).is_file():
        kept.pop("TF_CLI_CONFIG_FILE", None)
    return kept | {
        "CHECKPOINT_DISABLE": "1",
        "TF_IN_AUTOMATION": "1",
        "AWS_CONFIG_FILE": os.devnull,
    }


def _mirrors() -> list[Path]:
    """Folders that hold the AWS provider, where Terraform's users and packagers put them."""
    shared = [Path("/usr/share"), Path("/usr/local/share"), Path("/opt"), Path.home()]
    roots = [path for folder in shared if folder.is_dir() for path in sorted(folder.iterdir())]
    roots += [Path.home() / ".terraform.d" / "plugins"]
    roots += [folder / "terraform" / "plugins" for folder in shared]
    if cache := os.environ.get("TF_PLUGIN_CACHE_DIR"):
        roots.insert(0, Path(cache))
    return [root for root in roots if os.access(root, os.R_OK) and (root / _PLUGINS).is_dir()]
