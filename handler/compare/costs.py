"""What requests cost on Lambda and on one spot node, from prices that the user states."""

from __future__ import annotations

import math
from dataclasses import dataclass

HOURS_PER_MONTH = 730
_SECONDS_PER_MONTH = HOURS_PER_MONTH * 3600


@dataclass(frozen=True, slots=True)
class Prices:
    """In US dollars; the memory is the function's, the node's price that of an hour."""

    per_million_requests: float
    per_gb_s: float
    memory_mb: float
    node_hour: float


@dataclass(frozen=True, slots=True)
class Costs:
    """Dollars for a million requests on Lambda, and on a node that is kept busy.

    ``break_even_rps`` is the load at which a month of Lambda costs what the node does: below
    it Lambda is cheaper, above it the node is, as long as the load fits it. Infinite where Lambda
    costs nothing.
    """

    lambda_per_million: float
    node_per_million: float
    node_per_month: float
    break_even_rps: float


def costs(prices: Prices, billed_ms: float, node_rps: float) -> Costs:
    """``billed_ms`` is what Lambda bills a request for in the mean, ``node_rps`` what one node
    answers."""
    gb_s = prices.memory_mb / 1024 * billed_ms / 1000
    per_request = prices.per_million_requests / 1e6 + gb_s * prices.per_gb_s
    month = prices.node_hour * HOURS_PER_MONTH
    return Costs(
        lambda_per_million=per_request * 1e6,
        node_per_million=prices.node_hour / 3600 / node_rps * 1e6,
        node_per_month=month,
        break_even_rps=month / _SECONDS_PER_MONTH / per_request if per_request else math.inf,
    )
