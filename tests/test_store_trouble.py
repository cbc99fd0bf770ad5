"""Damage, cuts, kills, throttling: one clear line, nothing half-written, the old bundle intact."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from embed.bundle import open_bundle
from embed.errors import StoreError
from embed.store.connection import connect
from embed.store.pull import pull
from embed.store.push import push
from tests.bundles import change, hidden, read
from tests.front import front
from tests.processes import REPOSITORY, eventually
from tests.s3 import Bucket
from tests.troubles import push_beside, refused, troubled


@pytest.fixture
def pushed(tmp_path, bucket) -> Bucket:
    return push_beside(tmp_path, bucket)


def _key(bucket: Bucket, name: str) -> str:
    [key] = [key for key in bucket.contents() if key.endswith(name)]
    return key


@pytest.mark.parametrize("name", ["model/audio.onnx", "catalogue.sqlite", "vectors.npy"])
@pytest.mark.parametrize("damage", ["other", "longer", "shorter", "empty", "gone"])
def test_a_damaged_object_is_refused(tmp_path, pushed, name, damage):
    key = _key(pushed, name)
    data = pushed.get(key)
    match damage:
        case "other":
            pushed.put(key, data[:-1] + bytes([data[-1] ^ 1]))
        case "longer":
            pushed.put(key, data + b"?")
        case "shorter":
            pushed.put(key, data[:-1])
        case "empty":
            pushed.put(key, b"")
        case "gone":
            pushed.client.delete_object(Bucket=pushed.name, Key=key)
    text = refused(pushed.store(), tmp_path / "theirs")
    assert text.startswith(f"s3://{pushed.name}/{key}: ")
    words = {"other": "damaged, its SHA-256 is", "gone": "is not there"}
    assert words.get(damage, f"bytes, expected {len(data):,}") in text


def test_a_damaged_manifest_is_refused(tmp_path, pushed):
    key = _key(pushed, "manifest.json")
    pushed.put(key, pushed.get(key).replace(b'"songs": 3', b'"songs": 4'))
    assert "manifest.json: damaged, its SHA-256 is" in refused(pushed.store(), tmp_path / "theirs")


def test_a_latest_that_is_none_is_refused(tmp_path, pushed):
    pushed.put(_key(pushed, "latest"), b"<html>\nlogin please")
    text = refused(pushed.store(), tmp_path / "theirs")
    assert r"latest: '<html>\nlogin please', expected a version (64 hexadecimal" in text


def test_a_cut_connection_is_taken_up_where_it_was(tmp_path, pushed, monkeypatch):
    def cut(request: str, times: int) -> str | None:
        return "cut" if request.startswith("GET") and times <= 2 else None

    with troubled(pushed, monkeypatch, cut) as (store, asked):
        pull(store, tmp_path / "theirs")
    assert read(open_bundle(tmp_path / "theirs")) == 2
    vectors = [one for one in asked if one.startswith("GET") and "vectors" in one]
    assert len(vectors) == 3


def test_a_connection_that_is_always_cut_ends(tmp_path, pushed, monkeypatch):
    """In the middle of the same byte: no progress, so no use in going on."""

    def cut(request: str, times: int) -> str | None:
        return "cut" if request.startswith("GET") and "audio.onnx" in request else None

    with troubled(pushed, monkeypatch, cut) as (store, asked):
        text = refused(store, tmp_path / "theirs")
    assert "model/audio.onnx: the connection is cut again and again" in text
    # Two pulls of 7 bytes: 3, 2, and 1 arrive, which is progress, then nothing four times.
    assert len([one for one in asked if one.startswith("GET") and "audio.onnx" in one]) == 14


def test_waits_grow(pushed, tmp_path, monkeypatch):
    waits: list[float] = []

    def cut(request: str, times: int) -> str | None:
        return "cut" if request.startswith("GET") and "audio.onnx" in request else None

    with front(pushed.endpoint, cut) as (address, _):
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        with closing(connect()) as client, pytest.raises(StoreError):
            pull(pushed.store(client=client, sleep=waits.append), tmp_path / "theirs")
    assert waits[-4:] == sorted(waits[-4:])
    assert 4 <= waits[-1] <= 8


def test_a_pull_that_is_killed_leaves_the_old_bundle(tmp_path, pushed):
    root, killed = tmp_path / "theirs", threading.Event()

    def hang(request: str, _: int) -> str | None:
        if "vectors" in request:
            killed.wait(60)
        return None

    with front(pushed.endpoint, hang) as (address, asked):
        run = subprocess.Popen(
            [sys.executable, "-m", "embed", "pull", pushed.url, str(root)],
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "AWS_ENDPOINT_URL": address},
        )
        assert eventually(lambda: any("vectors" in one for one in asked))
        run.kill()
        run.wait()
        killed.set()
    assert read(open_bundle(root)) == 1
    assert any(name.startswith(".staging-") for name in hidden(root))
    pull(pushed.store(), root)
    assert read(open_bundle(root)) == 2
    assert hidden(root) == {".lock", ".stores.json"}


def test_throttling_is_waited_out(tmp_path, bucket, monkeypatch):
    change(tmp_path / "mine", 2)

    def slow(request: str, times: int) -> str | None:
        is_one_of_each = "/latest" in request or "vectors" in request
        return "refuse" if is_one_of_each and times <= 2 else None

    with troubled(bucket, monkeypatch, slow) as (store, asked):
        push(tmp_path / "mine", store)
        pull(store, tmp_path / "theirs")
    assert read(open_bundle(tmp_path / "theirs")) == 2
    assert len([one for one in asked if one.startswith("PUT") and "vectors" in one]) == 3


def test_throttling_without_end_is_one_line(tmp_path, pushed, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    with troubled(pushed, monkeypatch, lambda *_: "refuse") as (store, asked):
        text = refused(store, tmp_path / "theirs")
    assert text.endswith(
        "it keeps asking us to slow down; try again later (SlowDown), after 2 tries"
    )
    assert len(asked) == 4, "two pulls of two tries"


def test_throttling_in_mid_push_leaves_the_old_version(tmp_path, pushed, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    before = pushed.get(_key(pushed, "latest"))
    change(tmp_path / "mine", 3)
    slow = lambda request, _: "refuse" if "vectors" in request else None  # noqa: E731
    told = pytest.raises(StoreError, match=r"vectors\.npy: it keeps asking us")
    with troubled(pushed, monkeypatch, slow) as (store, _), told:
        push(tmp_path / "mine", store)
    assert pushed.get(_key(pushed, "latest")) == before
    assert len(pushed.store().versions()) == 1
