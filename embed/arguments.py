"""Types of command line arguments that several commands share."""

from __future__ import annotations

import click

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
