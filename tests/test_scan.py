"""What a folder of music holds: links, odd names, folders that cannot be read."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from embed.errors import AudioError
from embed.scan import scan

NOBODY = 65534


def _touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def _keys(folder: Path) -> list[str]:
    return [song.key for song in scan(folder)]


def test_audio_files_are_found_at_any_depth_and_by_any_case(tmp_path):
    songs = ["a.wav", "b/c.FLAC", "b/d/e/f.Ogg", "g.opus", "h.mp3", "i.aiff", "j.m4a", "k.aac"]
    _touch(tmp_path, *songs, "cover.jpg", "list.m3u", "mp3", "b/notes.mp3.txt")
    assert _keys(tmp_path) == sorted(songs)


def test_hidden_files_and_folders_are_passed_over(tmp_path):
    _touch(tmp_path, "a.mp3", "._a.mp3", ".Trash/b.mp3", "c/.d.mp3")
    assert _keys(tmp_path) == ["a.mp3"]


def test_a_song_knows_its_size_and_time(tmp_path):
    _touch(tmp_path, "a.mp3")
    (song,) = scan(tmp_path)
    status = (tmp_path / "a.mp3").stat()
    assert (song.path, song.bytes, song.mtime_ns) == (tmp_path / "a.mp3", 1, status.st_mtime_ns)
    assert song.is_unchanged()
    os.utime(tmp_path / "a.mp3", ns=(0, status.st_mtime_ns + 1))
    assert not song.is_unchanged()


def test_links_that_go_round_do_not(tmp_path):
    _touch(tmp_path, "music/album/a.mp3")
    (tmp_path / "music/album/up").symlink_to(tmp_path / "music")
    (tmp_path / "music/self").symlink_to(tmp_path / "music/self")
    (tmp_path / "music/ping.mp3").symlink_to(tmp_path / "music/pong.mp3")
    (tmp_path / "music/pong.mp3").symlink_to(tmp_path / "music/ping.mp3")
    (tmp_path / "music/gone.mp3").symlink_to(tmp_path / "nowhere.mp3")
    assert _keys(tmp_path / "music") == ["album/a.mp3"]


@pytest.mark.parametrize("name", ["0 first", "zz last"])
def test_a_folder_that_is_also_linked_is_taken_where_it_is(tmp_path, name):
    _touch(tmp_path, "music/m/a.mp3")
    (tmp_path / "music" / name).symlink_to(tmp_path / "music/m")
    assert _keys(tmp_path / "music") == ["m/a.mp3"]


def test_links_out_of_the_folder_are_followed(tmp_path):
    _touch(tmp_path, "elsewhere/b.mp3", "single.mp3", "music/a.mp3")
    (tmp_path / "music/more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "music/one.mp3").symlink_to(tmp_path / "single.mp3")
    assert _keys(tmp_path / "music") == ["a.mp3", "more/b.mp3", "one.mp3"]


def test_a_name_that_is_not_utf8_has_a_printable_key(tmp_path):
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp3")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system refuses the name")
    (song,) = scan(tmp_path)
    assert song.key == r"caf\udce9.mp3"
    assert song.key.encode().decode() == song.key
    assert song.path.read_bytes() == b"x"


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_what_is_only_named_like_a_song_is_none(tmp_path, kind):
    _touch(tmp_path, "a.mp3")
    if kind == "pipe":
        os.mkfifo(tmp_path / "b.mp3")
    else:
        _touch(tmp_path, "b.mp3/notes.txt")
    assert _keys(tmp_path) == ["a.mp3"]


@pytest.mark.parametrize("make", [False, True], ids=["absent", "a file"])
def test_a_folder_that_is_none_is_refused(tmp_path, make):
    path = tmp_path / "music"
    if make:
        path.write_bytes(b"")
    with pytest.raises(AudioError, match=r"/music: not a directory$"):
        scan(path)


def test_a_folder_without_songs_says_what_was_looked_for(tmp_path):
    _touch(tmp_path, "cover.jpg")
    with pytest.raises(AudioError, match=r"no audio files \(looked for .*\.flac .*\.mp3"):
        scan(tmp_path)


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user may enter, unlike ``tmp_path``."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_a_folder_that_cannot_be_listed_is_an_error_and_not_empty(public_folder):
    _touch(public_folder, "a.mp3", "locked/b.mp3")
    (public_folder / "locked").chmod(0)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)  # root may list anything
    try:
        with pytest.raises(PermissionError, match="locked"):
            scan(public_folder)
    finally:
        if is_root:
            os.seteuid(0)
        (public_folder / "locked").chmod(0o755)
