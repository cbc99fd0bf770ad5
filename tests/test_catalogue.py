"""The catalogue: what is written comes back, in name order; what is damaged is refused."""

from __future__ import annotations

import random
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from embed.catalogue import Catalogue, Song, song_id, songs_of, write_catalogue
from embed.errors import BundleError
from embed.names import fold
from tests.catalogues import SPEC, many, opened
from tests.serving import NAMES, song


def test_songs_come_back_as_they_were_in_name_order(tmp_path: Path) -> None:
    songs = [song(name) for name in NAMES]
    shuffled = random.Random(3).sample(songs, len(songs))
    assert write_catalogue(tmp_path / "catalogue.sqlite", shuffled, SPEC) == len(NAMES)
    catalogue = Catalogue(tmp_path / "catalogue.sqlite")
    assert catalogue.names == list(NAMES)
    assert list(catalogue.songs()) == songs
    assert list(songs_of(tmp_path / "catalogue.sqlite")) == songs
    assert (len(catalogue), catalogue.spec_digest) == (len(NAMES), SPEC)
    catalogue.close()


def test_order_is_by_folded_name_then_name_then_path(tmp_path: Path) -> None:
    songs = [
        song("beta"),
        song("Alpha", path="2"),
        song("Alpha", path="1"),
        song("ALPHA", path="3"),
        song("Ärger"),
        song("zeta"),
    ]
    catalogue = opened(tmp_path, songs)
    found = [(one.name, one.path) for one in catalogue.songs()]
    assert found[:3] == [("ALPHA", "3"), ("Alpha", "1"), ("Alpha", "2")]
    assert catalogue.names[3:] == ["beta", "zeta", "Ärger"]  # ä is after z in Unicode
    catalogue.close()


def test_equal_songs_make_equal_bytes_in_any_order(tmp_path: Path) -> None:
    songs = [song(f"Artist {i % 7} - Song {i}") for i in range(300)]
    files = []
    for seed in (1, 2):
        path = tmp_path / f"{seed}.sqlite"
        write_catalogue(path, random.Random(seed).sample(songs, len(songs)), SPEC)
        files.append(path.read_bytes())
    assert files[0] == files[1]


def test_any_name_and_path_has_its_place_in_python_s_order(tmp_path: Path) -> None:
    # A lone surrogate comes before U+E000, what is written for it (U+FFFD) after it.
    signs = ["a", "A", "é", "\ud7ff", "\ud800", "\udfff", "\ue000", "\ufffd", "\U00010000", "a\0"]
    songs = [song("b" + one, path=f"{two}/{one!r}") for one in signs for two in signs]
    expected = sorted(songs, key=lambda one: (fold(one.name), one.name, one.path))
    path = tmp_path / "catalogue.sqlite"
    assert write_catalogue(path, random.Random(4).sample(songs, len(songs)), SPEC) == len(songs)
    assert [one.id for one in songs_of(path)] == [one.id for one in expected]


def test_writing_replaces_what_lay_there(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite"
    path.write_bytes(b"something else")
    write_catalogue(path, [song("a")], SPEC)
    assert Catalogue(path).names == ["a"]


def test_two_songs_of_one_id_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="UNIQUE"):
        write_catalogue(tmp_path / "c.sqlite", [song("a", path="x"), song("b", path="x")], SPEC)


def test_an_empty_catalogue_opens_and_finds_nothing(tmp_path: Path) -> None:
    catalogue = opened(tmp_path, [])
    assert (len(catalogue), list(catalogue.songs()), catalogue.spec_digest) == (0, [], None)
    assert catalogue.lookup.find("anything") == []
    assert catalogue.lookup.alike("anything", 5) == []
    catalogue.close()


def test_names_that_no_database_holds_are_made_printable(tmp_path: Path) -> None:
    catalogue = opened(tmp_path, [song("bad \udcff name", path="x\udcff.ogg"), song("nul \0 b")])
    assert catalogue.names == ["bad \ufffd name", "nul \0 b"]
    assert catalogue.lookup.find("bad \ud800") == [0]
    assert catalogue.lookup.find("nul \0") == [1]
    catalogue.close()


def test_names_are_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embed.catalogue._NAMES_AT_A_TIME", 3)
    names = ["a", "b", "c", "d\0", "\0e", "f", "g"]
    catalogue = opened(tmp_path, [song(name) for name in names])
    assert catalogue.names == sorted(names, key=lambda name: (fold(name), name))
    catalogue.close()


