"""What makes a Logon, or a message's CompIDs, type and times, unacceptable: rules that need one message only."""

from enum import Enum
from typing import Final

from attrs import frozen

from primefixd.fix import tags
from primefixd.fix.message import Message
from primefixd.fix.states import Role
from primefixd.fix.tags import MSG_TYPE_NAMES, MsgType, RejectCode
from primefixd.fix.timestamps import read_timestamp

COMP_ID_MAX: Final = 128
"""Characters of a CompID that an acceptor learns; it goes out in every header."""
HEART_BT_INT_MAX_S: Final = 86_400


class Resend(Enum):
    """Whether the peer resends. UNSUPPORTED: a gap is told upward, and nobody is asked (prime-fix.md section 1)."""

    UNSUPPORTED = "unsupported"
    SUPPORTED = "supported"


@frozen(kw_only=True)
class SessionSettings:
    """What one session is set up with.

    An acceptor may leave `target_comp_id` None and learn it from the Logon, from which it also takes `heartbeat_s`.
    `sending_time_tolerance_s` None: SendingTime and OrigSendingTime are never a reason to reject (order-rules.md 10).
    `reset_required`: a Logon that does not reset the numbers is refused (prime-fix.md section 1).
    """

    role: Role
    sender_comp_id: str
    target_comp_id: str | None
    heartbeat_s: int = 30
    resend: Resend = Resend.UNSUPPORTED
    sending_time_tolerance_s: float | None = None
    logon_timeout_s: float = 10.0
    logout_timeout_s: float = 5.0
    reset_required: bool = True


def logon_problem(message: Message, settings: SessionSettings) -> str | None:
    """Why an acceptor cannot take this Logon, None if it can."""
    number = message.sequence_number
    sender = message.get(tags.SENDER_COMP_ID)
    if not number:
        return "MsgSeqNum (34) of the Logon is missing or no number from 1 on"
    if not sender or len(sender) > COMP_ID_MAX or settings.target_comp_id not in (None, sender):
        return "SenderCompID (49) is not one that may log on here"
    if message.get(tags.TARGET_COMP_ID) != settings.sender_comp_id:
        return f"TargetCompID (56) must be {settings.sender_comp_id}"
    if message.get(tags.ENCRYPT_METHOD) not in (None, "0"):
        return "EncryptMethod (98) must be 0"
    heartbeat_s = message.number(tags.HEART_BT_INT)
    if heartbeat_s is None or heartbeat_s > HEART_BT_INT_MAX_S:
        return "HeartBtInt (108) must be whole seconds"
    if settings.reset_required and (number != 1 or message.get(tags.RESET_SEQ_NUM_FLAG) != "Y"):
        return "a Logon must reset the sequence numbers: ResetSeqNumFlag (141) Y and MsgSeqNum (34) 1"
    return None


@frozen
class TimeProblem:
    """Why a message is not taken: SessionRejectReason (373), the tag at fault, and words."""

    reason: int
    tag: int
    text: str


def time_problem(message: Message, offset_s: float | None, tolerance_s: float | None) -> TimeProblem | None:
    """What is wrong with SendingTime (52), `offset_s` away from our clock, or with OrigSendingTime (122)."""
    if tolerance_s is None:
        return None
    if offset_s is None:
        return _unreadable_time(message, tags.SENDING_TIME)
    if abs(offset_s) > tolerance_s:
        text = f"SendingTime (52) is off by {offset_s:.3f} s, more than {tolerance_s:g} s"
        return TimeProblem(RejectCode.SENDING_TIME_ACCURACY, tags.SENDING_TIME, text)
    # Of a gap fill only the numbers count, and many engines leave 122 out of it: rejected, its gap would stay open.
    if message.get(tags.POSS_DUP_FLAG) != "Y" or message.type == MsgType.SEQUENCE_RESET:
        return None
    sent, original = (read_timestamp(message.get(tag) or "") for tag in (tags.SENDING_TIME, tags.ORIG_SENDING_TIME))
    if original is None:
        return _unreadable_time(message, tags.ORIG_SENDING_TIME)
    if sent is not None and original > sent:
        text = "OrigSendingTime (122) is later than SendingTime (52)"
        return TimeProblem(RejectCode.SENDING_TIME_ACCURACY, tags.ORIG_SENDING_TIME, text)
    return None


def _unreadable_time(message: Message, tag: int) -> TimeProblem:
    missing = message.get(tag) is None
    reason = RejectCode.REQUIRED_TAG_MISSING if missing else RejectCode.INCORRECT_DATA_FORMAT
    return TimeProblem(reason, tag, f"{tags.NAMES[tag]} ({tag}) is missing or not YYYYMMDD-HH:MM:SS.sss")


def is_invalid_type(msg_type: str) -> bool:
    """Whether FIX 4.2 has no such MsgType (35); what begins with U is left to agreements between two parties."""
    return msg_type not in MSG_TYPE_NAMES and not msg_type.startswith("U")


def comp_id_problem(message: Message, sender_comp_id: str, target_comp_id: str | None) -> int | None:
    """The tag of the CompID that is not as agreed, None if both are."""
    if message.get(tags.SENDER_COMP_ID) != target_comp_id:
        return tags.SENDER_COMP_ID
    return None if message.get(tags.TARGET_COMP_ID) == sender_comp_id else tags.TARGET_COMP_ID
