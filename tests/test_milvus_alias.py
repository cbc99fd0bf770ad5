"""Reading by the alias while versions change; on both servers."""

from __future__ import annotations

import threading
from contextlib import closing
from itertools import groupby
from pathlib import Path

import numpy as np

from embed.bundle import Bundle, open_bundle
from embed.manifest import VECTORS_FILE
from embed.milvus.client import Milvus
from embed.milvus.publish import publish, roll_back
from embed.milvus.versions import Versions
from tests import milvus
from tests.processes import eventually
from tests.relay import Relay
from tests.serving import random_vectors, song, write_bundle


def small(folder: Path, seed: int) -> Bundle:
    names = [song(f"Artist - Song {seed} {row:02}") for row in range(40)]
    return open_bundle(write_bundle(folder / str(seed), names, random_vectors(40, seed)))


class Reader(threading.Thread):
    """One who knows no bundle: asks for a row by the alias, over and over."""

    def __init__(self, there: Milvus, versions: dict[bytes, str]) -> None:
        super().__init__(daemon=True)
        self._there = there
        self._versions = versions
        self._stopped = threading.Event()
        self.error: Exception | None = None
        self.read: list[str] = []
        """Which version each answer was of."""

    def run(self) -> None:
        while not self._stopped.is_set():
            try:
                found = self._there.get(self._there.address.collection, [5])
            except Exception as error:  # noqa: BLE001 - the test looks at it
                self.error = error
                return
            self.read.append(self._versions[found[5].tobytes()])

    def stop(self) -> None:
        self._stopped.set()
        self.join(30)


def test_readers_of_the_alias_switch_at_once(relay: Relay, tmp_path: Path) -> None:
    """No question fails, none is answered by what is half there, and no answer goes back."""
    bundles = {name: small(tmp_path, seed) for seed, name in enumerate(("old", "new"))}
    name = milvus.new_name()
    versions = {np.load(one.file(VECTORS_FILE))[5].tobytes(): key for key, one in bundles.items()}
    with (
        closing(milvus.client(relay.url, name)) as there,
        closing(milvus.client(relay.url, name)) as theirs,
    ):
        publish(there, bundles["old"])
        reader = Reader(theirs, versions)
        reader.start()
        try:
            assert eventually(lambda: "old" in reader.read or reader.error is not None)
            publish(there, bundles["new"])
            assert eventually(lambda: reader.read[-1] == "new" or reader.error is not None)
            old = bundles["old"].manifest.version
            assert roll_back(there, old)[1] == old
            assert eventually(lambda: reader.read[-1] == "old" or reader.error is not None)
        finally:
            reader.stop()
        assert reader.error is None
        assert [key for key, _ in groupby(reader.read)] == ["old", "new", "old"]
        assert {one.version for one in Versions(there).all()} == {
            one.manifest.version for one in bundles.values()
        }
