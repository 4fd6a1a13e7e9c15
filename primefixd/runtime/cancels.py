"""Cancellations of one portfolio, from a client's wish to the venue's last word on it (order-rules.md 9 and 19).

A cancel is kept until it can leave: it needs the OrderID and a link. Nothing here waits; what changes is returned.
"""

from collections.abc import Callable

from attrs import evolve, frozen

from primefixd.clock import Moment
from primefixd.dispatch.outbox import Waiting
from primefixd.orders.ledger import Ledger
from primefixd.orders.model import CancelState, Order, Request, RequestKind, Status
from primefixd.orders.records import Change
from primefixd.orders.reports import CancelRefused
from primefixd.runtime.sessions import Sessions

_PENDING_ALREADY = "already_pending"  # CxlRejReason 3
TRIES_MAX = 3  # requests for one wish, when the venue rejects them by number or for their rate; then it is refused


@frozen
class _Wish:
    """A client wants an order cancelled. `session` is where its request waits or left; with `request_id`, it left.

    `named` is the id that the order went by when it left: a replace may cross.
    """

    client: str
    tries: int = 0
    session: str | None = None
    request_id: str | None = None
    named: str | None = None


class Cancels:
    """Wishes by the key of the order; one an order."""

    def __init__(self, ledger: Ledger, sessions: Sessions, new_id: Callable[[Moment], str]) -> None:
        self._ledger = ledger
        self._sessions = sessions
        self._new_id = new_id
        self._wishes: dict[str, _Wish] = {}

    def __contains__(self, client_order_id: str) -> bool:
        return client_order_id in self._wishes

    def want(self, order: Order, client: str, now: Moment) -> list[Change]:
        """A client wants a sent order cancelled; a second wish for it changes nothing."""
        if order.key in self._wishes:
            return []
        self._wishes[order.key] = _Wish(client)
        return self._place(order, now)

    def restore(self, order: Order) -> None:
        """After a restart: the wish stands, and its request leaves anew (order-rules.md 11)."""
        self._wishes[order.key] = _Wish(order.client)

    def reported(self, order: Order, now: Moment) -> list[Change]:
        """The venue has reported on the order: its cancel may leave now, or is over."""
        wish = self._wishes.get(order.key)
        if order.final:
            self._wishes.pop(order.key, None)
        elif wish is not None and wish.session is None:
            return self._place(order, now)
        return []

    def left(self, request: Request, session: str, now: Moment) -> Change:
        """The request is leaving on that session."""
        key = request.order.key
        wish = self._wishes[key]
        self._wishes[key] = evolve(
            wish,
            tries=wish.tries + 1,
            session=session,
            request_id=request.request_id,
            named=request.order.client_order_id,
        )
        return self._ledger.cancel_is(key, CancelState.SENT, now)

    def link_lost(self, session: str) -> None:
        """What waited on that session, or left on it unanswered, is to be placed anew."""
        for key, wish in self._wishes.items():
            if wish.session == session:
                self._wishes[key] = evolve(wish, session=None, request_id=None)

    def place_anew(self, session: str, now: Moment) -> list[Change]:
        """What waited on that session, and was taken off it, waits on another one now."""
        for key, wish in self._wishes.items():
            if wish.session == session and wish.request_id is None:
                self._wishes[key] = evolve(wish, session=None)
        return self.place_all(now)

    def place_all(self, now: Moment) -> list[Change]:
        """Place every cancel that has no session yet, the oldest first."""
        orders = [self._ledger.get(key) for key, wish in self._wishes.items() if wish.session is None]
        return [change for order in orders if order is not None for change in self._place(order, now)]

    def left_on(self, order: Order) -> str | None:
        """The session on which the order's cancel left, or waits to."""
        wish = self._wishes.get(order.key)
        return wish.session if wish else None

    def again(self, order: Order, request_id: str | None, why: str, now: Moment) -> list[Change]:
        """The venue rejected that request without a word on the order: try with a new id, up to TRIES_MAX times."""
        key = order.key
        wish = self._wishes.get(key)
        if wish is None or not _meant(wish, key, request_id):
            return []
        if wish.tries >= TRIES_MAX:
            return self._over(key, why, now)
        self._wishes[key] = evolve(wish, session=None, request_id=None)
        return self._place(order, now)

    def refused(self, order: Order, word: CancelRefused, now: Moment) -> list[Change]:
        """The venue will not cancel the order. One that is pending there already is as good as ours."""
        key = order.key
        wish = self._wishes.get(key)
        ours = order.status is Status.PENDING_CANCEL if wish is None else _meant(wish, key, word.client_order_id)
        if not ours or word.reason == _PENDING_ALREADY:
            return []
        crossed = wish is not None and wish.named not in (None, order.client_order_id)
        if word.rate_limited or crossed:
            return self.again(order, word.client_order_id, word.words, now)
        return self._over(key, word.words, now)

    def asked_by(self, request_id: str | None) -> Order | None:
        """The order whose cancel left with that id of its own, if its answer is still due."""
        keys = (key for key, wish in self._wishes.items() if request_id and wish.request_id == request_id)
        return next(map(self._ledger.get, keys), None)

    def _over(self, key: str, why: str, now: Moment) -> list[Change]:
        self._wishes.pop(key, None)
        return [self._ledger.cancel_refused(key, why, now)]

    def _place(self, order: Order, now: Moment) -> list[Change]:
        key = order.key
        wish = self._wishes[key]
        carrier = self._sessions.carrier(order.session) if order.order_id is not None else None
        if carrier is not None:
            self._wishes[key] = evolve(wish, session=carrier)
            request_id = self._new_id(now)
            item = Waiting(kind=RequestKind.CANCEL, client=wish.client, key=key, deadline=None, request_id=request_id)
            self._sessions.put(carrier, item)
        if order.cancel is not None and order.cancel.state is CancelState.WAITING:
            return []
        return [self._ledger.cancel_is(key, CancelState.WAITING, now)]


def _meant(wish: _Wish, key: str, request_id: str | None) -> bool:
    """Whether a refusal of `request_id` is about the request that left last, and not about an older or another's."""
    return wish.request_id is not None and request_id in (wish.request_id, key, None)
