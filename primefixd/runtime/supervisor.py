"""Keeps one session alive: connect, run a link, wait, again; for ever, and without touching any other session.

A refused Logon is retried no faster than every 30 s and said in words; everything else backs off exponentially with
full jitter. A bug inside a link is logged and treated like a lost connection: the other sessions go on.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

import structlog
import trio
from attrs import evolve, frozen

from primefixd.clock import Moment
from primefixd.dispatch.limiter import Lane
from primefixd.dispatch.router import Candidate
from primefixd.fix.events import Ended, EndReason
from primefixd.fix.session import Resend, Role, Session, SessionSettings
from primefixd.prime.venue import TARGET_COMP_ID
from primefixd.runtime.counts import SessionCounts
from primefixd.runtime.link import CLOCK_REFUSE_S, Line, Link, Owner
from primefixd.runtime.ports import Ports, certificate_until, connect_error_in_words
from primefixd.runtime.settings import SessionRole, VenueSettings
from primefixd.runtime.views import SessionDay, SessionState, SessionView

BACKOFF_FIRST_S = 0.5
BACKOFF_MOST_S = 30.0
REFUSED_WAIT_S = 30.0  # at least, after a refused Logon
REFUSED_JITTER_S = 5.0  # added to it, so that seven refusals do not come back as one burst
STUCK_S = 60.0  # longer than any wait of a link or an attempt: whoever is that late does not move any more
UNCONNECTED_SILENT, UNCONNECTED_FAILED = "timeout", "failed"  # why there was no connection, as it is counted
HEALTHY_S = 60.0  # a session that was up for so long starts its back-off anew

_PASSING = frozenset({SessionState.CONNECTING, SessionState.LOGGING_ON, SessionState.LOGGING_OUT})
_log = structlog.get_logger()


class BackOff:
    """How long to wait before the next attempt. `uniform` draws the jitter."""

    def __init__(self, uniform: Callable[[float, float], float]) -> None:
        self._uniform = uniform
        self._failures = 0

    def wait_s(self, up_s: float, refused: bool) -> float:
        """Seconds to wait after an attempt that was up for `up_s` seconds."""
        if up_s >= HEALTHY_S:
            self._failures = 0
        ceiling = min(BACKOFF_MOST_S, BACKOFF_FIRST_S * 2.0 ** min(self._failures, 16))
        self._failures += 1
        if refused:
            return REFUSED_WAIT_S + self._uniform(0.0, REFUSED_JITTER_S)
        return self._uniform(0.0, ceiling)


@frozen
class Attempt:
    """How one attempt ended: in words, whether the Logon was refused, and how long the session was up (seconds)."""

    error: str
    refused: bool
    up_s: float


class SupervisorOwner(Owner, Protocol):
    """The portfolio, as its supervisors see it."""

    @property
    def name(self) -> str:
        """The portfolio's name."""

    def session_changed(self, session: SessionView, now: Moment) -> None:
        """The session's state is another now."""

    def link_down(self, session: str, now: Moment) -> None:
        """The link is gone; what was unanswered on it is for the portfolio to settle."""


