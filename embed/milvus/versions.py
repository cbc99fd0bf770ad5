"""The versions of a catalogue in Milvus: which are whole, and which one is current.

Of a catalogue called ``vibe`` there are
    vibe_<version>             a collection: the embeddings of one bundle, by row
    vibe_<version>_is_<n>      an alias of it, made once it is whole: its seal. The highest n is
                               the one published last
    vibe                       an alias of the current one, for readers who know of no bundle
``version`` is the bundle's own, 64 hexadecimal digits. A collection without a seal is half
loaded, or being dropped, and never served.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from embed.errors import EngineError
from embed.milvus.client import Milvus

_DIGITS: Final = 12
_SEAL: Final = re.compile(r".*_is_(\d+)")


class Published(NamedTuple):
    """One version; ``number`` is None while it is not whole."""

    version: str
    number: int | None
    is_current: bool


class Versions:
    """The versions of the catalogue that ``milvus.address`` names. Methods raise EngineError."""

    def __init__(self, milvus: Milvus) -> None:
        self._milvus = milvus
        self._name = milvus.address.collection
        self._collection = re.compile(rf"{self._name}_([0-9a-f]{{64}})")

    def collection(self, version: str) -> str:
        """The name of the collection that holds ``version``, whole or not."""
        return f"{self._name}_{version}"

    def all(self) -> list[Published]:
        """Those that are there: published last first, those that are not whole at the end."""
        found = [match[1] for name in self._milvus.collections()
                 if (match := self._collection.fullmatch(name))]  # fmt: skip
        return sorted(map(self.one, found), key=lambda one: (-(one.number or 0), one.version))

    def one(self, version: str) -> Published:
        """``version``, which is there."""
        aliases = self._milvus.aliases(self.collection(version))
        numbers = [int(match[1]) for alias in aliases if (match := _SEAL.fullmatch(alias))]
        return Published(version, max(numbers, default=None), self._name in aliases)

    def has_collection(self, version: str) -> bool:
        """Whether there is a collection of ``version``, whole or not."""
        return self.collection(version) in self._milvus.collections()

    def seal(self, version: str) -> None:
        """Say that ``version`` is whole, and published last."""
        everyone = self.all()
        number = max((one.number or 0 for one in everyone), default=0)
        mine = next(one for one in everyone if one.version == version)
        if mine.number is None or mine.number < number:
            collection = self.collection(version)
            self._milvus.point(f"{collection}_is_{number + 1}", collection, None)
            for alias in self._milvus.aliases(collection):
                if _SEAL.fullmatch(alias) and alias != f"{collection}_is_{number + 1}":
                    self._milvus.forget(alias)

    def switch(self, version: str) -> str | None:
        """Make ``version`` current, in one step. Returns the one that was."""
        before = next((one.version for one in self.all() if one.is_current), None)
        if before != version:
            self._milvus.point(self._name, self.collection(version), before)
        return before

    def drop(self, version: str) -> None:
        """``version``, gone; stopped in the middle it is not whole any more."""
        collection = self.collection(version)
        # First the names: a seal that is left behind would vouch for what comes in its place.
        for alias in sorted(self._milvus.aliases(collection), reverse=True):
            self._milvus.forget(alias)
        self._milvus.drop(collection)

    def meant(self, part: str) -> Published:
        """The one whole version that begins with ``part``."""
        whole = [one for one in self.all() if one.number is not None]
        found = [one for one in whole if part and one.version.startswith(part)]
        if len(found) != 1:
            there = ", ".join(one.version[:_DIGITS] for one in whole) or "none"
            problem = "no version begins so" if not found else f"{len(found)} versions begin so"
            raise EngineError(f"{self._milvus}: {part!r}: {problem}; there are {there}")
        return found[0]


def short(version: str) -> str:
    """As people compare versions by eye."""
    return version[:_DIGITS]
