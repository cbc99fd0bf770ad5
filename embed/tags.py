"""A song's artist and title: from its tags when it has any, else from its file's name."""

from __future__ import annotations

import re
import struct
from pathlib import Path, PurePath
from typing import Any, Final, NamedTuple

import mutagen
from mutagen.id3 import ID3

_ARTIST: Final = ("artist", "\xa9ART", "TPE1", "Author")
_TITLE: Final = ("title", "\xa9nam", "TIT2", "Title")
"""Vorbis comments (any case), MP4 atoms, ID3 frames, ASF."""

_CATALOGUE_NUMBERS: Final = re.compile(r"^\d+-\d+-(?=\D)")
"""``001-2285379-Square a Saw-Echoes``: position and id of a downloaded playlist."""

_TRACK_NUMBER: Final = re.compile(
    r"^(?:\d{1,2}[-.])?\d{1,3}(?:\s*[.)](?!\d)\s*|\s+-\s+|\s*_\s*-\s*_?)"
)
"""``07. ``, ``1-07 - ``, ``07) ``: never a bare ``99 Luftballons`` or ``1.5 Degrees``."""

_BROKEN_TAGS: Final = (
    *(mutagen.MutagenError, struct.error, EOFError),
    *(ValueError, LookupError, ArithmeticError, TypeError, AttributeError),
)
"""What mutagen raises on damaged files. Tags are a courtesy: broken ones must not cost the song."""


class Credit(NamedTuple):
    """Who and what; ``artist`` is None where nothing tells."""

    artist: str | None
    title: str

    @property
    def name(self) -> str:
        """``Artist - Title``, or the title alone."""
        return self.title if self.artist is None else f"{self.artist} - {self.title}"


def read_credit(path: Path) -> Credit:
    """The song's credit; what tags leave out comes from the file's name."""
    tags = _read_tags(path)
    artist, title = _first(tags, _ARTIST), _first(tags, _TITLE)
    if artist and title:
        return Credit(artist, title)
    named = credit_from_filename(path.name)
    return Credit(artist or (None if title else named.artist), title or named.title)


def credit_from_filename(filename: str) -> Credit:
    """Artist and title as people write them into file names.

    >>> credit_from_filename("001-2285379-Square a Saw-Echoes.mp3").name
    'Square a Saw - Echoes'
    >>> credit_from_filename("03. Nina Simone - Sinnerman.flac").name
    'Nina Simone - Sinnerman'
    """
    stem = clean(PurePath(filename).stem)
    numbered = _CATALOGUE_NUMBERS.match(stem)
    if " " not in stem:
        stem = clean(stem.replace("_", " "))
    if numbered:
        left, dash, right = stem[numbered.end() :].partition("-")
        if dash and left.strip() and right.strip():
            return Credit(left.strip(), right.strip())
    bare = _TRACK_NUMBER.sub("", stem) or stem
    left, dash, right = bare.partition(" - ")
    if dash and left.strip() and right.strip():
        return Credit(left.strip(), right.strip())
    return Credit(None, bare or clean(filename) or "untitled")


def _read_tags(path: Path) -> Any:  # noqa: ANN401 - each format has tags of its own type
    try:
        file = mutagen.File(path)
    except _BROKEN_TAGS:
        return None
    return None if file is None else file.tags


def _first(tags: Any, keys: tuple[str, ...]) -> str | None:  # noqa: ANN401
    """The first tag that is there, several values joined by commas."""
    if tags is None:
        return None
    for key in keys:
        try:
            value = tags[key]
        except (KeyError, ValueError):
            continue
        values = value.text if isinstance(tags, ID3) else value
        text = clean(", ".join(str(item) for item in values if str(item).strip()))
        if text:
            return text
    return None


def clean(text: str) -> str:
    """Printable, one line, without surrogates of undecodable file names."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
