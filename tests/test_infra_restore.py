"""infra/user_data/restore.sh: what a new server makes of the snapshots that it finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.machines import USER_DATA, Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path).with_k3s()


def _listed(*snapshots: tuple[str, str]) -> str:
    return "".join(f"{time}\\tk3s/etcd-snapshot-{name}\\n" for time, name in snapshots)


@pytest.mark.parametrize(
    ("snapshots", "restored"),
    [
        ("", []),
        ("None\\n", []),
        (
            _listed(("2026-01-01T00:05:00+00:00", "i-1"), ("2026-01-01T00:10:00+00:00", "i-2")),
            ["i-2"],
        ),
        (
            _listed(("2026-01-01T00:15:00+00:00", "bad"), ("2026-01-01T00:10:00+00:00", "i-2")),
            ["bad", "i-2"],
        ),
    ],
    ids=[
        "no snapshot",
        "no snapshot, as the CLI says it",
        "the newest",
        "the one before a bad one",
    ],
)
def test_a_new_server_restores(machine: Machine, snapshots: str, restored: list[str]) -> None:
    left = machine.root / "var/lib/rancher/k3s/server"
    (left / "db/etcd").mkdir(parents=True)  # of a restore that was cut off
    (left / "manifests").mkdir()
    done = machine.run("restore.sh", SNAPSHOTS=snapshots)
    assert done.returncode == 0, done.stderr
    command = "server --cluster-reset --cluster-reset-restore-path=etcd-snapshot-"
    assert machine.done("k3s") == [command + name for name in restored]
    assert (left / "db").exists() == (not restored)
    assert (left / "manifests").exists()
    again = machine.run("restore.sh")  # would fail if it asked for snapshots
    assert (again.returncode, machine.done("k3s")) == (0, [])


@pytest.mark.parametrize(
    "settings",
    [{}, {"SNAPSHOTS": _listed(("2026-01-01T00:15:00+00:00", "bad"))}],
    ids=["S3 does not answer", "no snapshot can be restored"],
)
def test_a_server_does_not_start_empty_by_mistake(
    machine: Machine, settings: dict[str, str]
) -> None:
    for _ in range(2):  # nor when systemd tries again
        assert machine.run("restore.sh", **settings).returncode != 0


def test_the_last_snapshot_has_a_name_that_is_found() -> None:
    """k3s would call one that is saved by hand on-demand-…, which restore.sh does not list."""
    unit = (USER_DATA / "units/k3s-server.service").read_text()
    assert "ExecStop=-/usr/local/bin/k3s etcd-snapshot save --name etcd-snapshot\n" in unit
    assert "--prefix k3s/etcd-snapshot- " in (USER_DATA / "restore.sh").read_text()
    assert "\netcd-s3-folder: k3s\n" in (USER_DATA / "configure-server.sh").read_text()
