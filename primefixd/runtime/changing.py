"""What a start makes of what an earlier run left of one portfolio, and a reload of its settings."""

from collections.abc import Callable, Iterable, Mapping

from primefixd.clock import Moment
from primefixd.orders.keeping import Kept
from primefixd.orders.model import OnMaintenance, Order, Status
from primefixd.runtime.feed import Body
from primefixd.runtime.parts import Parts
from primefixd.runtime.sessions import rest_credentials
from primefixd.runtime.settings import PortfolioSettings

Write = Callable[[Iterable[Body], Moment], int]


def restore(parts: Parts, kept: Kept, notes: Mapping[str, bytes], record: Write, now: Moment) -> None:
    """Take up what an earlier run left: what a crash made doubtful is in doubt, what never left may still leave."""
    parts.ledger.restore(kept)
    parts.door.restore(kept, notes, now)
    record(parts.ledger.restarted(now), now)
    for order in parts.ledger.live():
        if order.status is Status.QUEUED:
            _requeue(parts, order, record, now)
        elif order.cancel_wanted:
            parts.cancels.restore(order)
    parts.reconciling.begin(parts.ledger.live(), parts.rest is not None, always=parts.queueing.holding)


def _requeue(parts: Parts, order: Order, record: Write, now: Moment) -> None:
    """Let an order that never left wait again, unless its time is over or the portfolio is halted (rules 25, 26)."""
    if parts.gate.halted:
        why = "held_invalid" if order.on_maintenance is OnMaintenance.HOLD else "halted"
        record(parts.hearing.end(order, why, now), now)
        return
    moved = parts.queueing.put_back(order, now)
    why = "expired" if order.overdue(now.utc) else "session_removed"
    record(parts.hearing.end(order, why, now) if moved is None else moved, now)


def become(parts: Parts, settings: PortfolioSettings, record: Write, now: Moment) -> None:
    """Become what `settings` say; orders of sessions that carry none any more go elsewhere, or end."""
    if parts.rest is not None:
        parts.rest.become(rest_credentials(settings))
    parts.door.change(settings.risk)
    parts.alarms.change(settings.halt_on)
    parts.reconciling.become(each.name for each in settings.sessions)
    for gone in parts.sessions.change(settings):
        moved, lost = parts.queueing.move_away(gone, now)
        record(moved, now)
        for order in lost:
            record(parts.hearing.end(order, "session_removed", now), now)
