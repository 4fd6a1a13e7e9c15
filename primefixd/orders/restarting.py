"""What a restart makes of an order that was under way: from the two marks on disk alone (order-rules.md 11).

Intent without leaving was never sent; leaving without an answer is in doubt. The same for replaces.
"""

from attrs import evolve

from primefixd.clock import Moment
from primefixd.orders import replacing
from primefixd.orders.entry import Entry
from primefixd.orders.model import ReplaceState, Status
from primefixd.orders.records import Change, OrderInDoubt


def unanswered(entry: Entry) -> bool:
    """Whether the order left, and nothing was heard of it, and that was not told yet."""
    order = entry.order
    return order.status is Status.SENT and order.acknowledged_at is None and not order.in_doubt


def restarted(entry: Entry, now: Moment) -> list[Change]:
    """What became of an order that lives, as far as anybody can know before the venue is asked."""
    order = entry.order
    if order.status is Status.QUEUED and entry.leaving == order.client_order_id:
        entry.order = evolve(order, status=Status.SENT, sent_at=order.updated_at)
    changes: list[Change] = []
    if unanswered(entry):
        entry.order = evolve(entry.order, in_doubt=True, updated_at=now.utc)
        changes.append(OrderInDoubt(entry.order))
    return changes + _replace(entry, now)


def _replace(entry: Entry, now: Moment) -> list[Change]:
    replace = entry.order.replace
    if replace is None:
        return []
    queued = replace.state is ReplaceState.QUEUED
    if queued and entry.leaving != replace.client_order_id:
        return replacing.over(entry, "the daemon restarted before it left", now)
    entry.replace_doubtful = True
    return [replacing.sent(entry, now)] if queued else []
