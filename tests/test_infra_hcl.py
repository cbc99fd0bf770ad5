"""What infra/ says, read as HCL: no terraform needed, so these hold wherever the tests run."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import hcl2
import pytest

from tests.terraforms import INFRA


class Resource(NamedTuple):
    kind: str
    name: str
    body: dict[str, Any]


def _plain(value: Any) -> Any:
    """Without the quotes and marks that python-hcl2 keeps; a list of one block is the block."""
    match value:
        case dict():
            return {
                key.strip('"'): _plain(inner)
                for key, inner in value.items()
                if not key.startswith("__")
            }
        case [{"__is_block__": True} as block]:
            return _plain(block)
        case list():
            return [_plain(inner) for inner in value]
        case str():
            return value.strip('"')
    return value


def _blocks(kind: str) -> Iterator[dict[str, Any]]:
    for path in sorted(INFRA.glob("*.tf")):
        with path.open() as file:
            found = hcl2.load(file)
        yield from (_plain({**block, "__is_block__": False}) for block in found.get(kind, []))


RESOURCES = [
    Resource(kind, name, body)
    for block in _blocks("resource")
    for kind, named in block.items()
    for name, body in named.items()
]
VARIABLES = {name: body for block in _blocks("variable") for name, body in block.items()}


def bodies(kind: str) -> dict[str, dict[str, Any]]:
    return {resource.name: resource.body for resource in RESOURCES if resource.kind == kind}


def test_the_provider_is_aws_5_and_nothing_else() -> None:
    (terraform,) = _blocks("terraform")
    needed = terraform["required_providers"]
    assert needed == {"aws": {"source": "hashicorp/aws", "version": "~> 5.100"}}


@pytest.mark.parametrize(("role", "hops"), [("server", 1), ("agent", "${var.agent_metadata_hops}")])
def test_nodes_want_imdsv2_and_encrypt_their_disks(role: str, hops: object) -> None:
    template = bodies("aws_launch_template")[role]
    assert template["metadata_options"] == {
        "http_endpoint": "enabled",
        "http_tokens": "required",
        "http_put_response_hop_limit": hops,
    }
    disk = template["block_device_mappings"]["ebs"]
    assert (disk["encrypted"], disk["volume_type"]) == (True, "gp3")
    assert "key_name" not in template


def test_agents_are_spot_of_many_kinds() -> None:
    agents = bodies("aws_autoscaling_group")["agents"]
    assert agents["capacity_rebalance"] is True
    assert agents["mixed_instances_policy"]["instances_distribution"] == {
        "on_demand_base_capacity": 0,
        "on_demand_percentage_above_base_capacity": 0,
        "spot_allocation_strategy": "price-capacity-optimized",
    }


def test_the_server_is_one_at_a_time() -> None:
    server = bodies("aws_autoscaling_group")["server"]
    assert (server["min_size"], server["max_size"], server["capacity_rebalance"]) == (1, 1, False)
    assert server["suspended_processes"] == ["AZRebalance"]


def test_no_group_is_opened_by_a_rule_of_its_own() -> None:
    """Rules are resources, each with its port: nothing inline, nothing on SSH's port."""
    for group in bodies("aws_security_group").values():
        assert group.keys() == {"name", "description", "vpc_id", "tags"}
    text = (INFRA / "security.tf").read_text()
    assert not re.search(r"\b22\b", text)
    assert set(re.findall(r"(?:port|_port)\s*=\s*(\d+)", text)) == {
        "30080",
        "6443",
        "8472",
        "10250",
        "443",
    }


def test_tokens_are_write_only() -> None:
    tokens = bodies("aws_ssm_parameter")
    assert tokens.keys() == {"token", "agent_token"}
    for token in tokens.values():
        assert token["type"] == "SecureString"
        assert "value_wo" in token
        assert "value" not in token


def test_both_buckets_have_every_guard() -> None:
    guards = [resource for resource in RESOURCES if resource.kind.startswith("aws_s3_bucket_")]
    assert {guard.kind.removeprefix("aws_s3_bucket_") for guard in guards} == {
        "versioning",
        "server_side_encryption_configuration",
        "public_access_block",
        "ownership_controls",
        "policy",
        "lifecycle_configuration",
    }
    assert all(guard.body["for_each"] == "${local.buckets}" for guard in guards)
    block = bodies("aws_s3_bucket_public_access_block")["this"]
    assert [value for key, value in block.items() if key not in ("for_each", "bucket")] == [
        True
    ] * 4


def test_images_cannot_be_overwritten_and_are_scanned() -> None:
    repository = bodies("aws_ecr_repository")["this"]
    assert repository["image_tag_mutability"] == "IMMUTABLE"
    assert repository["image_scanning_configuration"] == {"scan_on_push": True}


def test_defaults_are_the_safe_ones() -> None:
    defaults = {name: body["default"] for name, body in VARIABLES.items() if "default" in body}
    assert defaults["api_cidrs"] == []
    assert defaults["lambda_url_auth"] == "AWS_IAM"
    assert defaults["disposable"] is False
    assert defaults["server_spot"] is False
    # Neither who may come in nor a checksum can be known here: they have to be given.
    assert VARIABLES.keys() - defaults.keys() == {
        "github_repository",
        "github_repository_ids",
        "client_cidrs",
        "alarm_email",
        "k3s_sha256",
        "ecr_credential_provider_sha256",
    }


def test_every_variable_is_described() -> None:
    assert [name for name, body in VARIABLES.items() if not body.get("description")] == []


def test_the_readme_names_the_default_versions() -> None:
    text = (INFRA / "README.md").read_text()
    for name in ("k3s_version", "ecr_credential_provider_version"):
        version = VARIABLES[name]["default"].replace("+", "%2B")
        assert f"/{version}/" in text


def test_the_readme_adds_up() -> None:
    text = (INFRA / "README.md").read_text()
    rows = re.findall(r"^\| (.+) \| (.*) \| \**([0-9.]+)\** \|$", text, re.M)
    costs = {what: (arithmetic, float(cost)) for what, arithmetic, cost in rows}
    _, total = costs.pop("**k3s**")
    _, function = costs.pop("Lambda, a million requests of 20 ms at 1769 MB")
    assert sum(cost for _, cost in costs.values()) == pytest.approx(total, abs=0.005)
    gib_seconds = 1e6 * 0.02 * 1769 / 1024
    assert function == pytest.approx(0.2 + gib_seconds * 0.0000166667, abs=0.005)
    products = 0
    for arithmetic, cost in costs.values():
        factors = re.sub(r"\(.*\)|h|GiB", "", arithmetic).split("×")
        if "+" not in arithmetic:
            assert math.prod(map(float, factors)) == pytest.approx(cost, abs=0.005), arithmetic
            products += 1
    assert products == 7
