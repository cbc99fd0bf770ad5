"""Asking by sound: how long a clip takes, and what asking by name suffers meanwhile."""

from __future__ import annotations

import http.client
import json
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from embed.assemble import stage_songs
from embed.bundle import open_bundle
from embed.manifest import MODEL_FILE
from embed.spec import DEFAULT_WINDOWS, Spec
from embed.writer import BundleWriter
from tests.bench.load import Load, at_half_load, served, wrk
from tests.bench.measure import Part, Row, tree_mib
from tests.bench.service import ROUNDS, SMALL, quietest
from tests.serving import random_vectors, song

CLIENTS = 6
"""Two more than there are places by default, so that some are told to come back."""

ALONE_CLIPS = 10


def bench(model: Path, clip: Path, precision: str, scratch: Path) -> Part:
    """One client's clips, then ``/recommend`` by name alone and beside clips without pause."""
    part = Part("sound", f"By sound, {precision}, {DEFAULT_WINDOWS} windows, {SMALL} songs")
    if shutil.which("wrk") is None:
        part.notes.append("left out: wrk not installed (apt-get install)")
        return part
    bundle = _bundle(model, scratch / f"sound-{precision}")
    with served([sys.executable, "-m", "handler", "--bundle", str(bundle), "--port"]) as (
        base,
        pid,
    ):
        before_mib = tree_mib(pid)
        crowd = Crowd(base, clip.read_bytes())
        first_s = crowd.ask()
        alone_s = [crowd.ask() for _ in range(ALONE_CLIPS)]
        full = quietest([wrk(f"{base}/recommend", SMALL) for _ in range(ROUNDS)])
        quiet, loud = list[Load](), list[Load]()
        for _ in range(ROUNDS):
            quiet.append(at_half_load(f"{base}/recommend", full, SMALL))
            with crowd.asking():
                loud.append(at_half_load(f"{base}/recommend", full, SMALL))
        with crowd.asking():
            full_loud = wrk(f"{base}/recommend", SMALL)
        after_mib = tree_mib(pid)
    alone, beside = quietest(quiet), quietest(loud)
    part.rows = [
        Row("the first clip, worker and model loaded", first_s, "s"),
        Row("a clip, one client, median", median(alone_s), "s"),
        Row(f"clips, {CLIENTS} clients, beside names", crowd.rate(), "clips/s"),
        Row(f"a clip, {CLIENTS} clients, beside names, median", median(crowd.seconds), "s",
            fidelity=f"{crowd.refused} told to come back, {len(crowd.seconds)} heard"),
        *(Row(f"/recommend {what} at {alone.rate:,.0f} requests/s, beside clips (less is better)",
              getattr(beside, f"{what}_ms"), "ms", getattr(alone, f"{what}_ms"),
              f"{beside.stolen:.1%} stolen; reference: no clips, {alone.stolen:.1%}")
          for what in ("p50", "p99")),
        Row("/recommend, all that it can, beside clips", full_loud.rate, "requests/s", full.rate),
        Row("/recommend p99 at that, beside clips (less is better)", full_loud.p99_ms, "ms",
            full.p99_ms, f"{full_loud.stolen:.1%} stolen; reference: no clips, {full.stolen:.1%}"),
        Row("memory before and with clips", after_mib, "MiB", before_mib),
    ]  # fmt: skip
    return part


@dataclass
class Crowd:
    """Clients that ask by a clip, and again as soon as they are answered, or may come back."""

    base: str
    clip: bytes
    seconds: list[float] = field(default_factory=list)
    refused: int = 0
    wall_s: float = 0.0

    def ask(self) -> float:
        """Seconds to an answer; those of a refusal are not counted."""
        url = urlsplit(self.base)
        while True:
            connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=60)
            started = time.perf_counter()
            connection.request("POST", "/recommend/audio", self.clip, {"content-type": "audio/ogg"})
            response = connection.getresponse()
            body = response.read()
            took = time.perf_counter() - started
            connection.close()
            if response.status == 503:
                self.refused += 1
                time.sleep(int(response.headers["retry-after"]))
                continue
            if response.status != 200 or not json.loads(body)["recommendations"]:
                raise SystemExit(f"{response.status} {body!r}")
            return took

    @contextmanager
    def asking(self) -> Iterator[None]:
        """All of them, as long as the context lasts."""
        stop = threading.Event()

        def go_on() -> None:
            while not stop.is_set():
                self.seconds.append(self.ask())

        threads = [threading.Thread(target=go_on) for _ in range(CLIENTS)]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        yield
        stop.set()
        for thread in threads:
            thread.join()
        self.wall_s += time.perf_counter() - started

    def rate(self) -> float:
        """Clips heard in a second of ``asking``."""
        return len(self.seconds) / self.wall_s


def _bundle(model: Path, root: Path) -> Path:
    """Random songs under the names that wrk asks for, and the model of another bundle."""
    info = open_bundle(model).manifest.model
    assert info is not None
    songs = [song(f"Artist {number % 20} - Song {number}") for number in range(SMALL)]
    vectors = dict(zip((one.id for one in songs), random_vectors(SMALL), strict=True))
    spec = Spec(info.sha256, info.front_end)
    with BundleWriter(root) as writer:
        stage_songs(writer, songs, spec, lambda one: vectors[one.id])
        shutil.copyfile(model / MODEL_FILE, writer.stage(MODEL_FILE))
        writer.commit(model=info, spec=spec, songs=SMALL)
    return root
