"""Questions to the venue about orders of one portfolio (35=H): when a link died, words were lost, or do not add up.

A question needs the venue's OrderID and a session that is up; without them it comes to nothing, and is asked anew
when a session logs on (order-rules.md 12). At most one question of an order waits on a session.
"""

from attrs import frozen

from primefixd.dispatch.outbox import Waiting
from primefixd.orders.ledger import Ledger
from primefixd.orders.model import Order, RequestKind
from primefixd.runtime.sessions import Sessions


@frozen
class Asking:
    ledger: Ledger
    sessions: Sessions

    def about(self, order: Order) -> None:
        """Ask for the order's state on its own session, or on another one if that is down."""
        carrier = self.sessions.carrier(order.session) if order.order_id is not None else None
        if carrier is not None:
            key = order.key
            self.sessions.put(
                carrier, Waiting(kind=RequestKind.STATUS, client="", key=key, deadline=None, request_id=key)
            )

    def about_session(self, session: str) -> None:
        """Ask about every order that lives on `session`, or on one that is down all the while (order-rules.md 12)."""
        for order in self.ledger.live():
            if order.session == session or not self.sessions.active(order.session):
                if self.sessions.active(session):
                    self.sessions.withdraw(order.key, RequestKind.STATUS)  # it waits elsewhere: this one has less to do
                self.about(order)

    def again(self, order: Order) -> None:
        """The venue refused the question by its number: ask once more, but not for ever."""
        if self.ledger.ask_refused(order.key):
            self.about(order)
