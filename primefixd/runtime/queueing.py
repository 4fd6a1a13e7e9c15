"""New orders of one portfolio between their acceptance and their leaving: which session's queue they wait in.

An order that waits is in exactly one queue, and moves only from a session that is down (order-rules.md 21). Nothing
here waits or publishes; what changes is returned.
"""

from attrs import frozen

from primefixd.clock import Moment
from primefixd.dispatch.outbox import Waiting
from primefixd.orders.ledger import Ledger
from primefixd.orders.model import Order, RequestKind, Status
from primefixd.orders.records import Change
from primefixd.runtime.sessions import Sessions


@frozen
class Queueing:
    ledger: Ledger
    sessions: Sessions

    def route(self, product_id: str, pin: str | None) -> str | None:
        """The session for a new order, None if there is none."""
        idle = not any(order.terms.product_id == product_id for order in self.ledger.live())
        return self.sessions.route(product_id, pin, idle)

    def put(self, order: Order, now: Moment) -> bool:
        """Put a new order into its session's queue; False if that is full."""
        deadline = now.mono + (order.deadline - now.utc).total_seconds() if order.deadline else None
        item = Waiting(
            kind=RequestKind.NEW_ORDER,
            client=order.client,
            key=order.client_order_id,
            deadline=deadline,
            request_id=order.client_order_id,
        )
        return self.sessions.put(order.session or "", item)

    def withdraw(self, order: Order) -> None:
        """Take the order out again: it ends before it has left."""
        self.sessions.outbox(order.session or "").withdraw(order.client_order_id, RequestKind.NEW_ORDER)

    def move_on(self, dead: str, now: Moment) -> list[Change]:
        """Let what queues on a dead link go to other sessions, or wait for this one.

        Cancels and questions leave the queue for good: who keeps them places them anew.
        """
        waiting = [item for item in self.sessions.outbox(dead).drain() if item.kind is RequestKind.NEW_ORDER]
        return [change for item in waiting for change in self._move(item, dead, now)]

    def _move(self, item: Waiting, dead: str, now: Moment) -> list[Change]:
        order = self.ledger.get(item.key)
        if order is None or order.status is not Status.QUEUED:
            return []
        target = None if order.pinned else self.route(order.terms.product_id, None)
        if target is not None and self.sessions.put(target, item):
            return [self.ledger.moved(item.key, target, now)]
        self.sessions.put(dead, item)
        return []


def overdue(item: Waiting, order: Order, now: Moment) -> bool:
    """Whether the order must not leave any more, by either clock: the wall clock may have been set meanwhile."""
    return (item.deadline is not None and item.deadline <= now.mono) or (
        order.deadline is not None and order.deadline <= now.utc
    )
