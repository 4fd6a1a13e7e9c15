"""Replaces of one portfolio, from a client's wish to the venue's last word on it (order-rules.md 29).

One an order at a time. A replace that is lost or refused leaves the former terms; it is never sent again by itself.
Nothing here waits; what changes is returned.
"""

from collections.abc import Callable

from attrs import evolve, frozen

from primefixd.clock import Moment
from primefixd.dispatch.outbox import Waiting
from primefixd.orders.ledger import Ledger
from primefixd.orders.model import Order, Replacement, ReplaceState, Request, RequestKind, Terms
from primefixd.orders.records import Change, OrderUpdated
from primefixd.orders.replacing import EDITS_MAX
from primefixd.orders.reports import CancelRefused
from primefixd.prime import strategies
from primefixd.prime.venue import REPLACEABLE
from primefixd.runtime.answers import Reason, Refused
from primefixd.runtime.sessions import Sessions

ASKED_MAX = 100  # replaces of one order, refused ones included, since each keeps its id; then the order stays as it is
TTL_S = 5.0  # how long a replace may wait to be sent; then the former terms stand
RETRY_AFTER_MS = 200  # told to a client whose order is not yet ready for a replace
Limited = Callable[[Order, Terms, Moment], Refused | None]
_CHANGES = ("base_quantity", "quote_value", "limit_price", "stop_price", "expiry_time", "display_base_size")


@frozen
class Replacing:
    """The order with its replace under way, or, `duplicate`, as it stands after the same replace was asked before."""

    order: Order
    changes: tuple[Change, ...]
    duplicate: bool = False


class Replaces:
    """Which session carries which order's replace."""

    def __init__(self, ledger: Ledger, sessions: Sessions) -> None:
        self._ledger = ledger
        self._sessions = sessions
        self._left: dict[str, str] = {}  # session that an order's replace left on, by the order's key

    def ask(self, wanted: Replacement, new_id: str, client: str, now: Moment, limited: Limited) -> Replacing | Refused:
        """Let a replace leave as soon as it can, or say why it cannot be; `limited` says so of risk limits."""
        order = self._ledger.get(wanted.client_order_id)
        if order is None:
            what = f"There is no order {wanted.client_order_id}; list orders."
            return Refused(reason=Reason.UNKNOWN_ORDER, message=what)
        terms = _new_terms(order, wanted)
        if self._ledger.used(new_id):
            return _repeated(order, new_id, terms)
        refused = _unready(order) or _unfit(order, wanted, terms) or self._too_many(order)
        refused = refused or limited(order, terms, now)
        if refused is not None:
            return refused
        carrier = self._sessions.carrier(order.session)
        if carrier is None:
            what = "No session is logged on; ask again later."
            return Refused(reason=Reason.NO_SESSION, message=what, retry_at=self._sessions.next_attempt_at(None))
        item = Waiting(
            kind=RequestKind.REPLACE, client=client, key=order.key, deadline=now.mono + TTL_S, request_id=new_id
        )
        if not self._sessions.put(carrier, item):
            return Refused(reason=Reason.BUSY, message="The queue is full; ask again later.", retry_after_ms=1000)
        change = self._ledger.replace_queued(order.key, new_id, terms, now)
        return Replacing(change.order, (change,))

    def _too_many(self, order: Order) -> Refused | None:
        if self._ledger.replaces_asked(order.key) < ASKED_MAX:
            return None
        return _invalid("client_order_id", f"had {ASKED_MAX} replaces asked for, refused ones included; cancel it")

    def departing(self, item: Waiting, order: Order) -> Request | None:
        """The request as things stand now; None if the order is ending, or wants something else meanwhile."""
        replace = order.replace
        if order.final or order.cancel_wanted or replace is None or replace.client_order_id != item.request_id:
            return None
        return Request(kind=item.kind, request_id=item.request_id, order=order, terms=replace.terms)

    def left(self, request: Request, session: str, now: Moment) -> OrderUpdated:
        self._left[request.order.key] = session
        return self._ledger.replace_sent(request.order.key, now)

    def over(self, key: str, reason: str, now: Moment) -> list[Change]:
        """The replace of that order came to nothing; empty if none is under way."""
        self._left.pop(key, None)
        return self._ledger.replace_refused(key, reason, now)

    def drop_queued(self, order: Order, reason: str, now: Moment) -> list[Change]:
        """A cancel drops a replace that still queues (order-rules.md 19)."""
        if order.replace is None or order.replace.state is not ReplaceState.QUEUED:
            return []
        self._sessions.withdraw(order.key, RequestKind.REPLACE)
        return self.over(order.key, reason, now)

    def refused(self, order: Order, word: CancelRefused, now: Moment) -> list[Change]:
        """The venue will not replace the order; a word on an earlier request says nothing of this one."""
        if order.replace is None or word.client_order_id not in (None, order.replace.client_order_id):
            return []
        return self.over(order.key, word.words, now)

    def settled(self, order: Order) -> None:
        """The venue has reported on that order."""
        if order.replace is None:
            self._left.pop(order.key, None)

    def link_lost(self, session: str) -> list[str]:
        """Keys of orders whose replace left on that session and is unanswered: the venue has to be asked."""
        lost = [key for key, carrier in self._left.items() if carrier == session]
        for key in lost:
            self._ledger.replace_doubtful(key)
        return lost


