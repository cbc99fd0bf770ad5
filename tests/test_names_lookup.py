"""Names in a catalogue: found exactly, then in part, then misspelt, in few songs and many."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import product
from pathlib import Path

import pytest

from embed.catalogue import Catalogue
from embed.names import fold
from tests.catalogues import many, opened
from tests.serving import NAMES, song


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    found = opened(tmp_path, [song(name) for name in NAMES])
    yield found
    found.close()


def names_of(catalogue: Catalogue, rows: list[int]) -> list[str]:
    return [catalogue.names[row] for row in rows]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("leeaav - in this dark", ["LEEAAV - IN THIS DARK"]),
        ("  Radiohead -  CREEP ", ["Radiohead - Creep"]),
        ("in this dark", ["LEEAAV - IN THIS DARK"]),
        ("daft punk", ["Daft Punk - Get Lucky", "Daft Punk - One More Time"]),
        # A part of 'ABBA - Dancing Queen' too: by name it comes first.
        ("queen", ["ABBA - Dancing Queen", "Queen - Don't Stop Me Now",
                   "Queen - Somebody to Love"]),
        ("- a new", ["Moderat - A New Error"]),
        ("k - o", ["Daft Punk - One More Time"]),
        ("ö", ["Björk - Army of Me"]),
        ("'", ["Queen - Don't Stop Me Now"]),
        ("in this drak", ["LEEAAV - IN THIS DARK"]),
        ("daft pnuk get lucky", ["Daft Punk - Get Lucky"]),
        ("daft pnuk", ["Daft Punk - Get Lucky", "Daft Punk - One More Time"]),
        ("bjork", ["Björk - Army of Me"]),
        ("hoppipolla", ["Sigur Rós - Hoppípolla"]),
        ("creep radiohead", ["Radiohead - Creep"]),
        ("no such song", []),
        ("", []),
        (" \x1c ", []),
        ("%", []),
        ("_", []),
        ('"', []),
        ("\0", []),
        ("x" * 100_000, []),
        ("AND OR NOT NEAR(", []),
    ],
)  # fmt: skip
def test_names_are_found_exactly_then_in_part_then_misspelt(
    catalogue: Catalogue, asked: str, found: list[str]
) -> None:
    assert names_of(catalogue, catalogue.lookup.find(asked)) == found


def test_an_exact_name_wins_over_names_that_hold_it(tmp_path: Path) -> None:
    catalogue = opened(tmp_path, [song("A song"), song("A song, again"), song("Not a song")])
    assert names_of(catalogue, catalogue.lookup.find("a SONG")) == ["A song"]
    catalogue.close()


def test_songs_of_one_name_stay_two(tmp_path: Path) -> None:
    catalogue = opened(tmp_path, [song("Same", path="1"), song("Same", path="2"), song("Zed")])
    assert catalogue.lookup.find("same") == [0, 1]
    assert catalogue.lookup.find("same", limit=1) == [0]
    catalogue.close()


def test_containing_pages_by_row(catalogue: Catalogue) -> None:
    lookup = catalogue.lookup
    everything = lookup.containing("o")
    assert everything == [row for row, name in enumerate(NAMES) if "o" in fold(name)]
    assert lookup.containing("o", start=everything[1], limit=2) == everything[1:3]
    assert lookup.containing("queen", start=1) == [6, 7]
    assert lookup.containing("queen", limit=1) == [0]


def test_alike_ranks_by_score_then_name(catalogue: Catalogue) -> None:
    found = catalogue.lookup.alike("daft pnuk", 3)
    assert names_of(catalogue, [row for row, _ in found])[:2] == [
        "Daft Punk - Get Lucky",
        "Daft Punk - One More Time",
    ]
    assert found[0][1] == found[1][1] > found[2][1]


def test_misspellings_are_found_among_many(tmp_path: Path) -> None:
    songs = many(3_000)
    catalogue = opened(tmp_path, songs)
    rng = random.Random(1)
    missed = []
    for one in rng.sample(songs, 100):
        at = rng.randrange(2, len(one.name) - 2)
        typed = one.name[:at] + "x" + one.name[at + 1 :]
        if names_of(catalogue, catalogue.lookup.find(typed)) != [one.name]:
            missed.append((typed, one.name))
    assert missed == []
    catalogue.close()


def test_threads_share_a_catalogue(tmp_path: Path) -> None:
    songs = many(2_000)
    catalogue = opened(tmp_path, songs)
    asked = [one.name[3:] for one in songs[::10]] * 4
    alone = [catalogue.lookup.find(part) for part in asked]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(catalogue.lookup.find, asked)) == alone
    catalogue.close()


def test_counts_of_trigrams_are_those_of_the_names(tmp_path: Path) -> None:
    names = ["aaa aaa", "aaab", "Zé"]
    catalogue = opened(tmp_path, [song(name) for name in names])
    with closing(sqlite3.connect(catalogue.path)) as database:
        counts = dict(database.execute("SELECT trigram, songs FROM trigrams"))
    assert counts == {"aaa": 2, "aa ": 1, "a a": 1, " aa": 1, "aab": 1}
    catalogue.close()


def test_a_catalogue_from_before_there_were_counts(tmp_path: Path) -> None:
    songs = many(2_000)
    catalogue = opened(tmp_path, songs)
    asked = [one.name[3:] for one in songs[::50]] + [f"{one.name}xq" for one in songs[::50]]
    expected = [catalogue.lookup.find(part) for part in asked]
    catalogue.close()
    with closing(sqlite3.connect(catalogue.path)) as database:
        database.execute("DROP TABLE trigrams")
    older = Catalogue(catalogue.path)
    assert [older.lookup.find(part) for part in asked] == expected
    assert all(expected)
    older.close()


def test_one_or_two_letters_find_what_a_look_at_every_name_finds(tmp_path: Path) -> None:
    odd = ["U2", "x", "ß", "!!", "!!! - Ç", "Sigur Rós - Ý", "kł", "k.d. lang - 'q'", "ﬁ", "Ǆ - ²"]
    names = [one.name for one in many(3_000)] + odd
    catalogue = opened(tmp_path, [song(name, path=str(at)) for at, name in enumerate(names)])
    letters = sorted({letter for name in catalogue.names for letter in fold(name)} | {"\u2603"})
    parts = letters + [one + other for one, other in product(letters, letters)]
    fast = [catalogue.lookup.containing(part) for part in parts]
    paged = [catalogue.lookup.containing(part, 1_000, 7) for part in parts]
    folded = [fold(name) for name in catalogue.names]
    for part, found, page in zip(parts, fast, paged, strict=True):
        wanted = [row for row, name in enumerate(folded) if fold(part) in name]
        assert found == wanted, part
        assert page == [row for row in wanted if row >= 1_000][:7], part
    catalogue.close()


def test_a_part_longer_than_its_rarest_trigrams_is_confirmed(tmp_path: Path) -> None:
    """The same trigrams in another order are another name."""
    names = ["abcdefghij klmnop", "klmnop abcdefghij", "defghij klm abc"]
    catalogue = opened(tmp_path, [song(name) for name in names])
    assert names_of(catalogue, catalogue.lookup.containing("j klmnop")) == [names[0]]
    assert catalogue.lookup.containing("abcdefghij klmnop abc") == []
    catalogue.close()


def test_a_slip_in_a_name_of_common_trigrams_only(tmp_path: Path) -> None:
    """None of them is rare; those of a piece of the name together are. Without pieces 5 of 40."""
    rng = random.Random(1)
    words = ["".join(word) for word in product("mnr", "aio", "mnr", "aio")]
    names = {f"{rng.choice(words)} - {' '.join(rng.choices(words, k=5))}" for _ in range(30_000)}
    catalogue = opened(tmp_path, [song(name) for name in names])
    missed = []
    for name in rng.sample(sorted(names), 40):
        [row] = catalogue.lookup.exact(name)
        if row not in catalogue.lookup.find(f"{name[:8]}{name[9]}{name[8]}{name[10:]}"):
            missed.append(name)
    assert missed == []
    catalogue.close()
