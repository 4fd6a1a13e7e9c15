"""A story of one order with gaps: its seconds are told, its events are added up, and it may be restarted."""

from collections.abc import Sequence
from decimal import Decimal, localcontext

from primefixd.orders.exact import EXACT
from primefixd.orders.keeping import Keeping, Kept
from primefixd.orders.ledger import Judgement, Ledger
from primefixd.orders.model import Fill, Order
from primefixd.orders.records import Change, FillBusted, FillCorrected, OrderFilled
from primefixd.orders.reports import Report, RestFill
from tests.orders.telling import Story, answer, at, word

GRACE = 30.0
NEW = word("new", t=1)


class Sums:
    """A client that adds up fills by their ids, from events alone."""

    def __init__(self) -> None:
        self.fills: dict[str, Fill] = {}
        self.told: list[str] = []  # ExecIDs, as they were told
        self.busted: set[str] = set()

    def hears(self, changes: Sequence[Change], order: Order) -> None:
        for change in changes:
            match change:
                case OrderFilled(fill=one):
                    assert one.exec_id not in self.told, "told twice"
                    self.told.append(one.exec_id)
                    self.fills[one.fill_id] = one
                case FillBusted(fill=one):
                    del self.fills[one.fill_id]
                    self.busted.add(one.exec_id)
                case FillCorrected(fill=one, replaces=replaced):
                    if one.fill_id not in self.fills:
                        assert one.exec_id not in self.told, "told twice"
                        self.told.append(one.exec_id)
                        gone = next(i for i, each in self.fills.items() if each.exec_id == replaced)
                        del self.fills[gone]
                    self.fills[one.fill_id] = one
        with localcontext(EXACT):
            self._adds_up(order)

    def _adds_up(self, order: Order) -> None:
        assert sum((one.last_quantity for one in self.fills.values()), Decimal(0)) == order.filled_quantity
        assert (
            sum((one.last_quantity * one.last_price for one in self.fills.values()), Decimal(0)) == order.filled_value
        )


class Gapped(Story):
    """A story whose seconds are told, and whose events are added up; it may be restarted at any point."""

    def __init__(self, told: Order | None = None, *, known: bool = True) -> None:
        super().__init__(told)
        self.sums = Sums()
        self.rows = Kept()
        if known:
            self.hears(NEW)

    def hears(self, *reports: Report, source: str = "main-1") -> Judgement:
        judged = Judgement()
        for report in reports:
            judged = super().hears(report, source=source)
            self.sums.hears(judged.changes, self.order)
        return judged

    def answers(self, cum: str, average: str | None, t: float | None, status: str = "partially_filled") -> Judgement:
        """A status answer at `t` seconds after noon (by the venue's clock), heard now."""
        self.ledger.asked("a")
        price = None if average is None else Decimal(average)
        return self.hears(answer(status, t, cumulative_quantity=cum, average_price=price))

    def waits(self, seconds: float = GRACE) -> list[Order]:
        """Time passes; the orders that are to be asked about."""
        self.seconds += seconds
        return self.ledger.gaps_due(at(self.seconds), GRACE)

    def lists(self, *fills: RestFill) -> list[Change]:
        self.seconds += 1
        changes = self.ledger.rest_fills("a", fills, at(self.seconds))
        self.sums.hears(changes, self.order)
        return changes

    def restarts(self) -> None:
        kept = self.ledger.keep()
        assert isinstance(kept, Keeping)
        orders = {each.key: each for each in (*self.rows.orders, *kept.orders)}
        self.rows = Kept(orders=tuple(orders.values()), executions=(*self.rows.executions, *kept.executions))
        self.ledger = Ledger(GRACE)
        self.ledger.restore(self.rows)
        self.ledger.restarted(at(self.seconds))

    def reconciled(self) -> list[tuple[str, str]]:
        """What stands in, as quantity and price."""
        fills = [one for one in self.sums.fills.values() if one.source == "reconciled"]
        assert all(one.approximate for one in fills)
        return [(f"{one.last_quantity:f}", f"{one.last_price:f}") for one in fills]

    @property
    def filled(self) -> tuple[str, str]:
        return f"{self.order.filled_quantity.normalize():f}", f"{self.order.filled_value.normalize():f}"
