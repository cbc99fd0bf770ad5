"""Names of songs: from tags in every format, from file names as people write them."""

from __future__ import annotations

import doctest

import mutagen
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutagen.id3 import ID3, TIT2, TPE1

import embed.tags
from embed.tags import Credit, clean, credit_from_filename, read_credit
from tests.audio_files import encode, tune, write


@pytest.mark.parametrize(
    ("filename", "artist", "title"),
    [
        ("001-2285379-Square a Saw-Echoes.mp3", "Square a Saw", "Echoes"),
        ("042-99-Jean-Luc-Le Pont.mp3", "Jean", "Luc-Le Pont"),
        ("001-2285379-Square_a_Saw-Echoes.mp3", "Square a Saw", "Echoes"),
        ("Nina Simone - Sinnerman.flac", "Nina Simone", "Sinnerman"),
        ("Nina_Simone_-_Sinnerman.flac", "Nina Simone", "Sinnerman"),
        ("03. Nina Simone - Sinnerman.flac", "Nina Simone", "Sinnerman"),
        ("03 - Nina Simone - Sinnerman.flac", "Nina Simone", "Sinnerman"),
        ("1-07 - Nina Simone - Sinnerman.flac", "Nina Simone", "Sinnerman"),
        ("07) Sinnerman.flac", None, "Sinnerman"),
        ("07_-_Sinnerman.flac", None, "Sinnerman"),
        ("Artist - Title - Live.ogg", "Artist", "Title - Live"),
        ("AC-DC - T.N.T.mp3", "AC-DC", "T.N.T"),
        ("Echoes.mp3", None, "Echoes"),
        ("99 Luftballons.mp3", None, "99 Luftballons"),
        ("50 Cent - In Da Club.mp3", "50 Cent", "In Da Club"),
        ("1.5 Degrees - Warm.mp3", "1.5 Degrees", "Warm"),
        ("1979.mp3", None, "1979"),
        ("07.mp3", None, "07"),
        (" - .mp3", None, "-"),
        ("- Title.mp3", None, "- Title"),
        ("Artist -.mp3", None, "Artist -"),
        ("a\nb\tc - d.mp3", "a b c", "d"),
        ("caf\udce9 - au lait.mp3", r"caf\udce9", "au lait"),
    ],
)
def test_credit_from_filename(filename, artist, title):
    assert credit_from_filename(filename) == Credit(artist, title)


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(embed.tags).failed == 0


@given(st.text(min_size=1).map(lambda text: text.replace("/", "_") + ".mp3"))
def test_every_file_name_gives_a_name_for_people(filename):
    credit = credit_from_filename(filename)
    for part in (credit.artist or "x", credit.title, credit.name):
        assert part == part.strip() != ""
        assert part.isprintable()
        part.encode()


@pytest.mark.parametrize(("text", "cleaned"), [("  a \n b\x00c ", "a b c"), ("\udcff", r"\udcff")])
def test_clean(text, cleaned):
    assert clean(text) == cleaned


@pytest.fixture(scope="module")
def untagged(tmp_path_factory):
    """A short file of each format, without tags, named so that its name tells another credit."""
    folder = tmp_path_factory.mktemp("untagged")
    paths = {}
    for kind in ("wav", "aiff", "flac", "ogg", "opus", "mp3", "m4a"):
        path = folder / f"File Artist - File Title.{kind}"
        rate_hz = 48_000 if kind == "opus" else 44_100
        if kind == "m4a":
            encode(path, tune(0.2, rate_hz), rate_hz, "aac")
        else:
            write(path, tune(0.2, rate_hz), rate_hz)
        paths[kind] = path
    return paths


def _tag(path, artist: list[str], title: list[str]) -> None:
    file = mutagen.File(path)
    if path.suffix in (".wav", ".aiff", ".mp3"):
        if file.tags is None:
            file.add_tags()
        file.tags.add(TPE1(encoding=3, text=artist))
        file.tags.add(TIT2(encoding=1, text=title))
    elif path.suffix == ".m4a":
        file["\xa9ART"], file["\xa9nam"] = artist, title
    else:
        file["ARTIST"], file["Title"] = artist, title
    file.save()


@pytest.mark.parametrize("kind", ["wav", "aiff", "flac", "ogg", "opus", "mp3", "m4a"])
@pytest.mark.parametrize(
    ("artist", "title", "expected"),
    [
        (["Sigur Rós"], ["Sæglópur"], Credit("Sigur Rós", "Sæglópur")),
        (["A", "B"], ["T"], Credit("A, B", "T")),
        ([" A\n"], ["T\x00"], Credit("A", "T")),
        (["A"], [""], Credit("A", "File Title")),
        # A title without an artist is not mixed with an artist that the file name may mean.
        ([""], ["T"], Credit(None, "T")),
        ([""], [""], Credit("File Artist", "File Title")),
    ],
)
def test_tags_come_before_the_file_name(tmp_path, untagged, kind, artist, title, expected):
    path = tmp_path / untagged[kind].name
    path.write_bytes(untagged[kind].read_bytes())
    assert read_credit(path) == Credit("File Artist", "File Title")
    _tag(path, artist, title)
    assert read_credit(path) == expected


def test_tags_before_nothing_that_is_audio(tmp_path):
    path = tmp_path / "Artist - Title.mp3"
    tags = ID3()
    tags.add(TIT2(encoding=3, text=["T"]))
    tags.save(path)
    assert read_credit(path) == Credit("Artist", "Title")


@pytest.mark.parametrize("kind", ["wav", "aiff", "flac", "ogg", "opus", "mp3", "m4a"])
def test_damaged_tags_never_cost_the_song(tmp_path, untagged, kind):
    path = tmp_path / untagged[kind].name
    path.write_bytes(untagged[kind].read_bytes())
    _tag(path, ["A"], ["T"])
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(whole)
        for at in rng.integers(0, min(len(damaged), 400), 4):
            damaged[at] = rng.integers(0, 256)
        path.write_bytes(damaged[: rng.integers(20, len(damaged))])
        assert read_credit(path).title


def test_an_opus_head_cut_short_is_no_error(tmp_path, untagged):
    # mutagen lets struct.error out here.
    song = bytearray(untagged["opus"].read_bytes())
    song[27] = 12  # the first page's only packet: its length
    path = tmp_path / "Artist - Title.opus"
    path.write_bytes(song)
    assert read_credit(path) == Credit("Artist", "Title")
