"""The trading day of one portfolio: one coroutine that reads top to bottom (architecture.md 14).

Every day the venue logs everybody out between 17:00 and 17:05 New York time (prime-fix.md section 1, maintenance). Each
window is worked out from its New York date and waited for by the venue's estimated clock, which is read again at least
every LOOK_AGAIN_S seconds: a machine that slept, or a clock that was set, is noticed. What each step does to orders and
sessions is the portfolio's, the `Floor`.
"""

from datetime import datetime, timedelta
from typing import Protocol

import trio
from attrs import frozen

from primefixd.dispatch.calendar import MaintenanceWindow, Schedule, window_after

ANNOUNCED_S = (900.0, 300.0, 60.0)  # before the window
LOOK_AGAIN_S = 30.0  # between two readings of the wall clock


class Floor(Protocol):
    """The portfolio, as its day sees it."""

    def venue_time(self) -> datetime:
        """The present by the venue's clock, as far as it is known; aware UTC."""

    def announce(self, window: MaintenanceWindow) -> None:
        """Say that the window is coming."""

    def last_orders(self, window: MaintenanceWindow) -> None:
        """From now on no new order and no replace leaves; cancels do (order-rules.md 24)."""

    def close(self, window: MaintenanceWindow) -> None:
        """Log out every session, and keep them down."""

    async def reopen(self) -> None:
        """Log on again, a session after the other; then find out how the orders stand."""

    async def reconciled(self) -> None:
        """Wait until that is known, or has taken too long (order-rules.md 17)."""

    def opened(self, window: MaintenanceWindow) -> None:
        """Take new orders again, let those that were held leave, and say what happened to the sessions."""


@frozen
class TradingDay:
    floor: Floor
    schedule: Schedule
    last_order_lead_s: float

    def begin(self) -> MaintenanceWindow | None:
        """To be called before any session starts: inside a window it closes at once, and returns that window."""
        window = window_after(self.schedule, self.floor.venue_time())
        if self._left(window.start) > 0:
            return None
        self.floor.last_orders(window)
        self.floor.close(window)
        return window

    async def run(self, closed_for: MaintenanceWindow | None) -> None:
        """Day after day, until cancelled. Never closes before the window by itself: last reports come just then."""
        window = closed_for or window_after(self.schedule, self.floor.venue_time())
        while True:
            if closed_for is None:
                await self._announce(window)
                await self._until(window.start - timedelta(seconds=self.last_order_lead_s))
                self.floor.last_orders(window)
                await self._until(window.start)
                self.floor.close(window)
            closed_for = None
            await self._until_over(window)
            await self.floor.reopen()
            following = window_after(self.schedule, max(self.floor.venue_time(), window.end))
            with trio.move_on_after(self._left(following.start) - self.last_order_lead_s):
                await self.floor.reconciled()
                self.floor.opened(window)
            window = window_after(self.schedule, max(self.floor.venue_time(), window.end))

    async def _announce(self, window: MaintenanceWindow) -> None:
        for before_s in ANNOUNCED_S:
            at = window.start - timedelta(seconds=before_s)
            if self._left(at) > 0:
                await self._until(at)
                self.floor.announce(window)

    async def _until(self, at: datetime) -> None:
        left_s = self._left(at)
        while left_s > 0:
            await trio.sleep(min(left_s, LOOK_AGAIN_S))
            left_s = self._left(at)

    async def _until_over(self, window: MaintenanceWindow) -> None:
        """No longer than the window lasts, should the clock be set back meanwhile."""
        with trio.move_on_after(max(self._left(window.end), 0.0)):
            await self._until(window.end)

    def _left(self, at: datetime) -> float:
        return (at - self.floor.venue_time()).total_seconds()
