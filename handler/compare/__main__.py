"""``python -m handler.compare``: arguments, a table, and exit codes only.

Exit codes: 0 every answer was equal, 1 some were not, 2 wrong use or a target out of reach.
"""

from __future__ import annotations

import math
import sys

import click

from embed.errors import VibeError
from handler.compare.costs import HOURS_PER_MONTH, Costs, Prices, costs
from handler.compare.functions import function_target
from handler.compare.load import Measured, differences, measure, requests_for
from handler.compare.targets import Answer, HttpTarget, Request

_SHOWN = 5
_USD = click.FloatRange(min=0)


@click.command()
@click.option("--http", required=True, metavar="URL", help="The service, such as http://IP:30080.")
@click.option(
    "--lambda",
    "function",
    required=True,
    metavar="NAME|URL",
    help="A function's name or ARN, or http://HOST:PORT of Lambda's emulator.",
)
@click.option("--requests", type=click.IntRange(1), default=1000, show_default=True)
@click.option("--concurrency", type=click.IntRange(1), default=4, show_default=True)
@click.option(
    "--usd-per-million-requests", "per_million_requests", type=_USD, default=0.20, show_default=True
)
@click.option("--usd-per-gb-s", "per_gb_s", type=_USD, default=1.66667e-5, show_default=True)
@click.option("--memory-mb", type=click.IntRange(128), default=1769, show_default=True)
@click.option("--usd-per-node-hour", "node_hour", type=_USD, default=0.0306, show_default=True)
def main(http: str, function: str, requests: int, concurrency: int, **stated: float) -> None:
    """Send the same load to the HTTP service and to the Lambda function, and compare.

    Prices are defaults to be checked: Lambda's on x86 and an hour of a c6a.large on the spot
    market, us-east-1, as infra/README.md has them.
    """
    prices = Prices(**stated)
    try:
        service, other = HttpTarget(http), function_target(function, concurrency)
        first = other.send(Request("GET", "/health"))
        mix = requests_for(service)
        unequal = differences(mix, service, other)
        found = {t.name: measure(mix, t, requests, concurrency) for t in (service, other)}
    except VibeError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    click.echo(f"{len(mix)} different requests: {len(mix) - len(unequal)} answers are equal")
    for line in unequal[:_SHOWN]:
        click.echo(f"  {line}")
    click.echo(f"cold start of {other.name}: {_cold(first, found[other.name])}")
    for name, target in found.items():
        click.echo(_line(name, target))
    bill = costs(prices, found[other.name].billed_ms, found[service.name].rps)
    for line in _costs(prices, bill, found[service.name].rps):
        click.echo(line)
    sys.exit(1 if unequal else 0)


def _cold(first: Answer, under_load: Measured) -> str:
    took, inits = f"{1e3 * first.seconds:.0f} ms", sorted(under_load.inits_ms)
    if first.init_ms is not None:
        said = f"{took} for the first event, of which initialisation {first.init_ms:.0f} ms"
    elif first.billed_ms is not None:
        said = f"not met by the first event, which took {took}: an instance was warm"
    else:  # the emulator, which starts its function with the first event it gets
        said = f"{took} for the first event"
    if inits:
        said += f"; {len(inits)} more under load, initialisation {inits[0]:.0f}–{inits[-1]:.0f} ms"
    return said


def _line(name: str, found: Measured) -> str:
    return (
        f"{name}: p50 {found.p50_ms:.1f} ms, p95 {found.p95_ms:.1f} ms, p99 {found.p99_ms:.1f} ms, "
        f"{found.rps:,.0f} requests/s"
    )


def _costs(prices: Prices, bill: Costs, node_rps: float) -> list[str]:
    lines = [
        f"Lambda at {prices.memory_mb:.0f} MB: ${bill.lambda_per_million:.2f} a million requests",
        f"one node at ${prices.node_hour:g} an hour: ${bill.node_per_month:.2f} a month of "
        f"{HOURS_PER_MONTH} h, ${bill.node_per_million:.3f} a million requests when it is busy",
    ]
    if math.isinf(bill.break_even_rps):
        return [*lines, "break-even: none, Lambda costs nothing at these prices"]
    fits = "which it can" if bill.break_even_rps <= node_rps else "more than was measured of it"
    return [
        *lines,
        f"break-even: {bill.break_even_rps:.2f} requests/s day and night "
        f"({bill.break_even_rps * 86400:,.0f} a day); above it the node is cheaper, {fits} answer",
    ]


if __name__ == "__main__":
    main(prog_name="python -m handler.compare")
