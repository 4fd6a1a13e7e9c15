"""Rule 5: what the venue counts beyond the fills that were heard, and how that becomes fills. Pure.

A gap is told at once and is not a fill. An answer that agrees `grace_s` later makes one fill of it that *stands in*
for those that were not heard, up to one *boundary*, the venue's total in that answer. A real fill that comes after all
takes the place of what stands in for it, by its CumQty. Once the venue has taken something back, totals before and
after it do not compare, and TransactTime decides. Only an answer lowers what stands in for executions never heard of.
"""

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from datetime import datetime
from decimal import Context, Decimal

from attrs import frozen

from primefixd.clock import Moment
from primefixd.orders.entry import Entry
from primefixd.orders.gaps import GAP_ASKS_MAX
from primefixd.orders.model import Fill
from primefixd.orders.records import FillBusted, FillCorrected, OrderFilled
from primefixd.orders.reports import Report, RestFill, Transaction

RECONCILED, REST, RESOLVED = "reconciled", "rest", "resolved"  # sources of fills that no session told
_SOURCES = frozenset({RECONCILED, REST})

_NOTHING = Decimal(0)
_PRICES = Context(prec=18)  # of a quotient, which may have no end; more than any average that the venue tells
Told = OrderFilled | FillBusted | FillCorrected


# What an answer comes to


def answered(entry: Entry, report: Report, now: Moment, grace_s: float) -> tuple[tuple[Told, ...], tuple[str, ...]]:
    """Hold an answer, whose total is counted already, against what was heard: what is told, and what is odd."""
    told, time = report.cumulative_quantity, report.transact_time or entry.latest or now.utc
    if told is None or _too_old(entry, report):
        return (), ()
    lowered: tuple[Told, ...] = ()
    if told == entry.counted:
        entry.shrunk = entry.shrunk_at = None
    elif _shrinks(entry, told, now, grace_s):
        lowered = _lower(entry, told, time)
    missing = entry.counted - entry.executions.quantity
    if told != entry.counted:
        return lowered, ()
    if missing == 0:
        if report.transact_time is not None:
            _reach(entry, time)
        return lowered, ()
    if not lowered and not (missing <= entry.missing and _waited(entry.gap_since, now, grace_s)):
        return (), ()
    price = _price(report, missing, entry.executions.value) or _average(lowered)
    if price is None:
        why = f"the venue counts {missing:f} more than was heard, and names no price for it"
        return (), entry.once(why) if entry.gap_asks >= GAP_ASKS_MAX else ()
    _reach(entry, time)
    new = _stand_in(entry, RECONCILED, missing, price, time)
    return (*lowered, OrderFilled(entry.order, new)), ()


def _too_old(entry: Entry, report: Report) -> bool:
    """Whether the answer was overtaken; without takings back its total says by itself when it was true."""
    if report.transact_time is None or entry.latest is None or report.transact_time >= entry.latest:
        return False
    return entry.taken_back or (report.cumulative_quantity or _NOTHING) < entry.counted


def _waited(since: datetime | None, now: Moment, grace_s: float) -> bool:
    return since is not None and (now.utc - since).total_seconds() >= grace_s


def _shrinks(entry: Entry, told: Decimal, now: Moment, grace_s: float) -> bool:
    """Whether the venue has said twice, `grace_s` apart, that it counts less: it took back what was never heard."""
    least = max(told, _heard(entry))
    if least >= entry.counted:
        return False
    if entry.shrunk == told:
        return _waited(entry.shrunk_at, now, grace_s)
    entry.shrunk, entry.shrunk_at, entry.gap_asks = told, now.utc, 0
    return False


def _lower(entry: Entry, told: Decimal, time: datetime) -> tuple[Told, ...]:
    """Believe the smaller total; what stands in goes if it reaches beyond, to be made anew."""
    entry.shrunk = entry.shrunk_at = None
    entry.taken_back = True
    entry.counted = max(told, _heard(entry))
    _reach(entry, time)
    if entry.executions.quantity <= entry.counted:
        return ()
    return tuple(FillBusted(entry.order, _drop(entry, each)) for each in standing_in(entry))


