"""What a message from the peer means: greeting, CompIDs, MsgSeqNum, SendingTime, then the session messages.

Follows the session tests of FIX 4.2 where prime-fix.md is silent. A peer's fault is rejected or ends the session, and
is never raised. Nothing here looks into an application message.
"""

from collections import Counter
from typing import Final

from primefixd.clock import Moment
from primefixd.fix import tags
from primefixd.fix.codec import BEGIN, Garbled, GarbledReason
from primefixd.fix.conversation import Conversation
from primefixd.fix.events import (
    EndReason,
    Gap,
    GarbledReceived,
    LoggedOn,
    LogonReceived,
    Received,
    Rejected,
)
from primefixd.fix.greeting import (
    COMP_ID_MAX,
    Resend,
    TimeProblem,
    comp_id_problem,
    is_invalid_type,
    logon_problem,
    time_problem,
)
from primefixd.fix.inbound import HELD_MAX
from primefixd.fix.message import Message
from primefixd.fix.outbound import OUTGOING_MAX
from primefixd.fix.states import Move, Role, SessionState, next_state
from primefixd.fix.tags import MSG_TYPE_NAMES, SESSION_TYPES, MsgType, RejectCode

TEST_REQ_ID_MAX: Final = 256
"""Characters of a TestReqID (112) that are echoed; a longer one is rejected."""

_MOVES: Final = {
    MsgType.LOGON: Move.HEAR_LOGON,
    MsgType.LOGOUT: Move.HEAR_LOGOUT,
    MsgType.REJECT: Move.HEAR_REJECT,
    MsgType.BUSINESS_MESSAGE_REJECT: Move.HEAR_REJECT,
}
# Acted on even behind a gap: two sides that both miss something would wait for each other.
_AT_ONCE: Final = SESSION_TYPES - {MsgType.SEQUENCE_RESET}


