"""k8s/argocd: what deploys the rest, against its schemas, against infra/ and what it deploys."""

from __future__ import annotations

import copy
import re
from typing import Any

import jsonschema
import pytest
import yaml

from tests.k8s_schemas import (
    APP_PROJECT,
    APPLICATION,
    HELM_CHART,
    NODE_TERMINATION_HANDLER_VALUES,
)
from tests.manifests import ARGOCD, PROD, Manifest, found, kinds, one, render, text
from tests.processes import REPOSITORY

SCHEMAS = {"AppProject": APP_PROJECT, "Application": APPLICATION, "HelmChart": HELM_CHART}


def application() -> Manifest:
    spec: Manifest = one(ARGOCD, "Application")["spec"]
    return spec


def project() -> Manifest:
    spec: Manifest = one(ARGOCD, "AppProject")["spec"]
    return spec


def handler_values() -> Manifest:
    values: Manifest = yaml.safe_load(one(ARGOCD, "HelmChart")["spec"]["valuesContent"])
    return values


def test_every_manifest_fits_its_schema() -> None:
    assert kinds(ARGOCD) == SCHEMAS.keys()
    for manifest in render(ARGOCD):
        jsonschema.Draft202012Validator(SCHEMAS[manifest["kind"]]).validate(manifest)


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("Application", ("spec", "syncPolicy", "automated", "selfheal"), True),
        ("Application", ("spec", "syncPolicy", "syncOptions"), ["CreateNamespace"]),
        ("Application", ("metadata", "namespace"), "vibe-search"),
        ("Application", ("spec", "source", "targetRevision"), None),
        ("AppProject", ("spec", "sourceRepositories"), ["*"]),
        ("AppProject", ("spec", "destinations"), []),
        ("HelmChart", ("spec", "version"), "0.27.x"),
        ("HelmChart", ("spec", "values"), "a: 1"),
    ],
)
def test_a_field_that_is_unknown_or_wrong_is_refused(
    kind: str, path: tuple[str, ...], value: Any
) -> None:
    manifest = copy.deepcopy(one(ARGOCD, kind))
    inner: Any = manifest
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMAS[kind]).validate(manifest)


def test_the_cluster_is_what_git_says() -> None:
    policy = application()["syncPolicy"]
    assert policy["automated"] == {"prune": True, "selfHeal": True}
    assert policy["retry"]["limit"] > 0
    assert "CreateNamespace=true" in policy["syncOptions"]
    assert policy["managedNamespaceMetadata"]["labels"] == {
        "pod-security.kubernetes.io/enforce": "restricted"
    }


def test_self_heal_leaves_the_autoscaler_alone() -> None:
    target = one(PROD, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert application()["ignoreDifferences"] == [
        {
            "group": target["apiVersion"].partition("/")[0],
            "kind": target["kind"],
            "name": target["name"],
            "jsonPointers": ["/spec/replicas"],
        }
    ]
    # Otherwise it is only not shown, and the next sync sets it back all the same.
    assert "RespectIgnoreDifferences=true" in application()["syncPolicy"]["syncOptions"]


def test_infra_leads_here_and_this_to_prod() -> None:
    assert found(r'path = "(k8s/[a-z]+)"', "infra/argocd.tf") == f"k8s/{ARGOCD}"
    source = application()["source"]
    assert source["path"] == f"k8s/{PROD}"
    assert (REPOSITORY / source["path"] / "kustomization.yaml").is_file()
    branch = text("infra/variables.tf").split('variable "git_branch"')[1].split("validation")[0]
    assert f'= "{source["targetRevision"]}"' in branch


def test_the_project_allows_what_prod_is_and_no_more() -> None:
    rendered = {(each["apiVersion"].rpartition("/")[0], each["kind"]) for each in render(PROD)}
    allowed = {(each["group"], each["kind"]) for each in project()["namespaceResourceWhitelist"]}
    assert allowed == rendered | {("batch", "Job")}  # of milvus/client, where an overlay has it
    # Made by CreateNamespace.
    assert project()["clusterResourceWhitelist"] == [{"group": "", "kind": "Namespace"}]
    assert project()["destinations"] == [application()["destination"]]
    assert project()["sourceRepos"] == [application()["source"]["repoURL"]]
    assert application()["project"] == one(ARGOCD, "AppProject")["metadata"]["name"]
    namespaces = {each["metadata"]["namespace"] for each in render(PROD)}
    assert namespaces == {application()["destination"]["namespace"]}


def test_the_handler_is_told_what_its_chart_knows() -> None:
    jsonschema.Draft202012Validator(NODE_TERMINATION_HANDLER_VALUES).validate(handler_values())


def test_a_notice_and_a_recommendation_drain_the_node() -> None:
    values = handler_values()
    assert values["enableSpotInterruptionDraining"] is True
    assert (values["enableRebalanceMonitoring"], values["enableRebalanceDraining"]) == (True, True)
    assert values["enableASGLifecycleDraining"] is True
    # Without it nothing is drained: every pod has an emptyDir.
    assert values["deleteLocalData"] is True
    assert (values["podTerminationGracePeriod"], values["nodeTerminationGracePeriod"]) == (-1, 120)


def test_a_machine_that_its_group_ends_waits_for_its_drain() -> None:
    hook = text("infra/agents.tf").split('"aws_autoscaling_lifecycle_hook"')[1]
    assert "EC2_INSTANCE_TERMINATING" in hook
    waits_s = int(re.findall(r"heartbeat_timeout\s*= (\d+)", hook)[0])
    assert waits_s >= handler_values()["nodeTerminationGracePeriod"]


def test_the_handler_runs_where_spot_is_and_stays_there() -> None:
    values = handler_values()
    # By metadata: from the host, since the server's answers over one hop only. A queue needs AWS
    # resources, and infra/ has none.
    assert (values["enableSqsTerminationDraining"], values["useHostNetwork"]) == (False, True)
    assert not any(
        "aws_sqs_queue" in path.read_text() for path in (REPOSITORY / "infra").glob("*.tf")
    )
    cron = one(PROD, "CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert values["nodeSelector"] == cron["nodeSelector"]
    assert values["daemonsetTolerations"] == [{"operator": "Exists"}]
    assert values["daemonsetPriorityClassName"] == "system-node-critical"
