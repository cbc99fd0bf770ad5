"""The songs of one bundle, to be found: by name and by sound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Protocol

from embed.bundle import Bundle, load_bundle
from embed.catalogue import Catalogue, Song
from embed.choice import Choice, Found, Sought
from embed.errors import BundleError, NoSuchSongError, shown
from embed.index import Index
from embed.manifest import CATALOGUE_FILE, VECTORS_FILE, Manifest
from embed.opening import BundleIndex, open_index
from embed.recordings import COMPARE_ALL, Recordings

SUGGESTIONS: Final = 5


class Songs(Protocol):
    """What is needed of a catalogue; see ``embed.catalogue.Catalogue``."""

    @property
    def names(self) -> Sequence[str]: ...
    @property
    def lookup(self) -> Names: ...
    @property
    def copies(self) -> Mapping[int, int]: ...
    def artists(self, rows: Sequence[int]) -> list[str | None]: ...
    def songs_at(self, rows: Sequence[int]) -> list[Song]: ...


class Names(Protocol):
    """Finds rows by name; see ``embed.lookup.Lookup``."""

    def containing(self, part: str, start: int = 0, limit: int = -1) -> list[int]: ...
    def find(self, name: str, limit: int = -1) -> list[int]: ...
    def alike(self, name: str, limit: int) -> list[tuple[int, float]]: ...


class Library:
    """``songs`` and the ``index`` of their embeddings; safe to share between threads."""

    def __init__(self, songs: Songs, index: Index, compare_all: int = COMPARE_ALL) -> None:
        self.songs = songs
        self.index = index
        self.recordings = Recordings(index, songs.copies, compare_all)

    def __len__(self) -> int:
        return len(self.songs.names)

    def meant(self, name: str, limit: int = 1) -> list[int]:
        """Rows of the songs that ``name`` may mean, the first of them the one that it does.

        Raises NoSuchSongError when there is none.
        """
        rows = self.songs.lookup.find(name, limit)
        if not rows:
            alike = self.songs.lookup.alike(name, SUGGESTIONS)
            suggestions = list(dict.fromkeys(self.songs.names[row] for row, _ in alike))
            raise NoSuchSongError(f"no song is named like {shown(name)}", suggestions)
        return rows

    def nearest(self, sought: Sought) -> Found:
        """The songs sought; see ``Choice``."""
        return Choice(self.index, self.recordings, self.songs.artists, sought).nearest()


def open_songs(root: Path) -> tuple[Manifest, Catalogue, BundleIndex]:
    """The songs of the bundle at ``root``, verified, and its manifest, which has a spec.

    Raises BundleError when the bundle is absent, torn, without songs, or contradicts itself.
    """
    return load_bundle(root, songs_of)


def songs_of(bundle: Bundle) -> tuple[Manifest, Catalogue, BundleIndex]:
    """As ``open_songs``, of an open bundle."""
    manifest = bundle.manifest
    if manifest.spec is None:
        raise BundleError(f"{bundle.root}: holds no songs, add some with python -m embed")
    # Checksums take as long as everything else (0.2 s for 100,000 songs): side by side.
    with ThreadPoolExecutor() as pool:
        check = pool.submit(bundle.file, CATALOGUE_FILE)
        opening = pool.submit(open_index, bundle)
        catalogue = Catalogue(bundle.file(CATALOGUE_FILE, verify=False))
        check.result()
        index = opening.result()
    if not len(catalogue) == len(index) == manifest.songs:
        raise BundleError(
            f"{bundle.root}: {len(catalogue)} songs in {CATALOGUE_FILE}, {len(index)} in "
            f"{VECTORS_FILE}, the manifest says {manifest.songs}"
        )
    if catalogue.spec_digest != manifest.spec.digest:
        raise BundleError(
            f"{bundle.root}: the songs' spec is {catalogue.spec_digest}, "
            f"the manifest says {manifest.spec.digest}"
        )
    return manifest, catalogue, index
