"""Playlists as files: what players read, and nothing that could mislead one."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed.m3u8 import as_in_catalogue, below_folder, below_url, is_music_url, m3u8
from tests.serving import song

PATHS = st.text(
    st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=12
).filter(lambda part: part not in (".", ".."))


def test_a_playlist_to_the_byte() -> None:
    songs = [
        song("Sigur Rós - Hoppípolla", "is/Sigur Rós - Hoppípolla.ogg"),
        dataclasses.replace(song("no artist", "x.mp3"), duration_s=0.0),
    ]
    assert m3u8(songs, as_in_catalogue).encode() == (
        b"#EXTM3U\n"
        b"#EXTINF:200,Sigur R\xc3\xb3s - Hopp\xc3\xadpolla\n"
        b"is/Sigur R\xc3\xb3s - Hopp\xc3\xadpolla.ogg\n"
        b"#EXTINF:-1,no artist\n"
        b"x.mp3\n"
    )
    assert m3u8([], as_in_catalogue) == "#EXTM3U\n"


@given(name=st.text(max_size=30), path=PATHS)
def test_whatever_a_song_is_called_it_takes_two_lines(name: str, path: str) -> None:
    one = dataclasses.replace(song("x"), name=name, path=path)
    for place in (as_in_catalogue, below_url("https://host/music"), below_folder(Path("m"), None)):
        text = m3u8([one], place)
        assert text.isprintable() is False  # its newlines
        lines = text.splitlines()
        assert len(lines) == 3
        assert lines[1].startswith("#EXTINF:200,")
        assert lines[2] and not lines[2].startswith(("#", " "))


@given(folders=st.lists(PATHS, min_size=1, max_size=3))
def test_an_address_leads_back_to_the_path(folders: list[str]) -> None:
    path = "/".join(folders)
    address = below_url("https://host:8443/my%20music/")(path)
    parts = urlsplit(address)
    assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == (
        *("https", "host:8443"), "", "",
    )  # fmt: skip
    assert unquote(parts.path) == f"/my music/{path}"
    assert address.isascii()


def test_paths_are_as_seen_from_the_file(tmp_path: Path) -> None:
    music, lists = tmp_path / "music", tmp_path / "lists" / "new"
    place = below_folder(music, lists / "mix.m3u8")
    assert place("a/b c.ogg") == "../../music/a/b c.ogg"
    assert below_folder(music, music / "mix.m3u8")("a/b.ogg") == "a/b.ogg"
    assert below_folder(music, None)("a/b.ogg") == f"{music}/a/b.ogg"


@pytest.mark.parametrize("name", ["hit #1.ogg", "why?.ogg", "a%41.ogg", "a\nb.ogg", "#1.ogg"])
def test_what_players_read_differently_is_a_file_address(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"")
    for playlist in (tmp_path / "mix.m3u8", tmp_path / "lists/mix.m3u8", None):
        parts = urlsplit(below_folder(tmp_path, playlist)(name))
        assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("file", "", "", "")
        assert Path(unquote(parts.path)) == tmp_path / name


def test_what_players_read_alike_stays_a_path(tmp_path: Path) -> None:
    """From a list below the odd folder nothing odd is seen."""
    music, playlist = tmp_path / "my #1", tmp_path / "my #1/mix.m3u8"
    assert below_folder(music, playlist)("100% [live]/é & ~.ogg") == "100% [live]/é & ~.ogg"


def test_a_line_that_would_be_a_comment_is_a_path() -> None:
    assert as_in_catalogue("#1 hit.ogg") == "./#1 hit.ogg"
    assert as_in_catalogue(" x.ogg") == "./ x.ogg"
    assert as_in_catalogue("\u3000x.ogg") == "./\u3000x.ogg"
    assert as_in_catalogue("Mission: Impossible/Theme.ogg") == "./Mission: Impossible/Theme.ogg"
    assert as_in_catalogue("a/b: c.ogg") == "a/b: c.ogg"
    assert as_in_catalogue("a\nb.ogg") == "a%0Ab.ogg"


@pytest.mark.parametrize(
    "name",
    [
        "椎名林檎\u3000丸ノ内.ogg",
        "می\u200cخواهم.ogg",
        "👩\u200d🎤 - x.ogg",
        "a\u00a0b.ogg",
        "100%.ogg",
    ],
)
def test_a_name_in_any_script_is_the_files_own(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"")
    one = dataclasses.replace(song("x"), name=name.removesuffix(".ogg"), path=name)
    _, told, line = m3u8([one], as_in_catalogue).splitlines()
    assert (tmp_path / line).exists()
    assert told.partition(",")[2].split() == name.removesuffix(".ogg").split()


@pytest.mark.parametrize(
    "url", ["http://host", "https://host:8443/a%20b/", "file:///srv/music", "https://[::1]/m"]
)
def test_music_may_lie_there(url: str) -> None:
    assert is_music_url(url)
