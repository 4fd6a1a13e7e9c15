"""How one execution report changes one order: executions first, then status, then what does not add up.

Straight-line and pure. The order of the steps is that of order-rules.md: snapshots (3), busts and corrections (4),
fills (1, 2), status (6, 7), gaps (5). A report that another session has brought before changes nothing.
"""

import math
from collections.abc import Sequence

from attrs import evolve

from primefixd.clock import Moment
from primefixd.orders import fills, lifecycle, reconcile
from primefixd.orders.entry import Entry
from primefixd.orders.fills import Heard
from primefixd.orders.lifecycle import Move
from primefixd.orders.model import FINAL, Cancel, CancelState, Order, Status, TimeInForce
from primefixd.orders.records import Change, Contradicted, FillGap, OrderUpdated
from primefixd.orders.reports import RejectReason, Report, ReportKind, RestFill, Transaction, VenueStatus

IMMEDIATE = frozenset({TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL})

_UNHEARD = frozenset({Status.QUEUED, Status.SENT, Status.PENDING})  # there is nothing to go back to from these
_RESTORED = frozenset({Status.PENDING, Status.PENDING_REPLACE})


def is_snapshot(report: Report, *, asking: bool) -> bool:
    """Whether a report tells state and is never a fill (order-rules.md 3).

    The venue's published status answer carries 20=1 and no 19: while we ask, that is the answer and not a bust.
    """
    if report.transaction is Transaction.STATUS or report.kind is ReportKind.STATUS or report.exec_id == "0":
        return True
    return asking and report.transaction is not Transaction.NEW and not report.exec_ref_id


def judge(entry: Entry, report: Report, source: str, now: Moment, grace_s: float) -> tuple[list[Change], bool]:
    """What `report`, heard on session `source`, changes about `entry`, and whether to ask for the order's state.

    A gap that is `grace_s` old becomes a fill when an answer agrees (order-rules.md 5).
    """
    before, newer = entry.order, _newer(entry, report)
    snapshot = is_snapshot(report, asking=entry.asking > 0 or report == entry.answer)
    if snapshot:
        heard = _answered(entry, report)
    elif report.transaction is Transaction.NEW:
        heard = fills.fill(entry, report, source, now)
    else:
        heard = fills.take_back(entry, report)
    if not heard.news:
        return [Contradicted(entry.order, text) for text in heard.odd], len(heard.odd) > 0
    fills.total(entry, report, heard, now)
    if snapshot:
        heard = _hold_against(entry, report, heard, now, grace_s)
    odd = heard.odd + _move(entry, report, snapshot, newer, now) + _misfits(entry, report, heard, snapshot and newer)
    _remember_time(entry, report, now)
    changes: list[Change] = [evolve(each, order=entry.order) for each in heard.told]
    if _visible(before) != _visible(entry.order):
        changes.append(OrderUpdated(entry.order))
    elif not changes:  # what nobody is told did not change the order
        entry.order = evolve(entry.order, updated_at=before.updated_at)
    doubts = [Contradicted(entry.order, text) for text in odd] + _gap(entry, now)
    unsettled = _unsettled(entry, report, heard, newer)
    return changes + doubts, unsettled or len(doubts) > 0


def take_in(entry: Entry, report: Report, now: Moment) -> None:
    """Let an order of other origin stand as `report` tells; all its executions so far are a gap (order-rules.md 28)."""
    state = evolve(report, kind=ReportKind.STATUS, transaction=Transaction.STATUS, exec_id=None, exec_ref_id=None)
    judge(entry, state, "", now, math.inf)


def list_fills(entry: Entry, listed: Sequence[RestFill], now: Moment) -> list[Change]:
    """What the fills that REST lists change: they close a gap if they explain it exactly (order-rules.md 5)."""
    told, before = reconcile.rest_fills(entry, listed, now), entry.order
    if not told:
        return []
    fills.sum_up(entry, now)
    if entry.complete and not before.final:
        entry.ended = True
        entry.order = evolve(entry.order, status=Status.FILLED, in_doubt=False, cancel=None)
    changes: list[Change] = [evolve(each, order=entry.order) for each in told]
    if _visible(before) != _visible(entry.order):
        changes.append(OrderUpdated(entry.order))
    return changes + _gap(entry, now)


def _hold_against(entry: Entry, report: Report, heard: Heard, now: Moment, grace_s: float) -> Heard:
    told, odd = reconcile.answered(entry, report, now, grace_s)
    if told:
        fills.sum_up(entry, now)
    return evolve(heard, told=heard.told + told, odd=heard.odd + odd)


def _answered(entry: Entry, report: Report) -> Heard:
    """A snapshot; one that nobody waits for and that was heard before is a copy."""
    if entry.asking == 0 and report == entry.answer:
        return Heard(news=False)
    entry.answer, entry.asking = report, max(entry.asking - 1, 0)
    return Heard()


