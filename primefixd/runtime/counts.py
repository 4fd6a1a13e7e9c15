"""What has happened since the start, as plain numbers that only grow, for whoever shows them.

Who counts knows nothing of who reads, and nothing is decided by these numbers. Keys are of small closed sets: never an
id, and never a text that somebody else wrote.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from itertools import accumulate
from typing import TypeVar

from attrs import Factory, define, frozen

from primefixd.orders.model import Status
from primefixd.runtime.answers import Refused

T = TypeVar("T")


class Histogram:
    """How often a duration was how long. `bounds`: the upper ends of its buckets in seconds, ascending."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.sum_s = 0.0
        self._counts = [0] * (len(bounds) + 1)

    def observe(self, seconds: float) -> None:
        """One more, of so many seconds."""
        self.sum_s += seconds
        self._counts[bisect_left(self.bounds, seconds)] += 1

    def cumulative(self) -> list[int]:
        """How many were at most as long as each bound, and how many there were."""
        return list(accumulate(self._counts))


@define
class SessionCounts:
    """Of one session, over all its connections.

    `connects` counts attempts to connect and `logons` those that were accepted. `unconnected` and `refused` say why
    others were not, `sent` and `received` count messages by MsgType (empty: one that FIX 4.2 does not know).
    `limiter_wait_s`: for how long something could have left but for the rates. `certificate_until`: until when the
    certificate is good that the venue showed last.
    """

    connects: int = 0
    logons: int = 0
    unconnected: Counter[str] = Factory(Counter)
    refused: Counter[str] = Factory(Counter)
    sent: Counter[str] = Factory(Counter)
    received: Counter[str] = Factory(Counter)
    limiter_wait_s: float = 0.0
    certificate_until: datetime | None = None


@define
class PortfolioCounts:
    """`rejects`: what the venue rejected beside new orders, by kind and reason; `refused`: what we refused clients."""

    rejects: Counter[tuple[str, str]] = Factory(Counter)
    refused: Counter[str] = Factory(Counter)

    def answered(self, answer: T) -> T:
        """`answer`, which a client gets; counted if it is a refusal."""
        if isinstance(answer, Refused):
            self.refused[answer.reason] += 1
        return answer


@define
class JournalCounts:
    """`events` by portfolio (None: of the daemon) and type; `commit_s`: how long a commit that succeeded took."""

    events: Counter[tuple[str | None, str]] = Factory(Counter)
    failures: int = 0
    commit_s: Histogram = Factory(lambda: Histogram((0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0)))


@frozen(kw_only=True)
class Census:
    """One portfolio, counted: orders that are not final by status, and those that ended by status and reason."""

    orders: Mapping[Status, int]
    finished: Mapping[tuple[Status, str | None], int]
    counts: PortfolioCounts
    sessions: Mapping[str, SessionCounts]
