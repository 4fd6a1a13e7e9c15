"""A venue that says exactly what a test tells it to, over memory streams and in virtual time.

It logs everybody on by itself and keeps what came; all else is the test's. The FIX part is the real `fix.Session`.
"""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import trio
import trio.testing

from primefixd.clock import Clock, Moment
from primefixd.control import render
from primefixd.dispatch.calendar import Schedule
from primefixd.fix.events import Ended, EndReason, LogonReceived, Received
from primefixd.fix.message import Message
from primefixd.fix.session import Role, Session, SessionSettings
from primefixd.orders.model import OrderType, Side, Submission, Terms, TimeInForce
from primefixd.runtime.feed import Event, Feed
from primefixd.runtime.journal import Journal
from primefixd.runtime.portfolio import Portfolio
from primefixd.runtime.ports import Ports
from primefixd.runtime.rest import RestDesk
from primefixd.runtime.settings import (
    LAST_ORDER_LEAD_S,
    PortfolioSettings,
    RateSettings,
    ReconcileSettings,
    SessionRole,
    VenueSettings,
)
from primefixd.runtime.settings import SessionSettings as LineSettings
from primefixd.runtime.shared import Shared
from primefixd.runtime.store import Stored
from primefixd.secret import Secret
from tests.support.storage import MemoryStore

BEGIN = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
ACCOUNT = "314dbd76-4459-41cd-ba9a-dccdd86b44e2"


def virtual_clock() -> Moment:
    """trio's time, whichever clock it runs on, as seconds since BEGIN."""
    return Moment(trio.current_time(), BEGIN + timedelta(seconds=trio.current_time()))


class Wall:
    """Wall clocks that tests may set: the world's, which the venue has, and ours, which may be wrong."""

    def __init__(self, begin: datetime = BEGIN) -> None:
        self.begin = begin - timedelta(seconds=trio.current_time())
        self.error_s = 0.0  # by how much ours is ahead of the world's

    def ours(self) -> Moment:
        now = trio.current_time()
        return Moment(now, self.begin + timedelta(seconds=now + self.error_s))

    def world(self) -> Moment:
        now = trio.current_time()
        return Moment(now, self.begin + timedelta(seconds=now))

    def sleep(self, seconds: float) -> None:
        """The machine sleeps: the world goes on, and no program of ours."""
        self.begin += timedelta(seconds=seconds)

    async def until(self, text: str) -> None:
        """Wait until the world's clock shows that UTC time, such as 2026-03-02T21:59:50."""
        at = datetime.fromisoformat(text).replace(tzinfo=UTC)
        left_s = (at - self.world().utc).total_seconds()
        assert left_s >= 0, f"it is past {at} already"
        await trio.sleep(left_s)


