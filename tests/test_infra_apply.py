"""infra/ applied for real, to moto: planned, made, planned again without a change, unmade."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from mangum import Mangum

from tests.s3 import moto
from tests.services import app_of
from tests.serving import named_bundle
from tests.terraforms import INFRA, Terraform, copy_infra, initialise, variables, why_no_terraform

# What moto does not keep, cannot read back or makes up (a hook's queue and role); what matters of
# it is covered by the mocked provider's tests.
MOTO_FORGETS = """
resource "aws_budgets_budget" "monthly" {
  count = 0
}
resource "aws_autoscaling_group" "server" {
  lifecycle {
    ignore_changes = [instance_maintenance_policy]
  }
}
resource "aws_autoscaling_lifecycle_hook" "drain" {
  lifecycle {
    ignore_changes = [notification_target_arn, role_arn]
  }
}
resource "aws_launch_template" "server" {
  lifecycle {
    ignore_changes = [tag_specifications]
  }
}
resource "aws_launch_template" "agent" {
  lifecycle {
    ignore_changes = [tag_specifications]
  }
}
resource "aws_lambda_function" "this" {
  lifecycle {
    ignore_changes = [image_config]
  }
}
resource "aws_route53_zone" "private" {
  lifecycle {
    ignore_changes = [vpc]
  }
}
resource "aws_vpc_security_group_ingress_rule" "cluster" {
  lifecycle {
    ignore_changes = [description]
  }
}
resource "aws_vpc_security_group_ingress_rule" "join" {
  lifecycle {
    ignore_changes = [description]
  }
}
"""


@pytest.fixture(scope="module")
def aws() -> Iterator[dict[str, str]]:
    """A made-up AWS on loopback, as the environment that leads to it."""
    with moto() as address:
        yield {
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_MAX_ATTEMPTS": "3",
        }


@pytest.fixture(scope="module")
def applied(aws: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terraform]:
    """The configuration, applied; destroyed at the end, and then nothing may be left."""
    if reason := why_no_terraform():
        pytest.skip(reason)
    folder = copy_infra(tmp_path_factory.mktemp("infra") / "infra").folder
    terraform = Terraform(folder, **aws)
    if reason := initialise(terraform):
        pytest.skip(reason)
    terraform.write("moto_override.tf", MOTO_FORGETS)
    given = variables(
        api_cidrs=["198.51.100.0/24"], lambda_image_digest=f"sha256:{'5' * 64}", disposable=True
    )
    terraform.write("test.auto.tfvars.json", json.dumps(given))
    done = terraform("apply", "-auto-approve", "-input=false")
    assert done.code == 0, done.said
    yield terraform
    done = terraform("destroy", "-auto-approve", "-input=false")
    assert done.code == 0, done.said
    assert terraform("state", "list").said == ""


@pytest.fixture(scope="module")
def resources(applied: Terraform) -> dict[str, Any]:
    """Address of each resource → its values."""
    root = applied.json("show")["values"]["root_module"]
    return {resource["address"]: resource["values"] for resource in root["resources"]}


def test_a_second_plan_is_empty(applied: Terraform) -> None:
    done = applied("plan", "-detailed-exitcode", "-input=false")
    assert done.code == 0, done.said


def test_the_tokens_are_in_aws_only(
    applied: Terraform, aws: dict[str, str], resources: dict[str, Any]
) -> None:
    ssm = boto3.client(
        "ssm",
        endpoint_url=aws["AWS_ENDPOINT_URL"],
        region_name=aws["AWS_REGION"],
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    server, agent = (
        ssm.get_parameter(Name=f"/vibe-search/{name}-token", WithDecryption=True)["Parameter"][
            "Value"
        ]
        for name in ("server", "agent")
    )
    assert re.fullmatch("[0-9a-f]{64}", server)
    assert re.fullmatch("[0-9a-f]{64}", agent)
    assert server != agent
    kept = applied("state", "pull").said + "".join(map(str, _user_data(resources)))
    assert server not in kept
    assert agent not in kept


def test_user_data_carries_the_files_as_they_are(resources: dict[str, Any]) -> None:
    for data in _user_data(resources):
        for file in data["write_files"]:
            path = Path(file["path"])
            if path.suffix == ".sh":
                assert file["content"] == (INFRA / "user_data" / path.name).read_text()
                assert file["permissions"] == "0755"
        started = data["runcmd"][-1]
        assert started[:4] == ["systemctl", "enable", "--now", "--no-block"]
        written = {Path(file["path"]).name for file in data["write_files"]}
        assert set(started[4:]) <= written


def test_node_env_needs_no_quoting(resources: dict[str, Any]) -> None:
    """systemd and a shell read it alike."""
    for data in _user_data(resources):
        (text,) = (f["content"] for f in data["write_files"] if f["path"].endswith("node.env"))
        lines = text.splitlines()
        assert all(re.fullmatch(r"[A-Z0-9_]+=[\w.:/%+-]+", line) for line in lines), lines
        assert shlex.split(text) == lines


def test_the_command_for_lambda_gets_the_answer(applied: Terraform, tmp_path: Path) -> None:
    """The event in the output is one that the function understands."""
    outputs = {name: output["value"] for name, output in applied.json("output").items()}
    command = shlex.split(outputs["lambda_cli"])
    event = json.loads(command[command.index("--payload") + 1])
    # Mangum asks for the thread's event loop, which is made here as Lambda's runtime has one.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        handler = Mangum(app_of(named_bundle(tmp_path / "bundle")), lifespan="off")
        answer = handler(event, None)
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["matched"] == "LEEAAV - IN THIS DARK"
    for name in ("nodeport_curl", "lambda_curl"):
        words = shlex.split(outputs[name])
        assert words[words.index("-d") + 1] == event["body"]
        assert words[2].endswith("/recommend")


def _user_data(resources: dict[str, Any]) -> list[dict[str, Any]]:
    texts = [
        base64.b64decode(resources[f"aws_launch_template.{role}"]["user_data"]).decode()
        for role in ("server", "agent")
    ]
    assert all(text.startswith("#cloud-config\n") for text in texts)
    return [yaml.safe_load(text) for text in texts]
