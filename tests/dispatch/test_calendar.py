"""The venue's window in UTC, around the days when New York changes its clocks."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primefixd.dispatch.calendar import MaintenanceWindow, Schedule, trading_day, window_after

NEW_YORK = Schedule("America/New_York", time(17, 0), time(17, 5))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "now, start, end",
    [
        ("2026-07-01T12:00", "2026-07-01T21:00", "2026-07-01T21:05"),  # summer
        ("2026-12-01T12:00", "2026-12-01T22:00", "2026-12-01T22:05"),  # winter
        ("2026-03-07T22:05", "2026-03-08T21:00", "2026-03-08T21:05"),  # over the night of the change to summer time
        ("2026-03-08T21:05", "2026-03-09T21:00", "2026-03-09T21:05"),
        ("2026-10-31T21:05", "2026-11-01T22:00", "2026-11-01T22:05"),  # over the night of the change back
        ("2026-11-01T21:00", "2026-11-01T22:00", "2026-11-01T22:05"),
        ("2028-02-28T22:05", "2028-02-29T22:00", "2028-02-29T22:05"),  # leap day
        ("2026-12-31T23:30", "2027-01-01T22:00", "2027-01-01T22:05"),  # the UTC date is not yet New York's
        ("2026-07-02T03:59", "2026-07-02T21:00", "2026-07-02T21:05"),  # still July 1 in New York
    ],
)
def test_the_next_window(now: str, start: str, end: str) -> None:
    assert window_after(NEW_YORK, utc(now)) == MaintenanceWindow(utc(start), utc(end))


@pytest.mark.parametrize(
    "now, same_day",
    [
        ("2026-07-01T20:59:59.999999", True),
        ("2026-07-01T21:00", True),
        ("2026-07-01T21:04:59.999999", True),
        ("2026-07-01T21:05", False),
    ],
)
def test_a_window_holds_from_its_start_up_to_its_end(now: str, same_day: bool) -> None:
    assert (window_after(NEW_YORK, utc(now)).start == utc("2026-07-01T21:00")) is same_day


@given(st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)))
def test_every_instant_has_exactly_one_window_and_it_is_at_17_in_new_york(now: datetime) -> None:
    window = window_after(NEW_YORK, now)
    assert window.end > now
    assert window.start - now <= timedelta(hours=25)
    assert window_after(NEW_YORK, window.start - timedelta(microseconds=1)) == window
    assert window_after(NEW_YORK, window.end).start > window.start
    offset = timedelta(hours=4) if 4 <= window.start.month <= 10 else timedelta(hours=5)
    if window.start.month not in (3, 11):
        assert (window.start - offset).time() == time(17, 0)


def test_a_window_over_midnight_holds_on_both_dates() -> None:
    schedule = Schedule("America/New_York", time(23, 58), time(0, 3))
    window = MaintenanceWindow(utc("2026-07-02T03:58"), utc("2026-07-02T04:03"))
    for now in ("2026-07-02T03:57", "2026-07-02T03:59", "2026-07-02T04:02"):
        assert window_after(schedule, utc(now)) == window
    assert window_after(schedule, utc("2026-07-02T04:03")).start == utc("2026-07-03T03:58")


@pytest.mark.parametrize(
    "day, start, end",
    [
        ("2026-03-08", "2026-03-08T07:15", "2026-03-08T07:45"),  # 02:15 is skipped: a quarter past what would be 2
        ("2026-11-01", "2026-11-01T07:15", "2026-11-01T07:45"),
    ],
)
def test_a_window_in_the_hour_that_is_skipped_still_happens(day: str, start: str, end: str) -> None:
    schedule = Schedule("America/New_York", time(2, 15), time(2, 45))
    assert schedule.on(datetime.fromisoformat(day).date()) == MaintenanceWindow(utc(start), utc(end))


def test_of_an_hour_that_occurs_twice_the_first_is_meant() -> None:
    schedule = Schedule("America/New_York", time(1, 15), time(1, 45))
    window = schedule.on(datetime(2026, 11, 1).date())
    assert window == MaintenanceWindow(utc("2026-11-01T05:15"), utc("2026-11-01T05:45"))


@pytest.mark.parametrize("zone", ["America/Newyork", "", "../etc", "/etc/localtime"])
def test_an_unknown_zone_is_named(zone: str) -> None:
    with pytest.raises(ValueError, match="use a name such as"):
        Schedule(zone, time(17, 0), time(17, 5))


def test_a_window_of_no_length_is_refused() -> None:
    with pytest.raises(ValueError, match="another time of day"):
        Schedule("America/New_York", time(17, 0), time(17, 0))


@pytest.mark.parametrize(
    ("utc", "day"),
    [
        ("2026-03-02T21:59:59", date(2026, 3, 2)),
        ("2026-03-02T22:00", date(2026, 3, 3)),
        ("2026-03-03T04:59", date(2026, 3, 3)),
        ("2026-07-01T20:59:59", date(2026, 7, 1)),  # in summer time
        ("2026-07-01T21:00", date(2026, 7, 2)),
    ],
)
def test_the_trading_day_turns_at_17_of_new_york(utc, day):
    assert trading_day(datetime.fromisoformat(utc).replace(tzinfo=UTC)) == day
