"""k8s/milvus: what the chart is told, and that the API reaches it, and nothing else does."""

from __future__ import annotations

import os
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

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
)

MILVUS = "milvus"


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
