"""Two writers of one store: neither loses the other's work, and the slower one is told."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from embed.bundle import open_bundle
from embed.errors import StoreError
from embed.store.connection import connect
from embed.store.local import LocalObjects
from embed.store.pull import pull
from embed.store.push import push
from embed.store.versions import Store, short
from tests.bundles import change, read
from tests.front import front
from tests.processes import REPOSITORY
from tests.stores import Wrapped


@pytest.fixture(params=["local", "moto", "localstack"])
def store(request, tmp_path) -> Store:
    if request.param == "local":
        return Store(LocalObjects(tmp_path / "store"))
    return request.getfixturevalue("bucket" if request.param == "moto" else "strict_bucket").store()


def _bundle(root: Path, content: int) -> str:
    change(root, content)
    return open_bundle(root).manifest.version


@pytest.mark.parametrize("is_first_push", [True, False])
def test_of_two_at_once_one_wins_and_the_other_is_told(tmp_path, store, is_first_push):
    roots = [tmp_path / "a", tmp_path / "b"]
    was = "nothing"
    if not is_first_push:
        _bundle(tmp_path / "old", 0)
        was = short(push(tmp_path / "old", store).version)
        for root in roots:
            pull(store, root)
    versions = [_bundle(root, n + 1) for n, root in enumerate(roots)]
    # Both have looked at `latest` before either writes it.
    together = threading.Barrier(2, timeout=60)
    met = Store(Wrapped(store.objects, replace=lambda _: together.wait()))
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(push, root, met) for root in roots]
        errors = [future.exception() for future in futures]
    [winner] = [n for n, error in enumerate(errors) if error is None]
    loser = 1 - winner
    assert isinstance(errors[loser], StoreError)
    assert str(errors[loser]) == (
        f"{store}: latest is {short(versions[winner])} now and was {was} when this push began: "
        f"another writer was faster; {short(versions[loser])} is uploaded but not latest: "
        "pull and bring the bundle up to date, or run embed --to again"
    )
    assert store.latest().version == versions[winner]
    pull(store, tmp_path / "theirs")
    assert read(open_bundle(tmp_path / "theirs")) == winner + 1


def test_eight_at_once_leave_one_whole_bundle(tmp_path, store):
    roots = [tmp_path / str(n) for n in range(8)]
    versions = [_bundle(root, n + 1) for n, root in enumerate(roots)]
    together = threading.Barrier(8, timeout=60)
    met = Store(Wrapped(store.objects, replace=lambda _: together.wait()))
    with ThreadPoolExecutor(8) as pool:
        errors = [future.exception() for future in [pool.submit(push, root, met) for root in roots]]
    [winner] = [n for n, error in enumerate(errors) if error is None]
    assert {type(error) for error in errors} == {type(None), StoreError}
    assert store.latest().version == versions[winner]
    assert {one.digest for one in store.versions()} == set(versions)


def test_a_bundle_that_missed_a_push_replaces_nothing(tmp_path, store):
    first = _bundle(tmp_path / "a", 1)
    push(tmp_path / "a", store)
    pull(store, tmp_path / "b")
    second = _bundle(tmp_path / "a", 2)
    push(tmp_path / "a", store)
    third = _bundle(tmp_path / "b", 3)
    before = [listed.key for listed in store.objects.list("versions/")]
    with pytest.raises(StoreError) as caught:
        push(tmp_path / "b", store)
    assert str(caught.value) == (
        f"{store}: latest is {short(second)}, which this bundle ({short(third)}) has never been: "
        f"another writer pushed it since {short(first)}. Pull it first (or run embed --to again), "
        f"or push --replacing {short(second)}"
    )
    assert store.latest().version == second
    assert [listed.key for listed in store.objects.list("versions/")] == before
    with pytest.raises(StoreError, match=f"is {short(second)}, not {short(first)}; nothing was"):
        push(tmp_path / "b", store, replacing=first[:9])
    assert push(tmp_path / "b", store, replacing=second[:9]).before == second
    assert store.latest().version == third


def test_a_rollback_that_meets_a_push_is_told(tmp_path, store):
    first = _bundle(tmp_path / "a", 1)
    push(tmp_path / "a", store)
    second = _bundle(tmp_path / "a", 2)
    push(tmp_path / "a", store)
    third = _bundle(tmp_path / "a", 3)
    pushed = []

    def push_first(_: str) -> None:
        pushed.append(push(tmp_path / "a", store).version)

    racing = Store(Wrapped(store.objects, replace=push_first))
    with pytest.raises(StoreError, match=f"is {short(third)} now and was {short(second)} when "):
        racing.rollback(first)
    assert pushed == [third]
    assert store.latest().version == third


def test_an_answer_that_is_lost_is_no_race(tmp_path, bucket, monkeypatch):
    """The write was done, its answer lost; botocore asks again and meets its own work."""

    def lose(request: str, times: int) -> str | None:
        return "lost" if request.startswith("PUT") and "/latest" in request and times == 1 else None

    version = _bundle(tmp_path / "a", 1)
    with front(bucket.endpoint, lose) as (address, asked):
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        with closing(connect()) as client:
            push(tmp_path / "a", bucket.store(client=client))
    assert len([one for one in asked if one.startswith("PUT") and "/latest" in one]) == 2
    assert bucket.store().latest().version == version


def test_a_moment_that_s3_cannot_decide_is_asked_about_again(tmp_path, bucket, monkeypatch):
    def conflict(request: str, times: int) -> str | None:
        return (
            "refuse" if request.startswith("PUT") and "/latest" in request and times < 3 else None
        )

    def always(request: str, _: int) -> str | None:
        return "refuse" if request.startswith("PUT") and "/latest" in request else None

    body = b"<Error><Code>ConditionalRequestConflict</Code><Message>at once</Message></Error>"
    version = _bundle(tmp_path / "a", 1)
    for trouble in (always, conflict):
        waits: list[float] = []
        with front(bucket.endpoint, trouble, (409, body)) as (address, _):
            monkeypatch.setenv("AWS_ENDPOINT_URL", address)
            with closing(connect()) as client:
                store = bucket.store(client=client, sleep=waits.append)
                if trouble is conflict:
                    push(tmp_path / "a", store)
                else:
                    with pytest.raises(StoreError, match=r"latest: other writers are at it"):
                        push(tmp_path / "a", store)
                    assert bucket.store().latest() is None
        assert len(waits) == (2 if trouble is conflict else 3)
    assert bucket.store().latest().version == version


def test_two_processes(tmp_path, strict_bucket):
    versions = [_bundle(tmp_path / name, n) for n, name in enumerate("ab", 1)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "embed", "push", tmp_path / name, strict_bucket.url],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in "ab"
    ]
    said = [run.communicate(timeout=120) for run in runs]
    latest = strict_bucket.store().latest().version
    codes = {version: run.returncode for version, run in zip(versions, runs, strict=True)}
    # By chance they may not meet; then the later one replaces what it saw.
    assert codes[latest] == 0, said
    assert set(codes.values()) <= {0, 2}
    for run, (out, error) in zip(runs, said, strict=True):
        if run.returncode == 2:
            assert out == ""
            assert error.startswith(f"error: {strict_bucket.url}: latest is ")
            assert error.count("\n") == 1
