"""What must not be, noticed in what happens to the orders of one portfolio (order-rules.md 27).

It is always said in the log, and halts the portfolio where the configuration wants that.
"""

from collections.abc import Sequence

import structlog
from attrs import define

from primefixd.clock import Moment
from primefixd.orders.ledger import Ledger
from primefixd.orders.model import Order
from primefixd.orders.records import Contradicted, FillCorrected, OrderFilled, OrderInDoubt
from primefixd.runtime.feed import Body
from primefixd.runtime.halts import Halts
from primefixd.runtime.settings import HaltSettings

_log = structlog.get_logger()


@define
class Alarms:
    portfolio: str
    ledger: Ledger
    halts: Halts
    settings: HaltSettings

    def change(self, settings: HaltSettings) -> None:
        """This halts the portfolio from now on."""
        self.settings = settings

    def look(self, changes: Sequence[Body], now: Moment) -> None:
        """Notice what is wrong in these changes, once they are on their way to the journal."""
        for change in changes:
            match change:
                case Contradicted(order=order):  # `record` has said it
                    self._alarm("contradiction", self.settings.contradiction, now, order)
                case OrderFilled(order=order) | FillCorrected(order=order) if _overfilled(order):
                    _log.critical("overfill", portfolio=self.portfolio, client_order_id=order.client_order_id)
                    self._alarm("overfill", self.settings.overfill, now, order)
                case OrderInDoubt(order=order):
                    self._doubts(order, now)

    def _doubts(self, order: Order, now: Moment) -> None:
        most, doubtful = self.settings.in_doubt_max, len(self.ledger.in_doubt())
        if most is not None and doubtful > most:
            _log.critical("too_many_in_doubt", portfolio=self.portfolio, in_doubt=doubtful, in_doubt_max=most)
            self._alarm("in_doubt", True, now, order)

    def _alarm(self, what: str, halting: bool, now: Moment, order: Order) -> None:
        if halting:
            self.halts.trip(what, order.client_order_id, self.settings.cancel_open, now)


def _overfilled(order: Order) -> bool:
    """Whether more was filled than was asked for; while a replace is pending, than the larger of both sizes."""
    sizes = [order.terms.base_quantity, order.replace.terms.base_quantity if order.replace else None]
    known = [size for size in sizes if size is not None]
    return bool(known) and order.filled_quantity > max(known)
