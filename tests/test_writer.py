"""Changing a bundle: what stays, what goes, two at once, a full disk."""

from __future__ import annotations

import os
import subprocess
import textwrap

import numpy as np
import pytest

from embed.bundle import MANIFEST_FILE, PENDING, open_bundle
from embed.errors import BundleError
from embed.manifest import CATALOGUE_FILE, MODEL_FILE, VECTORS_FILE, ModelInfo
from embed.spec import FrontEnd, Spec
from embed.writer import BundleWriter
from tests.bundles import change, hidden, read, tree
from tests.processes import start_python


def test_the_second_writer_is_told(tmp_path):
    with BundleWriter(tmp_path), pytest.raises(BundleError) as caught, BundleWriter(tmp_path):
        pass
    assert str(caught.value) == f"{tmp_path}: another process is writing this bundle"


def test_a_writer_in_another_process_holds_the_lock_until_it_dies(tmp_path):
    program = textwrap.dedent("""
        import sys
        from pathlib import Path
        from embed.writer import BundleWriter
        with BundleWriter(Path(sys.argv[1])):
            print("holding", flush=True)
            sys.stdin.read()
    """)
    with start_python(
        *("-c", program, tmp_path), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == "holding\n"
        with pytest.raises(BundleError, match="another process"), BundleWriter(tmp_path):
            pass
        holder.kill()
    change(tmp_path, 1)
    assert read(open_bundle(tmp_path)) == 1


@pytest.mark.parametrize("spare", [0, 100_000, 500_000])
def test_a_full_disk_leaves_the_old_bundle(tmp_path, spare):
    small, root = tmp_path / "small", tmp_path / "disk"
    root.mkdir()
    change(small, 1)
    # Room for two small bundles, not for one of 300 songs (700 kB) beside a small one.
    size = 2 * sum(_blocks(path) for path in small.rglob("*")) + spare
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(root)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk to fill")
    try:
        change(root, 0)
        with pytest.raises((BundleError, OSError)) as caught:
            change(root, 300)
        text = f"{caught.value}"
        assert "full" in text or "No space" in text
        assert read(open_bundle(root)) == 0
        assert hidden(root) == {".lock"}
        change(root, 1)
        assert read(open_bundle(root)) == 1
    finally:
        subprocess.run(["umount", str(root)], check=True)


def _blocks(path):
    """Bytes on a disk with blocks of 4 KiB."""
    return -(-path.stat().st_size // 4096) * 4096


def test_a_bundle_in_a_new_place(tmp_path):
    root = tmp_path / "a/b"
    with BundleWriter(root) as writer:
        assert writer.previous is None
    with pytest.raises(BundleError, match="no bundle here"):
        open_bundle(root)
    change(root, 1)
    names = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert names == {".lock", MANIFEST_FILE, MODEL_FILE, CATALOGUE_FILE, VECTORS_FILE}


def test_others_may_read_it(tmp_path):
    change(tmp_path / "b", 1)
    assert ((tmp_path / "b/model").stat().st_mode & 0o777) == 0o755 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_writer_that_gives_up_leaves_no_trace(tmp_path):
    change(tmp_path, 1)
    before = tree(tmp_path)
    with pytest.raises(RuntimeError, match="enough"), BundleWriter(tmp_path) as writer:
        writer.stage(MODEL_FILE).write_bytes(b"half")
        raise RuntimeError("enough")
    after = tree(tmp_path)
    assert {k: v for k, v in after.items() if k != "."} == {
        k: v for k, v in before.items() if k != "."
    }


def test_a_commit_whose_parts_do_not_fit_changes_nothing(tmp_path):
    change(tmp_path, 1)
    with BundleWriter(tmp_path) as writer:
        writer.stage(MODEL_FILE).write_bytes(b"another model")
        with pytest.raises(BundleError, match=f"is not that of {MODEL_FILE}"):
            writer.commit(model=writer.previous.model, spec=writer.previous.spec, songs=2)
    assert read(open_bundle(tmp_path)) == 1


def test_what_is_not_staged_stays(tmp_path):
    change(tmp_path, 1)
    with BundleWriter(tmp_path) as writer:
        previous = writer.previous
        writer.stage("model/text.onnx").write_bytes(b"text")
        writer.commit(model=previous.model, spec=previous.spec, songs=previous.songs)
    assert open_bundle(tmp_path).file("model/text.onnx").read_bytes() == b"text"
    assert read(open_bundle(tmp_path)) == 1


@pytest.mark.parametrize(
    ("restaged", "outdated", "stays"),
    [(MODEL_FILE, "model/text.onnx", "map.npy"), (VECTORS_FILE, "map.npy", "model/text.onnx")],
)
def test_what_was_made_of_what_is_replaced_goes(tmp_path, restaged, outdated, stays):
    change(tmp_path, 1)
    with BundleWriter(tmp_path) as writer:
        previous = writer.previous
        for name in ("model/text.onnx", "map.npy"):
            writer.stage(name).write_bytes(b"x")
        writer.commit(model=previous.model, spec=previous.spec, songs=previous.songs)
        writer.stage(restaged).write_bytes((tmp_path / restaged).read_bytes())
        found = writer.commit(model=previous.model, spec=previous.spec, songs=previous.songs)
    assert outdated not in found.files
    assert stays in found.files
    assert not (tmp_path / outdated).exists()
    assert (tmp_path / stays).exists()


def test_a_bundle_without_songs_has_no_files_of_songs(tmp_path):
    change(tmp_path, 1)
    with BundleWriter(tmp_path) as writer:
        writer.commit(model=writer.previous.model)
    assert open_bundle(tmp_path).manifest.songs == 0
    assert not (tmp_path / CATALOGUE_FILE).exists()
    assert not (tmp_path / VECTORS_FILE).exists()


def test_a_bundle_without_a_model(tmp_path):
    change(tmp_path, 1)
    spec = Spec("00", front_end=None)
    with BundleWriter(tmp_path) as writer:
        writer.commit(model=None, spec=spec, songs=2)
    assert not (tmp_path / MODEL_FILE).exists()
    assert open_bundle(tmp_path).manifest.spec == spec


@pytest.mark.parametrize("content", [b"{}", b"", b'{"format": 2}'])
def test_what_lies_there_is_not_overwritten(tmp_path, content):
    (tmp_path / MANIFEST_FILE).write_bytes(content)
    with pytest.raises(BundleError, match=MANIFEST_FILE), BundleWriter(tmp_path):
        pass
    assert (tmp_path / MANIFEST_FILE).read_bytes() == content


def test_a_file_is_no_place_for_a_bundle(tmp_path):
    (tmp_path / "b").write_bytes(b"")
    with pytest.raises(BundleError, match=r"/b: not a directory$"), BundleWriter(tmp_path / "b"):
        pass


def test_vectors_are_what_numpy_itself_would_write(tmp_path):
    change(tmp_path, 3)
    vectors = np.load(tmp_path / VECTORS_FILE)
    np.save(tmp_path / "again.npy", vectors)
    assert (tmp_path / "again.npy").read_bytes() == (tmp_path / VECTORS_FILE).read_bytes()
    assert vectors.flags.c_contiguous
    assert vectors.dtype == np.dtype("<f4")


def test_the_same_content_gives_the_same_version(tmp_path):
    versions = {change(tmp_path / name, 5).version for name in "ab"}
    assert len(versions) == 1
    assert not (tmp_path / "a" / PENDING).exists()


def test_a_front_end_that_is_not_the_models_is_refused(tmp_path):
    with BundleWriter(tmp_path) as writer:
        writer.stage(MODEL_FILE).write_bytes(b"m")
        for name in (CATALOGUE_FILE, VECTORS_FILE):
            writer.stage(name).write_bytes(b"x")
        info = ModelInfo("m", "62c66a7a5dd70c3146618063c344e531e6d4b59e379808443ce962b3abd63c5a")
        spec = Spec(info.sha256, FrontEnd(hop_samples=240))
        with pytest.raises(BundleError, match="front end"):
            writer.commit(model=info, spec=spec)
