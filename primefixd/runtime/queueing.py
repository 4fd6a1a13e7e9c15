"""New orders of one portfolio between their acceptance and their leaving: which session's queue they wait in.

An order that waits is in exactly one queue, and moves only from a session that is down (order-rules.md 21). One that
its client lets us hold while the portfolio is closed waits in a queue of its own, in the order in which it came.
Nothing here waits or publishes; what changes is returned.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from attrs import evolve, field, frozen

from primefixd.clock import Moment
from primefixd.dispatch.outbox import Outbox, Waiting
from primefixd.orders.ledger import Ledger
from primefixd.orders.model import OnMaintenance, Order, RequestKind, Status, Submission
from primefixd.orders.records import Change
from primefixd.runtime.sessions import Sessions

TTL_MS = 5_000  # how long an order may wait to be sent unless its client says otherwise (contract.md, order.submit)
HELD_MAX_ORDERS = 1_000  # of one portfolio while it is closed; at the bound a client hears `busy`
_ON_ANY_SESSION = frozenset({RequestKind.REPLACE, RequestKind.QUOTE})


@frozen
class Queueing:
    ledger: Ledger
    sessions: Sessions
    _held: Outbox = field(factory=lambda: Outbox(HELD_MAX_ORDERS))

    def route(self, product_id: str, pin: str | None) -> str | None:
        """The session for a new order, None if there is none."""
        idle = not any(order.terms.product_id == product_id for order in self.ledger.live())
        return self.sessions.route(product_id, pin, idle)

    def put(self, order: Order, now: Moment) -> bool:
        """Put a new order into its session's queue; False if that is full."""
        return self.sessions.put(order.session or "", _waiting(order, order.client, now))

    def hold(self, order: Order, now: Moment) -> bool:
        """Keep a new order until `release`; False if too many are kept already."""
        return self._held.put(_waiting(order, "", now))  # of nobody: clients take no turns, the first goes first

    def hold_queued(self, now: Moment) -> None:
        """Take out of the sessions' queues what may be held, as far as there is room for it."""
        for order in self.ledger.live():
            if order.status is Status.QUEUED and order.on_maintenance is OnMaintenance.HOLD and self.hold(order, now):
                self.sessions.withdraw(order.key, RequestKind.NEW_ORDER)
                if self.ledger.marked(order.key, order.client_order_id):
                    self.ledger.leaving(order.key, None)

    def release(self, now: Moment, fit: Callable[[Order, Moment], bool]) -> tuple[list[Change], list[Order]]:
        """Let what was held leave, in the order in which it came; and the orders that must not any more (rule 25).

        `fit` says whether the order may leave as far as that does not concern the queues.
        """
        changes: list[Change] = []
        invalid: list[Order] = []
        for item in self._held.drain():
            order = self.ledger.get(item.key)
            if order is None or order.status is not Status.QUEUED:
                continue
            pin = order.session if order.pinned else None
            session = self.route(order.terms.product_id, pin) or self._home(order)
            unfit = session is None or order.overdue(now.utc) or not fit(order, now)
            if session is None or unfit or not self.sessions.put(session, item):
                invalid.append(order)
            elif session != order.session:
                changes.append(self.ledger.moved(order.key, session, now))
        return changes, invalid

    @property
    def holding(self) -> bool:
        """Whether anything is held."""
        return len(self._held) > 0

    def expired(self, now: Moment) -> list[Waiting]:
        """What waited past its deadline, taken out of the queues."""
        return self._held.expired(now.mono) + self.sessions.expired(now)

    def next_deadline(self) -> float:
        """The earliest deadline of anything that waits, in monotonic seconds; inf if nothing does."""
        return min(self._held.next_deadline(), self.sessions.next_deadline())

    def put_back(self, order: Order, now: Moment) -> list[Change] | None:
        """After a restart: let an order that never left wait again; None if its time is over or no session can be."""
        session = self._home(order)
        if session is None or order.overdue(now.utc):
            return None
        held = order.on_maintenance is OnMaintenance.HOLD and self.hold(order, now)
        if not held and not self.put(evolve(order, session=session), now):
            return None
        return [] if session == order.session else [self.ledger.moved(order.key, session, now)]

    def withdraw(self, order: Order) -> None:
        """Take the order out again: it ends before it has left."""
        if self._held.withdraw(order.key, RequestKind.NEW_ORDER) is None:
            self.sessions.withdraw(order.key, RequestKind.NEW_ORDER)

    def _home(self, order: Order) -> str | None:
        """The session of an order that waits while none is up; None if the one that it must have is there no more."""
        home = order.session if order.session in self.sessions.trading else None
        return home if order.pinned else home or next(iter(self.sessions.trading), None)

    def move_on(self, dead: str, now: Moment) -> list[Change]:
        """Let what queues on a dead link go to other sessions, or wait for this one.

        Cancels and questions leave the queue for good: who keeps them places them anew.
        """
        changes: list[Change] = []
        for item in self.sessions.outbox(dead).drain():
            if item.kind is RequestKind.NEW_ORDER:
                changes += self._move(item, dead, now)
            elif item.kind in _ON_ANY_SESSION:
                self.sessions.put(self.sessions.carrier(None) or dead, item)
        return changes

    def move_away(self, gone: str, now: Moment) -> tuple[list[Change], list[Order]]:
        """What queues on a session that is in the configuration no more goes elsewhere; and the orders that cannot."""
        changes: list[Change] = []
        lost: list[Order] = []
        for item in self.sessions.outbox(gone).drain():
            order = self.ledger.get(item.key) if item.kind is RequestKind.NEW_ORDER else None
            target = None if order is None or order.pinned else next(iter(self.sessions.trading), None)
            if target is not None and self.sessions.put(target, item):
                changes.append(self.ledger.moved(item.key, target, now))
            elif order is not None:
                lost.append(order)
            elif item.kind in _ON_ANY_SESSION and self.sessions.trading:
                self.sessions.put(self.sessions.trading[0], item)
        return changes, lost

    def _move(self, item: Waiting, dead: str, now: Moment) -> list[Change]:
        order = self.ledger.get(item.key)
        if order is None or order.status is not Status.QUEUED:
            return []
        target = None if order.pinned else self.route(order.terms.product_id, None)
        if target is not None and self.sessions.put(target, item):
            return [self.ledger.moved(item.key, target, now)]
        self.sessions.put(dead, item)
        return []


def _waiting(order: Order, client: str, now: Moment) -> Waiting:
    return Waiting(
        kind=RequestKind.NEW_ORDER,
        client=client,
        key=order.key,
        deadline=now.mono + (order.deadline - now.utc).total_seconds() if order.deadline else None,
        request_id=order.client_order_id,
    )


def deadline(submission: Submission, now: Moment) -> datetime:
    """After which the order must not leave any more, as its client says or by TTL_MS."""
    ttl = timedelta(milliseconds=TTL_MS if submission.ttl_ms is None else submission.ttl_ms)
    return submission.deadline or now.utc + ttl
