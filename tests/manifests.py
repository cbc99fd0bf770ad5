"""k8s/ as it would be applied, and what must agree with it elsewhere in the repository."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.processes import REPOSITORY

K8S = REPOSITORY / "k8s"
BASE, DEV, PROD, NOW = "base", "overlays/dev", "overlays/prod", "jobs/now"
ARGOCD = "argocd"
RAY = "ray"
PLACEHOLDER = re.compile(r"\.invalid|sha256:0{64}")

Manifest = dict[str, Any]


def kubectl() -> str:
    """Where it is: beside our Python, or wherever this machine has one."""
    beside = Path(sys.executable).with_name("kubectl")
    found = str(beside) if beside.is_file() else shutil.which("kubectl")
    if found is None:
        pytest.skip("kubectl is not installed (make test installs it): it renders k8s/")
    return found


def render_folder(folder: Path) -> list[Manifest]:
    """What ``kubectl apply -k folder`` would apply."""
    done = subprocess.run(
        [kubectl(), "kustomize", folder], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@lru_cache
def render(name: str) -> tuple[Manifest, ...]:
    """A kustomization of k8s/. Not to be changed."""
    return tuple(render_folder(K8S / name))


def one(name: str, kind: str, of: str | None = None) -> Manifest:
    """The only ``kind`` there, or the one that is called ``of``."""
    found = [
        manifest
        for manifest in render(name)
        if manifest["kind"] == kind and of in (None, manifest["metadata"]["name"])
    ]
    assert len(found) == 1, (name, kind, of, len(found))
    return found[0]


def kinds(name: str) -> set[str]:
    return {manifest["kind"] for manifest in render(name)}


def pod_template(manifest: Manifest) -> Manifest:
    """The pods that it makes: labels and spec. Raises KeyError when it makes none."""
    spec = manifest["spec"]
    if manifest["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    template: Manifest = spec["template"]
    return template


def text(path: str) -> str:
    return (REPOSITORY / path).read_text(encoding="utf-8")


def found(pattern: str, path: str) -> str:
    """What the one group of ``pattern`` is, wherever it stands in the file; the same each time."""
    values = set(re.findall(pattern, text(path), re.M))
    assert len(values) == 1, (pattern, path, values)
    return str(values.pop())


def kubernetes_version() -> str:
    """Of the cluster that infra/ makes, such as 1.33.5."""
    return found(r'default\s*=\s*"v(1\.[0-9.]+)\+k3s', "infra/variables.tf")


def ordinary_pods_shutdown_s() -> int:
    """What infra/'s kubelet grants pods when a node shuts down."""
    kubelet = yaml.safe_load(text("infra/user_data/kubelet.yaml"))
    total, critical = (
        int(kubelet[key].removesuffix("s"))
        for key in ("shutdownGracePeriod", "shutdownGracePeriodCriticalPods")
    )
    return total - critical
