"""Orders that live: how they are accepted, meet the market, fill, wait for their time, are replaced and end.

The venue's floor behind `exchange`, which judges what clients and the control port ask and tells this what to do. Pure:
moments in, reports out.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from decimal import Decimal
from random import Random  # noqa: TID251 - fills must be repeatable for a seed

from primefixd.clock import Moment
from primefixd.sandbox import fees, matching, replacing, reporting, slices
from primefixd.sandbox.agenda import Agenda, Due
from primefixd.sandbox.asks import CancelAsk, NewOrder, ReplaceAsk, Target, Tif
from primefixd.sandbox.book import Book, OrdStatus, Replacing, VenueFill, VenueOrder
from primefixd.sandbox.market import FIRST_PRICES, Market, Tick
from primefixd.sandbox.replacing import REPLACE_S
from primefixd.sandbox.reporting import Report, Told
from primefixd.sandbox.settings import Account


class Trading:
    """`book` and `market` may be read by anybody; orders change here alone, but for busts and corrections."""

    def __init__(self, seed: int, now: Moment) -> None:
        self.book = Book()
        self.market = Market(seed, now)
        self._seed = seed
        self._ids = Random(f"{seed} {now.utc.isoformat()}")  # other ids after a restart: clients remember them
        self._agenda = Agenda()
        self._holding = False

    def new_id(self) -> str:
        digits = f"{self._ids.getrandbits(128):032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def new(self, ask: NewOrder, order_id: str, account: Account, now: Moment) -> VenueOrder:
        """An order that is in no book yet."""
        return VenueOrder(
            ask=ask,
            order_id=order_id,
            portfolio_id=account.portfolio_id,
            service_account_id=account.service_account_id,
            placed=now,
        )

    def price(self, order: VenueOrder) -> Decimal:
        """What the order's product trades at; 1 for a product that is not traded here."""
        return self.market.price(order.ask.product_id) if order.ask.product_id in self.market else Decimal(1)

    # -- the life of an order

    def accept(self, order: VenueOrder, now: Moment) -> list[Report]:
        """Pending new, new, and whatever the market does with it at once."""
        pending = self.tell(order, OrdStatus.PENDING_NEW, now)
        self.book.move(order, OrdStatus.NEW)
        reports = [pending, self.tell(order, OrdStatus.NEW, now)]
        self._schedule(order, now)
        return [*reports, *self._meet(order, now)]

    def cancel(self, order: VenueOrder, ask: CancelAsk, asker: str, now: Moment) -> list[Report]:
        """Ends an open order for a client: pending cancel, cancelled. A pending replace is refused in its time."""
        under = ask.client_order_id
        pending = self.tell(order, OrdStatus.PENDING_CANCEL, now, under=under, asker=asker)
        self.book.move(order, OrdStatus.CANCELLED)
        return [pending, self.tell(order, OrdStatus.CANCELLED, now, under=under, asker=asker)]

    def replace(self, order: VenueOrder, ask: ReplaceAsk, asker: str, now: Moment) -> list[Report]:
        """Takes a replace that was judged: pending, and REPLACE_S later carried out or refused."""
        order.replacing = Replacing(ask, asker)
        self.book.name(order, ask.client_order_id, now)
        self._agenda.add(now.utc + timedelta(seconds=REPLACE_S), Due.REPLACE, order)
        return [self.tell(order, OrdStatus.PENDING_REPLACE, now, under=ask.client_order_id, asker=asker)]

    def fill(
        self, order: VenueOrder, quantity: Decimal, price: Decimal, now: Moment, said: OrdStatus | None = None
    ) -> Report:
        """One execution of an open order."""
        part = VenueFill(self.new_id(), quantity, price, fees.commission(quantity, price), now.utc)
        self.book.enter_fill(order, part)
        self.book.move(order, OrdStatus.PARTIALLY_FILLED if order.leaves(price) else OrdStatus.FILLED)
        more, kind = reporting.fill(order, part), reporting.TRADE
        return reporting.execution(order, part.exec_id, kind, now, price, said=said, more=more)

    # -- what time and the market do

    def advance(self, now: Moment) -> list[Told]:
        """Everything that came due by `now`, in its order: steps of the walk, slices, replaces, expiries."""
        told: list[Told] = []
        while due := self._agenda.next(now):
            at = now.later(min((due.at - now.utc).total_seconds(), 0.0))
            told += self.react(self.market.advance(at), at)
            told += self._keep(due.what, due.order, at)
        return [*told, *self.react(self.market.advance(now), now)]

    def react(self, ticks: Iterable[Tick], now: Moment) -> list[Report]:
        """What the open orders of a product make of its new prices."""
        return [
            report
            for tick in ticks
            for order in self.book.working(tick.product_id)
            if not order.ask.sliced
            for report in self._hear(order, tick.price, now)
        ]

    def hold(self, on: bool, now: Moment) -> list[Report]:
        """While on, nothing fills by itself; off again, every open order meets the market anew."""
        self._holding = on
        orders = [order for product_id in FIRST_PRICES for order in self.book.working(product_id)]
        return [report for order in orders for report in self._meet(order, now)]

    def _schedule(self, order: VenueOrder, now: Moment) -> None:
        if order.ask.expires is not None:
            self._agenda.add(order.ask.expires, Due.EXPIRY, order)
        if order.ask.sliced:
            self._plan_slice(order, now)

    def _plan_slice(self, order: VenueOrder, now: Moment) -> None:
        order.next_slice = slices.following(order, now)
        if order.next_slice is not None:
            self._agenda.add(order.next_slice, Due.SLICE, order)

    def _keep(self, what: Due, order: VenueOrder, now: Moment) -> Iterable[Told]:
        if what is Due.REPLACE:
            return self._replace(order, now)
        if not order.working:
            return ()
        if what is Due.EXPIRY:
            due = order.ask.expires is not None and order.ask.expires <= now.utc
            return [self.end(order, OrdStatus.EXPIRED, now)] if due else ()
        return self._slice(order, now)

    def _slice(self, order: VenueOrder, now: Moment) -> Iterable[Told]:
        if order.next_slice is None or order.next_slice > now.utc:
            return ()  # its times were replaced
        order.last_slice = order.next_slice
        self._plan_slice(order, now)
        return self._meet(order, now)

    def _replace(self, order: VenueOrder, now: Moment) -> Iterator[Told]:
        wish, order.replacing = order.replacing, None
        if wish is None:
            return
        if wrong := replacing.late_problem(order, wish.ask, self.price(order)):
            self.book.unname(order, wish.ask.client_order_id)
            yield reporting.cancel_refused(wish.ask, order, wrong.reason, wrong.text, wrong.word, wish.asker)
            return
        former = order.ask.client_order_id
        order.ask, order.rested = replacing.replaced(order, wish.ask), False
        order.chain.append(order.ask.client_order_id)
        left = order.leaves(self.price(order))
        said = OrdStatus.PARTIALLY_FILLED if order.fills else OrdStatus.REPLACED
        if not left:
            self.book.move(order, OrdStatus.FILLED)
            said = OrdStatus.FILLED
        yield self.tell(order, OrdStatus.REPLACED, now, said=said, formerly=former, asker=wish.asker)
        if left:
            self._schedule(order, now)
            yield from () if order.ask.sliced else self._meet(order, now)

    # -- matching

    def _hear(self, order: VenueOrder, price: Decimal, now: Moment) -> list[Report]:
        matching.trigger(order, price)
        if not self._holding and matching.crosses(order, price):
            return self._trade(order, price, now)
        matching.follow(order, price)
        if not self._holding:
            order.rested = matching.working_price(order) is not None
        return []

    def _meet(self, order: VenueOrder, now: Moment) -> list[Report]:
        """An order meets the market as it is: it fills, ends, or rests."""
        price = self.price(order)
        matching.trigger(order, price)
        if self._holding:
            return []
        if matching.crosses(order, price):
            return self._trade(order, price, now)
        if order.ask.time_in_force in (Tif.IOC, Tif.FOK):
            return [self.end(order, OrdStatus.CANCELLED, now)]
        order.rested = matching.working_price(order) is not None
        return []

    def _trade(self, order: VenueOrder, price: Decimal, now: Moment) -> list[Report]:
        """Fills what can be: one slice of a TWAP or VWAP, else all that is left, in parts."""
        if order.ask.sliced:
            quantity = slices.quantity(order, price)
            return [self.fill(order, quantity, price, now)] if quantity else []
        if order.ask.strategy == Target.STOP_LIMIT and order.ask.post_only and not order.rested:
            return [self.end(order, OrdStatus.CANCELLED, now)]
        price = matching.fill_price(order, price)
        if not (left := order.leaves(price)):
            return [self.end(order, OrdStatus.CANCELLED, now)]
        draw = Random(f"{self._seed} {order.portfolio_id} {order.ask.client_order_id}")
        parts = matching.parts(left, draw)
        reports = [self.fill(order, part, price, now) for part in parts[:-1]]
        partial = order.ask.quantity is not None and matching.says_partial(len(parts), draw)
        return [*reports, self.fill(order, parts[-1], price, now, OrdStatus.PARTIALLY_FILLED if partial else None)]

    # -- telling

    def end(self, order: VenueOrder, status: OrdStatus, now: Moment) -> Report:
        self.book.move(order, status)
        return self.tell(order, status, now)

    def tell(
        self,
        order: VenueOrder,
        kind: OrdStatus,
        now: Moment,
        *,
        said: OrdStatus | None = None,
        under: str | None = None,
        formerly: str | None = None,
        asker: str | None = None,
    ) -> Report:
        """A report of a change of status, under an ExecID of its own."""
        return reporting.execution(
            order,
            self.new_id(),
            kind,
            now,
            self.price(order),
            said=said or kind,
            under=under,
            formerly=formerly,
            asker=asker,
        )
