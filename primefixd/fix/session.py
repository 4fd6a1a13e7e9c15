"""One FIX 4.2 session in either role, for one connection: bytes in, events out; bodies in, numbered messages out.

It owns no socket, reads no clock and calls nobody back; `states.py` says what is allowed when. Session messages wait
unnumbered until the owner takes them with `next_outgoing`, because the venue counts every message against one rate
(prime-fix.md section 1) and a Logon is signed over the number and time that really leave (section 2). Misuse by its
owner raises LocalProtocolError; no bytes from a peer make it raise.
"""

from collections.abc import Mapping, Sequence
from math import inf

from primefixd.clock import Moment
from primefixd.fix import tags
from primefixd.fix.codec import Decoder, Garbled
from primefixd.fix.conversation import Conversation
from primefixd.fix.errors import LocalProtocolError
from primefixd.fix.events import EndReason, Event
from primefixd.fix.greeting import Resend, SessionSettings
from primefixd.fix.hearing import Hearing
from primefixd.fix.message import Field, Message
from primefixd.fix.outbound import Outgoing, Stamp
from primefixd.fix.states import Move, Role, SessionState
from primefixd.fix.tags import MSG_TYPE_NAMES, SESSION_TYPES, MsgType

__all__ = ["LocalProtocolError", "Outgoing", "Resend", "Role", "Session", "SessionSettings", "SessionState", "Stamp"]


