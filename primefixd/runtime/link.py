"""One live connection of one session: reads, paces, ticks, writes. A pump without rules.

What a message means is decided by `fix.session`, when it may leave by `dispatch.limiter`, and which one by the
portfolio, its `Owner`. Numbers, stamps and signatures are made at the last instant, by the one task that writes.
"""

import math
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from typing import Protocol

import structlog
import trio
from attrs import Factory, frozen

from primefixd.clock import Moment
from primefixd.dispatch.limiter import Lane, SessionLimiter
from primefixd.dispatch.outbox import Outbox, Waiting
from primefixd.fix.events import Ended, EndReason, Event, Gap, GarbledReceived, LoggedOn, Received, Rejected
from primefixd.fix.session import Outgoing, Session
from primefixd.fix.states import SessionState
from primefixd.orders.model import QuoteRequest, Request, RequestKind
from primefixd.orders.reports import CancelRefused, Quote, QuoteRefused, Report, RequestRejected
from primefixd.prime import reports, requests
from primefixd.prime.logon import Credentials, logon_body
from primefixd.prime.reports import Unreadable
from primefixd.runtime.counts import SessionCounts
from primefixd.runtime.ports import Ports

READ_BYTES_MAX = 65_536
WRITE_BLOCKED_S = 0.05  # a longer write may have bunched up what it sent: the budget begins anew (order-rules.md 20)
MARK_AHEAD_S = 0.02  # so long before it may leave, a request is marked on disk as leaving: the disk takes its time
WRITE_MOST_S = 10.0  # for one message; a venue that reads nothing for so long is left, whatever it still says
FAREWELL_S = 2.0  # for the last session messages of an ended session; what is not out by then is cut off
CLOSE_S = 1.0  # for the orderly end of TLS; then the socket is closed all the same
CLOCK_WARN_S = 1.0  # an offset of the clocks worth a warning
CLOCK_ALARM_MAX = 2  # both bounds are passed
CLOCK_REFUSE_S = 4.0  # from this one no new order goes out: the venue rejects at 5 s (order-rules.md 10)
NUMBERS_REMEMBERED_MAX = 10_000  # which request a number was, for rejects that name only it (order-rules.md 9)

_LANES = {
    RequestKind.CANCEL: Lane.CANCEL,
    RequestKind.STATUS: Lane.OTHER,
    RequestKind.REPLACE: Lane.OTHER,
    RequestKind.QUOTE: Lane.OTHER,
    RequestKind.NEW_ORDER: Lane.OTHER,
}
_log = structlog.get_logger()

Asked = Request | QuoteRequest
Word = Report | CancelRefused | Quote | QuoteRefused


@frozen
class _Choice:
    """Something that waits, and the seconds until it may leave; `item` None stands for a session message."""

    delay_s: float
    item: Waiting | None


class Owner(Protocol):
    """The portfolio, as its links see it. None of these waits."""

    def order_delay(self, now: float) -> float:
        """Seconds until the portfolio may send one more new order."""

    def bunched(self, orders: int, now: float) -> None:
        """A write was blocked: up to `orders` new orders that left before may arrive only now (order-rules.md 20)."""

    def marked(self, item: Waiting, now: Moment) -> bool:
        """Whether it is on disk that `item` leaves; if it is not, `wake` says when to look again."""

    def departing(self, item: Waiting, now: Moment) -> Asked | None:
        """What `item` asks for as things stand now; None if it has come to nothing meanwhile."""

    def left(self, request: Asked, session: str, now: Moment) -> None:
        """`request` is numbered, and its bytes are about to leave."""

    def link_up(self, session: str, now: Moment) -> None:
        """The venue has accepted the Logon."""

    def missed(self, session: str) -> None:
        """The venue skipped numbers: what it said in between is lost to this link."""

    def heard(self, word: Word, session: str, now: Moment) -> None:
        """The venue said this about an order or a quote."""

    def unread(self, what: str, now: Moment) -> None:
        """The venue said something of which nothing could be read."""

    def clock_changed(self, session: str, now: Moment) -> None:
        """The offset between the venue's clock and ours has passed a bound (order-rules.md 10)."""

    def rejected(self, request: Asked | None, word: RequestRejected, session: str, now: Moment) -> None:
        """The venue refused a message of ours by its number; `request` is what it was, if that is remembered."""


@frozen
class Line:
    """What outlives the links of one session: whom it speaks for, its budget, its queue and what it has done."""

    name: str
    credentials: Credentials
    drop_copy: bool
    heartbeat_s: int
    limiter: SessionLimiter
    outbox: Outbox
    counts: SessionCounts = Factory(SessionCounts)


