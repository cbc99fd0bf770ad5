"""``publish``: a catalogue to Milvus, as a version; which there are; back to another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict, Unpack

import click

from embed.arguments import PlaceType
from embed.commands.opened import CACHE
from embed.commands.output import AS_JSON, print_json, print_table
from embed.store.place import Place

if TYPE_CHECKING:
    from embed.milvus.client import Milvus

_TIMEOUT_S: Final = 60.0
"""Of one call: a block of rows on a busy server takes seconds, and nobody waits for it."""


class _Wanted(TypedDict):
    keep: int
    rollback: str | None
    is_listing: bool


@click.command("publish", short_help="A catalogue to Milvus, as a version that readers switch to.")
@click.argument("bundle", type=PlaceType(), metavar="BUNDLE", required=False)
@click.option(
    "--milvus",
    "where",
    required=True,
    metavar="URI",
    help="http://host:19530, https://…, or a file path.db (Milvus Lite).",
)
@click.option("--collection", metavar="NAME", help="What the catalogue is called. [default: vibe]")
@click.option(
    "--token",
    envvar="VIBE_INDEX_TOKEN",
    default="",
    metavar="TOKEN",
    help="user:password, or an API key. [VIBE_INDEX_TOKEN]",
)
@click.option(
    "--keep", type=click.IntRange(1), default=3, show_default=True, help="Versions that stay."
)
@click.option("--rollback", metavar="VERSION", help="Switch to VERSION, or what begins so.")
@click.option("--list", "is_listing", is_flag=True, help="Only show the versions that are there.")
@CACHE
@AS_JSON
def publish_command(
    bundle: Place | None,
    where: str,
    collection: str | None,
    token: str,
    cache: Path | None,
    as_json: bool,
    **wanted: Unpack[_Wanted],
) -> None:
    """Load BUNDLE's embeddings into Milvus, and switch readers to them once all are there.

    Stopped at any moment, run it again: it goes on where it was. Prints the version.
    """
    rollback, is_listing = wanted["rollback"], wanted["is_listing"]
    if [bundle is not None, rollback is not None, is_listing].count(True) != 1:
        raise click.UsageError("expected one of BUNDLE, --rollback VERSION and --list")
    from embed.milvus.address import parse_address  # noqa: PLC0415 - --help waits for nothing
    from embed.milvus.client import Milvus  # noqa: PLC0415

    milvus = Milvus(parse_address(where, collection), token, _TIMEOUT_S)
    try:
        if bundle is not None:
            _publish(milvus, bundle, cache, wanted["keep"])
        elif rollback is not None:
            _roll_back(milvus, rollback)
        else:
            _list(milvus, as_json)
    finally:
        milvus.close()


def _publish(milvus: Milvus, place: Place, cache: Path | None, keep: int) -> None:
    from embed.bundle import load_bundle  # noqa: PLC0415
    from embed.milvus.publish import publish  # noqa: PLC0415
    from embed.milvus.versions import short  # noqa: PLC0415
    from embed.store.cache import local_copy  # noqa: PLC0415

    root = local_copy(place, cache)
    done = load_bundle(root, lambda bundle: publish(milvus, bundle, keep))
    if done.before == done.version:
        _tell(f"{milvus}: {short(done.version)} is current already; {done.written} rows written")
    else:
        was = "nothing" if done.before is None else short(done.before)
        _tell(f"{milvus}: current is {short(done.version)}, was {was}; {done.written} rows written")
    for version in done.dropped:
        _tell(f"{milvus}: dropped {short(version)}")
    click.echo(done.version)


def _roll_back(milvus: Milvus, part: str) -> None:
    from embed.milvus.publish import roll_back  # noqa: PLC0415
    from embed.milvus.versions import short  # noqa: PLC0415

    before, now = roll_back(milvus, part)
    was = "nothing" if before is None else short(before)
    _tell(f"{milvus}: current is {short(now)}, was {was}")
    click.echo(now)


def _list(milvus: Milvus, as_json: bool) -> None:
    from embed.milvus.versions import Versions, short  # noqa: PLC0415

    found = Versions(milvus).all()
    if as_json:
        listed = [
            {
                "version": one.version,
                "is_current": one.is_current,
                "is_whole": one.number is not None,
            }
            for one in found
        ]
        print_json({"milvus": milvus.address.uri, "versions": listed})
        return
    rows = [
        (short(one.version), "current" if one.is_current else "" if one.number else "not whole")
        for one in found
    ]
    print_table(("version", ""), rows)


def _tell(line: str) -> None:
    click.echo(line, err=True)
