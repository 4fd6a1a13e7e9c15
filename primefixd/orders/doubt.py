"""Orders in doubt and how they come out of it, and orders of other origin that are taken in. Pure.

Absence is never proof (order-rules.md 13); a duplicate is (14); an order leaves a second time only if its client asked
for that (15); a person's word holds until the venue's (16). Every function changes one entry and returns what is told.
"""

from datetime import timedelta
from decimal import Decimal

from attrs import evolve

from primefixd.clock import Moment
from primefixd.orders.entry import Entry
from primefixd.orders.judging import is_snapshot, judge
from primefixd.orders.model import FINAL, Fill, OnDoubt, Order, OrderType, Resolution, Side, Status, Terms, TimeInForce
from primefixd.orders.reconcile import RESOLVED, name, quotient
from primefixd.orders.records import Change, Contradicted, FillBusted, OrderFilled, OrderUpdated
from primefixd.orders.reports import RejectReason, Report, VenueStatus

RESUBMIT_MAX_S = 23 * 3600  # from the first sending; the venue knows duplicates for 24 h (prime-fix.md section 1)

_NEVER_TWICE = frozenset({OrderType.MARKET, OrderType.RFQ})
_NOTHING = Decimal(0)


def not_found(entry: Entry, now: Moment) -> list[Change]:
    """REST does not list the order: shown once, and it ends nothing (order-rules.md 13)."""
    if not entry.order.in_doubt or entry.order.not_found_at is not None:
        return []
    entry.order = evolve(entry.order, not_found_at=now.utc, updated_at=now.utc)
    return [OrderUpdated(entry.order)]


# Sending again (order-rules.md 15)


def resubmittable(entry: Entry, now: Moment) -> bool:
    """Whether the order may leave a second time, as far as it depends on the order."""
    order = entry.order
    wanted = order.on_doubt is OnDoubt.RESUBMIT and order.in_doubt and not order.final and not order.cancel_wanted
    unheard = order.acknowledged_at is None and not order.known_to_venue and not entry.sent_twice
    if not (wanted and unheard) or order.sent_at is None or order.terms.type in _NEVER_TWICE:
        return False
    ends = [order.sent_at + timedelta(seconds=RESUBMIT_MAX_S), order.deadline, order.terms.expiry_time]
    return all(end is None or now.utc < end for end in ends)


def resubmitted(entry: Entry, now: Moment) -> list[Change]:
    """The order is to leave again; it stays in doubt until the venue says something of it."""
    entry.sent_twice = True
    entry.order = evolve(entry.order, not_found_at=None, updated_at=now.utc)
    return [OrderUpdated(entry.order)]


# A person's word (order-rules.md 16)


def resolve(entry: Entry, resolution: Resolution, now: Moment) -> list[Change]:
    """Take a person's word for what became of the order. Raises ValueError for what cannot be so."""
    order = entry.order
    _allow(entry, resolution)
    told: list[OrderFilled] = []
    quantity = resolution.filled_quantity - order.filled_quantity
    if quantity > 0:
        fill = _word(entry, resolution, quantity)
        entry.executions.add(fill)
        told.append(OrderFilled(order, fill))
    entry.counted = max(entry.counted, entry.executions.quantity)
    rejected = resolution.status is Status.REJECTED
    _sum_up(entry)
    entry.order = evolve(
        entry.order,
        status=resolution.status,
        in_doubt=False,
        cancel=None,
        resolution=resolution,
        reject_reason=RejectReason.OTHER.value if rejected else None,
        updated_at=now.utc,
    )
    return [*(evolve(each, order=entry.order) for each in told), OrderUpdated(entry.order)]


def _allow(entry: Entry, resolution: Resolution) -> None:
    order, filled, size = entry.order, resolution.filled_quantity, entry.order.terms.base_quantity
    price = resolution.average_price
    faults = {
        f"the order {order.client_order_id} is not in doubt": not order.in_doubt,
        f"{resolution.status} is not the end of an order": resolution.status not in FINAL,
        f"{order.filled_quantity:f} were filled already, more than {filled:f}": filled < order.filled_quantity,
        "what was filled has an average price above 0: name it": filled > 0 and (price is None or price <= 0),
        "an order that was filled needs the filled quantity": resolution.status is Status.FILLED and filled == 0,
        "a rejected order has no fills": resolution.status is Status.REJECTED and filled > 0,
        f"the order is for {size or 0:f}, less than {filled:f}": size is not None and filled > size,
        f"the order is for {size or 0:f}, and only FILLED if all of it is": (
            resolution.status is Status.FILLED and size is not None and filled < size
        ),
    }
    if wrong := [fault for fault, applies in faults.items() if applies]:
        raise ValueError(wrong[0])


