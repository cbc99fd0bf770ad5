"""Chunks and shards: the same songs are the same object, and what is there is found again."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Never

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed.cluster.actor import Done, Embedder, Task, chunk_row, done_of
from embed.cluster.chunks import Chunk, chunks
from embed.cluster.engine import embed_chunks
from embed.cluster.shards import Embedded, Shards
from embed.errors import StoreError, VibeError
from embed.prepare import Work
from embed.scan import SongFile
from embed.spec import Spec
from embed.state import FileFacts
from embed.store.local import LocalObjects

KEYS = st.lists(st.text("abc/é", min_size=1, max_size=6), unique=True, max_size=60).map(sorted)


def song(key: str) -> SongFile:
    return SongFile(key, Path(key), 1, 2)


def embedded(key: str, seed: int = 0) -> Embedded:
    vector = np.random.default_rng(seed).standard_normal(512).astype(np.float32)
    return Embedded(key, 1, 2, FileFacts(f"sha of {key}", None, f"Title {key}", 1.25), vector)


@given(KEYS, st.integers(1, 8))
def test_every_song_is_in_one_chunk(keys, average):
    found = list(chunks(map(song, keys), average))
    assert [one.key for chunk in found for one in chunk.songs] == keys
    assert all(0 < len(chunk.songs) <= 4 * average for chunk in found)
    assert len({chunk.name for chunk in found}) == len(found)


def test_an_added_song_changes_its_own_chunk_alone():
    keys = [f"{number:04}" for number in range(2_000)]
    before = {chunk.name for chunk in chunks(map(song, keys), 16)}
    after = {chunk.name for chunk in chunks(map(song, sorted([*keys, "0500 b"])), 16)}
    assert len(before) > 80
    assert 1 <= len(after - before) <= 2


def test_chunks_that_are_done_leave_the_others_as_they_were():
    some = list(chunks([song(f"{number:04}") for number in range(500)], 16))
    left = [one for chunk in some[3:] for one in chunk.songs]
    assert list(chunks(left, 16)) == some[3:]


@pytest.mark.parametrize("change", [{"bytes": 9}, {"mtime_ns": 9}, {"key": "z"}])
def test_a_changed_song_changes_its_chunk(change):
    (before,) = chunks([song("a")], 16)
    (after,) = chunks([dataclasses.replace(song("a"), **change)], 16)
    assert before.name != after.name


@pytest.fixture
def shards(tmp_path) -> Shards:
    return Shards(LocalObjects(tmp_path), "spec")


def test_a_shard_is_read_as_it_was_written(shards):
    rows = [embedded("é", 1), embedded("a", 2)]
    shards.write("name", rows)
    found = shards.read("name")
    assert [row.key for row in found] == ["a", "é"]
    for row, wanted in zip(found, rows[::-1], strict=True):
        assert row.facts == wanted.facts
        assert (row.bytes, row.mtime_ns) == (1, 2)
        assert row.embedding.dtype == np.float32
        assert np.array_equal(row.embedding, wanted.embedding)
    assert list(shards.names()) == ["name"]


def test_the_order_of_songs_does_not_show(shards, tmp_path):
    rows = [embedded(key, seed) for seed, key in enumerate("abc")]
    written = []
    for order in (rows, rows[::-1]):
        shards.write("name", order)
        written.append((tmp_path / "shards/spec/name.parquet").read_bytes())
    assert written[0] == written[1]


def test_a_shard_with_no_song_is_one(shards):
    shards.write("name", [])
    assert shards.read("name") == []
    assert list(shards.names()) == ["name"]


def test_a_damaged_shard_is_named(shards, tmp_path):
    shards.write("name", [embedded("a")])
    path = tmp_path / "shards/spec/name.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(StoreError, match=r"spec/name\.parquet: damaged, delete it to embed anew"):
        shards.read("name")


def test_a_shard_of_other_columns_is_refused(shards, tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    folder = tmp_path / "shards/spec"
    folder.mkdir(parents=True)
    parquet.write_table(pa.table({"key": ["a"]}), folder / "name.parquet")
    with pytest.raises(StoreError, match=r"columns \['key'\], expected \['key', 'bytes'"):
        shards.read("name")


def some_chunks(count: int) -> list[Chunk]:
    return [Chunk.of(f"chunk {number}", [song(f"{number}")]) for number in range(count)]


def test_what_a_cluster_loses_is_given_out_again(shards):
    rounds: list[list[str]] = []

    def run(todo: Sequence[Chunk]) -> Iterator[Done]:
        rounds.append([chunk.name for chunk in todo])
        for chunk in todo[:2]:
            shards.write(chunk.name, [embedded(one.key) for one in chunk.songs])
            yield Done(chunk.name, {}, {"decode": 1.0})
            yield Done(chunk.name, {}, {"decode": 1.0})  # told twice, it counts once

    found = list(embed_chunks(some_chunks(5), shards, set(), run))
    assert sorted(outcome.song.key for outcome in found) == list("01234")
    assert [len(names) for names in rounds] == [5, 3, 1]
    assert sum(outcome.prepared.seconds["decode"] for outcome in found) == 5.0


def test_a_cluster_that_loses_everything_is_an_error(shards):
    rounds = []
    with pytest.raises(VibeError, match=r"2 chunks .+ holds 0\) came back from no machine, 3 "):
        list(embed_chunks(some_chunks(2), shards, set(), lambda todo: rounds.append(todo) or []))
    assert len(rounds) == 3


def test_a_store_that_fails_ends_the_run(shards):
    def run(todo: Sequence[Chunk]) -> Iterator[Done]:
        yield Done(todo[0].name, {}, {}, error="s3://x: no such bucket")

    with pytest.raises(VibeError, match="no such bucket"):
        list(embed_chunks(some_chunks(2), shards, set(), run))


def broken(*_: object) -> Never:
    raise RuntimeError("no kernel for this processor")


@pytest.mark.parametrize("part", ["model", "encoder"])
def test_what_nobody_foresaw_on_a_machine_is_said(tmp_path, monkeypatch, part):
    """Ray would drop the chunk, and all that a run knew of it were that it never came back."""
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "__file__", getattr(main, "__file__", ""), raising=False)
    spec = Spec("0" * 64)
    task = Task(tmp_path, spec, Work(spec.front_end, 1), 1, model=bytes)
    actor = Embedder(dataclasses.replace(task, **{part: broken}))
    (chunk,) = some_chunks(1)
    with actor._folder:  # which ends with its process otherwise
        done = done_of(actor(chunk_row(chunk)))
    assert (done.name, done.error) == (chunk.name, "RuntimeError: no kernel for this processor")


def test_a_whole_shard_is_not_asked_for_and_one_with_gaps_is(shards):
    whole, gaps = some_chunks(2)
    shards.write(whole.name, [embedded("0")])
    shards.write(gaps.name, [])
    asked: list[str] = []

    def run(todo: Sequence[Chunk]) -> Iterator[Done]:
        for chunk in todo:
            asked.append(chunk.name)
            yield Done(chunk.name, {"1": "no audio"}, {})

    found = {
        one.song.key: one.reason
        for one in embed_chunks([whole, gaps], shards, {whole.name, gaps.name}, run)
    }
    assert asked == [gaps.name]
    assert found == {"0": None, "1": "no audio"}
