"""The record of a run: what survives a kill, a change of file, damage, a full disk."""

from __future__ import annotations

import signal
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from embed.errors import BundleError
from embed.scan import SongFile
from embed.state import FileFacts, State
from tests.processes import python

SONG = SongFile("a/b.mp3", Path("/music/a/b.mp3"), 1000, 1_700_000_000_123_456_789)
FACTS = FileFacts("ab" * 32, "Artist", "Title", 123.456)
VECTOR = np.random.default_rng(0).standard_normal(512).astype(np.float32)


def test_what_is_recorded_is_there_the_next_time(tmp_path):
    with State(tmp_path / "s") as state:
        state.record(SONG, FACTS, ("spec", VECTOR))
    with State(tmp_path / "s") as state:
        assert state.facts() == {("a/b.mp3", 1000, SONG.mtime_ns): FACTS}
        assert state.embedded("spec") == {FACTS.sha256: 123.456}
        assert np.array_equal(state.embedding(FACTS.sha256, "spec"), VECTOR)


def test_a_song_without_an_artist(tmp_path):
    facts = replace(FACTS, artist=None)
    with State(tmp_path / "s") as state:
        state.record(SONG, facts)
        assert list(state.facts().values()) == [facts]
        assert state.embedded("spec") == {}


@pytest.mark.parametrize("change", [{"bytes": 1001}, {"mtime_ns": SONG.mtime_ns + 1}, {"key": "c"}])
def test_a_changed_file_is_not_known(tmp_path, change):
    changed = replace(SONG, **change)
    with State(tmp_path / "s") as state:
        state.record(SONG, FACTS)
        assert (changed.key, changed.bytes, changed.mtime_ns) not in state.facts()


def test_a_file_has_one_record_the_last(tmp_path):
    later = replace(SONG, mtime_ns=SONG.mtime_ns + 1)
    with State(tmp_path / "s") as state:
        state.record(SONG, FACTS)
        state.record(later, replace(FACTS, sha256="cd" * 32))
        assert [facts.sha256 for facts in state.facts().values()] == ["cd" * 32]


def test_embeddings_of_another_spec_are_not_there(tmp_path):
    with State(tmp_path / "s") as state:
        state.record(SONG, FACTS, ("spec", VECTOR))
        assert state.embedded("other") == {}
        with pytest.raises(KeyError):
            state.embedding(FACTS.sha256, "other")


def test_a_commit_forgets_embeddings_and_files_that_went(tmp_path):
    with State(tmp_path / "s") as state:
        state.record(SONG, FACTS, ("spec", VECTOR))
        state.record(replace(SONG, key="gone.mp3"), FACTS, ("older", VECTOR))
        state.committed({SONG.key})
        assert list(state.facts()) == [(SONG.key, SONG.bytes, SONG.mtime_ns)]
        assert state.embedded("spec") == state.embedded("older") == {}


def test_a_kill_loses_nothing_that_was_recorded(tmp_path):
    program = textwrap.dedent("""
        import os, signal, sys
        from dataclasses import replace
        from pathlib import Path
        from embed.state import State
        from tests.test_state import FACTS, SONG, VECTOR
        with State(Path(sys.argv[1])) as state:
            for i in range(20):
                state.record(replace(SONG, key=f"{i:02}"), replace(FACTS, sha256=f"{i}"),
                             ("spec", VECTOR + i))
            state._database.execute("BEGIN")
            state._database.execute("DELETE FROM embeddings")
            os.kill(os.getpid(), signal.SIGKILL)
    """)
    done = python("-c", program, tmp_path / "s")
    assert done.returncode == -signal.SIGKILL
    with State(tmp_path / "s") as state:
        assert len(state.facts()) == len(state.embedded("spec")) == 20
        assert np.array_equal(state.embedding("7", "spec"), VECTOR + 7)


def test_a_file_that_is_no_record_says_what_to_do(tmp_path):
    (tmp_path / "s").write_bytes(b"not a database" * 100)
    with pytest.raises(BundleError, match=r"/s: file is not a database; delete it to begin anew$"):
        State(tmp_path / "s")


def test_damage_inside_is_named(tmp_path):
    with State(tmp_path / "s") as state:
        for i in range(200):
            state.record(replace(SONG, key=f"{i:03}"), FACTS, (f"spec {i}", VECTOR))
    with (tmp_path / "s").open("r+b") as file:
        file.seek(4096 * 3)
        file.write(np.random.default_rng(0).bytes(4096 * 60))
    with (
        pytest.raises(BundleError, match=r"/s: .*malformed; delete it to begin anew$"),
        State(tmp_path / "s") as state,
    ):
        state.facts()
        for i in range(200):
            state.embedding(FACTS.sha256, f"spec {i}")


def test_a_place_that_cannot_hold_a_record_is_named(tmp_path):
    (tmp_path / "s").mkdir()
    with pytest.raises(BundleError, match=r"/s: unable to open database file$"):
        State(tmp_path / "s")
