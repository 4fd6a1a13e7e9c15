"""What the steps of the trading day do to the orders and sessions of one portfolio; when they come is `day`'s.

Nothing is lost in it: what is on the wire was given its time, what may be held stays in its queue, a cancel waits and
goes first, and whatever the venue did meanwhile is asked for before new orders leave (order-rules.md 17, 24, 25).
"""

from collections.abc import Callable, Iterable
from datetime import datetime

import trio
from attrs import frozen

from primefixd.clock import Clock, Moment
from primefixd.dispatch.calendar import MaintenanceWindow
from primefixd.orders.model import OnMaintenance, Status
from primefixd.runtime.feed import Body
from primefixd.runtime.gate import Gate
from primefixd.runtime.hearing import Hearing
from primefixd.runtime.release import Release
from primefixd.runtime.views import Maintenance, MaintenanceStage, PortfolioChanged, PortfolioView, SessionDay

LOGON_APART_S = 0.2  # between the logons of two sessions after a window, so that they are not one burst
LOGON_JITTER_S = 1.0  # at most, before the first of them: other daemons come back as well
_REASON = "maintenance window of the venue"


@frozen
class TradingFloor:
    """`record` hands changes to the journal; `rest` says whether REST is read as well."""

    hearing: Hearing
    gate: Gate
    fit: Release
    record: Callable[[Iterable[Body], Moment], int]
    view: Callable[[], PortfolioView]
    clock: Clock
    uniform: Callable[[float, float], float]
    rest: bool

    def venue_time(self) -> datetime:
        return self.hearing.sessions.venue_time()

    def announce(self, window: MaintenanceWindow) -> None:
        self.record([_maintenance(MaintenanceStage.ANNOUNCED, window)], self.clock())

    def last_orders(self, window: MaintenanceWindow) -> None:
        now = self.clock()
        self.gate.window, self.gate.in_window = window, False
        self.hearing.queueing.hold_queued(now)
        for order in self.hearing.ledger.live():
            if order.status is Status.QUEUED and order.on_maintenance is OnMaintenance.REJECT:
                self.hearing.queueing.withdraw(order)
                self.record(self.hearing.end(order, "closed", now), now)
            elif order.replace is not None:
                self.record(self.hearing.replaces.drop_queued(order, "the venue is closing", now), now)
        self.record([PortfolioChanged(self.view())], now)

    def not_yet(self) -> None:
        now = self.clock()
        self.gate.window = None
        if self.gate.open:
            self.release(now)
        self.record([PortfolioChanged(self.view())], now)
        self.hearing.sessions.wake()

    def close(self, window: MaintenanceWindow) -> None:
        now = self.clock()
        self.gate.in_window = True
        self.record([_maintenance(MaintenanceStage.STARTED, window)], now)
        self.hearing.sessions.hold(_REASON, window=True)
        self.record([PortfolioChanged(self.view())], now)

    async def reopen(self) -> None:
        now = self.clock()
        self.gate.window, self.gate.in_window = None, False
        self.hearing.reconciling.begin(self.hearing.ledger.live(), self.rest, always=True)
        self.record([PortfolioChanged(self.view())], now)
        await trio.sleep(self.uniform(0.0, LOGON_JITTER_S))
        await self.hearing.sessions.release_in_turn(LOGON_APART_S)

    def drain(self) -> None:
        """From now on nothing new is taken, and nothing new leaves, until the orders are asked about again."""
        self.hearing.reconciling.begin(self.hearing.ledger.live(), self.rest, always=True)
        self.record([PortfolioChanged(self.view())], self.clock())

    async def restart(self) -> None:
        """By hand what the day does: every session logs out and on again, then the orders are asked about."""
        self.hearing.reconciling.begin(self.hearing.ledger.live(), self.rest, always=True)
        self.record([PortfolioChanged(self.view())], self.clock())
        await self.hearing.sessions.restart_in_turn(LOGON_APART_S)

    def release(self, now: Moment) -> None:
        """Let what is held leave as soon as the gate opens, in the order it came; what must not ends (rule 25)."""
        changes, invalid = self.hearing.queueing.release(now, self.fit)
        self.record(changes, now)
        for order in invalid:
            self.record(self.hearing.end(order, "held_invalid", now), now)

    async def reconciled(self) -> None:
        await self.hearing.reconciling.over()

    def opened(self, window: MaintenanceWindow) -> None:
        ended = _maintenance(MaintenanceStage.ENDED, window, self.hearing.sessions.days())
        self.record([ended], self.clock())


def _maintenance(
    stage: MaintenanceStage, window: MaintenanceWindow, sessions: tuple[SessionDay, ...] = ()
) -> Maintenance:
    return Maintenance(stage=stage, starts_at=window.start, ends_at=window.end, sessions=sessions)
