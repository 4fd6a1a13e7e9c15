"""How one execution report changes one order: fills first, then status, then what does not add up.

Straight-line and pure. The order of the steps is that of order-rules.md: snapshots (3), busts and corrections (4),
fills (1, 2), status (6, 7), gaps (5).
"""

from datetime import datetime

from attrs import evolve

from primefixd.clock import Moment
from primefixd.orders import lifecycle
from primefixd.orders.executions import Executions, Verdict
from primefixd.orders.lifecycle import Move
from primefixd.orders.model import (
    FINAL,
    Cancel,
    CancelState,
    Fill,
    Order,
    RejectReason,
    Report,
    ReportKind,
    Status,
    Transaction,
    VenueStatus,
)
from primefixd.orders.records import (
    Change,
    Contradicted,
    FillBusted,
    FillCorrected,
    FillGap,
    OrderFilled,
    OrderUpdated,
)


class Entry:
    """One order, with what only judging the next word on it needs."""

    __slots__ = ("asked_why", "asking", "executions", "latest", "order")

    def __init__(self, order: Order) -> None:
        self.order = order
        self.executions = Executions()
        self.latest: datetime | None = None  # newest TransactTime heard
        self.asking = 0  # status requests that left and were not answered yet
        self.asked_why: set[str] = set()  # so that one odd state is told and asked about once, not for ever

    def first(self, why: str) -> bool:
        """Whether `why` is a new reason to ask the venue for this order's state."""
        new = why not in self.asked_why
        self.asked_why.add(why)
        return new

    @property
    def complete(self) -> bool:
        """Whether the fills heard reach the size; one sized in quote ends by the venue's word (order-rules.md 7)."""
        size = self.order.terms.base_quantity
        return size is not None and self.executions.quantity >= size


def is_snapshot(report: Report, *, asking: bool) -> bool:
    """Whether a report tells state and is never a fill (order-rules.md 3).

    The venue's published status answer carries 20=1 and no 19: while we ask, that is the answer and not a bust.
    """
    if report.transaction is Transaction.STATUS or report.kind is ReportKind.STATUS or report.exec_id == "0":
        return True
    return asking and report.transaction is not Transaction.NEW and report.exec_ref_id is None


def judge(entry: Entry, report: Report, source: str, now: Moment) -> tuple[list[Change], bool]:
    """What `report`, heard on session `source`, changes about `entry`, and whether to ask for the order's state."""
    snapshot = is_snapshot(report, asking=entry.asking > 0)
    if snapshot:
        entry.asking = max(entry.asking - 1, 0)
    elif report.transaction is not Transaction.NEW:
        return _take_back(entry, report, now)
    before = entry.order
    stale = _stale(entry, report)
    fill, odd = (None, None) if snapshot else _fill(entry, report, source, now)
    odd = odd or _move(entry, report, snapshot, stale, now)
    _remember_time(entry, report)
    changes: list[Change] = [OrderFilled(entry.order, fill)] if fill else []
    if _visible(before) != _visible(entry.order):
        changes.append(OrderUpdated(entry.order))
    if odd is not None:
        changes.append(Contradicted(entry.order, odd))
    doubts = _overfill(entry) + _gap(entry, report)
    unsettled = _unsettled(entry, report)
    return changes + doubts, unsettled or odd is not None or len(doubts) > 0


def _visible(order: Order) -> tuple[object, ...]:
    """What an `order.updated` is worth: fills have an event of their own."""
    return order.status, order.order_id, order.in_doubt, order.venue_status, order.cancel, order.reject_reason


def _stale(entry: Entry, report: Report) -> bool:
    """Whether `report` is older than what is known, by its TransactTime or its CumQty (order-rules.md 6)."""
    if report.transact_time is not None and entry.latest is not None and report.transact_time < entry.latest:
        return True
    return report.cumulative_quantity is not None and report.cumulative_quantity < entry.executions.quantity


def _remember_time(entry: Entry, report: Report) -> None:
    if report.transact_time is not None and (entry.latest is None or report.transact_time > entry.latest):
        entry.latest = report.transact_time


def _fill(entry: Entry, report: Report, source: str, now: Moment) -> tuple[Fill | None, str | None]:
    """The unseen execution that `report` tells, counted already, and what is odd about it (order-rules.md 1 and 2)."""
    if report.kind is not ReportKind.TRADE or report.last_quantity <= 0:
        return None, None
    if report.last_price is None or report.exec_id is None:
        missing = "price" if report.exec_id else "ExecID"
        return None, f"a fill of {report.last_quantity:f} came without a readable {missing}"
    verdict = entry.executions.hear(report.exec_id, report.transaction, report.last_quantity, report.last_price)
    if verdict is Verdict.CONTRADICTS:
        return None, f"execution {report.exec_id} was told twice with different terms"
    if verdict is Verdict.REPEATED:
        return None, None
    cumulative = report.cumulative_quantity
    fill = Fill(
        fill_id=f"{report.order_id or entry.order.order_id or entry.order.client_order_id}/{report.exec_id}",
        exec_id=report.exec_id,
        cumulative_quantity=entry.executions.quantity + report.last_quantity if cumulative is None else cumulative,
        last_quantity=report.last_quantity,
        last_price=report.last_price,
        commission=report.commission,
        fees=report.fees,
        venue=report.venue,
        time=report.transact_time or now.utc,
        source=source,
    )
    entry.executions.add(fill)
    _total(entry, now)
    return fill, None


