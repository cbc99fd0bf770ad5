"""k8s/jobs: what embeds songs on spot nodes, and comes to an end whatever happens to them."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from embed import __main__ as embed
from embed.store.place import S3Url
from tests.manifests import NOW, PROD, Manifest, kinds, one, ordinary_pods_shutdown_s, text


def cron() -> Manifest:
    spec: Manifest = one(PROD, "CronJob")["spec"]
    return spec


def job() -> Manifest:
    spec: Manifest = cron()["jobTemplate"]["spec"]
    return spec


def pod() -> Manifest:
    spec: Manifest = job()["template"]["spec"]
    return spec


def container() -> Manifest:
    (only,) = pod()["containers"]
    return dict(only)


def arguments() -> click.Context:
    """What ``python -m embed`` makes of the container's arguments, as Kubernetes expands them."""
    given = one(PROD, "ConfigMap")["data"]
    (source,) = container()["envFrom"]
    assert source == {"configMapRef": {"name": one(PROD, "ConfigMap")["metadata"]["name"]}}
    expanded = [
        re.sub(r"\$\((\w+)\)", lambda name: given[name[1]], each) for each in container()["args"]
    ]
    return embed.folder.make_context("embed", expanded)


def test_now_is_what_the_cronjob_would_start() -> None:
    assert kinds(NOW) == {"Job"}
    assert one(NOW, "Job")["spec"] == job()
    assert one(NOW, "Job")["metadata"]["namespace"] == one(PROD, "CronJob")["metadata"]["namespace"]


def test_the_command_is_one_that_embed_understands() -> None:
    given = arguments().params
    music, bundles = given["music"], given["to"]
    assert isinstance(music, S3Url)
    assert isinstance(bundles, S3Url)
    assert str(music).removesuffix("/music") == str(bundles).removesuffix("/bundles")
    assert str(music) != str(bundles)


def test_its_prefixes_are_those_the_agents_role_may_use() -> None:
    role = text("infra/iam.tf")
    given = arguments().params
    for place in (given["music"], given["to"]):
        assert f'"{str(place).rpartition("/")[2]}"' in role


def test_work_is_where_it_may_write() -> None:
    mounts = {mount["mountPath"]: mount["name"] for mount in container()["volumeMounts"]}
    work = arguments().params["work"]
    assert work == Path("/work")
    assert mounts.keys() == {str(work), "/tmp"}
    volumes = {volume["name"]: volume for volume in pod()["volumes"]}
    # Bounded, or songs and bundles could fill the node's disk; owned by the user's group.
    assert all(volumes[name]["emptyDir"]["sizeLimit"] for name in mounts.values())
    assert pod()["securityContext"]["fsGroup"] == pod()["securityContext"]["runAsGroup"]


def test_there_is_one_writer() -> None:
    assert cron()["concurrencyPolicy"] == "Forbid"
    assert (job()["parallelism"], job()["completions"]) == (1, 1)
    assert job()["podReplacementPolicy"] == "Failed"


def test_an_eviction_is_not_a_failure() -> None:
    rules = job()["podFailurePolicy"]["rules"]
    assert [rule["action"] for rule in rules] == ["Ignore", "Ignore", "FailJob"]
    assert rules[0]["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]
    assert job()["backoffLimit"] == 3
    # The API server takes such a policy of no other pods.
    assert pod()["restartPolicy"] == "Never"


@pytest.mark.parametrize(
    ("code", "action"),
    [
        (embed._INTERRUPTED, "Ignore"),
        (embed._SOME_FAILED, "FailJob"),  # again, the same songs would fail
        (embed._NOTHING_DONE, None),  # S3 for one: tried again, backoffLimit times
        (137, None),  # out of memory
    ],
)
def test_exit_codes_mean_what_embed_means(code: int, action: str | None) -> None:
    rules = [rule for rule in job()["podFailurePolicy"]["rules"] if "onExitCodes" in rule]
    for rule in rules:
        assert rule["onExitCodes"]["containerName"] == container()["name"]
        assert rule["onExitCodes"]["operator"] == "In"
    actions = [rule["action"] for rule in rules if code in rule["onExitCodes"]["values"]]
    assert actions == ([action] if action else [])


def test_progress_is_saved_before_the_kubelet_gives_up() -> None:
    assert 30 <= pod()["terminationGracePeriodSeconds"] <= ordinary_pods_shutdown_s()


def test_it_is_over_before_the_next_night() -> None:
    day_s = 24 * 60 * 60
    assert cron()["schedule"].split()[2:] == ["*", "*", "*"]
    longest_s = job()["activeDeadlineSeconds"] + cron()["startingDeadlineSeconds"]
    assert longest_s < day_s
    assert job()["ttlSecondsAfterFinished"] >= day_s  # so that somebody can look


def test_it_runs_on_spot_nodes() -> None:
    ((label, value),) = pod()["nodeSelector"].items()
    assert (label, value) == ("node.kubernetes.io/lifecycle", "spot")
    # instance-life-cycle is "spot" or "on-demand" (EC2's instance metadata).
    assert f"- {label}=$lifecycle" in text("infra/user_data/lib.sh")
    assert "metadata instance-life-cycle" in text("infra/user_data/lib.sh")


def test_it_reaches_names_s3_and_the_role_and_nothing_else() -> None:
    spec = one(PROD, "NetworkPolicy", "embed")["spec"]
    assert spec["podSelector"]["matchLabels"] == job()["template"]["metadata"]["labels"]
    assert "ingress" not in spec
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    names, tls, role = spec["egress"]
    assert [each["port"] for each in names["ports"]] == [53, 53]
    assert tls == {
        "to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.42.0.0/16", "10.43.0.0/16"]}}],
        "ports": [{"protocol": "TCP", "port": 443}],
    }
    assert role == {
        "to": [{"ipBlock": {"cidr": "169.254.169.254/32"}}],
        "ports": [{"protocol": "TCP", "port": 80}],
    }
    # Two hops: from a pod to the instance's metadata.
    assert re.search(r'"agent_metadata_hops" \{[^}]*default\s*= 2', text("infra/variables.tf"))
