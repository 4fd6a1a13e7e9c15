"""Keeps the service manager told for as long as the daemon runs: ready, how it does, that it moves, and its end.

It is started when clients can come in, and never waits for the venue: else a start inside the maintenance window, when
nobody can log on (prime-fix.md section 1), would count as failed. What "moves" means is decided by who starts it.
"""

from collections.abc import Callable

import trio

from primefixd.runtime.desk import Desk
from primefixd.runtime.notify import READY, STOPPING, WATCHDOG, Notifier, extended, status, status_words

STEP_S = 1.0  # a change is told so late at most
AGAIN_S = 5.0  # what did not change is told again after so long, should the manager have lost it
EXTEND_S = 10.0  # asked for at each step of the drain
DRAIN_MOST_S = 60.0  # from then on no more time is asked for: what still hangs is the manager's to end


async def attend(notifier: Notifier, desk: Desk, moving: Callable[[], bool], stopping: trio.Event) -> None:
    """Runs until it is cancelled. The watchdog is fed at twice the rate that it asks for, while `moving()`."""
    notifier.tell(READY, status(_words(desk)))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_show, notifier, desk)
        nursery.start_soon(_drain, notifier, desk, stopping)
        if notifier.watchdog_s is not None:
            nursery.start_soon(_feed, notifier, notifier.watchdog_s / 2, moving)


async def _show(notifier: Notifier, desk: Desk) -> None:
    told, told_at = "", 0.0
    while True:
        words, now = _words(desk), desk.clock().mono
        if words != told or now - told_at >= AGAIN_S:
            notifier.tell(status(words))
            told, told_at = words, now
        await trio.sleep(STEP_S)


async def _feed(notifier: Notifier, period_s: float, moving: Callable[[], bool]) -> None:
    while True:
        if moving():
            notifier.tell(WATCHDOG)
        await trio.sleep(period_s)


async def _drain(notifier: Notifier, desk: Desk, stopping: trio.Event) -> None:
    await stopping.wait()
    notifier.tell(STOPPING, extended(EXTEND_S))
    until = desk.clock().mono + DRAIN_MOST_S
    while desk.clock().mono < until:
        await trio.sleep(STEP_S)
        notifier.tell(extended(EXTEND_S))


def _words(desk: Desk) -> str:
    portfolios = desk.portfolios.values()
    sessions = [session for portfolio in portfolios for session in portfolio.sessions()]
    return status_words([portfolio.view() for portfolio in portfolios], sessions, desk.clock().utc)
