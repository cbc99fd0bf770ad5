"""Names: folding, and which misspellings still mean a song."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed.names import TYPO_CUTOFF, fold, likeness, plain, trigrams, writable

CATALOGUE = (
    "LEEAAV - IN THIS DARK",
    "Daft Punk - Get Lucky",
    "Daft Punk - Around the World",
    "Björk - Army of Me",
    "Sigur Rós - Hoppípolla",
    "Queen - Don't Stop Me Now",
    "Beyoncé - Crazy in Love",
    "Кино - Звезда по имени Солнце",
    "宇多田ヒカル - First Love",
    "Justice - D.A.N.C.E.",
    "Amy Winehouse - Back to Black",
)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("LEEAAV - IN THIS DARK", "leeaav - in this dark"),
        ("  two\t words \n", "two words"),
        ("Ｆｕｌｌ　ｗｉｄｔｈ", "full width"),
        ("Straße", "strasse"),
        ("e\u0301", "\u00e9"),
        ("ﬁne", "fine"),
        ("ΐ", "ΐ"),
        ("", ""),
        ("\x1c \u3000", ""),
    ],
)
def test_folding_evens_out_what_people_do_not_type(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text())
def test_a_part_of_a_name_stays_a_part_when_plain(text: str) -> None:
    # Lookup relies on it: trigrams of the plain part are among those of the plain name.
    folded = fold(text)
    for start, end in ((0, len(folded) // 2), (len(folded) // 3, len(folded))):
        assert plain(folded[start:end]) in plain(folded)


@given(st.text(st.characters(), max_size=20))
def test_a_plain_name_holds_words_and_single_spaces_only(text: str) -> None:
    assert all(sign.isalnum() or sign == " " or not sign.isascii() for sign in plain(text))
    assert plain(text) == " ".join(plain(text).split())


def test_lone_surrogates_are_replaced() -> None:
    assert writable("a\ud800b") == "a\ufffdb"
    assert fold("A\udc80").encode() == "a\ufffd".encode()


def test_trigrams_come_once_each_and_in_order() -> None:
    assert trigrams("banana") == ["ban", "ana", "nan"]
    assert trigrams("ab") == []


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("in this drak", "LEEAAV - IN THIS DARK"),
        ("leeav in this dark", "LEEAAV - IN THIS DARK"),
        ("in ths dark", "LEEAAV - IN THIS DARK"),
        ("dark this in", "LEEAAV - IN THIS DARK"),
        ("daft pnuk get lucky", "Daft Punk - Get Lucky"),
        ("get lucky daft punk", "Daft Punk - Get Lucky"),
        ("lucky punk", "Daft Punk - Get Lucky"),
        ("around teh world", "Daft Punk - Around the World"),
        ("bjork", "Björk - Army of Me"),
        ("bjork amry of me", "Björk - Army of Me"),
        ("hoppipolla", "Sigur Rós - Hoppípolla"),
        ("sigur ros hopipolla", "Sigur Rós - Hoppípolla"),
        ("dont stop me now", "Queen - Don't Stop Me Now"),
        ("odn't stop me now", "Queen - Don't Stop Me Now"),
        ("beyonce crazy in love", "Beyoncé - Crazy in Love"),
        ("звезда по имени слонце", "Кино - Звезда по имени Солнце"),
        ("dance", "Justice - D.A.N.C.E."),
    ],
)
def test_misspelt_names_are_nearest_to_what_was_meant(typed: str, meant: str) -> None:
    scores = likeness(plain(typed), [plain(name) for name in CATALOGUE])
    assert CATALOGUE[int(np.argmax(scores))] == meant
    assert scores.max() >= TYPO_CUTOFF


@pytest.mark.parametrize(
    "typed",
    ["shape of you", "smoke on the water", "nonexistent track", "qwertyuiop", "zz", "test"],
)
def test_other_names_are_not_taken_for_one_of_ours(typed: str) -> None:
    scores = likeness(plain(typed), [plain(name) for name in CATALOGUE])
    assert scores.max() < TYPO_CUTOFF


def test_a_short_name_is_no_part_of_a_longer_query() -> None:
    assert likeness("hello world", ["hello"])[0] < TYPO_CUTOFF


def test_likeness_of_no_names_is_empty() -> None:
    assert likeness("a", []).shape == (0,)
