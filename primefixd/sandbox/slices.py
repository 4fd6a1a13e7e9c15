"""When a TWAP or VWAP trades, and how much: the venue's execution over time (prime-fix.md section 3, 168, 126, 849).

Between EffectiveTime (or its acceptance, if that is later) and ExpireTime such an order has ten slices, the first at
once: a TWAP equal ones, a VWAP more at both ends, as the volume of a day goes. A slice trades while the market is
within the order's limit; what one could not, the next makes up for, and what the last leaves expires. With a
ParticipationRate it trades its share of an assumed volume every few seconds until it is done or ExpireTime comes; the
unit of 849 is not known (prime-fix.md section 7), so up to 1 it is read as a fraction and above as per cent.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from primefixd.clock import Moment
from primefixd.sandbox.asks import NewOrder, Target
from primefixd.sandbox.book import VenueOrder
from primefixd.sandbox.fees import tradable
from primefixd.sandbox.values import BASE_INCREMENT, down, minus, product, quotient

SLICES: Final = {Target.TWAP: (10,) * 10, Target.VWAP: (15, 10, 9, 8, 8, 8, 8, 9, 10, 15)}  # per cent of the size
STEP: Final = timedelta(seconds=5)  # between the slices of a participation
VOLUME: Final = Decimal(300_000)  # what the market is assumed to trade in one STEP, quote units, in any product


def following(order: VenueOrder, now: Moment) -> datetime | None:
    """When the next slice is due, at `now` if a replace has brought it into the past; None if there is none."""
    ask, begin = order.ask, _begin(order)
    if order.last_slice is None:
        return max(begin, now.utc)
    step = _step(ask, begin)
    due = max(begin + step * ((order.last_slice - begin) // step + 1), now.utc)
    return None if ask.expires is not None and due >= ask.expires else due


def quantity(order: VenueOrder, price: Decimal) -> Decimal:
    """Base units that the last slice may still trade at `price`; 0 before the first."""
    ask, left = order.ask, order.leaves(price)
    if order.last_slice is None:
        return Decimal(0)
    if ask.participation is not None:
        rate = ask.participation if ask.participation <= 1 else ask.participation / 100
        return min(left, quotient(product(VOLUME, min(rate, Decimal(1))), price, BASE_INCREMENT))
    later = _later_share(order, order.last_slice)
    size = ask.quantity if ask.quantity is not None else quotient(tradable(ask), price, BASE_INCREMENT)
    return max(minus(left, down(product(size, later), BASE_INCREMENT)), Decimal(0))


def _later_share(order: VenueOrder, last: datetime) -> Decimal:
    """The share of the order that belongs to slices after the one at `last`."""
    begin = _begin(order)
    done = max(last - begin, timedelta(0)) // _step(order.ask, begin) + 1
    return Decimal(sum(_weights(order.ask)[done:])) / 100


def _begin(order: VenueOrder) -> datetime:
    return max(order.ask.starts or order.placed.utc, order.placed.utc)


def _step(ask: NewOrder, begin: datetime) -> timedelta:
    if ask.participation is not None or ask.expires is None:
        return STEP
    return max((ask.expires - begin) / len(_weights(ask)), timedelta(milliseconds=1))


def _weights(ask: NewOrder) -> tuple[int, ...]:
    return SLICES[Target(ask.strategy or "")]
