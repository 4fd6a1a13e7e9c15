"""What is due at the venue at a time of its clock: expiries, slices, replaces. It only keeps times."""

from datetime import datetime
from enum import Enum, auto
from heapq import heappop, heappush
from itertools import count

from attrs import frozen

from primefixd.clock import Moment
from primefixd.sandbox.book import VenueOrder


class Due(Enum):
    EXPIRY = auto()
    SLICE = auto()
    REPLACE = auto()


@frozen
class Appointment:
    """`at`: when it was due. Whether it still holds is for the reader to say: nothing is ever struck off."""

    at: datetime
    what: Due
    order: VenueOrder


class Agenda:
    def __init__(self) -> None:
        self._heap: list[tuple[datetime, int, Appointment]] = []
        self._counter = count()

    def add(self, at: datetime, what: Due, order: VenueOrder) -> None:
        heappush(self._heap, (at, next(self._counter), Appointment(at, what, order)))

    def next(self, now: Moment) -> Appointment | None:
        """The oldest that is due by `now`, taken out."""
        return heappop(self._heap)[2] if self._heap and self._heap[0][0] <= now.utc else None
