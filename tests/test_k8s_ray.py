"""k8s/ray: a cluster for one job, against KubeRay's schema, Kubernetes' and what embed takes."""

from __future__ import annotations

import copy
import re
import shlex
from typing import Any

import jsonschema
import kubernetes_validate
import pytest

from embed import __main__ as embed
from embed.store.place import S3Url
from tests.k8s_schemas import RAY_JOB
from tests.manifests import RAY, Manifest, kinds, kubernetes_version, one, render, text


def spec() -> Manifest:
    found: Manifest = one(RAY, "RayJob")["spec"]
    return found


def head() -> Manifest:
    found: Manifest = spec()["rayClusterSpec"]["headGroupSpec"]
    return found


def workers() -> Manifest:
    (found,) = spec()["rayClusterSpec"]["workerGroupSpecs"]
    return dict(found)


def pods() -> list[Manifest]:
    return [head()["template"], workers()["template"]]


def container(pod: Manifest) -> Manifest:
    (only,) = pod["spec"]["containers"]
    return dict(only)


def test_kuberay_knows_every_field() -> None:
    jsonschema.Draft202012Validator(RAY_JOB).validate(one(RAY, "RayJob"))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "shutdownAfterJobFinish"), True),
        (("spec", "submissionMode"), "HttpMode"),
        (("spec", "rayClusterSpec", "rayVersion"), "2.60"),
        (("spec", "rayClusterSpec", "headGroupSpec", "rayStartParams", "num-cpus"), 0),
        (("spec", "rayClusterSpec", "workerGroupSpecs"), []),
    ],
)
def test_a_field_that_is_unknown_or_wrong_is_refused(path: tuple[str, ...], value: Any) -> None:
    manifest = copy.deepcopy(one(RAY, "RayJob"))
    inner: Any = manifest
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(RAY_JOB).validate(manifest)


def test_kubernetes_knows_every_field_of_pods_and_the_rest() -> None:
    assert kinds(RAY) == {"RayJob", "NetworkPolicy", "ServiceAccount", "ConfigMap"}
    others = [each for each in render(RAY) if each["kind"] != "RayJob"]
    made = [{"apiVersion": "v1", "kind": "Pod", **pod} for pod in pods()]
    for manifest in (*others, *made):
        kubernetes_validate.validate(manifest, kubernetes_version(), strict=True)


def test_the_command_is_one_that_embed_understands() -> None:
    given = one(RAY, "ConfigMap")["data"]
    line = re.sub(r"\$(\w+)", lambda name: given[name[1]], spec()["entrypoint"])
    python, flag, module, *arguments = shlex.split(line)
    assert (python, flag, module) == ("python", "-m", "embed")
    parsed = embed.folder.make_context("embed", arguments).params
    assert parsed["engine"] == "ray"
    assert parsed["address"] == "auto"
    assert isinstance(parsed["music"], S3Url)
    assert isinstance(parsed["to"], S3Url)
    mounts = {mount["mountPath"] for mount in container(head()["template"])["volumeMounts"]}
    assert str(parsed["work"]) in mounts


def test_names_that_kustomize_does_not_know_agree() -> None:
    account = one(RAY, "ServiceAccount")["metadata"]["name"]
    settings = one(RAY, "ConfigMap")["metadata"]["name"]
    policy = one(RAY, "NetworkPolicy")["spec"]
    for pod in pods():
        assert pod["spec"]["serviceAccountName"] == account
        assert container(pod)["envFrom"] == [{"configMapRef": {"name": settings}}]
        assert pod["metadata"]["labels"] == policy["podSelector"]["matchLabels"]
    namespaces = {manifest["metadata"]["namespace"] for manifest in render(RAY)}
    assert namespaces == {"vibe-search"}


def test_one_ray_everywhere() -> None:
    pinned = re.search(r"^ray==(\S+)", text("requirements/ray.txt"), re.M)
    assert pinned is not None
    assert spec()["rayClusterSpec"]["rayVersion"] == pinned[1]
    images = {container(pod)["image"] for pod in pods()}
    assert len(images) == 1, "head and workers must be of one Python and one Ray"


def test_workers_are_on_spot_nodes_and_the_head_takes_no_work() -> None:
    selector = {"node.kubernetes.io/lifecycle": "spot"}
    assert workers()["template"]["spec"]["nodeSelector"] == selector
    assert "nodeSelector" not in head()["template"]["spec"]
    assert head()["rayStartParams"]["num-cpus"] == "0"


def test_pods_may_do_nothing_and_tell_nobody() -> None:
    for pod in pods():
        only = container(pod)
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        assert only["securityContext"]["readOnlyRootFilesystem"] is True
        assert only["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {"name": "RAY_USAGE_STATS_ENABLED", "value": "0"} in only["env"]
        # All memory that Ray may fill is bounded, and counted against the pod.
        volumes = {volume["name"]: volume["emptyDir"] for volume in pod["spec"]["volumes"]}
        assert all(volume["sizeLimit"] for volume in volumes.values())
        assert {mount["name"] for mount in only["volumeMounts"]} == volumes.keys()


def test_only_ray_speaks_with_ray() -> None:
    mates, operator = one(RAY, "NetworkPolicy")["spec"]["ingress"]
    assert mates == {"from": [{"podSelector": one(RAY, "NetworkPolicy")["spec"]["podSelector"]}]}
    assert [each["port"] for each in operator["ports"]] == [8265]


def test_the_cluster_ends_with_its_job() -> None:
    assert spec()["shutdownAfterJobFinishes"] is True
    assert spec()["backoffLimit"] > 0


def test_the_image_has_a_target_of_its_own() -> None:
    stages = re.findall(r"^FROM \S+ AS (\w+)$", text("Dockerfile"), re.M)
    assert stages[-1] == "serve", "what docker build makes without a target"
    assert "ray" in stages
    # Nobody else carries it.
    users = re.findall(r"^COPY --from=clustered", text("Dockerfile"), re.M)
    assert len(users) == 1
