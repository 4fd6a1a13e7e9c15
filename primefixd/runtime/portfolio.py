"""One portfolio: where what clients ask and what the venue says meet. The only class that knows both orders and links.

Everything is decided synchronously, between two awaits, so that no other task sees half of a change (house rule 7). The
rules are elsewhere: `orders.ledger` judges, `dispatch` says where and when, `queueing` lets orders wait, `departures`
lets them go, `cancels`, `replaces` and `quotes` follow what else is wanted, `asking` puts questions to the venue.
"""

from collections.abc import Iterable
from itertools import islice

import structlog
import trio
from attrs import evolve, frozen

from primefixd.clock import Moment
from primefixd.dispatch.calendar import Schedule, window_after
from primefixd.dispatch.limiter import Window
from primefixd.dispatch.outbox import Waiting
from primefixd.orders.ledger import Ledger
from primefixd.orders.model import Order, QuoteRequest, Replacement, Request, RequestKind, Side, Status, Submission
from primefixd.orders.records import Contradicted, FillGap, OrderInDoubt, Unread
from primefixd.orders.reports import CancelRefused, Quote, QuoteRefused, RejectReason, Report, RequestRejected
from primefixd.runtime import refusals
from primefixd.runtime.answers import Cancelling, Page, QuoteAsked, Refused, Submitted
from primefixd.runtime.asking import Asking
from primefixd.runtime.cancels import Cancels
from primefixd.runtime.departures import Departures
from primefixd.runtime.feed import Body, Feed
from primefixd.runtime.link import Asked, Word
from primefixd.runtime.ports import Ports
from primefixd.runtime.queueing import Queueing, deadline
from primefixd.runtime.quotes import Quotes
from primefixd.runtime.replaces import Replaces
from primefixd.runtime.sessions import Sessions
from primefixd.runtime.settings import PortfolioSettings, VenueSettings
from primefixd.runtime.views import PortfolioChanged, PortfolioState, PortfolioView, SessionChanged, SessionView

STOP_ACK_S = 3.0  # at a stop, for orders on the wire to be acknowledged; then they are in doubt
STOP_LOGOUT_S = 8.0  # at a stop, for sessions to log out; then they are cut off

NO_ID_WARNING = "without a client_order_id a lost reply cannot be retried"

_LOUD = (OrderInDoubt, Contradicted, FillGap)
_log = structlog.get_logger()


@frozen(kw_only=True)
class Shared:
    """What all portfolios of a daemon share. `accounts` maps portfolio ids (tag 1) to portfolios."""

    feed: Feed
    ports: Ports
    venue: VenueSettings
    schedule: Schedule
    quiet_ask_s: float
    accounts: "dict[str, Portfolio]"