def _word(entry: Entry, resolution: Resolution, quantity: Decimal) -> Fill:
    """What the person says was filled beyond what was heard; its price makes the average theirs where it can."""
    average = resolution.average_price or _NOTHING
    rest = quotient(average * resolution.filled_quantity - entry.order.filled_value, quantity)
    exec_id = name(entry, RESOLVED)
    return Fill(
        fill_id=f"{entry.order.order_id or entry.order.key}/{exec_id}",
        exec_id=exec_id,
        cumulative_quantity=resolution.filled_quantity,
        last_quantity=quantity,
        last_price=rest or average,
        commission=None,
        fees=(),
        venue=None,
        time=resolution.time,
        source=RESOLVED,
        approximate=True,
    )


def _overrides(entry: Entry, report: Report) -> bool:
    """Whether `report` is the venue's word on an order that a person had settled; that it is unknown is no word."""
    if entry.order.resolution is None:
        return False
    if report.reject_reason is RejectReason.UNKNOWN_ORDER:
        return False
    return not (is_snapshot(report, asking=entry.asking > 0) and report.status is VenueStatus.REJECTED)


def judged(entry: Entry, report: Report, source: str, now: Moment, grace_s: float) -> tuple[list[Change], bool]:
    """As `judging.judge`, but a person's word on the order gives way first."""
    before = entry.order
    if not _overrides(entry, report):
        return judge(entry, report, source, now, grace_s)
    undone = _reopen(entry, now)
    changes, ask = judge(entry, report, source, now, grace_s)
    after = entry.order
    changes = [*(evolve(each, order=after) for each in undone), *changes]
    if not any(isinstance(each, OrderUpdated) for each in changes):
        changes.append(OrderUpdated(after))
    if (after.status, after.filled_quantity) == (before.status, before.filled_quantity):
        return changes, ask
    resolved = f"{before.status}, {before.filled_quantity:f} filled"
    return [
        *changes,
        Contradicted(after, f"the venue speaks of an order that a person had resolved as {resolved}"),
    ], True


def _reopen(entry: Entry, now: Moment) -> list[FillBusted]:
    """Take the person's word back: the order is in doubt again, until the venue's word is applied."""
    told = [each for each in entry.executions.standing.values() if each.source == RESOLVED]
    for fill in told:
        entry.executions.bust(fill.exec_id)
        entry.counted -= fill.last_quantity
    _sum_up(entry)
    entry.order = evolve(
        entry.order, status=Status.SENT, in_doubt=True, resolution=None, reject_reason=None, updated_at=now.utc
    )
    return [FillBusted(entry.order, fill) for fill in told]


def _sum_up(entry: Entry) -> None:
    sums = entry.executions
    entry.order = evolve(
        entry.order, filled_quantity=sums.quantity, filled_value=sums.value, commission=sums.commission
    )


# Orders of other origin (order-rules.md 28)


def adopted(report: Report, portfolio: str, cursor: int, now: Moment) -> Order:
    """The order that `report` is about, as far as that says. Raises ValueError where it does not say enough.

    A market order that names no time in force is immediate, any other rests: nothing but questions depends on it.
    """
    side, product_id, kind = report.side, report.product_id, report.order_type
    sized = report.base_quantity is not None or report.quote_value is not None
    if report.status is VenueStatus.REJECTED:
        raise ValueError("the venue rejected that order: there is nothing to take in")
    needed = {"side": side, "product": product_id, "size": sized or None, "type": kind}
    lacking = [what for what, told in needed.items() if told is None]
    if side is None or product_id is None or kind is None or not sized:
        raise ValueError(f"the venue has not said its {' and '.join(lacking)}: ask again once it has reported more")
    return Order(
        client_order_id=report.client_order_id or report.order_id or "",
        order_id=report.order_id,
        portfolio=portfolio,
        session=None,
        terms=_terms(report, product_id, side, kind),
        status=Status.SENT,
        client="",
        accepted_cursor=cursor,
        created_at=now.utc,
        updated_at=now.utc,
    )


def _terms(report: Report, product_id: str, side: Side, kind: OrderType) -> Terms:
    unnamed = TimeInForce.IMMEDIATE_OR_CANCEL if kind is OrderType.MARKET else TimeInForce.GOOD_UNTIL_CANCELLED
    return Terms(
        product_id=product_id,
        side=side,
        type=kind,
        base_quantity=report.base_quantity,
        quote_value=None if report.base_quantity is not None else report.quote_value,
        limit_price=report.limit_price,
        stop_price=report.stop_price,
        time_in_force=report.time_in_force or unnamed,
        expiry_time=report.expiry_time,
    )
