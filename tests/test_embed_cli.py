"""``python -m embed`` as people run it: exit codes, what is said, where it is said."""

from __future__ import annotations

import fcntl
import os
import pickle
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import numpy as np
import pytest

from embed.bundle import open_bundle
from embed.writer import BundleWriter
from tests.audio_files import write_tune
from tests.processes import ENVIRONMENT, eventually, group, python, start_python


@pytest.fixture
def music(tmp_path) -> Path:
    folder = tmp_path / "music"
    write_tune(folder / "001-2285379-Square a Saw-Echoes.mp3", 0.5, 22_050)
    write_tune(folder / "b/Nina - Sinnerman.flac", 0.5, 22_050, seed=1)
    return folder


def _embed(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    return python("-m", "embed", *arguments, **options)


def test_done_is_0(tmp_path, music, model_bundle):
    run = _embed(music, "--to", tmp_path / "b", "--model", model_bundle)
    assert (run.returncode, run.stdout) == (0, "")
    lines = run.stderr.splitlines()
    assert lines[0] == "model tiny (fp32), windows: 5"
    assert lines[1].startswith("2/2 songs, ")
    assert lines[2].startswith("2 songs found: 2 embedded")
    assert lines[3] == "2 songs in the bundle"
    assert "\r" not in run.stderr, "a bar is for terminals"
    again = _embed(music, "--to", tmp_path / "b")
    assert again.returncode == 0
    assert "2 songs in the bundle, which was up to date" in again.stderr


def test_on_a_terminal_there_is_a_bar(tmp_path, music, model_bundle):
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = ["-m", "embed", music, "--to", tmp_path / "b", "--model", model_bundle]
    run = subprocess.Popen([sys.executable, *map(str, command)], stderr=theirs, env=ENVIRONMENT)
    os.close(theirs)
    text = b""
    try:
        while piece := os.read(ours, 4096):
            text += piece
    except OSError:
        pass  # how Linux tells the end of a terminal
    os.close(ours)
    assert run.wait() == 0
    assert b"\r" in text
    assert re.search(rb"2/2 \[\d\d:\d\d<00:00, +[\d.]+(song/s|s/song)\]", text)


def test_some_failed_is_1_and_they_are_listed(tmp_path, music, model_bundle):
    (music / "broken.ogg").write_bytes(b"OggS")
    (music / "b/empty.wav").write_bytes(b"")
    for _ in range(2):
        run = _embed(music, "--to", tmp_path / "b", "--model", model_bundle)
        assert run.returncode == 1
        *_, failed, first, second = run.stderr.splitlines()
        assert failed == "failed:"
        assert first == "  b/empty.wav: empty file (0 bytes)"
        assert second.startswith("  broken.ogg: libsndfile: ")
        assert open_bundle(tmp_path / "b").manifest.songs == 2
        assert "Traceback" not in run.stderr


def test_nothing_done_is_2(tmp_path, model_bundle):
    (tmp_path / "music").mkdir()
    (tmp_path / "music/broken.ogg").write_bytes(b"OggS")
    run = _embed(tmp_path / "music", "--to", tmp_path / "b", "--model", model_bundle)
    assert run.returncode == 2
    assert "  broken.ogg: " in run.stderr
    assert "songs in the bundle" not in run.stderr
    assert run.stderr.splitlines()[-1] == (
        f"error: {tmp_path}/music: no song could be embedded; {tmp_path}/b stays as it was"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Usage: "),
        (["MUSIC"], "Missing option '--to'"),
        (
            ["MUSIC", "--to", "b", "--windows", "0"],
            "'0': expected 'middle' or a number from 1 to 64",
        ),
        (["MUSIC", "--to", "b", "--windows", "all"], "'all': expected 'middle'"),
        (["MUSIC", "--to", "b", "--workers", "0"], "not in the range 1<=x<=256"),
        (["MUSIC", "--to", "b", "--song-timeout", "0"], "not in the range x>=1"),
        (["MUSIC", "--to", "b", "--colour"], "No such option"),
        (["nowhere", "--to", "b"], "error: nowhere: not a directory"),
        (["empty", "--to", "b"], "error: empty: no audio files (looked for .aac "),
        (["MUSIC", "--to", "a-file"], "error: a-file: not a directory"),
        (["MUSIC", "--to", "b", "--model", "nowhere"], "error: nowhere: no bundle here"),
        (["import", "x.npz"], "Missing option '--to'"),
        (["import", "nowhere.npz", "--to", "b"], "error: nowhere.npz: No such file or directory"),
        (["import", "a-file", "--to", "b"], "error: a-file: not read: invalid load key"),
    ],
)
def test_wrong_use_is_2_and_says_why_in_one_line(tmp_path, music, arguments, words):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a-file").write_text("x")
    wanted = [str(music) if argument == "MUSIC" else argument for argument in arguments]
    run = _embed(*wanted, cwd=tmp_path)
    assert run.returncode == 2
    assert words in run.stderr
    assert "Traceback" not in run.stderr
    assert "error: error:" not in run.stderr.lower()


