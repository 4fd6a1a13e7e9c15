"""Which clients are connected, and what becomes of the orders of one that is gone (order-rules.md 26).

Cancel-on-disconnect belongs to a client's name, is kept on disk, and holds in all portfolios. Each portfolio cancels
for itself, once it knows how its orders stand: after a start the time of grace begins when it opens.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import orjson
import structlog
from attrs import define, field, frozen

from primefixd.clock import Clock, Moment
from primefixd.orders.ledger import Ledger
from primefixd.orders.model import Order
from primefixd.runtime.gate import Gate
from primefixd.runtime.halts import RecordNotes
from primefixd.runtime.store import Note

_NOTE = "cancel_on_disconnect/"  # and the client's name
_log = structlog.get_logger()


@define
class Presence:
    """What the whole daemon knows of its clients; `listeners` are told of every change."""

    clock: Clock
    wishes: dict[str, float] = field(factory=dict)  # seconds of grace by the client's name
    gone_at: dict[str, float] = field(factory=dict)  # mono at which the last connection ended; only since the start
    listeners: list[Callable[[], None]] = field(factory=list)
    _connections: Counter[str] = field(factory=Counter)

    def here(self, client: str) -> bool:
        """Whether the client has a connection."""
        return self._connections[client] > 0

    @contextmanager
    def present(self, client: str) -> Iterator[None]:
        """For as long as a connection of the client lasts."""
        self._connections[client] += 1
        self._tell()
        try:
            yield
        finally:
            self._connections[client] -= 1
            if not self.here(client):
                self.gone_at[client] = self.clock().mono
            self._tell()

    def want(self, client: str, grace_s: float | None) -> None:
        """The client wants that, or, None, does not want it any more."""
        if grace_s is None:
            self.wishes.pop(client, None)
        else:
            self.wishes[client] = grace_s
        self._tell()

    def may_rest(self, client: str) -> bool:
        """Whether orders of the client may live now: it is here, or did not ask for cancel-on-disconnect."""
        return self.here(client) or client not in self.wishes

    def _tell(self) -> None:
        for listener in self.listeners:
            listener()


@frozen
class Disconnects:
    """Cancel-on-disconnect in one portfolio."""

    portfolio: str
    ledger: Ledger
    gate: Gate
    presence: Presence
    record: RecordNotes
    cancel: Callable[[Order, str, Moment], int]
    _opened: list[float] = field(factory=list)  # mono, once it has opened for the first time
    _done: dict[str, float] = field(factory=dict)  # for which absence of a client its orders are cancelled

    def restore(self, notes: Mapping[str, bytes]) -> None:
        """After a start: what clients wished still holds."""
        for name, note in notes.items():
            if name.startswith(_NOTE):
                self.presence.wishes.setdefault(name.removeprefix(_NOTE), orjson.loads(note)["grace_s"])

    def keep(self, client: str, grace_s: float | None, now: Moment) -> int:
        """Write down what the client wishes; the ticket of that."""
        value = None if grace_s is None else orjson.dumps({"grace_s": grace_s, "time": now.utc})
        return self.record((), now, (Note(_NOTE + client, value),))

    def follow_up(self, now: Moment) -> None:
        """Cancel what is due. In the window, and until it is known how the orders stand, that waits."""
        if not self._ready:
            return
        if not self._opened:
            self._opened.append(now.mono)
        for client in list(self.presence.wishes):
            if self._due(client) <= now.mono:
                self._done[client] = self._gone(client)
                self._cancel(client, now)

    def due(self) -> float:
        """Monotonic seconds at which `follow_up` has something to do; inf if only a change can bring that."""
        wishes = self.presence.wishes if self._ready and self._opened else ()
        return min(map(self._due, wishes), default=math.inf)

    @property
    def _ready(self) -> bool:
        return not (self.gate.stopping or self.gate.in_window or self.gate.reconciling.closed)

    def _gone(self, client: str) -> float:
        return self.presence.gone_at.get(client, -math.inf)

    def _due(self, client: str) -> float:
        if self.presence.here(client) or self._done.get(client) == self._gone(client):
            return math.inf
        return max(self._gone(client), self._opened[0]) + self.presence.wishes[client]

    def _cancel(self, client: str, now: Moment) -> None:
        mine = [order for order in self.ledger.live() if order.client == client and not order.cancel_wanted]
        _log.warning("cancel_on_disconnect", portfolio=self.portfolio, client=client, orders=len(mine))
        for order in mine:
            self.cancel(order, client, now)
