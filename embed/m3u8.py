"""Playlists as a player opens them: extended M3U in UTF-8.

The format is nobody's standard; this is what its oldest readers agree on: ``#EXTM3U``, then for
each song ``#EXTINF:seconds,Artist - Title`` and a line that says where it lies. A line that is an
address is percent-encoded (RFC 3986), a line that is a path is not: so mpv and most others read
it. VLC 3.0 reads every line as an address, and of 'hit #1.ogg' looks for 'hit '; a file:// address,
which must be whole, is what both read alike.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import quote, urlsplit

from embed.catalogue import Song

Place = Callable[[str], str]
"""From a song's path in the catalogue, relative with slashes, to the line that says where it is."""

_OF_ADDRESSES: Final = re.compile("[#?]|%[0-9A-Fa-f]{2}")
"""What means something else where a path is read as an address."""


def m3u8(songs: Iterable[Song], place: Place) -> str:
    """``songs`` as a playlist; it ends with a newline."""
    lines = ["#EXTM3U"]
    for song in songs:
        seconds = round(song.duration_s) if song.duration_s > 0 else -1  # -1: not known
        lines += [f"#EXTINF:{seconds},{_one_line(song.name)}", place(song.path)]
    return "\n".join(lines) + "\n"


def below_url(url: str) -> Place:
    """Songs below an http, https or file address, which may end in a slash."""
    return lambda path: f"{url.rstrip('/')}/{quote(path)}"


def below_folder(music: Path, playlist: Path | None) -> Place:
    """Songs below the folder ``music``: as seen from the file ``playlist``, else absolute. As file
    addresses, where players would not agree about the path."""
    folder = music.absolute()
    seen_from = None if playlist is None else playlist.absolute().parent

    def place(path: str) -> str:
        whole = folder / path
        line = str(whole) if seen_from is None else _relative(whole, seen_from)
        is_plain = not _OF_ADDRESSES.search(line) and not any(map(_is_control, line))
        return _as_line(line) if is_plain else whole.as_uri()

    return place


def as_in_catalogue(path: str) -> str:
    """The path itself, for a playlist that lies in the folder of music."""
    return _as_line(path)


def is_music_url(url: str) -> bool:
    """Whether songs can lie below ``url``: an address without a password, query or fragment."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - is looked at only when asked for
    except ValueError:
        return False
    is_plain = url.isascii() and url.isprintable() and " " not in url
    is_whole = (
        bool(parts.hostname)
        if parts.scheme in ("http", "https")
        else (parts.scheme == "file" and parts.path.startswith("/"))
    )
    return is_plain and is_whole and "@" not in parts.netloc and not set(url) & {"?", "#"}


def _relative(path: Path, folder: Path) -> str:
    try:
        return PurePosixPath(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # on Windows, on another drive
        return str(path)


def _as_line(path: str) -> str:
    if any(map(_is_control, path)):
        return quote(path)  # a file's name may hold a newline, a line may not
    # Else a comment, trimmed or, where lines are read as addresses, a scheme (RFC 3986, 4.2).
    is_odd = path[0] == "#" or path[0].isspace() or ":" in path.partition("/")[0]
    return f"./{path}" if is_odd and not Path(path).is_absolute() else path


def _one_line(text: str) -> str:
    return " ".join("".join(" " if _is_control(sign) else sign for sign in text).split())


def _is_control(sign: str) -> bool:
    """Whether it may end a line or steer a terminal. Other signs that are not printable may not be
    lost: Japanese names hold wide spaces, Persian ones joiners, and files are found by them."""
    return unicodedata.category(sign) in ("Cc", "Zl", "Zp")