def test_help_is_0_and_names_every_option():
    run = _embed("folder", "--help")
    assert (run.returncode, run.stderr) == (0, "")
    for option in ("--to", "--model", "--windows", "--workers", "--song-timeout"):
        assert option in run.stdout
    assert _embed("--help").returncode == 0


def test_a_second_run_beside_the_first_is_told(tmp_path, music, model_bundle):
    with BundleWriter(tmp_path / "b"):
        run = _embed(music, "--to", tmp_path / "b", "--model", model_bundle)
    assert run.returncode == 2
    assert run.stderr == f"error: {tmp_path}/b: another process is writing this bundle\n"


@pytest.mark.parametrize("dump", [np.savez, None], ids=["npz", "pkl"])
def test_import(tmp_path, dump):
    value = {"names": ["A - B", "C - D"], "embeddings": np.eye(2, 512)}
    file = tmp_path / "x.npz"
    if dump is None:
        file.write_bytes(pickle.dumps(value))
    else:
        dump(file, **value)
    run = _embed("import", file, "--to", tmp_path / "b")
    assert (run.returncode, run.stderr) == (0, f"2 songs imported into {tmp_path}/b\n")
    assert open_bundle(tmp_path / "b").manifest.songs == 2


def test_a_folder_named_like_a_command_is_written_with_a_path(tmp_path, model_bundle):
    write_tune(tmp_path / "import/A - B.wav", 0.5, 22_050)
    run = _embed("./import", "--to", "b", "--model", model_bundle, cwd=tmp_path)
    assert run.returncode == 0, run.stderr


def test_a_damaged_record_says_what_to_do(tmp_path, music, model_bundle):
    (tmp_path / "b").mkdir()
    (tmp_path / "b/.embed.sqlite").write_bytes(b"not a database" * 100)
    run = _embed(music, "--to", tmp_path / "b", "--model", model_bundle)
    assert run.returncode == 2
    assert run.stderr.endswith(
        f"error: {tmp_path}/b/.embed.sqlite: file is not a database; delete it to begin anew\n"
    )


def test_a_full_disk_is_an_error_of_one_line(tmp_path, music, model_bundle):
    root = tmp_path / "disk"
    root.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=120k", "none", str(root)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk to fill")
    try:
        run = _embed(music, "--to", root, "--model", model_bundle)
        assert run.returncode == 2
        assert run.stderr.splitlines()[-1].startswith(f"error: {root}")
        assert "Traceback" not in run.stderr
    finally:
        subprocess.run(["umount", str(root)], check=True)


def test_ctrl_c_stops_everything(tmp_path, model_bundle):
    music = tmp_path / "music"
    for seed in range(200):  # more than any machine embeds before it is stopped
        write_tune(music / f"{seed}.flac", 4, 8_000, seed=seed)
    command = ["-m", "embed", music, "--to", tmp_path / "b", "--model", model_bundle]
    # As a terminal does: to the whole group, workers included.
    with start_python(*command, start_new_session=True) as run:
        assert eventually(lambda: len(group(run.pid)) > 1)
        time.sleep(0.5)
        os.killpg(run.pid, signal.SIGINT)
        text = run.stderr.read()
    assert run.returncode == 130
    assert text.splitlines()[-1] == "stopped; what was embedded is kept, run it again to go on"
    assert "Traceback" not in text
    assert eventually(lambda: group(run.pid) == [])
