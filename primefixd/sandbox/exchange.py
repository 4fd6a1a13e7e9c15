"""The venue's order book at work: takes orders, fills them, cancels them, tells what happened.

Pure: requests and moments in, answers out. It knows neither sessions nor rates; who hears a report is decided in
`delivery`. Rules: prime-fix.md sections 3 to 5 and 7, contract.md section 4 (default behaviour).
"""

from collections.abc import Iterable
from decimal import Decimal
from heapq import heappop, heappush
from itertools import count
from random import Random  # noqa: TID251 - fills must be repeatable for a seed

from attrs import frozen

from primefixd.clock import Moment
from primefixd.sandbox import matching, reporting
from primefixd.sandbox.asks import Because, CancelAsk, NewOrder, Refusal, StatusAsk, Tif
from primefixd.sandbox.book import ORDERS_MAX, Book, OrdStatus, VenueFill, VenueOrder
from primefixd.sandbox.market import FIRST_PRICES, Market, Tick
from primefixd.sandbox.matching import Fate
from primefixd.sandbox.reporting import Answer, Reply, Report
from primefixd.sandbox.settings import Account
from primefixd.sandbox.values import minus

TOO_LATE, UNKNOWN_ORDER, OTHER = "0", "1", "99"  # CxlRejReason (102)
DUPLICATE = Refusal(Because.DUPLICATE, "duplicate client order ID", "duplicate")
FULL = Refusal(Because.EXCEEDS_LIMIT, "the sandbox holds as many orders as it can", "full")
UNKNOWN_SYMBOL = Refusal(Because.UNKNOWN_SYMBOL, "unknown symbol", "unknown_symbol")
UNFILLABLE = Refusal(Because.OTHER, "a fill or kill order cannot be filled as a whole now", "unfillable")
WOULD_CROSS = Refusal(Because.OTHER, "a post only order would cross the market", "post_only")
TOO_SMALL = Refusal(Because.OTHER, "the size buys less than the smallest unit", "too_small")


@frozen
class Impossible:
    """What the control port asked cannot be done; `text` says why."""

    text: str


