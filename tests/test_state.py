"""The record of a run: what survives a kill, a change of file, damage, a full disk."""

from __future__ import annotations

import signal
import sqlite3
import textwrap
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from embed.errors import BundleError
from embed.known import KnownEmbeddings
from embed.listing import Listing
from embed.scan import SongFile
from embed.state import FileFacts, State
from tests.processes import python

SONG = SongFile("a/b.mp3", Path("/music/a/b.mp3"), 1000, 1_700_000_000_123_456_789)
FACTS = FileFacts("ab" * 32, "Artist", "Title", 123.456)
VECTOR = np.random.default_rng(0).standard_normal(512).astype(np.float32)


def facts(state: State) -> dict[tuple[str, int, int], FileFacts]:
    """What is known, by (key, bytes, mtime_ns)."""
    rows = state.select("SELECT key, bytes, mtime_ns, sha256, artist, title, duration_s FROM files")
    return {row[:3]: FileFacts(*row[3:]) for row in rows}


def embedded(state: State, spec: str) -> dict[str, float]:
    """Content digest → duration of every song whose embedding waits."""
    return dict(state.select("SELECT sha256, duration_s FROM embeddings WHERE spec = ?", spec))


def embedding(state: State, sha256: str, spec: str) -> np.ndarray:
    with closing(KnownEmbeddings(state.path, spec)) as known:
        return known.vector(sha256)


def listing(state: State, *songs: SongFile, spec: str = "spec") -> Listing:
    return Listing(songs, state, KnownEmbeddings(state.path, spec))


def test_what_is_recorded_is_there_the_next_time(tmp_path):
    with State(tmp_path / "s") as state:
        state.record(SONG, FACTS, ("spec", VECTOR))
    with State(tmp_path / "s") as state:
        assert facts(state) == {("a/b.mp3", 1000, SONG.mtime_ns): FACTS}
        assert embedded(state, "spec") == {FACTS.sha256: 123.456}
        assert np.array_equal(embedding(state, FACTS.sha256, "spec"), VECTOR)


def test_a_song_without_an_artist(tmp_path):
    found = replace(FACTS, artist=None)
    with State(tmp_path / "s") as state:
        state.record(SONG, found)
        assert list(facts(state).values()) == [found]
        assert embedded(state, "spec") == {}


@pytest.mark.parametrize("change", [{"bytes": 1001}, {"mtime_ns": SONG.mtime_ns + 1}, {"key": "c"}])
def test_a_changed_file_is_not_known(tmp_path, change):
    changed = replace(SONG, **change)
    with State(tmp_path / "s") as state:
        state.record(SONG, FACTS, ("spec", VECTOR))
        assert listing(state, changed).done == 0
    with State(tmp_path / "s") as state:
        assert listing(state, SONG).done == 1


def test_a_file_has_one_record_the_last(tmp_path):
    later = replace(SONG, mtime_ns=SONG.mtime_ns + 1)
    with State(tmp_path / "s") as state:
        state.record(SONG, FACTS)
        state.record(later, replace(FACTS, sha256="cd" * 32))
        assert [one.sha256 for one in facts(state).values()] == ["cd" * 32]


def test_embeddings_of_another_spec_are_not_there(tmp_path):
    with State(tmp_path / "s") as state:
        state.record(SONG, FACTS, ("spec", VECTOR))
        assert embedded(state, "other") == {}
        assert listing(state, SONG, spec="other").done == 0
        with pytest.raises(KeyError):
            embedding(state, FACTS.sha256, "other")


def test_a_commit_forgets_embeddings_and_files_that_went(tmp_path):
    with State(tmp_path / "s") as state:
        state.record(SONG, FACTS, ("spec", VECTOR))
        state.record(replace(SONG, key="gone.mp3"), FACTS, ("older", VECTOR))
        listing(state, SONG).committed()
        assert list(facts(state)) == [(SONG.key, SONG.bytes, SONG.mtime_ns)]
        assert embedded(state, "spec") == embedded(state, "older") == {}


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
        assert len(facts(state)) == len(embedded(state, "spec")) == 20
        assert np.array_equal(embedding(state, "7", "spec"), VECTOR + 7)


def test_a_file_that_is_no_record_says_what_to_do(tmp_path):
    (tmp_path / "s").write_bytes(b"not a database" * 100)
    with pytest.raises(BundleError, match=r"/s: file is not a database; delete it to begin anew$"):
        State(tmp_path / "s")


