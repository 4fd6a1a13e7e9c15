"""One client's connection to the imitation: reads, paces, writes, and spoils what it is told to spoil.

A pump: the session says what bytes mean, the floor what is answered; no rule of FIX or of the venue stands here.
Nothing that a client does or leaves undone ends more than its own connection: bytes of any kind, abrupt closes, and a
reader that does not read (SEND_S, OUTBOX_MAX: the connection is cut, what it had not heard waits for its next logon).
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from math import inf
from random import Random  # noqa: TID251 - jitter must be repeatable for a seed
from struct import pack
from typing import Final, Protocol

import trio
from attrs import frozen

from primefixd.clock import Clock, Moment
from primefixd.fix.events import Ended, Event, GarbledReceived, LogonReceived, Received
from primefixd.fix.message import Field, Message
from primefixd.fix.session import Role, Session, SessionSettings, SessionState
from primefixd.fix.tags import MsgType, RejectCode
from primefixd.prime.venue import TARGET_COMP_ID
from primefixd.sandbox.faults import Drop, Faults, spoil
from primefixd.sandbox.reporting import Malformed, Reply, Report

READ_MAX_BYTES: Final = 65_536
OUTBOX_MAX = 200_000  # messages that wait for one client; past it the connection is cut
SEND_S: Final = 10.0  # one write may take this long; then the client does not read, and the connection is cut
CLOSE_S: Final = 1.0  # for a polite close; then it is closed all the same
WRITE_MAX_BYTES: Final = 262_144  # joined into one write
SENDING_TIME_TOLERANCE_S: Final = 5.0  # prime-fix.md section 1, clock

_TRAILER: Final = re.compile(rb"\x0110=[0-9]{3}\x01")
_SPEAKING: Final = frozenset({SessionState.ACTIVE, SessionState.LOGGING_OUT})


class Floor(Protocol):
    """What a connection asks of the venue behind it."""

    def log_on(self, connection: "Connection", logon: Message, now: Moment) -> None: ...
    def count(self, connection: "Connection", now: Moment) -> bool: ...
    def hear(self, connection: "Connection", message: Message, over: bool, now: Moment) -> None: ...
    def reject(self, connection: "Connection", word: str) -> None: ...
    def log_off(self, connection: "Connection") -> None: ...
    def over_rate(self, connection: "Connection", number: int, msg_type: str) -> None: ...


@frozen
class _Wired:
    """Bytes on their way, not before `due` nor before those ahead; `report` goes back if they never leave."""

    due: float
    data: bytes
    report: Report | None


class Connection:
    """The venue's end of one FIX connection. `account` is the service account once it is logged on, else None."""

    def __init__(self, stream: trio.abc.Stream, socket: trio.abc.Stream, floor: Floor, clock: Clock, seed: int) -> None:
        self.account: str | None = None
        self.faults = Faults()
        self._stream, self._socket = stream, socket
        self._floor, self._clock = floor, clock
        self._jitter = Random(seed)
        self._session = Session(
            SessionSettings(
                role=Role.ACCEPTOR,
                sender_comp_id=TARGET_COMP_ID,
                target_comp_id=None,
                sending_time_tolerance_s=SENDING_TIME_TOLERANCE_S,
            )
        )
        self._outbox: deque[tuple[str, tuple[Field, ...], Report | None]] = deque()
        self._wire: deque[_Wired] = deque()
        self._woken = trio.Event()
        self._scope = trio.CancelScope()
        self._ended = self._cut = False

    async def run(self) -> None:
        """Until the session or the stream ends; then the stream is closed."""
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read)
                await self._write()
                nursery.cancel_scope.cancel()
        self._floor.log_off(self)  # before the close, which the peer can hold up: it may come back at once
        with trio.move_on_after(CLOSE_S, shield=True):
            if not self._cut:
                await self._close()
        await trio.aclose_forcefully(self._socket)

    async def _close(self) -> None:
        try:
            await self._stream.aclose()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._cut = True

    # -- what the floor tells it

    def accept(self, account: str, faults: Faults, waiting: Iterable[Report]) -> None:
        """Lets the client in; `waiting` is what it missed."""
        self.account, self.faults = account, faults
        self._session.accept((), self._clock())
        self._outbox.extend((MsgType.EXECUTION_REPORT, report.body, report) for report in waiting)

    def refuse(self, text: str) -> None:
        """Answers the Logon with a Logout."""
        self._session.refuse(text, self._clock())

    def say(self, answer: Report | Reply) -> None:
        """Sends a report or an answer, as soon as it may leave."""
        report = answer if isinstance(answer, Report) else None
        msg_type = MsgType.EXECUTION_REPORT if isinstance(answer, Report) else answer.msg_type
        self._outbox.append((msg_type, answer.body, report))
        if len(self._outbox) + len(self._wire) > OUTBOX_MAX:
            self.drop(Drop.RESET)
        self.wake()

    def refuse_message(self, message: Message, wrong: Malformed) -> None:
        """Answers it with a session reject (35=3)."""
        if self._session.state in _SPEAKING:
            reason = RejectCode.REQUIRED_TAG_MISSING
            self._session.reject(message, reason, wrong.tag, wrong.text, self._clock())

    def drop(self, how: Drop, text: str = "logged out by the control port") -> None:
        """Ends the connection: by RST, by closing it, or by Logout."""
        if how is not Drop.LOGOUT:
            self._cut = how is Drop.RESET
            if self._cut:
                _linger_not(self._socket)
            self._scope.cancel()
        elif self._session.state is SessionState.ACTIVE:
            self._session.logout(text, self._clock())
            self.wake()
        elif self._session.state is not SessionState.LOGGING_OUT:
            self.drop(Drop.CLOSE)

    def wake(self) -> None:
        """There is something to write, or a fault has changed."""
        self._woken.set()

    def unwritten(self) -> list[Report]:
        """The reports that never left, once the connection is over."""
        waiting = [item.report for item in self._wire] + [report for _, _, report in self._outbox]
        return [report for report in waiting if report is not None]

    # -- reading

    async def _read(self) -> None:
        while data := await self._receive():
            for piece in _pieces(data):
                self._hear(piece, self._clock())
        self._act(self._session.end_of_stream(self._clock()), False, self._clock())
        self._ended = True
        self.wake()

    async def _receive(self) -> bytes:
        try:
            return bytes(await self._stream.receive_some(READ_MAX_BYTES))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return b""

    def _hear(self, piece: bytes, now: Moment) -> None:
        """At most one message: every message is counted before what it asks is done."""
        before = self._session.received
        events = self._session.receive(piece, now)
        over = False
        if self.account is not None and self._session.received > before:
            over = self._floor.count(self, now)
        self._act(events, over, now)
        if over and not events and self._session.state in _SPEAKING and (name := _named(piece)):
            self._floor.over_rate(self, *name)
        self.wake()

    def _act(self, events: list[Event], over: bool, now: Moment) -> None:
        for event in events:
            match event:
                case LogonReceived(message):
                    self._floor.log_on(self, message, now)
                case Received(message):
                    self._floor.hear(self, message, over, now)
                case GarbledReceived():
                    self._floor.reject(self, "garbled")
                case Ended():
                    self._ended = True

    # -- writing

    async def _write(self) -> None:
        while True:
            now = self._clock()
            self._act(self._session.tick(now), False, now)
            self._number(now)
            if not await self._transmit(now):
                return
            if self._ended and (self.faults.mute or not self._wire):
                return
            until = min(self._session.next_tick(), self._wire[0].due if self._wire else inf)
            with trio.move_on_after(max(0.0, until - self._clock().mono)):
                await self._woken.wait()
            self._woken = trio.Event()

    def _number(self, now: Moment) -> None:
        """Gives numbers to all that waits; muted, it waits on."""
        if self.faults.mute:
            return
        while self._session.outgoing_count:
            self._skip()
            outgoing = self._session.next_outgoing(now)
            if outgoing is not None:
                if outgoing.msg_type == MsgType.REJECT:
                    self._floor.reject(self, "session_reject")
                self._put(outgoing.data, None, now)
        while self._outbox and self._session.state in _SPEAKING:
            self._skip()
            msg_type, body, report = self._outbox.popleft()
            self._put(self._session.send(msg_type, body, now).data, report, now)

    def _skip(self) -> None:
        self._session.skip(self.faults.skip)
        self.faults.skip = 0

    def _put(self, data: bytes, report: Report | None, now: Moment) -> None:
        faults = self.faults
        if faults.lose:
            faults.lose -= 1
            return
        if faults.garble is not None:
            data, faults.garble = spoil(data, faults.garble), None
        due = now.mono + faults.delay_s + self._jitter.uniform(0.0, faults.jitter_s)
        self._wire.append(_Wired(due, data, report))

    async def _transmit(self, now: Moment) -> bool:
        """Writes what is due; False when the stream takes no more."""
        while self._wire and self._wire[0].due <= now.mono:
            batch, size = 0, 0
            for item in self._wire:
                if item.due > now.mono or size > WRITE_MAX_BYTES:
                    break
                batch, size = batch + 1, size + len(item.data)
            if not await self._send(b"".join(self._wire[index].data for index in range(batch))):
                return False
            for _ in range(batch):
                self._wire.popleft()
        return True

    async def _send(self, data: bytes) -> bool:
        with trio.move_on_after(SEND_S):
            try:
                await self._stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self._cut = True
                return False
            return True
        self._cut = True
        return False


def _pieces(data: bytes) -> Iterator[bytes]:
    """`data` cut behind every trailer, so that no piece ends more than one message."""
    end = 0
    for match in _TRAILER.finditer(data):
        start, end = end, match.end()
        yield data[start:end]
    if end < len(data):
        yield data[end:]


def _named(piece: bytes) -> tuple[int, str] | None:
    """MsgSeqNum and MsgType in a piece, for a session message that was counted over the rate."""
    number = re.search(rb"\x0134=([0-9]{1,9})\x01", piece)
    msg_type = re.search(rb"\x0135=([0-9A-Za-z])\x01", piece)
    return (int(number[1]), msg_type[1].decode()) if number and msg_type else None


def _linger_not(stream: trio.abc.Stream) -> None:
    """Makes the close of a TCP stream a reset."""
    if isinstance(stream, trio.SocketStream):
        try:
            stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, pack("ii", 1, 0))
        except OSError:
            return  # closed by the peer already
