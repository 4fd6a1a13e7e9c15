"""What speaking, hearing and waiting share in one session: its state, numbers, signs of life, and how it ends.

Internal to `fix`: `session.py` is the door. Only moves of `states.py` change the state, and `Ended` is told exactly
once.
"""

from collections.abc import Sequence
from math import inf
from typing import Final

from primefixd.clock import Moment
from primefixd.fix import tags
from primefixd.fix.errors import LocalProtocolError
from primefixd.fix.events import Ended, EndReason, Event
from primefixd.fix.greeting import SessionSettings
from primefixd.fix.inbound import Inbound
from primefixd.fix.message import Field, Message
from primefixd.fix.outbound import Outbound
from primefixd.fix.pulse import Pulse, Silence
from primefixd.fix.states import Move, Role, SessionState, next_state
from primefixd.fix.tags import MsgType

RESEND_WAIT_S: Final = 30.0
"""Resend supported: how long the peer may take to go on with what it was asked to resend; then the session ends."""
TYPE_MAX: Final = 32  # characters of a MsgType that are told back in a Reject


class Conversation:
    """State of one session, for the parts that change it together."""

    def __init__(self, settings: SessionSettings) -> None:
        self.settings = settings
        self.state = SessionState.DISCONNECTED
        self.outbound = Outbound(settings.sender_comp_id, settings.target_comp_id)
        self.inbound = Inbound()
        self.pulse = Pulse(settings.heartbeat_s)
        self.events: list[Event] = []
        # Of the Logon or Logout that is waited for. An acceptor's begins with the first call that tells the time.
        self.deadline = inf if settings.role is Role.INITIATOR else -inf
        self._resend_deadline = inf
        self._stuck_at = 0  # the number that the deadline is about

    def allowed(self, move: Move) -> SessionState:
        """The state after a move of ours; LocalProtocolError if it cannot be made now."""
        after = next_state(self.settings.role, self.state, move)
        if after is None:
            raise LocalProtocolError(f"cannot {move.value} while {self.state.value}")
        return after

    def go(self, move: Move) -> None:
        """Make a move; every change of state is made here."""
        self.state = self.allowed(move)

    def open(self, now: Moment) -> None:
        """Both Logons are said: heartbeats and silence count from here."""
        self.deadline = inf
        self.pulse.heard(now)
        self.ask_for_resend(now)

    def end(self, reason: EndReason, text: str) -> None:
        if self.state is not SessionState.CLOSED:
            self.go(Move.END)
            self.events.append(Ended(reason, text))

    def finish(self, reason: EndReason, text: str) -> None:
        """End with a Logout that says why, if the peer is known and has not been told Logout yet."""
        silent = self.state in (SessionState.DISCONNECTED, SessionState.LOGGING_OUT, SessionState.CLOSED)
        if not silent and self.outbound.target_comp_id is not None:
            self.outbound.put(MsgType.LOGOUT, ((tags.TEXT, text),))
        self.end(reason, text)

    def take_events(self) -> list[Event]:
        """The events since the last call."""
        events, self.events = self.events, []
        return events

    def put(self, msg_type: str, body: Sequence[Field] = (), number: int | None = None) -> None:
        """Let a session message wait; a peer that makes too many wait is done with."""
        if not self.outbound.put(msg_type, body, number):
            self.finish(EndReason.PROTOCOL, "the peer asks for more answers than may leave; ask it to slow down")

    def reject(self, message: Message, reason: int, tag: int | None, text: str) -> None:
        """Queue a Reject (35=3) of the peer's message."""
        body: list[Field] = [(tags.REF_SEQ_NUM, str(message.sequence_number or 0))]
        if tag is not None:
            body.append((tags.REF_TAG_ID, str(tag)))
        body += [(tags.REF_MSG_TYPE, message.type[:TYPE_MAX]), (tags.SESSION_REJECT_REASON, str(reason))]
        self.put(MsgType.REJECT, (*body, (tags.TEXT, text)))

    def ask_for_life(self) -> None:
        """Queue a TestRequest, unless one waits already."""
        question = self.pulse.question()
        if question is not None:
            self.put(MsgType.TEST_REQUEST, ((tags.TEST_REQ_ID, question),))

    def ask_for_resend(self, now: Moment) -> None:
        """Ask for what is missing now, once; each number that comes gives the peer more time for the next."""
        if not self.inbound.waiting:
            self._resend_deadline = inf
        elif self.inbound.expected > self._stuck_at:
            self._resend_deadline, self._stuck_at = now.mono + RESEND_WAIT_S, self.inbound.expected
        missing = self.inbound.to_ask()
        if missing is not None:
            first, last = missing
            self.put(MsgType.RESEND_REQUEST, ((tags.BEGIN_SEQ_NO, str(first)), (tags.END_SEQ_NO, str(last))))

    def due(self) -> float:
        """When `watch` has something to do, in mono seconds."""
        if self.state is SessionState.CLOSED:
            return inf
        if self.state is not SessionState.ACTIVE:
            return self.deadline
        return min(self._resend_deadline, self.pulse.due(), self._heartbeat_due())

    def watch(self, now: Moment) -> None:
        """What the passing of time means."""
        if self.state is SessionState.ACTIVE:
            self._watch_active(now)
        elif self.state is SessionState.CLOSED or now.mono < self.deadline:
            return
        elif self.state is SessionState.LOGGING_OUT:
            wait = self.settings.logout_timeout_s
            self.end(EndReason.LOGOUT_TIMEOUT, f"the peer did not answer our Logout within {wait:g} s")
        else:
            wait = self.settings.logon_timeout_s
            self.end(EndReason.LOGON_TIMEOUT, f"no Logon was exchanged within {wait:g} s")

    def _heartbeat_due(self) -> float:
        if not self.pulse.interval_s or len(self.outbound):
            return inf  # what waits will say that we live
        return self.outbound.last_left + self.pulse.interval_s

    def _watch_active(self, now: Moment) -> None:
        silence = self.pulse.silence(now)
        if silence is Silence.GONE:
            self.outbound.clear()
            self.end(EndReason.PEER_SILENT, "the peer fell silent and did not answer a TestRequest")
        elif now.mono >= self._resend_deadline:
            self.finish(EndReason.RESEND_TIMEOUT, f"message {self.inbound.expected} was asked for and not resent")
        elif silence is Silence.ASK:
            self.ask_for_life()
        elif now.mono >= self._heartbeat_due():
            self.put(MsgType.HEARTBEAT)
