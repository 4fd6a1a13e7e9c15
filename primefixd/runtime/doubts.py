"""What is done about orders of one portfolio that are in doubt or lack fills: ask, read REST, send again if allowed.

Absence is never proof (order-rules.md 13): what REST does not list, twice and CONFIRM_S apart, is shown as not found
and left to a person. A new order is sent again only if its client asked for that, by order-rules.md 15.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog
import trio
from attrs import field, frozen

from primefixd.clock import Clock, Moment
from primefixd.dispatch.outbox import Waiting
from primefixd.orders.ledger import Ledger
from primefixd.orders.model import Order, RequestKind
from primefixd.orders.reports import Report, RestFill
from primefixd.prime.logon import Credentials
from primefixd.runtime.door import Door
from primefixd.runtime.gate import Gate
from primefixd.runtime.hearing import Hearing
from primefixd.runtime.marks import Marks
from primefixd.runtime.record import Record
from primefixd.runtime.rest import RestDesk, RestFailed

CONFIRM_S = 60.0  # between two readings of REST, the second of which confirms that an order is not there
AGAIN_S = 60.0  # between readings of REST while something is in doubt or lacks fills
LOGGED_ON_S = 10.0  # a session is up for so long without a word before an order is sent again (order-rules.md 15)
REST_BEFORE_S = 300.0  # orders are looked for from so long before they were made: the clocks may differ
SOURCE = "rest"

_log = structlog.get_logger()


@frozen
class Doubts:
    """What is done without REST, decided at once. `grace_s` is order-rules.md 5's."""

    hearing: Hearing
    marks: Marks
    record: Record
    gate: Gate
    door: Door
    grace_s: float
    _since: dict[str, float] = field(factory=dict)  # mono at which an order was first seen in doubt, by its key

    def follow_up(self, now: Moment) -> None:
        """Ask about the gaps that are due, and send again what may be."""
        for order in self.hearing.ledger.gaps_due(now, self.grace_s):
            self.hearing.asking.about(order)
        doubtful = self.hearing.ledger.in_doubt()
        for key in self._since.keys() - {order.key for order in doubtful}:
            del self._since[key]
        for order in doubtful:
            self._since.setdefault(order.key, now.mono)
            ready = self._ready_at(order, now) <= now.mono
            ready = ready and self.gate.open and self.hearing.ledger.resubmittable(order.key, now)
            if ready and self.door.anew(order, now) is None:
                self._again(order, now)

    def due(self, now: Moment) -> float:
        """Monotonic seconds at which `follow_up` may have something to do."""
        waiting = [each for each in self.hearing.ledger.in_doubt() if self.hearing.ledger.resubmittable(each.key, now)]
        ready = (self._ready_at(order, now) for order in waiting)
        again = (at if at > now.mono else now.mono + LOGGED_ON_S for at in ready)
        return min([self.hearing.ledger.next_gap(self.grace_s), *again])

    def _ready_at(self, order: Order, now: Moment) -> float:
        """When the venue has had LOGGED_ON_S to say a word on the order, if none of its sessions dies before."""
        logged_on = now.mono - self.hearing.sessions.up_for_s(now)
        return max(self._since.get(order.key, now.mono), logged_on) + LOGGED_ON_S

    def _again(self, order: Order, now: Moment) -> None:
        session = self.hearing.queueing.route(order.terms.product_id, order.session if order.pinned else None)
        deadline = None if order.deadline is None else now.mono + (order.deadline - now.utc).total_seconds()
        item = Waiting(
            kind=RequestKind.NEW_ORDER,
            client=order.client,
            key=order.key,
            deadline=deadline,
            request_id=order.client_order_id,
        )
        if session is None or not self.hearing.sessions.put(session, item):
            return
        ticket = self.record(self.hearing.ledger.resubmitted(order.key, now), now)
        self.marks.wait_for(RequestKind.NEW_ORDER, order.key, ticket)
        _log.warning("resubmitting", portfolio=order.portfolio, client_order_id=order.client_order_id)


class RestReading:
    """Reads REST for as long as something is in doubt or lacks fills, and hands what it says to the ledger."""

    def __init__(self, ledger: Ledger, hearing: Hearing, record: Record, rest: RestDesk, clock: Clock) -> None:
        self._ledger, self._hearing, self._record, self._rest, self._clock = ledger, hearing, record, rest, clock
        self._wanted = trio.Event()
        self._missed_at: dict[str, float] = {}  # mono at which an order was first not found

    def become(self, credentials: Credentials) -> None:
        """Read with another key from now on."""
        self._rest.become(credentials)

    def want(self) -> None:
        """Something came in doubt, or a gap was told: read now."""
        self._wanted.set()

    async def run(self, done: Callable[[], None]) -> None:
        """Reading after reading, `done` after each that got through, until cancelled."""
        while True:
            self._wanted = trio.Event()
            if self._ledger.in_doubt() or self._ledger.gapped():
                try:
                    await self._read_once()
                    done()
                except RestFailed as error:
                    _log.warning("rest_failed", portfolio=self._record.portfolio, error=str(error))
            with trio.move_on_after(AGAIN_S):
                await self._wanted.wait()

    async def _read_once(self) -> None:
        if self._ledger.in_doubt():
            await self._look_for_orders()
        for order in self._ledger.gapped():
            if order.order_id is not None:
                fills = await self._rest.fills(order.order_id)
                self._fills(order.key, fills)

    def _fills(self, key: str, fills: Sequence[RestFill]) -> None:
        now = self._clock()
        changes = self._ledger.rest_fills(key, fills, now)
        order = self._ledger.get(key)
        self._record([*changes, *(self._hearing.settled(order, now) if order and changes else ())], now)

    async def _look_for_orders(self) -> None:
        """Open ones, then all, then open ones again: an order may move from one list to the other meanwhile."""
        doubtful = self._ledger.in_doubt()
        for key in self._missed_at.keys() - {order.key for order in doubtful}:
            del self._missed_at[key]  # a word came; should it be in doubt once more, two readings miss it anew
        since = min(order.created_at for order in doubtful) - timedelta(seconds=REST_BEFORE_S)
        told = [*await self._rest.open_orders(), *await self._rest.orders(since), *await self._rest.open_orders()]
        found = {report.client_order_id: report for report in told}
        now = self._clock()
        for order in doubtful:
            report = next((found[i] for i in (order.client_order_id, *order.chain) if i in found), None)
            if report is None:
                self._missing(order, now)
            else:
                self._found(order, report, now)

    def _found(self, order: Order, report: Report, now: Moment) -> None:
        self._missed_at.pop(order.key, None)
        self._record(self._hearing.reported(report, SOURCE, now), now)

    def _missing(self, order: Order, now: Moment) -> None:
        first = self._missed_at.setdefault(order.key, now.mono)
        if now.mono - first >= CONFIRM_S and (held := self._ledger.get(order.key)) is not None and held.in_doubt:
            self._record(self._ledger.not_found(order.key, now), now)
