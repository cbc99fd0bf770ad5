"""What happens on a Ray cluster of several machines, as one program: on loopback, alone.

    python -m tests.ray_scenes FOLDER MODEL

runs in a network of its own (``unshare -n``), so that nothing of Ray is seen from outside, and
prints what happened as JSON, on its last line. FOLDER holds ``music``; bundles are written
beside it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ray._private.utils import get_ray_address_file
from ray.cluster_utils import Cluster

from embed.bundle import open_bundle
from embed.cluster.engine import RayEngine
from embed.cluster.shards import Shards
from embed.engine import local
from embed.pipeline import Options, embed_folder
from embed.state import STATE_FILE
from embed.store.local import LocalObjects
from tests import ray_prepare
from tests.processes import eventually
from tests.ray_prepare import log_folder

NODES = 3
CHUNK_SONGS = 4


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A head that takes no work, and three machines of one core."""
    # Short: the names of its sockets may have 107 characters.
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:
        common = {"node_ip_address": "127.0.0.1", "object_store_memory": 80 * 2**20}
        head = {**common, "num_cpus": 0, "include_dashboard": False, "temp_dir": folder}
        # Ray notes the head's address in a folder that only ray.init makes.
        Path(get_ray_address_file(None)).parent.mkdir(parents=True, exist_ok=True)
        started = Cluster(initialize_head=True, head_node_args=head)
        try:
            for _ in range(NODES):
                started.add_node(num_cpus=1, **common)
            yield started
        finally:
            started.shutdown()


class Scenes:
    """Each gives what a test wants to know of it."""

    def __init__(self, folder: Path, model: Path, machines: Cluster) -> None:
        self.folder, self.model, self.machines = folder, model, machines
        self.music = folder / "music"
        log_folder(self.music).mkdir()
        spec = open_bundle(folder / "local").manifest.spec
        assert spec is not None
        self.shards = Shards(LocalObjects(folder / "shards"), spec.digest)

    def run(self, name: str, prepare: object, saved: object = lambda: None) -> dict[str, object]:
        """One run to the bundle ``name``, whose shards are the bundle ``lost``'s."""
        engine = RayEngine(
            self.folder / "shards",
            self.machines.address,
            chunk_songs=CHUNK_SONGS,
            prepare=prepare,
        )
        options = Options(str(self.model), 2, 1, engine=engine)
        report = embed_folder(
            self.music, self.folder / name, options, tell=lambda _: None, saved=saved
        )
        return {
            "embedded": report.embedded,
            "in_bundle": report.in_bundle,
            "failures": {failure.key: failure.reason for failure in report.failures},
        }

    def prepared(self) -> list[str]:
        """Keys that went to a decoder, as often as they did."""
        return (log_folder(self.music) / "prepared").read_text().splitlines()

    def stopped(self) -> dict[str, object]:
        """Ctrl-C after some songs; then again, on a machine that knows of nothing."""
        (log_folder(self.music) / "raylet").write_text("0")  # nobody has to wait in here
        count = iter(range(1_000))

        def stop() -> None:
            if next(count) == 5:
                raise KeyboardInterrupt

        with suppress(KeyboardInterrupt):
            self.run("stopped", ray_prepare.prepare, stop)
        before = len(self.prepared())
        kept = [row.key for name in self.shards.names() for row in self.shards.read(name)]
        (self.folder / "stopped" / STATE_FILE).unlink()
        found = self.run("stopped", ray_prepare.prepare)
        return {**found, "kept": kept, "prepared": self.prepared()[before:]}

    def lost(self) -> dict[str, object]:
        """A machine is killed while a song is decoded on it."""
        shutil.rmtree(self.folder / "shards")
        log = log_folder(self.music)
        for left in ("raylet", "prepared"):
            (log / left).unlink()
        killed: list[int] = []

        def kill() -> None:
            assert eventually((log / "raylet").exists)
            pid = int((log / "raylet").read_text())
            for node in self.machines.worker_nodes.copy():
                if node.all_processes["raylet"][0].process.pid == pid:
                    self.machines.remove_node(node, allow_graceful=False)
                    killed.append(pid)

        killer = threading.Thread(target=kill)
        killer.start()
        found = self.run("lost", ray_prepare.prepare)
        killer.join()
        loaded = (log / "ray").exists()
        return {**found, "killed": len(killed), "prepared": self.prepared(), "loaded": loaded}

    def again(self) -> dict[str, object]:
        """The shards are enough: another bundle, and no song is prepared."""
        return self.run("again", ray_prepare.refuse)


def main() -> None:
    folder, model = map(Path, sys.argv[1:])
    options = Options(str(model), 2, 1, engine=local)
    shutil.copytree(folder / "music", folder / "sound")
    (folder / "sound" / ray_prepare.CRASHES).unlink()
    embed_folder(folder / "sound", folder / "local", options, tell=lambda _: None)
    with cluster() as machines:
        scenes = Scenes(folder, model, machines)
        found = {
            "stopped": scenes.stopped(),
            "lost": scenes.lost(),
            "again": scenes.again(),
        }
    print(json.dumps(found))
    sys.stdout.flush()
    os._exit(0)  # Ray's threads wait for what is gone


if __name__ == "__main__":
    main()
