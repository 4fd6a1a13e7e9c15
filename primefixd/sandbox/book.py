"""Everything the venue knows of orders: the book, the oracle of tests.

It remembers and looks up; it decides nothing and forgets nothing. Orders are found by OrderID, and by every ClOrdID
that they have gone by, each unique in a portfolio for a rolling 24 hours (prime-fix.md section 1, identifiers).
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from attrs import Factory, define, field, frozen

from primefixd.clock import Moment
from primefixd.sandbox.asks import NewOrder, ReplaceAsk
from primefixd.sandbox.fees import tradable
from primefixd.sandbox.values import AVERAGE_INCREMENT, BASE_INCREMENT, minus, product, quotient, total

IDEMPOTENCY_S: Final = 24 * 3600.0
ORDERS_MAX = 1_000_000  # past it new orders are rejected (103=3), since nothing may be forgotten


class OrdStatus(StrEnum):
    """The letters of tag 39 that this venue uses."""

    NEW = "0"
    PARTIALLY_FILLED = "1"
    FILLED = "2"
    CANCELLED = "4"
    REPLACED = "5"
    PENDING_CANCEL = "6"
    REJECTED = "8"
    PENDING_NEW = "A"
    EXPIRED = "C"
    PENDING_REPLACE = "E"


WORKING: Final = frozenset({OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED})
FINAL: Final = frozenset({OrdStatus.FILLED, OrdStatus.CANCELLED, OrdStatus.REJECTED, OrdStatus.EXPIRED})


@define
class VenueFill:
    """One execution. A bust takes it out of its order, a correction changes it; its ExecID stays."""

    exec_id: str
    quantity: Decimal
    price: Decimal
    commission: Decimal
    at: datetime  # UTC


@frozen
class Replacing:
    """A replace that the venue is about to carry out for a session."""

    ask: ReplaceAsk
    asker: str


@define(eq=False, kw_only=True)
class VenueOrder:
    """One order. `service_account_id` is the session that entered it, `received` how often its ClOrdID came in.

    `ask` has the terms that live, under the ClOrdID that the order goes by now, the last of `chain`.
    """

    ask: NewOrder
    order_id: str
    portfolio_id: str
    service_account_id: str
    placed: Moment
    status: OrdStatus = OrdStatus.PENDING_NEW
    received: int = 1
    turned_away: bool = False  # over the rate: it never reached the venue's order entry, so its ClOrdID is free
    rested: bool = False  # stood on the book uncrossed, so it fills at its own price
    fills: list[VenueFill] = field(factory=list)
    chain: list[str] = Factory(lambda self: [self.ask.client_order_id], takes_self=True)
    replacing: Replacing | None = None
    triggered: bool = False  # of a stop limit: the market has touched its StopPx
    pegged: Decimal | None = None  # of a peg: the price at which it stands since the last look at the market
    next_slice: datetime | None = None  # of a TWAP or VWAP: when its next slice is due
    last_slice: datetime | None = None  # and when the last one was

    @property
    def shown(self) -> OrdStatus:
        """What tag 39 says: a pending replace goes before what the fills say (FIX 4.2, OrdStatus)."""
        return OrdStatus.PENDING_REPLACE if self.replacing and self.working else self.status

    @property
    def working(self) -> bool:
        return self.status in WORKING

    @property
    def filled(self) -> Decimal:
        return total([fill.quantity for fill in self.fills])

    @property
    def value(self) -> Decimal:
        """What the fills came to, in quote units, fees apart."""
        return total([product(fill.quantity, fill.price) for fill in self.fills])

    def leaves(self, price: Decimal) -> Decimal:
        """Base units not yet filled; of an order sized in quote, what its rest buys at `price`."""
        if self.ask.quantity is not None:
            return max(minus(self.ask.quantity, self.filled), Decimal(0))
        rest = max(minus(tradable(self.ask), self.value), Decimal(0))
        return quotient(rest, price, BASE_INCREMENT)

    def average(self) -> Decimal:
        filled = self.filled
        return quotient(self.value, filled, AVERAGE_INCREMENT) if filled else Decimal(0)


@frozen
class _Named:
    order: VenueOrder
    at: Moment


class Book:
    """All orders since the venue opened, those it rejected too."""

    def __init__(self) -> None:
        self._by_order_id: dict[str, VenueOrder] = {}
        self._by_client_id: dict[tuple[str, str], _Named] = {}
        self._by_exec_id: dict[str, VenueOrder] = {}
        self._working: dict[str, dict[str, VenueOrder]] = {}

    def __iter__(self) -> Iterator[VenueOrder]:
        return iter(self._by_order_id.values())

    def __len__(self) -> int:
        return len(self._by_order_id)

    def order_ids(self) -> list[str]:
        """The OrderIDs of all orders, oldest first."""
        return list(self._by_order_id)

    def placed(self, order_id: str) -> datetime:
        """When that order came, UTC."""
        return self._by_order_id[order_id].placed.utc

    def add(self, order: VenueOrder) -> None:
        """Keeps a new order. One that was turned away before under the same ClOrdID gives its place to it."""
        key = (order.portfolio_id, order.ask.client_order_id)
        former = self._by_client_id.get(key)
        if former is not None and former.order.turned_away:
            del self._by_order_id[former.order.order_id]
            order.received += former.order.received
        self._by_order_id[order.order_id] = order
        self._by_client_id[key] = _Named(order, order.placed)

    def name(self, order: VenueOrder, client_order_id: str, now: Moment) -> None:
        """Takes another ClOrdID for the order."""
        self._by_client_id[order.portfolio_id, client_order_id] = _Named(order, now)

    def unname(self, order: VenueOrder, client_order_id: str) -> None:
        """Gives a ClOrdID back that was taken for the order and never came to be its own."""
        del self._by_client_id[order.portfolio_id, client_order_id]

    def taken(self, portfolio_id: str, client_order_id: str, now: Moment) -> VenueOrder | None:
        """The order that makes another one with this ClOrdID a duplicate."""
        named = self._by_client_id.get((portfolio_id, client_order_id))
        if named is None or named.order.turned_away or now.mono - named.at.mono >= IDEMPOTENCY_S:
            return None
        return named.order

    def order(self, portfolio_id: str, order_id: str) -> VenueOrder | None:
        order = self._by_order_id.get(order_id)
        return order if order is not None and order.portfolio_id == portfolio_id else None

    def named(self, client_order_id: str) -> VenueOrder | None:
        """The newest order of any portfolio that goes, went or is about to go by this ClOrdID."""
        found = [named for (_, client_id), named in self._by_client_id.items() if client_id == client_order_id]
        newest = max(found, key=lambda named: named.at.mono, default=None)
        return None if newest is None else newest.order

    def filled_by(self, exec_id: str) -> VenueOrder | None:
        return self._by_exec_id.get(exec_id)

    def enter_fill(self, order: VenueOrder, fill: VenueFill) -> None:
        order.fills.append(fill)
        self._by_exec_id[fill.exec_id] = order

    def move(self, order: VenueOrder, status: OrdStatus) -> None:
        """Gives the order a status; the working ones are what `working` lists."""
        order.status = status
        working = self._working.setdefault(order.ask.product_id, {})
        if status in WORKING:
            working[order.order_id] = order
        else:
            working.pop(order.order_id, None)

    @property
    def busy(self) -> bool:
        """Whether any order is open."""
        return any(self._working.values())

    def working(self, product_id: str) -> list[VenueOrder]:
        """The open orders of a product, oldest first."""
        return list(self._working.get(product_id, {}).values())
