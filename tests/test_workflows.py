""".github/workflows: what they may do, what they run, and where it leads."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.manifests import found, text
from tests.processes import REPOSITORY
from tests.terraforms import TOOLS
from tests.workflows import FILES, FOLDER, expressions, load, script, scripts, steps

PROGRAMS = Path(sys.executable).parent


def _run(program: Path | str, *arguments: str | Path, given: str = "") -> tuple[int, str]:
    done = subprocess.run(
        [program, *arguments], input=given, capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode, done.stdout + done.stderr


def _program(name: str, folder: Path = PROGRAMS) -> Path | str:
    path = folder / name
    program = path if path.is_file() else shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed (make test installs it)")
    return program


def test_github_takes_them_for_workflows() -> None:
    code, said = _run(
        _program("check-jsonschema"), "--builtin-schema", "vendor.github-workflows", *FILES
    )
    assert code == 0, said


def test_nothing_in_them_is_dangerous() -> None:
    code, said = _run(_program("zizmor"), "--offline", "--no-progress", FOLDER)
    assert code == 0, said


@pytest.mark.parametrize(("place", "lines"), scripts(), ids=lambda value: value[:30])
def test_scripts_pass_shellcheck(place: str, lines: str) -> None:
    code, said = _run(_program("shellcheck", TOOLS), "--shell=bash", "-", given=lines)
    assert code == 0, f"{place}: {said}"


def _actions() -> Iterator[tuple[str, str]]:
    for path in FILES:
        for line in path.read_text().splitlines():
            if used := re.match(r"\s*(?:- )?uses:\s*(.*)$", line):
                yield path.name, used[1]


def test_actions_are_pinned_by_commit() -> None:
    pins: dict[str, set[str]] = {}
    for name, used in _actions():
        if used.startswith("./"):
            continue
        pin = re.fullmatch(r"([\w.-]+/[\w.-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)", used)
        assert pin, f"{name}: {used}"
        pins.setdefault(pin[1], set()).add(f"{pin[2]} {pin[3]}")
    assert pins.keys() == {
        "actions/checkout",
        "actions/setup-python",
        "actions/upload-artifact",
        "aquasecurity/trivy-action",
        "aws-actions/configure-aws-credentials",
        "docker/setup-buildx-action",
        "docker/setup-qemu-action",
        "hashicorp/setup-terraform",
    }
    assert [action for action, each in pins.items() if len(each) > 1] == []


def test_each_job_may_do_what_it_does_and_no_more() -> None:
    for path in FILES:
        assert load(path.stem)["permissions"] == {}
    granted = {
        f"{path.stem}/{name}": job["permissions"]
        for path in FILES
        for name, job in load(path.stem)["jobs"].items()
    }
    assert granted == {
        "test/test": {"contents": "read"},
        "test/image": {"contents": "read"},
        "release/test": {"contents": "read"},
        # Never together: what can push an image cannot say that it is deployed.
        "release/image": {"contents": "read", "id-token": "write"},
        "release/deploy": {"contents": "write"},
    }


def test_no_key_is_stored() -> None:
    everything = "".join(path.read_text() for path in FILES)
    assert "secrets." not in everything
    assert "aws-access-key-id" not in everything
    assert not re.search(r"AKIA[0-9A-Z]{16}", everything)
    (role,) = [
        step["with"]
        for step in steps("release", "image")
        if step.get("uses", "").startswith("aws-actions/")
    ]
    assert role == {
        "role-to-assume": "${{ vars.AWS_BUILD_ROLE }}",
        "aws-region": "${{ vars.AWS_REGION }}",
    }


def test_credentials_of_the_checkout_are_not_left_behind() -> None:
    for path in FILES:
        for job in load(path.stem)["jobs"].values():
            for step in job.get("steps", []):
                if step.get("uses", "").startswith("actions/checkout@"):
                    assert step["with"]["persist-credentials"] is False


def test_what_is_tested_is_what_make_tests() -> None:
    ran = [
        step["run"]
        for job in load("test")["jobs"].values()
        for step in job["steps"]
        if "run" in step
    ]
    assert ran == ["make check", "make test", "make image-test"]
    targets = re.findall(r"^([a-z-]+):", text("Makefile"), re.M)
    assert {command.split()[1] for command in ran} <= set(targets)


def test_pictures_of_the_page_are_kept() -> None:
    """Whether the tests pass or not; git ignores the folder."""
    pytest.importorskip("playwright", reason="playwright is not installed")
    from tests.browser import SCREENSHOTS

    [kept] = [one for one in steps("test", "test") if "upload-artifact@" in one.get("uses", "")]
    assert kept["if"] == "${{ !cancelled() }}"
    assert kept["with"]["path"] == f"{SCREENSHOTS.relative_to(REPOSITORY)}/"
    assert kept["with"]["if-no-files-found"] == "error"
    assert steps("test", "test").index(kept) > steps("test", "test").index({"run": "make test"})
    assert f"/{kept['with']['path']}" in text(".gitignore").splitlines()


def test_every_push_and_pull_request_is_tested_once() -> None:
    assert load("test")["on"] == {
        "pull_request": None,
        "push": {"branches-ignore": ["main"]},
        "workflow_call": None,
    }
    release = load("release")
    assert release["on"].keys() == {"push", "schedule", "workflow_dispatch"}
    assert release["on"]["push"] == {"branches": ["main"]}
    assert release["jobs"]["image"]["needs"] == "test"
    assert release["jobs"]["deploy"]["needs"] == "image"
    assert release["concurrency"] == {"group": "release", "cancel-in-progress": False}


def test_the_role_takes_the_job() -> None:
    """OIDC's subject is the branch; of a job with an environment it would be that."""
    job = load("release")["jobs"]["image"]
    assert "environment" not in job
    branch = text("infra/variables.tf").split('variable "git_branch"')[1].split("validation")[0]
    assert '= "main"' in branch
    assert job["if"] == "vars.AWS_BUILD_ROLE != '' && github.ref == 'refs/heads/main'"
    role = text("infra/oidc.tf")
    for action in ("BatchGetImage", "GetAuthorizationToken", "PutImage", "UploadLayerPart"):
        assert f'"ecr:{action}"' in role


