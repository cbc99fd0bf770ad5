"""Types of command line arguments that several commands share."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem

from embed.errors import StoreError
from embed.store.place import Place, parse_place


class PlaceType(click.ParamType[Place]):
    """A directory, or ``s3://bucket/prefix``."""

    name = "directory|s3://bucket/prefix"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Place:
        """See click; text that is neither is wrong use."""
        try:
            return parse_place(str(value))
        except StoreError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's shape
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """Directories; what is in a bucket is not looked up."""
        return [CompletionItem(incomplete, type="dir")]


class FolderType(click.ParamType[Path]):
    """A directory, and no S3 URL: of ``s3://x`` a path library would make a folder ``s3:/x``."""

    name = "directory"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        """See click; what is no directory's name is wrong use."""
        try:
            place = parse_place(str(value))
        except StoreError as error:
            self.fail(str(error), param, ctx)
        if not isinstance(place, Path):
            self.fail(f"{place}: expected a directory on this machine", param, ctx)
        return place

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - as above
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """Directories."""
        return [CompletionItem(incomplete, type="dir")]
