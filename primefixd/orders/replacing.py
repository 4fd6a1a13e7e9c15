"""The life of a replace, as far as it concerns the order alone (order-rules.md 29). Pure.

The order goes by the new id and terms from the venue's first word under the new id; until then the former ones stand.
An id that was asked for once stays an id of the order, whatever became of it: a late word may still use it.
"""

from attrs import evolve

from primefixd.clock import Moment
from primefixd.orders.entry import Entry
from primefixd.orders.judging import is_snapshot
from primefixd.orders.model import Replace, ReplaceState, Status, Terms
from primefixd.orders.records import Change, OrderUpdated, ReplaceRejected
from primefixd.orders.reports import Report, ReportKind, VenueStatus

EDITS_MAX = 25  # accepted replaces of one order (prime-fix.md section 4); the venue refuses more

_NOT_YET = frozenset({ReportKind.PENDING_REPLACE, ReportKind.REJECTED})


def offer(entry: Entry, new_id: str, terms: Terms, now: Moment) -> OrderUpdated:
    """A client wants these terms; the request waits to leave."""
    entry.attempts[new_id] = terms
    entry.replace_doubtful = False
    replace = Replace(client_order_id=new_id, terms=terms, state=ReplaceState.QUEUED, since=now.utc)
    entry.order = evolve(entry.order, replace=replace, updated_at=now.utc)
    return OrderUpdated(entry.order)


def sent(entry: Entry, now: Moment) -> OrderUpdated:
    _be(entry, ReplaceState.SENT, now)
    return OrderUpdated(entry.order)


def adopt(entry: Entry, report: Report, now: Moment) -> bool:
    """Take over the new id and terms if `report` goes by them; whether it does.

    That is the replacement itself, but also a fill or an answer under the new id, should that report be lost.
    """
    order, new_id = entry.order, report.client_order_id or ""
    terms = entry.attempts.get(new_id)
    if terms is None or new_id == order.client_order_id or new_id in order.chain:
        return False
    if report.kind in _NOT_YET or report.status is VenueStatus.PENDING_REPLACE:
        if order.replace is not None and order.replace.client_order_id == new_id:
            _be(entry, ReplaceState.PENDING, now)
        return False
    entry.first_terms = entry.first_terms or order.terms
    replace = None if order.replace is None or order.replace.client_order_id == new_id else order.replace
    taken = replace is None and order.status is Status.PENDING_REPLACE  # its own report may be lost for good
    entry.order = evolve(
        order,
        status=Status.OPEN if taken else order.status,
        client_order_id=new_id,
        original_client_order_id=order.key,
        chain=(*(order.chain or (order.client_order_id,)), new_id),
        terms=terms,
        replace=replace,
        updated_at=now.utc,
    )
    return True


def ended(entry: Entry, report: Report, now: Moment) -> list[Change]:
    """A replace that `report` leaves no room for: the order is final, or an answer shows that it never arrived."""
    order = entry.order
    if order.replace is None:
        return []
    if order.final:
        return over(entry, f"the order is {order.status}", now)
    answer = is_snapshot(report, asking=entry.asking > 0) and report.status is not VenueStatus.PENDING_REPLACE
    if entry.replace_doubtful and answer and report.client_order_id == order.client_order_id:
        return over(entry, "it did not reach the venue", now)
    return []


def over(entry: Entry, reason: str, now: Moment) -> list[Change]:
    """The replace came to nothing: the former terms stand."""
    order = entry.order
    if order.replace is None:
        return []
    status = Status.OPEN if order.status is Status.PENDING_REPLACE else order.status
    entry.order = evolve(order, status=status, replace=None, updated_at=now.utc)
    entry.replace_doubtful = False
    return [ReplaceRejected(entry.order, order.replace.client_order_id, reason)]


def _be(entry: Entry, state: ReplaceState, now: Moment) -> None:
    if entry.order.replace is not None:
        replace = evolve(entry.order.replace, state=state, since=now.utc)
        entry.order = evolve(entry.order, replace=replace, updated_at=now.utc)
