"""Whether the daemon lives, and whether it is ready, each with one line why it is not.

Ready is not the same as trading: inside the venue's daily window nobody trades (prime-fix.md section 1), and an alarm
for that would be one every day.
"""

from collections.abc import Iterator

import trio

from primefixd.clock import Clock
from primefixd.runtime.counts import Histogram
from primefixd.runtime.desk import Desk
from primefixd.runtime.portfolio import Portfolio
from primefixd.runtime.settings import SessionRole
from primefixd.runtime.views import PortfolioState, SessionState

LAG_STEP_S = 0.25  # between two looks at how late the event loop is
LAG_DEAD_S = 10.0  # without a look for so long, the loop starves
_LAG_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0)


class Lag:
    """How late the event loop wakes a task that sleeps."""

    def __init__(self, clock: Clock) -> None:
        self.lateness = Histogram(_LAG_BOUNDS_S)
        self._clock = clock
        self._looked = clock().mono

    async def watch(self) -> None:
        """Look every LAG_STEP_S seconds, until cancelled."""
        while True:
            due = self._clock().mono + LAG_STEP_S
            await trio.sleep(LAG_STEP_S)
            self._looked = self._clock().mono
            self.lateness.observe(max(self._looked - due, 0.0))

    def starving(self) -> str | None:
        """Why the event loop cannot be said to live, in one line; None while it does."""
        since_s = self._clock().mono - self._looked
        return f"the event loop has let {since_s:.0f} s go by" if since_s > LAG_DEAD_S else None


def unready(desk: Desk, stopping: trio.Event) -> str | None:
    """Why the daemon is not ready, in one line; None if it is.

    It is while every portfolio is OPEN with a session that trades, or shut by the venue's window, and the journal can
    be written.
    """
    if stopping.is_set():
        return "the daemon is stopping"
    reasons = [f"{each.name} {why}" for each in desk.portfolios.values() for why in _why_not(each)]
    if not desk.journal.writable:
        reasons.append("the journal cannot be written; free the disk that state_dir is on")
    return "; ".join(reasons) or None


def _why_not(portfolio: Portfolio) -> Iterator[str]:
    state = portfolio.view().state
    if portfolio.window is not None:
        return
    if state is not PortfolioState.OPEN:
        yield f"is {state}"
        return
    trading = [each for each in portfolio.sessions() if each.role == SessionRole.ORDERS]
    if not any(each.state is SessionState.ACTIVE for each in trading):
        error = next((each.last_error for each in trading if each.last_error), None)
        yield "has no session for orders that is logged on" + (f" ({error})" if error else "")
