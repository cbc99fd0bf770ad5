"""``python -m export``: arguments and exit codes only.

Exit codes: 0 the model is in the bundle, 2 nothing was written, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import click

from embed.errors import VibeError

_NOTHING_DONE, _INTERRUPTED = 2, 130
_DIRECTORY: Final = click.Path(path_type=Path)


@click.command()
@click.option(
    "--model",
    "source",
    required=True,
    metavar="HUB_ID|DIR",
    help="laion/clap-htsat-unfused, or a directory as save_pretrained writes it.",
)
@click.option("--revision", help="Branch, tag or commit on the hub. [default: its main branch]")
@click.option("--to", required=True, type=_DIRECTORY, metavar="BUNDLE", help="Where it goes.")
@click.option("--precision", type=click.Choice(["fp32", "int8"]), default="fp32", show_default=True)
@click.option(
    "--verify-with",
    type=_DIRECTORY,
    metavar="DIR",
    help="A folder of songs to judge the model on, beside synthetic sounds.",
)
@click.option(
    "--accept-loss",
    is_flag=True,
    help="Write the model even where it misses its limits; the manifest says so.",
)
@click.option("--verbose", is_flag=True, help="Let PyTorch's and the hub's own messages through.")
def main(verbose: bool, **arguments: Any) -> None:  # noqa: ANN401 (the fields of Order)
    """CLAP's audio tower, from a PyTorch checkpoint to the model in a bundle.

    The model is held against PyTorch before it is written; one that fails is refused, and
    what the bundle held stays.
    """
    # Imported late: torch takes seconds, --help and wrong use must not.
    from export.quiet import quiet  # noqa: PLC0415

    try:
        with quiet(not verbose):
            from export.ship import Order, ship  # noqa: PLC0415

            ship(Order(**arguments), click.echo)
    except VibeError as error:
        _fail(str(error))
    except OSError as error:
        _fail(": ".join(str(part) for part in (error.filename, error.strerror or error) if part))
    except KeyboardInterrupt:
        click.echo("stopped; nothing was written", err=True)
        sys.exit(_INTERRUPTED)
    click.echo(f"{arguments['to']}: ready")


def _fail(message: str) -> None:
    click.echo(f"error: {message}", err=True)
    sys.exit(_NOTHING_DONE)


if __name__ == "__main__":
    main(prog_name="python -m export")
