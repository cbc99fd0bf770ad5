"""``python -m embed push``, ``pull`` and ``rollback``: arguments and words only.

What programs read goes to standard output (the version), the rest to standard error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from embed.arguments import FolderType, PlaceType
from embed.store.place import Place, S3Url, split_version

_BUNDLE: Final = FolderType()
_STORE: Final = PlaceType()


@click.command("push", short_help="Bundle to store: a new version, made the latest.")
@click.argument("bundle", type=_BUNDLE)
@click.argument("store", type=_STORE)
@click.option(
    "--replacing",
    metavar="VERSION",
    help="The latest version that may be replaced, though BUNDLE has never been that one.",
)
def push_command(bundle: Path, store: Place, replacing: str | None) -> None:
    """Upload BUNDLE to STORE (a directory or s3://bucket/prefix) and make it the latest.

    Stopped at any moment it goes on where it was, and the old version is served meanwhile.
    When another writer pushed since BUNDLE was pulled, nothing is replaced. Prints the version.
    """
    from embed.store.push import push  # noqa: PLC0415 - --help waits for nothing
    from embed.store.versions import open_store, short  # noqa: PLC0415

    done = push(bundle, open_store(store), replacing)
    if done.before == done.version:
        _tell(f"{store}: {short(done.version)} is the latest already, and whole")
    else:
        was = "nothing" if done.before is None else short(done.before)
        _tell(f"{store}: latest is {short(done.version)}, was {was}")
    click.echo(done.version)


@click.command("pull", short_help="Store to bundle: the latest version, or another.")
@click.argument("store", type=_STORE)
@click.argument("bundle", type=_BUNDLE)
@click.option("--version", metavar="VERSION", help="Which one, or how it begins. [default: latest]")
def pull_command(store: Place, bundle: Path, version: str | None) -> None:
    """Fetch a version from STORE, check every byte, and put it at BUNDLE in one step.

    STORE may name the version itself: s3://bucket/prefix/versions/1f6a. Whatever goes wrong
    leaves BUNDLE as it was. Prints the version.
    """
    from embed.store.pull import pull  # noqa: PLC0415
    from embed.store.versions import open_store, short  # noqa: PLC0415

    if isinstance(store, S3Url):
        store, named = split_version(store)
        if named is not None and version is not None:
            raise click.UsageError(f"--version {version}: STORE names {named} already")
        version = version or named
    done = pull(open_store(store), bundle, version)
    news = f"{done.bytes / 1e6:,.1f} MB fetched" if done.bytes else "which it was already"
    _tell(f"{bundle}: {short(done.version)}, {done.manifest.songs} songs; {news}")
    click.echo(done.version)


@click.command("rollback", short_help="Make an older version the latest.")
@click.argument("store", type=_STORE)
@click.argument("version")
def rollback_command(store: Place, version: str) -> None:
    """Make VERSION (or what begins so) the latest of STORE; nothing else changes."""
    from embed.store.versions import open_store, short  # noqa: PLC0415

    before, now = open_store(store).rollback(version)
    if before == now:
        _tell(f"{store}: latest is {short(now)} already")
    else:
        _tell(f"{store}: latest is {short(now)}, was {short(before) if before else 'nothing'}")
    click.echo(now)


COMMANDS: Final = (push_command, pull_command, rollback_command)


def _tell(line: str) -> None:
    click.echo(line, err=True)
