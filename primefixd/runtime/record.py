"""What one portfolio's turns come to, on their way to the journal; whoever is on call hears of the worst in the log."""

from collections.abc import Iterable

import structlog
from attrs import frozen

from primefixd.clock import Moment
from primefixd.orders.ledger import Ledger
from primefixd.orders.records import Contradicted, FillGap, OrderInDoubt
from primefixd.runtime.door import Door
from primefixd.runtime.feed import Body
from primefixd.runtime.journal import Journal
from primefixd.runtime.store import Note

_LOUD = (OrderInDoubt, Contradicted, FillGap)
_log = structlog.get_logger()


@frozen
class Record:
    portfolio: str
    ledger: Ledger
    journal: Journal
    door: Door

    def __call__(self, changes: Iterable[Body], now: Moment, notes: tuple[Note, ...] = ()) -> int:
        """Hand `changes`, and whatever else changed in the ledger, to the journal; its ticket."""
        told = tuple(changes)
        for change in told:
            if isinstance(change, _LOUD):
                _log.error(
                    type(change).__name__, portfolio=self.portfolio, client_order_id=change.order.client_order_id
                )
        notes += self.door.follow(now)
        return self.journal.append(self.portfolio, self.ledger.keep(), told, now, notes)
