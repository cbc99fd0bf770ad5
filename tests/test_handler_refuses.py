"""The API as a process that has nothing to serve: one line, exit code 2."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from embed.catalogue import write_catalogue
from embed.manifest import ModelInfo
from embed.writer import BundleWriter
from tests.handlers import ROOT, environment
from tests.serving import NAMES, named_bundle, song


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return named_bundle(tmp_path_factory.mktemp("process") / "bundle")


def refused(*arguments: str, **settings: str) -> str:
    """The one line that a handler which does not start leaves."""
    done = subprocess.run(
        [sys.executable, "-m", "handler", *arguments],
        check=False,
        cwd=ROOT,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("handler: ")
    return done.stderr


def test_no_bundle_is_one_line(tmp_path: Path) -> None:
    assert "VIBE_BUNDLE: not set" in refused()
    assert "no bundle here (no manifest.json)" in refused("--bundle", str(tmp_path))
    assert "none: no bundle here" in refused("--bundle", str(tmp_path / "none"))


def test_a_bundle_without_songs_is_one_line(tmp_path: Path) -> None:
    with BundleWriter(tmp_path) as writer:
        writer.stage("model/audio.onnx").write_bytes(b"x")
        digest = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
        writer.commit(model=ModelInfo("tiny", digest))
    assert "holds no songs, add some with python -m embed" in refused("--bundle", str(tmp_path))


@pytest.mark.parametrize("name", ["manifest.json", "catalogue.sqlite", "vectors.npy"])
@pytest.mark.parametrize("how", ["gone", "cut", "changed"])
def test_a_torn_bundle_is_one_line(tmp_path: Path, name: str, how: str) -> None:
    path = named_bundle(tmp_path / "bundle") / name
    content = path.read_bytes()
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(content[:-100])
    else:
        path.write_bytes(content[:-100] + bytes(byte ^ 1 for byte in content[-100:]))
    assert str(path.parent) in refused("--bundle", str(path.parent))


def test_a_catalogue_of_another_spec_is_one_line(tmp_path: Path) -> None:
    root = named_bundle(tmp_path / "bundle")
    with BundleWriter(root) as writer:
        previous = writer.previous
        assert previous is not None
        write_catalogue(writer.stage("catalogue.sqlite"), [song(name) for name in NAMES], "e" * 64)
        writer.commit(model=previous.model, spec=previous.spec, songs=10)
    assert f"the songs' spec is {'e' * 64}, the manifest says " in refused("--bundle", str(root))


@pytest.mark.parametrize("songs", [9, 11])
def test_a_catalogue_of_another_length_is_one_line(tmp_path: Path, songs: int) -> None:
    root = named_bundle(tmp_path / "bundle")
    with BundleWriter(root) as writer:
        previous = writer.previous
        assert previous is not None
        assert previous.spec is not None
        names = [f"song {i}" for i in range(songs)]
        write_catalogue(
            writer.stage("catalogue.sqlite"), [song(name) for name in names], previous.spec.digest
        )
        writer.commit(model=previous.model, spec=previous.spec, songs=songs)
    message = refused("--bundle", str(root))
    assert f"{songs} songs in catalogue.sqlite, 10 in vectors.npy" in message


def test_a_port_in_use_is_one_line(bundle: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = refused("--bundle", str(bundle), "--port", str(port))
    assert message == f"handler: 127.0.0.1:{port}: Address already in use\n"


def test_bad_settings_are_one_line(bundle: Path) -> None:
    assert "VIBE_PORT: 'x', expected" in refused("--bundle", str(bundle), "--port", "x")
    message = refused("--bundle", str(bundle), VIBE_ACCESS_LOG="maybe")
    assert "VIBE_ACCESS_LOG: 'maybe', expected on or off" in message
    message = refused("--bundle", str(bundle), "--host", "192.0.2.1")  # nobody's, RFC 5737
    assert message == "handler: 192.0.2.1:8000: Cannot assign requested address\n"
