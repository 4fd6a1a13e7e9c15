"""The prices of the imitation's products: one seeded walk each, a step a second.

It knows nothing of orders. A price that was set by hand stays until it is set again, so that a test or a rehearsal can
say what will fill.
"""

from decimal import Decimal
from random import Random  # noqa: TID251 - prices must be repeatable for a seed, and this is the imitation, not the daemon
from typing import Final

from attrs import frozen

from primefixd.clock import Moment

STEP_S: Final = 1.0
STEPS_MAX = 3_600  # steps made up for in one go after the clock jumped; what lies before them is left out
STEP_MAX_BASIS_POINTS = 3
FIRST_PRICES: Final = {
    "BTC-USD": Decimal("60000.00"),
    "ETH-USD": Decimal("3000.00"),
    "SOL-USD": Decimal("150.00"),
    "LTC-USD": Decimal("80.00"),
    "DOGE-USD": Decimal("0.15000"),
}


@frozen
class Tick:
    product_id: str
    price: Decimal


def increment(product_id: str) -> Decimal:
    """The smallest difference between two prices of a product that is traded here."""
    return Decimal(1).scaleb(int(FIRST_PRICES[product_id].as_tuple().exponent))


class Market:
    """Where every product trades now. The same seed gives the same price at the same age of the market."""

    def __init__(self, seed: int, now: Moment) -> None:
        self._began = now.mono
        self._steps = 0
        self._prices = dict(FIRST_PRICES)
        self._walks = {product_id: Random(f"{seed} {product_id}") for product_id in FIRST_PRICES}

    def __contains__(self, product_id: str) -> bool:
        return product_id in self._prices

    def price(self, product_id: str) -> Decimal:
        """The price in quote units for one base unit; KeyError for a product that is not traded here."""
        return self._prices[product_id]

    def set(self, product_id: str, price: Decimal) -> Tick:
        """Moves the product to `price`, where it stays."""
        self._prices[product_id] = price
        self._walks.pop(product_id, None)
        return Tick(product_id, price)

    def advance(self, now: Moment) -> list[Tick]:
        """Every step that came due since the last call, oldest first."""
        due = int((now.mono - self._began) / STEP_S)
        missing = min(due - self._steps, STEPS_MAX)
        self._steps = max(due, self._steps)
        return [self._step(product_id) for _ in range(missing) for product_id in self._walks]

    def _step(self, product_id: str) -> Tick:
        draw = self._walks[product_id].randint(-STEP_MAX_BASIS_POINTS, STEP_MAX_BASIS_POINTS)
        step = increment(product_id)
        moved = (self._prices[product_id] * (10_000 + draw) / 10_000).quantize(step)
        self._prices[product_id] = max(moved, step)
        return Tick(product_id, self._prices[product_id])
