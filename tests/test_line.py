"""The whole line as its users walk it: sample songs → embed → handler → curl."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from embed.bundle import open_bundle
from tests.conftest import SAMPLE_SONGS

STYLES = 8
SONGS = SAMPLE_SONGS


@pytest.fixture(scope="module")
def bundle(sample_bundle: Path) -> Path:
    return sample_bundle


@pytest.fixture(scope="module")
def served(bundle: Path) -> Iterator[str]:
    command = [sys.executable, "-u", "-m", "handler", "--bundle", str(bundle), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        address = re.search(r"http://[\d.]+:\d+", said)
        assert address is not None, said
        yield address[0]
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def embed(music: Path, to: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "embed", str(music), "--to", str(to), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def ask(url: str, body: object | None = None) -> dict:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.load(response)


def style(name: str) -> str:
    return name.rsplit("(", 1)[1]


def test_bundle_never_takes_the_sample_model_for_clap(bundle: Path, served: str) -> None:
    model = open_bundle(bundle).manifest.model
    assert model is not None
    assert model.kind == "sample"
    assert ask(served + "/health")["model"]["kind"] == "sample"


def test_every_song_is_listed_by_its_tags(served: str) -> None:
    songs = ask(served + "/songs")["songs"]
    assert len(songs) == SONGS
    assert all(" - " in song and song.endswith(")") for song in songs)


def test_neighbours_are_mostly_of_the_same_style(served: str) -> None:
    # Three songs a style: chance is 2/23, 0.09.
    songs = ask(served + "/songs")["songs"]
    first = [
        ask(served + "/recommend", {"song": song, "top_k": 1})["recommendations"][0]["song"]
        for song in songs
    ]
    same = [style(a) == style(b) for a, b in zip(songs, first, strict=True)]
    assert sum(same) / len(same) >= 0.75


def test_second_run_changes_nothing(bundle: Path) -> None:
    before = (bundle / "manifest.json").read_bytes()
    run = embed(bundle.parent / "music", bundle)
    assert run.returncode == 0
    assert f"0 embedded, {SONGS} already known" in run.stderr
    assert (bundle / "manifest.json").read_bytes() == before