class Portfolio:
    """The orders and sessions of one Prime portfolio."""

    def __init__(self, settings: PortfolioSettings, shared: Shared) -> None:
        self.name = settings.name
        self._shared = shared
        self._feed, self._clock = shared.feed, shared.ports.clock
        self._ledger = Ledger()
        self._sessions = Sessions(settings, self, shared.venue, shared.ports)
        self._queueing = Queueing(self._ledger, self._sessions)
        self._asking = Asking(self._ledger, self._sessions)
        self._cancels = Cancels(self._ledger, self._sessions, shared.ports.new_id)
        self._replaces = Replaces(self._ledger, self._sessions)
        self._quotes = Quotes(self._sessions)
        self._departures = Departures(self._ledger, self._cancels, self._replaces, self._quotes)
        self._order_window = Window(settings.rate.orders_per_second, settings.rate.margin_ms / 1000)
        self._stopping = False
        self._running = trio.CancelScope()
        self._moved = trio.Event()
        self._settled = trio.Event()
        shared.accounts[settings.portfolio_id] = self

    # Running

    async def run(self) -> None:
        """Keep the sessions alive and the deadlines, until `stop` has logged all of them out."""
        with self._running:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep_time)
                await self._sessions.run()
                nursery.cancel_scope.cancel()

    async def stop(self) -> None:
        """End what queues, wait for what is on the wire, log out; bounded by STOP_ACK_S and STOP_LOGOUT_S seconds."""
        self._stopping = True
        now = self._clock()
        for order in self._ledger.live():
            if order.status is Status.QUEUED:
                self._queueing.withdraw(order)
                self._end(order, "stopping", now)
        self._publish([PortfolioChanged(self.view())], now)
        with trio.move_on_after(STOP_ACK_S):
            while any(order.status is Status.SENT and not order.in_doubt for order in self._ledger.live()):
                self._settled = trio.Event()
                await self._settled.wait()
        self._running.deadline = self._clock().mono + STOP_LOGOUT_S
        self._sessions.stop()

    async def _keep_time(self) -> None:
        """Orders that waited past their deadline end; silent immediate orders are asked about."""
        quiet_ask_s = self._shared.quiet_ask_s
        while True:
            self._moved = trio.Event()
            now = self._clock()
            for item in self._sessions.expired(now):
                self._expire(item, now)
            for order in self._ledger.quiet(now.mono, quiet_ask_s):
                self._asking.about(order)
            due = min(self._sessions.next_deadline(), self._ledger.next_quiet(quiet_ask_s))
            with trio.move_on_after(max(due - now.mono, 0.0)):
                await self._moved.wait()

    # What clients ask

    async def submit(self, submission: Submission, client: str) -> Submitted | Refused:
        """Accept an order, or say why not. Accepted means queued to leave, and told as an event."""
        now = self._clock()
        key = submission.client_order_id or self._shared.ports.new_id(now)
        if self._ledger.used(key):
            return refusals.repeated(key, self._ledger.get(key), submission)
        refused = self._refusal(submission, now)
        if refused is not None:
            return refused
        session = self._queueing.route(submission.terms.product_id, submission.session)
        if session is None:
            return refusals.no_session(self.name, submission.session, self._sessions)
        order = Order(
            client_order_id=key,
            portfolio=self.name,
            session=session,
            terms=submission.terms,
            client=client,
            pinned=submission.session is not None,
            deadline=deadline(submission, now),
            accepted_cursor=self._feed.next,
            created_at=now.utc,
            updated_at=now.utc,
        )
        if not self._queueing.put(order, now):
            return refusals.busy(session)
        self._moved.set()
        self._publish([self._ledger.open(order)], now)
        warnings = () if submission.client_order_id else (NO_ID_WARNING,)
        return Submitted(order=order, cursor=order.accepted_cursor, warnings=warnings)

    async def cancel(
        self, *, client_order_id: str | None = None, order_id: str | None = None, client: str
    ) -> Cancelling | Refused:
        """Cancel an order. Never refused for rate, queue or a lost link: it is kept, and goes first."""
        now = self._clock()
        order = self.find(client_order_id=client_order_id, order_id=order_id)
        if order is None:
            return refusals.unknown_order(self.name, client_order_id or order_id)
        if order.final:
            return refusals.final(order)
        if order.status is Status.QUEUED:
            self._queueing.withdraw(order)
            ended = self._ledger.end(order.client_order_id, Status.CANCELLED, now)
            self._publish([ended], now)
            return Cancelling(order=ended.order, cursor=self._feed.newest)
        self._publish(self._replaces.drop_queued(order, "the order is being cancelled", now), now)
        self._publish(self._cancels.want(order, client, now), now)
        return Cancelling(order=self._ledger.get(order.client_order_id) or order, cursor=self._feed.newest)

    async def replace(self, wanted: Replacement, client: str) -> Submitted | Refused:
        """Give an order new terms under a new id. Answered when the wish is taken; events tell what becomes of it."""
        if self._stopping:
            return refusals.stopping()
        now = self._clock()
        told = self._replaces.ask(wanted, wanted.new_client_order_id or self._shared.ports.new_id(now), client, now)
        if isinstance(told, Refused):
            return told
        cursor = self._feed.newest if told.duplicate else self._feed.next
        self._publish(told.changes, now)
        self._moved.set()
        warnings = () if wanted.new_client_order_id else (NO_ID_WARNING,)
        return Submitted(order=told.order, cursor=cursor, duplicate=told.duplicate, warnings=warnings)

    async def quote(self, request: QuoteRequest, client: str) -> QuoteAsked | Refused:
        """Ask the venue for a quote; it comes as an event. An empty quote_request_id is made here."""
        if self._stopping:
            return refusals.stopping()
        now = self._clock()
        request = evolve(request, quote_request_id=request.quote_request_id or self._shared.ports.new_id(now))
        refused = self._quotes.ask(request, client, now)
        if refused is not None:
            return refused
        self._moved.set()
        return QuoteAsked(quote_request_id=request.quote_request_id, cursor=self._feed.newest)

    async def cancel_all(self, *, product_id: str | None, side: Side | None, client: str) -> int:
        """Cancel every order that is not final, of one product or side if told; returns how many."""
        chosen = [
            order.client_order_id
            for order in self._ledger.live()
            if product_id in (None, order.terms.product_id) and side in (None, order.terms.side)
        ]
        for key in chosen:
            await self.cancel(client_order_id=key, client=client)
        return len(chosen)

    def find(self, *, client_order_id: str | None = None, order_id: str | None = None) -> Order | None:
        """The order by our id or the venue's."""
        if client_order_id is not None:
            return self._ledger.get(client_order_id)
        return self._ledger.by_order_id(order_id or "")

    def orders(self, *, open_only: bool, product_id: str | None, limit: int, after: str | None) -> Page:
        """Up to `limit` orders, oldest first, those accepted later than `after` (a client_order_id) if given.

        Raises KeyError if no such order is kept: the caller asks `find` first.
        """
        start = self._ledger.get(after) if after is not None else None
        if after is not None and start is None:
            raise KeyError(after)
        floor = start.accepted_cursor if start else 0
        source: Iterable[Order] = self._ledger.live() if open_only else self._ledger.kept()
        chosen = (
            order for order in source if order.accepted_cursor > floor and product_id in (None, order.terms.product_id)
        )
        found = tuple(islice(chosen, limit + 1))
        more = len(found) > limit
        return Page(orders=found[:limit], next=found[limit - 1].client_order_id if more else None)

    # What is seen of it

    def sessions(self) -> tuple[SessionView, ...]:
        return self._sessions.views()

    def view(self) -> PortfolioView:
        """This portfolio as an operator sees it."""
        now = self._clock()
        live = self._ledger.live()
        return PortfolioView(
            name=self.name,
            state=PortfolioState.DRAINING if self._stopping else PortfolioState.OPEN,
            halted=False,
            open_orders=len(live),
            in_doubt=sum(order.in_doubt for order in live),
            unreconciled=0,
            order_budget=self._order_window.left(now.mono),
            next_window=window_after(self._shared.schedule, now.utc).start,
        )

    # What links ask and tell (runtime.link.Owner, runtime.supervisor.SupervisorOwner)

    def order_delay(self, now: float) -> float:
        return self._order_window.delay(now)

    def bunched(self, orders: int, now: float) -> None:
        """The venue counts the orders of all sessions on receipt: what the blocked one held back counts from now."""
        self._order_window.spend(now, leave=max(self._order_window.per_second - orders, 0))

    def departing(self, item: Waiting, now: Moment) -> Asked | None:
        if self._departures.overdue(item, now):
            self._expire(item, now)
            return None
        return self._departures.request(item)

    def left(self, request: Asked, session: str, now: Moment) -> None:
        if isinstance(request, Request) and request.kind is RequestKind.NEW_ORDER:
            self._order_window.take(now.mono)
        self._publish(self._departures.left(request, session, now), now)

    def heard(self, word: Word, session: str, now: Moment) -> None:
        if isinstance(word, CancelRefused):
            self._cancel_refused(word, session, now)
            return
        portfolio = self._shared.accounts.get(word.account) if word.account else self
        if not isinstance(word, Report):
            (portfolio or self).quoted(word, now)
        elif portfolio is None:  # a drop copy tells the orders of all accounts, and an id is unique in its own only
            self._publish(self._ledger.foreign(word), now)
        else:
            portfolio.reported(word, session, now)

    def quoted(self, word: Quote | QuoteRefused, now: Moment) -> None:
        """The venue answers a request for a quote of this portfolio's account."""
        self._publish([self._quotes.heard(word)], now)

    def reported(self, report: Report, session: str, now: Moment) -> None:
        """The venue reports on an order of this portfolio's account, on whichever session (order-rules.md 2)."""
        judgement = self._ledger.report(report, session, now)
        self._publish(judgement.changes, now)
        order = judgement.order
        if order is None:
            return
        if judgement.ask:
            self._asking.about(order)
        if report.reject_reason is RejectReason.RATE_LIMITED and judgement.changes:
            self._sessions.pause(order.session, now)
        self._publish(self._cancels.reported(order, now), now)
        self._replaces.settled(order)
        self._settled.set()
        self._moved.set()

    def rejected(self, request: Asked | None, word: RequestRejected, session: str, now: Moment) -> None:
        _log.warning("request_rejected", session=session, number=word.sequence_number, text=word.text)
        if word.rate_limited:
            self._sessions.pause(session, now)
        if isinstance(request, QuoteRequest):
            self._publish([self._quotes.lost(request.quote_request_id, word.text)], now)
            return
        order = self._ledger.get(request.order.key) if request else None
        if request is None or order is None or order.final:
            return
        match request.kind:
            case RequestKind.NEW_ORDER if order.acknowledged_at is None:
                reason = RejectReason.RATE_LIMITED if word.rate_limited else RejectReason.OTHER
                self._end(order, reason.value, now, word.text)
            case RequestKind.CANCEL:
                self._publish(self._cancels.again(order, request.request_id, word.text, now), now)
            case RequestKind.REPLACE:
                self._publish(self._replaces.over(order.key, word.text, now), now)
            case RequestKind.STATUS:
                self._asking.again(order)
            case _:
                self._asking.about(order)

    def link_up(self, session: str, now: Moment) -> None:
        self._sessions.logged_on(session, now)
        for dead in self._sessions.down():
            self._publish(self._queueing.move_on(dead, now), now)
        self._asking.about_session(session)
        self._publish(self._cancels.place_all(now), now)

    def link_down(self, session: str, now: Moment) -> None:
        """Settle what the dead link leaves: in doubt first, then the queue moves on (order-rules.md 12 and 21)."""
        self._publish(self._ledger.link_lost(session, now), now)
        self._cancels.link_lost(session)
        doubtful = self._replaces.link_lost(session)
        self._publish(self._queueing.move_on(session, now), now)
        self._publish(self._cancels.place_all(now), now)
        self._asking.about_session(session)
        for order in filter(None, map(self._ledger.get, doubtful)):
            self._asking.about(order)
        self._settled.set()

    def missed(self, session: str) -> None:
        self._asking.about_session(session)

    def unread(self, what: str, now: Moment) -> None:
        self._publish([Unread(None, (what,))], now)

    def clock_changed(self, session: str, now: Moment) -> None:
        self._publish([SessionChanged(self._sessions.view(session))], now)

    def session_changed(self, session: SessionView, now: Moment) -> None:
        self._publish([SessionChanged(session)], now)

    # Inside

    def _refusal(self, submission: Submission, now: Moment) -> Refused | None:
        if self._stopping:
            return refusals.stopping()
        unfit = refusals.unfit(submission, deadline(submission, now), self._sessions.trading, now)
        return unfit or self._quotes.refusal(submission.terms, now)

    def _expire(self, item: Waiting, now: Moment) -> None:
        order = self._ledger.get(item.key)
        match item.kind:
            case RequestKind.QUOTE:
                self._publish([self._quotes.lost(item.key, "expired")], now)
            case RequestKind.REPLACE if order is not None:
                self._publish(self._replaces.over(order.key, "expired", now), now)
            case RequestKind.NEW_ORDER if order is not None and order.status is Status.QUEUED:
                self._end(order, "expired", now)

    def _end(self, order: Order, reason: str, now: Moment, text: str | None = None) -> None:
        ended = self._ledger.end(order.client_order_id, Status.REJECTED, now, reason, text)
        self._publish([ended], now)
        self._publish(self._cancels.reported(ended.order, now), now)
        self._settled.set()

    def _cancel_refused(self, word: CancelRefused, session: str, now: Moment) -> None:
        order = self._ledger.cancelling(word) or self._cancels.asked_by(word.client_order_id)
        if order is None or order.final:
            return
        left_on = self._cancels.left_on(order) or session
        by = self._replaces if word.replace else self._cancels
        changes = by.refused(order, word, now)
        self._publish(changes, now)
        if changes and word.rate_limited:
            self._sessions.pause(left_on, now)
        if changes:
            self._asking.about(order)

    def _publish(self, changes: Iterable[Body], now: Moment) -> None:
        for change in changes:
            if isinstance(change, _LOUD):
                _log.error(type(change).__name__, portfolio=self.name, client_order_id=change.order.client_order_id)
            self._feed.publish(change, self.name, now)