def test_variables_are_named_at_the_top_and_come_from_infra() -> None:
    used = expressions(r"vars\.(\w+)")
    assert used == {"AWS_REGION", "AWS_BUILD_ROLE", "ECR_REPOSITORY", "BUNDLES", "MILVUS"}
    top = text(".github/workflows/release.yml").split("\nname:")[0]
    assert used <= set(re.findall(r"[A-Z_]{4,}", top))
    for output in re.findall(r"\((\w+)\)", top):
        assert f'output "{output}"' in text("infra/outputs.tf")


def test_both_architectures_are_scanned_before_anything_is_pushed() -> None:
    jobs = steps("release", "image")
    scans = [step for step in jobs if "trivy" in step.get("uses", "")]
    assert [step["with"]["image-ref"] for step in scans] == ["scan:amd64", "scan:arm64"]
    for step in scans:
        assert step["with"]["exit-code"] == "1"
        assert "continue-on-error" not in step
    pushes = [step for step in jobs if "--push" in step.get("run", "")]
    assert [jobs.index(step) for step in pushes] == [jobs.index(scans[-1]) + 1]
    assert "linux/amd64,linux/arm64" in pushes[0]["run"]


def test_both_targets_are_in_the_dockerfile() -> None:
    targets = load("release")["jobs"]["image"]["strategy"]["matrix"]["target"]
    assert targets == ["serve", "embed"]
    assert set(targets) <= set(re.findall(r"^FROM .* AS (\w+)$", text("Dockerfile"), re.M))
    base = load("release")["jobs"]["image"]["env"]["BASE"]
    assert base == found(r"^ARG BASE=(.+)$", "Dockerfile")


def test_the_tag_changes_with_all_that_the_dockerfile_copies() -> None:
    lines = re.findall(r"^COPY (?!--)(.*) \S+$", text("Dockerfile"), re.M)
    copied = {Path(each).parts[0] for line in lines for each in line.split()}
    (listed,) = re.findall(
        r"git log .* -- (.*)\)",
        script("release", "image", "What it is made of, and whether it is there"),
    )
    assert copied | {"Dockerfile", ".dockerignore"} == set(listed.split())
    assert all((REPOSITORY / each).exists() for each in listed.split())
