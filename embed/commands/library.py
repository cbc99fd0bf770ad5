"""The songs that a command asks about, opened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embed.library import Library
    from embed.store.place import Place


@contextmanager
def opened(place: Place, cache: Path | None) -> Iterator[Library]:
    """The library at ``place``, closed afterwards. Raises BundleError or StoreError."""
    from embed.library import Library, open_songs  # noqa: PLC0415 - --help waits for nothing
    from embed.store.cache import local_copy  # noqa: PLC0415

    _, catalogue, index = open_songs(local_copy(place, cache))
    with closing(catalogue), closing(index):
        yield Library(catalogue, index)


def rows_of(library: Library, names: Sequence[str]) -> list[int]:
    """The songs that ``names`` mean. Raises SearchError that suggests others."""
    from embed.errors import NoSuchSongError, SearchError  # noqa: PLC0415

    try:
        return [library.meant(name)[0] for name in names]
    except NoSuchSongError as error:
        others = ", ".join(map(repr, error.suggestions))
        raise SearchError(f"{error}; perhaps {others}" if others else str(error)) from None
