"""Whether one portfolio knows again how its orders stand, after a start or a window (order-rules.md 17).

It opens when every order that can be asked about has been answered for, or `most_s` seconds after the first session was
back; what is open then is counted as unreconciled. Bookkeeping only: nothing here asks.
"""

import math
from collections.abc import Iterable

import trio

from primefixd.clock import Moment
from primefixd.orders.model import Order

SETTLE_S = 1.0  # at least so long after the first logon, if something is in doubt: the venue's queued reports come then
ALL_UP_S = 10.0  # so long after the first logon the other sessions are waited for


class Reconciling:
    """`sessions` are the names of those that are to be back."""

    def __init__(self, sessions: Iterable[str], most_s: float) -> None:
        self._sessions, self._most_s = frozenset(sessions), most_s
        self._missing = set(self._sessions)  # sessions that were not back yet
        self._waiting: set[str] = set()  # keys of orders that are asked about, or will be
        self._asked: set[str] = set()  # those of them whose question has left
        self._doubtful: set[str] = set()  # those that FIX cannot ask about
        self._rest = False  # the REST reading of this reconciliation is still due
        self._first_up = math.inf
        self._opened = trio.Event()
        self.closed = False

    def begin(self, orders: Iterable[Order], rest: bool, always: bool = False) -> None:
        """Close until these are answered for, if there are any, or until the sessions are back, if `always`.

        `rest` says that REST is to be read as well.
        """
        live = list(orders)
        self._waiting = {order.key for order in live if order.order_id is not None}
        self._doubtful = {order.key for order in live if order.order_id is None and order.in_doubt}
        self._asked, self._missing = set(), set(self._sessions)
        self._rest = rest and len(self._doubtful) > 0
        self._first_up = math.inf
        self.closed = always or len(self._waiting) + len(self._doubtful) > 0
        self._opened.set()  # whoever waits for the end waits for the end of this one
        self._opened = trio.Event()

    def become(self, sessions: Iterable[str]) -> None:
        """Other sessions are to be back from now on."""
        self._sessions = frozenset(sessions)
        self._missing &= self._sessions

    def session_up(self, session: str, now: Moment) -> None:
        """A session is back: from the first on the time counts."""
        self._missing.discard(session)
        self._first_up = min(self._first_up, now.mono)

    def asked(self, key: str) -> None:
        """A question about that order has left: the next report on it is an answer, whatever came before is older."""
        if key in self._waiting:
            self._asked.add(key)

    def reported(self, order: Order) -> None:
        """The venue has told something of that order, or it has ended."""
        if order.final or order.key in self._asked:
            self._waiting.discard(order.key)
        if order.final or not order.in_doubt:
            self._doubtful.discard(order.key)

    def rest_read(self) -> None:
        """REST has said all that it knows."""
        self._rest = False

    def may_open(self, now: Moment) -> bool:
        """Whether it is over now; asked once more when `due` comes."""
        if not self.closed or self._first_up == math.inf:
            return False
        back = not self._missing or self._passed(ALL_UP_S, now.mono)
        told = not self._waiting and not self._rest and (not self._doubtful or self._passed(SETTLE_S, now.mono))
        return (back and told) or self._passed(self._most_s, now.mono)

    def open(self) -> None:
        """It is over: new orders may leave."""
        self.closed = False
        self._opened.set()

    async def over(self) -> None:
        """Wait until it is."""
        while self.closed:
            await self._opened.wait()

    def due(self, now: float) -> float:
        """Monotonic seconds at which `may_open` may change by itself; inf if nothing but words can change it."""
        if not self.closed:
            return math.inf
        moments = (SETTLE_S, ALL_UP_S, self._most_s)
        return min((self._first_up + s for s in moments if not self._passed(s, now)), default=now)

    def _passed(self, s: float, now: float) -> bool:
        return now >= self._first_up + s

    @property
    def unreconciled(self) -> int:
        """How many orders are still not answered for."""
        return len(self._waiting) + len(self._doubtful)
