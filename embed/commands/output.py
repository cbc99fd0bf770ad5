"""What commands print: a table for people, or one JSON document for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

AS_JSON: Final = click.option(
    "--json", "as_json", is_flag=True, help="One JSON document on standard output (docs/cli.md)."
)


def print_json(value: Mapping[str, Any]) -> None:
    """``value`` on standard output; other scripts' letters stay as they are."""
    # A name may hold half of a surrogate pair (file names do), which no UTF-8 can.
    text = json.dumps(value, indent=2, ensure_ascii=False)
    click.echo(text.encode("utf-8", "backslashreplace").decode())


def print_table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """``rows`` in columns, numbers to the right; nothing when there are none."""
    if rows:
        from tabulate import tabulate  # noqa: PLC0415 - --help waits for nothing

        shown = [[_shown(cell) for cell in row] for row in rows]
        numeric = [
            all(isinstance(row[at], int | float) for row in rows) for at in range(len(headers))
        ]
        align = ["right" if one else "left" for one in numeric]
        click.echo(tabulate(shown, headers, "simple", disable_numparse=True, colalign=align))


def length(seconds: float) -> str:
    """``3:05``, or ``1:02:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _shown(cell: object) -> str:
    # What comes from tags must not steer a terminal.
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in str(cell))
