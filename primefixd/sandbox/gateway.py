"""The venue's floor behind all connections: who is on it, who hears what, and what the control port does to it.

It joins the pure parts (accounts, intake, exchange, delivery) and the connections. Everything here is synchronous but
the accepting of streams and the clock's tick, so what one message causes is done before the next is looked at.
"""

import ssl
from collections.abc import Iterable, Mapping
from typing import Final

import structlog
import trio

from primefixd import http
from primefixd.clock import Clock, Moment
from primefixd.fix import tags
from primefixd.fix.message import Message
from primefixd.fix.tags import MsgType
from primefixd.sandbox.accounts import Accounts, Denied
from primefixd.sandbox.connection import Connection
from primefixd.sandbox.counting import Tally
from primefixd.sandbox.delivery import Delivery
from primefixd.sandbox.exchange import Exchange
from primefixd.sandbox.faults import Drop, Faults
from primefixd.sandbox.intake import Intake
from primefixd.sandbox.reporting import Answer, Malformed, Reply, Report, Told
from primefixd.sandbox.rest import Endpoints
from primefixd.sandbox.settings import SandboxSettings

CONNECTIONS_MAX = 256  # open at once, logged on or not; the next is closed at once
HANDSHAKE_S: Final = 10.0  # for TLS; then the connection is closed
TICK_S: Final = 0.25  # how often the walk and the expiries are looked at while orders are open
IDLE_TICK_S: Final = 60.0  # and while none is
MAINTENANCE: Final = "the venue is in maintenance until 17:05 America/New_York"

log = structlog.get_logger()