def _total(entry: Entry, now: Moment) -> None:
    heard = entry.executions
    entry.order = evolve(
        entry.order,
        filled_quantity=heard.quantity,
        filled_value=heard.value,
        commission=heard.commission,
        updated_at=now.utc,
    )


def _move(entry: Entry, report: Report, snapshot: bool, stale: bool, now: Moment) -> str | None:
    """Take over what `report` says of the order's state; returns what two words contradict each other about."""
    order = entry.order
    if report.reject_reason is RejectReason.DUPLICATE_ORDER and order.in_doubt:
        return None  # it proves that the venue has the order, and is no rejection of it (order-rules.md 14)
    if snapshot and (report.status is VenueStatus.REJECTED or report.reject_reason is RejectReason.UNKNOWN_ORDER):
        return None  # absence is never proof (order-rules.md 13)
    claim = _claim(entry, report, snapshot, stale)
    step = Move.IGNORE if claim in (None, order.status) else lifecycle.move(order.status, claim or order.status)
    status = order.status if step is Move.IGNORE or claim is None else claim
    entry.order = evolve(
        order,
        status=status,
        order_id=order.order_id or report.order_id,
        in_doubt=False,
        venue_status=order.venue_status if stale else report.status.value,
        cancel=_cancel_after(order.cancel, status, now),
        reject_reason=_reject_reason(order, report, status),
        reject_text=(report.text or order.reject_text) if status is Status.REJECTED else None,
        acknowledged_at=order.acknowledged_at or now.utc,
        updated_at=now.utc,
    )
    return f"the venue says {status} of an order that was {order.status}" if step is Move.CONTRADICT else None


def _claim(entry: Entry, report: Report, snapshot: bool, stale: bool) -> Status | None:
    """The status that `report` and the quantities together speak for; None leaves the order where it is."""
    order = entry.order
    if entry.complete:
        return Status.FILLED
    pending = order.status in (Status.PENDING_CANCEL, Status.PENDING_REPLACE)
    claim = lifecycle.claim(report, snapshot=snapshot, pending=pending)
    if claim in FINAL and not order.final:
        return claim  # a terminal fact holds however late it is heard
    if order.final and (report.kind is ReportKind.TRADE or not _newer(entry, report)):
        return None  # a late fill is told, and moves nothing
    return None if stale else claim


def _newer(entry: Entry, report: Report) -> bool:
    return report.transact_time is not None and (entry.latest is None or report.transact_time > entry.latest)


def _cancel_after(cancel: Cancel | None, status: Status, now: Moment) -> Cancel | None:
    if status in FINAL:
        return None
    if status is Status.PENDING_CANCEL and (cancel is None or cancel.state is not CancelState.PENDING):
        return Cancel(state=CancelState.PENDING, since=now.utc)
    return cancel


def _reject_reason(order: Order, report: Report, status: Status) -> str | None:
    if status is not Status.REJECTED:
        return None
    return order.reject_reason or (report.reject_reason or RejectReason.OTHER).value


def _overfill(entry: Entry) -> list[Change]:
    size, filled = entry.order.terms.base_quantity, entry.executions.quantity
    if size is None or filled <= size or not entry.first(f"overfill {filled}"):
        return []
    return [Contradicted(entry.order, f"filled {filled:f} of an order for {size:f}")]


def _gap(entry: Entry, report: Report) -> list[Change]:
    """The venue counts more than the fills that were heard: said once, never a fill by itself (order-rules.md 5)."""
    told, heard = report.cumulative_quantity, entry.executions.quantity
    if told is None or told <= heard or not entry.first(f"gap {told} {heard}"):
        return []
    return [FillGap(entry.order, venue_quantity=told, heard_quantity=heard)]


def _unsettled(entry: Entry, report: Report) -> bool:
    """Whether the venue's word ends nothing by itself and ought to be asked about, once each (order-rules.md 6, 7)."""
    if report.status in lifecycle.ASKED_ABOUT:
        return entry.first(f"status {report.status}")
    leaves_nothing = report.leaves_quantity == 0 and not entry.order.final
    return leaves_nothing and report.cumulative_quantity != 0 and entry.first("leaves nothing")


def _take_back(entry: Entry, report: Report, now: Moment) -> tuple[list[Change], bool]:
    """A bust or a correction of a known execution; the only reports that lower a filled quantity (order-rules.md 4)."""
    reference, exec_id = report.exec_ref_id, report.exec_id or ""
    price = report.last_price
    verdict = entry.executions.hear(exec_id, report.transaction, report.last_quantity, price)
    if verdict is Verdict.REPEATED:
        return [], False
    correction = report.transaction is Transaction.CORRECT
    if reference is None or not entry.executions.knows(reference) or (correction and price is None):
        what = f"a {report.transaction} of execution {reference or 'unnamed'} that is not known here"
        return [Contradicted(entry.order, what)], entry.first(what)
    if correction and price is not None:
        fill = entry.executions.correct(reference, report.last_quantity, price, report.commission)
        _total(entry, now)
        told: Change = FillCorrected(entry.order, fill, replaces=reference)
    else:
        fill = entry.executions.bust(reference)
        _total(entry, now)
        told = FillBusted(entry.order, fill)
    _remember_time(entry, report)
    return [told], entry.order.status is Status.FILLED and entry.first(f"taken back {exec_id}")
