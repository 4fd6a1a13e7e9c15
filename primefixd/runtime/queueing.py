"""New orders of one portfolio between their acceptance and their leaving: which session's queue they wait in.

An order that waits is in exactly one queue, and moves only from a session that is down (order-rules.md 21). Nothing
here waits or publishes; what changes is returned.
"""

from datetime import datetime, timedelta

from attrs import evolve, frozen

from primefixd.clock import Moment
from primefixd.dispatch.outbox import Waiting
from primefixd.orders.ledger import Ledger
from primefixd.orders.model import Order, RequestKind, Status, Submission
from primefixd.orders.records import Change
from primefixd.runtime.sessions import Sessions

TTL_MS = 5_000  # how long an order may wait to be sent unless its client says otherwise (contract.md, order.submit)
_ON_ANY_SESSION = frozenset({RequestKind.REPLACE, RequestKind.QUOTE})


@frozen
class Queueing:
    ledger: Ledger
    sessions: Sessions

    def route(self, product_id: str, pin: str | None) -> str | None:
        """The session for a new order, None if there is none."""
        idle = not any(order.terms.product_id == product_id for order in self.ledger.live())
        return self.sessions.route(product_id, pin, idle)

    def route_held(self, pin: str | None) -> str:
        """The session for an order that is held while none is up; it moves on from there if that one stays down."""
        return pin or self.sessions.trading[0]

    def put(self, order: Order, now: Moment) -> bool:
        """Put a new order into its session's queue; False if that is full."""
        deadline = now.mono + (order.deadline - now.utc).total_seconds() if order.deadline else None
        item = Waiting(
            kind=RequestKind.NEW_ORDER,
            client=order.client,
            key=order.key,
            deadline=deadline,
            request_id=order.client_order_id,
        )
        return self.sessions.put(order.session or "", item)

    def put_back(self, order: Order, now: Moment) -> list[Change] | None:
        """After a restart: let an order that never left wait again; None if its time is over or no session can be."""
        home = order.session if order.session in self.sessions.trading else None
        session = home if order.pinned else home or next(iter(self.sessions.trading), None)
        overdue = order.deadline is not None and order.deadline <= now.utc
        if session is None or overdue or not self.put(evolve(order, session=session), now):
            return None
        return [] if session == order.session else [self.ledger.moved(order.key, session, now)]

    def withdraw(self, order: Order) -> None:
        """Take the order out again: it ends before it has left."""
        self.sessions.outbox(order.session or "").withdraw(order.key, RequestKind.NEW_ORDER)

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


def deadline(submission: Submission, now: Moment) -> datetime:
    """After which the order must not leave any more, as its client says or by TTL_MS."""
    ttl = timedelta(milliseconds=TTL_MS if submission.ttl_ms is None else submission.ttl_ms)
    return submission.deadline or now.utc + ttl
