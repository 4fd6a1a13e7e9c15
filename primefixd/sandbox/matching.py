"""How an order stands to the price: whether it trades, at what price, and in how many parts; stops and pegs included.

The imitation has all the liquidity in the world at one price (contract.md section 4, default behaviour), so an order
fills as a whole or not at all; only slices and `venue.fill` make partly filled orders that rest. Rules of its own where
the venue says nothing: a stop waits until the market touches StopPx and stays triggered; a peg stands at its offset
behind the market and fills when one step of the market reaches it, or when the market is as good as WigLevel.
"""

from decimal import Decimal
from random import Random  # noqa: TID251 - how an order is split must be repeatable for a seed
from typing import Final

from primefixd.orders.model import PegOffsetType
from primefixd.prime.venue import PEG_OFFSET_LETTERS
from primefixd.sandbox.asks import NewOrder, Side, Target
from primefixd.sandbox.book import VenueOrder
from primefixd.sandbox.values import BASE_INCREMENT, down, minus, product, total

PARTS_MAX = 3
BASIS_POINT: Final = Decimal("0.0001")
DEPTH_SLOPE: Final = BASIS_POINT  # how far behind the market one base unit of cumulative depth reaches


def reaches(side: str, price: Decimal, limit: Decimal | None) -> bool:
    """Whether a market at `price` is as good as `limit` for that side; without a limit it always is."""
    if limit is None:
        return True
    return price <= limit if side == Side.BUY else price >= limit


def crosses(order: VenueOrder, price: Decimal) -> bool:
    """Whether the order can trade while the market stands at `price`."""
    ask = order.ask
    match ask.strategy:
        case Target.RFQ:
            return True  # whoever made the quote stands by it
        case Target.STOP_LIMIT if not order.triggered:
            return False
        case Target.PEG:
            return reaches(ask.side, price, order.pegged) or _would_take(ask, price)
    return reaches(ask.side, price, ask.price)


def fill_price(order: VenueOrder, price: Decimal) -> Decimal:
    """At what price an order fills that crosses the market at `price`: its own, if it had to wait or was quoted."""
    ask = order.ask
    if ask.price is not None and ask.strategy == Target.RFQ:
        return ask.price
    if ask.strategy == Target.PEG and not reaches(ask.side, price, order.pegged):
        return price
    return working_price(order) or price if order.rested else price


def working_price(order: VenueOrder) -> Decimal | None:
    """Where an open order stands on the book: its limit, or where the peg has come to; None for a waiting stop."""
    if order.ask.strategy == Target.STOP_LIMIT and not order.triggered:
        return None
    return order.pegged if order.ask.strategy == Target.PEG else order.ask.price


def trigger(order: VenueOrder, price: Decimal) -> None:
    """Sets a stop off when the market has come to its StopPx: from below for a BUY, from above for a SELL."""
    ask = order.ask
    if ask.strategy == Target.STOP_LIMIT and ask.stop is not None and not order.triggered:
        order.triggered = price >= ask.stop if ask.side == Side.BUY else price <= ask.stop


def follow(order: VenueOrder, price: Decimal) -> None:
    """Moves a peg to its offset behind the market, never beyond its limit."""
    ask = order.ask
    if ask.strategy != Target.PEG or ask.price is None:
        return
    offset = _distance(ask, price)
    if ask.side == Side.BUY:
        order.pegged = max(min(minus(price, offset), ask.price), BASE_INCREMENT)
    else:
        order.pegged = max(total([price, offset]), ask.price)


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


def _distance(ask: NewOrder, price: Decimal) -> Decimal:
    offset = ask.peg_offset or Decimal(0)
    if ask.peg_type == PEG_OFFSET_LETTERS[PegOffsetType.BPS]:
        return product(price, product(offset, BASIS_POINT))
    if ask.peg_type == PEG_OFFSET_LETTERS[PegOffsetType.DEPTH]:
        return product(price, product(offset, DEPTH_SLOPE))
    return offset


def _would_take(ask: NewOrder, price: Decimal) -> bool:
    return ask.wig is not None and reaches(ask.side, price, ask.wig) and reaches(ask.side, price, ask.price)
