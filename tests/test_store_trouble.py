"""S3 and the way there in trouble: one clear line, nothing half-written, the old bundle intact."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from embed.bundle import open_bundle
from embed.errors import BundleError, StoreError
from embed.store.connection import connect
from embed.store.place import parse_place
from embed.store.pull import pull
from embed.store.push import push
from embed.store.versions import Store, open_store
from tests.bundles import change, hidden, read, tree
from tests.front import SLOW_DOWN, Trouble, front
from tests.processes import REPOSITORY, eventually
from tests.s3 import Bucket, forget_credentials


@pytest.fixture
def pushed(tmp_path, bucket) -> Bucket:
    """A bucket with a version of 3 songs; ``tmp_path/theirs`` holds one of 2."""
    change(tmp_path / "theirs", 1)
    change(tmp_path / "mine", 2)
    push(tmp_path / "mine", bucket.store())
    return bucket


@contextmanager
def _troubled(
    bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
    trouble: Trouble,
    refusal: tuple[int, bytes] = (503, SLOW_DOWN),
) -> Iterator[tuple[Store, list[str]]]:
    with front(bucket.endpoint, trouble, refusal) as (address, asked):
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        client = connect()
        # What this project waits for itself it is spared; botocore's own waits are real.
        yield bucket.store(client=client, sleep=lambda _: None), asked
        client.close()


def _refused(store: Store, root: Path) -> str:
    """The line of a pull that fails, which leaves an old bundle as it was and a new place empty."""
    before = tree(root)
    with pytest.raises((StoreError, BundleError)) as caught:
        pull(store, root)
    after = tree(root)
    assert {path for path in after if path not in before} <= {".lock"}
    assert {path: after[path] for path in before if path != "."} == {
        path: found for path, found in before.items() if path != "."
    }
    assert read(open_bundle(root)) == 1
    new = root.parent / "new/place"
    with pytest.raises((StoreError, BundleError)):
        pull(store, new)
    assert not new.exists()
    text = str(caught.value)
    assert "\n" not in text
    return text


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
    text = _refused(pushed.store(), tmp_path / "theirs")
    assert text.startswith(f"s3://{pushed.name}/{key}: ")
    words = {"other": "damaged, its SHA-256 is", "gone": "is not there"}
    assert words.get(damage, f"bytes, expected {len(data):,}") in text


def test_a_damaged_manifest_is_refused(tmp_path, pushed):
    key = _key(pushed, "manifest.json")
    pushed.put(key, pushed.get(key).replace(b'"songs": 3', b'"songs": 4'))
    assert "manifest.json: damaged, its SHA-256 is" in _refused(pushed.store(), tmp_path / "theirs")


def test_a_latest_that_is_none_is_refused(tmp_path, pushed):
    pushed.put(_key(pushed, "latest"), b"<html>\nlogin please")
    text = _refused(pushed.store(), tmp_path / "theirs")
    assert r"latest: '<html>\nlogin please', expected a version (64 hexadecimal" in text


def test_a_cut_connection_is_taken_up_where_it_was(tmp_path, pushed, monkeypatch):
    def cut(request: str, times: int) -> str | None:
        return "cut" if request.startswith("GET") and times <= 2 else None

    with _troubled(pushed, monkeypatch, cut) as (store, asked):
        pull(store, tmp_path / "theirs")
    assert read(open_bundle(tmp_path / "theirs")) == 2
    vectors = [one for one in asked if one.startswith("GET") and "vectors" in one]
    assert len(vectors) == 3


def test_a_connection_that_is_always_cut_ends(tmp_path, pushed, monkeypatch):
    """In the middle of the same byte: no progress, so no use in going on."""

    def cut(request: str, times: int) -> str | None:
        return "cut" if request.startswith("GET") and "audio.onnx" in request else None

    with _troubled(pushed, monkeypatch, cut) as (store, asked):
        text = _refused(store, tmp_path / "theirs")
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

    with _troubled(bucket, monkeypatch, slow) as (store, asked):
        push(tmp_path / "mine", store)
        pull(store, tmp_path / "theirs")
    assert read(open_bundle(tmp_path / "theirs")) == 2
    assert len([one for one in asked if one.startswith("PUT") and "vectors" in one]) == 3


def test_throttling_without_end_is_one_line(tmp_path, pushed, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    with _troubled(pushed, monkeypatch, lambda *_: "refuse") as (store, asked):
        text = _refused(store, tmp_path / "theirs")
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
    with _troubled(pushed, monkeypatch, slow) as (store, _), told:
        push(tmp_path / "mine", store)
    assert pushed.get(_key(pushed, "latest")) == before
    assert len(pushed.store().versions()) == 1


def test_no_bucket(tmp_path, bucket):
    url = "s3://no-such-bucket-here/x"
    change(tmp_path / "mine", 1)
    for act in (
        lambda: push(tmp_path / "mine", open_store(parse_place(url))),
        lambda: pull(open_store(parse_place(url)), tmp_path / "theirs"),
    ):
        with pytest.raises(StoreError) as caught:
            act()
        assert str(caught.value) == f"{url}/latest: there is no such bucket (NoSuchBucket)"
    with pytest.raises(StoreError, match="there is no such bucket"):
        open_store(parse_place(url)).versions()


def test_no_credentials(tmp_path, monkeypatch):
    forget_credentials(monkeypatch, tmp_path)
    with pytest.raises(StoreError, match="no AWS credentials found; set AWS_ACCESS_KEY_ID"):
        open_store(parse_place("s3://bucket/x")).latest()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    with pytest.raises(StoreError, match="AWS credentials: Partial credentials"):
        open_store(parse_place("s3://bucket/x")).latest()


@pytest.mark.parametrize(
    ("settings", "region"),
    [
        ({"AWS_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-2"),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-1"),
        ({"AWS_PROFILE": "there"}, "ap-south-1"),
        ({"AWS_PROFILE": "there", "AWS_REGION": "eu-west-1"}, "eu-west-1"),
    ],
)
def test_the_region_is_the_one_that_is_meant(tmp_path, monkeypatch, settings, region):
    forget_credentials(monkeypatch, tmp_path)
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/config").write_text("[profile there]\nregion = ap-south-1\n")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with closing(connect()) as client:
        assert client.meta.region_name == region


def test_no_profile(tmp_path, monkeypatch):
    forget_credentials(monkeypatch, tmp_path)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(StoreError, match=r"credentials: The config profile \(nobody\) could not"):
        open_store(parse_place("s3://bucket/x"))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("InvalidAccessKeyId", "these credentials are not known there (InvalidAccessKeyId)"),
        ("SignatureDoesNotMatch", "the secret key is not that of the access key (Signature"),
        ("ExpiredToken", "the credentials have expired; get new ones (ExpiredToken)"),
        ("AccessDenied", "these credentials may not do that (AccessDenied)"),
        ("Unheard", "Unheard: of"),
    ],
)
def test_wrong_credentials(tmp_path, pushed, monkeypatch, code, words):
    body = f"<Error><Code>{code}</Code><Message>of\nit</Message></Error>".encode()
    with _troubled(pushed, monkeypatch, lambda *_: "refuse", (403, body)) as (store, _):
        assert words in _refused(store, tmp_path / "theirs")


def test_nobody_there(tmp_path, pushed, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    text = _refused(open_store(parse_place(pushed.url)), tmp_path / "theirs")
    assert "latest: cannot be reached: Could not connect to the endpoint URL" in text


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (200, "/latest: what answers there is no S3 (no ETag); is AWS_ENDPOINT_URL its"),
        (301, "/latest: what answers there leads on without end (redirects); is AWS_ENDPOINT_URL"),
        (502, "/latest: 502: Bad Gateway"),
    ],
)
def test_somebody_else_there(tmp_path, pushed, monkeypatch, status, words):
    """A console's page instead of the API, http:// where it is https://, a proxy."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    page = b"<!doctype html><html><body>login<br></body></html>"
    with _troubled(pushed, monkeypatch, lambda *_: "refuse", (status, page)) as (store, _):
        text = _refused(store, tmp_path / "theirs")
        assert text.startswith(f"{pushed.url}{words}")
        for act in (
            store.versions,
            lambda: list(store.objects.list("")),
            lambda: store.resolve("ab"),
        ):
            with pytest.raises(StoreError):
                act()


