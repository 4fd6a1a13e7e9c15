"""How the venue counts: one-second windows that stand still, and, to tell, the busiest second wherever it begins.

prime-fix.md section 7: the venue's windows are assumed to be fixed seconds of its own clock. The sliding count refuses
nothing; it shows how near to the rate a client really went.
"""

from collections import Counter, deque
from math import floor

from attrs import Factory, define

SLIDING_MAX = 100_000  # messages remembered of one second; a faster peer's busiest second is shown as this


class FixedWindow:
    """Counts in whole seconds of a clock; more than `limit` in one of them is over. None: never over."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._second = -1
        self._count = 0

    def over(self, mono: float) -> bool:
        """Counts one more at `mono` seconds, and tells whether it is beyond the limit of its second."""
        if (second := floor(mono)) != self._second:
            self._second, self._count = second, 0
        self._count += 1
        return self._limit is not None and self._count > self._limit


class Bucket:
    """Holds `burst` requests at most and is refilled by `per_second`; one more than it holds is over. None: never."""

    def __init__(self, per_second: int | None, burst: int) -> None:
        self._per_second, self._burst = per_second, burst
        self._held, self._at = float(burst), 0.0

    def over(self, mono: float) -> bool:
        """Takes one out at `mono` seconds, and tells whether there was none; refused ones take nothing."""
        if self._per_second is None:
            return False
        self._held = min(self._held + (mono - self._at) * self._per_second, self._burst)
        self._at = mono
        if self._held < 1:
            return True
        self._held -= 1
        return False


class BusiestSecond:
    """The most that ever fell into any span of one second, open at its start."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=SLIDING_MAX)
        self.most = 0

    def add(self, mono: float) -> None:
        times = self._times
        times.append(mono)
        while times[0] <= mono - 1.0:
            times.popleft()
        self.most = max(self.most, len(times))


@define
class Tally:
    """What one service account did since the start, for `venue.sessions`; `rejected` counts by reason."""

    logons: int = 0
    messages: int = 0
    orders: int = 0
    busiest: BusiestSecond = Factory(BusiestSecond)
    rejected: Counter[str] = Factory(Counter)
