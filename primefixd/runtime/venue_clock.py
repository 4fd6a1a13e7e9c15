"""What time it is at the venue, as far as we know: our wall clock, and what its stamps were ahead of that.

The venue's clock rules when it logs everybody out, and ours may be wrong. What was measured is remembered while no
session is up, as in the window; but it was measured against a wall clock, and is worthless when that has been set, or
has gone on while the machine slept. Until the venue speaks again our own clock is believed.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from statistics import median

from primefixd.clock import Moment
from primefixd.fix.pulse import STEP_S


class VenueClock:
    def __init__(self) -> None:
        self._ahead_s = 0.0  # by how much the venue's clock is ahead of ours
        self._wall_s = 0.0  # what our wall clock was ahead of the monotonic one when that was measured

    def time(self, now: Moment, measured: Iterable[float]) -> datetime:
        """The venue's time; `measured` is what the sessions that are up know of its clock, in seconds ahead of ours."""
        wall_s = now.utc.timestamp() - now.mono
        offsets = list(measured)
        if offsets:
            self._ahead_s, self._wall_s = median(offsets), wall_s
        elif abs(wall_s - self._wall_s) > STEP_S:
            self._ahead_s, self._wall_s = 0.0, wall_s
        return now.utc + timedelta(seconds=self._ahead_s)
