"""``push``, ``pull``, ``list``, ``rollback`` as people run them."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from embed.bundle import open_bundle
from tests.bundles import change, read
from tests.processes import REPOSITORY


def _embed(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "embed", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )


@pytest.fixture(params=["local", "moto"])
def store(request, tmp_path) -> str:
    if request.param == "local":
        return str(tmp_path / "store")
    return request.getfixturevalue("bucket").url


def test_a_life(tmp_path, store):
    root = tmp_path / "mine"
    change(root, 1)
    first = open_bundle(root).manifest.version
    run = _embed("push", root, store)
    assert (run.returncode, run.stdout) == (0, f"{first}\n")
    assert run.stderr == f"{store}: latest is {first[:12]}, was nothing\n"
    again = _embed("push", root, store)
    assert (again.returncode, again.stdout) == (0, f"{first}\n")
    assert again.stderr == f"{store}: {first[:12]} is the latest already, and whole\n"
    change(root, 2)
    second = open_bundle(root).manifest.version
    assert _embed("push", root, store).stderr == (
        f"{store}: latest is {second[:12]}, was {first[:12]}\n"
    )
    listed = _embed("list", store)
    assert (listed.returncode, listed.stderr) == (0, "")
    day = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"
    lines = sorted(listed.stdout.splitlines(), key=lambda line: not line.startswith(second))
    assert re.fullmatch(rf"{second}  {day} +3 songs  model 2 \(fp32\)  latest", lines[0])
    assert re.fullmatch(rf"{first}  {day} +2 songs  model 1 \(fp32\)", lines[1])
    back = _embed("rollback", store, first[:7])
    assert (back.returncode, back.stdout) == (0, f"{first}\n")
    assert back.stderr == f"{store}: latest is {first[:12]}, was {second[:12]}\n"
    pulled = _embed("pull", store, tmp_path / "theirs")
    assert (pulled.returncode, pulled.stdout) == (0, f"{first}\n")
    assert pulled.stderr.startswith(f"{tmp_path}/theirs: {first[:12]}, 2 songs; ")
    assert read(open_bundle(tmp_path / "theirs")) == 1
    newer = _embed("pull", store, tmp_path / "theirs", "--version", second[:7])
    assert newer.stdout == f"{second}\n"
    assert read(open_bundle(tmp_path / "theirs")) == 2


def test_a_url_may_name_the_version(tmp_path, bucket):
    """As the release pulls into its image the very version that the image's tag names."""
    change(tmp_path / "mine", 1)
    first = _embed("push", tmp_path / "mine", bucket.url).stdout.strip()
    change(tmp_path / "mine", 2)
    assert _embed("push", tmp_path / "mine", bucket.url).returncode == 0
    for name in (first, first[:8]):
        pulled = _embed("pull", f"{bucket.url}/versions/{name}", tmp_path / name)
        assert (pulled.returncode, pulled.stdout) == (0, f"{first}\n"), pulled.stderr
        assert read(open_bundle(tmp_path / name)) == 1
    change(tmp_path / first, 3)
    refused = _embed("push", tmp_path / first, bucket.url)
    assert "which this bundle" in refused.stderr, "it is remembered as the store's own version"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["push", "mine"], "Missing argument 'STORE'"),
        (["push", "nowhere", "STORE"], "error: nowhere: no bundle here (no manifest.json)"),
        (["push", "mine", "s3:/x"], "s3:/x: expected a directory or s3://bucket/prefix"),
        (["push", "mine", "s3://x"], "'x' is no bucket's name"),
        (["push", "mine", "a-file"], "error: "),
        (["push", "mine", "STORE", "--replacing", "x"], "error: 'x': expected a version"),
        (["pull", "STORE"], "Missing argument 'BUNDLE'"),
        (["pull", "STORE", "new"], "no bundle has been pushed here (no 'latest')"),
        (["pull", "STORE", "new", "--version", "ab"], "no version begins with ab"),
        (["pull", "s3://bucket/a", "s3://bucket/b"], "s3://bucket/b: expected a directory on this"),
        (["push", "s3://bucket/b", "STORE"], "s3://bucket/b: expected a directory on this machine"),
        (["push", "mine", "s3://bucket/a/versions/0123abcd"], "a version never changes"),
        (["rollback", "s3://bucket/versions/0a1b", "ab"], "a version never changes"),
        (["pull", "s3://bucket/versions/0a1b", "new", "--version", "ab"], "names 0a1b already"),
        (["rollback", "STORE"], "Missing argument 'VERSION'"),
        (["rollback", "STORE", "ab"], "no version begins with ab"),
        (["list"], "Missing argument 'PLACE'"),
    ],
)
def test_wrong_use_is_2_and_says_why_in_one_line(tmp_path, arguments, words):
    change(tmp_path / "mine", 1)
    (tmp_path / "a-file").write_text("x")
    run = _embed(*(str(tmp_path / "s") if a == "STORE" else a for a in arguments), cwd=tmp_path)
    assert (run.returncode, run.stdout) == (2, "")
    assert words in run.stderr
    assert "Traceback" not in run.stderr
    assert not (tmp_path / "new").exists()


def test_an_empty_store_has_no_versions(tmp_path):
    run = _embed("list", tmp_path / "s")
    assert (run.returncode, run.stdout, run.stderr) == (0, "", f"{tmp_path}/s: no versions\n")
    assert not (tmp_path / "s").exists()


def test_on_a_terminal_there_is_a_bar(tmp_path, store):
    change(tmp_path / "mine", 300)
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = [sys.executable, "-m", "embed", "push", str(tmp_path / "mine"), store]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs, env=environment)
    os.close(theirs)
    text = b""
    try:
        while piece := os.read(ours, 4096):
            text += piece
    except OSError:
        pass  # how Linux tells the end of a terminal
    os.close(ours)
    assert run.wait() == 0
    size = sum(path.stat().st_size for path in Path(tmp_path / "mine").glob("**/[!.]*.*"))
    total = f"{size / 1000:.3g}".encode()
    assert re.search(rb"100%.*" + re.escape(total) + rb"k/" + re.escape(total) + rb"k \[", text)


def test_a_store_by_another_path_is_the_same_store(tmp_path):
    change(tmp_path / "mine", 1)
    assert _embed("push", "mine", "store", cwd=tmp_path).returncode == 0
    change(tmp_path / "mine", 2)
    assert _embed("push", tmp_path / "mine", tmp_path / "store").returncode == 0
    assert len(_embed("list", "store", cwd=tmp_path).stdout.splitlines()) == 2
