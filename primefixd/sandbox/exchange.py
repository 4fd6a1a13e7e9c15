"""The venue as its clients and the control port see it: what they ask is judged here and done by `trading`.

Pure: requests and moments in, answers out. It knows neither sessions nor rates; who hears a report is decided in
`delivery`. Rules: prime-fix.md sections 3 to 5 and 7, contract.md section 4 (default behaviour).
"""

from decimal import Decimal

from attrs import frozen

from primefixd.clock import Moment
from primefixd.sandbox import fees, matching, replacing, reporting
from primefixd.sandbox.asks import Because, CancelAsk, NewOrder, QuoteAsk, Refusal, ReplaceAsk, StatusAsk, Target, Tif
from primefixd.sandbox.book import ORDERS_MAX, Book, OrdStatus, VenueFill, VenueOrder
from primefixd.sandbox.market import Market
from primefixd.sandbox.quotes import Quotes
from primefixd.sandbox.replacing import OTHER, TOO_LATE, UNKNOWN_ORDER
from primefixd.sandbox.reporting import Answer, Reply, Told
from primefixd.sandbox.settings import Account
from primefixd.sandbox.trading import Trading
from primefixd.sandbox.values import minus

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
        self._trading = Trading(seed, now)
        self._quotes = Quotes(self.market)
        self._to_reject: list[Refusal] = []

    @property
    def book(self) -> Book:
        return self._trading.book

    @property
    def market(self) -> Market:
        return self._trading.market

    # -- what clients ask

    def place(self, ask: NewOrder, wrong: Refusal | None, account: Account, now: Moment) -> list[Answer]:
        """Takes a NewOrderSingle; `wrong` is what its fields already make of it."""
        former = self.book.taken(account.portfolio_id, ask.client_order_id, now)
        if former is not None:
            former.received += 1
            return [self._turn_away(ask, former.order_id, DUPLICATE, account, now)]
        order = self._trading.new(ask, self._trading.new_id(), account, now)
        if len(self.book) >= ORDERS_MAX:
            return [reporting.turned_away(order, self._trading.new_id(), FULL, now)]
        self.book.add(order)
        refusal = (self._to_reject.pop() if self._to_reject else None) or wrong or self._refusal(order, now)
        if refusal is not None:
            self.book.move(order, OrdStatus.REJECTED)
            return [reporting.rejected(order, self._trading.new_id(), refusal, now)]
        if ask.strategy == Target.RFQ and ask.quote_id is not None:
            self._quotes.use(ask.quote_id)
        return [*self._trading.accept(order, now)]

    def turn_away(self, ask: NewOrder, refusal: Refusal, account: Account, now: Moment) -> Reply:
        """Refuses a NewOrderSingle before it is an order (over the rate): its ClOrdID stays free."""
        former = self.book.taken(account.portfolio_id, ask.client_order_id, now)
        order_id = self._trading.new_id()
        if former is not None:
            former.received += 1
        elif len(self.book) < ORDERS_MAX:
            order = self._trading.new(ask, order_id, account, now)
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
        if other := replacing.other_than(order, ask):
            return [reporting.cancel_refused(ask, order, OTHER, other, "cancel_mismatch")]
        if not order.working:
            return [reporting.cancel_refused(ask, order, TOO_LATE, "the order is no longer open", "cancel_too_late")]
        return [*self._trading.cancel(order, ask, account.service_account_id, now)]

    def replace(self, ask: ReplaceAsk, account: Account, now: Moment) -> list[Answer]:
        """Answers an OrderCancelReplaceRequest: pending replace, and more when its time comes, or a refusal."""
        if ask.order_id is None:
            text = "OrderID (37) is required to replace an order"
            return [reporting.cancel_refused(ask, None, OTHER, text, "replace_without_order_id")]
        order = self.book.order(account.portfolio_id, ask.order_id)
        if order is None:
            return [reporting.cancel_refused(ask, None, UNKNOWN_ORDER, "unknown order", "replace_unknown")]
        taken = self.book.taken(account.portfolio_id, ask.client_order_id, now) is not None
        if wrong := replacing.problem(order, ask, taken, self._trading.price(order), now):
            return [reporting.cancel_refused(ask, order, wrong.reason, wrong.text, wrong.word)]
        return [*self._trading.replace(order, ask, account.service_account_id, now)]

    def quote(self, ask: QuoteAsk, account: Account, now: Moment) -> Reply:
        """Answers a QuoteRequest: a quote, or why there is none."""
        return self._quotes.answer(ask, account.portfolio_id, self._trading.new_id(), now)

    def refuse_cancel(self, ask: CancelAsk, account: Account, text: str, word: str) -> Reply:
        """Refuses an OrderCancelRequest or OrderCancelReplaceRequest unread (over the rate)."""
        order = self.book.order(account.portfolio_id, ask.order_id or "")
        return reporting.cancel_refused(ask, order, OTHER, text, word)

    def status(self, ask: StatusAsk, account: Account) -> Reply:
        """Answers an OrderStatusRequest: a snapshot, or unknown order (prime-fix.md section 7)."""
        order = self.book.order(account.portfolio_id, ask.order_id)
        if order is None:
            return reporting.unknown_status(ask, account.portfolio_id, self._trading.new_id())
        return reporting.status(order, self._trading.new_id(), self._trading.price(order))

    # -- what time and the market do

    def advance(self, now: Moment) -> list[Told]:
        """Everything that came due by `now`: steps of the walk, fills, slices, replaces, expiries."""
        return self._trading.advance(now)

    def set_price(self, product_id: str, price: Decimal, now: Moment) -> list[Told]:
        """Moves a product that is traded here to `price`, where it stays; crossed orders fill."""
        return [*self._trading.advance(now), *self._trading.react([self.market.set(product_id, price)], now)]

    # -- what the control port does to it

    def reject_next(self, number: int, refusal: Refusal) -> None:
        """The next `number` new orders are rejected with `refusal`; replaces what was asked before."""
        self._to_reject = [refusal] * number

    def hold(self, on: bool, now: Moment) -> list[Told]:
        """While on, nothing fills by itself; off again, every open order meets the market anew."""
        return [*self._trading.advance(now), *self._trading.hold(on, now)]

    def fill(
        self, order: VenueOrder, quantity: Decimal | None, price: Decimal | None, now: Moment
    ) -> list[Told] | Impossible:
        """Fills `quantity` base units of an open order now (all that is left if None), crossed or not."""
        if not order.working:
            return Impossible("that order is not open")
        price = price or matching.working_price(order) or order.ask.price or self._trading.price(order)
        left = order.leaves(price)
        if quantity is None:
            quantity = left
        if not 0 < quantity <= left:
            return Impossible(f"only {left:f} of that order is left to fill")
        return [self._trading.fill(order, quantity, price, now)]

    def bust(self, exec_id: str, now: Moment) -> list[Told] | Impossible:
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
    ) -> list[Told] | Impossible:
        """Changes an execution (20=2); it keeps its ExecID in the book. It cannot exceed the order's quantity."""
        order = self.book.filled_by(exec_id)
        part = _part(order, exec_id)
        if order is None or part is None:
            return Impossible("no such execution, or it was busted")
        quantity, price = quantity or part.quantity, price or part.price
        most = None if order.ask.quantity is None else minus(order.ask.quantity, minus(order.filled, part.quantity))
        if most is not None and quantity > most:
            return Impossible(f"the order was for less: that execution can be at most {most:f}")
        part.quantity, part.price, part.commission = quantity, price, fees.commission(quantity, price)
        if order.working:
            self.book.move(order, OrdStatus.PARTIALLY_FILLED if order.leaves(price) else OrdStatus.FILLED)
        return [self._restate(order, part, reporting.CORRECT, now)]

    # -- how

    def _turn_away(self, ask: NewOrder, order_id: str, refusal: Refusal, account: Account, now: Moment) -> Reply:
        order = self._trading.new(ask, order_id, account, now)
        order.status = OrdStatus.REJECTED
        return reporting.turned_away(order, self._trading.new_id(), refusal, now)

    def _refusal(self, order: VenueOrder, now: Moment) -> Refusal | None:
        """Why the market or the quote desk does not take an order that is sound by itself."""
        ask = order.ask
        if ask.product_id not in self.market:
            return UNKNOWN_SYMBOL
        if ask.strategy == Target.RFQ:
            return self._quotes.problem(ask, order.portfolio_id, now)
        price = self.market.price(ask.product_id)
        matching.follow(order, price)
        crosses = matching.crosses(order, price)
        if ask.post_only and crosses and ask.strategy in (Target.LIMIT, Target.PEG):
            return WOULD_CROSS
        if ask.time_in_force == Tif.FOK and not crosses:
            return UNFILLABLE
        return None if order.leaves(price) > 0 else TOO_SMALL

    def _restate(self, order: VenueOrder, part: VenueFill, trans_type: str, now: Moment) -> Told:
        more = reporting.fill(order, part, trans_type, part.exec_id)
        exec_id = self._trading.new_id()
        return reporting.execution(order, exec_id, reporting.TRADE, now, part.price, more=more)


def _part(order: VenueOrder | None, exec_id: str) -> VenueFill | None:
    return next((part for part in (order.fills if order else ()) if part.exec_id == exec_id), None)
