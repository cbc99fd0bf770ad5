"""``info``: what a bundle holds, by which model it was made, and how much that is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from embed.commands.opened import BUNDLE, CACHE
from embed.commands.output import AS_JSON, length, print_json, print_table
from embed.store.place import Place

if TYPE_CHECKING:
    from embed.bundle import Bundle
    from embed.catalogue import Catalogue


@click.command("info", short_help="What a bundle holds: model, spec, counts, sizes.")
@BUNDLE
@CACHE
@AS_JSON
def info_command(bundle: Place, cache: Path | None, as_json: bool) -> None:
    """What BUNDLE says of itself: version, model and how it was verified, spec, files."""
    from embed.bundle import load_bundle  # noqa: PLC0415 - --help waits for nothing
    from embed.store.cache import local_copy  # noqa: PLC0415

    facts = load_bundle(local_copy(bundle, cache), _facts)
    if as_json:
        print_json(facts)
        return
    for name, value in _lines(facts):
        click.echo(f"{name:<14}{value}")
    files = facts["manifest"]["files"]
    click.echo()
    print_table(
        ("file", "bytes", "sha256"),
        [(name, one["bytes"], one["sha256"][:12]) for name, one in files.items()],
    )


def _facts(bundle: Bundle) -> dict[str, Any]:
    """The manifest as it is, and what follows from it or is counted in the catalogue."""
    manifest = bundle.manifest
    counted: dict[str, Any] = {"artists": 0, "duration_s": 0.0}
    if manifest.spec is not None:
        from contextlib import closing  # noqa: PLC0415

        from embed.catalogue import Catalogue  # noqa: PLC0415
        from embed.manifest import CATALOGUE_FILE  # noqa: PLC0415

        with closing(Catalogue(bundle.file(CATALOGUE_FILE))) as catalogue:
            counted = _counted(catalogue)
    return {
        "bundle": str(bundle.root),
        "version": manifest.version,
        "bytes": sum(one.bytes for one in manifest.files.values()),
        **counted,
        "manifest": json.loads(manifest.to_bytes()),
    }


def _counted(catalogue: Catalogue) -> dict[str, Any]:
    from embed.names import fold  # noqa: PLC0415

    artists: set[str] = set()
    duration_s = 0.0
    for song in catalogue.songs():
        duration_s += song.duration_s
        if song.artist is not None:
            artists.add(fold(song.artist))
    return {"artists": len(artists), "duration_s": round(duration_s, 3)}


def _lines(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    manifest = facts["manifest"]
    yield "bundle", facts["bundle"]
    yield "version", facts["version"]
    yield "format", str(manifest["format"])
    songs = f"{manifest['counts']['songs']:,}, by {facts['artists']:,} artists"
    yield "songs", f"{songs}, {length(facts['duration_s'])} in all"
    yield "size", f"{facts['bytes'] / 1e6:,.1f} MB in {len(manifest['files'])} files"
    model = manifest["model"]
    if model is None:
        yield "model", "none: the embeddings were imported"
    else:
        yield "model", f"{model['id']} ({model['kind']}, {model['precision']})"
        if model["revision"]:
            yield "revision", model["revision"]
        for name, value in model["verification"].items():
            yield "verified", f"{name}: {value}"
    if spec := manifest["spec"]:
        yield "windows", f"{spec['windows']}, {spec['pooling']}"
        yield "spec", manifest["spec_digest"]