def _heard(entry: Entry) -> Decimal:
    return entry.executions.quantity - _sum(standing_in(entry))


def _price(report: Report, missing: Decimal, value: Decimal) -> Decimal | None:
    """The mean price of what was not heard, from the venue's mean price of all (tag 6, never 8002)."""
    if report.average_price is None or report.cumulative_quantity is None:
        return None
    return quotient(report.average_price * report.cumulative_quantity - value, missing)


def _average(busted: Sequence[Told]) -> Decimal | None:
    fills = [each.fill for each in busted]
    return quotient(_value(fills), _sum(fills)) if fills else None


def quotient(value: Decimal, quantity: Decimal) -> Decimal | None:
    """A mean price, to 18 digits; None if it is none."""
    price = _PRICES.divide(value, quantity)
    return None if price <= 0 else Decimal(f"{price.normalize(_PRICES):f}")


# What stands in


def standing_in(entry: Entry) -> list[Fill]:
    """The fills that a real one replaces, oldest first; those of REST unless its ids are known to be ExecIDs."""
    found = map(entry.executions.standing.get, entry.stand_ins)
    return [fill for fill in found if fill is not None and (fill.source != REST or not entry.rest_named)]


def name(entry: Entry, source: str) -> str:
    """An ExecID of our own, never given twice."""
    entry.made += 1
    return f"{source}/{entry.order.order_id or entry.order.key}/{entry.made}"


def _stand_in(entry: Entry, source: str, quantity: Decimal, price: Decimal, time: datetime) -> Fill:
    exec_id = name(entry, source)
    fill = Fill(
        fill_id=f"{entry.order.order_id or entry.order.key}/{exec_id}",
        exec_id=exec_id,
        cumulative_quantity=entry.counted,
        last_quantity=quantity,
        last_price=price,
        commission=None,
        fees=(),
        venue=None,
        time=time,
        source=source,
        approximate=True,
    )
    entry.stand_ins.append(exec_id)
    entry.executions.add(fill)
    return fill


def _drop(entry: Entry, fill: Fill) -> Fill:
    entry.stand_ins.remove(fill.exec_id)
    return entry.executions.bust(fill.exec_id)


def _reach(entry: Entry, time: datetime) -> None:
    """Every execution up to the venue's total, and to that time, is heard or stood in for from now on."""
    entry.boundary, entry.boundary_at = entry.counted, max(time, entry.boundary_at or time)


# The real fill that comes after all


@frozen
class Place:
    """How much of a real fill was stood in for, and whether its own taking back was already looked past (`settled`)."""

    old: Decimal = _NOTHING
    settled: bool = False


def place(entry: Entry, report: Report) -> Place:
    """Where the unheard fill that `report` tells lies: within what stands in for it, or outside."""
    if not entry.stand_ins and entry.boundary_at is None:
        return Place()
    quantity, left = report.last_quantity, _sum(standing_in(entry))
    due = [early for early in entry.early if early.exec_ref_id == report.exec_id and _within(entry, early)]
    for early in due:
        quantity = early.last_quantity if early.transaction is Transaction.CORRECT else _NOTHING
    return Place(min(_old(entry, report, quantity), quantity, left), len(due) > 0)


def overtaken(entry: Entry, report: Report) -> bool:
    """Whether the total in `report` is from before something was taken back, and an answer has told a newer one."""
    time, boundary = report.transact_time, entry.boundary_at
    return entry.taken_back and time is not None and boundary is not None and time < boundary


def _within(entry: Entry, report: Report) -> bool:
    time, boundary = report.transact_time, entry.boundary_at
    return time is not None and boundary is not None and time <= boundary


def _old(entry: Entry, report: Report, quantity: Decimal) -> Decimal:
    total = report.cumulative_quantity
    if total is None:
        return quantity
    if entry.taken_back and report.transact_time is not None:
        return quantity if _within(entry, report) else _NOTHING
    return max(entry.boundary - (total - report.last_quantity), _NOTHING)


