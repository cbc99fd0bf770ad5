"""Many songs at once: every one has an outcome, and each failure its own reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from embed.batch import Batch, Outcome
from embed.crew import Crew
from embed.prepare import Prepared, Work
from embed.scan import SongFile, scan
from embed.spec import FrontEnd
from tests import bad_decoders
from tests.bad_decoders import FakeEncoder


def _batch(
    songs: Sequence[SongFile],
    work: Work,
    encoder: FakeEncoder,
    workers: int,
    prepare: Callable[[SongFile, Work], Prepared],
) -> Iterator[Outcome]:
    with Crew(work, encoder, workers, prepare) as crew:
        yield from Batch(songs, crew)


def _run(
    folder: Path, orders: list[str], encoder: FakeEncoder, timeout_s: float = 60
) -> dict[str, Outcome]:
    for number, order in enumerate(orders):
        (folder / f"{number:02}.mp3").write_text(order)
    work = Work(FrontEnd(), "middle", timeout_s=timeout_s, memory_mib=200)
    outcomes = list(_batch(scan(folder), work, encoder, 2, bad_decoders.prepare))
    assert len(outcomes) == len(orders)
    found = {outcome.song.key.removesuffix(".mp3"): outcome for outcome in outcomes}
    assert len(found) == len(orders)
    return found


def test_every_song_is_embedded_as_itself(tmp_path):
    encoder = FakeEncoder()
    found = _run(tmp_path, [str(i) for i in range(25)], encoder)
    for number in range(25):
        outcome = found[f"{number:02}"]
        assert outcome.reason is None
        assert int(outcome.embedding.argmax()) == number
        assert outcome.prepared.credit.title == str(number)
    assert sorted(encoder.asked) == sorted(2 * list(range(25)))


def test_bad_songs_cost_only_themselves(tmp_path):
    bad = {
        "abort": "the decoder crashed (SIGABRT)",
        "segfault": "the decoder crashed (SIGSEGV)",
        "exit 7": "the decoder crashed (exit code 7)",
        "hang": "took longer than 4 s to decode; given up",
        "hang in C": "took longer than 4 s to decode; given up",
        "eat 400": "needs more than 200 MiB to decode; given up",
        "raise AudioError": "broken",
        "raise OSError": "I/O error",
        "raise ValueError": "ValueError: odd",
        "raise unpicklable": "_UnpicklableError: <function prepare.<locals>.<lambda> at ",
    }
    orders = [order for pair in zip(bad, map(str, range(10)), strict=True) for order in pair]
    found = _run(tmp_path, orders, FakeEncoder(), timeout_s=4)
    for number, order in enumerate(orders):
        outcome = found[f"{number:02}"]
        if order in bad:
            assert outcome.reason.startswith(bad[order])
            assert outcome.embedding is None
        else:
            assert outcome.reason is None
            assert int(outcome.embedding.argmax()) == int(order)


def test_many_crashes_in_a_row(tmp_path):
    found = _run(tmp_path, ["abort"] * 12 + ["5"], FakeEncoder())
    assert [found[f"{i:02}"].reason for i in range(12)] == ["the decoder crashed (SIGABRT)"] * 12
    assert found["12"].reason is None


def test_the_same_content_is_embedded_once(tmp_path):
    encoder = FakeEncoder()
    found = _run(tmp_path, ["3"] * 9 + ["4"], encoder)
    assert sorted(encoder.asked) == [3, 3, 4, 4]  # two windows each
    assert all(outcome.reason is None for outcome in found.values())
    threes = [found[f"{i:02}"] for i in range(9)]
    assert sum(outcome.embedding is not None for outcome in threes) == 1
    assert len({outcome.prepared.sha256 for outcome in threes}) == 1


def test_the_first_of_equal_songs_brings_the_embedding(tmp_path):
    # Whoever records outcomes in their order knows the embedding before it meets a twin.
    for number in range(6):
        (tmp_path / f"{number}.mp3").write_text("3")
    work = Work(FrontEnd(), "middle")
    outcomes = list(_batch(scan(tmp_path), work, FakeEncoder(), 2, bad_decoders.prepare))
    assert [outcome.embedding is not None for outcome in outcomes] == [True] + [False] * 5


def test_what_the_reader_makes_known_is_not_remembered_twice(tmp_path):
    for number in range(12):
        (tmp_path / f"{number:02}.mp3").write_text(str(number % 2))
    known: set[str] = set()  # the workers' copy of it stays empty
    encoder = FakeEncoder()
    work = Work(FrontEnd(), 1, known=known)
    with Crew(work, encoder, 1, bad_decoders.prepare_one_window) as crew:
        batch = Batch(scan(tmp_path), crew)
        for outcome in batch:
            known.add(outcome.prepared.sha256)
    assert sorted(encoder.asked) == [0, 1]
    assert batch._embedded == set()


def test_a_model_that_fails_fails_its_songs_and_their_twins(tmp_path):
    found = _run(tmp_path, ["1", "2", "2", "3"], FakeEncoder(fails_on=2))
    assert [found[key].reason for key in sorted(found)] == [
        None,
        *["ZeroDivisionError: in the model"] * 2,
        None,
    ]


def test_a_song_that_vanished_is_named(tmp_path):
    (tmp_path / "a.mp3").write_text("1")
    songs = scan(tmp_path)
    songs[0].path.unlink()
    (outcome,) = _batch(songs, Work(FrontEnd(), 1), FakeEncoder(), 1, bad_decoders.prepare)
    assert outcome.reason == "No such file or directory"


def test_no_songs_no_outcomes():
    assert list(_batch([], Work(FrontEnd(), 1), FakeEncoder(), 2, bad_decoders.prepare)) == []


def test_one_window_is_not_rounded_by_pooling(tmp_path):
    row = np.random.default_rng(0).standard_normal(512).astype(np.float32)
    row /= np.linalg.norm(row)

    class Fixed(FakeEncoder):
        def embed(self, log_mel):
            return row

    (tmp_path / "a.mp3").write_text("1")
    (outcome,) = _batch(
        scan(tmp_path), Work(FrontEnd(), "middle"), Fixed(), 1, bad_decoders.prepare_one_window
    )
    assert np.array_equal(outcome.embedding, row)


@pytest.mark.parametrize("stop_after", [0, 3])
def test_a_reader_that_stops_early_leaves_nothing_running(tmp_path, stop_after):
    import multiprocessing

    others = {*multiprocessing.active_children()}  # a server in this process keeps its worker
    for number in range(12):
        (tmp_path / f"{number}.mp3").write_text(str(number))
    outcomes = _batch(scan(tmp_path), Work(FrontEnd(), 1), FakeEncoder(), 2, bad_decoders.prepare)
    for _ in range(stop_after):
        next(outcomes)
    outcomes.close()
    assert {*multiprocessing.active_children()} <= others


def test_a_crew_serves_one_batch_after_the_other(tmp_path):
    import multiprocessing

    for number in range(4):
        (tmp_path / f"{number}.mp3").write_text(str(number))
    songs = scan(tmp_path)
    with Crew(Work(FrontEnd(), 1), FakeEncoder(), 1, bad_decoders.prepare) as crew:
        first = list(Batch(songs[:2], crew))
        pids = {child.pid for child in multiprocessing.active_children()}
        second = list(Batch(songs[2:], crew))
        assert {child.pid for child in multiprocessing.active_children()} == pids
    found = [outcome.prepared.credit.title for outcome in first + second]
    assert sorted(found) == ["0", "1", "2", "3"]