def _new_terms(order: Order, wanted: Replacement) -> Terms:
    changed = {name: getattr(wanted, name) for name in _CHANGES if getattr(wanted, name) is not None}
    return evolve(order.terms, **changed)


def _repeated(order: Order, new_id: str, terms: Terms) -> Replacing | Refused:
    """The same replace again, under way or done, is told as it stands; the id for anything else is refused."""
    under_way = order.replace is not None and (order.replace.client_order_id, order.replace.terms) == (new_id, terms)
    if under_way or (order.client_order_id == new_id and order.terms == terms):
        return Replacing(order, (), duplicate=True)
    what = f"client_order_id {new_id} was used before; use a new one for a new replace."
    return Refused(reason=Reason.DUPLICATE, message=what, order=order)


def _unready(order: Order) -> Refused | None:
    if order.final:
        what = f"Order {order.client_order_id} is {order.status} already; there is nothing to replace."
        return Refused(reason=Reason.NOT_CANCELLABLE, message=what, order=order)
    if order.replace is not None:
        what = f"Replace {order.replace.client_order_id} is under way; ask again when it has ended."
    elif order.cancel_wanted:
        what = f"Order {order.client_order_id} is being cancelled; submit a new one instead."
    elif order.order_id is None:
        what = f"Order {order.client_order_id} is not acknowledged yet; ask again in a moment."
    else:
        return None
    return Refused(reason=Reason.BUSY, message=what, retry_after_ms=RETRY_AFTER_MS)


def _unfit(order: Order, wanted: Replacement, terms: Terms) -> Refused | None:
    """What the venue would refuse about the new terms, by the field's name."""
    if order.terms.type not in REPLACEABLE:
        return _invalid("client_order_id", f"is a {order.terms.type} order, which cannot be replaced; cancel it")
    if len(order.chain) > EDITS_MAX:
        return _invalid("client_order_id", f"was replaced {EDITS_MAX} times, and the venue takes no more; cancel it")
    problem = strategies.problem(terms)
    if problem is not None:
        return _invalid(problem.field, problem.what)
    if terms == order.terms:
        return _invalid("client_order_id", "would stay as it is; give something to change")
    if terms.base_quantity is not None and terms.base_quantity <= order.filled_quantity:
        return _invalid("base_quantity", f"is the total, of which {order.filled_quantity:f} is filled; cancel instead")
    if wanted.quote_value is not None and wanted.quote_value <= order.filled_value:
        return _invalid("quote_value", f"is the total, of which {order.filled_value:f} is filled; cancel instead")
    return None


def _invalid(field: str, message: str) -> Refused:
    return Refused(reason=Reason.INVALID, field=field, message=message)