class Connection:
    """The venue's end of one connection."""

    def __init__(
        self, stream: trio.abc.Stream, refuse: str | None, hang_up: bool, offset_s: float, clock: Clock
    ) -> None:
        self._stream = stream
        self._hang_up = hang_up
        self.offset_s = offset_s
        self._clock = lambda: _shifted(clock(), self.offset_s)
        self._refuse = refuse
        self.session = Session(SessionSettings(role=Role.ACCEPTOR, sender_comp_id="COIN", target_comp_id=None))
        self.heard: list[tuple[float, Message]] = []
        self.peer = ""
        self.ended = False
        self.logged_out_at: float | None = None  # mono
        self.muted = False
        self._sending = trio.Lock()

    async def run(self) -> None:
        while not self.ended:
            try:
                data = await self._stream.receive_some()
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                data = b""
            now = self._clock()
            for event in self.session.receive(bytes(data), now) if data else self.session.end_of_stream(now):
                match event:
                    case LogonReceived(message=message):
                        self.hear(message, now)
                        self.peer = message.get(49) or ""
                        if self._hang_up:
                            self.ended = True
                        elif self._refuse:
                            self.session.refuse(self._refuse, now)
                        else:
                            self.session.accept((), now)
                    case Received(message=message):
                        self.hear(message, now)
                    case Ended(reason=reason):
                        self.ended = True
                        self.logged_out_at = now.mono if reason is EndReason.LOGOUT else None
            await self._flush()
            await self.answer()
        await self._stream.aclose()

    def hear(self, message: Message, now: Moment) -> None:
        self.heard.append((now.mono, message))

    async def answer(self) -> None:
        """What the venue says of itself, after each reading: nothing."""

    async def _flush(self) -> None:
        while not self.muted and (outgoing := self.session.next_outgoing(self._clock())) is not None:
            try:
                await self.raw(outgoing.data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return

    async def say(self, *texts: str) -> None:
        """Send application messages at once, `35=8|11=…` in the published examples' notation."""
        await self.raw(b"".join(map(self._said, texts)))

    def _said(self, text: str) -> bytes:
        fields = [(int(tag), value) for tag, _, value in (part.partition("=") for part in text.strip("|").split("|"))]
        assert fields[0][0] == 35
        return self.session.send(fields[0][1], fields[1:], self._clock()).data

    async def log_out(self, text: str = "maintenance") -> None:
        self.session.logout(text, self._clock())
        await self._flush()

    async def raw(self, data: bytes) -> None:
        async with self._sending:
            await self._stream.send_all(data)

    async def cut(self) -> None:
        """The connection breaks without a word."""
        self.ended = True
        await trio.aclose_forcefully(self._stream)

    def requests(self, msg_type: str) -> list[Message]:
        return [message for _, message in self.heard if message.type == msg_type]


def _shifted(now: Moment, offset_s: float) -> Moment:
    return Moment(now.mono, now.utc + timedelta(seconds=offset_s)) if offset_s else now


class ScriptedVenue:
    """Opens connections for the daemon; `connections` are all there ever were, oldest first."""

    def __init__(self, nursery: trio.Nursery, clock: Clock = virtual_clock) -> None:
        self._nursery, self._clock = nursery, clock
        self.connections: list[Connection] = []
        self.unreachable = False
        self.refuse: str | None = None
        self.hang_up = False
        self.offset_s = 0.0

    async def open_stream(self, _venue: VenueSettings) -> trio.abc.Stream:
        if self.unreachable:
            raise OSError("no route to host")
        ours, theirs = trio.testing.memory_stream_pair()
        connection = self.connection(theirs)
        self.connections.append(connection)
        self._nursery.start_soon(connection.run)
        return ours

    def connection(self, stream: trio.abc.Stream) -> Connection:
        return Connection(stream, self.refuse, self.hang_up, self.offset_s, self._clock)

    def of(self, session: str) -> Connection:
        """The newest connection of the session with that name."""
        return next(c for c in reversed(self.connections) if c.peer == f"{session}-account")


def shared(
    store: MemoryStore, venue: ScriptedVenue, wall: Wall, last_order_lead_s: float = LAST_ORDER_LEAD_S
) -> tuple[Shared, Feed, Stored]:
    """What portfolios stand on, over what an earlier run left in `store`."""
    ids, stored = store.made, store.load()
    feed = Feed(stored.newest)
    ports = Ports(
        clock=wall.ours,
        uniform=lambda _low, high: high,
        new_id=lambda _now: f"made-{next(ids)}",
        open_stream=venue.open_stream,
        open_store=lambda _folder, _id, _now: store,
        blocking=store.blocking,
    )
    made = Shared(
        journal=Journal(store, stored, feed, render.told, store.blocking, wall.ours),
        ports=ports,
        venue=VenueSettings(host="127.0.0.1", port=1, tls=False),
        schedule=Schedule(zone="America/New_York", start=time(17), end=time(17, 5)),
        quiet_ask_s=2.0,
        reconcile=ReconcileSettings(),
        last_order_lead_s=last_order_lead_s,
        accounts={},
    )
    return made, feed, stored


class Rig:
    """One portfolio on a scripted venue, with everything it publishes; `store` outlives it, for a next run."""

    def __init__(
        self,
        nursery: trio.Nursery,
        settings: PortfolioSettings,
        store: MemoryStore | None = None,
        rest: RestDesk | None = None,
        wall: Wall | None = None,
        last_order_lead_s: float = LAST_ORDER_LEAD_S,
    ) -> None:
        self.wall = wall or Wall(virtual_clock().utc)
        self.venue = ScriptedVenue(nursery, self.wall.world)
        self.store = store or MemoryStore()
        self.shared, self.feed, stored = shared(self.store, self.venue, self.wall, last_order_lead_s)
        self.journal = self.shared.journal
        self.subscription = self.feed.subscribe(None, stored.newest)
        self.portfolio = Portfolio(
            settings, self.shared, stored.orders.get(settings.name), stored.notes.get(settings.name), rest
        )
        self.scope = trio.CancelScope()
        nursery.start_soon(self._run)

    async def _run(self) -> None:
        with self.scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.journal.run)
                await self.portfolio.run()
                await self.journal.settled(self.journal.last)
                nursery.cancel_scope.cancel()

    def events(self, kind: type) -> list[Event]:
        """Everything of that kind that was published since the last call."""
        found = []
        while True:
            try:
                event = self.subscription._receive.receive_nowait()
            except (trio.WouldBlock, trio.EndOfChannel):
                return found
            if isinstance(event.body, kind):
                found.append(event)


def settings(*names: str, drop_copy: str | None = None, rate: RateSettings | None = None) -> PortfolioSettings:
    sessions = [
        LineSettings(
            name=name,
            service_account_id=f"{name}-account",
            api_key=Secret(f"{name}-key"),
            api_secret=Secret(f"{name}-secret"),
            passphrase=Secret(f"{name}-phrase"),
            role=SessionRole.DROP_COPY if name == drop_copy else SessionRole.ORDERS,
        )
        for name in names
    ]
    return PortfolioSettings(name="main", portfolio_id=ACCOUNT, sessions=tuple(sessions), rate=rate or RateSettings())


def limit(key: str | None = "o-1", *, product: str = "BTC-USD", **more: object) -> Submission:
    terms = Terms(
        product_id=product,
        side=Side.BUY,
        type=OrderType.LIMIT,
        base_quantity=Decimal("0.5"),
        limit_price=Decimal("50000"),
        time_in_force=TimeInForce.GOOD_UNTIL_CANCELLED,
    )
    return Submission(terms=terms, client_order_id=key, **more)  # type: ignore[arg-type]
