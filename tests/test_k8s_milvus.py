"""k8s/milvus: what the chart is told, and that the API reaches it, and nothing else does."""

from __future__ import annotations

import os
import re
from importlib.metadata import packages_distributions
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

from embed.commands.publish import publish_command
from embed.milvus.address import parse_address
from handler.settings import read_settings
from tests.k8s_schemas import HELM_CHART, MILVUS_VALUES
from tests.manifests import (
    K8S,
    PROD,
    Manifest,
    kinds,
    kubernetes_version,
    one,
    pod_template,
    render_folder,
    text,
)
from tests.processes import python

MILVUS = "milvus"
REPOSITORY_PACKAGES = ("embed", "handler", "export", "tests")


@pytest.fixture(scope="module")
def with_milvus(tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    """prod, with the component."""

    folder = tmp_path_factory.mktemp("overlay").resolve()
    overlay = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(K8S / PROD, folder)],
        "components": [os.path.relpath(K8S / "milvus/client", folder)],
        "namespace": "vibe-search",
    }
    Path(folder / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    return render_folder(folder)


def chart() -> Manifest:
    return one(MILVUS, "HelmChart")


def values() -> Manifest:
    found: Manifest = yaml.safe_load(chart()["spec"]["valuesContent"])
    return found


def test_the_chart_is_told_what_it_knows() -> None:
    assert kinds(MILVUS) == {"Namespace", "HelmChart", "NetworkPolicy"}
    jsonschema.Draft202012Validator(HELM_CHART).validate(chart())
    jsonschema.Draft202012Validator(MILVUS_VALUES).validate(values())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(MILVUS_VALUES).validate({"externals3": {}})
    for kind in ("Namespace", "NetworkPolicy"):
        kubernetes_validate.validate(one(MILVUS, kind), kubernetes_version(), strict=True)


def test_its_storage_is_s3_by_the_nodes_role() -> None:
    s3 = values()["externalS3"]
    assert (values()["minio"], s3["enabled"], s3["useIAM"]) == ({"enabled": False}, True, True)
    assert s3["useSSL"] is True
    assert s3["region"] in s3["host"]
    assert "accessKey" not in s3
    # What the role may write to, where infra/ is told milvus = true.
    assert f"/{s3['rootPath']}/*" in text("infra/iam.tf").split('"aws_iam_role_policy" "milvus"')[1]


def test_the_api_is_led_to_it_and_may_reach_it(with_milvus: list[Manifest]) -> None:
    [deployment] = [each for each in with_milvus if each["kind"] == "Deployment"]
    [container] = pod_template(deployment)["spec"]["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    index = read_settings(environment | {"VIBE_BUNDLE": "/bundle"}).index
    assert index is not None
    name, port = chart()["metadata"]["name"], values()["service"]["port"]
    namespace = chart()["spec"]["targetNamespace"]
    assert index == parse_address(f"http://{name}.{namespace}.svc.cluster.local:{port}")
    [policy] = [
        each for each in with_milvus
        if (each["kind"], each["metadata"]["name"]) == ("NetworkPolicy", "milvus")
    ]  # fmt: skip
    names, there = policy["spec"]["egress"]
    assert [each["port"] for each in names["ports"]] == [53, 53]
    [peer] = there["to"]
    labels = {"kubernetes.io/metadata.name": one(MILVUS, "Namespace")["metadata"]["name"]}
    assert peer == {"namespaceSelector": {"matchLabels": labels}}
    assert there["ports"] == [{"protocol": "TCP", "port": port}]
    ours = policy["spec"]["podSelector"]["matchLabels"].items()
    assert ours <= pod_template(deployment)["metadata"]["labels"].items()
    kubernetes_validate.validate(policy, kubernetes_version(), strict=True)
    kubernetes_validate.validate(deployment, kubernetes_version(), strict=True)


def test_a_bundle_is_published_before_it_is_rolled_out(with_milvus: list[Manifest]) -> None:
    [job] = [each for each in with_milvus if each["kind"] == "Job"]
    [deployment] = [each for each in with_milvus if each["kind"] == "Deployment"]
    assert job["metadata"]["annotations"] == {
        "argocd.argoproj.io/hook": "PreSync",
        "argocd.argoproj.io/hook-delete-policy": "BeforeHookCreation",
    }
    [publisher], [api] = (pod_template(each)["spec"]["containers"] for each in (job, deployment))
    # The bundle is in the image: of another one, another version would be published.
    assert publisher["image"] == api["image"]
    assert f"VIBE_BUNDLE={publisher['command'][4]}" in text("Dockerfile")
    assert publisher["command"][:4] == ["python", "-m", "embed", "publish"]
    parsed = publish_command.make_context("publish", publisher["command"][4:]).params
    environment = {each["name"]: each["value"] for each in api["env"]}
    index = read_settings(environment | {"VIBE_BUNDLE": "/bundle"}).index
    assert parse_address(parsed["where"], parsed["collection"]) == index
    # Its labels let it reach Milvus, and are not those that requests are sent to.
    labels = pod_template(job)["metadata"]["labels"]
    assert labels["app.kubernetes.io/name"] == "vibe-search"
    assert labels != pod_template(deployment)["metadata"]["labels"]
    for part in ("containers", "initContainers"):
        for each in pod_template(job)["spec"].get(part, []):
            assert each["securityContext"] == api["securityContext"]
    # At a first sync no ServiceAccount of ours is there yet.
    assert "serviceAccountName" not in pod_template(job)["spec"]
    kubernetes_validate.validate(job, kubernetes_version(), strict=True)


def test_the_image_that_searches_there_can_publish_too() -> None:
    """All that ``python -m embed publish`` imports is in the image that is built with MILVUS=1."""
    pins = {
        name.lower().replace("_", "-")
        for part in ("handler", "lambda", "milvus")
        for name in re.findall(r"^([\w.-]+)==", text(f"requirements/{part}.txt"), re.M)
    }
    absent = {
        module
        for module, owners in packages_distributions().items()
        if not pins & {owner.lower().replace("_", "-") for owner in owners}
        and module not in REPOSITORY_PACKAGES
    }
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({sorted(absent)!r}))\n"
        "import pymilvus, embed.milvus.client, embed.milvus.publish, embed.store.cache\n"
        "import runpy; sys.argv = ['embed', 'publish', 'x', '--milvus', 'nowhere']\n"
        "runpy.run_module('embed', run_name='__main__')"
    )
    run = python("-c", program)
    assert run.returncode == 2
    assert run.stderr.startswith("error: 'nowhere', expected milvus+http://"), run.stderr


def test_nobody_else_reaches_it(with_milvus: list[Manifest]) -> None:
    spec = one(MILVUS, "NetworkPolicy")["spec"]
    assert (spec["podSelector"], spec["policyTypes"]) == ({}, ["Ingress", "Egress"])
    itself, clients = spec["ingress"]
    assert itself == {"from": [{"podSelector": {}}]}
    [client] = clients["from"]
    assert clients["ports"] == [{"protocol": "TCP", "port": values()["service"]["port"]}]
    [deployment] = [each for each in with_milvus if each["kind"] == "Deployment"]
    namespace = client["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
    assert namespace == deployment["metadata"]["namespace"]
    labels = pod_template(deployment)["metadata"]["labels"].items()
    assert client["podSelector"]["matchLabels"].items() <= labels
