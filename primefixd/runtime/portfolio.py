"""One portfolio: where what clients ask and what the venue says meet. The only class that knows both orders and links.

Everything is decided synchronously, between two awaits, so that no other task sees half of a change (house rule 7),
and handed to the journal in the same turn. The rules are elsewhere: `orders.ledger` judges, `dispatch` says where and
when, `intake` takes what clients ask, `departures` lets it go, `hearing` follows what the venue says, `doubts` what it
does not.
"""

import math
from collections.abc import Iterable
from datetime import datetime
from itertools import islice

import structlog
import trio
from attrs import frozen

from primefixd.clock import Moment
from primefixd.dispatch.calendar import Schedule, window_after
from primefixd.dispatch.limiter import Window
from primefixd.dispatch.outbox import Waiting
from primefixd.orders.keeping import Kept
from primefixd.orders.ledger import Ledger
from primefixd.orders.model import (
    Order,
    QuoteRequest,
    Replacement,
    Request,
    RequestKind,
    Resolution,
    Side,
    Status,
    Submission,
)
from primefixd.orders.records import FillGap, OrderInDoubt, Unread
from primefixd.orders.reports import CancelRefused, Quote, QuoteRefused, Report, RequestRejected
from primefixd.runtime.answers import Cancelling, Noted, Page, QuoteAsked, Refused, Submitted
from primefixd.runtime.asking import Asking
from primefixd.runtime.cancels import Cancels
from primefixd.runtime.departures import Departures
from primefixd.runtime.doubts import Doubts, RestReading
from primefixd.runtime.feed import Body
from primefixd.runtime.gate import Gate
from primefixd.runtime.hearing import Hearing
from primefixd.runtime.intake import Intake
from primefixd.runtime.journal import Journal
from primefixd.runtime.link import Asked, Word
from primefixd.runtime.marks import Marks
from primefixd.runtime.ports import Ports
from primefixd.runtime.queueing import Queueing
from primefixd.runtime.quotes import Quotes
from primefixd.runtime.reconciling import Reconciling
from primefixd.runtime.record import Record
from primefixd.runtime.replaces import Replaces
from primefixd.runtime.rest import RestDesk
from primefixd.runtime.sessions import Sessions
from primefixd.runtime.settings import PortfolioSettings, ReconcileSettings, VenueSettings
from primefixd.runtime.views import PortfolioChanged, PortfolioView, SessionChanged, SessionView

STOP_ACK_S = 3.0  # at a stop, for orders on the wire to be acknowledged; then they are in doubt
STOP_LOGOUT_S = 8.0  # at a stop, for sessions to log out; then they are cut off

_log = structlog.get_logger()


@frozen(kw_only=True)
class Shared:
    """What all portfolios of a daemon share. `accounts` maps portfolio ids (tag 1) to portfolios."""

    journal: Journal
    ports: Ports
    venue: VenueSettings
    schedule: Schedule
    quiet_ask_s: float
    reconcile: ReconcileSettings
    accounts: "dict[str, Portfolio]"


