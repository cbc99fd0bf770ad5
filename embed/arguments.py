"""Types of command line arguments that several commands share."""

from __future__ import annotations

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
