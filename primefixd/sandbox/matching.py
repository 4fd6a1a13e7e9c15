"""How an order fares against the price: what becomes of it, and in how many parts it fills.

The imitation has all the liquidity in the world at one price (contract.md section 4, default behaviour), so an order
fills as a whole or not at all; only `venue.fill` makes partly filled orders that rest.
"""

from decimal import Decimal
from enum import Enum, auto
from random import Random  # noqa: TID251 - how an order is split must be repeatable for a seed

from primefixd.sandbox.asks import NewOrder, Side, Tif
from primefixd.sandbox.values import BASE_INCREMENT, down, minus, product

PARTS_MAX = 3


class Fate(Enum):
    FILL = auto()
    REST = auto()
    CANCEL = auto()
    REJECT = auto()


def crosses(ask: NewOrder, price: Decimal) -> bool:
    """Whether the order can trade at `price`; one without a limit always can."""
    if ask.price is None:
        return True
    return price <= ask.price if ask.side == Side.BUY else price >= ask.price


def fate(ask: NewOrder, price: Decimal) -> Fate:
    """What becomes of an order that meets the market at `price` (prime-fix.md section 7)."""
    if crosses(ask, price):
        return Fate.REJECT if ask.post_only else Fate.FILL
    if ask.time_in_force == Tif.IOC:
        return Fate.CANCEL
    return Fate.REJECT if ask.time_in_force == Tif.FOK else Fate.REST


def parts(quantity: Decimal, draw: Random) -> list[Decimal]:
    """`quantity` in one to three positive parts that sum to it."""
    count, rest, result = draw.randint(1, PARTS_MAX), quantity, []
    for _ in range(count - 1):
        share = down(product(rest, Decimal(draw.randint(20, 70)) / 100), BASE_INCREMENT)
        if share > 0:
            result.append(share)
            rest = minus(rest, share)
    return [*result, rest]


def says_partial(count: int, draw: Random) -> bool:
    """Whether the last of `count` fills still says 39=1, as this venue can (prime-fix.md section 5)."""
    return count > 1 and draw.randrange(4) == 0
