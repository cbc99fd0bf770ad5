"""The Deployment of k8s/ as it is rendered, run by ``podman kube play`` with the real image.

What a cluster adds is played here: NodePort 30080 is a port of the host, the kubelet's probes
are asked by hand, and Services hear late that a pod leaves.
"""

from __future__ import annotations

import copy
import http.client
import itertools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.bench.load import free_port, get, post
from tests.images import Engine
from tests.manifests import DEV, PROD, one
from tests.serving import NAMES

pytestmark = pytest.mark.image

_CLIENTS = 8
_PAUSE_S = 0.005
"""Between a client's requests: about a thousand a second, and a processor left for podman."""

_SERVICE_HEARS_S = 2.0
"""How late: kube-proxy is told within a second or so. Shorter than VIBE_DRAIN_S, as preStop is
left out here: podman knows no hooks, so that the worst case of a cluster is what runs."""


@dataclass
class Pod:
    """A pod that runs, reached at ``port`` of the host."""

    engine: Engine
    container: str
    port: int

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """What the kubelet does once preStop is over: SIGTERM, and SIGKILL after the grace.

        Until it has ended; meanwhile whatever the caller does.
        """
        spec = one(PROD, "Deployment")["spec"]["template"]["spec"]
        grace_s = spec["terminationGracePeriodSeconds"]
        stop = threading.Thread(
            target=self.engine.run, args=("stop", "-t", grace_s, self.container)
        )
        stop.start()
        yield
        stop.join()

    def state(self) -> dict[str, Any]:
        """All that podman knows of the container."""
        found: dict[str, Any] = json.loads(self.engine.run("inspect", self.container).stdout)[0]
        return found


def container_of(deployment: dict[str, Any]) -> dict[str, Any]:
    spec = deployment["spec"]["template"]["spec"]
    assert len(spec["containers"]) == 1
    found: dict[str, Any] = spec["containers"][0]
    return found


@contextmanager
def played(engine: Engine, overlay: str, image: str, folder: Path, port: int) -> Iterator[Pod]:
    """The overlay's Deployment; only image and name are others, and a port of the host leads to
    the one that the Service means."""
    deployment = copy.deepcopy(one(overlay, "Deployment"))
    deployment["metadata"]["name"] = f"vibe-search-{port}"
    deployment["spec"]["replicas"] = 1  # podman's limit
    container = container_of(deployment)
    container |= {"image": f"{image}:latest", "imagePullPolicy": "Never"}
    target = one(overlay, "Service")["spec"]["ports"][0]["targetPort"]
    [mapped] = [ports for ports in container["ports"] if ports["name"] == target]
    mapped |= {"hostPort": port, "hostIP": "127.0.0.1"}
    manifest = folder / f"deployment-{port}.yaml"
    manifest.write_text(yaml.safe_dump(deployment))
    engine.run("kube", "play", "--replace", manifest)
    try:
        yield Pod(engine, f"vibe-search-{port}-pod-0-{container['name']}", port)
    finally:
        engine.run("kube", "down", manifest, check=False)


def node_port() -> int:
    port: int = one(PROD, "Service")["spec"]["ports"][0]["nodePort"]
    return port


@pytest.fixture(scope="module")
def podman(engine: Engine) -> Engine:
    if engine.is_docker:
        pytest.skip("docker built the image; podman, which plays manifests, cannot see it")
    return engine


@pytest.fixture(scope="module", params=[DEV, PROD])
def pod(
    request: pytest.FixtureRequest, podman: Engine, image: str, tmp_path_factory: Any
) -> Iterator[tuple[str, Pod]]:
    """The overlay and its pod, which was ready as soon as the startup probe allows."""
    overlay = request.param
    probe = container_of(one(overlay, "Deployment"))["startupProbe"]
    folder = tmp_path_factory.mktemp("played")
    with played(podman, overlay, image, folder, node_port()) as found:
        for _ in range(probe["failureThreshold"]):
            if is_answered(found, probe):
                break
            time.sleep(probe["periodSeconds"])
        yield overlay, found


def is_answered(pod: Pod, probe: dict[str, Any]) -> bool:
    """As the kubelet asks: any status from 200 to 399, in time."""
    asked = probe["httpGet"]
    connection = http.client.HTTPConnection("127.0.0.1", pod.port, timeout=probe["timeoutSeconds"])
    try:
        connection.request("GET", asked["path"])
        return 200 <= connection.getresponse().status < 400
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@pytest.mark.parametrize("name", ["startupProbe", "livenessProbe", "readinessProbe"])
def test_every_probe_passes(pod: tuple[str, Pod], name: str) -> None:
    overlay, running = pod
    probe = container_of(one(overlay, "Deployment"))[name]
    assert probe["httpGet"]["port"] == "http"
    assert is_answered(running, probe)


