"""Whether a report that names an order of ours by ClOrdID really is about it (order-rules.md 2)."""

from primefixd.orders.entry import Entry
from primefixd.orders.model import Terms
from primefixd.orders.reports import Report


def same_order(entry: Entry, report: Report) -> bool:
    """Whether side, product, size and OrderID agree where both are known (order-rules.md 2).

    The size may be that of any replace that was asked for: reports on both sides of it cross.
    """
    order, terms = entry.order, entry.order.terms
    pairs = (
        (terms.product_id, report.product_id),
        (terms.side, report.side),
        (order.order_id, report.order_id),
    )
    if not all(ours == theirs for ours, theirs in pairs if ours is not None and theirs is not None):
        return False
    return any(_same_size(each, report) for each in (terms, *entry.attempts.values()))


def _same_size(terms: Terms, report: Report) -> bool:
    pairs = ((terms.base_quantity, report.base_quantity), (terms.quote_value, report.quote_value))
    return all(ours == theirs for ours, theirs in pairs if ours is not None and theirs is not None)
