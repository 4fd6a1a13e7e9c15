"""Whether an order that was held may leave after all (order-rules.md 25); the queues judge the rest of that rule."""

from attrs import frozen

from primefixd.clock import Moment
from primefixd.orders.model import Order
from primefixd.runtime.door import Door
from primefixd.runtime.gate import Gate
from primefixd.runtime.presence import Presence


@frozen
class Release:
    gate: Gate
    door: Door
    presence: Presence

    def __call__(self, order: Order, now: Moment) -> bool:
        fit = not self.gate.halted and self.presence.may_rest(order.client)
        return fit and self.door.anew(order, now) is None
