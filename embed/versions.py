"""What two songs that are alike are to each other: copies, remasters, other versions, covers.

Judged from what is at hand: how alike they sound, their titles and artists, how long they are.
docs/lists.md has the cosines that the thresholds come from.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from embed.catalogue import Song
from embed.names import fold, is_alike, plain
from embed.recordings import SAME_RECORDING

Kind = Literal["same", "remaster", "version", "cover", "close"]

CLOSE: Final = 0.95
"""Cosine from which two songs are suspects whatever they are called."""

NAMED: Final = 0.5
"""Cosine from which songs of one name and length are taken for one recording, encoded or
mastered in two ways; below, something else goes by the same name."""

COVER: Final = 0.6
"""Cosine from which a title in common, by other artists, is more than chance."""

_LENGTHS_S: Final = 2.0
_LENGTHS: Final = 0.015
"""By how much two encodings of one recording differ in length, silence at the ends included."""

_BRACKETS: Final = re.compile(r"\s*[(\[{]([^()\[\]{}]*)[)\]}]")
_TAIL: Final = re.compile(r"\s+[-–—]\s+([^-–—]*)$")
_MARK: Final = re.compile(
    r"\b(?:live|re-?master(?:ed)?|version|edit|mix|remix|mono|stereo|demo|acoustic|unplugged"
    r"|instrumental|take|sessions?|bonus|explicit|clean|single|album|radio|extended|anniversary"
    r"|edition|deluxe|digital|original|feat|ft|featuring|(?:19|20)\d\d)\b"
)
"""Words in brackets, or after a dash at the end, that tell versions of a song apart."""


def core_title(title: str) -> str:
    """A title without what tells versions of a song apart, plain.

    >>> core_title("Love of My Life (Live) - Remastered 2011")
    'love of my life'
    >>> core_title("Live and Let Die")
    'live and let die'
    """
    text = fold(title)
    while True:
        shorter = _BRACKETS.sub(_unless_marked, text)
        tail = _TAIL.search(shorter)
        if tail and _MARK.search(tail[1]):
            shorter = shorter[: tail.start()]
        if shorter == text or not plain(shorter):
            return plain(text)
        text = shorter


def kind_of(one: Song, other: Song, cosine: float) -> Kind | None:
    """What two songs are to each other; None when nothing hints at it.

    ``same``: the same bytes, or a cosine from 0.9999. ``remaster``: of one length, and either of
    one name or hardly to be told apart. ``version``: of one name, but neither of one length and
    sound: live, an edit, another take. ``cover``: one title by another artist, alike in sound,
    or two songs that happen to share it. ``close``: hardly to be told apart, and nothing more.
    """
    is_copy = bool(one.sha256) and one.sha256 == other.sha256
    if is_copy or cosine >= SAME_RECORDING:
        return "same"
    is_title, is_artist = _names_alike(one, other)
    is_name = is_title and is_artist
    if _is_one_length(one.duration_s, other.duration_s) and (
        cosine >= CLOSE or (is_name and cosine >= NAMED)
    ):
        return "remaster"
    if is_name:
        return "version"
    if is_title and cosine >= COVER:
        return "cover"
    return "close" if cosine >= CLOSE else None


def _unless_marked(bracket: re.Match[str]) -> str:
    return "" if _MARK.search(bracket[1]) else bracket[0]


def _names_alike(one: Song, other: Song) -> tuple[bool, bool]:
    """Whether titles are alike, and whether artists may be the same."""
    titles, artists = (core_title(one.title), core_title(other.title)), (one.artist, other.artist)
    is_title = bool(titles[0]) and is_alike(*titles)
    if artists[0] is None or artists[1] is None:
        return is_title, True
    return is_title, is_alike(plain(artists[0]), plain(artists[1]))


def _is_one_length(one_s: float, other_s: float) -> bool:
    if one_s <= 0 or other_s <= 0:  # not known, as in imported catalogues
        return False
    return abs(one_s - other_s) <= max(_LENGTHS_S, _LENGTHS * max(one_s, other_s))
