"""What a session tells its owner, as values; `Ended` is always the last one, and a peer's fault is that last event."""

from enum import StrEnum

from attrs import frozen

from primefixd.fix.codec import Garbled
from primefixd.fix.message import Message


class EndReason(StrEnum):
    LOGOUT = "LOGOUT"  # said by either side and answered
    LOGON_REFUSED = "LOGON_REFUSED"  # by Logout, Reject or a closed connection instead of an answer; or by us
    LOGON_TIMEOUT = "LOGON_TIMEOUT"
    LOGOUT_TIMEOUT = "LOGOUT_TIMEOUT"
    PEER_SILENT = "PEER_SILENT"
    SEQUENCE_TOO_LOW = "SEQUENCE_TOO_LOW"
    RESEND_TIMEOUT = "RESEND_TIMEOUT"  # resend supported: what was asked for did not come
    PROTOCOL = "PROTOCOL"
    STREAM_CLOSED = "STREAM_CLOSED"


@frozen
class LogonReceived:
    """Acceptor: a Logon that is sound as FIX; its owner owes `Session.accept` or `Session.refuse`."""

    message: Message


@frozen
class LoggedOn:
    """Initiator: the Logon was answered; application messages may leave."""

    message: Message


@frozen
class Received:
    """An application message (BusinessMessageReject, 35=j, too), in order of its number."""

    message: Message


@frozen
class Rejected:
    """Reject (35=3): the peer did not take our message number `ref_sequence_number` (None if it does not say)."""

    ref_sequence_number: int | None
    text: str
    ref_tag: int | None
    reason: int | None
    message: Message


@frozen
class Gap:
    """Resend unsupported: `expected` was due and `received` came; what lies between is lost to this session."""

    expected: int
    received: int


@frozen
class GarbledReceived:
    """Bytes were skipped; `total` counts how often that has happened on this connection."""

    garbled: Garbled
    total: int


@frozen
class Ended:
    """The session is over, told exactly once; drain `next_outgoing`, then close the connection."""

    reason: EndReason
    text: str


Event = LogonReceived | LoggedOn | Received | Rejected | Gap | GarbledReceived | Ended
