"""What leaves on the links of one portfolio: the request as things stand at the last instant, and its mark then.

Nothing here waits or publishes; what changes is returned.
"""

from attrs import frozen

from primefixd.clock import Moment
from primefixd.dispatch.outbox import Waiting
from primefixd.orders.ledger import Ledger
from primefixd.orders.model import Order, QuoteRequest, Request, RequestKind, Status
from primefixd.orders.records import Change
from primefixd.runtime.cancels import Cancels
from primefixd.runtime.link import Asked
from primefixd.runtime.quotes import Quotes
from primefixd.runtime.replaces import Replaces


@frozen
class Departures:
    ledger: Ledger
    cancels: Cancels
    replaces: Replaces
    quotes: Quotes

    def overdue(self, item: Waiting, now: Moment) -> bool:
        """Whether it must not leave any more; an order by either clock: the wall clock may have been set meanwhile."""
        if item.deadline is not None and item.deadline <= now.mono:
            return True
        order = self.ledger.get(item.key) if item.kind is RequestKind.NEW_ORDER else None
        return order is not None and order.overdue(now.utc)

    def request(self, item: Waiting) -> Asked | None:
        """What `item` asks for as things stand now; None if it has come to nothing meanwhile."""
        if item.kind is RequestKind.QUOTE:
            return self.quotes.departing(item)
        order = self.ledger.get(item.key)
        if order is None:
            return None
        if item.kind is RequestKind.REPLACE:
            return self.replaces.departing(item, order)
        wanted = Request(kind=item.kind, request_id=item.request_id, order=order)
        return wanted if self._still_wanted(item, order) else None

    def left(self, request: Asked, session: str, now: Moment) -> list[Change]:
        """`request` is numbered, and its bytes are about to leave on `session`."""
        if isinstance(request, QuoteRequest):
            return []
        match request.kind:
            case RequestKind.NEW_ORDER:
                return [self.ledger.sent(request.order.key, session, now)]
            case RequestKind.CANCEL:
                return [self.cancels.left(request, session, now)]
            case RequestKind.REPLACE:
                return [self.replaces.left(request, session, now)]
        self.ledger.asked(request.order.key)
        return []

    def _still_wanted(self, item: Waiting, order: Order) -> bool:
        if item.kind is RequestKind.NEW_ORDER:
            again = order.in_doubt and not (order.known_to_venue or order.cancel_wanted)  # order-rules.md 15
            return order.status is Status.QUEUED or again
        cancelled = item.kind is RequestKind.CANCEL and (order.final or item.key not in self.cancels)
        return order.order_id is not None and not cancelled
