"""The executions of one order: each counts once, whoever told it, until the venue itself takes it back.

Totals are sums over what was heard and never come from a report's own totals (order-rules.md 2 and 4; prime-fix.md
section 5 on tag 8002).
"""

from decimal import Decimal
from enum import Enum, auto

from attrs import evolve

from primefixd.orders.model import Fill, Transaction


class Verdict(Enum):
    NEW = auto()
    REPEATED = auto()
    CONTRADICTS = auto()


class Executions:
    """Fills by ExecID, and the key of every report that made, corrected or busted one."""

    def __init__(self) -> None:
        self._fills: dict[str, Fill] = {}
        self._heard: dict[tuple[str, Transaction], tuple[Decimal, Decimal | None]] = {}

    @property
    def quantity(self) -> Decimal:
        """Base units filled."""
        return sum((fill.last_quantity for fill in self._fills.values()), Decimal(0))

    @property
    def value(self) -> Decimal:
        """Quote units filled, without fees."""
        return sum((fill.last_quantity * fill.last_price for fill in self._fills.values()), Decimal(0))

    @property
    def commission(self) -> Decimal:
        """Quote units of commission, as far as the venue told it."""
        return sum((fill.commission or Decimal(0) for fill in self._fills.values()), Decimal(0))

    def hear(self, exec_id: str, transaction: Transaction, quantity: Decimal, price: Decimal | None) -> Verdict:
        """Whether this report is new, by (ExecID, ExecTransType); a key that comes with other terms contradicts.

        Account and OrderID complete the key of order-rules.md 2: they are those of the order that owns this object.
        """
        terms = self._heard.get((exec_id, transaction))
        if terms is None:
            self._heard[exec_id, transaction] = (quantity, price)
            return Verdict.NEW
        return Verdict.REPEATED if terms == (quantity, price) else Verdict.CONTRADICTS

    def add(self, fill: Fill) -> None:
        self._fills[fill.exec_id] = fill

    def knows(self, exec_id: str | None) -> bool:
        """Whether that execution counts at present: heard, and not busted since."""
        return exec_id in self._fills

    def bust(self, exec_id: str) -> Fill:
        """Take back a known execution."""
        return self._fills.pop(exec_id)

    def correct(self, exec_id: str, quantity: Decimal, price: Decimal, commission: Decimal | None) -> Fill:
        """Give a known execution new terms; a commission that the venue left out stays as it was."""
        old = self._fills[exec_id]
        charged = old.commission if commission is None else commission
        fill = evolve(old, last_quantity=quantity, last_price=price, commission=charged)
        self._fills[exec_id] = fill
        return fill
