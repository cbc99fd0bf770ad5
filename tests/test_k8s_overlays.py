"""k8s/overlays: what each of them is made of, and that prod is never half set."""

from __future__ import annotations

import re

import yaml

from tests.manifests import (
    ARGOCD,
    BASE,
    DEV,
    K8S,
    PLACEHOLDER,
    PROD,
    kinds,
    one,
    pod_template,
    render,
)


def test_base_starts_no_job() -> None:
    assert kinds(BASE) == {
        "ServiceAccount",
        "Deployment",
        "Service",
        "PodDisruptionBudget",
        "HorizontalPodAutoscaler",
        "NetworkPolicy",
    }


def test_dev_is_one_pod_with_the_sample() -> None:
    assert kinds(DEV) == {"Namespace", "ServiceAccount", "Deployment", "Service", "NetworkPolicy"}
    dev = one(DEV, "Deployment")
    assert dev["spec"]["replicas"] == 1
    assert pod_template(dev)["spec"]["containers"][0]["image"] == "vibe-search:dev"
    namespace = one(DEV, "Namespace")["metadata"]
    assert namespace["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}
    others = {each["metadata"]["namespace"] for each in render(DEV) if each["kind"] != "Namespace"}
    assert others == {namespace["name"]}


def images() -> dict[str, str]:
    """In prod, by the container's name."""
    pods = [pod_template(one(PROD, kind))["spec"] for kind in ("Deployment", "CronJob")]
    return {each["name"]: each["image"] for spec in pods for each in spec["containers"]}


def test_prod_names_images_by_digest() -> None:
    assert images().keys() == {"api", "embed"}
    for image in images().values():
        assert re.fullmatch(r"[a-z0-9.-]+/[a-z0-9/-]+@sha256:[0-9a-f]{64}", image)


def test_prod_is_set_altogether_or_not_at_all() -> None:
    """A placeholder beside what is real would be deployed; the release workflow sets them all."""
    values = {
        **images(),
        **{key: one(PROD, "ConfigMap")["data"][key] for key in ("MUSIC", "BUNDLES")},
        "repoURL": one(ARGOCD, "Application")["spec"]["source"]["repoURL"],
    }
    unset = sorted(name for name, value in values.items() if PLACEHOLDER.search(value))
    assert unset in ([], sorted(values)), f"placeholders: {', '.join(unset)}"


def test_every_file_is_part_of_something() -> None:
    named = set()
    for path in K8S.rglob("kustomization.yaml"):
        listed = yaml.safe_load(path.read_text())
        parts = [*listed.get("resources", []), *listed.get("components", [])]
        named |= {(path.parent / part).resolve() for part in parts}
    files = {path for path in K8S.rglob("*.yaml") if path.name != "kustomization.yaml"}
    assert files <= named