class Exchange:
    """One matching venue for all portfolios. `book` and `market` may be read by anybody."""

    def __init__(self, seed: int, now: Moment) -> None:
        self.book = Book()
        self.market = Market(seed, now)
        self._seed = seed
        self._ids = Random(f"{seed} {now.utc.isoformat()}")  # other ids after a restart: clients remember them
        self._expiries: list[tuple[float, int, VenueOrder]] = []
        self._counter = count()
        self._holding = False
        self._to_reject: list[Refusal] = []

    # -- what clients ask

    def place(self, ask: NewOrder, wrong: Refusal | None, account: Account, now: Moment) -> list[Answer]:
        """Takes a NewOrderSingle; `wrong` is what its fields already make of it."""
        former = self.book.taken(account.portfolio_id, ask.client_order_id, now)
        if former is not None:
            former.received += 1
            return [self._turn_away(ask, former.order_id, DUPLICATE, account, now)]
        order = self._new(ask, self._new_id(), account, now)
        if len(self.book) >= ORDERS_MAX:
            return [reporting.turned_away(order, self._new_id(), FULL, now)]
        self.book.add(order)
        refusal = (self._to_reject.pop() if self._to_reject else None) or wrong or self._refusal(order)
        if refusal is not None:
            self.book.move(order, OrdStatus.REJECTED)
            return [reporting.rejected(order, self._new_id(), refusal, now)]
        return [*self._accept(order, now), *self._meet(order, now)]

    def turn_away(self, ask: NewOrder, refusal: Refusal, account: Account, now: Moment) -> Reply:
        """Refuses a NewOrderSingle before it is an order (over the rate): its ClOrdID stays free."""
        former = self.book.taken(account.portfolio_id, ask.client_order_id, now)
        order_id = self._new_id()
        if former is not None:
            former.received += 1
        elif len(self.book) < ORDERS_MAX:
            order = self._new(ask, order_id, account, now)
            order.turned_away = True
            self.book.add(order)
            self.book.move(order, OrdStatus.REJECTED)
        return self._turn_away(ask, order_id, refusal, account, now)

    def cancel(self, ask: CancelAsk, account: Account, now: Moment) -> list[Answer]:
        """Answers an OrderCancelRequest: pending cancel and cancelled, or an OrderCancelReject."""
        if ask.order_id is None:
            text = "OrderID (37) is required to cancel an order"
            return [reporting.cancel_refused(ask, None, OTHER, text, "cancel_without_order_id")]
        order = self.book.order(account.portfolio_id, ask.order_id)
        if order is None:
            return [reporting.cancel_refused(ask, None, UNKNOWN_ORDER, "unknown order", "cancel_unknown")]
        if other := _other_than(order, ask):
            return [reporting.cancel_refused(ask, order, OTHER, other, "cancel_mismatch")]
        if not order.working:
            return [reporting.cancel_refused(ask, order, TOO_LATE, "the order is no longer open", "cancel_too_late")]
        asker = account.service_account_id
        pending = self._tell(order, OrdStatus.PENDING_CANCEL, now, of=ask, asker=asker)
        self.book.move(order, OrdStatus.CANCELLED)
        return [pending, self._tell(order, OrdStatus.CANCELLED, now, of=ask, asker=asker)]

    def refuse_cancel(self, ask: CancelAsk, account: Account, text: str, word: str) -> Reply:
        """Refuses an OrderCancelRequest unread (over the rate)."""
        order = self.book.order(account.portfolio_id, ask.order_id or "")
        return reporting.cancel_refused(ask, order, OTHER, text, word)

    def status(self, ask: StatusAsk, account: Account) -> Reply:
        """Answers an OrderStatusRequest: a snapshot, or unknown order (prime-fix.md section 7)."""
        order = self.book.order(account.portfolio_id, ask.order_id)
        if order is None:
            return reporting.unknown_status(ask, account.portfolio_id, self._new_id())
        return reporting.status(order, self._new_id(), self._price(order))

    # -- what time and the market do

    def advance(self, now: Moment) -> list[Report]:
        """Everything that came due by `now`: steps of the walk, fills of crossed orders, expiries."""
        reports = self._react(self.market.advance(now), now)
        while self._expiries and self._expiries[0][0] <= now.utc.timestamp():
            order = heappop(self._expiries)[2]
            if order.working:
                reports.append(self._end(order, OrdStatus.EXPIRED, now))
        return reports

    def set_price(self, product_id: str, price: Decimal, now: Moment) -> list[Report]:
        """Moves a product that is traded here to `price`, where it stays; crossed orders fill."""
        return self._react([self.market.set(product_id, price)], now)

    # -- what the control port does to it

    def reject_next(self, number: int, refusal: Refusal) -> None:
        """The next `number` new orders are rejected with `refusal`; replaces what was asked before."""
        self._to_reject = [refusal] * number

    def hold(self, on: bool, now: Moment) -> list[Report]:
        """While on, nothing fills by itself; off again, every open order meets the market anew."""
        self._holding = on
        orders = [order for product_id in FIRST_PRICES for order in self.book.working(product_id)]
        return [report for order in orders for report in self._meet(order, now)]

    def fill(
        self, order: VenueOrder, quantity: Decimal | None, price: Decimal | None, now: Moment
    ) -> list[Report] | Impossible:
        """Fills `quantity` base units of an open order now (all that is left if None), crossed or not."""
        if not order.working:
            return Impossible("that order is not open")
        price = price or order.ask.price or self._price(order)
        left = order.leaves(price)
        if quantity is None:
            quantity = left
        if not 0 < quantity <= left:
            return Impossible(f"only {left:f} of that order is left to fill")
        return [self._fill(order, quantity, price, now)]

    def bust(self, exec_id: str, now: Moment) -> list[Report] | Impossible:
        """Takes an execution back (20=1). An order that was done stays done; an open one has more left."""
        order = self.book.filled_by(exec_id)
        part = _part(order, exec_id)
        if order is None or part is None:
            return Impossible("no such execution, or it was busted already")
        order.fills.remove(part)
        if order.working:
            self.book.move(order, OrdStatus.PARTIALLY_FILLED if order.fills else OrdStatus.NEW)
        return [self._restate(order, part, reporting.CANCEL, now)]

    def correct(
        self, exec_id: str, quantity: Decimal | None, price: Decimal | None, now: Moment
    ) -> list[Report] | Impossible:
        """Changes an execution (20=2); it keeps its ExecID in the book. It cannot exceed the order's quantity."""
        order = self.book.filled_by(exec_id)
        part = _part(order, exec_id)
        if order is None or part is None:
            return Impossible("no such execution, or it was busted")
        quantity, price = quantity or part.quantity, price or part.price
        most = None if order.ask.quantity is None else minus(order.ask.quantity, minus(order.filled, part.quantity))
        if most is not None and quantity > most:
            return Impossible(f"the order was for less: that execution can be at most {most:f}")
        part.quantity, part.price, part.commission = quantity, price, reporting.commission(quantity, price)
        if order.working:
            self.book.move(order, OrdStatus.PARTIALLY_FILLED if order.leaves(price) else OrdStatus.FILLED)
        return [self._restate(order, part, reporting.CORRECT, now)]

    # -- how

    def _new_id(self) -> str:
        digits = f"{self._ids.getrandbits(128):032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def _new(self, ask: NewOrder, order_id: str, account: Account, now: Moment) -> VenueOrder:
        return VenueOrder(
            ask=ask,
            order_id=order_id,
            portfolio_id=account.portfolio_id,
            service_account_id=account.service_account_id,
            placed=now,
        )

    def _turn_away(self, ask: NewOrder, order_id: str, refusal: Refusal, account: Account, now: Moment) -> Reply:
        order = self._new(ask, order_id, account, now)
        order.status = OrdStatus.REJECTED
        return reporting.turned_away(order, self._new_id(), refusal, now)

    def _price(self, order: VenueOrder) -> Decimal:
        return self.market.price(order.ask.product_id) if order.ask.product_id in self.market else Decimal(1)

    def _refusal(self, order: VenueOrder) -> Refusal | None:
        ask = order.ask
        if ask.product_id not in self.market:
            return UNKNOWN_SYMBOL
        price = self.market.price(ask.product_id)
        if matching.fate(ask, price) is Fate.REJECT:
            return WOULD_CROSS if ask.post_only else UNFILLABLE
        return None if order.leaves(price) > 0 else TOO_SMALL

    def _accept(self, order: VenueOrder, now: Moment) -> list[Report]:
        pending = self._tell(order, OrdStatus.PENDING_NEW, now)
        self.book.move(order, OrdStatus.NEW)
        if order.ask.expires is not None:
            heappush(self._expiries, (order.ask.expires.timestamp(), next(self._counter), order))
        return [pending, self._tell(order, OrdStatus.NEW, now)]

    def _react(self, ticks: Iterable[Tick], now: Moment) -> list[Report]:
        return [
            report
            for tick in ticks
            if not self._holding
            for order in self.book.working(tick.product_id)
            if matching.crosses(order.ask, tick.price)
            for report in self._execute(order, tick.price, now)
        ]

    def _meet(self, order: VenueOrder, now: Moment) -> list[Report]:
        """An accepted order meets the market: it fills, ends, or rests."""
        price = self._price(order)
        if self._holding:
            return []
        if matching.crosses(order.ask, price):
            return self._execute(order, price, now)
        if order.ask.time_in_force in (Tif.IOC, Tif.FOK):
            return [self._end(order, OrdStatus.CANCELLED, now)]
        order.rested = True
        return []

    def _execute(self, order: VenueOrder, price: Decimal, now: Moment) -> list[Report]:
        """Fills all that is left: at the market's price, or at its own if it had to wait for the market."""
        if order.rested and order.ask.price is not None:
            price = order.ask.price
        if not (left := order.leaves(price)):
            return [self._end(order, OrdStatus.CANCELLED, now)]
        draw = Random(f"{self._seed} {order.portfolio_id} {order.ask.client_order_id}")
        parts = matching.parts(left, draw)
        reports = [self._fill(order, part, price, now) for part in parts[:-1]]
        partial = order.ask.quantity is not None and matching.says_partial(len(parts), draw)
        return [*reports, self._fill(order, parts[-1], price, now, OrdStatus.PARTIALLY_FILLED if partial else None)]

    def _fill(
        self, order: VenueOrder, quantity: Decimal, price: Decimal, now: Moment, said: OrdStatus | None = None
    ) -> Report:
        part = VenueFill(self._new_id(), quantity, price, reporting.commission(quantity, price))
        self.book.enter_fill(order, part)
        self.book.move(order, OrdStatus.PARTIALLY_FILLED if order.leaves(price) else OrdStatus.FILLED)
        more, kind = reporting.fill(order, part), reporting.TRADE
        return reporting.execution(order, part.exec_id, kind, now, price, said=said, more=more)

    def _restate(self, order: VenueOrder, part: VenueFill, trans_type: str, now: Moment) -> Report:
        more = reporting.fill(order, part, trans_type, part.exec_id)
        return reporting.execution(order, self._new_id(), reporting.TRADE, now, part.price, more=more)

    def _end(self, order: VenueOrder, status: OrdStatus, now: Moment) -> Report:
        self.book.move(order, status)
        return self._tell(order, status, now)

    def _tell(
        self, order: VenueOrder, said: OrdStatus, now: Moment, *, of: CancelAsk | None = None, asker: str | None = None
    ) -> Report:
        """A report of a change of status, under an ExecID of its own."""
        cancel_id = of.client_order_id if of is not None else None
        return reporting.execution(
            order, self._new_id(), said, now, self._price(order), said=said, cancel_id=cancel_id, asker=asker
        )


def _part(order: VenueOrder | None, exec_id: str) -> VenueFill | None:
    return next((part for part in (order.fills if order else ()) if part.exec_id == exec_id), None)


def _other_than(order: VenueOrder, ask: CancelAsk) -> str | None:
    """What in a cancel request contradicts the order that its OrderID names."""
    for name, asked, known in (
        ("OrigClOrdID (41)", ask.original_client_order_id, order.ask.client_order_id),
        ("Symbol (55)", ask.product_id, order.ask.product_id),
        ("Side (54)", ask.side, order.ask.side),
    ):
        if asked is not None and asked != known:
            return f"{name} is not that of the order"
    return None
