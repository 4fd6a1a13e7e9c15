"""What one report says of executions: a fill, a bust, a correction, or nothing that was not heard before.

Executions are heard before status is looked at, and whatever the status is (order-rules.md 1, 2 and 4). Sessions
deliver side by side, so that a bust may come before its fill: it waits here, and takes the fill back when that comes.
"""

from decimal import Decimal

from attrs import evolve, frozen

from primefixd.clock import Moment
from primefixd.orders import reconcile
from primefixd.orders.entry import Entry
from primefixd.orders.executions import Verdict
from primefixd.orders.model import Fill
from primefixd.orders.records import FillBusted, FillCorrected, OrderFilled
from primefixd.orders.reports import Report, ReportKind, Transaction

EARLY_MAX = 100  # busts and corrections that came before their fill; beyond it the oldest is left to the asking


@frozen
class Heard:
    """What is told of executions, what is odd about it, and whether the report is news at all."""

    told: tuple[OrderFilled | FillBusted | FillCorrected, ...] = ()
    odd: tuple[str, ...] = ()
    news: bool = True
    taken: Decimal = Decimal(0)  # how much the venue took back
    settled: bool = False  # an answer of the venue has counted this already

    @property
    def takes_back(self) -> bool:
        return any(not isinstance(each, OrderFilled) for each in self.told)


def fill(entry: Entry, report: Report, source: str, now: Moment) -> Heard:
    """Count the unseen execution that `report`, heard on session `source`, tells, if it tells one."""
    unreadable = "last_quantity" in report.unreadable
    if report.kind is not ReportKind.TRADE or (report.last_quantity <= 0 and not unreadable):
        word = (report.exec_id, report.kind, report.status, report.transact_time)
        return Heard(news=not report.exec_id or entry.first(*word))
    price, exec_id = report.last_price, report.exec_id
    if unreadable or not exec_id or price is None or price <= 0:
        lacking = "quantity" if unreadable else "price" if exec_id else "ExecID"
        odd = entry.once(f"a fill ({exec_id or 'unnamed'}) came without a readable {lacking}")
        return Heard(odd=odd, news=not exec_id or len(odd) > 0)
    verdict = entry.executions.hear(exec_id, report.transaction, report.last_quantity, price)
    if verdict is Verdict.CONTRADICTS:
        odd = entry.once(f"execution {exec_id} was told twice with different terms")
        return Heard(odd=odd, news=len(odd) > 0)
    if verdict is Verdict.REPEATED:
        known = entry.executions.standing.get(exec_id)
        entry.rest_named = entry.rest_named or (known is not None and known.source == reconcile.REST)
        return Heard(news=False)
    new, place = _execution(entry, report, exec_id, price, source, now), reconcile.place(entry, report)
    told = reconcile.take_place(entry, new, place.old)
    after = _early(entry, exec_id)
    return Heard((*told, *after.told), after.odd, taken=after.taken, settled=place.settled)


def take_back(entry: Entry, report: Report) -> Heard:
    """A bust or a correction of a known execution; the only reports that lower a filled quantity (order-rules.md 4)."""
    before, entry.taken_back = entry.executions.quantity, True
    heard = _take_back(entry, report)
    return evolve(heard, taken=before - entry.executions.quantity)


def _take_back(entry: Entry, report: Report) -> Heard:
    heard, reference = entry.executions, report.exec_ref_id or ""
    correction = report.transaction is Transaction.CORRECT
    if heard.busted(reference):
        late = f"a correction of execution {reference}, which was taken back"
        return Heard(odd=entry.once(late) if correction else (), news=False)
    if not heard.knows(reference):
        _keep_early(entry, report)
        what = f"a {report.transaction} of execution {reference or 'unnamed'} that is not known here"
        return Heard(odd=entry.once(what), news=False)
    if correction:
        return _correct(entry, report, reference)
    return Heard((FillBusted(entry.order, heard.bust(reference)),))


def total(entry: Entry, report: Report, heard: Heard, now: Moment) -> None:
    """Bring the order's totals up to date with what was heard, and what the venue is known to count."""
    own = heard.takes_back and report.transaction is not Transaction.NEW  # its CumQty is after the taking back
    mute = own or heard.settled or reconcile.overtaken(entry, report)
    told = Decimal(0) if mute else report.cumulative_quantity or Decimal(0)
    taken = Decimal(0) if heard.settled else heard.taken
    entry.counted = max(max(entry.counted, told) - taken, entry.executions.quantity)
    sum_up(entry, now)


def sum_up(entry: Entry, now: Moment) -> None:
    sums = entry.executions
    entry.order = evolve(
        entry.order,
        filled_quantity=sums.quantity,
        filled_value=sums.value,
        commission=sums.commission,
        updated_at=now.utc,
    )


def _execution(entry: Entry, report: Report, exec_id: str, price: Decimal, source: str, now: Moment) -> Fill:
    told = report.cumulative_quantity
    return Fill(
        fill_id=f"{report.order_id or entry.order.order_id or entry.order.client_order_id}/{exec_id}",
        exec_id=exec_id,
        cumulative_quantity=entry.executions.quantity + report.last_quantity if told is None else told,
        last_quantity=report.last_quantity,
        last_price=price,
        commission=report.commission,
        fees=report.fees,
        venue=report.venue,
        time=report.transact_time or now.utc,
        source=source,
        raw=report.raw,
    )


def _correct(entry: Entry, report: Report, reference: str) -> Heard:
    price, name = report.last_price, report.exec_id or reference
    if price is None or price <= 0 or report.last_quantity <= 0:
        what = f"a correction of execution {reference} came without a readable quantity or price"
        return Heard(odd=entry.once(what), news=False)
    verdict = entry.executions.hear(name, report.transaction, report.last_quantity, price)
    if verdict is Verdict.CONTRADICTS:
        return Heard(odd=entry.once(f"correction {name} was told twice with different terms"), news=False)
    corrected = entry.executions.correct(reference, report, price) if verdict is Verdict.NEW else None
    after = _early(entry, name)
    if corrected is None:
        return Heard(after.told, after.odd, news=len(after.told) > 0)
    return Heard((FillCorrected(entry.order, corrected, replaces=reference), *after.told), after.odd)


def _keep_early(entry: Entry, report: Report) -> None:
    """Another session may bring the fill later, and nobody the bust again."""
    if report.exec_ref_id and report not in entry.early:
        entry.early.append(report)
        del entry.early[:-EARLY_MAX]


def _early(entry: Entry, exec_id: str) -> Heard:
    """What had come too early for the execution or correction `exec_id`, which is known now."""
    due = [report for report in entry.early if report.exec_ref_id == exec_id]
    if not due:
        return Heard()
    entry.early = [report for report in entry.early if report.exec_ref_id != exec_id]
    heard = [take_back(entry, report) for report in due]
    told, odd = tuple(t for each in heard for t in each.told), tuple(o for each in heard for o in each.odd)
    return Heard(told, odd, taken=sum((each.taken for each in heard), Decimal(0)))
