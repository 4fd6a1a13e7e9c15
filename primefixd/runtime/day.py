"""The trading day of one portfolio: one coroutine that reads top to bottom (architecture.md 14).

Every day the venue logs everybody out between 17:00 and 17:05 New York time (prime-fix.md section 1, maintenance). Each
window is worked out from its New York date and waited for by the venue's estimated clock, which is read again at least
every LOOK_AGAIN_S seconds: a machine that slept, or a clock that was set, is noticed. What each step does to orders and
sessions is the portfolio's, the `Floor`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

import trio
from attrs import frozen

from primefixd.dispatch.calendar import MaintenanceWindow, Schedule, window_after

ANNOUNCED_S = (900.0, 300.0, 60.0)  # before the window
LOOK_AGAIN_S = 30.0  # between two readings of the wall clock
A_DAY_S = 26 * 3600.0  # no window is further away, whatever the clock change: else the clock was set back
SET_BACK = timedelta(minutes=1)  # a clock that is set back by less is waited for; by more, and what was begun is undone


class Floor(Protocol):
    """The portfolio, as its day sees it."""

    def venue_time(self) -> datetime:
        """The present by the venue's clock, as far as it is known; aware UTC."""

    def announce(self, window: MaintenanceWindow) -> None:
        """Say that the window is coming."""

    def last_orders(self, window: MaintenanceWindow) -> None:
        """From now on no new order and no replace leaves; cancels do (order-rules.md 24)."""

    def not_yet(self) -> None:
        """Take `last_orders` back: the window is not that near after all."""

    def close(self, window: MaintenanceWindow) -> None:
        """Log out every session, and keep them down."""

    async def reopen(self) -> None:
        """Log on again, a session after the other; then find out how the orders stand."""

    async def reconciled(self) -> None:
        """Wait until that is known, or has taken too long (order-rules.md 17)."""

    def opened(self, window: MaintenanceWindow) -> None:
        """Say that it is over, and what happened to the sessions."""


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
                early = [s for s in ANNOUNCED_S if s >= self.last_order_lead_s]
                if not (await self._announce(window, early) and await self._until(window.start - self._lead)):
                    window = window_after(self.schedule, self.floor.venue_time())
                    continue
                self.floor.last_orders(window)
                if not await self._drain(window):
                    self.floor.not_yet()
                    continue
                self.floor.close(window)
            closed_for = None
            await self._until_over(window)
            await self.floor.reopen()
            await self._open(window)
            window = self._following(window)

    async def _drain(self, window: MaintenanceWindow) -> bool:
        """What is on the wire is acknowledged until the window begins; False if the clock was set back meanwhile."""
        not_before = window.start - self._lead - SET_BACK
        announced = await self._announce(window, [s for s in ANNOUNCED_S if s < self.last_order_lead_s], not_before)
        return announced and await self._until(window.start, not_before)

    async def _announce(
        self, window: MaintenanceWindow, before_s: Sequence[float], not_before: datetime | None = None
    ) -> bool:
        for at in (window.start - timedelta(seconds=s) for s in before_s):
            if self._left(at) > 0:
                if not await self._until(at, not_before):
                    return False
                self.floor.announce(window)
        return True

    async def _until(self, at: datetime, not_before: datetime | None = None) -> bool:
        """Wait until then; False as soon as the clock turns out to be set back by more than a day, or that far."""
        while (left_s := self._left(at)) > 0:
            if left_s > A_DAY_S or (not_before is not None and self.floor.venue_time() < not_before):
                return False
            await trio.sleep(min(left_s, LOOK_AGAIN_S))
        return True

    async def _until_over(self, window: MaintenanceWindow) -> None:
        """No longer than the window lasts, should the clock be set back in it, nor when it is not even begun."""
        with trio.move_on_after(max(self._left(window.end), 0.0)):
            await self._until(window.end, not_before=window.start - SET_BACK)

    async def _open(self, window: MaintenanceWindow) -> None:
        """Open as soon as it may be, unless the next window comes before that."""
        last = self._following(window).start - self._lead
        while (left_s := self._left(last)) > 0:
            with trio.move_on_after(min(left_s, LOOK_AGAIN_S)):
                await self.floor.reconciled()
                self.floor.opened(window)
                return

    def _following(self, window: MaintenanceWindow) -> MaintenanceWindow:
        """The window after this one; or this one again, if the clock was set back to well before it."""
        now = self.floor.venue_time()
        return window_after(self.schedule, now if now < window.start - SET_BACK else max(now, window.end))

    @property
    def _lead(self) -> timedelta:
        return timedelta(seconds=self.last_order_lead_s)

    def _left(self, at: datetime) -> float:
        return (at - self.floor.venue_time()).total_seconds()
