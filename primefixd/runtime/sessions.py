"""The sessions of one portfolio as a whole: which is up, which carries what, and what they all do at a stop."""

import math
from datetime import datetime

import structlog
import trio
from attrs import evolve

from primefixd.clock import Clock, Moment
from primefixd.dispatch.limiter import SessionLimiter
from primefixd.dispatch.outbox import Outbox, Waiting
from primefixd.dispatch.router import Candidate, Router
from primefixd.orders.model import RequestKind
from primefixd.prime.logon import Credentials
from primefixd.runtime.counts import SessionCounts
from primefixd.runtime.link import Line
from primefixd.runtime.ports import Ports
from primefixd.runtime.settings import PortfolioSettings, SessionRole, SessionSettings, VenueSettings
from primefixd.runtime.supervisor import Supervisor, SupervisorOwner
from primefixd.runtime.venue_clock import VenueClock
from primefixd.runtime.views import SessionDay, SessionView

_log = structlog.get_logger()


class Sessions:
    """The supervisors of one portfolio by session name; new orders leave only on those with role `orders`."""

    def __init__(self, settings: PortfolioSettings, owner: SupervisorOwner, venue: VenueSettings, ports: Ports) -> None:
        self._clock: Clock = ports.clock
        self._owner, self._venue, self._ports = owner, venue, ports
        self._settings = settings
        self._nursery: trio.Nursery | None = None
        self._supervisors = {
            each.name: Supervisor(_line(each, settings), owner, venue, ports) for each in settings.sessions
        }
        self.trading = _trading(settings)
        self._router = Router([each.name for each in settings.sessions], settings.spread)
        self._venue_clock = VenueClock()

    async def run(self) -> None:
        """Keep every session alive until `stop`."""
        async with trio.open_nursery() as self._nursery:
            for supervisor in self._supervisors.values():
                self._nursery.start_soon(self._keep, supervisor)

    async def _keep(self, supervisor: Supervisor, after: Supervisor | None = None) -> None:
        """Run it, once the one of the same name `after` which it comes is gone: the venue takes one at a time."""
        if after is not None:
            await after.gone.wait()
        await supervisor.run()
        supervisor.gone.set()
        if supervisor.leaving and self._supervisors.get(supervisor.line.name) is supervisor:
            del self._supervisors[supervisor.line.name]

    def change(self, settings: PortfolioSettings) -> list[str]:
        """Become what `settings` say: new sessions start, changed ones restart, those that are gone log out.

        What did not change is not touched. Returns those that carry no orders any more; their queues are the caller's.
        """
        before = {each.name: (each, self._settings.rate) for each in self._settings.sessions}
        after = {each.name: (each, settings.rate) for each in settings.sessions}
        self._settings, self.trading = settings, _trading(settings)
        self._router.become(list(after), settings.spread)
        for name in after.keys() - before.keys():
            self._add(after[name][0])
        for name in after.keys() & before.keys():
            if after[name] != before[name]:
                self._supervisors[name].become(_line(after[name][0], settings))
        gone = sorted(before.keys() - after.keys())
        for name in gone:
            self._supervisors[name].leave()
        idle = [name for name, (each, _) in before.items() if each.role is SessionRole.ORDERS]
        return [name for name in idle if name not in self.trading]  # a drop copy carries no orders either

    def _add(self, session: SessionSettings) -> None:
        made = Supervisor(_line(session, self._settings), self._owner, self._venue, self._ports)
        held = next(iter(self._supervisors.values())).held if self._supervisors else {}
        for window, why in held.items():
            made.hold(why, window=window)
        before = self._supervisors.get(session.name)  # on its way out
        self._supervisors[session.name] = made
        if self._nursery is not None:
            self._nursery.start_soon(self._keep, made, before)

    def stop(self) -> None:
        """Log all of them out; `run` returns when they are gone."""
        for supervisor in self._supervisors.values():
            supervisor.stop()

    def wake(self) -> None:
        """Something may leave that could not before."""
        for supervisor in self._supervisors.values():
            supervisor.wake()

    def hold(self, why: str, *, window: bool = False) -> None:
        """Log all of them out, and keep them down until `release`; `why` is what operators read."""
        for supervisor in self._supervisors.values():
            supervisor.hold(why, window=window)

    def restart(self, session: str) -> None:
        """Log that one out, and on again at once."""
        self._supervisors[session].restart()

    async def restart_in_turn(self, apart_s: float) -> None:
        """Log all of them out, and on again at once, one every `apart_s` seconds."""
        for supervisor in list(self._supervisors.values()):
            supervisor.restart()
            await trio.sleep(apart_s)

    def __contains__(self, session: str) -> bool:
        return session in self._supervisors

    def release(self) -> None:
        """Let them log on again, but for those that the venue's window keeps down."""
        for supervisor in self._supervisors.values():
            supervisor.release(window=False)

    async def release_in_turn(self, apart_s: float) -> None:
        """The venue's window is over: let them log on again, one every `apart_s` seconds."""
        for supervisor in list(self._supervisors.values()):
            supervisor.release(window=True)
            await trio.sleep(apart_s)

    def quiesce(self, session: str, on: bool) -> None:
        """Whether that session takes no new orders, since it is about to log out."""
        if session in self._supervisors:
            self._supervisors[session].quiet = on

    def stuck(self, now: Moment) -> list[str]:
        """Those that should have moved on by now, and did not."""
        return [name for name, supervisor in self._supervisors.items() if supervisor.stuck(now)]

    def venue_time(self) -> datetime:
        """The present by the venue's clock, as far as it is known; aware UTC."""
        measured = (s for each in self._supervisors.values() if (s := each.clock_offset_s) is not None)
        return self._venue_clock.time(self._clock(), measured)

    def days(self) -> tuple[SessionDay, ...]:
        """What the window did to each."""
        return tuple(supervisor.day() for supervisor in self._supervisors.values())

    def up_for_s(self, now: Moment) -> float:
        """How long the session that trades and was logged on first has been; 0 if none is."""
        return max((self._supervisors[name].up_for_s(now) for name in self.trading), default=0.0)

    def views(self) -> tuple[SessionView, ...]:
        return tuple(supervisor.view() for supervisor in self._supervisors.values())

    def counted(self) -> dict[str, SessionCounts]:
        """What each has done since the start."""
        return {name: supervisor.counted() for name, supervisor in self._supervisors.items()}

    def view(self, session: str) -> SessionView:
        return self._supervisors[session].view()

    def logged_on(self, session: str, now: Moment) -> None:
        self._supervisors[session].logged_on(now)

    def active(self, session: str | None) -> bool:
        """Whether requests can leave on that session now."""
        return session in self._supervisors and self._supervisors[session].active

    def down(self) -> list[str]:
        """Those that trade and are not logged on; what their last links left is settled."""
        return [name for name in self.trading if self._supervisors[name].down]

    def any_active(self, pin: str | None) -> bool:
        """Whether the pinned session, or any that trades, is logged on, whatever its clock says."""
        return any(self._supervisors[name].active for name in ([pin] if pin else self.trading))

    def next_attempt_at(self, pin: str | None) -> datetime | None:
        """When the pinned session, or the first that trades, tries to log on again, if that is known."""
        names = [pin] if pin else self.trading
        return min((at for name in names if (at := self._supervisors[name].next_attempt_at) is not None), default=None)

    def route(self, product_id: str, pin: str | None, idle: bool) -> str | None:
        """The session for a new order, None if there is none; not one whose clock is off (order-rules.md 10, 21)."""
        now = self._clock()
        candidates = []
        for name in self.trading:
            supervisor = self._supervisors[name]
            candidates.append(evolve(supervisor.candidate(now), up=supervisor.open))
        return self._router.route(product_id, candidates, pin, idle)

    def carrier(self, preferred: str | None) -> str | None:
        """The session for a cancel or status request; a drop copy only if nothing else is up."""
        trading, others = self._candidates(True), self._candidates(False)
        return self._router.carrier(preferred, trading) or self._router.carrier(preferred, others)

    def put(self, session: str, item: Waiting) -> bool:
        """Let `item` wait to leave on that session; False if its queue is full."""
        supervisor = self._supervisors[session]
        taken = supervisor.line.outbox.put(item)
        supervisor.wake()
        return taken

    def withdraw(self, key: str, kind: RequestKind) -> None:
        """Take back what waits of this kind for that order, on whichever session."""
        for supervisor in self._supervisors.values():
            supervisor.line.outbox.withdraw(key, kind)

    def outbox(self, session: str) -> Outbox:
        return self._supervisors[session].line.outbox

    def expired(self, now: Moment) -> list[Waiting]:
        """What waited past its deadline, taken out of the queues."""
        return [item for each in self._supervisors.values() for item in each.line.outbox.expired(now.mono)]

    def next_deadline(self) -> float:
        """The earliest deadline of anything that waits, in monotonic seconds; inf if nothing does."""
        return min((each.line.outbox.next_deadline() for each in self._supervisors.values()), default=math.inf)

    def pause(self, session: str | None, now: Moment) -> None:
        """The venue said that we were too fast: nothing leaves on that session for a second (order-rules.md 9)."""
        if session in self._supervisors:
            _log.warning("rate_rejected", session=session)
            self._supervisors[session].line.limiter.spend(now.mono)

    def _candidates(self, trading: bool) -> list[Candidate]:
        now = self._clock()
        return [each.candidate(now) for name, each in self._supervisors.items() if (name in self.trading) is trading]


def _trading(settings: PortfolioSettings) -> list[str]:
    return [each.name for each in settings.sessions if each.role is SessionRole.ORDERS]


def credentials(session: SessionSettings, portfolio: PortfolioSettings) -> Credentials:
    """With what a session logs on, or REST is asked."""
    return Credentials(
        portfolio_id=portfolio.portfolio_id,
        service_account_id=session.service_account_id,
        api_key=session.api_key,
        api_secret=session.api_secret,
        passphrase=session.passphrase,
    )


def rest_credentials(settings: PortfolioSettings) -> Credentials:
    """REST is asked with the key of the portfolio's first session for orders."""
    first = next((each for each in settings.sessions if each.role is SessionRole.ORDERS), settings.sessions[0])
    return credentials(first, settings)


def _line(session: SessionSettings, portfolio: PortfolioSettings) -> Line:
    return Line(
        name=session.name,
        credentials=credentials(session, portfolio),
        drop_copy=session.role is SessionRole.DROP_COPY,
        heartbeat_s=session.heartbeat_s,
        limiter=SessionLimiter(portfolio.rate.messages_per_second, portfolio.rate.margin_ms / 1000),
        outbox=Outbox(),
    )
