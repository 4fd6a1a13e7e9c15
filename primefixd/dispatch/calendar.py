"""When the venue's daily maintenance window is, in UTC. It reads no clock and decides nothing about orders.

The venue logs everybody out between two wall-clock times of New York (prime-fix.md section 1, maintenance), so a window
belongs to a New York date and its UTC times move with the clock changes.
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from attrs import Attribute, field, frozen

DAY_ZONE, DAY_TURNS = "America/New_York", time(17)  # where and when the trading day turns


def _known(_schedule: object, _attribute: "Attribute[str]", zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"no time zone is called {zone!r}; use a name such as America/New_York") from None


def _apart(schedule: "Schedule", _attribute: "Attribute[time]", end: time) -> None:
    if end == schedule.start:
        raise ValueError("a window must end at another time of day than it starts")


@frozen
class MaintenanceWindow:
    """Sessions are down from `start` up to but not at `end`; both aware UTC."""

    start: datetime
    end: datetime


@frozen
class Schedule:
    """A window every day, by the wall clock of `zone`. One whose `end` is before its `start` ends on the next day."""

    zone: str = field(validator=_known)
    start: time
    end: time = field(validator=_apart)

    def on(self, day: date) -> MaintenanceWindow:
        """The window that starts on this date of the zone.

        A time that a clock change skips is read by the clock before the change; of one that occurs twice the first
        is meant.
        """
        zone = ZoneInfo(self.zone)
        last_day = day if self.end > self.start else day + timedelta(days=1)
        start, end = datetime.combine(day, self.start, zone), datetime.combine(last_day, self.end, zone)
        return MaintenanceWindow(start.astimezone(UTC), end.astimezone(UTC))


def window_after(schedule: Schedule, utc: datetime) -> MaintenanceWindow:
    """The window that `utc` (aware) lies in, else the next one."""
    today = utc.astimezone(ZoneInfo(schedule.zone)).date()
    windows = (schedule.on(today + timedelta(days=days)) for days in (-1, 0, 1))
    return next(window for window in windows if window.end > utc)


def trading_day(utc: datetime) -> date:
    """The day that `utc` (aware) is counted under: the New York date on which it ends, at 17:00 there."""
    local = utc.astimezone(ZoneInfo(DAY_ZONE))
    return local.date() if local.time() < DAY_TURNS else local.date() + timedelta(days=1)
