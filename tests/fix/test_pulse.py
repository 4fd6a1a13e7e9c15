"""Signs of life: when silence asks, when it means gone, and what the clocks say of each other."""

from datetime import UTC, datetime, timedelta

import pytest

from primefixd.clock import Moment
from primefixd.fix.pulse import Pulse, Silence
from primefixd.fix.timestamps import timestamp

NOON = datetime(2026, 1, 27, 12, tzinfo=UTC)


def at(seconds: float) -> Moment:
    return Moment(seconds, NOON + timedelta(seconds=seconds))


def test_silence_asks_once_and_then_means_gone() -> None:
    pulse = Pulse(30)
    pulse.heard(at(0))
    told = [pulse.silence(at(seconds)) for seconds in (35.9, 36, 50, 71.9, 72)]
    assert told == [Silence.NONE, Silence.ASK, Silence.NONE, Silence.NONE, Silence.GONE]


def test_any_word_after_the_question_begins_the_wait_anew() -> None:
    pulse = Pulse(30)
    pulse.heard(at(0))
    assert pulse.silence(at(36)) is Silence.ASK
    pulse.heard(at(40))
    assert pulse.silence(at(75)) is Silence.NONE and pulse.silence(at(76)) is Silence.ASK


def test_without_an_interval_silence_means_nothing() -> None:
    pulse = Pulse(0)
    pulse.heard(at(0))
    assert pulse.silence(at(1e9)) is Silence.NONE


def test_only_the_answer_to_the_newest_question_measures_the_round_trip_and_only_once() -> None:
    pulse = Pulse(30)
    first = pulse.question()
    assert pulse.question() is None  # one at a time until it has left
    pulse.question_left(at(1))
    second = pulse.question()
    pulse.question_left(at(2))
    pulse.answered(first, at(3))
    assert pulse.round_trip_s is None
    pulse.answered(second, at(2.5))
    pulse.answered(second, at(9))
    assert pulse.round_trip_s == pytest.approx(0.5)


def test_rule_10_the_offset_is_the_median_so_one_late_message_is_no_wrong_clock() -> None:
    pulse = Pulse(30)
    assert pulse.clock_offset_s is None and pulse.compare("yesterday", at(0)) is None
    for late in (0.0, -6.0, 6.0, 0.0, 0.0):
        pulse.compare(timestamp(at(10 - late).utc), at(10))
    assert pulse.clock_offset_s == 0.0
    for _ in range(5):
        pulse.compare(timestamp(at(14.5).utc), at(10))
    assert pulse.clock_offset_s == 4.5


def test_what_was_measured_against_a_wall_clock_that_has_been_set_since_counts_no_more() -> None:
    pulse = Pulse(30)
    for seconds in range(5):
        pulse.compare(timestamp(at(seconds).utc), at(seconds))
    put_right = Moment(10, NOON + timedelta(seconds=130))
    assert pulse.clock_offset_at(at(10)) == 0.0 and pulse.clock_offset_at(put_right) is None
    pulse.compare(timestamp(at(12).utc), put_right)
    assert pulse.clock_offset_at(put_right) == pulse.clock_offset_s == -118.0
    slewed = Moment(11, NOON + timedelta(seconds=131.4))
    assert pulse.clock_offset_at(slewed) == -118.0, "a clock that is only nudged is still the same"
