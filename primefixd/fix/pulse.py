"""Whether the peer lives, how far away it is, and how far its clock is off.

HeartBtInt (108) rules both directions: silence longer than SILENCE_FACTOR intervals is asked about with a
TestRequest, and as long again without a word means that the peer is gone (FIX 4.2, "heartbeat interval" plus a
reasonable time).
"""

from collections import deque
from enum import Enum
from math import inf
from statistics import median
from typing import Final

from primefixd.clock import Moment
from primefixd.fix.timestamps import read_timestamp

SILENCE_FACTOR: Final = 1.2
STEP_S: Final = 0.5  # a change of our wall clock against the monotonic one that makes former comparisons worthless
_OFFSETS_MAX: Final = 5  # the median of so few forgets one message that was late, and follows a clock that was set


class Silence(Enum):
    NONE = "none"
    ASK = "ask"
    GONE = "gone"


class Pulse:
    """Signs of life of one session. An interval of 0 s means that neither side sends heartbeats."""

    def __init__(self, interval_s: float) -> None:
        self.interval_s = interval_s
        self.round_trip_s: float | None = None
        self._heard = inf
        self._asked: float | None = None  # when silence made us ask
        self._questions = 0
        self._question_waits = False
        self._question_left: float | None = None
        self._offsets = deque[float](maxlen=_OFFSETS_MAX)
        self._wall_s = 0.0  # what our wall clock was ahead of the monotonic one at the last of them

    def heard(self, now: Moment) -> None:
        """A message came, whichever."""
        self._heard, self._asked = now.mono, None

    def silence(self, now: Moment) -> Silence:
        """What the silence until `now` means; ASK is said once, and its answer has the same time again to come."""
        if now.mono < self.due():
            return Silence.NONE
        if self._asked is not None:
            return Silence.GONE
        self._asked = now.mono
        return Silence.ASK

    def due(self) -> float:
        """When silence means something next, in mono seconds."""
        if not self.interval_s:
            return inf
        return (self._heard if self._asked is None else self._asked) + self.interval_s * SILENCE_FACTOR

    def question(self) -> str | None:
        """The TestReqID (112) of a new TestRequest, None while the last one has not left yet."""
        if self._question_waits:
            return None
        self._questions += 1
        self._question_waits = True
        return f"TEST-{self._questions}"

    def question_left(self, now: Moment) -> None:
        self._question_waits, self._question_left = False, now.mono

    def answered(self, test_req_id: str | None, now: Moment) -> None:
        """A Heartbeat came; it is an answer only to the newest question, once."""
        if self._question_left is not None and test_req_id == f"TEST-{self._questions}":
            self.round_trip_s = now.mono - self._question_left
            self._question_left = None

    def compare(self, sending_time: str | None, now: Moment) -> float | None:
        """Peer's SendingTime minus our UTC in seconds, remembered; None if it cannot be read."""
        sent = read_timestamp(sending_time) if sending_time else None
        if sent is None:
            return None
        if self._stepped(now):
            self._offsets.clear()
        self._wall_s = _wall_s(now)
        self._offsets.append((sent - now.utc).total_seconds())
        return self._offsets[-1]

    @property
    def clock_offset_s(self) -> float | None:
        """The median over the last messages."""
        return median(self._offsets) if self._offsets else None

    def clock_offset_at(self, now: Moment) -> float | None:
        """The same; None if our wall clock was set since the last message, or went on while the machine slept."""
        return None if self._stepped(now) else self.clock_offset_s

    def _stepped(self, now: Moment) -> bool:
        return abs(_wall_s(now) - self._wall_s) > STEP_S


def _wall_s(now: Moment) -> float:
    return now.utc.timestamp() - now.mono
