"""A store and a full disk: one clear line, nothing half-written, the old bundle intact."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from embed.bundle import open_bundle
from embed.errors import StoreError
from embed.store.pull import pull
from embed.store.push import push
from tests.bundles import change, hidden, read


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A disk of 1 MB."""
    root = tmp_path / "disk"
    root.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(root)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk to fill")
    yield root
    subprocess.run(["umount", str(root)], check=True)


@pytest.mark.parametrize("has_old", [True, False])
def test_a_full_disk(tmp_path, bucket, disk, has_old):
    change(tmp_path / "mine", 600)  # 1.3 MB
    push(tmp_path / "mine", bucket.store())
    root = disk / "b"
    if has_old:
        change(root, 1)
    with pytest.raises(StoreError, match=r"bytes to fetch, [\d,]+ are free; disk full"):
        pull(bucket.store(), root)
    assert root.exists() == has_old
    if has_old:
        assert read(open_bundle(root)) == 1
        assert hidden(root) == {".lock"}


def test_a_disk_that_fills_meanwhile(tmp_path, bucket, disk):
    change(tmp_path / "mine", 300)  # 0.7 MB
    push(tmp_path / "mine", bucket.store())

    class Filling:
        def __init__(self, total: int) -> None:
            (disk / "other").write_bytes(b"x" * (shutil.disk_usage(disk).free - 100_000))

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def advance(self, _):
            pass

    change(disk / "b", 1)
    with pytest.raises(StoreError, match="No space left on device"):
        pull(bucket.store(), disk / "b", show=Filling)
    assert read(open_bundle(disk / "b")) == 1
    assert hidden(disk / "b") == {".lock"}


def test_a_disk_that_is_full_after_a_push(bucket, disk):
    """What was pushed is pushed; only that it was cannot be noted, and the line says both."""
    change(disk / "b", 1)
    (disk / "other").write_bytes(b"x" * shutil.disk_usage(disk).free)
    version = open_bundle(disk / "b").manifest.version
    with pytest.raises(StoreError) as caught:
        push(disk / "b", bucket.store())
    assert str(caught.value) == (
        f"{disk}/b/.stores.json: No space left on device; the bundle is {version} of "
        f"{bucket.url}, which could not be noted"
    )
    assert bucket.store().latest().version == version
    assert hidden(disk / "b") == {".lock"}
    (disk / "other").unlink()
    assert push(disk / "b", bucket.store()).before == version
