"""What is seen of one portfolio: its orders page by page, oldest first, and how it stands."""

from collections.abc import Iterable
from datetime import datetime
from itertools import islice

from primefixd.orders.ledger import Ledger
from primefixd.orders.model import Order
from primefixd.runtime.answers import Page
from primefixd.runtime.parts import Parts
from primefixd.runtime.views import PortfolioView


def page(ledger: Ledger, *, open_only: bool, product_id: str | None, limit: int, after: str | None) -> Page:
    """Up to `limit` orders, oldest first, those accepted later than `after` (a client_order_id) if given.

    Raises KeyError if no such order is kept.
    """
    start = ledger.get(after) if after is not None else None
    if after is not None and start is None:
        raise KeyError(after)
    floor = start.accepted_cursor if start else 0
    live = (o for o in ledger.live() if o.accepted_cursor > floor)
    chosen: Iterable[Order] = (o for o in live if product_id in (None, o.terms.product_id))
    if not open_only:
        chosen = ledger.kept(after=floor, product_id=product_id)
    found = tuple(islice(chosen, limit + 1))
    more = len(found) > limit
    return Page(orders=found[:limit], next=found[limit - 1].client_order_id if more else None)


def seen(name: str, parts: Parts, order_budget: int, next_window: datetime) -> PortfolioView:
    """The portfolio as an operator sees it."""
    live = parts.ledger.live()
    return PortfolioView(
        name=name,
        state=parts.gate.state,
        halted=parts.gate.halted,
        open_orders=len(live),
        in_doubt=sum(order.in_doubt for order in live),
        unreconciled=parts.reconciling.unreconciled,
        order_budget=order_budget,
        next_window=next_window,
    )
