"""infra/ by Terraform itself: form, properties with a mocked provider, and faults that show."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.terraforms import (
    INFRA,
    TOOLS,
    Terraform,
    copy_infra,
    initialise,
    run_tool,
    why_no_terraform,
)

# A fault for each, and what `terraform test` has to say about it.
FAULTS = [
    (
        "server.tf",
        'http_tokens                 = "required"',
        'http_tokens                 = "optional"',
        "A node answers metadata requests without a token (IMDSv1).",
    ),
    (
        "server.tf",
        "http_put_response_hop_limit = 1",
        "http_put_response_hop_limit = 2",
        "Pods on the server can take the server's role.",
    ),
    (
        "agents.tf",
        "encrypted             = true",
        "encrypted             = false",
        "A node's disk is not an encrypted gp3.",
    ),
    (
        "agents.tf",
        "on_demand_base_capacity                  = 0",
        "on_demand_base_capacity                  = 1",
        "Agents are not all spot, or not price-capacity-optimized.",
    ),
    (
        "agents.tf",
        "heartbeat_timeout      = 120",
        "heartbeat_timeout      = 30",
        "Agents that the group ends are not given time to be drained.",
    ),
    (
        "server.tf",
        'suspended_processes = ["AZRebalance"]',
        "suspended_processes = []",
        "A second server may be launched beside the first",
    ),
    (
        "nodes.tf",
        "AGENT_TOKEN        = aws_ssm_parameter.agent_token.name",
        'AGENT_TOKEN        = "/vibe-search/server-token"',
        "Agents must know the parameter of their own token only.",
    ),
    (
        "security.tf",
        'kubelet = { protocol = "tcp", port = 10250 }',
        'kubelet = { protocol = "tcp", port = 22 }',
        "A port other than 30080, 6443, 8472 and 10250 is open (22 is SSH).",
    ),
    (
        "s3.tf",
        "block_public_policy     = true",
        "block_public_policy     = false",
        "A bucket could be made public.",
    ),
    (
        "s3.tf",
        '"aws:SecureTransport" = "false"',
        '"aws:SecureTransport" = "true"',
        "A bucket answers without TLS.",
    ),
    (
        "ecr.tf",
        '"IMMUTABLE"',
        '"MUTABLE"',
        "Images can be overwritten, are not scanned, or go with the repository.",
    ),
    (
        "oidc.tf",
        ":ref:refs/heads/${var.git_branch}",
        ":*",
        "Others than this repository's branch can take the build's role.",
    ),
    (
        "iam.tf",
        'Action   = "ec2:DescribeInstances"',
        'Action   = "ec2:*"',
        "A role may do more than named actions.",
    ),
]


@pytest.fixture(scope="module")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    """The configuration with its provider. Not to be written to."""
    if reason := why_no_terraform():
        pytest.skip(reason)
    terraform = copy_infra(tmp_path_factory.mktemp("infra") / "infra")
    if reason := initialise(terraform):
        pytest.skip(reason)
    return terraform


@pytest.fixture
def spoiled(initialised: Terraform, tmp_path: Path) -> Terraform:
    """A copy, as a test may change it."""
    folder = shutil.copytree(initialised.folder, tmp_path / "infra", symlinks=True)
    return Terraform(Path(folder))


def test_it_is_formatted_as_terraform_does() -> None:
    if reason := why_no_terraform():
        pytest.skip(reason)
    done = Terraform(INFRA)("fmt", "-check", "-recursive", "-diff")
    assert done.code == 0, done.said


def test_it_is_valid(initialised: Terraform) -> None:
    assert initialised.json("validate")["diagnostics"] == []


def test_its_properties_hold(initialised: Terraform) -> None:
    done = initialised("test")
    assert done.code == 0, done.said
    # The number moves with each new run block: a file that is not found is not a success.
    assert "Success! 14 passed, 0 failed." in done.said


def test_faults_show(spoiled: Terraform) -> None:
    for name, old, new, _ in FAULTS:
        spoiled.replace(name, old, new)
    for tests in (spoiled.folder / "tests").glob("*.tftest.hcl"):
        # The first run of each file holds the defaults' properties; the others take long.
        before, first, *_ = tests.read_text().split('\nrun "')
        tests.write_text(f'{before}\nrun "{first}')
    done = spoiled("test")
    assert done.code == 1
    said = " ".join(done.said.split())
    assert [message for *_, message in FAULTS if message not in said] == []


@pytest.mark.parametrize(
    ("name", "old", "new", "check"),
    [
        ("nothing", "", "", None),
        ("agents.tf", '"required"', '"optional"', "CKV_AWS_79"),
    ],
    ids=["as it is", "IMDSv1"],
)
def test_checkov_agrees(name: str, old: str, new: str, check: str | None, tmp_path: Path) -> None:
    if not (TOOLS / "checkov").is_file():
        pytest.skip("checkov is not installed (make test installs it)")
    copy = copy_infra(tmp_path / "infra")
    if check is not None:
        copy.replace(name, old, new)
    done = run_tool("checkov", "-d", copy.folder, "--config-file", INFRA / ".checkov.yaml")
    if check is None:
        assert done.code == 0, done.said
        assert "Parsing errors" not in done.said
    else:
        assert done.code == 1
        assert check in done.said
