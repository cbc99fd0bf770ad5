"""Bundles of known content, and one child process that is killed wherever a kill could hurt."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np

from embed.assemble import stage_songs
from embed.bundle import Bundle, sha256_file
from embed.catalogue import Catalogue, Song, song_id
from embed.manifest import CATALOGUE_FILE, MODEL_FILE, VECTORS_FILE, Manifest, ModelInfo
from embed.spec import Spec
from embed.writer import BundleWriter

# What moves, makes or removes files, and opening, after which bytes are written.
_EVENTS = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "open"}


def change(root: Path, content: int) -> Manifest:
    """Make the bundle hold model and songs number ``content``."""
    songs = [_song(content, i) for i in range(content + 1)]
    with BundleWriter(root) as writer:
        model = writer.stage(MODEL_FILE)
        model.write_bytes(b"model %d" % content)
        info = ModelInfo(f"model {content}", sha256_file(model))
        spec = Spec(info.sha256)
        stage_songs(writer, songs, spec, lambda song: _vector(song.name))
        return writer.commit(model=info, spec=spec, songs=len(songs))


def load(bundle: Bundle) -> tuple[int, list[str], np.ndarray]:
    """The number in the model, the songs' names, their vectors: as the bundle's files hold them."""
    content = int(bundle.file(MODEL_FILE).read_bytes().split()[1])
    catalogue = Catalogue(bundle.file(CATALOGUE_FILE))
    names = catalogue.names
    catalogue.close()
    return content, names, np.load(bundle.file(VECTORS_FILE))


def content_of(content: int, names: list[str], vectors: np.ndarray) -> int:
    """Which content was loaded; AssertionError when it is a mixture."""
    assert len(names) == len(vectors) == content + 1
    for name, vector in zip(names, vectors, strict=True):
        assert name.startswith(f"{content} - ")
        assert np.array_equal(vector, _vector(name))
    return content


def read(bundle: Bundle) -> int:
    """Which content the bundle holds; AssertionError when it is a mixture."""
    assert bundle.manifest.songs == int(bundle.manifest.model.id.split()[1]) + 1
    return content_of(*load(bundle))


def tree(root: Path) -> dict[str, tuple[int, int]]:
    """Every path below, with what tells a change."""
    return {
        str(path.relative_to(root)): (path.lstat().st_mtime_ns, path.lstat().st_size)
        for path in [root, *root.rglob("*")]
    }


def hidden(root: Path) -> set[str]:
    """What the writer put there for itself."""
    return {path.name for path in root.iterdir() if path.name.startswith(".")}


def _song(content: int, number: int) -> Song:
    path = f"{content}/{number}.mp3"
    name = f"{content} - {number}"
    return Song(song_id(path), name, str(content), str(number), path, 1.0, f"{number:064}")


def _vector(name: str) -> np.ndarray:
    seed = [int(part) for part in name.split(" - ")]
    vector = np.random.default_rng(seed).standard_normal(512)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def _kill_at(step: int) -> None:
    """Kill this process just before its ``step``-th file system call."""
    left = count(1)

    def on_event(event: str, _: tuple[object, ...]) -> None:
        if event in _EVENTS and next(left) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(on_event)


def killed_everywhere(template: Path, work: Path, act: Callable[[Path], object]) -> list[Path]:
    """Copies of ``template`` on each of which ``act`` was killed one file system call later.

    The last one it survived.
    """
    roots = []
    for step in count(1):
        root = work / f"{step:03}"
        shutil.copytree(template, root, symlinks=True)
        roots.append(root)
        child = os.fork()
        if child == 0:
            _kill_at(step)
            act(root)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        if status == 0:
            return roots
        assert os.WIFSIGNALED(status), f"step {step}: exit status {status}"
    raise AssertionError


def _open_writer(root: Path) -> None:
    with BundleWriter(root):
        pass


def main(work: Path) -> None:
    """Kill a writer anywhere; where it left a commit unfinished, kill its successor too."""
    first = killed_everywhere(work / "old", work / "change", lambda root: change(root, 2))
    found = {"change": [str(root) for root in first], "finish": []}
    for root in first:
        if (root / ".pending").exists():
            second = killed_everywhere(root, work / f"finish-{root.name}", _open_writer)
            found["finish"] += [str(again) for again in second]
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
