"""Halting one portfolio by hand or by itself, durably until it is resumed (order-rules.md 26 and 27)."""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import orjson
import structlog
from attrs import define

from primefixd.clock import Clock, Moment
from primefixd.orders.model import Order, RequestKind, Status
from primefixd.runtime.feed import Body
from primefixd.runtime.gate import Gate
from primefixd.runtime.hearing import Hearing
from primefixd.runtime.store import Note
from primefixd.runtime.views import PortfolioChanged, PortfolioView

ITSELF = "primefixd"  # who cancels when nobody asked for it

_NOTE = "halted"
_log = structlog.get_logger()


class RecordNotes(Protocol):
    """Hands changes and notes to the journal; its ticket."""

    def __call__(self, changes: Iterable[Body], now: Moment, notes: tuple[Note, ...] = ()) -> int: ...


@define
class Halts:
    portfolio: str
    hearing: Hearing
    gate: Gate
    record: RecordNotes
    view: Callable[[], PortfolioView]
    cancel: Callable[[Order, str, Moment], int]
    clock: Clock
    _tripped: bool | None = None  # whether what is open is to be cancelled, too, once this turn is over

    def restore(self, notes: Mapping[str, bytes]) -> None:
        """After a start: what was halted still is."""
        self.gate.halted = _NOTE in notes

    async def halt(self, client: str, cancel_open: bool) -> bool:
        """End what queues, refuse what is new; cancel what is open, if wanted. Whether it is on disk already."""
        now = self.clock()
        self.gate.halted = True
        note = Note(_NOTE, orjson.dumps({"client": client, "time": now.utc}))
        ticket = self.record([PortfolioChanged(self.view())], now, (note,))
        ticket = max(ticket, self._empty(client, cancel_open, now))
        return await self.gate.journal.settled(ticket)

    def trip(self, why: str, client_order_id: str, cancel_open: bool, now: Moment) -> None:
        """Halt by itself, in the middle of a turn: from now on nothing leaves, `follow_up` does the rest."""
        if self.gate.halted:
            return
        self.gate.halted, self._tripped = True, cancel_open
        _log.critical("halted_by_itself", portfolio=self.portfolio, why=why, client_order_id=client_order_id)
        note = Note(_NOTE, orjson.dumps({"why": why, "client_order_id": client_order_id, "time": now.utc}))
        self.record([PortfolioChanged(self.view())], now, (note,))

    def follow_up(self, now: Moment) -> None:
        """What a halt by itself has left to do."""
        if self._tripped is not None:
            cancel_open, self._tripped = self._tripped, None
            self._empty(ITSELF, cancel_open, now)

    def _empty(self, client: str, cancel_open: bool, now: Moment) -> int:
        """End what queues and cancel what is open, if wanted; the ticket of that."""
        ticket = 0
        for order in self.hearing.ledger.live():
            if order.status is Status.QUEUED:
                self.hearing.queueing.withdraw(order)
                ticket = self.record(self.hearing.end(order, "halted", now), now)
            else:
                self.hearing.sessions.withdraw(order.key, RequestKind.NEW_ORDER)  # one in doubt may wait to leave again
                ticket = self.record(self.hearing.replaces.drop_queued(order, "the portfolio is halted", now), now)
                if cancel_open and not order.cancel_wanted:
                    ticket = self.cancel(order, client, now)
        return ticket

    async def resume(self) -> bool:
        """Take new orders again. Whether it is on disk already."""
        self.gate.halted = False
        ticket = self.record([PortfolioChanged(self.view())], self.clock(), (Note(_NOTE, None),))
        return await self.gate.journal.settled(ticket)
