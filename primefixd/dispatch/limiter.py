"""How fast messages may leave: sliding windows over departures, pure, with time as an argument.

The venue counts on receipt, in one-second windows of unknown phase, and rejects what exceeds (prime-fix.md section 1,
rate). So no more than N leave in any second plus a margin: arrivals then stay within N as long as the delay of the
network varies by no more than the margin from one message to the next. A margin of 20 ms covers ±10 ms and still uses
98 % of the rate, 15 ms covers ±7.5 ms and uses 98.5 % (order-rules.md 20). Nothing is queued here: see `outbox`.
"""

from bisect import bisect_right
from enum import Enum
from math import inf

_ROUNDING_S = 1e-6  # added to every window and half of it forgiven, so that sleeping for `delay` seconds is enough

_KEPT_PER_SECOND = 50  # the rate for which the kept slots below are meant; a lower rate keeps its share of them
_KEPT_FOR_SESSION = 4
_KEPT_FOR_CANCELS = 10


class Window:
    """At most `per_second` departures in any 1 + `margin_s` seconds. Times are mono seconds and never fall.

    `delay` and `take` are O(1), `left` is O(log N); a new window has everything left.
    """

    __slots__ = ("_next", "_span", "_times")

    def __init__(self, per_second: int, margin_s: float) -> None:
        if per_second < 1 or margin_s < 0:
            raise ValueError(f"a window needs a positive rate and no negative margin: {per_second}, {margin_s}")
        self._span = 1.0 + margin_s + _ROUNDING_S
        self._times = [-inf] * per_second  # a ring of the last N departures; `_next` is the oldest, and is overwritten
        self._next = 0

    @property
    def per_second(self) -> int:
        return len(self._times)

    def delay(self, now: float) -> float:
        """Seconds until one more may leave; 0.0 means now."""
        wait = self._times[self._next] + self._span - now
        return wait if wait > _ROUNDING_S / 2 else 0.0

    def take(self, now: float) -> None:
        """One leaves now. ValueError if `delay` would have refused it: that is a bug of the caller."""
        if self.delay(now):
            raise ValueError("a message left before the rate limit allowed it")
        self._times[self._next] = max(now, self._times[self._next - 1])
        self._next = (self._next + 1) % len(self._times)

    def spend(self, now: float, leave: int = 0) -> None:
        """As if all but `leave` slots were taken now, and what was taken before had left only now.

        For a (re)connect, and for a write that was blocked: what left earlier may arrive only now (order-rules.md 20).
        """
        free = min(leave, self.left(now))
        latest = max(now, self._times[self._next - 1])
        self._times = [-inf] * free + [latest] * (len(self._times) - free)
        self._next = 0

    def left(self, now: float) -> int:
        """How many may leave at once now."""
        times, first = self._times, self._next
        size = len(times)
        latest = now + _ROUNDING_S / 2 - self._span
        return bisect_right(range(size), latest, key=lambda age: times[(first + age) % size])


class Lane(Enum):
    """Who asks for a slot; the later lanes leave the slots kept for the earlier ones alone (order-rules.md 18)."""

    SESSION = "session"
    CANCEL = "cancel"
    OTHER = "other"


class SessionLimiter:
    """The budget of one session: everything that leaves counts, Logon and heartbeats too.

    At 50 a second, 4 slots are kept for session messages and 10 for cancels: the rest share 36. A lower rate keeps
    proportionally less, rounded down. Session messages may use the whole budget, and cancels all but the 4.
    """

    __slots__ = ("_everything", "_windows")

    def __init__(self, per_second: int, margin_s: float) -> None:
        share = min(per_second, _KEPT_PER_SECOND)
        for_session = _KEPT_FOR_SESSION * share // _KEPT_PER_SECOND
        for_cancels = _KEPT_FOR_CANCELS * share // _KEPT_PER_SECOND
        self._everything = everything = Window(per_second, margin_s)
        requests = Window(per_second - for_session, margin_s)
        others = Window(per_second - for_session - for_cancels, margin_s)
        self._windows = {
            Lane.SESSION: (everything,),
            Lane.CANCEL: (everything, requests),
            Lane.OTHER: (everything, requests, others),
        }

    def delay(self, lane: Lane, now: float) -> float:
        """Seconds until one more message of this lane may leave; 0.0 means now."""
        return max(window.delay(now) for window in self._windows[lane])

    def take(self, lane: Lane, now: float) -> None:
        """A message of this lane leaves now. ValueError if `delay` would have refused it: a bug of the caller."""
        if self.delay(lane, now):
            raise ValueError(f"a {lane.value} message left before the rate limit allowed it")
        for window in self._windows[lane]:
            window.take(now)

    def spend(self, now: float, leave: int = 0) -> None:
        """As `Window.spend`, whatever the lane: 1 to `leave` lets the Logon out, and nothing else."""
        self._everything.spend(now, leave)

    def left(self, now: float, lane: Lane = Lane.SESSION) -> int:
        """How many messages of this lane may leave at once now; by default the whole budget that is left."""
        return min(window.left(now) for window in self._windows[lane])

    def used(self, now: float, lane: Lane) -> int:
        """How many messages of this lane, or of a later one, have left in the window that ends now."""
        own = self._windows[lane][-1]
        return own.per_second - own.left(now)