def test_damage_inside_is_named(tmp_path):
    with State(tmp_path / "s") as state:
        for i in range(200):
            state.record(replace(SONG, key=f"{i:03}"), FACTS, (f"spec {i}", VECTOR))
    with (tmp_path / "s").open("r+b") as file:
        file.seek(16_384 * 2)
        file.write(np.random.default_rng(0).bytes(16_384 * 20))
    with (
        pytest.raises(BundleError, match=r"/s: .*malformed; delete it to begin anew$"),
        State(tmp_path / "s") as state,
    ):
        facts(state)
        for i in range(200):
            embedding(state, FACTS.sha256, f"spec {i}")


def test_a_place_that_cannot_hold_a_record_is_named(tmp_path):
    (tmp_path / "s").mkdir()
    with pytest.raises(BundleError, match=r"/s: unable to open database file$"):
        State(tmp_path / "s")


OLD_SCHEMA = """
CREATE TABLE files (
    key TEXT PRIMARY KEY, bytes INTEGER, mtime_ns INTEGER,
    sha256 TEXT, artist TEXT, title TEXT, duration_s REAL
) WITHOUT ROWID;
CREATE TABLE embeddings (
    sha256 TEXT, spec TEXT, duration_s REAL, embedding BLOB, PRIMARY KEY (sha256, spec)
) WITHOUT ROWID;
"""


def write_old_record(path: Path, songs: int) -> None:
    """As an earlier version left it, of ``songs`` songs, in pages of 4,096 bytes."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA page_size = 4096")
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(OLD_SCHEMA)
        for number in range(songs):
            facts = (f"{number:064}", "Artist", "Title", 1.5)
            database.execute(
                "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?)", (f"{number:04}", 10, 20, *facts)
            )
            database.execute(
                "INSERT INTO embeddings VALUES (?, 'spec', 1.5, ?)",
                (facts[0], (VECTOR + number).astype("<f4").tobytes()),
            )
        database.commit()


def test_the_record_of_an_earlier_version_goes_on_and_takes_less_room(tmp_path):
    path = tmp_path / "s"
    write_old_record(path, 200)
    songs = [SongFile(f"{number:04}", Path("x"), 10, 20) for number in range(201)]
    with State(path) as state:
        found = listing(state, *songs)
        assert (found.done, [song.key for song in found.todo()]) == (200, ["0200"])
        assert np.array_equal(embedding(state, f"{7:064}", "spec"), VECTOR + 7)
        found.record(songs[200], FACTS, VECTOR)
        assert found.done == 201
        found.committed()
        assert (len(facts(state)), embedded(state, "spec")) == (201, {})
    assert path.stat().st_size < 100_000
    with State(path) as state:
        state.keep("spec", ((f"{one:064}", 1.5, VECTOR.tobytes()) for one in range(1_000)))
    assert path.stat().st_size / 1_000 < 2_700, "a page for each"
    # What an earlier version asks of it.
    with closing(sqlite3.connect(path)) as database:
        statement = "INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?, ?)"
        database.execute(statement, (f"{0:064}", "spec", 2.5, b""))
        sql = "SELECT sha256, duration_s FROM embeddings WHERE spec = ?"
        assert dict(database.execute(sql, ("spec",)))[f"{0:064}"] == 2.5
        [(count,)] = database.execute("SELECT COUNT(*) FROM embeddings")
        assert count == 1_000


def test_a_record_that_is_read_meanwhile_does_not_shrink_and_is_whole(tmp_path):
    path = tmp_path / "s"
    write_old_record(path, 200)
    size = path.stat().st_size
    with State(path) as state, closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT COUNT(*) FROM embeddings").fetchone() == (200,)
        state.execute("PRAGMA busy_timeout = 1")
        listing(state, SONG).committed()
        assert embedded(state, "spec") == {}
        reader.rollback()
        state.record(SONG, FACTS)
    assert path.stat().st_size >= size
    with State(path) as state:
        assert list(facts(state)) == [(SONG.key, SONG.bytes, SONG.mtime_ns)]


def test_two_songs_of_one_key_are_named(tmp_path):
    with State(tmp_path / "s") as state, pytest.raises(BundleError, match=r"called 'a/b\.mp3'$"):
        listing(state, SONG, replace(SONG, key="c"), SONG)


def test_songs_come_by_key_whatever_their_order(tmp_path):
    keys = ["é", "a", "Z", "\U0001f3b5", "\uffff", "a/b", "ab"]
    with State(tmp_path / "s") as state:
        found = listing(state, *(replace(SONG, key=key) for key in keys))
        assert [song.key for song in found.todo()] == sorted(keys)
        for number, key in enumerate(keys):
            found.record(replace(SONG, key=key), replace(FACTS, sha256=f"{number % 3}"), None)
        assert [song.path for song in found.songs()] == sorted(keys)
        assert list(found.digests()) == ["0", "1", "2"]
        contents = {sha256: song.key for sha256, song in found.contents()}
        assert contents == {str(first): max(keys[first::3]) for first in range(3)}
