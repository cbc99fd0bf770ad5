"""Names as people type them: folding, and how alike two names are.

Three forms of one name, each with a use:

    as shown   LEEAAV - Ça ira, Don't!
    folded     leeaav - ça ira, don't!    exact and substring matches
    plain      leeaav ca ira dont         typos: no accents, no punctuation
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

TYPO_CUTOFF: Final = 80.0
"""Least score, 0 to 100, of a name taken for a misspelt one.

Measured on 2,000 misspellings (swapped, missing, added and wrong letters, swapped words) of
100 well-known names: 98 % find their song, none another; of 99 names that are not in the
catalogue 2 are taken for one that is ('Back in Black' for 'Back to Black'). At 75 that is
5, at 85 none, but 2 % fewer misspellings are found. RapidFuzz's WRatio takes 32.
"""

ALIKE: Final = 90.0
"""Least share, in percent, of letters that two spellings of one title have in common."""

TRIGRAM: Final = 3
"""Characters; a shorter text holds none."""

_SHORT: Final = 5
"""A part of a name shorter than this is found almost anywhere, give or take a letter."""

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_DROPPED: Final = re.compile("['’ʼ`.]")  # don't → dont, D.A.N.C.E. → dance
_NOT_WORD: Final = re.compile(r"[\W_]+")
_NUMBER: Final = re.compile(r"\d+")


def writable(text: str) -> str:
    """``text`` with lone surrogates replaced, which neither JSON nor SQLite can hold."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def fold(text: str) -> str:
    """Case, width, composition and spacing evened out; accents and punctuation stay.

    >>> fold("  LEEAAV -\\tIn  THIS dark ")
    'leeaav - in this dark'
    """
    if not text.isascii():
        # Twice: case folding can decompose what NFKC had composed ('ΐ').
        text = unicodedata.normalize("NFKC", writable(text)).casefold()
        return " ".join(unicodedata.normalize("NFKC", text).split())
    return " ".join(text.casefold().split())


def plain(text: str) -> str:
    """The words of a name, without case, accents or punctuation.

    >>> plain("Björk - Don't!")
    'bjork dont'
    """
    text = fold(text)
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text)
        text = "".join(sign for sign in decomposed if not unicodedata.combining(sign))
    return _NOT_WORD.sub(" ", _DROPPED.sub("", text)).strip()


def trigrams(text: str) -> list[str]:
    """Each run of three characters once, in order; none in a text shorter than one."""
    return list(dict.fromkeys(text[at : at + TRIGRAM] for at in range(len(text) - TRIGRAM + 1)))


def likeness(query: str, names: Sequence[str]) -> NDArray[np.float32]:
    """How alike ``query`` and each name are, all plain. Returns float32 ``(names,)``, 0–100.

    The best of: the whole name letter by letter; its words in any order; and, as people
    type titles without the artist, a part of it. A part counts in full from 5 letters on.
    """
    if not names:
        return np.zeros(0, dtype=np.float32)

    def score(scorer: Callable[..., float]) -> NDArray[np.float32]:
        return np.asarray(process.cdist([query], names, scorer=scorer)[0], np.float32)

    whole = np.maximum(score(fuzz.ratio), score(fuzz.token_sort_ratio))
    has_all_words = score(fuzz.token_set_ratio) == 100  # every word of one is in the other
    part = np.maximum(
        score(fuzz.partial_ratio),
        np.where(has_all_words, 95, 0.95 * score(fuzz.partial_token_sort_ratio)),
    )
    # Only the query may be the part: 'hello world' is not a song called 'Hello'.
    lengths = np.fromiter((len(name) for name in names), dtype=np.int64, count=len(names))
    weight = 1.0 if len(query) >= _SHORT else 0.9
    scores: NDArray[np.float32] = np.maximum(
        whole, np.where(lengths >= len(query), part, 0) * weight
    )
    return scores.astype(np.float32)


def is_alike(one: str, other: str) -> bool:
    """Whether two plain texts are one but for a letter or two; numbers must be equal.

    >>> is_alike("lets go fishin", "let s go fishin"), is_alike("suite no 1", "suite no 2")
    (True, False)
    """
    if _NUMBER.findall(one) != _NUMBER.findall(other):
        return False
    return bool(fuzz.ratio(one, other) >= ALIKE)
