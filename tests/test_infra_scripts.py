"""infra/user_data: the scripts run for real, with stand-ins for AWS, curl and k3s."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.machines import USER_DATA, Machine
from tests.terraforms import TOOLS, run_tool

SCRIPTS = sorted(USER_DATA.glob("*.sh"))
UNITS = sorted((USER_DATA / "units").iterdir())


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_scripts_pass_shellcheck() -> None:
    found = shutil.which("shellcheck")
    program = TOOLS / "shellcheck" if (TOOLS / "shellcheck").is_file() else found
    if program is None:
        pytest.skip("shellcheck is not installed (make test installs it)")
    done = run_tool(str(program), "--external-sources", "--source-path=SCRIPTDIR", *SCRIPTS)
    assert done.code == 0, done.said


@pytest.mark.parametrize("path", [*SCRIPTS, *UNITS], ids=lambda path: path.name)
def test_nothing_waits_by_sleeping(path: Path) -> None:
    assert "sleep" not in path.read_text()


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_failing_command_ends_the_script(path: Path) -> None:
    assert os.access(path, os.X_OK)
    assert path.name == "lib.sh" or "\nset -euo pipefail\n" in path.read_text()


def test_units_are_what_systemd_understands(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    programs = {"/usr/local/bin": "/bin", "/usr/local/lib/vibe-search": "/bin", "/sbin": "/bin"}
    for unit in UNITS:
        text = unit.read_text()
        for line in text.splitlines():
            key, _, value = line.partition("=")
            if key in ("ExecStart", "ExecStartPre", "ExecStop"):
                program = value.lstrip("-").split()[0]
                assert str(Path(program).parent) in programs
                assert Path(program).name in {"k3s", "modprobe", *(path.name for path in SCRIPTS)}
                # The programs are not on this machine; systemd looks whether they exist.
                text = text.replace(program, "/bin/true")
        (tmp_path / unit.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *sorted(tmp_path.iterdir())],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    ours = [line for line in done.stderr.splitlines() if str(tmp_path) in line]
    assert (done.returncode, ours) == (0, []), done.stderr


def test_a_binary_is_installed_once(machine: Machine) -> None:
    settings = machine.offer("k3s", b"the binary")
    for downloads in (1, 0):
        done = machine.run("install.sh", **settings)
        assert done.returncode == 0, done.stderr
        assert len(machine.done("curl")) == downloads
    binary = machine.root / "usr/local/bin/k3s"
    assert binary.read_bytes() == b"the binary"
    assert stat.S_IMODE(binary.stat().st_mode) == 0o755
    assert (machine.root / "usr/local/bin/kubectl").resolve() == binary.resolve()


def test_a_changed_binary_is_refused(machine: Machine) -> None:
    settings = machine.offer("k3s", b"the binary")
    (machine.downloads / "k3s").write_bytes(b"another")
    done = machine.run("install.sh", **settings)
    assert done.returncode == 1
    assert settings["K3S_SHA256"] in done.stderr
    assert hashlib.sha256(b"another").hexdigest() in done.stderr
    assert list((machine.root / "usr/local/bin").iterdir()) == []


def test_the_credential_provider_is_where_k3s_looks(machine: Machine) -> None:
    settings = machine.offer("k3s", b"the binary")
    settings |= {
        "ECR_PROVIDER": settings["K3S_BINARY"],
        "ECR_PROVIDER_SHA256": settings["K3S_SHA256"],
    }
    assert machine.run("install.sh", **settings).returncode == 0
    provider = machine.root / "var/lib/rancher/credentialprovider/bin/ecr-credential-provider"
    assert os.access(provider, os.X_OK)
    config = yaml.safe_load((USER_DATA / "ecr-credential-provider.yaml").read_text())
    assert config["providers"][0]["name"] == provider.name


def test_the_server_is_configured(machine: Machine) -> None:
    for _ in range(2):
        done = machine.run("configure-server.sh")
        assert done.returncode == 0, done.stderr
    folder = machine.root / "etc/rancher/k3s"
    assert (folder / "token").read_text() == "secret of /vibe-search/server-token\n"
    assert (folder / "agent-token").read_text() == "secret of /vibe-search/agent-token\n"
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["node-name"] == "i-0aaa"
    assert config["tls-san"] == ["server.vibe-search.internal", "192.0.2.10"]
    assert config["etcd-snapshot-schedule-cron"] == "*/5 * * * *"
    assert (config["etcd-s3"], config["etcd-s3-bucket"], config["etcd-s3-folder"]) == (
        True,
        "snapshots",
        "k3s",
    )
    assert "topology.kubernetes.io/zone=us-east-1b" in config["node-label"]
    assert "secret of" not in str(config)


def test_an_agent_joins_by_name(machine: Machine) -> None:
    done = machine.run("configure-agent.sh")
    assert done.returncode == 0, done.stderr
    folder = machine.root / "etc/rancher/k3s"
    assert (folder / "token").read_text() == "secret of /vibe-search/agent-token\n"
    assert yaml.safe_load((folder / "config.yaml").read_text()) == {
        "node-name": "i-0aaa",
        "node-label": [
            "topology.kubernetes.io/region=us-east-1",
            "topology.kubernetes.io/zone=us-east-1b",
            "node.kubernetes.io/lifecycle=spot",
        ],
        "kubelet-arg": ["config=/etc/rancher/k3s/kubelet.yaml"],
        "server": "https://server.vibe-search.internal:6443",
        "token-file": "/etc/rancher/k3s/token",
    }


def test_the_address_moves_to_this_machine(machine: Machine) -> None:
    done = machine.run("publish-address.sh")
    assert done.returncode == 0, done.stderr
    record, address = machine.done("aws")
    change = json.loads(record.split("--change-batch ")[1].split(" --query")[0])["Changes"][0]
    assert change["Action"] == "UPSERT"
    assert change["ResourceRecordSet"] == {
        "Name": "server.vibe-search.internal",
        "Type": "A",
        "TTL": 10,
        "ResourceRecords": [{"Value": "10.20.1.2"}],
    }
    assert "--allocation-id eipalloc-1 --instance-id i-0aaa --allow-reassociation" in address


def test_only_nodes_whose_machine_is_gone_are_forgotten(machine: Machine) -> None:
    states = [
        "Ready",
        "NotReady",
        "NotReady",
        "NotReady,SchedulingDisabled",
        "Ready,SchedulingDisabled",
    ]
    names = [f"i-0{letter * 3}" for letter in "abcde"]
    nodes = "".join(f"{name} {state} <none>\\n" for name, state in zip(names, states, strict=True))
    done = machine.with_k3s().run("forget-nodes.sh", NODES=nodes)
    assert done.returncode == 0, done.stderr
    deleted = [call for call in machine.done("k3s") if "delete" in call]
    assert deleted == [f"kubectl delete node {node} --wait=false" for node in ("i-0ccc", "i-0ddd")]
