"""Our side of the numbers: header, MsgSeqNum and SendingTime, given at the last instant, and what waits to be given
them.

A message that waits has no number yet, so whoever paces may let messages of both kinds leave in any order, and the
peer still sees numbers without a hole (prime-fix.md section 1: a hole would not be repaired). No sent message is
kept.
"""

from collections import Counter, deque
from collections.abc import Sequence
from typing import Final

from attrs import field, frozen

from primefixd.clock import Moment
from primefixd.fix import tags
from primefixd.fix.codec import encode
from primefixd.fix.errors import LocalProtocolError
from primefixd.fix.message import Field
from primefixd.fix.tags import MsgType
from primefixd.fix.timestamps import timestamp

OUTGOING_MAX: Final = 256
"""Session messages that may wait. A peer that makes us owe more answers than this has its session ended."""


@frozen
class Stamp:
    """Exactly the characters of 34 and 52 of a message that leaves now; a Logon is signed over them."""

    sequence_number: int
    sending_time: str


@frozen
class Outgoing:
    """One numbered message, ready for the socket. `data` can hold a Logon's secrets and is not shown."""

    sequence_number: int
    msg_type: str
    data: bytes = field(repr=False)
    sending_time: str


@frozen
class _Waiting:
    msg_type: str
    body: tuple[Field, ...] = field(repr=False)
    number: int | None  # only a gap fill has one: it takes the place of messages that were sent before


class Outbound:
    """Numbers and writes what leaves one session."""

    def __init__(self, sender_comp_id: str, target_comp_id: str | None) -> None:
        self.target_comp_id = target_comp_id
        self.next_number = 1
        self.sent: Counter[str] = Counter()  # by MsgType
        self.last_left = 0.0
        self._sender_comp_id = sender_comp_id
        self._waiting = deque[_Waiting]()

    def __len__(self) -> int:
        return len(self._waiting)

    def stamp(self, now: Moment) -> Stamp:
        return Stamp(self.next_number, timestamp(now.utc))

    def put(self, msg_type: str, body: Sequence[Field] = (), number: int | None = None) -> bool:
        """Let a session message wait. False at OUTGOING_MAX, but a Logout always finds room: nothing follows it."""
        if len(self._waiting) >= OUTGOING_MAX and msg_type != MsgType.LOGOUT:
            return False
        encode(((tags.MSG_TYPE, msg_type), *body))  # what cannot be written is the caller's mistake, and known now
        self._waiting.append(_Waiting(msg_type, tuple(body), number))
        return True

    def clear(self) -> None:
        self._waiting.clear()

    def pop(self, now: Moment) -> Outgoing | None:
        """Number and write the oldest waiting message."""
        if not self._waiting:
            return None
        oldest = self._waiting.popleft()
        return self.write(oldest.msg_type, oldest.body, now, oldest.number)

    def write(self, msg_type: str, body: Sequence[Field], now: Moment, number: int | None = None) -> Outgoing:
        """Number, stamp and encode; with `number`, as a possible duplicate that takes that place again."""
        stamp = self.stamp(now)
        again: tuple[Field, ...] = ()
        if number is not None:
            stamp = Stamp(number, stamp.sending_time)
            again = ((tags.POSS_DUP_FLAG, "Y"), (tags.ORIG_SENDING_TIME, stamp.sending_time))
        if self.target_comp_id is None:
            raise LocalProtocolError("nothing can be sent before the peer has told its CompID")
        header = (
            (tags.MSG_TYPE, msg_type),
            (tags.SENDER_COMP_ID, self._sender_comp_id),
            (tags.TARGET_COMP_ID, self.target_comp_id),
            (tags.MSG_SEQ_NUM, str(stamp.sequence_number)),
            (tags.SENDING_TIME, stamp.sending_time),
        )
        data = encode((*header, *again, *body))
        if number is None:
            self.next_number += 1
        self.sent[msg_type] += 1
        self.last_left = now.mono
        return Outgoing(stamp.sequence_number, msg_type, data, stamp.sending_time)
