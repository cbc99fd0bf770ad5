"""``make image``: what it asks of docker or buildah. That the image builds, test_image tells."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.processes import REPOSITORY


def asked(folder: Path, *variables: str, docker: bool = True) -> list[str]:
    """The words of the command, on a machine where docker works or does not."""
    program = folder / "docker"
    program.write_text(f"#!/bin/sh\nexit {0 if docker else 1}\n")
    program.chmod(0o755)
    known = {"AWS_PROFILE", "AWS_REGION", "AWS_ENDPOINT_URL", "AWS_SHARED_CREDENTIALS_FILE"}
    environment = {name: value for name, value in os.environ.items() if name not in known}
    environment |= {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "HOME": str(folder)}
    done = subprocess.run(
        ["make", "--no-print-directory", "-n", "image", *variables],
        cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return shlex.split(done.stdout.replace("\\\n", " "))


def arguments(words: list[str]) -> list[str]:
    return [words[at + 1] for at, word in enumerate(words) if word == "--build-arg"]


def test_the_sample_by_docker_or_buildah(tmp_path: Path) -> None:
    words = asked(tmp_path)
    assert words[:3] == ["DOCKER_BUILDKIT=1", "docker", "build"]
    assert (words[3:5], words[-1]) == (["-t", "vibe-search:latest"], ".")
    assert [one.partition("=")[0] for one in arguments(words)] == ["REVISION"]
    words = asked(tmp_path, docker=False)
    assert words[:5] == ["buildah", "bud", "--layers", "--format", "docker"]


def test_a_folder_and_a_base_by_digest(tmp_path: Path) -> None:
    base = f"python:3.11-slim@sha256:{'0' * 64}"
    words = asked(tmp_path, "BUNDLE=my bundle", f"BASE={base}")
    assert arguments(words)[1:] == [f"BASE={base}", "BUNDLE=my bundle"]
    assert "--secret" not in words


@pytest.mark.parametrize("has_file", [True, False])
def test_a_store_with_the_credentials_as_a_secret(tmp_path: Path, has_file: bool) -> None:
    file = tmp_path / ".aws/credentials"
    if has_file:
        file.parent.mkdir()
        file.touch()
    words = asked(tmp_path, "BUNDLE=s3://bucket/prefix", "AWS_REGION=eu-west-1", "AWS_PROFILE=me")
    expected = ["BUNDLE=s3://bucket/prefix", "AWS_PROFILE=me", "AWS_REGION=eu-west-1"]
    assert arguments(words)[1:] == expected
    secrets = [words[at + 1] for at, word in enumerate(words) if word == "--secret"]
    assert secrets == ([f"id=aws,src={file}"] if has_file else [])