class Hearing:
    """The ear of one conversation."""

    def __init__(self, conversation: Conversation) -> None:
        self.received: Counter[str] = Counter()  # by MsgType; empty: one that FIX 4.2 does not know
        self.garbled = 0
        self._c = conversation
        self._acts = {
            MsgType.LOGON: self._logon_answer,
            MsgType.HEARTBEAT: self._heartbeat,
            MsgType.TEST_REQUEST: self._test_request,
            MsgType.RESEND_REQUEST: self._resend_request,
            MsgType.SEQUENCE_RESET: self._gap_fill,
            MsgType.REJECT: self._rejected,
        }

    def garble(self, garbled: Garbled) -> None:
        """Skipped bytes: told and passed over as FIX 4.2 has it, unless they were a message of another FIX."""
        self.garbled += 1
        self._c.events.append(GarbledReceived(garbled, self.garbled))
        if garbled.reason is GarbledReason.BEGIN_STRING:
            self._fault(f"BeginString (8) must be {BEGIN}")

    def message(self, message: Message, now: Moment) -> None:
        """One whole message."""
        kind = message.type
        self.received[kind if kind in MSG_TYPE_NAMES else ""] += 1
        self._c.pulse.heard(now)
        offset_s = self._c.pulse.compare(message.get(tags.SENDING_TIME), now)
        late = time_problem(message, offset_s, self._c.settings.sending_time_tolerance_s)
        move, state = _MOVES.get(kind, Move.HEAR_MESSAGE), self._c.state
        if next_state(self._c.settings.role, state, move) is None:
            name = MSG_TYPE_NAMES.get(kind, "a message of another type")
            self._fault(f"{name} may not be sent while this side is {state.value}")
        elif move is Move.HEAR_LOGOUT:
            self._logout(message)
        elif move is Move.HEAR_REJECT and state is SessionState.LOGGING_ON:
            reason = message.get(tags.TEXT) or "the Logon was rejected without a reason"
            self._c.end(EndReason.LOGON_REFUSED, reason)
        elif move is Move.HEAR_LOGON and state is SessionState.DISCONNECTED:
            self._first_logon(message, late)
        else:
            self._by_number(message, now, late)

    def _fault(self, text: str, reason: EndReason = EndReason.PROTOCOL) -> None:
        self._c.finish(reason, text)

    def _logout(self, message: Message) -> None:
        text = message.get(tags.TEXT)
        if self._c.state is SessionState.LOGGING_ON and self._c.settings.role is Role.INITIATOR:
            reason = text or "the Logon was answered with Logout without a reason"
            self._c.end(EndReason.LOGON_REFUSED, reason)
            return
        if self._c.state is SessionState.ACTIVE:
            self._c.put(MsgType.LOGOUT)
        self._c.end(EndReason.LOGOUT, text or "logged out")

    def _first_logon(self, message: Message, late: TimeProblem | None) -> None:
        settings, outbound = self._c.settings, self._c.outbound
        sender = message.get(tags.SENDER_COMP_ID)
        if outbound.target_comp_id is None and sender and len(sender) <= COMP_ID_MAX:
            outbound.target_comp_id = sender
        self._c.go(Move.HEAR_LOGON)
        problem = logon_problem(message, settings) or (late and late.text)
        if problem:
            self._fault(problem, EndReason.LOGON_REFUSED)
            return
        self._c.pulse.interval_s = message.number(tags.HEART_BT_INT) or 0
        number = message.sequence_number
        if number == 1:
            self._c.inbound.expected = 2
        elif number is not None and settings.resend is Resend.SUPPORTED:
            self._c.inbound.hold(number, None)
        elif number is not None:
            self._pass_gap(number)
            self._c.inbound.expected = number + 1
        self._c.events.append(LogonReceived(message))

    # Numbers

    def _by_number(self, message: Message, now: Moment, late: TimeProblem | None) -> None:
        number, due = message.sequence_number, self._c.inbound.expected
        settings = self._c.settings
        wrong = comp_id_problem(message, settings.sender_comp_id, self._c.outbound.target_comp_id)
        if not number:
            self._fault("MsgSeqNum (34) is missing or no number from 1 on")
        elif wrong is not None:
            text = f"{tags.NAMES[wrong]} ({wrong}) is not the one of this session"
            self._c.reject(message, RejectCode.COMP_ID_PROBLEM, wrong, text)
            self._fault(text)
        elif message.type == MsgType.SEQUENCE_RESET and message.get(tags.GAP_FILL_FLAG) in (None, "N"):
            self._reset(message)
        elif number < due:
            if message.get(tags.POSS_DUP_FLAG) != "Y":
                text = f"MsgSeqNum too low, expecting {due} but received {number}"
                self._fault(text, EndReason.SEQUENCE_TOO_LOW)
            elif message.type not in SESSION_TYPES and self._c.inbound.recover(number):
                self._act(message, now)  # not a duplicate: it was lost, and may be the only word about a fill
        elif number > due and settings.resend is Resend.SUPPORTED:
            self._early(message, number, now)
        else:
            self._pass_gap(number)
            self._in_turn(message, number, now, late)
        self._catch_up(now)

    def _pass_gap(self, number: int) -> None:
        """Resend unsupported: what lies before `number` is lost, and its owner is told."""
        inbound = self._c.inbound
        if number > inbound.expected and self._c.settings.resend is Resend.UNSUPPORTED:
            self._c.events.append(Gap(inbound.expected, number))
            inbound.pass_over(number)
        inbound.expected = max(inbound.expected, number)

    def _in_turn(self, message: Message, number: int, now: Moment, late: TimeProblem | None) -> None:
        self._c.inbound.expected = number + 1
        if late is None:
            self._act(message, now)
        elif self._c.state is SessionState.LOGGING_ON:
            self._fault(late.text)
        else:
            self._c.reject(message, late.reason, late.tag, late.text)

    def _early(self, message: Message, number: int, now: Moment) -> None:
        at_once = message.type in _AT_ONCE
        if self._c.inbound.holds(number):
            return
        if not self._c.inbound.hold(number, None if at_once else message):
            self._fault(f"message {self._c.inbound.expected} is missing and {HELD_MAX} came behind it")
        elif at_once:
            self._act(message, now)

    def _catch_up(self, now: Moment) -> None:
        inbound = self._c.inbound
        while self._c.state is not SessionState.CLOSED and (held := inbound.ready()) is not None:
            number, message = held
            inbound.expected = max(inbound.expected, number + 1)
            if message is not None:
                self._act(message, now)
        if self._c.state is SessionState.ACTIVE:
            self._c.ask_for_resend(now)

    # Meanings

    def _act(self, message: Message, now: Moment) -> None:
        act = self._acts.get(message.type)
        if act is not None:
            act(message, now)
            return
        # Told all the same, and not rejected in masses: a venue's new message must not cost the session.
        if is_invalid_type(message.type) and len(self._c.outbound) < OUTGOING_MAX // 2:
            self._c.reject(message, RejectCode.INVALID_MSG_TYPE, None, "MsgType (35) is none of FIX 4.2")
        self._c.events.append(Received(message))

    def _logon_answer(self, message: Message, now: Moment) -> None:
        if message.get(tags.ENCRYPT_METHOD) not in (None, "0"):
            self._fault("EncryptMethod (98) must be 0", EndReason.LOGON_REFUSED)
        elif self._c.state is SessionState.LOGGING_ON:
            self._c.go(Move.HEAR_LOGON)
            self._c.events.append(LoggedOn(message))
            self._c.open(now)

    def _heartbeat(self, message: Message, now: Moment) -> None:
        self._c.pulse.answered(message.get(tags.TEST_REQ_ID), now)

    def _test_request(self, message: Message, _now: Moment) -> None:
        question = message.get(tags.TEST_REQ_ID)
        if not question:
            self._reject_unread(message, tags.TEST_REQ_ID)
        elif len(question) > TEST_REQ_ID_MAX:
            text = f"TestReqID (112) is longer than {TEST_REQ_ID_MAX} characters"
            self._c.reject(message, RejectCode.VALUE_INCORRECT, tags.TEST_REQ_ID, text)
        else:
            self._c.put(MsgType.HEARTBEAT, ((tags.TEST_REQ_ID, question),))

    def _rejected(self, message: Message, _now: Moment) -> None:
        number, tag = message.number(tags.REF_SEQ_NUM), message.number(tags.REF_TAG_ID)
        reason = message.number(tags.SESSION_REJECT_REASON)
        self._c.events.append(Rejected(number, message.get(tags.TEXT) or "", tag, reason, message))

    def _resend_request(self, message: Message, _now: Moment) -> None:
        """Application messages are never sent again: one gap fill covers all that was asked for."""
        newest = self._c.outbound.next_number - 1
        if self._c.settings.resend is Resend.UNSUPPORTED:
            text = "ResendRequest is not supported"
            self._c.reject(message, RejectCode.INVALID_MSG_TYPE, None, text)
            return
        numbers = self._numbers(message, tags.BEGIN_SEQ_NO, tags.END_SEQ_NO)
        if numbers is None:
            return
        first, last = numbers
        if not 0 < first <= newest:
            text = f"BeginSeqNo (7) must be from 1 to {newest}"
            self._c.reject(message, RejectCode.VALUE_INCORRECT, tags.BEGIN_SEQ_NO, text)
        elif 0 < last < first:
            text = "EndSeqNo (16) must be 0 or not below BeginSeqNo (7)"
            self._c.reject(message, RejectCode.VALUE_INCORRECT, tags.END_SEQ_NO, text)
        else:
            behind = min(last or newest, newest) + 1
            body = ((tags.GAP_FILL_FLAG, "Y"), (tags.NEW_SEQ_NO, str(behind)))
            self._c.put(MsgType.SEQUENCE_RESET, body, first)

    def _gap_fill(self, message: Message, _now: Moment) -> None:
        if message.get(tags.GAP_FILL_FLAG) != "Y":
            text = "GapFillFlag (123) must be Y or N"
            self._c.reject(message, RejectCode.VALUE_INCORRECT, tags.GAP_FILL_FLAG, text)
            return
        self._renumber(message, (message.sequence_number or 0) + 1)

    def _reset(self, message: Message) -> None:
        self._renumber(message, self._c.inbound.expected)

    def _renumber(self, message: Message, least: int) -> None:
        numbers = self._numbers(message, tags.NEW_SEQ_NO)
        if numbers is None:
            return
        if numbers[0] < least:
            text = f"NewSeqNo (36) must be a number that raises the next one due, {self._c.inbound.expected}"
            self._c.reject(message, RejectCode.VALUE_INCORRECT, tags.NEW_SEQ_NO, text)
        else:
            self._pass_gap(numbers[0])

    def _numbers(self, message: Message, *needed: int) -> list[int] | None:
        """The numbers in these fields; None, and a Reject waits, if one of them cannot be read."""
        found = [message.number(tag) for tag in needed]
        for tag, number in zip(needed, found, strict=True):
            if number is None:
                self._reject_unread(message, tag)
                return None
        return [number for number in found if number is not None]

    def _reject_unread(self, message: Message, tag: int) -> None:
        text, name = message.get(tag), f"{tags.NAMES[tag]} ({tag})"
        if text is None:
            self._c.reject(message, RejectCode.REQUIRED_TAG_MISSING, tag, f"{name} is missing")
        elif not text:
            self._c.reject(message, RejectCode.TAG_WITHOUT_VALUE, tag, f"{name} has no value")
        else:
            self._c.reject(message, RejectCode.INCORRECT_DATA_FORMAT, tag, f"{name} is not a number")