class Supervisor:
    """One session of one portfolio, from start to stop."""

    def __init__(self, line: Line, owner: SupervisorOwner, venue: VenueSettings, ports: Ports) -> None:
        self.line = line
        self._owner = owner
        self._venue = venue
        self._ports = ports
        self._link: Link | None = None
        self._state = SessionState.DOWN
        self._since = ports.clock().utc
        self._active_since: float | None = None
        self._last_error: str | None = None
        self._next_attempt_at: datetime | None = None
        self._garbled = self._unreadable = 0  # on links that are gone, as all that is in `line.counts`
        self._stopping = False
        self._restarting = self.leaving = self.quiet = False
        self.gone = trio.Event()
        self._held: dict[bool, str] = {}  # why it must stay down: for the venue's window (True), or for us (False)
        self._last_end: tuple[datetime, str] | None = None  # of the last link that was logged on
        self._attempts = 0  # since then
        self._change = trio.Event()  # of the two: whoever waits looks again

    @property
    def active(self) -> bool:
        """Whether requests can leave on this session now."""
        return self._state is SessionState.ACTIVE and self._link is not None and self._link.active

    @property
    def open(self) -> bool:
        """Whether new orders may be given to this session."""
        return self.active and not (self.quiet or self.leaving or self.clock_is_off)

    @property
    def down(self) -> bool:
        """Whether it is not logged on, and what its last link left is settled."""
        return self._active_since is None

    @property
    def clock_is_off(self) -> bool:
        """Whether the venue's clock and ours are too far apart to send new orders (order-rules.md 10)."""
        return self.clock_offset_s is not None and abs(self.clock_offset_s) >= CLOCK_REFUSE_S

    @property
    def clock_offset_s(self) -> float | None:
        """By how much the venue's clock is ahead of ours, in seconds; None while that is not known."""
        return self._link.session.clock_offset_at(self._ports.clock()) if self._link else None

    @property
    def next_attempt_at(self) -> datetime | None:
        return self._next_attempt_at

    def candidate(self, now: Moment) -> Candidate:
        """This session as the router sees it."""
        budget = self.line.limiter.left(now.mono, Lane.OTHER)
        return Candidate(self.line.name, self.active, len(self.line.outbox), budget)

    def view(self) -> SessionView:
        """This session as an operator sees it."""
        session = self._link.session if self._link else None
        return SessionView(
            name=self.line.name,
            portfolio=self._owner.name,
            role=(SessionRole.DROP_COPY if self.line.drop_copy else SessionRole.ORDERS).value,
            state=self._state,
            since=self._since,
            last_error=self._last_error,
            next_attempt_at=self._next_attempt_at,
            sent=self.line.counts.sent.total() + (session.sent if session else 0),
            received=self.line.counts.received.total() + (session.received if session else 0),
            queue=len(self.line.outbox),
            budget=self.line.limiter.left(self._ports.clock().mono),
            clock_offset_ms=_ms(self.clock_offset_s),
            round_trip_ms=_ms(session.round_trip_s if session else None),
            garbled=self._garbled + (session.garbled if session else 0),
            unreadable=self._unreadable + (self._link.unreadable if self._link else 0),
        )

    def counted(self) -> SessionCounts:
        """What it has done since the start, as it stands now."""
        counts, session = self.line.counts, self._link.session if self._link else None
        if session is None:
            return counts
        sent, received = Counter(session.sent_by_type), Counter(session.received_by_type)
        return evolve(counts, sent=counts.sent + sent, received=counts.received + received)

    def wake(self) -> None:
        """Something new may leave."""
        if self._link is not None:
            self._link.wake()

    def logged_on(self, now: Moment) -> None:
        """The venue accepted the Logon."""
        self._active_since, self._last_error = now.mono, None
        self.line.counts.logons += 1
        self._become(SessionState.ACTIVE)

    def stop(self) -> None:
        """Log out and do not come back; `run` returns."""
        self._stopping = True
        self._log_out()

    def hold(self, why: str, *, window: bool) -> None:
        """Log out and stay down until `release`; the venue's window and our own reasons are held for apart."""
        if not self._held:
            self._log_out()
        self._held.setdefault(window, why)
        if window and self._state is SessionState.DOWN:
            self._become(SessionState.WINDOW)

    def leave(self) -> None:
        """It is in the configuration no more: stop, and be forgotten then."""
        self.leaving = True
        self.stop()

    def become(self, line: Line) -> None:
        """Another configuration of the same session: what waits stays, and it logs on anew with that."""
        self.line = evolve(line, outbox=self.line.outbox, counts=self.line.counts)
        self.restart()

    @property
    def held(self) -> Mapping[bool, str]:
        """Why it must stay down, if it must."""
        return self._held

    def restart(self) -> None:
        """Log out, and on again at once."""
        self._restarting = True
        self._log_out()

    def release(self, *, window: bool) -> None:
        """Log on again, if nothing else keeps it down."""
        if self._held.pop(window, None) is not None:
            self._change.set()

    def day(self) -> SessionDay:
        """What the window did to this session."""
        at, how = self._last_end or (None, None)
        since = self._since if self._state is SessionState.ACTIVE else None
        return SessionDay(
            name=self.line.name,
            state=self._state,
            logged_out=how,
            logged_out_at=at,
            logged_on_at=since,
            attempts=self._attempts,
        )

    def stuck(self, now: Moment) -> bool:
        """Whether it should have moved on by now: a passing state that lasts, or a link that lets its ticks go by."""
        if self._state in _PASSING:
            return (now.utc - self._since).total_seconds() > STUCK_S
        return self._link is not None and self._link.session.next_tick() < now.mono - STUCK_S

    def up_for_s(self, now: Moment) -> float:
        """How long it has been logged on, in seconds."""
        return 0.0 if self._active_since is None else now.mono - self._active_since

    async def run(self) -> None:
        """Attempt after attempt, until `stop`."""
        back_off = BackOff(self._ports.uniform)
        await self._wait(0.0)
        while not self._stopping:
            attempt = await self._survive()
            self._last_error = attempt.error
            wait_s = back_off.wait_s(attempt.up_s, attempt.refused)
            if not self._stopping and not self._held:
                self._next_attempt_at = self._ports.clock().later(wait_s).utc
                _log.warning("session_down", session=self.line.name, error=attempt.error, retry_in_s=round(wait_s, 3))
            self._become(SessionState.WINDOW if True in self._held else SessionState.DOWN)
            await self._wait(wait_s)
            self._next_attempt_at = None

    async def _wait(self, wait_s: float) -> None:
        """Until the next attempt: that long, and as long as the session is held."""
        with trio.move_on_after(wait_s):
            while not (self._stopping or self._held or self._restarting):
                await self._changed()
        while self._held and not self._stopping:
            self._last_error = next(iter(self._held.values()))
            await self._changed()

    async def _changed(self) -> None:
        self._change = trio.Event()
        await self._change.wait()

    def _log_out(self) -> None:
        self._change.set()
        if self._link is not None:
            self._become(SessionState.LOGGING_OUT)
            self._link.log_out()

    async def _survive(self) -> Attempt:
        """One attempt, whatever happens in it."""
        try:
            return await self._attempt()
        except Exception:
            _log.exception("session_crashed", session=self.line.name)
            return Attempt("an internal error ended the session; the log has the details", False, self._up_s())
        finally:
            self._link = None
            self._active_since = None

    async def _attempt(self) -> Attempt:
        self._attempts, self._restarting, self.quiet = self._attempts + 1, False, False
        counts = self.line.counts
        counts.connects += 1
        self._become(SessionState.CONNECTING)
        where = f"{self._venue.host}:{self._venue.port}"
        try:
            stream = await self._ports.open_stream(self._venue)
        except trio.TooSlowError:
            counts.unconnected[UNCONNECTED_SILENT] += 1
            return Attempt(f"{where} did not answer in time; check the network and the address", False, 0.0)
        except (OSError, trio.BrokenResourceError) as error:
            counts.unconnected[UNCONNECTED_FAILED] += 1
            return Attempt(f"cannot connect to {where}: {connect_error_in_words(error)}", False, 0.0)
        counts.certificate_until = certificate_until(stream)
        if self._stopping or self._held:
            await trio.aclose_forcefully(stream)
            return Attempt("stopped", False, 0.0)
        ended = await self._converse(stream)
        if self._active_since is not None:
            self._last_end, self._attempts = (self._ports.clock().utc, self._ports.mask(ended.text)), 0
        refused = ended.reason is EndReason.LOGON_REFUSED or self._active_since is None
        if self._active_since is None and not (self._stopping or self._held or self._restarting):
            counts.refused[ended.reason.lower()] += 1
        text = f"logon refused: {ended.text}" if ended.reason is EndReason.LOGON_REFUSED else ended.text
        return Attempt(self._ports.mask(text), refused, self._up_s())

    async def _converse(self, stream: trio.abc.Stream) -> Ended:
        settings = SessionSettings(
            role=Role.INITIATOR,
            sender_comp_id=self.line.credentials.service_account_id,
            target_comp_id=TARGET_COMP_ID,
            heartbeat_s=self.line.heartbeat_s,
            resend=Resend.UNSUPPORTED,
            sending_time_tolerance_s=None,
        )
        session = Session(settings)
        self._link = Link(self.line, session, self._owner, self._ports)
        self._become(SessionState.LOGGING_ON)
        try:
            return await self._link.run(stream)
        finally:
            self.line.counts.sent.update(session.sent_by_type)
            self.line.counts.received.update(session.received_by_type)
            self._garbled += session.garbled
            self._unreadable += self._link.unreadable if self._link else 0
            self._link = None
            self._become(SessionState.DOWN)
            self._owner.link_down(self.line.name, self._ports.clock())

    def _up_s(self) -> float:
        return self.up_for_s(self._ports.clock())

    def _become(self, state: SessionState) -> None:
        if state is self._state:
            return
        now = self._ports.clock()
        self._state, self._since = state, now.utc
        _log.info("session_changed", session=self.line.name, state=state.value)
        self._owner.session_changed(self.view(), now)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
