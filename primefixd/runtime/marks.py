"""The second of the two marks (order-rules.md 11): that a request is leaving is on disk before its bytes can leave.

After a crash a request without it was never sent, one with it is in doubt. Cancels and questions do not wait for one:
to ask again for what was asked already does no harm, and a cancel is never late for want of a disk.
"""

from attrs import field, frozen

from primefixd.clock import Moment
from primefixd.dispatch.outbox import Waiting
from primefixd.orders.ledger import Ledger
from primefixd.orders.model import RequestKind
from primefixd.runtime.journal import Journal
from primefixd.runtime.record import Record

_MARKED = frozenset({RequestKind.NEW_ORDER, RequestKind.REPLACE})


@frozen
class Marks:
    ledger: Ledger
    journal: Journal
    record: Record
    _tickets: dict[tuple[RequestKind, str], int] = field(factory=dict)  # of marks that are on their way to the disk

    def made(self, item: Waiting, now: Moment) -> bool:
        """Whether `item` may leave. If it has no mark yet, one is begun, unless the disk cannot be written."""
        if item.kind not in _MARKED or self.ledger.get(item.key) is None:
            return True
        if not self.ledger.marked(item.key, item.request_id):
            if not self.journal.writable:
                return False
            self.ledger.leaving(item.key, item.request_id)
            self.wait_for(item.kind, item.key, self.record((), now))
        ticket = self._tickets.get((item.kind, item.key), 0)
        if not self.journal.is_settled(ticket):
            return False
        self._tickets.pop((item.kind, item.key), None)
        return True

    def wait_for(self, kind: RequestKind, key: str, ticket: int) -> None:
        """That request of that order must not leave before `ticket` is settled."""
        self._tickets[kind, key] = ticket
