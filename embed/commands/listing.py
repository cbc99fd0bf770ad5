"""``list``: the songs of a bundle, or the versions of a store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from embed.arguments import PlaceType
from embed.commands.opened import CACHE, of_songs
from embed.commands.output import AS_JSON, length, print_json, print_table
from embed.store.place import Place, split_version

if TYPE_CHECKING:
    from embed.catalogue import Catalogue, Song
    from embed.store.versions import Version


@click.command("list", short_help="Songs of a bundle, or versions in a store, newest first.")
@click.argument("place", type=PlaceType())
@click.option("--songs", is_flag=True, help="Of a store: the songs of its latest version.")
@click.option("--query", metavar="PART", help="Only songs whose name holds PART.")
@click.option("--artist", metavar="NAME", help="Only songs of this artist.")
@click.option("--limit", type=click.IntRange(min=0), help="So many songs at most. [default: all]")
@CACHE
@AS_JSON
def list_command(
    place: Place,
    songs: bool,
    query: str | None,
    artist: str | None,
    limit: int | None,
    cache: Path | None,
    as_json: bool,
) -> None:
    """What is in PLACE, a bundle or a store; either is a directory or s3://bucket/prefix.

    Of a bundle (or with --songs, or s3://…/versions/1f6a…) every song, by name; of a store every
    version: its digest, when it was pushed, songs, model, which is latest.
    """
    if not (songs or _is_bundle(place)):
        if (query, artist, limit) != (None, None, None):
            raise click.UsageError(
                f"{place} is a store: --query, --artist and --limit need --songs"
            )
        _list_versions(place, as_json)
        return
    found, total = of_songs(
        _latest(place), cache, lambda _, catalogue: _chosen(catalogue, query, artist, limit)
    )
    if as_json:
        print_json({"songs": [_song(one) for one in found], "total": total})
        return
    rows = [(one.name, length(one.duration_s), one.path) for one in found]
    print_table(("song", "length", "path"), rows)
    if len(found) < total:
        click.echo(f"{len(found)} of {total} songs", err=True)


def _is_bundle(place: Place) -> bool:
    from embed.bundle import MANIFEST_FILE, PENDING  # noqa: PLC0415

    if isinstance(place, Path):
        return any((place / name / MANIFEST_FILE).exists() for name in ("", PENDING))
    return split_version(place)[1] is not None


def _latest(place: Place) -> Place:
    """Where the bundle lies: of a store in a directory, that of its latest version."""
    if not isinstance(place, Path) or _is_bundle(place):
        return place
    from embed.store.versions import open_store  # noqa: PLC0415

    return place / "versions" / open_store(place).resolve(None)


def _chosen(
    catalogue: Catalogue,
    query: str | None,
    artist: str | None,
    limit: int | None,
) -> tuple[list[Song], int]:
    """The songs that ``query`` and ``artist`` let pass, up to ``limit``, and how many do."""
    from embed.names import fold  # noqa: PLC0415

    rows = None if query is None else set(catalogue.lookup.containing(query))
    folded = None if artist is None else fold(artist)
    found = [
        song
        for row, song in enumerate(catalogue.songs())
        if (rows is None or row in rows)
        and (folded is None or (song.artist is not None and fold(song.artist) == folded))
    ]
    return found[:limit], len(found)


def _song(song: Song) -> dict[str, Any]:
    return {
        "id": song.id,
        "name": song.name,
        "artist": song.artist,
        "title": song.title,
        "duration_s": song.duration_s,
        "path": song.path,
    }


def _list_versions(place: Place, as_json: bool) -> None:
    from embed.store.versions import open_store  # noqa: PLC0415

    versions = open_store(place).versions()
    if as_json:
        print_json({"versions": [_version(one) for one in versions]})
        return
    if not versions:
        click.echo(f"{place}: no versions", err=True)
    for version in versions:
        click.echo(_line(version))


def _version(version: Version) -> dict[str, Any]:
    manifest = version.manifest
    model = None if manifest is None else manifest.model
    return {
        "version": version.digest,
        "pushed": version.pushed.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "is_latest": version.is_latest,
        "songs": None if manifest is None else manifest.songs,
        "model": model and {"id": model.id, "kind": model.kind, "precision": model.precision},
        "problem": version.problem or None,
    }


def _line(version: Version) -> str:
    pushed = version.pushed.strftime("%Y-%m-%d %H:%M:%SZ")
    mark = "  latest" if version.is_latest else ""
    if version.manifest is None:
        return f"{version.digest}  {pushed}  damaged: {version.problem}{mark}"
    model = version.manifest.model
    name = "no model" if model is None else f"{model.id} ({model.precision})"
    return f"{version.digest}  {pushed}  {version.manifest.songs:>7} songs  {name}{mark}"
