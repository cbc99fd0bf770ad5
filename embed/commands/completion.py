"""What a shell offers at the Tab key, beyond commands and options; see docs/cli.md."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import Final

import click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class

_OFFERED: Final = 50
_UNSAFE: Final = re.compile(r"([^\w@%+=:,./-])")


class _QuotingBash(BashComplete):
    """bash takes what it is offered as it is: a name's spaces would end the word.

    zsh and fish quote by themselves.
    """

    def format_completion(self, item: CompletionItem) -> str:
        """See click; files and folders bash looks up, and quotes, itself."""
        if item.type == "plain":
            # Two: one of them goes when click's script reads the line.
            return "plain," + _UNSAFE.sub(r"\\\\\1", item.value)
        return super().format_completion(item)


add_completion_class(_QuotingBash)


def complete_song(
    ctx: click.Context,
    param: click.Parameter,  # noqa: ARG001 - click's shape
    incomplete: str,
) -> list[CompletionItem]:
    """Songs of the bundle named before whose names begin so, case aside."""
    from embed.bundle import open_bundle  # noqa: PLC0415
    from embed.catalogue import Catalogue  # noqa: PLC0415
    from embed.errors import VibeError  # noqa: PLC0415
    from embed.manifest import CATALOGUE_FILE  # noqa: PLC0415
    from embed.names import fold  # noqa: PLC0415

    place = ctx.params.get("bundle")
    if not isinstance(place, Path):  # none yet, or on S3: too slow for a key
        return []
    begin = fold(incomplete)
    try:
        # Its digest is not checked: a wrong offer harms nobody.
        file = open_bundle(place).file(CATALOGUE_FILE, verify=False)
        with closing(Catalogue(file)) as catalogue:
            rows = catalogue.lookup.containing(incomplete) if begin else range(len(catalogue))
            names = [catalogue.names[row] for row in rows]
    except (VibeError, OSError):
        return []
    fitting = [name for name in dict.fromkeys(names) if fold(name).startswith(begin)]
    return [CompletionItem(name) for name in fitting[:_OFFERED]]
