"""What docs/deploy.md and the READMEs of infra/ and k8s/ tell to type exists: outputs, variables,
folders, jobs, units, programs."""

from __future__ import annotations

import json
import re

import pytest

from tests.manifests import ARGOCD, PROD, Manifest, one, render, text
from tests.processes import REPOSITORY

DOCUMENTS = (
    "docs/deploy.md",
    "docs/scale.md",
    "docs/milvus.md",
    "infra/README.md",
    "k8s/README.md",
)
WALK = "docs/deploy.md"


def typed(document: str) -> str:
    """Its commands: what is indented, or stands between backticks."""
    whole = text(document)
    indented = re.findall(r"^(?: {4}|\t).*$", whole, re.M)
    return "\n".join([*indented, *re.findall(r"`([^`\n]+)`", whole)])


def named(kind: str, path: str) -> set[str]:
    """Names of the blocks of one kind in a file of Terraform."""
    return set(re.findall(rf'^{kind} "(\w+)"', text(path), re.M))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_outputs_and_variables_exist(document: str) -> None:
    commands = typed(document)
    asked = set(re.findall(r"output -raw (\w+)", commands))
    assert asked <= named("output", "infra/outputs.tf")
    given = set(re.findall(r"-var (\w+)=", commands))
    given |= set(re.findall(r"^\s*(?:echo ')?(\w+)\s+= (?:\[?\"|\{)", commands, re.M))
    settings = {"bucket", "key", "region"}  # of the example of a backend
    assert given - settings <= named("variable", "infra/variables.tf")


def test_the_walk_sets_all_that_must_be_set() -> None:
    variables = text("infra/variables.tf").split("\nvariable ")[1:]
    required = {each.split('"')[1] for each in variables if " default " not in each}
    example = text("infra/README.md").split("`infra/terraform.tfvars`")[1].split("\n3. ")[0]
    assert set(re.findall(r"^ +(\w+) += ", example, re.M)) == required
    [said] = re.findall(r"the first (\w+) must be", text("infra/README.md"))
    assert ["five", "six", "seven"].index(said) + 5 == len(required)


def test_the_walk_gives_the_workflow_its_variables() -> None:
    table = dict(re.findall(r"^ *\| `(\w+)` \| (.*) \|$", text(WALK), re.M))
    used = set(re.findall(r"vars\.(\w+)", text(".github/workflows/release.yml")))
    assert table.keys() == used
    outputs = {cell.strip("`") for cell in table.values() if re.fullmatch(r"`\w+`", cell)}
    assert len(outputs) == 3
    assert outputs <= named("output", "infra/outputs.tf")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_is_applied_is_there(document: str) -> None:
    for folder in re.findall(r"kubectl (?:apply|create|delete) -k (\S+)", typed(document)):
        assert (REPOSITORY / folder.rstrip("/;`") / "kustomization.yaml").is_file(), folder


@pytest.mark.parametrize("document", DOCUMENTS)
def test_jobs_are_made_of_what_there_is(document: str) -> None:
    for namespace, kind, name in re.findall(
        r"-n (\S+) create job \S+ --from=(\w+)/([\w-]+)", text(document)
    ):
        made = {
            each["kind"].lower(): each for each in render(PROD) if each["metadata"]["name"] == name
        }
        assert made[kind]["metadata"]["namespace"] == namespace
    assert_namespaces(text(document))


def assert_namespaces(commands: str) -> None:
    known: set[str] = {_namespace(each) for each in (*render(PROD), *render(ARGOCD))}
    known |= set(re.findall(r"^  name: (\S+)$", text("k8s/milvus/namespace.yaml"), re.M))
    assert set(re.findall(r"kubectl -n (\S+) ", commands)) <= known


def _namespace(manifest: Manifest) -> str:
    return str(manifest["metadata"]["namespace"])


def test_programs_on_the_server_are_called_where_they_are() -> None:
    """Amazon Linux' sudo does not look into /usr/local/bin."""
    called = re.findall(r"sudo (\S+)", typed(WALK) + typed("infra/README.md"))
    assert set(called) == {"/usr/local/bin/kubectl", "journalctl"}
    assert '"$root/usr/local/bin/kubectl"' in text("infra/user_data/install.sh")


def test_what_is_patched_by_hand_is_not_gits() -> None:
    """Otherwise ArgoCD would heal it."""
    for kind, name, patch in re.findall(r"patch (\w+) (\S+) -p '(.*)'", typed(WALK)):
        [found] = [each for each in render(PROD) if each["kind"].lower() == kind]
        assert found["metadata"]["name"] == name
        assert not json.loads(patch)["spec"].keys() & found["spec"].keys()


def test_units_whose_log_is_read_exist() -> None:
    roles = text("infra/nodes.tf").split("units = {")[1].split("}\n")[0]
    for line in re.findall(r"journalctl (.*)$", typed(WALK), re.M):
        for unit in re.findall(r"-u (\S+)", line):
            assert f'"{unit}.service"' in roles


def test_ports_and_address_are_the_services() -> None:
    port = one(PROD, "Service")["spec"]["ports"][0]["nodePort"]
    assert set(re.findall(r"<ip>:(\d+)", text(WALK))) == {str(port)}