class Link:
    """One connection, from the Logon to its end. `run` returns how it ended, and raises only for bugs."""

    def __init__(self, line: Line, session: Session, owner: Owner, ports: Ports) -> None:
        self.session = session
        self._line = line
        self._owner = owner
        self._clock = ports.clock
        self._fix_log = ports.fix_log
        self._to_write = trio.Event()
        self._to_tick = trio.Event()
        self._numbers: OrderedDict[int, Asked] = OrderedDict()
        self._ended: Ended | None = None
        self._clock_alarm = 0
        self.unreadable = 0
        self._scope = trio.CancelScope()

    @property
    def active(self) -> bool:
        """Whether requests can leave; False from the venue's Logout on, while the last words are still being said."""
        return self.session.state is SessionState.ACTIVE

    def wake(self) -> None:
        """Something new may leave, or a deadline moved."""
        self._to_write.set()
        self._to_tick.set()

    def log_out(self) -> None:
        """Ask the venue for an orderly end; `run` returns when it has answered, or after a bounded wait."""
        match self.session.state:
            case SessionState.DISCONNECTED:
                self._scope.cancel()  # nothing has been said yet, so there is nobody to take leave of
            case SessionState.LOGGING_ON | SessionState.ACTIVE:
                self.session.logout(None, self._clock())
                self.wake()

    async def run(self, stream: trio.abc.Stream) -> Ended:
        """Log on over `stream` and pump until the session has ended; closes `stream` in every case."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write, stream)
                    nursery.start_soon(self._read, stream)
                    nursery.start_soon(self._tick)
        finally:
            await _close(stream)
        return self._ended or Ended(EndReason.STREAM_CLOSED, "the connection was given up")

    async def _write(self, stream: trio.abc.Stream) -> None:
        await self._log_on(stream)
        while True:
            self._to_write = trio.Event()
            now = self._clock()
            choices = list(self._choices(now))
            ready = next((choice for choice in choices if choice.delay_s == 0), None)
            if ready is not None:
                await self._put(stream, self._take(ready.item, now))
            elif self._ended is not None and not choices:
                self._scope.cancel()
                return
            else:
                wait_s = min((choice.delay_s for choice in choices), default=math.inf)
                with trio.move_on_after(wait_s):
                    await self._to_write.wait()
                if wait_s < math.inf:
                    self._line.counts.limiter_wait_s += self._clock().mono - now.mono

    async def _log_on(self, stream: trio.abc.Stream) -> None:
        """Say Logon as soon as the budget allows, unless the venue hangs up before that."""
        limiter = self._line.limiter
        limiter.spend(self._clock().mono, leave=1)  # requests wait a second, the Logon does not (order-rules.md 20)
        delay_s = limiter.delay(Lane.SESSION, self._clock().mono)
        while delay_s > 0:
            await trio.sleep(delay_s)
            delay_s = limiter.delay(Lane.SESSION, self._clock().mono)  # a rate reject may have spent it meanwhile
        if self._ended is None:
            await self._put(stream, self._logon(self._clock()))

    def _choices(self, now: Moment) -> Iterator[_Choice]:
        """What waits, by priority: session messages, then requests in the order of their kinds (order-rules.md 18)."""
        limiter = self._line.limiter
        if self.session.outgoing_count:
            yield _Choice(limiter.delay(Lane.SESSION, now.mono), None)
        if self.session.state is not SessionState.ACTIVE:
            return
        for kind, lane in _LANES.items():
            if kind is RequestKind.NEW_ORDER and self._clock_alarm == CLOCK_ALARM_MAX:
                continue  # the venue would reject it for its SendingTime (order-rules.md 10)
            if (item := self._line.outbox.first((kind,))) is not None:
                portfolio_s = self._owner.order_delay(now.mono) if kind is RequestKind.NEW_ORDER else 0.0
                delay_s = max(limiter.delay(lane, now.mono), portfolio_s)
                if delay_s > MARK_AHEAD_S:
                    yield _Choice(max(delay_s - MARK_AHEAD_S, MARK_AHEAD_S / 2), item)
                elif self._owner.marked(item, now):
                    yield _Choice(delay_s, item)

    def _take(self, item: Waiting | None, now: Moment) -> Outgoing | None:
        """Number and stamp what leaves now. From here to the socket nothing may come between."""
        if item is None:
            self._line.limiter.take(Lane.SESSION, now.mono)
            self._to_tick.set()  # the next heartbeat is due that much after what leaves now
            return self.session.next_outgoing(now)
        self._line.outbox.pop(item)
        request = self._owner.departing(item, now)
        if request is None:
            return None
        self._line.limiter.take(_LANES[item.kind], now.mono)
        account = self._line.credentials.portfolio_id
        if isinstance(request, QuoteRequest):
            msg_type, body = requests.encode_quote(request, account, now)
        else:
            msg_type, body = requests.encode(request, account, now)
        outgoing = self.session.send(msg_type, body, now)
        self._numbers[outgoing.sequence_number] = request
        if len(self._numbers) > NUMBERS_REMEMBERED_MAX:
            self._numbers.popitem(last=False)
        self._owner.left(request, self._line.name, now)
        return outgoing

    def _logon(self, now: Moment) -> Outgoing:
        self._line.limiter.take(Lane.SESSION, now.mono)
        body = logon_body(self._line.credentials, self.session.stamp(now), self._line.drop_copy)
        return self.session.logon(body, now)

    async def _put(self, stream: trio.abc.Stream, outgoing: Outgoing | None) -> None:
        if outgoing is None:
            return
        began = self._clock()
        self._fix_log.sent(self._line.name, outgoing.data, began.utc)  # before: part of it may arrive whatever follows
        try:
            with trio.fail_after(WRITE_MOST_S):
                await stream.send_all(outgoing.data)
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
            self._deliver(self.session.end_of_stream(self._clock()), self._clock())
            self._scope.cancel()
            return
        now = self._clock()
        if now.mono - began.mono > WRITE_BLOCKED_S:
            self._owner.bunched(self._line.limiter.used(began.mono, Lane.OTHER), now.mono)
            self._line.limiter.spend(now.mono)

    async def _read(self, stream: trio.abc.Stream) -> None:
        while self._ended is None:
            try:
                received = await stream.receive_some(READ_BYTES_MAX)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                received = b""
            now = self._clock()
            if received:
                events = self.session.receive(bytes(received), now)
                self._fix_log.received(self._line.name, self.session.decoded, now.utc)
            else:
                events = self.session.end_of_stream(now)
            self._deliver(events, now)
            self._watch_clock(now)

    def _watch_clock(self, now: Moment) -> None:
        """Alarm when the offset of the two clocks grows past a bound, and once more when it is good again."""
        offset_s = self.session.clock_offset_s
        alarm = sum(offset_s is not None and abs(offset_s) >= bound for bound in (CLOCK_WARN_S, CLOCK_REFUSE_S))
        if alarm == self._clock_alarm:
            return
        self._clock_alarm = alarm
        log = (_log.info, _log.warning, _log.error)[alarm]
        log("clock_offset", session=self._line.name, offset_s=offset_s, new_orders_refused=alarm == 2)
        self._owner.clock_changed(self._line.name, now)

    async def _tick(self) -> None:
        while self._ended is None:
            self._to_tick = trio.Event()
            with trio.move_on_after(max(self.session.next_tick() - self._clock().mono, 0.0)):
                await self._to_tick.wait()
            now = self._clock()
            self._deliver(self.session.tick(now), now)

    def _deliver(self, events: list[Event], now: Moment) -> None:
        for event in events:
            self._tell(event, now)
        self.wake()

    def _tell(self, event: Event, now: Moment) -> None:
        name = self._line.name
        match event:
            case LoggedOn():
                if self.active:  # a Logout may have come with it
                    self.session.probe(now)  # measures the round trip once a link
                self._owner.link_up(name, now)
            case Received(message=message):
                self._hear(reports.facts(message), now)
            case Rejected():
                refused = reports.rejected(event.ref_sequence_number, event.reason, event.text, event.ref_tag)
                self._hear(refused, now)
            case Gap(expected=expected, received=received):
                _log.warning("gap", session=name, expected=expected, received=received)
                self._owner.missed(name)
            case GarbledReceived(garbled=garbled, total=total):
                _log.warning("garbled", session=name, why=garbled.reason.value, size_bytes=garbled.size, total=total)
            case Ended():
                self._ended = event
                self._scope.deadline = now.mono + FAREWELL_S

    def _hear(self, word: Word | RequestRejected | Unreadable, now: Moment) -> None:
        name = self._line.name
        match word:
            case RequestRejected():
                self._owner.rejected(self._numbers.pop(word.sequence_number, None), word, name, now)
            case Unreadable():
                self.unreadable += 1
                _log.error("unreadable", session=name, msg_type=word.msg_type, text=word.text)
                self._owner.unread(f"35={word.msg_type}: {word.text}", now)
            case _:
                self.unreadable += isinstance(word, Report | Quote) and len(word.unreadable) > 0
                self._owner.heard(word, name, now)


async def _close(stream: trio.abc.Stream) -> None:
    """Close in order if that is quick, by force if not; also when we are being cancelled."""
    with trio.move_on_after(CLOSE_S, shield=True):
        with suppress(trio.BrokenResourceError):  # the peer was faster; our side is closed all the same
            await stream.aclose()
