"""Two portfolios that trade day after day, and a venue that lives by New York's clock, in virtual time.

The venue takes every order once, fills, cancels and answers questions by itself. From 17:00 to 17:05 it lets nobody in;
what it fills then it tells after the next logon, as prime-fix.md section 1 has it. Nothing is kept that grows with the
days: what ended is forgotten here as the daemon's retention forgets it there.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import attrs
import trio
from attrs import define

from primefixd.clock import Moment
from primefixd.fix.message import Message
from primefixd.orders.model import OnMaintenance, Status
from primefixd.orders.records import Contradicted, OrderInDoubt, Unread
from primefixd.runtime.answers import Cancelling, Submitted
from primefixd.runtime.portfolio import Portfolio
from primefixd.runtime.settings import PortfolioSettings
from primefixd.runtime.store import Batch
from primefixd.runtime.views import Maintenance, MaintenanceStage, PortfolioState, SessionState
from tests.support.lives import said
from tests.support.scripted import Connection, ScriptedVenue, Wall, limit, settings, shared
from tests.support.storage import MemoryStore

NEW_YORK = ZoneInfo("America/New_York")
HEARTBEAT_S = 300  # the longest that the configuration allows: fewer messages in a year
KEPT = timedelta(days=2)


def new_york(day: date, clock: str) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), NEW_YORK)


@define
class VenueOrder:
    account: str
    status: str = "0"
    received: int = 1


class Living(Connection):
    """Answers by itself."""

    venue: "LivingVenue"

    def hear(self, message: Message, now: Moment) -> None:
        self.venue.seen[message.type] += 1
        if message.type == "A":
            self.venue.logons += 1
        self.said = [*getattr(self, "said", []), *self.venue.answers(message)]

    async def answer(self) -> None:
        said, self.said = getattr(self, "said", []), []
        for text in said:
            if not self.ended:
                await self.say(text)


class LivingVenue(ScriptedVenue):
    def __init__(self, nursery: trio.Nursery, wall: Wall) -> None:
        super().__init__(nursery, wall.world)
        self._wall = wall
        self.orders: dict[str, VenueOrder] = {}
        self.kept: list[str] = []  # reports that nobody was there to hear
        self.seen = Counter[str]()
        self.logons = self.refused = 0

    def connection(self, stream: trio.abc.Stream) -> Connection:
        clock = self._wall.world().utc.astimezone(NEW_YORK).time()
        closed = time(17) <= clock < time(17, 5)
        self.refused += closed
        made = Living(stream, "maintenance" if closed else None, False, 0.0, self._wall.world)
        made.venue = self
        return made

    def answers(self, message: Message) -> list[str]:
        match message.type:
            case "A":
                told, self.kept = self.kept, []
                return told
            case "D":
                return self._take(message.get(11) or "", message.get(1) or "")
            case "F":
                key = message.get(41) or ""
                self.orders[key].status = "4"
                return [self._report(key, "4")]
            case "H":
                key = message.get(11) or ""
                return [self._state(key)]
        return []

    def _take(self, key: str, account: str) -> list[str]:
        if key in self.orders:
            self.orders[key].received += 1
            return [self._report(key, "8", "|103=6")]
        self.orders[key] = VenueOrder(account)
        taken = [self._report(key, "0")]
        return [*taken, self.fill(key)] if key.endswith(("-now", "-held", "-late")) else taken

    def fill(self, key: str) -> str:
        self.orders[key].status = "2"
        return self._report(key, "2", f"|17=F-{key}|32=0.5|31=50000|14=0.5")

    def _report(self, key: str, status: str, more: str = "") -> str:
        return said(key, status, status, more, account=self.orders[key].account)

    def _state(self, key: str) -> str:
        order = self.orders[key]
        total = "0.5" if order.status == "2" else "0"
        head = f"35=8|1={order.account}|11={key}|37=V-{key}|17=0|20=3|150=I|39={order.status}"
        return f"{head}|54=1|55=BTC-USD|38=0.5|14={total}|6=50000"

    def forget(self) -> None:
        self.connections = [each for each in self.connections if not each.ended]


class Forgetful(MemoryStore):
    """Keeps no list of its transactions."""

    def commit(self, batches: Sequence[Batch]) -> None:
        super().commit(batches)
        self.commits.clear()


@define
class Accounts:
    """What the days came to."""

    days: int = 0
    restarts: int = 0  # of sessions, complete
    placed: int = 0
    ended: Counter[str] = attrs.field(factory=Counter)
    faults: list[str] = attrs.field(factory=list)
    most_kept: int = 0  # events and orders in the store at the end of a day


def of(name: str, sessions: int) -> PortfolioSettings:
    made = settings(*(f"{name}{n}" for n in range(sessions)))
    lines = tuple(attrs.evolve(each, heartbeat_s=HEARTBEAT_S) for each in made.sessions)
    return attrs.evolve(made, name=name, portfolio_id=f"account-{name}", sessions=lines)


class Years:
    """From noon of `first`, through the windows of `days` days."""

    def __init__(self, nursery: trio.Nursery, first: date, days: int, sessions: int) -> None:
        self.first, self.days, self.sessions = first, days, sessions
        self.wall = Wall(new_york(first, "12:00").astimezone(ZoneInfo("UTC")))
        self.venue = LivingVenue(nursery, self.wall)
        self.store = Forgetful()
        self.shared, feed, _ = shared(self.store, self.venue, self.wall)
        self._heard = feed.subscribe(None, 0)
        self.portfolios = [Portfolio(of(name, sessions), self.shared) for name in ("p", "q")]
        self.accounts = Accounts()
        nursery.start_soon(self.shared.journal.run)
        for portfolio in self.portfolios:
            nursery.start_soon(portfolio.run)

    async def run(self) -> Accounts:
        for n in range(self.days):
            await self._day(self.first + timedelta(days=n))
        return self.accounts

    async def _until(self, day: date, clock: str) -> None:
        await trio.sleep((new_york(day, clock) - self.wall.world().utc).total_seconds())

    async def _day(self, day: date) -> None:
        await self._until(day, "16:00")
        for portfolio in self.portfolios:
            for kind in ("now", "rest", "cancel", *(("over",) if day.toordinal() % 3 == 0 else ())):
                await self._place(portfolio, day, kind)
        await self._until(day, "16:59:55")
        for portfolio in self.portfolios:
            await self._place(portfolio, day, "held", deadline=new_york(day, "18:00"))
        await self._until(day, "17:02")
        for portfolio in self.portfolios:
            await self._place(portfolio, day, "late", deadline=new_york(day, "18:00"))
            told = await portfolio.cancel(client_order_id=f"{portfolio.name}-{day}-cancel", client="desk")
            assert isinstance(told, Cancelling)
            for key in self._resting(portfolio, day):
                self.venue.kept.append(self.venue.fill(key))
        await self._until(day, "17:05:20")
        self._settle(day)

    def _resting(self, portfolio: Portfolio, day: date) -> list[str]:
        """What is filled while nobody is there: what rests of this day, and of two days ago."""
        older = f"{portfolio.name}-{day - timedelta(days=2)}-over"
        return [f"{portfolio.name}-{day}-rest", *([older] if older in self.venue.orders else [])]

    async def _place(self, portfolio: Portfolio, day: date, kind: str, deadline: datetime | None = None) -> None:
        more: dict[str, object] = {}
        if deadline is not None:
            more = {"on_maintenance": OnMaintenance.HOLD, "deadline": deadline.astimezone(ZoneInfo("UTC"))}
        key = f"{portfolio.name}-{day}-{kind}"
        told = await portfolio.submit(limit(key, **more), "desk")
        assert isinstance(told, Submitted), (key, told)
        self.accounts.placed += 1

    def _settle(self, day: date) -> None:
        """Every restart is complete, and every order that should have ended has, here as at the venue."""
        accounts = self.accounts
        accounts.days += 1
        self._hear(day)
        for portfolio in self.portfolios:
            view = portfolio.view()
            if view.state is not PortfolioState.OPEN or view.in_doubt or view.unreconciled:
                accounts.faults.append(f"{day}: {view}")
            ends = {"now": "2", "rest": "2", "cancel": "4", "held": "2", "late": "2"}
            for key, status in [(f"{portfolio.name}-{day}-{kind}", end) for kind, end in ends.items()]:
                self._account(portfolio, key, status)
            self._account_over(portfolio, day)
            portfolio.compact(self.wall.world().utc - KEPT, 500)
        self.store.compact(self.wall.world().utc - KEPT, 1_000_000)
        kept = len(self.store.log) + sum(len(orders) for orders in self.store.orders.values())
        accounts.most_kept = max(accounts.most_kept, kept)
        self.venue.forget()

    def _account_over(self, portfolio: Portfolio, day: date) -> None:
        key = f"{portfolio.name}-{day - timedelta(days=2)}-over"
        if key in self.venue.orders:
            self._account(portfolio, key, "2")

    def _account(self, portfolio: Portfolio, key: str, status: str) -> None:
        order, theirs = portfolio.find(client_order_id=key), self.venue.orders.pop(key, None)
        wanted = {"2": Status.FILLED, "4": Status.CANCELLED}[status]
        if order is None or theirs != VenueOrder(f"account-{portfolio.name}", status) or order.status is not wanted:
            self.accounts.faults.append(f"{key}: {order} {theirs}")
            return
        self.accounts.ended[order.status.value] += 1

    def _hear(self, day: date) -> None:
        """The day's events: three announcements, one start and one end a portfolio, and nothing that alarms."""
        stages = Counter[tuple[str | None, MaintenanceStage]]()
        while True:
            try:
                event = self._heard._receive.receive_nowait()
            except trio.WouldBlock:
                break
            match event.body:
                case Maintenance(stage=stage, sessions=sessions, starts_at=starts):
                    stages[event.portfolio, stage] += 1
                    back = [each for each in sessions if each.state is SessionState.ACTIVE and each.attempts == 1]
                    self.accounts.restarts += len(back)
                    if starts != new_york(day, "17:00"):
                        self.accounts.faults.append(f"{day}: a window at {starts}")
                case OrderInDoubt() | Contradicted() | Unread():
                    self.accounts.faults.append(f"{day}: {event.body}")
        for portfolio in self.portfolios:
            if [stages[portfolio.name, stage] for stage in MaintenanceStage] != [3, 1, 1]:
                self.accounts.faults.append(f"{day}: {stages}")