def _visible(order: Order) -> tuple[object, ...]:
    """What an `order.updated` is worth: fills have an event of their own."""
    doubt = order.in_doubt, order.known_to_venue, order.not_found_at, order.resolution
    return order.status, order.order_id, order.venue_status, order.cancel, order.reject_reason, doubt


def _newer(entry: Entry, report: Report) -> bool:
    return entry.latest is None or (report.transact_time is not None and report.transact_time > entry.latest)


def _stale(entry: Entry, report: Report) -> bool:
    """Whether `report` is older than what is known, by its TransactTime or its CumQty (order-rules.md 6)."""
    if report.transact_time is not None and entry.latest is not None and report.transact_time < entry.latest:
        return True
    return report.cumulative_quantity is not None and report.cumulative_quantity < entry.counted


def _remember_time(entry: Entry, report: Report, now: Moment) -> None:
    """An end that carries no time is dated by our own clock, so that older words cannot undo it."""
    time = report.transact_time or (now.utc if entry.ended else None)
    if time is not None and (entry.latest is None or time > entry.latest):
        entry.latest = time


# Status


def _move(entry: Entry, report: Report, snapshot: bool, newer: bool, now: Moment) -> tuple[str, ...]:
    """Take over what `report` says of the order's state; returns what two words contradict each other about."""
    order = entry.order
    if _proves_nothing(entry, report, snapshot):
        if order.in_doubt and report.reject_reason is RejectReason.DUPLICATE_ORDER:
            entry.order = evolve(order, known_to_venue=True, updated_at=now.utc)
        return ()
    stale = _stale(entry, report)
    pending = order.status in (Status.PENDING_CANCEL, Status.PENDING_REPLACE)
    told = _remainder(entry, lifecycle.claim(report, snapshot=snapshot, pending=pending))
    claim = Status.FILLED if entry.complete else _claim(entry, report, told, stale, newer)
    step = Move.IGNORE if claim in (None, order.status) else lifecycle.move(order.status, claim or order.status)
    status = order.status if step is Move.IGNORE or claim is None else claim
    entry.order = evolve(
        order,
        status=status,
        order_id=order.order_id or report.order_id,
        in_doubt=False,
        known_to_venue=False,
        not_found_at=None,
        net_average_price=order.net_average_price if stale else report.net_average_price or order.net_average_price,
        venue_status=order.venue_status if stale or (order.final and claim is None) else report.status.value,
        cancel=_cancel_after(order.cancel, status, now),
        reject_reason=_reject_reason(order, report, status),
        reject_text=(report.text or order.reject_text) if status is Status.REJECTED else None,
        acknowledged_at=order.acknowledged_at or now.utc,
        updated_at=now.utc,
    )
    _note(entry, order, claim, report)
    if step is Move.CONTRADICT:
        return (f"the venue says {status} of an order that was {order.status}",)
    if entry.complete and told in FINAL and told is not Status.FILLED:
        return entry.once(f"the venue says {told} of an order whose fills reach its size")
    return ()


def _note(entry: Entry, before: Order, claim: Status | None, report: Report) -> None:
    """What later words will be judged by: who ended the order, and where a refused cancel leaves it."""
    status = entry.order.status
    entry.ended = status in FINAL and (claim in FINAL or entry.ended)
    entry.reopened = entry.reopened or (before.final and status not in FINAL)
    if status is Status.PENDING_CANCEL and before.status in _RESTORED:
        entry.restored = before.status
    elif report.kind in (ReportKind.NEW, ReportKind.TRADE) and entry.restored is Status.PENDING:
        entry.restored = Status.OPEN


def _proves_nothing(entry: Entry, report: Report, snapshot: bool) -> bool:
    """Whether a rejection is none of this order.

    Absence is never proof (order-rules.md 13), and a duplicate proves that the venue has the order (order-rules.md 14).
    """
    if report.kind is ReportKind.TRADE and not snapshot:
        return False
    order = entry.order
    doubtful = snapshot or order.in_doubt or order.resolution is not None or order.acknowledged_at is not None
    if report.reject_reason is RejectReason.DUPLICATE_ORDER:
        return doubtful
    if report.reject_reason is RejectReason.RATE_LIMITED and entry.sent_twice and order.in_doubt:
        return True  # of the second sending; nothing is known of the first
    if report.reject_reason is RejectReason.UNKNOWN_ORDER:
        return doubtful or entry.asking > 0
    return snapshot and report.status is VenueStatus.REJECTED


def _claim(entry: Entry, report: Report, told: Status | None, stale: bool, newer: bool) -> Status | None:
    """The status that `report` speaks for by being newer, or final; None leaves the order where it is."""
    order = entry.order
    if order.final:
        return told if not entry.ended or _reopens(entry, report, told, stale, newer) else None
    if told in FINAL:
        return None if stale and entry.reopened else told  # a terminal fact holds however late it is heard
    if order.status in _UNHEARD:
        return Status.OPEN if told in (None, Status.PENDING) and entry.executions.quantity > 0 else told
    return None if stale else told


