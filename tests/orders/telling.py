"""Short words for the tests of orders: one order, what the venue says of it, and what came of that."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from attrs import evolve

from primefixd.clock import Moment
from primefixd.orders.ledger import Judgement, Ledger
from primefixd.orders.model import Order, OrderType, Side, Terms, TimeInForce
from primefixd.orders.records import Change, Contradicted
from primefixd.orders.reports import RejectReason, Report, ReportKind, Transaction, VenueStatus

NOON = datetime(2026, 1, 27, 12, tzinfo=UTC)
IOC, FOK = TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL
_TERMS = Terms(
    product_id="BTC-USD",
    side=Side.BUY,
    type=OrderType.LIMIT,
    base_quantity=Decimal(1),
    limit_price=Decimal(100),
    time_in_force=TimeInForce.GOOD_UNTIL_CANCELLED,
)


def at(seconds: float) -> Moment:
    return Moment(1000 + seconds, NOON + timedelta(seconds=seconds))


def order(client_order_id: str = "a", *, cursor: int = 0, **terms: Any) -> Order:
    """A limit order to buy 1 BTC, unless `terms` say otherwise."""
    now = NOON
    return Order(
        client_order_id=client_order_id,
        portfolio="main",
        session="main-1",
        terms=evolve(_TERMS, **terms),
        client="desk",
        accepted_cursor=cursor,
        created_at=now,
        updated_at=now,
    )


def quote_sized(value: str = "100", **terms: Any) -> Order:
    return order(base_quantity=None, quote_value=Decimal(value), **terms)


def word(kind: str, status: str | None = None, t: float | None = None, **fields: Any) -> Report:
    """What the venue says: ExecType, OrdStatus (the same word unless told), TransactTime `t` seconds after noon."""
    numbers = ("base_quantity", "cumulative_quantity", "leaves_quantity", "last_quantity", "last_price", "commission")
    told: dict[str, Any] = {"account": "p", "order_id": "v", "client_order_id": "a", "exec_id": None} | {
        name: Decimal(value) if name in numbers and value is not None else value for name, value in fields.items()
    }
    told.setdefault("transaction", Transaction.NEW)
    told.setdefault("product_id", "BTC-USD")
    told.setdefault("side", Side.BUY)
    return Report(
        kind=ReportKind.TRADE if kind == "filled" else ReportKind(kind),
        status=VenueStatus(status or kind),
        transact_time=None if t is None else at(t).utc,
        **told,
    )


def fill(exec_id: str | None, quantity: str, cum: str | None, t: float | None = None, **fields: Any) -> Report:
    """A fill at 100 that says "partially filled", as this venue does even on the last one."""
    given = {"status": "partially_filled", "last_price": "100"} | fields
    return word("trade", t=t, exec_id=exec_id, last_quantity=quantity, cumulative_quantity=cum, **given)


def bust(reference: str | None, exec_id: str | None, t: float | None = None, **fields: Any) -> Report:
    given = {"status": "partially_filled", "last_quantity": "0"} | fields
    return word("trade", t=t, exec_id=exec_id, exec_ref_id=reference, transaction=Transaction.CANCEL, **given)


def correction(reference: str, exec_id: str | None, quantity: str, t: float | None = None, **fields: Any) -> Report:
    given = {"status": "partially_filled", "last_price": "100"} | fields
    change = {"exec_ref_id": reference, "transaction": Transaction.CORRECT, "last_quantity": quantity}
    return word("trade", t=t, exec_id=exec_id, **change, **given)


def answer(status: str, t: float | None = None, **fields: Any) -> Report:
    """A status answer, as the venue says it will be: 150=I."""
    return word("status", status, t, **({"exec_id": "0"} | fields))


def duplicate(**fields: Any) -> Report:
    return word("rejected", **({"reject_reason": RejectReason.DUPLICATE_ORDER} | fields))


class Story:
    """One order in a ledger: it leaves, the venue speaks."""

    def __init__(self, told: Order | None = None, *, sent: bool = True) -> None:
        self.ledger = Ledger()
        self.seconds = 0.0
        first = told or order()
        self.key = first.client_order_id
        self.ledger.open(first)
        if sent:
            self.ledger.sent(self.key, "main-1", at(0))

    @property
    def order(self) -> Order:
        found = self.ledger.get(self.key)
        assert found is not None
        return found

    def hears(self, *reports: Report, source: str = "main-1") -> Judgement:
        """What the last of `reports` came to."""
        judged = Judgement()
        for report in reports:
            self.seconds += 1
            judged = self.ledger.report(report, source, at(self.seconds))
        return judged


def names(judged: Judgement | Sequence[Change]) -> list[str]:
    changes = judged.changes if isinstance(judged, Judgement) else judged
    return [type(change).__name__ for change in changes]


def doubts(judged: Judgement) -> list[str]:
    return [change.text for change in judged.changes if isinstance(change, Contradicted)]
