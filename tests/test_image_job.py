"""The embed Job's pod as k8s/ renders it, run by ``podman kube play`` with the real image, evicted,
and run again elsewhere.

What a cluster adds is played here: S3 is moto's, in place of the role's its keys are given, and
/work is a folder that anybody may write to, since podman knows no fsGroup.
"""

from __future__ import annotations

import copy
import json
import re
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import yaml

from embed.working import PROGRESS
from tests.audio_files import write_tune
from tests.images import Engine
from tests.manifests import PROD, Manifest, one
from tests.s3 import KEYS, Bucket

pytestmark = pytest.mark.image

_SONGS = 48
_PATIENCE_S = 120


def job() -> Manifest:
    spec: Manifest = one(PROD, "CronJob")["spec"]["jobTemplate"]["spec"]
    return spec


def expanded(text: str, values: Mapping[str, str]) -> str:
    """``$(NAME)`` in a container's arguments, as the kubelet reads it and podman 4.3 does not."""
    return re.sub(r"\$\((\w+)\)", lambda found: values.get(found[1], found[0]), text)


def pod(name: str, image: str, endpoint: str, node: Path, given: Mapping[str, str]) -> Manifest:
    """A pod of the Job on a machine of its own, whose disk is ``node``; ``given`` is what its
    ConfigMap says."""
    made = {"apiVersion": "v1", "kind": "Pod", **copy.deepcopy(job()["template"])}
    made["metadata"]["name"] = name
    spec = made["spec"] | {"hostNetwork": True}  # where loopback's S3 is
    made["spec"] = spec
    [container] = spec["containers"]
    environment = {**KEYS, "AWS_ENDPOINT_URL": endpoint}
    container["env"] = [{"name": key, "value": value} for key, value in environment.items()]
    container |= {"image": f"{image}:latest", "imagePullPolicy": "Never"}
    container["args"] = [expanded(text, given) for text in container["args"]]
    [work] = [volume for volume in spec["volumes"] if volume["name"] == "work"]
    del work["emptyDir"]
    work["hostPath"] = {"path": str(node), "type": "Directory"}
    return made


@contextmanager
def played(
    engine: Engine, name: str, image: str, bucket: Bucket, folder: Path
) -> Iterator[tuple[str, Path]]:
    """The pod, begun: its container and its node's disk."""
    node = folder / name
    node.mkdir()
    node.chmod(0o777)
    given = copy.deepcopy(one(PROD, "ConfigMap"))
    given["data"] |= {"MUSIC": f"s3://{bucket.name}/library", "BUNDLES": bucket.url}
    manifest = folder / f"{name}.yaml"
    pods = pod(name, image, bucket.endpoint, node, given["data"])
    manifest.write_text(yaml.safe_dump_all([given, pods]))
    engine.run("kube", "play", "--replace", manifest)
    try:
        yield f"{name}-{pods['spec']['containers'][0]['name']}", node
    finally:
        engine.run("kube", "down", manifest, check=False)


def embedded(node: Path) -> int:
    """Songs that a run has embedded so far and not yet put into a bundle."""
    for state in node.glob("*/work/.embed.sqlite"):
        try:
            with closing(sqlite3.connect(f"file:{state}?mode=ro", uri=True)) as database:
                [count] = database.execute("SELECT COUNT(*) FROM embeddings").fetchone()
        except sqlite3.Error:  # as it is being made
            return 0
        return int(count)
    return 0


def exit_code(engine: Engine, container: str) -> int:
    [state] = json.loads(engine.run("inspect", container).stdout)
    return int(state["State"]["ExitCode"])


def test_an_evicted_job_goes_on_elsewhere(
    engine: Engine,
    jobs_image: str,
    moto_server: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if engine.is_docker:
        pytest.skip("docker built the image; podman, which plays manifests, cannot see it")
    with Bucket(moto_server, monkeypatch, tmp_path) as bucket:
        for seed in range(_SONGS):
            song = write_tune(tmp_path / f"{seed}.flac", 12, 8_000, seed=seed)
            bucket.put(f"library/{seed}.flac", song.read_bytes())

        with played(engine, "embed-first", jobs_image, bucket, tmp_path) as (container, node):
            deadline = time.monotonic() + _PATIENCE_S
            while embedded(node) < 3:
                assert time.monotonic() < deadline, engine.logs(container)
                time.sleep(0.05)
            grace_s = job()["template"]["spec"]["terminationGracePeriodSeconds"]
            engine.run("stop", "-t", grace_s, container)
            ignored = [rule for rule in job()["podFailurePolicy"]["rules"] if "onExitCodes" in rule]
            assert ignored[0]["action"] == "Ignore"
            assert [exit_code(engine, container)] == ignored[0]["onExitCodes"]["values"]
        assert bucket.store().latest() is None
        assert bucket.store().objects.size(PROGRESS)

        with played(engine, "embed-second", jobs_image, bucket, tmp_path) as (container, _):
            engine.run("wait", container, timeout_s=_PATIENCE_S)
            said = engine.logs(container)
            assert exit_code(engine, container) == 0, said
        left = int(said.split("songs found: ")[1].split()[0])
        assert 0 <= left <= _SONGS - 3
        assert [version.manifest.songs for version in bucket.store().versions()] == [_SONGS]
    print(f"\n{_SONGS} songs: {_SONGS - left} embedded before the eviction, {left} after it")