class Gateway:
    """The imitation as its connections and its control port see it. Unknown service accounts are KeyErrors."""

    def __init__(self, settings: SandboxSettings, tls: ssl.SSLContext | None, clock: Clock) -> None:
        self.exchange = Exchange(settings.seed, clock())
        self.delivery = Delivery()
        self.rest = Endpoints(self.exchange.book, settings)
        self.faults = {account.service_account_id: Faults() for account in settings.accounts}
        self.closed = False
        self.refusing: str | None = None  # the text that every Logon is refused with
        self._accounts = {account.service_account_id: account for account in settings.accounts}
        self._doorkeeper = Accounts(settings.accounts)
        self._intake = Intake(self.exchange, settings.accounts, settings.limits)
        self._on: dict[str, Connection] = {}
        self._open: set[Connection] = set()
        self._stirred = trio.Event()  # something was asked: there may be an open order now
        self._tls, self._clock, self._seed = tls, clock, settings.seed

    @property
    def tallies(self) -> dict[str, Tally]:
        return self._intake.tallies

    def now(self) -> Moment:
        return self._clock()

    def connected(self, service_account_id: str) -> bool:
        return service_account_id in self._on

    # -- connections

    async def converse(self, socket: trio.abc.Stream) -> None:
        """Serves one stream to its end; whatever comes on it, nothing is raised."""
        if len(self._open) >= CONNECTIONS_MAX:
            await trio.aclose_forcefully(socket)
            return
        stream = await self._secured(socket)
        if stream is None:
            await trio.aclose_forcefully(socket)
            return
        connection = Connection(stream, socket, self, self._clock, self._seed)
        self._open.add(connection)
        try:
            await connection.run()
        finally:
            self._open.discard(connection)
            self.log_off(connection)

    async def keep_time(self) -> None:
        """Lets the walk walk and orders expire, for ever."""
        while True:
            self.publish(self.exchange.advance(self._clock()))
            if self.exchange.book.busy:
                await trio.sleep(TICK_S)
                continue
            self._stirred = trio.Event()
            with trio.move_on_after(IDLE_TICK_S):
                await self._stirred.wait()

    async def _secured(self, socket: trio.abc.Stream) -> trio.abc.Stream | None:
        if self._tls is None:
            return socket
        stream = trio.SSLStream(socket, self._tls, server_side=True, https_compatible=True)
        with trio.move_on_after(HANDSHAKE_S):
            try:
                await stream.do_handshake()
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                log.info("sandbox.handshake_failed", cause=str(error.__cause__ or error))
                return None
            return stream
        return None

    # -- what is asked by REST

    def answer_rest(self, method: str, target: str, headers: Mapping[str, str]) -> http.Answer:
        """Answers one REST request from the book as it is now."""
        now = self._clock()
        self.publish(self.exchange.advance(now))
        return self.rest.answer(method, target, headers, now)

    # -- what connections ask (connection.Floor)

    def log_on(self, connection: Connection, logon: Message, now: Moment) -> None:
        """Answers a Logon that is sound as FIX."""
        verdict = self._doorkeeper.judge(logon, self._on)
        shut = MAINTENANCE if self.closed else self.refusing
        if not isinstance(verdict, Denied) and shut is not None:
            verdict = Denied(shut, "closed" if self.closed else "refused", verdict.account)
        if isinstance(verdict, Denied):
            log.info("sandbox.logon_refused", reason=verdict.word)
            if verdict.account is not None:
                self.tallies[verdict.account.service_account_id].rejected[f"logon_{verdict.word}"] += 1
            connection.refuse(verdict.text)
            return
        name = verdict.account.service_account_id
        self._on[name] = connection
        waiting = self.delivery.log_on(name, verdict.account.portfolio_id, verdict.drop_copy, now)
        connection.accept(name, self.faults[name], waiting)
        self.tallies[name].logons += 1
        self.count(connection, now)
        log.info("sandbox.logged_on", session=name, drop_copy=verdict.drop_copy, waiting=len(waiting))

    def log_off(self, connection: Connection) -> None:
        """The session is over; what it was not told waits. Asked again, nothing happens."""
        name = connection.account
        if name is not None and self._on.get(name) is connection:
            del self._on[name]
            self.delivery.log_off(name, connection.unwritten())
            log.info("sandbox.logged_off", session=name)

    def count(self, connection: Connection, now: Moment) -> bool:
        """Counts a message of a session that is on; True if it is beyond the rate."""
        return self._intake.count(self._accounts[connection.account or ""], now)

    def hear(self, connection: Connection, message: Message, over: bool, now: Moment) -> None:
        """Does what an application message asks."""
        account = self._accounts[connection.account or ""]
        self.publish(self.exchange.advance(now))
        if message.type == MsgType.ORDER_STATUS_REQUEST:
            order = self.exchange.book.order(account.portfolio_id, message.get(tags.ORDER_ID) or "")
            if order is not None:
                self.delivery.asked_for(order.chain)
        for answer in self._intake.answer(message, account, over, now):
            self._tell(connection, message, answer)
        self._stirred.set()

    def reject(self, connection: Connection, word: str) -> None:
        """Counts something that was rejected before it got here."""
        if connection.account is not None:
            self.tallies[connection.account].rejected[word] += 1

    def over_rate(self, connection: Connection, number: int, msg_type: str) -> None:
        """Rejects a session message that was beyond the rate."""
        connection.say(self._intake.over_rate(number, msg_type, self._accounts[connection.account or ""]))

    def _tell(self, connection: Connection, message: Message, answer: Answer) -> None:
        if isinstance(answer, Malformed):
            connection.refuse_message(message, answer)
        elif isinstance(answer, Report):
            self.publish([answer])
        else:
            connection.say(answer)

    def publish(self, told: Iterable[Told]) -> None:
        """Sends every report to who may hear it now; the rest waits (`delivery`). Late answers go to who asked."""
        for each in told:
            if isinstance(each, Report):
                for name in self.delivery.route(each):
                    self._on[name].say(each)
            elif each.to is not None:
                self._late(each, each.to)

    def _late(self, reply: Reply, name: str) -> None:
        if reply.word is not None:
            self.tallies[name].rejected[reply.word] += 1
        if name in self._on:
            self._on[name].say(reply)

    # -- what the control port does

    def drop(self, names: Iterable[str], how: Drop) -> int:
        """Ends the connections of these service accounts; returns how many there were."""
        connections = [self._on[name] for name in names if name in self._on]
        for connection in connections:
            connection.drop(how)
        return len(connections)

    def changed(self, names: Iterable[str]) -> None:
        """The faults of these service accounts were changed: what waited may leave."""
        for name in names:
            if name in self._on:
                self._on[name].wake()

    def set_window(self, *, closed: bool) -> None:
        """Starts (closed) or ends a maintenance: everybody is logged out, nobody is let in."""
        self.closed = closed
        if closed:
            for connection in [*self._on.values()]:
                connection.drop(Drop.LOGOUT, MAINTENANCE)
