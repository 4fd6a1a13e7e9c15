"""What counts against the limits of one portfolio, kept order by order. Pure.

Whatever is not final counts: queued, held, sent, in doubt, and of a replace under way the larger of both terms
(order-rules.md 29). What was traded counts for the day, which turns at 17:00 New York. Sums are exact, and so the same
in whatever order they are made. None as a client means all of them.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal, localcontext

from attrs import field, frozen

from primefixd.clock import Moment
from primefixd.dispatch.calendar import trading_day
from primefixd.dispatch.risk import BRAKE_LONGEST_S, left
from primefixd.orders.exact import EXACT
from primefixd.orders.model import Order, Status, Terms

PriceOf = Callable[[str], Decimal | None]
"""The fresh reference price of a product, None if there is none."""

_NOTHING = Decimal(0)


@frozen
class Traded:
    """What clients traded on one trading day, in quote units."""

    day: date
    values: Mapping[str, Decimal] = field(factory=dict)


@frozen
class _Stake:
    """What one open order may still trade: `value` in quote units or, without a price, `quantity` in base units."""

    client: str
    product_id: str
    value: Decimal = _NOTHING
    quantity: Decimal = _NOTHING


class Exposure:
    """The counts of one portfolio."""

    def __init__(self) -> None:
        self._stakes: dict[str, _Stake] = {}
        self._open: Counter[str | None] = Counter()
        self._values: defaultdict[str | None, Decimal] = defaultdict(Decimal)
        self._unpriced: defaultdict[str | None, defaultdict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        self._traded = Traded(date.min)
        self._news: defaultdict[str, deque[tuple[float, object]]] = defaultdict(deque)  # mono, and what it asked
        self._rejects: defaultdict[str, deque[tuple[float, object]]] = defaultdict(deque)

    # Following

    def restore(self, orders: Iterable[Order], traded: Traded | None, now: Moment) -> None:
        """After a start: `orders` are those that live, and those that ended within BRAKE_LONGEST_S seconds."""
        self._traded = traded or self._traded
        kept = list(orders)
        for order in sorted(kept, key=lambda each: each.created_at):
            self._news[order.client].append((_mono(order.created_at.timestamp(), now), _asked(order.terms)))
            self._become(order)
        for order in sorted(filter(_rejected, kept), key=lambda each: each.updated_at):
            self._rejects[order.client].append((_mono(order.updated_at.timestamp(), now), None))

    def follow(self, order: Order, traded: Decimal, now: Moment) -> Traded | None:
        """`order` is as it now is, and has traded `traded` more, in quote units; the day's sums if they change."""
        known = order.key in self._stakes
        if not known and order.created_at == now.utc:
            _remember(self._news[order.client], (now.mono, _asked(order.terms)))
        if known and _rejected(order):
            _remember(self._rejects[order.client], (now.mono, None))
        self._become(order)
        return self._trade(order.client, traded, now) if traded else None

    # What counts

    def open_orders(self, client: str | None) -> int:
        """How many orders are not final."""
        return self._open[client]

    def notional(self, client: str | None, price_of: PriceOf, now: Moment) -> Decimal | None:
        """What was traded today and may still be, in quote units; None if something that is open has no price."""
        with localcontext(EXACT):
            total = self._values[client] + self.traded(client, now)
            for product_id, quantity in self._unpriced[client].items():
                price = price_of(product_id) if quantity else _NOTHING
                if price is None:
                    return None
                total += quantity * price
            return total

    def traded(self, client: str | None, now: Moment) -> Decimal:
        """What was traded since the day turned, in quote units."""
        if self._traded.day != trading_day(now.utc):
            return _NOTHING
        values = self._traded.values
        with localcontext(EXACT):
            return sum(values.values(), _NOTHING) if client is None else values.get(client, _NOTHING)

    def submitted(self, client: str, per_s: float, now: Moment, like: Terms | None = None) -> int:
        """How many new orders that client submitted in the last `per_s` seconds; only those that ask the same."""
        return _count(self._news[client], now.mono - per_s, None if like is None else _asked(like))

    def rejected(self, client: str, per_s: float, now: Moment) -> int:
        """How many of its orders the venue rejected in the last `per_s` seconds."""
        return _count(self._rejects[client], now.mono - per_s, None)

    # Inside

    def _become(self, order: Order) -> None:
        before = self._stakes.pop(order.key, None)
        if before is not None:
            self._add(before, -1)
        if not order.final:
            stake = self._stakes[order.key] = _stake(order)
            self._add(stake, 1)

    def _add(self, stake: _Stake, sign: int) -> None:
        with localcontext(EXACT):
            for who in (None, stake.client):
                self._open[who] += sign
                self._values[who] += sign * stake.value
                self._unpriced[who][stake.product_id] += sign * stake.quantity

    def _trade(self, client: str, value: Decimal, now: Moment) -> Traded:
        """A bust takes back what was traded, and never leaves less than nothing of it."""
        day = trading_day(now.utc)
        values = dict(self._traded.values) if self._traded.day == day else {}
        values[client] = max(EXACT.add(values.get(client, _NOTHING), value), _NOTHING)
        self._traded = Traded(day, values)
        return self._traded


def _stake(order: Order) -> _Stake:
    each = (order.terms,) if order.replace is None else (order.terms, order.replace.terms)
    with localcontext(EXACT):
        values = [left(order, terms, None) for terms in each]
        if None not in values:
            return _Stake(order.client, order.terms.product_id, value=max(v for v in values if v is not None))
        sizes = [terms.base_quantity or _NOTHING for terms in each]
        quantity = max(max(sizes) - order.filled_quantity, _NOTHING)
    return _Stake(order.client, order.terms.product_id, quantity=quantity)


def _rejected(order: Order) -> bool:
    """Whether the venue rejected it; what never left was ended by us."""
    return order.status is Status.REJECTED and order.sent_at is not None


def _asked(terms: Terms) -> tuple[object, ...]:
    """Two new orders that ask the same of this are repetitions of one another."""
    sizes = (terms.base_quantity, terms.quote_value, terms.limit_price, terms.stop_price)
    return (terms.product_id, terms.side, terms.type, *sizes)


def _mono(timestamp: float, now: Moment) -> float:
    return now.mono - (now.utc.timestamp() - timestamp)


def _remember(times: deque[tuple[float, object]], one: tuple[float, object]) -> None:
    times.append(one)
    while times[0][0] <= one[0] - BRAKE_LONGEST_S:
        times.popleft()


def _count(times: deque[tuple[float, object]], since: float, like: object) -> int:
    found = 0
    for at, what in reversed(times):
        if at <= since:
            break
        found += like is None or what == like
    return found