def test_the_api_answers_on_30080(pod: tuple[str, Pod]) -> None:
    assert pod[1].port == 30080
    base = "http://127.0.0.1:30080"
    assert json.loads(get(f"{base}/health"))["songs_loaded"] == len(NAMES)
    assert json.loads(get(f"{base}/songs"))["songs"] == list(NAMES)
    answer = json.loads(post(f"{base}/recommend", {"song": "in this dark", "top_k": 3}))
    assert answer["matched"] == "LEEAAV - IN THIS DARK"
    assert len(answer["recommendations"]) == 3


def test_it_is_confined_as_the_manifest_says(pod: tuple[str, Pod]) -> None:
    overlay, running = pod
    state = running.state()
    limits = container_of(one(overlay, "Deployment"))["resources"]["limits"]
    assert state["HostConfig"]["Memory"] == int(limits["memory"].removesuffix("Mi")) * 2**20
    assert state["HostConfig"]["ReadonlyRootfs"] is True
    code = "print(open('/proc/1/status').read())"
    shown = running.engine.run("exec", running.container, "python", "-c", code).stdout
    status = dict(line.split(":\t", 1) for line in shown.splitlines() if ":\t" in line)
    assert status["Uid"].split()[0] == status["Gid"].split()[0] == "10001"
    assert {int(status[key], 16) for key in status if key.startswith("Cap")} == {0}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")  # 2: a filter
    code = "open('/tmp/x', 'w').write('x'); open('/app/x', 'w')"
    done = running.engine.run("exec", running.container, "python", "-c", code, check=False)
    assert "Read-only file system: '/app/x'" in done.stderr


@dataclass
class Load:
    """Clients that keep their connections, as long as the server does, and count."""

    ports: list[int]
    answered: dict[int, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    _ends: threading.Event = field(default_factory=threading.Event)
    _turn: Iterator[int] = field(default_factory=itertools.count)
    _clients: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Load:
        self._clients += [threading.Thread(target=self._client) for _ in range(_CLIENTS)]
        for client in self._clients:
            client.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        for client in self._clients:
            client.join()

    def _client(self) -> None:
        body = json.dumps({"song": "creep"})
        while not self._ends.wait(_PAUSE_S):
            ports = self.ports  # a Service: new connections go to those it knows of
            port = ports[next(self._turn) % len(ports)]
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            try:
                is_kept = True
                while is_kept and not self._ends.wait(_PAUSE_S):
                    headers = {"content-type": "application/json"}
                    connection.request("POST", "/recommend", body, headers)
                    answer = connection.getresponse()
                    found = json.loads(answer.read())
                    assert (answer.status, found["matched"]) == (200, "Radiohead - Creep")
                    self.answered[port] = self.answered.get(port, 0) + 1
                    is_kept = not answer.will_close
            except (OSError, http.client.HTTPException, ValueError, AssertionError) as error:
                self.failed.append(f"{port}: {error!r}")
            finally:
                connection.close()


def test_a_pod_that_leaves_loses_no_request_under_load(
    podman: Engine, image: str, tmp_path: Path
) -> None:
    first_port, second_port = node_port(), free_port()
    with (
        played(podman, PROD, image, tmp_path, first_port) as leaves,
        played(podman, PROD, image, tmp_path, second_port) as stays,
    ):
        probe = container_of(one(PROD, "Deployment"))["startupProbe"]
        while not (is_answered(leaves, probe) and is_answered(stays, probe)):
            time.sleep(0.1)
        with Load([first_port, second_port]) as load:
            time.sleep(1)
            before = load.answered.get(first_port, 0)
            with leaves.leaving():
                time.sleep(_SERVICE_HEARS_S)
                during = load.answered[first_port] - before
                load.ports = [second_port]
            assert leaves.state()["State"]["ExitCode"] == 0
            at_the_end = load.answered[second_port]
            time.sleep(0.5)
    print(f"\n{sum(load.answered.values())} answers, {during} by the pod after its SIGTERM")
    assert load.failed == []
    assert before > 0
    assert during > 0
    assert load.answered[second_port] > at_the_end
