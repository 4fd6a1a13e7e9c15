"""The executions of one order: each counts once, whoever told it, until the venue itself takes it back.

Totals are sums over what was heard and never come from a report's own totals (order-rules.md 2 and 4; prime-fix.md
section 5 on tag 8002). They are kept running: an order may have ten thousand fills. For the same reason what is kept
on disk of them are steps that are only ever added; repeating them gives the same executions.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum, auto

from attrs import evolve, frozen

from primefixd.orders.model import Fill
from primefixd.orders.reports import Report, Transaction

_NOTHING = Decimal(0)


class Verdict(Enum):
    NEW = auto()
    REPEATED = auto()
    CONTRADICTS = auto()


@frozen(kw_only=True)
class Step:
    """One thing that changed: a key heard with its terms, a fill as it is now, one taken back, one corrected."""

    heard: tuple[str, Transaction, Decimal, Decimal | None] | None = None
    fill: Fill | None = None
    busted: str | None = None
    corrects: tuple[str, str] | None = None  # the ExecID of a correction, that of the execution
    corrected_at: tuple[str, datetime] | None = None  # the ExecID of a fill, the venue's time of its correction


class Executions:
    """Fills by ExecID, and the key of every report that made or corrected one.

    `quantity` is in base units; `value` and `commission` in quote units, the latter as far as the venue told it.
    """

    def __init__(self) -> None:
        self._fills: dict[str, Fill] = {}
        self._heard: dict[tuple[str, Transaction], tuple[Decimal, Decimal | None]] = {}
        self._corrects: dict[str, str] = {}  # ExecID of a correction: that of the execution
        self._corrected_at: dict[str, datetime] = {}
        self._steps: list[Step] = []  # not taken for keeping yet
        self.quantity = self.value = self.commission = _NOTHING

    def hear(self, exec_id: str, transaction: Transaction, quantity: Decimal, price: Decimal | None) -> Verdict:
        """Whether this report is new, by (ExecID, ExecTransType); a key that comes with other terms contradicts.

        Account and OrderID complete the key of order-rules.md 2: they are those of the order that owns this object.
        """
        terms = self._heard.setdefault((exec_id, transaction), new := (quantity, price))
        if terms is new:
            self._steps.append(Step(heard=(exec_id, transaction, quantity, price)))
            return Verdict.NEW
        return Verdict.REPEATED if terms == new else Verdict.CONTRADICTS

    def add(self, fill: Fill) -> None:
        """Count an execution that `hear` called new."""
        self._fills[fill.exec_id] = fill
        self._steps.append(Step(fill=fill))
        self._count(fill)

    @property
    def standing(self) -> Mapping[str, Fill]:
        """The fills that count at present, by ExecID."""
        return self._fills

    def knows(self, exec_id: str) -> bool:
        """Whether that execution counts at present: heard, and not busted since. A correction's ExecID names it too."""
        return self._root(exec_id) in self._fills

    def busted(self, exec_id: str) -> bool:
        """Whether that execution was heard and taken back."""
        root = self._root(exec_id)
        return root not in self._fills and (root, Transaction.NEW) in self._heard

    def bust(self, exec_id: str) -> Fill:
        """Take back a known execution."""
        root = self._root(exec_id)
        fill = self._fills.pop(root)
        self._steps.append(Step(busted=root))
        self._recount()
        return fill

    def correct(self, exec_id: str, report: Report, price: Decimal) -> Fill | None:
        """Give a known execution the terms of `report`, at `price`; None if a newer correction of it stands.

        A commission that the venue left out stays as it was, with its fees.
        """
        root = self._root(exec_id)
        if report.exec_id:
            self._corrects[report.exec_id] = root
            self._steps.append(Step(corrects=(report.exec_id, root)))
        if (at := report.transact_time) is not None:
            if at < self._corrected_at.get(root, at):
                return None
            self._corrected_at[root] = at
        fill = evolve(self._fills[root], last_quantity=report.last_quantity, last_price=price)
        if report.commission is not None:
            fill = evolve(fill, commission=report.commission, fees=report.fees)
        self._fills[root] = fill
        self._steps.append(Step(fill=fill, corrected_at=None if at is None else (root, at)))
        self._recount()
        return fill

    def taken(self) -> list[Step]:
        """What changed since this was last asked, in its order."""
        steps, self._steps = self._steps, []
        return steps

    def whole(self) -> Iterator[Step]:
        """Steps that lead here from nothing."""
        for (exec_id, transaction), terms in self._heard.items():
            yield Step(heard=(exec_id, transaction, *terms))
        for correction, root in self._corrects.items():
            yield Step(corrects=(correction, root))
        for fill in self._fills.values():
            yield Step(fill=fill)
        for each in self._corrected_at.items():
            yield Step(corrected_at=each)

    def repeat(self, steps: Iterable[Step]) -> None:
        """Take again what was taken before; nothing of it is taken for keeping a second time."""
        for step in steps:
            if step.heard is not None:
                exec_id, transaction, quantity, price = step.heard
                self._heard[exec_id, transaction] = quantity, price
            if step.fill is not None:
                self._fills[step.fill.exec_id] = step.fill
            if step.busted is not None:
                self._fills.pop(step.busted, None)
            if step.corrects is not None:
                self._corrects.update([step.corrects])
            if step.corrected_at is not None:
                self._corrected_at.update([step.corrected_at])
        self._recount()

    def _root(self, exec_id: str) -> str:
        return exec_id if exec_id in self._fills else self._corrects.get(exec_id, exec_id)

    def _count(self, fill: Fill) -> None:
        self.quantity += fill.last_quantity
        self.value += fill.last_quantity * fill.last_price
        self.commission += fill.commission or _NOTHING

    def _recount(self) -> None:
        """Sum anew: subtracting would leave behind what adding had rounded. Rare, unlike fills."""
        self.quantity = self.value = self.commission = _NOTHING
        for fill in self._fills.values():
            self._count(fill)
