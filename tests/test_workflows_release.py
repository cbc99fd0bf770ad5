"""What a release commits to k8s/: the workflow's own scripts, run on a clone of a repository."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.manifests import K8S, PLACEHOLDER, PROD, kubectl, render_folder
from tests.releases import EMBED, SERVE, VARIABLES, git
from tests.workflows import Runner, script

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


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    runner = Runner(tmp_path / "runner")
    runner.python_program("kustomize", KUSTOMIZE)
    runner.program("gh", "exit 0\n")
    return runner


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
