"""Halting one portfolio by hand, durably until it is resumed (order-rules.md 26)."""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import orjson
from attrs import frozen

from primefixd.clock import Clock, Moment
from primefixd.orders.model import Order, RequestKind, Status
from primefixd.runtime.feed import Body
from primefixd.runtime.gate import Gate
from primefixd.runtime.hearing import Hearing
from primefixd.runtime.store import Note
from primefixd.runtime.views import PortfolioChanged, PortfolioView

_NOTE = "halted"


class RecordNotes(Protocol):
    """Hands changes and notes to the journal; its ticket."""

    def __call__(self, changes: Iterable[Body], now: Moment, notes: tuple[Note, ...] = ()) -> int: ...


@frozen
class Halts:
    hearing: Hearing
    gate: Gate
    record: RecordNotes
    view: Callable[[], PortfolioView]
    cancel: Callable[[Order, str, Moment], int]
    clock: Clock

    def restore(self, notes: Mapping[str, bytes]) -> None:
        """After a start: what was halted still is."""
        self.gate.halted = _NOTE in notes

    async def halt(self, client: str, cancel_open: bool) -> bool:
        """End what queues, refuse what is new; cancel what is open, if wanted. Whether it is on disk already."""
        now = self.clock()
        self.gate.halted = True
        note = Note(_NOTE, orjson.dumps({"client": client, "time": now.utc}))
        ticket = self.record([PortfolioChanged(self.view())], now, (note,))
        for order in self.hearing.ledger.live():
            if order.status is Status.QUEUED:
                self.hearing.queueing.withdraw(order)
                ticket = self.record(self.hearing.end(order, "halted", now), now)
            else:
                self.hearing.sessions.withdraw(order.key, RequestKind.NEW_ORDER)  # one in doubt may wait to leave again
                ticket = self.record(self.hearing.replaces.drop_queued(order, "the portfolio is halted", now), now)
                if cancel_open and not order.cancel_wanted:
                    ticket = self.cancel(order, client, now)
        return await self.gate.journal.settled(ticket)

    async def resume(self) -> bool:
        """Take new orders again. Whether it is on disk already."""
        self.gate.halted = False
        ticket = self.record([PortfolioChanged(self.view())], self.clock(), (Note(_NOTE, None),))
        return await self.gate.journal.settled(ticket)
