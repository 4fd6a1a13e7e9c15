"""One order as the ledger keeps it: the picture that others see, and what only judging the next word on it needs.

Every field survives a restart, as `rows` writes it, but for those that are marked UNKEPT.
"""

from datetime import datetime
from decimal import Decimal

from attrs import define, field

from primefixd.orders.executions import Executions
from primefixd.orders.model import Order, Status, Terms
from primefixd.orders.reports import Report

UNKEPT = {"unkept": True}  # metadata of a field that a restart forgets

REMEMBERED_MAX = 1_000  # words and oddities of one order; beyond it all are forgotten, and may be told once more


@define(eq=False)
class Entry:
    """The mutable keeping of one order; only `judging`, `fills` and the ledger change it."""

    order: Order
    executions: Executions = field(factory=Executions, metadata=UNKEPT)  # kept step by step, in rows of their own
    latest: datetime | None = None  # newest TransactTime heard
    counted: Decimal = Decimal(0)  # the venue's largest total, less what it took back; never below what was heard
    missing: Decimal = Decimal(0)  # how much of that was not heard as fills, when last told
    asking: int = field(default=0, metadata=UNKEPT)  # status requests that left and were not answered yet
    answer: Report | None = field(default=None, metadata=UNKEPT)  # the last one: other sessions may carry copies
    early: list[Report] = field(factory=list)  # busts and corrections of executions that were not heard yet
    ended: bool = False  # by the venue's word, not by ours
    reopened: bool = False  # after it had ended
    restored: Status = Status.OPEN  # where a refused cancel leaves it
    heard: set[str] = field(factory=set)
    attempts: dict[str, Terms] = field(factory=dict)  # terms by the id of every replace that was ever asked for
    first_terms: Terms | None = None  # what it was submitted with, once it is replaced
    replace_doubtful: bool = False  # its link died before an answer
    gap_since: datetime | None = None  # when the gap that is open was told last, by our clock
    gap_asks: int = field(default=0, metadata=UNKEPT)  # how often it was asked about
    shrunk: Decimal | None = None  # a total below `counted` that the venue has told once
    shrunk_at: datetime | None = None  # when, by our clock
    stand_ins: list[str] = field(factory=list)  # fills that no session told, oldest first (order-rules.md 5)
    made: int = 0  # how many ExecIDs of our own the order has had
    boundary: Decimal = Decimal(0)  # the venue's total up to which every execution is heard or stood in for
    boundary_at: datetime | None = None  # the venue's time of that
    taken_back: bool = False  # the venue took back or corrected something: its totals before and after do not compare
    rest_named: bool = False  # REST's fill ids are ExecIDs, as this order has shown
    sent_twice: bool = False  # it was in doubt and left again (order-rules.md 15)
    leaving: str | None = None  # the id of the newest request whose bytes may have left (order-rules.md 11)
    written: bytes = field(default=b"", metadata=UNKEPT)  # the order's row as it was kept last
    traded: Decimal = field(default=Decimal(0), metadata=UNKEPT)  # of the filled value, what `changed` has told

    def first(self, *parts: object) -> bool:
        """Whether these words come for the first time: one odd state is told and asked about once, not for ever."""
        what = "|".join(map(str, parts))
        if what in self.heard:
            return False
        if len(self.heard) >= REMEMBERED_MAX:
            self.heard.clear()
        self.heard.add(what)
        return True

    def once(self, text: str) -> tuple[str, ...]:
        """`text`, if it comes for the first time."""
        return (text,) if self.first(text) else ()

    @property
    def accepted_cursor(self) -> int:
        return self.order.accepted_cursor

    @property
    def product_id(self) -> str:
        return self.order.terms.product_id

    def submitted_with(self, client_order_id: str) -> Terms | None:
        """The terms that were given with that id of the order's chain."""
        if client_order_id == self.order.key:
            return self.first_terms or self.order.terms
        return self.attempts.get(client_order_id)

    @property
    def complete(self) -> bool:
        """Whether the fills heard reach the size; one sized in quote ends by the venue's word (order-rules.md 7)."""
        size = self.order.terms.base_quantity
        return size is not None and self.executions.quantity >= size