class Portfolio:
    """The orders and sessions of one Prime portfolio."""

    def __init__(
        self, settings: PortfolioSettings, shared: Shared, kept: Kept | None = None, rest: RestDesk | None = None
    ) -> None:
        self.name = settings.name
        self._shared = shared
        self._clock, self._journal = shared.ports.clock, shared.journal
        self._ledger = Ledger(shared.reconcile.grace_s)
        self._sessions = Sessions(settings, self, shared.venue, shared.ports)
        self._queueing = Queueing(self._ledger, self._sessions)
        self._asking = Asking(self._ledger, self._sessions)
        self._cancels = Cancels(self._ledger, self._sessions, shared.ports.new_id)
        self._replaces = Replaces(self._ledger, self._sessions)
        self._quotes = Quotes(self._sessions)
        self._departures = Departures(self._ledger, self._cancels, self._replaces, self._quotes)
        self._reconciling = Reconciling((each.name for each in settings.sessions), shared.reconcile.most_s)
        self._hearing = Hearing(
            ledger=self._ledger,
            sessions=self._sessions,
            queueing=self._queueing,
            asking=self._asking,
            cancels=self._cancels,
            replaces=self._replaces,
            quotes=self._quotes,
            reconciling=self._reconciling,
        )
        self._write = Record(self.name, self._ledger, shared.journal)
        self._marks = Marks(self._ledger, shared.journal, self._write)
        self._doubts = Doubts(
            ledger=self._ledger,
            sessions=self._sessions,
            queueing=self._queueing,
            asking=self._asking,
            marks=self._marks,
            record=self._write,
            grace_s=shared.reconcile.grace_s,
        )
        reading = RestReading(self._ledger, self._hearing, self._write, rest, self._clock) if rest else None
        self._rest: RestReading | None = reading
        self._gate = Gate(shared.journal, self._reconciling)
        self._intake = Intake(
            portfolio=self.name,
            ledger=self._ledger,
            journal=shared.journal,
            gate=self._gate,
            sessions=self._sessions,
            queueing=self._queueing,
            cancels=self._cancels,
            replaces=self._replaces,
            quotes=self._quotes,
            hearing=self._hearing,
            record=self._record,
            clock=self._clock,
            new_id=shared.ports.new_id,
        )
        self._order_window = Window(settings.rate.orders_per_second, settings.rate.margin_ms / 1000)
        self._running = trio.CancelScope()
        self._moved = trio.Event()
        self._doubted = trio.Event()
        self._settled = trio.Event()
        shared.accounts[settings.portfolio_id] = self
        self._restore(kept or Kept())

    # Running

    async def run(self) -> None:
        """Keep the sessions alive and the deadlines, until `stop` has logged all of them out."""
        with self._running:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep_time)
                nursery.start_soon(self._keep_asking)
                nursery.start_soon(self._follow_journal)
                if self._rest is not None:
                    nursery.start_soon(self._rest.run, self._rest_read)
                await self._sessions.run()
                nursery.cancel_scope.cancel()

    async def stop(self) -> None:
        """End what queues, wait for what is on the wire, log out; bounded by STOP_ACK_S and STOP_LOGOUT_S seconds."""
        self._gate.stopping = True
        now = self._clock()
        for order in self._ledger.live():
            if order.status is Status.QUEUED:
                self._queueing.withdraw(order)
                self._record(self._hearing.end(order, "stopping", now), now)
        self._record([PortfolioChanged(self.view())], now)
        with trio.move_on_after(STOP_ACK_S):
            while any(order.status is Status.SENT and not order.in_doubt for order in self._ledger.live()):
                self._settled = trio.Event()
                await self._settled.wait()
        self._running.deadline = self._clock().mono + STOP_LOGOUT_S
        self._sessions.stop()

    async def _keep_time(self) -> None:
        """Orders that waited past their deadline end; silent immediate orders are asked about; reconciling ends."""
        quiet_ask_s = self._shared.quiet_ask_s
        while True:
            self._moved = trio.Event()
            now = self._clock()
            for item in self._sessions.expired(now):
                self._record(self._hearing.expired(item, now), now)
            for order in self._ledger.quiet(now.mono, quiet_ask_s):
                self._asking.about(order)
            self._open_if_reconciled(now)
            due = min(
                self._sessions.next_deadline(), self._ledger.next_quiet(quiet_ask_s), self._reconciling.due(now.mono)
            )
            with trio.move_on_after(max(due - now.mono, 0.0)):
                await self._moved.wait()

    async def _keep_asking(self) -> None:
        """Gaps and doubts are followed up, whenever one arises and again as long as it stands."""
        while True:
            self._doubted = trio.Event()
            now = self._clock()
            self._doubts.follow_up(now)
            with trio.move_on_after(max(self._doubts.due(now) - now.mono, 0.0)):
                await self._doubted.wait()

    async def _follow_journal(self) -> None:
        """What waited for its mark may leave once that is on disk; with too much waiting for the disk, log out."""
        while True:
            await self._journal.moved()
            self._sessions.wake()
            if self._journal.full:
                self._sessions.hold("the journal cannot be written; free the disk that state_dir is on")
            elif self._journal.writable:
                self._sessions.release()

    # What clients ask (runtime.intake)

    async def submit(self, submission: Submission, client: str) -> Submitted | Refused:
        return await self._intake.submit(submission, client)

    async def cancel(
        self, *, client_order_id: str | None = None, order_id: str | None = None, client: str
    ) -> Cancelling | Refused:
        return await self._intake.cancel(client_order_id=client_order_id, order_id=order_id, client=client)

    async def cancel_all(self, *, product_id: str | None, side: Side | None, client: str) -> int:
        return await self._intake.cancel_all(product_id=product_id, side=side, client=client)

    async def replace(self, wanted: Replacement, client: str) -> Submitted | Refused:
        return await self._intake.replace(wanted, client)

    async def quote(self, request: QuoteRequest, client: str) -> QuoteAsked | Refused:
        return await self._intake.quote(request, client)

    async def resolve(self, client_order_id: str, opinion: Resolution) -> Noted | Refused:
        return await self._intake.resolve(client_order_id, opinion)

    async def adopt(self, order_id: str) -> Noted | Refused:
        return await self._intake.adopt(order_id)

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

    def compact(self, before: datetime, most: int) -> int:
        """Forget up to `most` final orders that were last changed before then, but not their ids; how many."""
        forgotten = self._ledger.compact(before, most)
        self._record((), self._clock())
        return forgotten

    # What is seen of it

    def sessions(self) -> tuple[SessionView, ...]:
        return self._sessions.views()

    def view(self) -> PortfolioView:
        """This portfolio as an operator sees it."""
        now = self._clock()
        live = self._ledger.live()
        return PortfolioView(
            name=self.name,
            state=self._gate.state,
            halted=False,
            open_orders=len(live),
            in_doubt=sum(order.in_doubt for order in live),
            unreconciled=self._reconciling.unreconciled,
            order_budget=self._order_window.left(now.mono),
            next_window=window_after(self._shared.schedule, now.utc).start,
        )

    # What links ask and tell (runtime.link.Owner, runtime.supervisor.SupervisorOwner)

    def order_delay(self, now: float) -> float:
        return self._order_window.delay(now) if self._gate.open else math.inf

    def bunched(self, orders: int, now: float) -> None:
        """The venue counts the orders of all sessions on receipt: what the blocked one held back counts from now."""
        self._order_window.spend(now, leave=max(self._order_window.per_second - orders, 0))

    def marked(self, item: Waiting, now: Moment) -> bool:
        return self._marks.made(item, now)

    def departing(self, item: Waiting, now: Moment) -> Asked | None:
        if self._departures.overdue(item, now):
            self._record(self._hearing.expired(item, now), now)
            return None
        return self._departures.request(item)

    def left(self, request: Asked, session: str, now: Moment) -> None:
        if isinstance(request, Request) and request.kind is RequestKind.NEW_ORDER:
            self._order_window.take(now.mono)
        self._record(self._departures.left(request, session, now), now)
        if isinstance(request, Request) and request.kind is RequestKind.STATUS:
            self._reconciling.asked(request.order.key)

    def heard(self, word: Word, session: str, now: Moment) -> None:
        if isinstance(word, CancelRefused):
            self._record(self._hearing.cancel_refused(word, session, now), now)
            return
        portfolio = self._shared.accounts.get(word.account) if word.account else self
        if not isinstance(word, Report):
            (portfolio or self).quoted(word, now)
        elif portfolio is None:  # a drop copy tells the orders of all accounts, and an id is unique in its own only
            self._record(self._ledger.foreign(word), now)
        else:
            portfolio.reported(word, session, now)

    def quoted(self, word: Quote | QuoteRefused, now: Moment) -> None:
        """The venue answers a request for a quote of this portfolio's account."""
        self._record(self._hearing.quoted(word), now)

    def reported(self, report: Report, session: str, now: Moment) -> None:
        """The venue reports on an order of this portfolio's account, on whichever session (order-rules.md 2)."""
        self._record(self._hearing.reported(report, session, now), now)

    def rejected(self, request: Asked | None, word: RequestRejected, session: str, now: Moment) -> None:
        _log.warning("request_rejected", session=session, number=word.sequence_number, text=word.text)
        if word.rate_limited:
            self._sessions.pause(session, now)
        self._record(self._hearing.rejected(request, word, now), now)

    def link_up(self, session: str, now: Moment) -> None:
        self._sessions.logged_on(session, now)
        self._record(self._hearing.link_up(session, now), now)
        self._doubted.set()

    def link_down(self, session: str, now: Moment) -> None:
        self._record(self._hearing.link_down(session, now), now)

    def missed(self, session: str) -> None:
        self._asking.about_session(session)

    def unread(self, what: str, now: Moment) -> None:
        self._record([Unread(None, (what,))], now)

    def clock_changed(self, session: str, now: Moment) -> None:
        self._record([SessionChanged(self._sessions.view(session))], now)

    def session_changed(self, session: SessionView, now: Moment) -> None:
        self._record([SessionChanged(session)], now)

    # Inside

    def _restore(self, kept: Kept) -> None:
        """Take up what an earlier run left: what a crash made doubtful is in doubt, what never left may still leave."""
        now = self._clock()
        self._ledger.restore(kept)
        self._record(self._ledger.restarted(now), now)
        for order in self._ledger.live():
            if order.status is Status.QUEUED:
                moved = self._queueing.put_back(order, now)
                self._record(self._hearing.end(order, "expired", now) if moved is None else moved, now)
            elif order.cancel_wanted:
                self._cancels.restore(order)
        self._reconciling.begin(self._ledger.live(), self._rest is not None)

    def _open_if_reconciled(self, now: Moment) -> None:
        if self._reconciling.may_open(now):
            self._reconciling.open()
            self._record([PortfolioChanged(self.view())], now)
            self._sessions.wake()

    def _rest_read(self) -> None:
        self._reconciling.rest_read()
        self._moved.set()

    def _record(self, changes: Iterable[Body], now: Moment) -> int:
        """What this turn changed goes to the journal; whoever waits for a change looks again."""
        told = tuple(changes)
        if any(isinstance(change, OrderInDoubt | FillGap) for change in told):
            self._doubted.set()
            if self._rest is not None:
                self._rest.want()
        self._settled.set()
        self._moved.set()
        return self._write(told, now)