def _remainder(entry: Entry, told: Status | None) -> Status | None:
    """The rest of an IOC or FOK is CANCELLED, with its fills, whatever the venue calls that (order-rules.md 7)."""
    if entry.order.terms.time_in_force not in IMMEDIATE:
        return told
    rest = told is Status.EXPIRED or (told is Status.REJECTED and entry.executions.quantity > 0)
    return Status.CANCELLED if rest else told


def _reopens(entry: Entry, report: Report, told: Status | None, stale: bool, newer: bool) -> bool:
    """Whether `report` can undo an end that the venue told.

    A late fill moves nothing, except that a rejected order has none; a bust or correction undoes a FILLED.
    """
    if report.kind is not ReportKind.TRADE or told in FINAL:
        return newer
    undone = Status.REJECTED if report.transaction is Transaction.NEW else Status.FILLED
    return entry.order.status is undone and not stale


def _cancel_after(cancel: Cancel | None, status: Status, now: Moment) -> Cancel | None:
    """The state of the cancel in a new status: pending is what the venue says it is (order-rules.md 19)."""
    if status in FINAL:
        return None
    pending = cancel is not None and cancel.state is CancelState.PENDING
    if status is Status.PENDING_CANCEL and not pending:
        return Cancel(state=CancelState.PENDING, since=now.utc)
    if status is Status.OPEN and pending:
        return Cancel(state=CancelState.SENT, since=now.utc)
    return cancel


def _reject_reason(order: Order, report: Report, status: Status) -> str | None:
    if status is not Status.REJECTED:
        return None
    return order.reject_reason or (report.reject_reason or RejectReason.OTHER).value


# What does not add up


def _misfits(entry: Entry, report: Report, heard: Heard, answer: bool) -> tuple[str, ...]:
    """What cannot be true together; `answer` says that `report` is a fresh answer about the order's state."""
    terms, filled, told = entry.order.terms, entry.executions.quantity, report.cumulative_quantity
    odd: tuple[str, ...] = ()
    if heard.told and terms.base_quantity is not None and filled > terms.base_quantity:
        odd += (f"filled {filled:f} of an order for {terms.base_quantity:f}",)
    if heard.told and filled and entry.order.status is Status.REJECTED:
        odd += entry.once("a fill of an order that was rejected")
    if answer and told is not None and told < filled:
        odd += entry.once(f"the venue counts {told:f}, less than the {filled:f} that was heard")
    if report.side not in (None, terms.side) or report.product_id not in (None, terms.product_id):
        odd += entry.once(f"the venue says that the order is to {report.side} {report.product_id}")
    return odd


def _gap(entry: Entry, now: Moment) -> list[Change]:
    """The venue counts more than the fills that were heard: said once, never a fill by itself (order-rules.md 5)."""
    heard, known = entry.executions.quantity, entry.missing
    entry.missing = entry.counted - heard
    if entry.missing <= known:
        entry.gap_since = entry.gap_since if entry.missing else None
        return []
    entry.gap_since, entry.gap_asks = now.utc, 0
    return [FillGap(entry.order, venue_quantity=entry.counted, heard_quantity=heard)]


def _placed(entry: Entry, report: Report, heard: Heard) -> bool:
    """Whether a fill was held against what stands in for others: by its time, which may err."""
    if report.transaction is not Transaction.NEW:
        return False
    return len(heard.told) > 0 and (len(entry.stand_ins) > 0 or heard.takes_back)


def _unsettled(entry: Entry, report: Report, heard: Heard, newer: bool) -> bool:
    """Whether the venue's word ends nothing by itself and ought to be asked about, once each (order-rules.md 6, 7)."""
    order, told, filled = entry.order, report.cumulative_quantity, entry.executions.quantity
    short = order.status is Status.FILLED and order.terms.base_quantity is not None and not entry.complete
    reasons = {
        f"status {report.status}": report.status in lifecycle.ASKED_ABOUT,
        "leaves nothing": report.leaves_quantity == 0 and told != 0 and not order.final,
        f"{report.kind} but {report.status}": report.kind in lifecycle.ENDS and not order.final,
        "duplicate": report.reject_reason is RejectReason.DUPLICATE_ORDER and not order.final,
        f"less {told} {filled}": newer and told is not None and told < filled,
        f"took back to {told} {filled}": report.exec_ref_id is not None and told is not None and told != filled,
        f"placed {report.exec_id}": entry.taken_back and _placed(entry, report, heard),
        f"short {filled}": short and (heard.takes_back or entry.missing == 0),
    }
    new = [why for why, applies in reasons.items() if applies and entry.first(why)]
    return len(new) > 0