class Session:
    """The conversation of one connection."""

    def __init__(self, settings: SessionSettings) -> None:
        self.settings = settings
        self._c = Conversation(settings)
        self._hearing = Hearing(self._c)
        self._decoder = Decoder()
        self._decoded: Sequence[Message | Garbled] = ()

    @property
    def state(self) -> SessionState:
        return self._c.state

    @property
    def sent(self) -> int:
        """Messages of every kind that have left."""
        return self._c.outbound.sent.total()

    @property
    def sent_by_type(self) -> Mapping[str, int]:
        """As `sent`, by MsgType."""
        return self._c.outbound.sent

    @property
    def received(self) -> int:
        """Good messages of every kind that have come."""
        return self._hearing.received.total()

    @property
    def received_by_type(self) -> Mapping[str, int]:
        """As `received`, by MsgType; under an empty text what FIX 4.2 does not know."""
        return self._hearing.received

    @property
    def garbled(self) -> int:
        """How often bytes were skipped."""
        return self._hearing.garbled

    @property
    def decoded(self) -> Sequence[Message | Garbled]:
        """All that the last `receive` was given, in order, whatever came of it: for a log of the wire."""
        return self._decoded

    @property
    def outgoing_count(self) -> int:
        """Session messages that wait to be numbered."""
        return len(self._c.outbound)

    @property
    def clock_offset_s(self) -> float | None:
        """Peer's SendingTime minus our UTC, median of the last 5 messages; the way here counts against it."""
        return self._c.pulse.clock_offset_s

    def clock_offset_at(self, now: Moment) -> float | None:
        """The same; None if our wall clock was set since the last message."""
        return self._c.pulse.clock_offset_at(now)

    @property
    def round_trip_s(self) -> float | None:
        """From the leaving of the last answered TestRequest to its answer."""
        return self._c.pulse.round_trip_s

    def stamp(self, now: Moment) -> Stamp:
        """What the next message carries in 34 and 52 if it leaves at `now`."""
        return self._c.outbound.stamp(now)

    def logon(self, body: Sequence[Field], now: Moment) -> Outgoing:
        """Initiator: the Logon, 98, 108 and 141=Y before `body`; sign over `stamp` of the same `now`."""
        self._c.allowed(Move.SEND_LOGON)
        head = (
            (tags.ENCRYPT_METHOD, "0"),
            (tags.HEART_BT_INT, str(self.settings.heartbeat_s)),
            (tags.RESET_SEQ_NUM_FLAG, "Y"),
        )
        outgoing = self._c.outbound.write(MsgType.LOGON, (*head, *body), now)
        self._c.go(Move.SEND_LOGON)
        self._c.deadline = now.mono + self.settings.logon_timeout_s
        return outgoing

    def accept(self, body: Sequence[Field], now: Moment) -> None:
        """Acceptor: let the answering Logon wait. The session is ACTIVE when that has left, and not before."""
        self._begin(now)
        self._c.allowed(Move.ACCEPT)
        head = (
            (tags.ENCRYPT_METHOD, "0"),
            (tags.HEART_BT_INT, str(int(self._c.pulse.interval_s))),
            *(((tags.RESET_SEQ_NUM_FLAG, "Y"),) if self.settings.reset_required else ()),
        )
        self._c.put(MsgType.LOGON, (*head, *body))
        self._c.go(Move.ACCEPT)

    def refuse(self, text: str, now: Moment) -> None:
        """Acceptor: answer the Logon with Logout instead; `next_tick` asks for the `tick` that tells `Ended`."""
        self._begin(now)
        self._c.allowed(Move.REFUSE)
        self._c.finish(EndReason.LOGON_REFUSED, text)

    def send(self, msg_type: str, body: Sequence[Field], now: Moment) -> Outgoing:
        """An application message, numbered now; only while ACTIVE or LOGGING_OUT."""
        if msg_type in SESSION_TYPES:
            raise LocalProtocolError(f"{MSG_TYPE_NAMES[msg_type]} is the session's own to send")
        self._c.allowed(Move.SEND_MESSAGE)
        return self._c.outbound.write(msg_type, body, now)

    def logout(self, text: str | None, now: Moment) -> None:
        """Let a Logout wait, and wait at most `logout_timeout_s` from now for its answer."""
        self._c.allowed(Move.SEND_LOGOUT)
        self._c.put(MsgType.LOGOUT, ((tags.TEXT, text),) if text else ())
        self._c.go(Move.SEND_LOGOUT)
        self._c.deadline = now.mono + self.settings.logout_timeout_s

    def probe(self, now: Moment) -> None:
        """Let a TestRequest wait, to measure the round trip; nothing if the last one has not left yet."""
        self._begin(now)
        self._c.allowed(Move.SEND_MESSAGE)
        self._c.ask_for_life()

    def reject(self, message: Message, reason: int, tag: int | None, text: str, now: Moment) -> None:
        """Let a Reject (35=3) of the peer's `message` wait; `reason` is tag 373, `tag` the field at fault."""
        self._begin(now)
        self._c.allowed(Move.SEND_MESSAGE)
        self._c.reject(message, reason, tag, text)

    def skip(self, count: int) -> None:
        """Leave `count` outgoing numbers out, as if they had been lost on the way (the sandbox plays a gap)."""
        self._c.outbound.next_number += count

    def next_outgoing(self, now: Moment) -> Outgoing | None:
        """Number, stamp and encode the session message that waits longest; after `Ended` too."""
        outgoing = self._c.outbound.pop(now)
        if outgoing is not None and outgoing.msg_type == MsgType.TEST_REQUEST:
            self._c.pulse.question_left(now)
        elif outgoing is not None and outgoing.msg_type == MsgType.LOGON:
            self._c.go(Move.LOGON_LEFT)
            if self.state is SessionState.ACTIVE:
                self._c.open(now)
        return outgoing

    def receive(self, data: bytes, now: Moment) -> list[Event]:
        """What the peer's bytes mean, in order. Never raises, and tells nothing after `Ended`."""
        self._begin(now)
        self._decoded = self._decoder.feed(data)
        for item in self._decoded:
            if self.state is SessionState.CLOSED:
                break
            if isinstance(item, Garbled):
                self._hearing.garble(item)
            else:
                self._hearing.message(item, now)
        return self._c.take_events()

    def end_of_stream(self, now: Moment) -> list[Event]:
        """The connection is gone; what waits to leave is dropped."""
        self._begin(now)
        if self.state is SessionState.LOGGING_ON and self.settings.role is Role.INITIATOR:
            self._c.end(EndReason.LOGON_REFUSED, "the connection was closed instead of an answer to the Logon")
        self._c.end(EndReason.STREAM_CLOSED, "the connection was closed without a Logout")
        self._c.outbound.clear()
        return self._c.take_events()

    def tick(self, now: Moment) -> list[Event]:
        """What the passing of time means; call it at `next_tick`, or whenever."""
        self._begin(now)
        self._c.watch(now)
        return self._c.take_events()

    def next_tick(self) -> float:
        """Mono seconds when `tick` wants to be called next: -inf at once, inf never."""
        return -inf if self._c.events else self._c.due()

    def _begin(self, now: Moment) -> None:
        # An acceptor is not told when its connection was made; its wait for a Logon begins with the first call.
        if self._c.deadline == -inf:
            self._c.deadline = now.mono + self.settings.logon_timeout_s
