"""``verify``: whether a bundle is whole, and its parts belong together."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from embed.commands.opened import BUNDLE, CACHE
from embed.commands.output import AS_JSON, print_json, print_table
from embed.errors import BundleError
from embed.store.place import Place

if TYPE_CHECKING:
    from embed.bundle import Bundle
    from embed.catalogue import Catalogue

_DAMAGED: Final = 2


class Check(NamedTuple):
    """One thing that was looked at; ``problem`` is None when it is as it should be."""

    name: str
    problem: str | None


@click.command("verify", short_help="Check every byte of a bundle, and that its parts agree.")
@BUNDLE
@CACHE
@AS_JSON
def verify_command(bundle: Place, cache: Path | None, as_json: bool) -> None:
    """Check BUNDLE: the manifest, every file's SHA-256, songs against vectors, unit length.

    Exit code 0: whole. 2: not, and each problem is listed.
    """
    from embed.store.cache import local_copy  # noqa: PLC0415 - --help waits for nothing

    root = local_copy(bundle, cache)
    checks = list(verify(root))
    is_whole = all(one.problem is None for one in checks)
    if as_json:
        listed = [{"check": one.name, "problem": one.problem} for one in checks]
        print_json({"bundle": str(root), "is_whole": is_whole, "checks": listed})
    else:
        print_table(("check", ""), [(one.name, one.problem or "ok") for one in checks])
    sys.exit(0 if is_whole else _DAMAGED)


def verify(root: Path) -> Iterator[Check]:
    """Each check of the bundle at ``root``; later ones are left out when they cannot be made."""
    from embed.bundle import open_bundle  # noqa: PLC0415

    opened: list[Bundle] = []
    yield _check("manifest", lambda: opened.append(open_bundle(root)))
    if not opened:
        return
    [bundle] = opened
    broken: set[str] = set()
    for name in bundle.manifest.files:
        check = _check(name, partial(bundle.file, name))
        if check.problem is not None:
            broken.add(name)
        yield check
    if bundle.manifest.spec is not None:
        yield from _songs(bundle, broken)


def _songs(bundle: Bundle, broken: set[str]) -> Iterator[Check]:
    from embed.catalogue import Catalogue  # noqa: PLC0415
    from embed.indexfile import has_index  # noqa: PLC0415
    from embed.manifest import CATALOGUE_FILE, VECTORS_FILE  # noqa: PLC0415
    from embed.opening import open_index  # noqa: PLC0415
    from embed.vectorfile import VectorFile  # noqa: PLC0415

    counts = {"manifest": bundle.manifest.songs}
    catalogue: Catalogue | None = None

    def open_catalogue() -> None:
        nonlocal catalogue
        catalogue = Catalogue(bundle.file(CATALOGUE_FILE, verify=False))

    def count_vectors() -> None:
        with closing(VectorFile(bundle.file(VECTORS_FILE, verify=False))) as vectors:
            vectors.check_all()
            counts["vectors"] = len(vectors)

    if CATALOGUE_FILE not in broken:
        yield _check("catalogue opens", open_catalogue)
    if catalogue is not None:
        with closing(catalogue):
            counts["catalogue"] = len(catalogue)
            yield _check("songs' ids", partial(_check_ids, catalogue))
            yield _check("songs' spec", partial(_check_spec, bundle, catalogue))
    if VECTORS_FILE not in broken:
        yield _check("vectors of unit length", count_vectors)
    if has_index(bundle):
        yield _check("index of these vectors", lambda: open_index(bundle).close())
    yield _check("counts", partial(_check_counts, counts))


def _check_ids(catalogue: Catalogue) -> None:
    from embed.catalogue import song_id  # noqa: PLC0415

    for song in catalogue.songs():
        if song.path and song.id != song_id(song.path):
            raise BundleError(f"{song.path}: its id is {song.id}, expected {song_id(song.path)}")


def _check_spec(bundle: Bundle, catalogue: Catalogue) -> None:
    assert bundle.manifest.spec is not None
    expected = bundle.manifest.spec.digest
    if catalogue.spec_digest != expected:
        raise BundleError(f"the songs' is {catalogue.spec_digest}, the manifest says {expected}")


def _check_counts(counts: dict[str, int]) -> None:
    if len(set(counts.values())) > 1:
        said = ", ".join(f"{number} in the {place}" for place, number in counts.items())
        raise BundleError(said)


def _check(name: str, look: Callable[[], object]) -> Check:
    try:
        look()
    except BundleError as error:
        return Check(name, str(error))
    except OSError as error:
        return Check(name, f"{error.filename}: {error.strerror}")
    return Check(name, None)
