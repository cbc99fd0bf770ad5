"""What a release builds again, how it is called and what is said of it: the workflow's scripts."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from tests.processes import REPOSITORY
from tests.releases import EMBED, SERVE, VARIABLES, git
from tests.workflows import Runner, script

BASE_INDEX = "what the registry says of the base image"
VERSION = "d" * 64
AWS = """
case "$1 $2" in
  "s3 cp") [ -n "$VERSION" ] && echo "$VERSION" ;;
  "ecr get-login-password") echo password ;;
  "ecr batch-get-image") echo "$*" >> "$RUNNER_TEMP/asked"; echo "$THERE" ;;
  *) exit 1 ;;
esac
"""


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    runner = Runner(tmp_path / "runner")
    runner.program("aws", AWS)
    runner.program("docker", f"printf '{BASE_INDEX}'\n")
    return runner


@pytest.mark.parametrize("there", [None, SERVE], ids=["new", "there already"])
@pytest.mark.parametrize("target", ["serve", "embed"])
def test_the_tag_names_what_the_image_is_made_of(
    target: str, there: str | None, runner: Runner, tmp_path: Path
) -> None:
    folder = tmp_path / "code"
    git(tmp_path, "init", "--quiet", str(folder))
    tags = []
    for changed in ("Dockerfile", "README.md", "handler"):
        (folder / changed).write_text(changed)
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "-m", changed)
        done = runner.run(
            script("release", "image", "What it is made of, and whether it is there"),
            folder,
            **(VARIABLES | {"TARGET": target, "VERSION": VERSION, "THERE": there or "None"}),
            BASE="docker.io/library/python:3.11-slim",
            AWS_REGION="us-east-1",
        )
        assert done.returncode == 0, done.stderr
        found = runner.outputs()
        assert found["digest"] == (there or "")
        tags.append(found["tag"])
    first, docs, last = tags
    # Of the code, README.md is none.
    assert first == docs != last
    base = hashlib.sha256(BASE_INDEX.encode()).hexdigest()[:12]
    source = git(folder, "log", "-1", "--format=%H")[:12]
    assert last == f"{target}-{source}-{base}" + (f"-{VERSION[:12]}" if target == "serve" else "")
    arguments = (runner.temp / "arguments").read_text().splitlines()
    assert f"--target={target}" in arguments
    label = "--label=org.opencontainers.image.source=https://github.com/owner/vibe-search"
    assert label in arguments
    bundle = f"--build-arg=BUNDLE={VARIABLES['BUNDLES']}/versions/{VERSION}"
    assert (bundle in arguments) == (target == "serve")
    assert "--repository-name vibe-search " in (runner.temp / "asked").read_text()


def test_an_empty_store_is_named(runner: Runner) -> None:
    done = runner.run(
        script("release", "image", "What it is made of, and whether it is there"),
        REPOSITORY,
        **(VARIABLES | {"TARGET": "serve", "VERSION": ""}),
        BASE="docker.io/library/python:3.11-slim",
    )
    assert done.returncode == 1
    assert f"::error::{VARIABLES['BUNDLES']} has no latest bundle" in done.stdout


# As buildx leaves it: an image for each architecture, and what is attested of them.
ARCHITECTURES = {SERVE: "linux/amd64", EMBED: "linux/arm64", "sha256:c": "unknown/unknown"}
INDEX = [
    {"digest": digest, "platform": dict(zip(("os", "architecture"), each.split("/"), strict=True))}
    for digest, each in ARCHITECTURES.items()
]


@pytest.mark.parametrize("is_new", [True, False], ids=["pushed", "there already"])
def test_every_run_says_what_lambda_takes(is_new: bool, runner: Runner, tmp_path: Path) -> None:
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed: it reads what buildx says")
    index = tmp_path / "index.json"
    index.write_text(json.dumps({"manifests": INDEX}))
    runner.program("docker", f'case "$1" in login) cat > "$0.login" ;; *) cat {index} ;; esac\n')
    done = runner.run(
        script("release", "image", "Say which"),
        tmp_path,
        **VARIABLES,
        TARGET="serve",
        FOUND="" if is_new else SERVE,
        PUSHED=SERVE if is_new else "",
    )
    assert done.returncode == 0, done.stderr
    assert runner.outputs() == {"serve": SERVE, "new_serve": SERVE if is_new else ""}
    assert runner.summary.read_text().splitlines() == [
        f"* serve: `{VARIABLES['REPOSITORY']}@{SERVE}`",
        f"* serve for amd64: `{SERVE}`",
        f"* serve for arm64: `{EMBED}`",
    ]


@pytest.mark.parametrize("target", ["serve", "embed"])
def test_an_image_that_can_search_in_milvus_has_a_tag_of_its_own(
    target: str, runner: Runner
) -> None:
    tags = []
    for wanted in ("", "1"):
        done = runner.run(
            script("release", "image", "What it is made of, and whether it is there"),
            REPOSITORY,
            **(VARIABLES | {"TARGET": target, "VERSION": VERSION, "THERE": "None"}),
            BASE="docker.io/library/python:3.11-slim",
            AWS_REGION="us-east-1",
            MILVUS=wanted,
        )
        assert done.returncode == 0, done.stderr
        tags.append(runner.outputs()["tag"])
        arguments = (runner.temp / "arguments").read_text().splitlines()
        assert ("--build-arg=MILVUS=1" in arguments) == (target == "serve" and wanted == "1")
    without, with_milvus = tags
    assert with_milvus == without + ("-milvus" if target == "serve" else "")


def test_without_a_store_there_is_no_release(runner: Runner) -> None:
    done = runner.run(
        script("release", "image", "What it is made of, and whether it is there"),
        REPOSITORY,
        BUNDLES="",
    )
    assert done.returncode == 1
    assert "BUNDLES is not set" in done.stdout