def test_song_ids_are_stable() -> None:
    assert song_id("a/b.ogg") == "400de034aca5ba8659c2"
    assert song_id("x\udcff") != song_id("x\udcfe")


def test_many_songs_stream_in_order(tmp_path: Path) -> None:
    songs = many(2_500)
    catalogue = opened(tmp_path, songs)
    assert [one.name for one in catalogue.songs()] == catalogue.names
    assert catalogue.names == sorted(
        (one.name for one in songs), key=lambda name: (fold(name), name)
    )
    catalogue.close()


def test_copies_point_to_the_first_row_with_the_same_content(tmp_path: Path) -> None:
    songs = [
        song("a", content="same"),
        song("b"),
        song("c", content="same"),
        song("d", content="same"),
        song("e", content="other"),
    ]
    catalogue = opened(tmp_path, songs)
    assert catalogue.copies == {2: 0, 3: 0}
    catalogue.close()
    with closing(sqlite3.connect(catalogue.path)) as database:
        database.execute("DROP TABLE copies")  # as catalogues were before they were noted
    older = Catalogue(catalogue.path)
    assert older.copies == {2: 0, 3: 0}
    older.close()


def test_unknown_content_is_no_copy(tmp_path: Path) -> None:
    songs = [Song(song_id(n), n, None, n, n, 0.0, sha256="") for n in ("a", "b", "c")]
    catalogue = opened(tmp_path, songs)
    assert catalogue.copies == {}
    catalogue.close()


def test_artists_are_folded(tmp_path: Path) -> None:
    catalogue = opened(tmp_path, [song("BJÖRK - a"), song("no artist")])
    assert catalogue.artists([1, 0]) == [None, "björk"]
    catalogue.close()


def test_a_bundle_replaced_meanwhile_leaves_the_open_one_readable(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite"
    write_catalogue(path, many(500), SPEC)
    catalogue = Catalogue(path)
    other = tmp_path / "new.sqlite"
    write_catalogue(other, [song("new")], SPEC)
    other.replace(path)
    assert len(list(catalogue.songs())) == 500
    catalogue.close()


def test_paths_with_signs_that_mean_something_in_a_uri_open(tmp_path: Path) -> None:
    folder = tmp_path / "50% off? #1 & more"
    folder.mkdir()
    assert opened(folder, [song("a")]).names == ["a"]


def rewritten(tmp_path: Path, statement: str) -> Path:
    path = tmp_path / "catalogue.sqlite"
    write_catalogue(path, [song(name) for name in NAMES], SPEC)
    with sqlite3.connect(path) as database:
        database.executescript(statement)
    database.close()
    return path


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("PRAGMA application_id = 7", "not a catalogue"),
        ("PRAGMA user_version = 2", "format 2, this program reads 1"),
        ("DELETE FROM songs WHERE row = 3", "9 songs, but the last row is 9"),
        ("UPDATE songs SET spec_digest = 'x' WHERE row = 3", "songs of 2 specs"),
        ("DROP TABLE songs", "no such table"),
    ],
)
def test_another_database_is_refused(tmp_path: Path, statement: str, reason: str) -> None:
    path = rewritten(tmp_path, statement)
    with pytest.raises(BundleError, match=reason) as caught:
        Catalogue(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100])
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "catalogue.sqlite"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=str(path)):
        Catalogue(path)


def test_a_torn_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite"
    write_catalogue(path, many(2_000), SPEC)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(BundleError, match="malformed"):
        Catalogue(path)


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="unable to open"):
        Catalogue(tmp_path / "none.sqlite")


def test_an_open_catalogue_stays_the_one_that_was_opened(tmp_path: Path) -> None:
    songs = [song(f"Artist - Song {i}") for i in range(4)]
    path = tmp_path / "catalogue.sqlite"
    write_catalogue(path, songs, SPEC)
    catalogue = Catalogue(path)
    write_catalogue(tmp_path / "next", songs[:2], SPEC)
    (tmp_path / "next").replace(path)  # as a bundle's writer does
    with ThreadPoolExecutor(8) as threads:
        counts = list(threads.map(lambda _: len(list(catalogue.songs())), range(64)))
    assert set(counts) == {4}
