"""k8s/: the API's manifests, rendered, against schemas, the image, its settings and infra/."""

from __future__ import annotations

import copy
import math
from typing import Any

import kubernetes_validate
import pytest

from handler.app import create_app
from handler.settings import SETTINGS, read_settings
from tests.manifests import (
    BASE,
    DEV,
    NOW,
    PROD,
    Manifest,
    found,
    kubernetes_version,
    one,
    ordinary_pods_shutdown_s,
    pod_template,
    render,
    text,
)
from tests.services import Silent

RENDERED = (BASE, DEV, PROD, NOW)
SPOT_NOTICE_S = 120


def deployment() -> Manifest:
    return one(PROD, "Deployment")


def pod() -> Manifest:
    spec: Manifest = pod_template(deployment())["spec"]
    return spec


def container() -> Manifest:
    (only,) = pod()["containers"]
    return dict(only)


def port() -> int:
    (only,) = container()["ports"]
    return int(only["containerPort"])


def environment() -> dict[str, str]:
    return {each["name"]: each["value"] for each in container()["env"]}


def validate(manifest: Manifest) -> None:
    kubernetes_validate.validate(manifest, kubernetes_version(), strict=True)


@pytest.mark.parametrize("name", RENDERED)
def test_kubernetes_of_the_pinned_version_knows_every_field(name: str) -> None:
    for manifest in render(name):
        validate(manifest)


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("Deployment", ("spec", "template", "spec", "enableServicelinks"), False),
        ("Deployment", ("spec", "replicas"), "2"),
        ("Service", ("spec", "nodePort"), 30080),
        ("PodDisruptionBudget", ("spec", "maxUnavailable"), [1]),
        ("HorizontalPodAutoscaler", ("spec", "targetCPUUtilizationPercentage"), 50),
        ("CronJob", ("spec", "jobTemplate", "spec", "podFailurePolicy", "rule"), []),
    ],
)
def test_a_field_that_is_unknown_or_of_another_type_is_refused(
    kind: str, path: tuple[str, ...], value: Any
) -> None:
    manifest = copy.deepcopy(one(PROD, kind))
    inner: Any = manifest
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(kubernetes_validate.ValidationError):
        validate(manifest)


def test_an_older_kubernetes_does_not_know_the_sleep_before_the_end() -> None:
    """The reason why the version matters: there it would be dropped without a word."""
    with pytest.raises(kubernetes_validate.ValidationError, match="sleep"):
        kubernetes_validate.validate(deployment(), "1.28", strict=True)


def test_an_update_takes_no_pod_away_before_another_is_ready() -> None:
    spec = deployment()["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
    }


def test_pods_spread_over_hosts_and_zones() -> None:
    spread = {each["topologyKey"]: each for each in pod()["topologySpreadConstraints"]}
    assert {key: each["whenUnsatisfiable"] for key, each in spread.items()} == {
        "topology.kubernetes.io/zone": "ScheduleAnyway",
        "kubernetes.io/hostname": "DoNotSchedule",
    }
    for each in spread.values():
        assert each["maxSkew"] == 1
        assert each["nodeTaintsPolicy"] == "Honor"
        assert each["matchLabelKeys"] == ["pod-template-hash"]
        assert (
            each["labelSelector"]["matchLabels"] == pod_template(deployment())["metadata"]["labels"]
        )
    assert "topology.kubernetes.io/zone=" in text("infra/user_data/lib.sh")


