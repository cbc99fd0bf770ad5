"""The bundle that a command asks about, opened."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import click

from embed.arguments import PlaceType
from embed.errors import BundleError
from embed.store.place import Place

if TYPE_CHECKING:
    from embed.bundle import Bundle
    from embed.catalogue import Catalogue

T = TypeVar("T")

BUNDLE: Final = click.argument("bundle", type=PlaceType(), metavar="BUNDLE")
CACHE: Final = click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where copies of s3:// bundles are kept. [default: ~/.cache/vibe-search]",
)


def of_songs(place: Place, cache: Path | None, ask: Callable[[Bundle, Catalogue], T]) -> T:
    """What ``ask`` answers of the bundle at ``place`` and its catalogue, which is closed then.

    Raises BundleError when it is absent, torn or without songs, StoreError.
    """
    from embed.bundle import load_bundle  # noqa: PLC0415 - --help waits for nothing
    from embed.catalogue import Catalogue  # noqa: PLC0415
    from embed.manifest import CATALOGUE_FILE  # noqa: PLC0415
    from embed.store.cache import local_copy  # noqa: PLC0415

    def load(bundle: Bundle) -> T:
        if bundle.manifest.spec is None:
            raise BundleError(f"{bundle.root}: holds no songs, add some with python -m embed")
        with closing(Catalogue(bundle.file(CATALOGUE_FILE))) as catalogue:
            return ask(bundle, catalogue)

    return load_bundle(local_copy(place, cache), load)
