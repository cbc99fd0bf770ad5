"""A store that cannot be read as it should, and what a pull may leave behind then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from embed.bundle import open_bundle
from embed.errors import BundleError, StoreError
from embed.store.connection import connect
from embed.store.pull import pull
from embed.store.push import push
from embed.store.versions import Store
from tests.bundles import change, read, tree
from tests.front import SLOW_DOWN, Trouble, front
from tests.s3 import Bucket


def push_beside(folder: Path, bucket: Bucket) -> Bucket:
    """Push a bundle of 3 songs, ``folder/mine``; one of 2 is left in ``folder/theirs``."""
    change(folder / "theirs", 1)
    change(folder / "mine", 2)
    push(folder / "mine", bucket.store())
    return bucket


@contextmanager
def troubled(
    bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
    trouble: Trouble,
    refusal: tuple[int, bytes] = (503, SLOW_DOWN),
) -> Iterator[tuple[Store, list[str]]]:
    """The store behind a front that makes trouble, and every request that was made."""
    with front(bucket.endpoint, trouble, refusal) as (address, asked):
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        client = connect()
        # What this project waits for itself it is spared; botocore's own waits are real.
        yield bucket.store(client=client, sleep=lambda _: None), asked
        client.close()


def refused(store: Store, root: Path) -> str:
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
