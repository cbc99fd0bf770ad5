"""The release workflow's own scripts, run: what is built again, and what a release commits."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.manifests import K8S, PLACEHOLDER, PROD, kubectl, render_folder
from tests.processes import REPOSITORY
from tests.workflows import Runner, script

SERVE, EMBED = (f"sha256:{digit * 64}" for digit in "ab")
BASE_INDEX = "what the registry says of the base image"
VERSION = "d" * 64
VARIABLES = {
    "REPOSITORY": "123456789012.dkr.ecr.us-east-1.amazonaws.com/vibe-search",
    "BUNDLES": "s3://vibe-search-123456789012-data/bundles",
    "REGION": "eu-west-1",
    "SERVE": SERVE,
    "EMBED": EMBED,
    "GH_TOKEN": "none",
}

# As the command does: https://kubectl.docs.kubernetes.io/references/kustomize/cmd/
KUSTOMIZE = """
import sys
import yaml
assert sys.argv[1:4] == ["edit", "set", "image"]
with open("kustomization.yaml") as file:
    content = yaml.safe_load(file)
for argument in sys.argv[4:]:
    name, _, image = argument.partition("=")
    new_name, _, digest = image.partition("@")
    others = [each for each in content["images"] if each["name"] != name]
    content["images"] = [*others, {"name": name, "newName": new_name, "digest": digest}]
with open("kustomization.yaml", "w") as file:
    yaml.safe_dump(content, file)
"""

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
    runner.python_program("kustomize", KUSTOMIZE)
    runner.program("gh", "exit 0\n")
    runner.program("aws", AWS)
    runner.program("docker", f"printf '{BASE_INDEX}'\n")
    return runner


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clone of a repository with k8s/ in it, as it is here."""
    origin, folder = tmp_path / "origin.git", tmp_path / "checkout"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(origin))
    git(tmp_path, "clone", "--quiet", str(origin), str(folder))
    git(folder, "checkout", "--quiet", "-B", "main")
    shutil.copytree(K8S, folder / "k8s")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "k8s")
    git(folder, "push", "--quiet", "origin", "HEAD:main")
    return folder


def release(runner: Runner, folder: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    """The job "deploy"; ends with the first step that fails."""
    runner.program("kubectl", f'exec {kubectl()} "$@"\n')
    for step in ("Write the digests", "Refuse what must not be deployed", "Commit and push"):
        done = runner.run(script("release", "deploy", step), folder, **(VARIABLES | changes))
        if done.returncode != 0:
            break
    return done


def test_a_release_sets_all_that_was_a_placeholder(runner: Runner, checkout: Path) -> None:
    done = release(runner, checkout)
    assert done.returncode == 0, done.stderr
    changed = git(checkout, "diff", "--name-only", "HEAD~1", "origin/main").split()
    assert changed == ["k8s/argocd/application.yaml", "k8s/overlays/prod/kustomization.yaml"]
    everything = [*render_folder(checkout / "k8s" / PROD), *render_folder(checkout / "k8s/argocd")]
    assert not PLACEHOLDER.search(str(everything))
    by_kind = {each["kind"]: each for each in everything}
    repository = VARIABLES["REPOSITORY"]
    api = by_kind["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    job = by_kind["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    assert (api["image"], job["image"]) == (f"{repository}@{SERVE}", f"{repository}@{EMBED}")
    assert by_kind["ConfigMap"]["data"] == {
        "MUSIC": "s3://vibe-search-123456789012-data/music",
        "BUNDLES": "s3://vibe-search-123456789012-data/bundles",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    url = "https://github.com/owner/vibe-search.git"
    assert by_kind["Application"]["spec"]["source"]["repoURL"] == url
    assert by_kind["AppProject"]["spec"]["sourceRepos"] == [url]


def test_the_same_release_twice_is_one_commit(runner: Runner, checkout: Path) -> None:
    release(runner, checkout)
    before = git(checkout, "rev-parse", "origin/main")
    done = release(runner, checkout)
    assert (done.returncode, done.stdout) == (0, "deployed already\n")
    assert git(checkout, "rev-parse", "HEAD") == before


def test_a_push_of_somebody_else_in_between_is_kept(
    runner: Runner, checkout: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", str(tmp_path / "origin.git"), str(other))
    (other / "notes").write_text("theirs")
    git(other, "add", ".")
    git(other, "commit", "--quiet", "-m", "theirs")
    git(other, "push", "--quiet", "origin", "HEAD:main")
    done = release(runner, checkout)
    assert done.returncode == 0, done.stderr
    subjects = git(checkout, "log", "--format=%s", "origin/main").splitlines()
    assert subjects == ["Deploy the images of c0ffeec0ffee", "theirs", "k8s"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"SERVE": ""}, "'' is not what would be deployed"),
        ({"EMBED": "sha256:abc"}, "'sha256:abc' is not what would be deployed"),
        ({"SERVE": f"sha256:{'0' * 64}"}, "a placeholder is left"),
        ({"BUNDLES": "s3://bucket.invalid/bundles"}, "a placeholder is left"),
    ],
)
def test_what_must_not_be_deployed_is_not_committed(
    changes: dict[str, str], reason: str, runner: Runner, checkout: Path
) -> None:
    before = git(checkout, "rev-parse", "origin/main")
    done = release(runner, checkout, **changes)
    assert done.returncode == 1
    assert reason in done.stdout
    assert git(checkout, "ls-remote", "origin", "main").split()[0] == before


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
