"""A portfolio around the venue's window, in virtual time: what the tests of the trading day share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import trio

from primefixd.runtime.settings import PortfolioSettings
from primefixd.runtime.views import Maintenance, MaintenanceStage, PortfolioChanged, PortfolioState, SessionState
from tests.support.lives import PAIR
from tests.support.scripted import Connection, Rig, Wall
from tests.support.storage import MemoryStore


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@asynccontextmanager
async def day(
    begin: str = "2026-03-02T21:40", of: PortfolioSettings = PAIR, store: MemoryStore | None = None, **more: object
) -> AsyncIterator[Rig]:
    """One run of the daemon, begun at that UTC time by the world's clock; the window of March 2 is 22:00 to 22:05."""
    async with trio.open_nursery() as nursery:
        yield Rig(nursery, of, store, wall=Wall(utc(begin)), **more)  # type: ignore[arg-type]
        nursery.cancel_scope.cancel()


def when(rig: Rig, msg_type: str, session: str | None = None) -> list[datetime]:
    """When the venue heard messages of that type, by the world's clock; only where the machine did not sleep."""
    times = [
        mono
        for connection in rig.venue.connections
        for mono, message in connection.heard
        if message.type == msg_type and session in (None, connection.peer.removesuffix("-account"))
    ]
    return sorted(rig.wall.begin + timedelta(seconds=mono) for mono in times)


def about(times: list[datetime]) -> list[datetime]:
    """To the second, for what happened less than 10 ms after it: stamps are cut to milliseconds, and time flies."""
    return [t.replace(microsecond=0) if t.microsecond < 10_000 else t for t in times]


def logouts(rig: Rig) -> list[datetime]:
    """When the venue's connections ended by Logout, as `about`, where the machine did not sleep."""
    times = [c.logged_out_at for c in rig.venue.connections if c.logged_out_at is not None]
    return about(sorted(rig.wall.begin + timedelta(seconds=mono) for mono in times))


def living(rig: Rig) -> list[Connection]:
    return [connection for connection in rig.venue.connections if not connection.ended]


def states(rig: Rig) -> set[SessionState]:
    return {view.state for view in rig.portfolio.sessions()}


def state(rig: Rig) -> PortfolioState:
    return rig.portfolio.view().state


class Told:
    """Every event so far, looked at as often as wanted."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._events: list[object] = []

    def of(self, kind: type) -> list:  # type: ignore[type-arg]
        self._events += self._rig.events(object)
        return [event for event in self._events if isinstance(event.body, kind)]  # type: ignore[attr-defined]

    def stages(self) -> list[MaintenanceStage]:
        return [event.body.stage for event in self.of(Maintenance)]

    def announced(self) -> list[datetime]:
        return [each.time for each in self.of(Maintenance) if each.body.stage is MaintenanceStage.ANNOUNCED]

    def portfolio(self) -> list[PortfolioState]:
        """The states of the portfolio, one after another."""
        told = [event.body.portfolio.state for event in self.of(PortfolioChanged)]
        return [state for n, state in enumerate(told) if n == 0 or told[n - 1] is not state]


async def through(rig: Rig, date: str = "2026-03-02", summer: bool = False) -> None:
    """To ten seconds after that day's window."""
    await rig.wall.until(f"{date}T{21 if summer else 22}:05:10")