def take_place(entry: Entry, real: Fill, old: Decimal, sources: Container[str] = _SOURCES) -> tuple[Told, ...]:
    """Count `real`, of which `old` is stood in for: that goes, and what is left of it keeps the value of the whole."""
    covered: list[Fill] = []
    for each in _best_first(entry, real, sources):
        if _sum(covered) >= old:
            break
        covered.append(each)
    for each in covered:
        _drop(entry, each)
    entry.executions.add(real)
    if not covered:
        return (OrderFilled(entry.order, real),)
    first, *others = covered
    told: list[Told] = [FillCorrected(entry.order, real, replaces=first.exec_id)]
    told += [FillBusted(entry.order, each) for each in others]
    if rest := _sum(covered) - old:
        price = quotient(_value(covered) - old * real.last_price, rest) or covered[-1].last_price
        new = _stand_in(entry, RECONCILED, rest, price, covered[-1].time)
        told.append(OrderFilled(entry.order, new))
    return tuple(told)


def _best_first(entry: Entry, real: Fill, sources: Container[str]) -> list[Fill]:
    """One with the very terms of the real fill, then the oldest."""
    terms = (real.last_quantity, real.last_price)
    fills = [each for each in standing_in(entry) if each.source in sources]
    return sorted(fills, key=lambda each: (each.last_quantity, each.last_price) != terms)


# REST


def rest_fills(entry: Entry, fills: Sequence[RestFill], now: Moment) -> tuple[Told, ...]:
    """Tell REST's fills if those that were not heard add up to just what is missing or stood in for, else nothing."""
    listed = {each.fill_id: each for each in fills}
    standing = entry.executions.standing
    entry.rest_named = entry.rest_named or any(i in standing and standing[i].source != REST for i in listed)
    unheard = _unheard(entry, listed)
    reconciled = [each for each in standing_in(entry) if each.source == RECONCILED]
    left = _sum(reconciled)
    total = sum((each.quantity for each in unheard), _NOTHING)
    if not unheard or total != left + entry.counted - entry.executions.quantity:
        return ()
    told: list[Told] = []
    for each in unheard:
        old = min(each.quantity, left)
        left -= old
        told += _told_by_rest(entry, each, old, now)
    _reach(entry, max((each.time for each in unheard if each.time), default=entry.latest or now.utc))
    return tuple(told)


def _unheard(entry: Entry, listed: Mapping[str, RestFill]) -> list[RestFill]:
    """What REST lists and no report told: neither by its id, nor, one for one, by quantity and price."""
    sums = entry.executions
    strange = [each for i, each in listed.items() if not (sums.knows(i) or sums.busted(i))]
    heard = Counter(
        (fill.last_quantity, fill.last_price)
        for fill in sums.standing.values()
        if fill.exec_id not in listed and fill.source not in (RECONCILED, REST)
    )
    unheard = []
    for each in strange:
        if heard[each.quantity, each.price] > 0:
            heard[each.quantity, each.price] -= 1
        else:
            unheard.append(each)
    return unheard


def _told_by_rest(entry: Entry, told: RestFill, old: Decimal, now: Moment) -> tuple[Told, ...]:
    entry.executions.hear(told.fill_id, Transaction.NEW, told.quantity, told.price)
    fill = Fill(
        fill_id=f"{told.order_id}/{told.fill_id}",
        exec_id=told.fill_id,
        cumulative_quantity=entry.executions.quantity - old + told.quantity,
        last_quantity=told.quantity,
        last_price=told.price,
        commission=told.commission,
        fees=(),
        venue=told.venue,
        time=told.time or now.utc,
        source=REST,
    )
    changes = take_place(entry, fill, old, {RECONCILED})
    entry.stand_ins.append(fill.exec_id)
    return changes


def _sum(fills: Sequence[Fill]) -> Decimal:
    return sum((fill.last_quantity for fill in fills), _NOTHING)


def _value(fills: Sequence[Fill]) -> Decimal:
    return sum((fill.last_quantity * fill.last_price for fill in fills), _NOTHING)