@pytest.mark.parametrize(
    ("probe", "path"),
    [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")],
)
def test_probes_ask_what_the_api_answers(probe: str, path: str) -> None:
    asked = container()[probe]["httpGet"]
    assert asked == {"path": path, "port": "http"}
    assert path in create_app(Silent()).openapi()["paths"]


def test_prometheus_is_led_to_what_the_api_answers() -> None:
    annotations = pod_template(deployment())["metadata"]["annotations"]
    assert annotations["prometheus.io/scrape"] == "true"
    assert annotations["prometheus.io/port"] == str(port())
    assert annotations["prometheus.io/path"] in create_app(Silent()).openapi()["paths"]


def test_a_slow_start_has_a_minute_and_a_hang_ends_in_half_of_one() -> None:
    startup, liveness = container()["startupProbe"], container()["livenessProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] == 60
    assert liveness["periodSeconds"] * liveness["failureThreshold"] == 30


def test_the_end_fits_into_the_grace_and_the_grace_into_the_notice() -> None:
    waits_s = container()["lifecycle"]["preStop"]["sleep"]["seconds"]
    settings = read_settings(environment() | {"VIBE_BUNDLE": "/bundle"})
    ends_s = settings.drain_s + settings.shutdown_s
    grace_s = pod()["terminationGracePeriodSeconds"]
    readiness = container()["readinessProbe"]
    # Longer than it takes to be seen as not ready, so that no node still sends requests.
    assert waits_s > readiness["periodSeconds"] * readiness["failureThreshold"]
    assert waits_s + ends_s < grace_s <= ordinary_pods_shutdown_s() < SPOT_NOTICE_S
    assert 2 * grace_s < SPOT_NOTICE_S  # two on one node, evicted in turn


def test_the_environment_is_of_known_settings() -> None:
    assert environment() == {"VIBE_DRAIN_S": "5", "VIBE_SHUTDOWN_S": "15"}
    assert environment().keys() <= {setting.name for setting in SETTINGS}
    # Of a Service called vibe, Kubernetes would set VIBE_PORT to tcp://….
    assert pod()["enableServiceLinks"] is False


def test_the_port_is_the_images() -> None:
    assert port() == int(found(r"VIBE_PORT=(\d+)", "Dockerfile"))
    assert port() == int(found(r"^EXPOSE (\d+)$", "Dockerfile"))
    assert found(r"VIBE_HOST=(\S+)", "Dockerfile") == "0.0.0.0"


@pytest.mark.parametrize("name", RENDERED)
def test_pods_are_restricted(name: str) -> None:
    """Kubernetes' "restricted" standard, a read-only image, and the image's own user."""
    user, group = map(int, found(r"^USER (\d+:\d+)$", "Dockerfile").split(":"))
    assert user > 0
    makers = [each for each in render(name) if each["kind"] in ("Deployment", "CronJob", "Job")]
    templates = [pod_template(each) for each in makers]
    assert templates
    for template in templates:
        spec = template["spec"]
        security = spec["securityContext"]
        assert security["runAsNonRoot"] is True
        assert (security["runAsUser"], security["runAsGroup"]) == (user, group)
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC", "initContainers"}
        assert all(volume.keys() == {"name", "emptyDir"} for volume in spec["volumes"])
        for each in spec["containers"]:
            assert each["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert "/tmp" in [mount["mountPath"] for mount in each["volumeMounts"]]
            assert {*each["resources"]} == {"requests", "limits"}
            assert all({*amount} == {"cpu", "memory"} for amount in each["resources"].values())


def test_accounts_have_no_token() -> None:
    accounts = [each for each in render(PROD) if each["kind"] == "ServiceAccount"]
    assert {each["metadata"]["name"] for each in accounts} == {"vibe-search", "embed"}
    assert all(each["automountServiceAccountToken"] is False for each in accounts)
    assert pod()["serviceAccountName"] == "vibe-search"


def test_the_service_is_on_30080_of_every_node() -> None:
    spec = one(PROD, "Service")["spec"]
    (only,) = spec["ports"]
    assert (spec["type"], only["nodePort"]) == ("NodePort", 30080)
    assert only["nodePort"] == int(found(r"node_port = (\d+)", "infra/security.tf"))
    assert only["targetPort"] == container()["ports"][0]["name"]
    # The server has the public address and none of our pods: "Local" would answer nobody.
    assert spec["externalTrafficPolicy"] == "Cluster"
    assert spec["selector"] == deployment()["spec"]["selector"]["matchLabels"]


def test_a_drain_leaves_half_of_the_pods() -> None:
    spec = one(PROD, "PodDisruptionBudget")["spec"]
    assert spec["selector"] == deployment()["spec"]["selector"]
    assert spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    percent = int(spec["maxUnavailable"].removesuffix("%"))
    for replicas, may_go in ((2, 1), (6, 3)):
        assert math.ceil(replicas * percent / 100) == may_go


def test_the_autoscaler_never_goes_below_two() -> None:
    spec = one(PROD, "HorizontalPodAutoscaler")["spec"]
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "vibe-search"}
    assert spec["scaleTargetRef"] == target
    assert spec["minReplicas"] == deployment()["spec"]["replicas"] < spec["maxReplicas"]
    (metric,) = spec["metrics"]
    percent = metric["resource"]["target"]["averageUtilization"]
    resources = container()["resources"]
    milli_requested = int(resources["requests"]["cpu"].removesuffix("m"))
    # It can only be reached if a pod may use so much.
    assert milli_requested * percent / 100 < 1000 * int(resources["limits"]["cpu"])


def test_nothing_gets_in_but_requests_and_nothing_gets_out() -> None:
    deny = one(PROD, "NetworkPolicy", "default-deny")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    api = one(PROD, "NetworkPolicy", "vibe-search")["spec"]
    assert api == {
        "podSelector": deployment()["spec"]["selector"],
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"ports": [{"protocol": "TCP", "port": port()}]}],
    }
