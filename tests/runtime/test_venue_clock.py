"""The venue's time as far as we know it: measured, remembered, and forgotten when our clock is set."""

from datetime import UTC, datetime, timedelta

from primefixd.clock import Moment
from primefixd.runtime.venue_clock import VenueClock

NOON = datetime(2026, 1, 27, 12, tzinfo=UTC)


def at(seconds: float, error_s: float = 0.0) -> Moment:
    return Moment(seconds, NOON + timedelta(seconds=seconds + error_s))


def ahead_s(clock: VenueClock, now: Moment, *measured: float) -> float:
    return (clock.time(now, measured) - now.utc).total_seconds()


def test_our_own_clock_is_believed_until_the_venue_speaks() -> None:
    assert ahead_s(VenueClock(), at(0)) == 0.0


def test_one_session_with_a_slow_line_does_not_shift_the_venues_time() -> None:
    assert ahead_s(VenueClock(), at(0), -0.1, -3.0, -0.1) == -0.1


def test_what_was_measured_is_remembered_while_no_session_is_up() -> None:
    clock = VenueClock()
    assert ahead_s(clock, at(0), -3.0) == ahead_s(clock, at(300)) == ahead_s(clock, at(301, 0.4)) == -3.0


def test_it_is_forgotten_when_our_clock_is_set_and_measured_anew_after() -> None:
    clock = VenueClock()
    ahead_s(clock, at(0), -3.0)
    assert ahead_s(clock, at(300, -3.0)) == 0.0
    assert ahead_s(clock, at(301, -3.0), 0.2) == ahead_s(clock, at(400, -3.0)) == 0.2
