"""Tells a service manager how the service does, by sd_notify(3): one datagram to the socket that it named.

The packages for it are unkept, and it is fifteen lines. Nothing here waits, and a manager that is gone, or does not
read, is no error: the service goes on without. Nothing is decided here about when what is told.
"""

import os
import socket
import time
from collections.abc import Mapping, Sequence
from datetime import datetime

from attrs import frozen

from primefixd.runtime.views import PortfolioState, PortfolioView, SessionState, SessionView

READY = "READY=1"
STOPPING = "STOPPING=1"
WATCHDOG = "WATCHDOG=1"
_WORST_FIRST = (
    PortfolioState.HALTED,
    PortfolioState.CLOSED,
    PortfolioState.DRAINING,
    PortfolioState.RECONCILING,
    PortfolioState.OPEN,
)


def status(words: str) -> str:
    """What `systemctl status` shows of the service, in one line."""
    return f"STATUS={' '.join(words.split())}"


def reloading() -> str:
    """A reload begins; READY ends it. The stamp tells the manager which reload is meant (systemd 253 and newer)."""
    return f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}"


def extended(seconds: float) -> str:
    """Starting or stopping takes so many seconds more from now, whatever the unit's time-out says."""
    return f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}"


@frozen
class Notifier:
    """`address` is a path, or an abstract name after `@`; None: nobody listens, and telling does nothing.

    Within each `watchdog_s` seconds the manager wants one WATCHDOG; None: it does not watch.
    """

    address: str | None = None
    watchdog_s: float | None = None

    def tell(self, *assignments: str) -> None:
        """Send them as one message. Never waits and never raises: what the manager does not take is lost."""
        if self.address is None:
            return
        name = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as to:
                to.connect(name)
                to.send("\n".join(assignments).encode())
        except OSError:
            return


UNATTENDED = Notifier()


def from_environment(environment: Mapping[str, str]) -> Notifier:
    """What systemd asks of this process. Addresses that are not of AF_UNIX, and orders to other processes, are left."""
    address = environment.get("NOTIFY_SOCKET", "")
    usec = environment.get("WATCHDOG_USEC", "")
    ours = environment.get("WATCHDOG_PID") in (None, str(os.getpid()))
    return Notifier(
        address=address if address.startswith(("/", "@")) and len(address) > 1 else None,
        watchdog_s=int(usec) / 1e6 if usec.isascii() and usec.isdigit() and int(usec) > 0 and ours else None,
    )


def status_words(portfolios: Sequence[PortfolioView], sessions: Sequence[SessionView], now: datetime) -> str:
    """Such as `OPEN 7/7 sessions, 12 open orders, window in 3 h 12 m`, the worst portfolios first. `now` is UTC."""
    active = sum(session.state is SessionState.ACTIVE for session in sessions)
    counts = [f"{_states(portfolios)} {active}/{_count(len(sessions), 'session')}"]
    counts.append(_count(sum(each.open_orders for each in portfolios), "open order"))
    doubtful = sum(each.in_doubt for each in portfolios)
    gaps = sum(each.unreconciled for each in portfolios)
    counts += [f"{doubtful} in doubt"] if doubtful else []
    counts += [f"{gaps} unreconciled"] if gaps else []
    return ", ".join([*counts, *_soonest(portfolios, now)])


def _soonest(portfolios: Sequence[PortfolioView], now: datetime) -> list[str]:
    starts = [each.next_window for each in portfolios]  # a reload may leave none for a moment
    return [_until(min(starts), now)] if starts else []


def _states(portfolios: Sequence[PortfolioView]) -> str:
    """The state of all, or which portfolios are in which."""
    names = {state: [each.name for each in portfolios if each.state is state] for state in _WORST_FIRST}
    found = [state for state in _WORST_FIRST if names[state]]
    if not found:
        return "no portfolios"
    return found[0] if len(found) == 1 else ", ".join(f"{state} ({', '.join(names[state])})" for state in found)


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


def _until(start: datetime, now: datetime) -> str:
    """In whole minutes, rounded up: the last one is `1 m`."""
    if start <= now:
        return "in the window"
    hours, minutes = divmod(-((now - start).total_seconds() // 60), 60)
    return f"window in {hours:.0f} h {minutes:.0f} m" if hours else f"window in {minutes:.0f} m"