@pytest.mark.parametrize("endpoint", ["nonsense", "http://"])
def test_an_endpoint_that_is_none(tmp_path, monkeypatch, endpoint):
    forget_credentials(monkeypatch, tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(StoreError, match=r"^S3: "):
        open_store(parse_place("s3://bucket/x"))


@pytest.mark.parametrize("has_old", [True, False])
def test_a_full_disk(tmp_path, bucket, has_old):
    change(tmp_path / "mine", 600)  # 1.3 MB
    push(tmp_path / "mine", bucket.store())
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk to fill")
    try:
        root = disk / "b"
        if has_old:
            change(root, 1)
        with pytest.raises(StoreError, match=r"bytes to fetch, [\d,]+ are free; disk full"):
            pull(bucket.store(), root)
        assert root.exists() == has_old
        if has_old:
            assert read(open_bundle(root)) == 1
            assert hidden(root) == {".lock"}
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_fills_meanwhile(tmp_path, bucket):
    change(tmp_path / "mine", 300)  # 0.7 MB
    push(tmp_path / "mine", bucket.store())
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk to fill")

    class Filling:
        def __init__(self, total: int) -> None:
            (disk / "other").write_bytes(b"x" * (shutil.disk_usage(disk).free - 100_000))

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def advance(self, _):
            pass

    try:
        change(disk / "b", 1)
        with pytest.raises(StoreError, match="No space left on device"):
            pull(bucket.store(), disk / "b", show=Filling)
        assert read(open_bundle(disk / "b")) == 1
        assert hidden(disk / "b") == {".lock"}
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_is_full_after_a_push(tmp_path, bucket):
    """What was pushed is pushed; only that it was cannot be noted, and the line says both."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk to fill")
    try:
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
    finally:
        subprocess.run(["umount", str(disk)], check=True)
