"""The ledger: our orders of one portfolio, and what every word of the venue does to them.

Pure: words go in with the time, changes come out. It never sends, waits, logs or publishes; where something ought to
be asked about, it says so. What one report does to one order is in `judging`.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal, localcontext
from typing import Any

from attrs import evolve, frozen

from primefixd.clock import Moment
from primefixd.orders import doubt, replacing, restarting
from primefixd.orders.entry import Entry
from primefixd.orders.exact import EXACT
from primefixd.orders.foreign import Foreign
from primefixd.orders.gaps import Gaps
from primefixd.orders.judging import IMMEDIATE, list_fills, take_in
from primefixd.orders.keeping import Keeping, Kept
from primefixd.orders.model import Cancel, CancelState, Order, Resolution, Status, Terms
from primefixd.orders.ownership import same_order
from primefixd.orders.records import CancelRejected, Change, OrderInDoubt, OrderUnknown, OrderUpdated, Unread
from primefixd.orders.reports import CancelRefused, Report, RestFill
from primefixd.orders.shelf import Shelf

QUIET_ASKS_MAX = 5  # how often the silence of one order is asked about
ASKS_REFUSED_MAX = 5  # refused status requests of one order that are tried again; then its next report must do


@frozen
class Judgement:
    """What one word of the venue came to: changes in their order, the order that it spoke of, None if of none of ours.

    `ask` says that the order's state should be asked for.
    """

    changes: tuple[Change, ...] = ()
    order: Order | None = None
    ask: bool = False


class Ledger:
    """The orders of one portfolio by ClOrdID and by OrderID."""

    def __init__(self, reconcile_grace_s: float = 30.0, portfolio: str = "") -> None:
        self._grace_s, self._portfolio = reconcile_grace_s, portfolio
        self._gaps = Gaps()
        self._shelf = Shelf()
        self.finished = self._shelf.finished  # how many orders ended since the start, by status and reason; to be read
        self._foreign = Foreign()
        self._heard_at: dict[str, float] = {}  # mono of the last word on an immediate order that has fills

    def get(self, client_order_id: str) -> Order | None:
        return self._shelf.order(self._shelf.key(client_order_id))

    def by_order_id(self, order_id: str) -> Order | None:
        return self._shelf.order(self._shelf.key_of(order_id))

    def used(self, client_order_id: str) -> bool:
        """Whether that id was ever given to an order here, also to one that is forgotten (order-rules.md 23)."""
        return self._shelf.used(client_order_id)

    def submitted_with(self, client_order_id: str) -> Terms | None:
        """The terms that were given with that id, whatever replaced them since; None if it is not kept."""
        return entry.submitted_with(client_order_id) if (entry := self._find(client_order_id)) else None

    def live(self) -> list[Order]:
        """Orders that are not final, oldest first."""
        return [entry.order for entry in self._shelf.live()]

    def kept(self, after: int = -1, product_id: str | None = None) -> Iterator[Order]:
        """The orders that are kept, oldest first: accepted after that cursor, and of that product unless None."""
        return self._shelf.kept(after, product_id)

    # What we do ourselves

    def open(self, order: Order) -> OrderUpdated:
        """Take in a new order of ours. Raises KeyError for an id that was used: the caller asks `used` first."""
        if self.used(order.client_order_id):
            raise KeyError(order.client_order_id)
        self._shelf.add(Entry(order))
        return OrderUpdated(order)

    def sent(self, client_order_id: str, session: str, now: Moment) -> OrderUpdated:
        """The order's bytes are about to leave on `session`."""
        return self._change(client_order_id, now, status=Status.SENT, session=session, sent_at=now.utc)

    def moved(self, client_order_id: str, session: str, now: Moment) -> OrderUpdated:
        """The order waits for another session now (order-rules.md 21)."""
        return self._change(client_order_id, now, session=session)

    def end(
        self, client_order_id: str, status: Status, now: Moment, reason: str | None = None, text: str | None = None
    ) -> OrderUpdated:
        """The order ends without a report: it never left, or the venue refused it by its number (order-rules.md 9)."""
        ended = {"status": status, "reject_reason": reason, "reject_text": text, "in_doubt": False, "cancel": None}
        return self._change(client_order_id, now, **ended)

    def cancel_is(
        self, client_order_id: str, state: CancelState, now: Moment, reason: str | None = None
    ) -> OrderUpdated:
        """How far the cancellation of that order has come (order-rules.md 19)."""
        return self._change(client_order_id, now, cancel=Cancel(state=state, since=now.utc, reason=reason))

    def asked(self, client_order_id: str) -> None:
        """A status request for that order is leaving; its answer will be a snapshot (order-rules.md 3)."""
        if entry := self._find(client_order_id):
            entry.asking += 1

    def ask_refused(self, client_order_id: str) -> bool:
        """The venue refused to tell the order's state; whether to ask once more, at most ASKS_REFUSED_MAX times."""
        entry = self._find(client_order_id)
        if entry is None:
            return False
        entry.asking = max(entry.asking - 1, 0)
        self._settle(entry)
        return any(entry.first(f"ask refused {n}") for n in range(ASKS_REFUSED_MAX))

    def link_lost(self, session: str, now: Moment) -> list[Change]:
        """What left on `session` and was not acknowledged is in doubt."""
        lost = [e.order.key for e in self._shelf.live() if e.order.session == session and restarting.unanswered(e)]
        return [OrderInDoubt(self._change(key, now, in_doubt=True).order) for key in lost]

    # What is kept on disk, and what a restart makes of it

    def changed(self) -> list[tuple[Order, Decimal]]:
        """The orders that may have changed since `keep`, and what each has traded since, in quote units."""
        return self._shelf.changed()

    def keep(self) -> Keeping:
        """What changed since this was last asked, to be written together; to be asked once a turn."""
        return self._shelf.keep()

    def restore(self, kept: Kept) -> None:
        """Fill this empty ledger with what was kept. Raises ValueError with an order's key if it cannot be read."""
        for key in self._shelf.restore(kept):
            self._gaps.restored(key)

    def restarted(self, now: Moment) -> list[Change]:
        """After `restore`: what the crash left under way (order-rules.md 11). Silence is listened for anew."""
        changes: list[Change] = []
        for entry in list(self._shelf.live()):
            changes += restarting.restarted(entry, now)
            self._settle(entry)
            self._listen(entry, now)
        return changes

    def leaving(self, client_order_id: str, request_id: str | None) -> None:
        """The order's request with that id, its own or that of a replace, may leave once this is on disk.

        None takes that back, for an order that waits on: a crash must not make it doubtful.
        """
        entry = self._held(client_order_id)
        entry.leaving = request_id
        self._settle(entry)

    def marked(self, client_order_id: str, request_id: str) -> bool:
        """Whether that request is the newest one of the order that may have left."""
        entry = self._find(client_order_id)
        return entry is not None and entry.leaving == request_id

    def compact(self, before: datetime, most: int) -> int:
        """Forget up to `most` final orders last changed before that, but for their ids; returns how many."""
        return self._shelf.compact(before, most)

    def discard(self, client_order_id: str) -> None:
        """Take out an order that never left and could not be made durable: its id may be used again.

        Raises KeyError if it is not here, ValueError if it has left.
        """
        entry = self._held(client_order_id)
        if entry.order.sent_at is not None or entry.order.order_id is not None:
            raise ValueError(f"order {client_order_id} has left, and cannot be discarded")
        self._shelf.discard(entry)

    # What the venue says

    def report(self, report: Report, source: str, now: Moment) -> Judgement:
        """What an execution report that came on session `source` changes."""
        entry = self._owner(report)
        if entry is None:
            return Judgement(self.foreign(report))
        with localcontext(EXACT):
            adopted = replacing.adopt(entry, report, now)
            changes, ask = doubt.judged(entry, report, source, now, self._grace_s)
        if adopted and not any(isinstance(change, OrderUpdated) for change in changes):
            changes.append(OrderUpdated(entry.order))
        changes += replacing.ended(entry, report, now)
        if report.unreadable and entry.first(report.exec_id, report.kind, *report.unreadable):
            changes.append(Unread(entry.order, report.unreadable))
        self._watch(entry, now)
        return Judgement(tuple(changes), entry.order, ask)

    def cancelling(self, refused: CancelRefused) -> Order | None:
        """The order that a refused cancel was for."""
        ids = (refused.original_client_order_id, refused.client_order_id)
        named = next((found for i in ids if i is not None and (found := self.get(i)) is not None), None)
        return named or self.by_order_id(refused.order_id or "")

    def cancel_refused(self, client_order_id: str, reason: str, now: Moment) -> CancelRejected:
        """The cancel is refused for good: that restores what was before (order-rules.md 6)."""
        entry = self._held(client_order_id)
        held, before, entry.restored = entry.order.status, entry.restored, Status.OPEN
        status = before if held is Status.PENDING_CANCEL else held
        cancel = Cancel(state=CancelState.REJECTED, since=now.utc, reason=reason)
        return CancelRejected(self._change(client_order_id, now, status=status, cancel=cancel).order, reason)

    def quiet(self, now: float, quiet_ask_s: float) -> list[Order]:
        """IOC and FOK orders with fills that have been silent for `quiet_ask_s` seconds (order-rules.md 7).

        Each is returned once a silence, at most QUIET_ASKS_MAX times.
        """
        overdue = [key for key, heard in self._heard_at.items() if heard + quiet_ask_s <= now]
        for key in overdue:
            del self._heard_at[key]
        entries = [self._held(key) for key in overdue]
        for entry in entries:
            self._settle(entry)
        return [e.order for e in entries if any(e.first(f"quiet {n}") for n in range(QUIET_ASKS_MAX))]

    def next_quiet(self, quiet_ask_s: float) -> float:
        """When `quiet` has something to return, in monotonic seconds; inf if nothing is being listened for."""
        return min(self._heard_at.values(), default=math.inf) + quiet_ask_s

    # Gaps (order-rules.md 5)

    def gaps_due(self, now: Moment, grace_s: float) -> list[Order]:
        """Orders, also final ones, whose gap ought to be asked about now: each once per `grace_s` seconds, bounded."""
        return self._gaps.due(now, grace_s, self._find)

    def next_gap(self, grace_s: float) -> float:
        """When `gaps_due` has something to return, in monotonic seconds; inf if there is no gap, -inf for at once."""
        return self._gaps.next(grace_s)

    def gapped(self) -> list[Order]:
        """Orders with a gap that is still asked about."""
        return [entry.order for key in self._gaps.open() if (entry := self._find(key)) is not None]

    def rest_fills(self, client_order_id: str, fills: Sequence[RestFill], now: Moment) -> list[Change]:
        """Close the order's gap by the fills that REST lists, if they explain it exactly; else nothing changes."""
        entry = self._held(client_order_id)
        with localcontext(EXACT):
            changes = list_fills(entry, fills, now)
        if entry.order.final:
            changes += replacing.over(entry, f"the order is {entry.order.status}", now)
        self._watch(entry, now)
        return changes

    # Doubt (order-rules.md 13 to 16)

    def in_doubt(self) -> list[Order]:
        """Orders that left, and of which nobody knows what became, oldest first."""
        return [entry.order for entry in self._shelf.live() if entry.order.in_doubt]

    def not_found(self, client_order_id: str, now: Moment) -> list[Change]:
        """The venue's REST API does not list that order in doubt; told once, and nothing ends by it."""
        return self._doubted(client_order_id, lambda entry: doubt.not_found(entry, now))

    def resubmittable(self, client_order_id: str, now: Moment) -> bool:
        """Whether that order may leave once more, as far as the order itself says; sessions and risk come on top."""
        return doubt.resubmittable(self._held(client_order_id), now)

    def resubmitted(self, client_order_id: str, now: Moment) -> list[Change]:
        """It is to leave once more; never again after that."""
        return self._doubted(client_order_id, lambda entry: doubt.resubmitted(entry, now))

    def resolve(self, client_order_id: str, resolution: Resolution, now: Moment) -> list[Change]:
        """A person says what became of an order in doubt. Raises ValueError, one sentence, where that cannot be."""
        entry = self._held(client_order_id)
        with localcontext(EXACT):
            changes = doubt.resolve(entry, resolution, now)
        changes += replacing.over(entry, f"the order is {entry.order.status}", now)
        self._watch(entry, now)
        return changes

    # Orders of other origin (order-rules.md 28)

    def foreign(self, report: Report, *, ours: bool = True) -> tuple[Change, ...]:
        """A report on an order that is not ours, told once."""
        return (OrderUnknown(report),) if self._foreign.first(report, ours=ours) else ()

    def foreign_report(self, order_id: str) -> Report | None:
        """The newest report on that order of other origin, since the daemon started."""
        return self._foreign.newest(order_id)

    def adopt(self, order_id: str, cursor: int, now: Moment) -> OrderUpdated:
        """Take in an order of other origin; what was filled of it is a gap. Raises ValueError where that cannot be."""
        report = self._foreign.newest(order_id)
        if report is None:
            raise ValueError(f"the venue has reported nothing on the order {order_id}: name one that it has")
        order = doubt.adopted(report, self._portfolio, cursor, now)
        if self.used(order.client_order_id):
            raise ValueError(f"the id {order.client_order_id} is taken by an order of this portfolio")
        self.open(order)
        entry = self._held(order.client_order_id)
        with localcontext(EXACT):
            take_in(entry, report, now)
        self._foreign.adopted(order_id)
        self._watch(entry, now)
        return OrderUpdated(entry.order)

    # Replaces (order-rules.md 29)

    def replace_queued(self, client_order_id: str, new_id: str, terms: Terms, now: Moment) -> OrderUpdated:
        """A client wants the order to have these terms, under that id. Raises KeyError for an id that was used."""
        if self.used(new_id):
            raise KeyError(new_id)
        entry = self._held(client_order_id)
        self._shelf.alias(new_id, entry)
        self._settle(entry)
        return replacing.offer(entry, new_id, terms, now)

    def replaces_asked(self, client_order_id: str) -> int:
        """How many replaces of that order were ever asked for; each keeps an id."""
        return len(self._held(client_order_id).attempts)

    def replace_sent(self, client_order_id: str, now: Moment) -> OrderUpdated:
        """The request is about to leave."""
        entry = self._held(client_order_id)
        self._settle(entry)
        return replacing.sent(entry, now)

    def replace_doubtful(self, client_order_id: str) -> None:
        """The link that the request left on is gone: the next answer about the order shows which terms live."""
        if entry := self._find(client_order_id):
            entry.replace_doubtful = entry.order.replace is not None
            self._settle(entry)

    def replace_refused(self, client_order_id: str, reason: str, now: Moment) -> list[Change]:
        """The replace came to nothing, and the former terms stand; empty if none is under way."""
        entry = self._held(client_order_id)
        self._settle(entry)
        return replacing.over(entry, reason, now)

    # Inside

    def _find(self, client_order_id: str) -> Entry | None:
        """By any id of an order's chain."""
        return self._shelf.find(self._shelf.key(client_order_id))

    def _held(self, client_order_id: str) -> Entry:
        entry = self._find(client_order_id)
        if entry is None:
            raise KeyError(client_order_id)
        return entry

    def _change(self, client_order_id: str, now: Moment, **changed: Any) -> OrderUpdated:
        entry = self._held(client_order_id)
        entry.order = evolve(entry.order, updated_at=now.utc, **changed)
        self._settle(entry)
        return OrderUpdated(entry.order)

    def _owner(self, report: Report) -> Entry | None:
        """The order of ours that `report` is about: by ClOrdID if side, product and size agree, else by OrderID."""
        for key in (report.client_order_id, report.original_client_order_id):
            entry = self._find(key or "")
            if entry is not None and same_order(entry, report):
                return entry
        return self._shelf.find(self._shelf.key_of(report.order_id or ""))

    def _doubted(self, client_order_id: str, change: Callable[[Entry], list[Change]]) -> list[Change]:
        entry = self._held(client_order_id)
        changes = change(entry)
        self._settle(entry)
        return changes

    def _watch(self, entry: Entry, now: Moment) -> None:
        """As `_settle`, and listen for what may be missing."""
        self._settle(entry)
        self._listen(entry, now)
        self._gaps.watch(entry, now)

    def _listen(self, entry: Entry, now: Moment) -> None:
        order = entry.order
        if order.terms.time_in_force in IMMEDIATE and order.filled_quantity and not order.final:
            self._heard_at[order.key] = now.mono
        else:
            self._heard_at.pop(order.key, None)

    def _settle(self, entry: Entry) -> None:
        """Keep the indices true after a change, and the change for `keep`: whatever changes an entry calls this."""
        self._shelf.settle(entry)
        if entry.order.final:
            self._heard_at.pop(entry.order.key, None)
