"""One portfolio: where what clients ask and what the venue says meet. The only class that knows both orders and links.

Everything is decided synchronously, between two awaits, so that no other task sees half of a change (house rule 7),
and handed to the journal in the same turn. The rules are elsewhere: `orders.ledger` judges, `dispatch` says where and
when, `intake` takes what clients ask, `departures` lets it go, `hearing` follows what the venue says, `doubts` what it
does not.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime

import structlog
import trio

from primefixd.clock import Moment
from primefixd.dispatch.calendar import MaintenanceWindow, window_after
from primefixd.dispatch.limiter import Window
from primefixd.dispatch.outbox import Waiting
from primefixd.dispatch.risk import Reference
from primefixd.orders.keeping import Kept
from primefixd.orders.ledger import Ledger
from primefixd.orders.model import (
    OnMaintenance,
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
from primefixd.runtime.changing import become, restore
from primefixd.runtime.counts import Census
from primefixd.runtime.door import Door
from primefixd.runtime.feed import Body
from primefixd.runtime.link import Asked, Word
from primefixd.runtime.listing import page, seen
from primefixd.runtime.parts import assemble
from primefixd.runtime.record import Record
from primefixd.runtime.rest import RestDesk
from primefixd.runtime.settings import PortfolioSettings
from primefixd.runtime.shared import Shared
from primefixd.runtime.store import Note
from primefixd.runtime.views import PortfolioChanged, PortfolioView, SessionChanged, SessionView

STOP_ACK_S = 3.0  # at a stop, for orders on the wire to be acknowledged; then they are in doubt
STOP_LOGOUT_S = 8.0  # at a stop, for sessions to log out; then they are cut off

IDENTITY = "portfolio_id"  # the note that says whose orders are kept under a portfolio's name

_log = structlog.get_logger()


class Portfolio:
    """The orders and sessions of one Prime portfolio."""

    def __init__(
        self,
        settings: PortfolioSettings,
        shared: Shared,
        kept: Kept | None = None,
        notes: Mapping[str, bytes] | None = None,
        rest: RestDesk | None = None,
    ) -> None:
        self.name = settings.name
        self._shared = shared
        self._clock, self._journal = shared.ports.clock, shared.journal
        self._moved, self._doubted, self._settled = trio.Event(), trio.Event(), trio.Event()
        self._parts = assemble(settings, shared, self, rest, self._record, self._writes, self.view)
        self._rate = settings.rate
        self._counts = self._parts.hearing.counts
        self._asking_due = math.inf
        self._order_window = Window(settings.rate.orders_per_second, settings.rate.margin_ms / 1000)
        self._running = trio.CancelScope()
        self.stopped = trio.Event()
        self._portfolio_id = settings.portfolio_id
        shared.accounts[settings.portfolio_id] = self
        self._parts.halts.restore(notes or {})
        if IDENTITY not in (notes or {}):
            self._write((), self._clock(), (Note(IDENTITY, settings.portfolio_id.encode()),))
        self._parts.disconnects.restore(notes or {})
        shared.presence.listeners.append(self._wake)
        restore(self._parts, kept or Kept(), notes or {}, self._record, self._clock())

    # Running

    async def run(self) -> None:
        """Keep the sessions alive and the deadlines, until `stop` has logged all of them out."""
        with self._running:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._parts.day.run, self._parts.day.begin())
                nursery.start_soon(self._keep_time)
                nursery.start_soon(self._keep_asking)
                nursery.start_soon(self._follow_journal)
                if self._parts.rest is not None:
                    nursery.start_soon(self._parts.rest.run, self._rest_read)
                await self._parts.sessions.run()
                nursery.cancel_scope.cancel()
        self.stopped.set()

    async def stop(self) -> None:
        """End what queues, wait for what is on the wire, log out; bounded by STOP_ACK_S and STOP_LOGOUT_S seconds."""
        self.refuse_new()
        now = self._clock()
        self._parts.queueing.hold_queued(now)  # what may be held is there again after the next start
        for order in self._parts.ledger.live():
            if order.status is Status.QUEUED and order.on_maintenance is OnMaintenance.REJECT:
                self._parts.queueing.withdraw(order)
                self._record(self._parts.hearing.end(order, "stopping", now), now)
            else:
                self._record(self._parts.hearing.replaces.drop_queued(order, "the daemon is stopping", now), now)
        self._record([PortfolioChanged(self.view())], now)
        await self._acknowledged()
        self._running.deadline = self._clock().mono + STOP_LOGOUT_S
        self._parts.sessions.stop()

    def refuse_new(self) -> None:
        """The daemon is stopping: from now on nothing new is taken, and nothing new leaves."""
        self._parts.gate.stopping = True

    async def _acknowledged(self, session: str | None = None) -> None:
        """Wait until what is on the wire, of that session or of all, is answered; at most STOP_ACK_S seconds."""
        with trio.move_on_after(STOP_ACK_S):
            while any(order.on_the_wire and session in (None, order.session) for order in self._parts.ledger.live()):
                self._settled = trio.Event()
                await self._settled.wait()

    def forget(self) -> None:
        """It is in the configuration no more: words for its account are foreign from now on."""
        self._shared.accounts.pop(self._portfolio_id, None)
        self._parts.door.close()
        self._shared.presence.listeners.remove(self._wake)

    def change(self, settings: PortfolioSettings) -> None:
        """Become what `settings` say, with the same name and id; what did not change is not touched."""
        now = self._clock()
        if settings.rate != self._rate:
            self._rate = settings.rate
            self._order_window = Window(settings.rate.orders_per_second, settings.rate.margin_ms / 1000)
            self._order_window.spend(now.mono)
        become(self._parts, settings, self._record, now)
        self._record([PortfolioChanged(self.view())], now)

    async def _keep_time(self) -> None:
        """Orders that waited past their deadline end; silent immediate orders are asked about; reconciling ends."""
        quiet_ask_s = self._shared.quiet_ask_s
        while True:
            self._moved = trio.Event()
            now = self._clock()
            for item in self._parts.queueing.expired(now):
                self._record(self._parts.hearing.expired(item, now), now)
            for order in self._parts.ledger.quiet(now.mono, quiet_ask_s):
                self._parts.asking.about(order)
            self._open_if_reconciled(now)
            self._parts.disconnects.follow_up(now)
            self._parts.halts.follow_up(now)
            due = min(
                self._parts.disconnects.due(),
                self._parts.queueing.next_deadline(),
                self._parts.ledger.next_quiet(quiet_ask_s),
                self._parts.reconciling.due(now.mono) if self._parts.gate.window is None else math.inf,
            )
            with trio.move_on_after(max(due - now.mono, 0.0)):
                await self._moved.wait()

    async def _keep_asking(self) -> None:
        """Gaps and doubts are followed up, whenever one arises and again as long as it stands."""
        while True:
            self._doubted = trio.Event()
            now = self._clock()
            self._parts.doubts.follow_up(now)
            self._asking_due = self._parts.doubts.due(now)
            with trio.move_on_after(max(self._asking_due - now.mono, 0.0)):
                await self._doubted.wait()

    async def _follow_journal(self) -> None:
        """What waited for its mark may leave once that is on disk; with too much waiting for the disk, log out."""
        while True:
            await self._journal.moved()
            self._parts.sessions.wake()
            if self._journal.full:
                self._parts.sessions.hold("the journal cannot be written; free the disk that state_dir is on")
            elif self._journal.writable:
                self._parts.sessions.release()

    # What clients ask (runtime.intake)

    async def submit(self, submission: Submission, client: str) -> Submitted | Refused:
        return self._counts.answered(await self._parts.intake.submit(submission, client))

    async def cancel(
        self, *, client_order_id: str | None = None, order_id: str | None = None, client: str
    ) -> Cancelling | Refused:
        taken = await self._parts.intake.cancel(client_order_id=client_order_id, order_id=order_id, client=client)
        return self._counts.answered(taken)

    async def cancel_all(self, *, product_id: str | None, side: Side | None, client: str) -> int:
        return await self._parts.intake.cancel_all(product_id=product_id, side=side, client=client)

    async def replace(self, wanted: Replacement, client: str) -> Submitted | Refused:
        return self._counts.answered(await self._parts.intake.replace(wanted, client))

    async def quote(self, request: QuoteRequest, client: str) -> QuoteAsked | Refused:
        return self._counts.answered(await self._parts.intake.quote(request, client))

    async def resolve(self, client_order_id: str, opinion: Resolution) -> Noted | Refused:
        return await self._parts.intake.resolve(client_order_id, opinion)

    async def adopt(self, order_id: str) -> Noted | Refused:
        return await self._parts.intake.adopt(order_id)

    async def halt(self, client: str, cancel_open: bool) -> bool:
        return await self._parts.halts.halt(client, cancel_open)

    async def resume(self) -> bool:
        return await self._parts.halts.resume()

    async def cancel_on_disconnect(self, client: str, grace_s: float | None) -> bool:
        """Keep what the client wishes, None for nothing. Whether it is on disk already."""
        return await self._journal.settled(self._parts.disconnects.keep(client, grace_s, self._clock()))

    def refer(self, product_id: str, reference: Reference) -> Refused | None:
        return self._parts.door.refer(product_id, reference, self._clock())

    async def restart(self, session: str | None) -> None:
        """Log that session out and on again, or all of them together; KeyError for one that is not here."""
        if session is None:
            self._parts.floor.drain()
            await self._acknowledged()
            await self._parts.floor.restart()
            return
        now = self._clock()
        self._parts.sessions.quiesce(session, True)
        self._record(self._parts.queueing.move_on(session, now), now)
        self._record(self._parts.cancels.place_anew(session, now), now)
        await self._acknowledged(session)
        self._parts.sessions.restart(session)

    def find(self, *, client_order_id: str | None = None, order_id: str | None = None) -> Order | None:
        """The order by our id or the venue's."""
        if client_order_id is not None:
            return self._parts.ledger.get(client_order_id)
        return self._parts.ledger.by_order_id(order_id or "")

    def orders(self, *, open_only: bool, product_id: str | None, limit: int, after: str | None) -> Page:
        """Up to `limit` orders, oldest first, those accepted later than `after` (a client_order_id) if given.

        Raises KeyError if no such order is kept: the caller asks `find` first.
        """
        return page(self._parts.ledger, open_only=open_only, product_id=product_id, limit=limit, after=after)

    def compact(self, before: datetime, most: int) -> int:
        """Forget up to `most` final orders that were last changed before then, but not their ids; how many."""
        forgotten = self._parts.ledger.compact(before, most)
        self._record((), self._clock())
        return forgotten

    # What is seen of it

    def stuck(self) -> list[str]:
        """Sessions that should have moved on by now, and did not: a bug, or an event loop that starves."""
        return self._parts.sessions.stuck(self._clock())

    @property
    def session_names(self) -> frozenset[str]:
        return frozenset(view.name for view in self.sessions())

    def sessions(self) -> tuple[SessionView, ...]:
        return self._parts.sessions.views()

    @property
    def window(self) -> MaintenanceWindow | None:
        """The window that keeps it shut, from the last orders before it to its end; None while it stops."""
        return None if self._parts.gate.stopping else self._parts.gate.window

    def census(self) -> Census:
        """What it has done since the start, and how its orders stand, counted."""
        return self._parts.census()

    def view(self) -> PortfolioView:
        """This portfolio as an operator sees it."""
        now = self._clock()
        window = window_after(self._shared.schedule, now.utc)
        return seen(self.name, self._parts, self._order_window.left(now.mono), window.start)

    # What links ask and tell (runtime.link.Owner, runtime.supervisor.SupervisorOwner)

    def order_delay(self, now: float) -> float:
        return self._order_window.delay(now) if self._parts.gate.open else math.inf

    def bunched(self, orders: int, now: float) -> None:
        """The venue counts the orders of all sessions on receipt: what the blocked one held back counts from now."""
        self._order_window.spend(now, leave=max(self._order_window.per_second - orders, 0))

    def marked(self, item: Waiting, now: Moment) -> bool:
        return self._parts.marks.made(item, now)

    def departing(self, item: Waiting, now: Moment) -> Asked | None:
        if self._parts.departures.overdue(item, now):
            self._record(self._parts.hearing.expired(item, now), now)
            return None
        return self._parts.departures.request(item)

    def left(self, request: Asked, session: str, now: Moment) -> None:
        if isinstance(request, Request) and request.kind is RequestKind.NEW_ORDER:
            self._order_window.take(now.mono)
        self._record(self._parts.departures.left(request, session, now), now)
        if isinstance(request, Request) and request.kind is RequestKind.STATUS:
            self._parts.reconciling.asked(request.order.key)

    def heard(self, word: Word, session: str, now: Moment) -> None:
        if isinstance(word, CancelRefused):
            self._record(self._parts.hearing.cancel_refused(word, session, now), now)
            return
        portfolio = self._shared.accounts.get(word.account) if word.account else self
        if not isinstance(word, Report):
            (portfolio or self).quoted(word, now)
        elif portfolio is None:  # a drop copy tells the orders of all accounts, and an id is unique in its own only
            self._record(self._parts.ledger.foreign(word, ours=False), now)
        else:
            portfolio.reported(word, session, now)

    def quoted(self, word: Quote | QuoteRefused, now: Moment) -> None:
        """The venue answers a request for a quote of this portfolio's account."""
        self._record(self._parts.hearing.quoted(word), now)

    def reported(self, report: Report, session: str, now: Moment) -> None:
        """The venue reports on an order of this portfolio's account, on whichever session (order-rules.md 2)."""
        self._record(self._parts.hearing.reported(report, session, now), now)

    def rejected(self, request: Asked | None, word: RequestRejected, session: str, now: Moment) -> None:
        _log.warning("request_rejected", session=session, number=word.sequence_number, text=word.text)
        if word.rate_limited:
            self._parts.sessions.pause(session, now)
        self._record(self._parts.hearing.rejected(request, word, now), now)

    def link_up(self, session: str, now: Moment) -> None:
        self._parts.sessions.logged_on(session, now)
        self._record(self._parts.hearing.link_up(session, now), now)
        self._doubted.set()

    def link_down(self, session: str, now: Moment) -> None:
        self._record(self._parts.hearing.link_down(session, now), now)

    def missed(self, session: str) -> None:
        """An acknowledgement may be among what was lost: what waits for one on that session is in doubt from now on."""
        now = self._clock()
        self._record(self._parts.hearing.missed(session, now), now)

    def unread(self, what: str, now: Moment) -> None:
        self._record([Unread(None, (what,))], now)

    def clock_changed(self, session: str, now: Moment) -> None:
        self._record([SessionChanged(self._parts.sessions.view(session))], now)

    def session_changed(self, session: SessionView, now: Moment) -> None:
        self._record([SessionChanged(session)], now)

    # Inside

    def _wake(self) -> None:
        self._moved.set()

    def _open_if_reconciled(self, now: Moment) -> None:
        if self._parts.gate.window is None and self._parts.reconciling.may_open(now):
            self._parts.floor.release(now)
            self._parts.reconciling.open()
            self._record([PortfolioChanged(self.view())], now)
            self._parts.sessions.wake()

    def _rest_read(self) -> None:
        self._parts.reconciling.rest_read()
        self._moved.set()

    def _record(self, changes: Iterable[Body], now: Moment, notes: tuple[Note, ...] = ()) -> int:
        """What this turn changed goes to the journal; whoever waits for a change looks again."""
        told = tuple(changes)
        sooner = self._parts.ledger.next_gap(self._shared.reconcile.grace_s) < self._asking_due  # not every gap is told
        if sooner or any(isinstance(change, OrderInDoubt | FillGap) for change in told):
            self._doubted.set()
            if self._parts.rest is not None:
                self._parts.rest.want()
        self._settled.set()
        self._moved.set()
        ticket = self._write(told, now, notes)
        self._parts.alarms.look(told, now)
        return ticket

    def _writes(self, ledger: Ledger, door: Door) -> Record:
        self._write = Record(self.name, ledger, self._journal, door)
        return self._write
