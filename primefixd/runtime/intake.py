"""What clients ask of one portfolio: orders, cancels, replaces, quotes. Answered when it is on disk (house rule 9).

Everything is decided before the first await; what changes goes to the journal in the same turn.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import trio
from attrs import evolve, frozen

from primefixd.clock import Clock, Moment
from primefixd.dispatch.calendar import Schedule, window_after
from primefixd.orders.ledger import Ledger
from primefixd.orders.model import Order, QuoteRequest, Replacement, Resolution, Side, Status, Submission
from primefixd.runtime import refusals
from primefixd.runtime.answers import Cancelling, Noted, QuoteAsked, Reason, Refused, Submitted
from primefixd.runtime.cancels import Cancels
from primefixd.runtime.door import Door
from primefixd.runtime.feed import Body
from primefixd.runtime.gate import Gate
from primefixd.runtime.hearing import Hearing
from primefixd.runtime.journal import Journal
from primefixd.runtime.queueing import Queueing, deadline
from primefixd.runtime.quotes import Quotes
from primefixd.runtime.replaces import Replaces
from primefixd.runtime.sessions import Sessions

CANCEL_DURABLE_MOST_S = 1.0  # how long the answer to a cancel waits for the disk; the cancel itself waits for nothing
EXPIRY_LEAD = timedelta(minutes=5)  # so long before the window, and in it, an expiry is warned of
EXPIRY_WARNING = "expires in the venue's daily maintenance or just before it; the venue advises 16:55 New York time"
_NOT_DURABLE = "not_durable"  # why such an order ended
NO_ID_WARNING = "without a client_order_id a lost reply cannot be retried"


@frozen(kw_only=True)
class Intake:
    """`record` hands changes to the journal and returns its ticket."""

    portfolio: str
    ledger: Ledger
    journal: Journal
    gate: Gate
    door: Door
    sessions: Sessions
    queueing: Queueing
    cancels: Cancels
    replaces: Replaces
    quotes: Quotes
    hearing: Hearing
    record: Callable[[Iterable[Body], Moment], int]
    clock: Clock
    new_id: Callable[[Moment], str]
    schedule: Schedule

    async def submit(self, submission: Submission, client: str) -> Submitted | Refused:
        """Accept an order, or say why not. Accepted means on disk, queued to leave, and told as an event."""
        now = self.clock()
        key = submission.client_order_id or self.new_id(now)
        if self.ledger.used(key) and not self._freed(key):
            return await self._repeated(key, submission)
        refused = self._refusal(submission, now)
        if refused is not None:
            return refused
        held = not self.gate.open  # what may not be is refused by now
        session = submission.session if held else self.queueing.route(submission.terms.product_id, submission.session)
        if session is None and not held:
            return refusals.no_session(self.portfolio, submission.session, self.sessions)
        order = self._order(key, session, submission, client, now)
        refused = self.door.submitted(order, now)
        if refused is not None:
            return refused
        if not (self.queueing.hold(order, now) if held else self.queueing.put(order, now)):
            return refusals.busy(session or "orders that are held")
        ticket = self.record([self.ledger.open(order)], now)
        refused = None if await self.journal.settled(ticket) else self._undurable(key, ticket)
        return refused or Submitted(
            order=order,
            cursor=order.accepted_cursor,
            warnings=self._warnings(submission.client_order_id, submission.terms.expiry_time),
        )

    async def cancel(
        self, *, client_order_id: str | None = None, order_id: str | None = None, client: str
    ) -> Cancelling | Refused:
        """Cancel an order. Never refused for rate, queue, disk or a lost link: it is kept, and goes first."""
        now = self.clock()
        try:
            order = self._find(client_order_id, order_id) or self._adopted(order_id or "", now)
        except ValueError as error:
            return Refused(reason=Reason.INVALID, field="order_id", message=str(error))
        if order is None:
            return refusals.unknown_order(self.portfolio, client_order_id or order_id)
        if order.final:
            return refusals.final(order)
        ticket = self.begin_cancel(order, client, now)
        with trio.move_on_after(CANCEL_DURABLE_MOST_S):
            await self.journal.settled(ticket)
        ended = self.ledger.get(order.key) if self.journal.is_settled(ticket) else None
        return Cancelling(order=ended or order, cursor=self.journal.told)  # what a crash could take back is not told

    async def resolve(self, client_order_id: str, opinion: Resolution) -> Noted | Refused:
        """A person's word on an order in doubt, until the venue has one (order-rules.md 16)."""
        now, order = self.clock(), self.ledger.get(client_order_id)
        if order is None:
            return refusals.unknown_order(self.portfolio, client_order_id)
        if not order.in_doubt:
            return refusals.not_in_doubt(order)
        try:
            changes = self.ledger.resolve(order.key, opinion, now)
        except ValueError as error:
            return Refused(reason=Reason.INVALID, field="status", message=str(error))
        resolved = self.ledger.get(order.key) or order
        ticket = self.record([*changes, *self.hearing.settled(resolved, now)], now)
        if not await self.journal.settled(ticket):
            return refusals.not_durable_yet()
        return Noted(order=self.ledger.get(order.key) or order, cursor=self.journal.told)

    async def adopt(self, order_id: str) -> Noted | Refused:
        """Take in an order that another program placed; what it has done so far is asked for (order-rules.md 28)."""
        now = self.clock()
        known = self.ledger.by_order_id(order_id)
        if known is None:
            try:
                known = self._adopted(order_id, now)
            except ValueError as error:
                return Refused(reason=Reason.INVALID, field="order_id", message=str(error))
        if known is None:
            return refusals.unknown_order(self.portfolio, order_id)
        if not await self.journal.settled(self.journal.last):
            return refusals.not_durable_yet()
        return Noted(order=known, cursor=self.journal.told)

    def _adopted(self, order_id: str, now: Moment) -> Order | None:
        """Raises ValueError for an order of which too little is known."""
        if self.ledger.foreign_report(order_id) is None:
            return None
        change = self.ledger.adopt(order_id, self.journal.next, now)
        self.record([change], now)
        self.hearing.asking.about(change.order)
        return change.order

    def begin_cancel(self, order: Order, client: str, now: Moment) -> int:
        """Cancel an order that is not final; the ticket of that."""
        if order.status is Status.QUEUED:
            self.queueing.withdraw(order)
            return self.record([self.ledger.end(order.client_order_id, Status.CANCELLED, now)], now)
        self.record(self.replaces.drop_queued(order, "the order is being cancelled", now), now)
        return self.record(self.cancels.want(order, client, now), now)

    async def replace(self, wanted: Replacement, client: str) -> Submitted | Refused:
        """Give an order new terms under a new id. Answered when the wish is on disk; events tell what becomes of it."""
        refused = self.gate.refusal()
        if refused is not None:
            return refused
        now = self.clock()
        new_id = wanted.new_client_order_id or self.new_id(now)
        told = self.replaces.ask(wanted, new_id, client, now, self.door.replaced)
        if isinstance(told, Refused):
            return told
        cursor = self.journal.told if told.duplicate else self.journal.next
        ticket = self.record(told.changes, now)
        refused = None if await self.journal.settled(ticket) else self._unreplaced(told.order.key, new_id, ticket)
        if refused is not None:
            return refused
        warnings = self._warnings(wanted.new_client_order_id, wanted.expiry_time)
        return Submitted(order=told.order, cursor=cursor, duplicate=told.duplicate, warnings=warnings)

    async def quote(self, request: QuoteRequest, client: str) -> QuoteAsked | Refused:
        """Ask the venue for a quote; it comes as an event. An empty quote_request_id is made here."""
        refused = self.gate.refusal()
        if refused is not None:
            return refused
        now = self.clock()
        request = evolve(request, quote_request_id=request.quote_request_id or self.new_id(now))
        refused = self.quotes.ask(request, client, now)
        if refused is not None:
            return refused
        return QuoteAsked(quote_request_id=request.quote_request_id, cursor=self.journal.told)

    async def cancel_all(self, *, product_id: str | None, side: Side | None, client: str) -> int:
        """Cancel every order that is not final, of one product or side if told; returns how many."""
        now = self.clock()
        chosen = [
            order
            for order in self.ledger.live()
            if product_id in (None, order.terms.product_id) and side in (None, order.terms.side)
        ]
        for order in chosen:
            self.begin_cancel(order, client, now)
        with trio.move_on_after(CANCEL_DURABLE_MOST_S):
            await self.journal.settled(self.journal.last)
        return len(chosen)

    def _find(self, client_order_id: str | None, order_id: str | None) -> Order | None:
        if client_order_id is not None:
            return self.ledger.get(client_order_id)
        return self.ledger.by_order_id(order_id or "")

    def _refusal(self, submission: Submission, now: Moment) -> Refused | None:
        unfit = refusals.unfit(submission, deadline(submission, now), self.sessions.trading, now)
        return unfit or self.gate.refusal(submission.on_maintenance) or self.quotes.refusal(submission.terms, now)

    def _warnings(self, given_id: str | None, expiry: datetime | None) -> tuple[str, ...]:
        """What is allowed and likely not meant (prime-fix.md section 1, maintenance)."""
        early = None if expiry is None else window_after(self.schedule, expiry).start - EXPIRY_LEAD
        late = expiry is not None and early is not None and early <= expiry
        return (() if given_id else (NO_ID_WARNING,)) + ((EXPIRY_WARNING,) if late else ())

    def _order(self, key: str, session: str | None, submission: Submission, client: str, now: Moment) -> Order:
        return Order(
            client_order_id=key,
            portfolio=self.portfolio,
            session=session,
            terms=submission.terms,
            client=client,
            pinned=submission.session is not None,
            deadline=deadline(submission, now),
            on_doubt=submission.on_doubt,
            on_maintenance=submission.on_maintenance,
            accepted_cursor=self.journal.next,
            created_at=now.utc,
            updated_at=now.utc,
        )

    async def _repeated(self, key: str, submission: Submission) -> Submitted | Refused:
        """The same id again. Its first submission may still wait for the disk, and then end for want of it."""
        told = refusals.repeated(key, self.ledger.get(key), self.ledger.submitted_with(key), submission)
        await self.journal.settled(self.journal.last)
        if not self.ledger.used(key):
            return refusals.not_durable()
        unsure = isinstance(told, Submitted) and told.cursor > self.journal.told
        return refusals.durability_unknown(key) if unsure else told

    def _undurable(self, key: str, ticket: int) -> Refused | None:
        """An order that could not be made durable never leaves, and its id is free again; None if it was after all."""
        order = self.ledger.get(key)
        if order is None:
            return refusals.not_durable()
        if self.journal.is_settled(ticket) or order.sent_at is not None:
            return None
        if self.journal.is_under_way(ticket):
            return refusals.durability_unknown(key)
        if order.status is Status.QUEUED:
            self.queueing.withdraw(order)
        now = self.clock()
        self.journal.amend(ticket, self.record(self.hearing.end(order, _NOT_DURABLE, now), now))
        self._freed(key)
        return refusals.not_durable()

    def _freed(self, key: str) -> bool:
        """Whether that id was only ever given to an order that could not be made durable: then it is free again."""
        order = self.ledger.get(key)
        if order is None or order.reject_reason != _NOT_DURABLE:
            return False
        self.ledger.discard(key)
        return True

    def _unreplaced(self, key: str, new_id: str, ticket: int) -> Refused | None:
        """A replace that could not be made durable never leaves; None if it was after all."""
        held = self.ledger.get(key)
        if self.journal.is_settled(ticket) or held is None:
            return None
        if self.journal.is_under_way(ticket):
            return refusals.durability_unknown(new_id)
        if held.replace is not None and held.replace.client_order_id == new_id:
            now = self.clock()
            dropped = self.replaces.drop_queued(held, "it could not be written to disk", now)
            self.journal.amend(ticket, self.record(dropped, now))
        return refusals.not_durable()
