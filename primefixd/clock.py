"""Time as a value: what a Moment is and what a Clock returns.

Every core call that needs time takes a Moment. This module never reads a clock itself: the one place that does is
`primefixd.runtime.ports`, so that the whole daemon can run in virtual time.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from attrs import field, frozen


def _aware(_instance: object, _attribute: object, value: datetime) -> None:
    if value.utcoffset() != timedelta(0):
        raise ValueError("a Moment's utc must be an aware datetime in UTC")


@frozen(order=False)
class Moment:
    """One instant, told twice: `mono` in seconds of a clock that never steps, `utc` as the wall clock showed it."""

    mono: float
    utc: datetime = field(validator=_aware)

    def later(self, seconds: float) -> "Moment":
        """The moment `seconds` from this one, on both clocks."""
        return Moment(self.mono + seconds, self.utc + timedelta(seconds=seconds))


Clock = Callable[[], Moment]
