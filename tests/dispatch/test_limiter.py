"""The limiter against every schedule that hypothesis can think of: what leaves, and what the venue then counts."""

from itertools import pairwise
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from primefixd.dispatch.limiter import Lane, SessionLimiter, Window

START = 86_400.0 * 400  # a machine that has been up for a year: the coarsest floats that mono seconds will have

gaps = st.one_of(st.just(0.0), st.floats(0, 0.05), st.floats(0, 3), st.sampled_from([1.0, 1.015, 1.015001, 0.5]))


def departures(window: Window, arrivals: list[float]) -> list[float]:
    """When messages that want to leave at `arrivals` do leave, one after the other, each as soon as it may."""
    left, now = [], -inf
    for wanted in arrivals:
        now = max(now, wanted)
        now += window.delay(now)
        window.take(now)
        left.append(now)
    return left


def most_within(times: list[float], seconds: float, closed: bool) -> int:
    """The most of sorted `times` in any window of `seconds`; its far end belongs to it only if `closed`."""
    worst = first = 0
    for last, time in enumerate(times):
        while time - times[first] > seconds or (not closed and time - times[first] >= seconds):
            first += 1
        worst = max(worst, last - first + 1)
    return worst


def running(gaps: list[float]) -> list[float]:
    times, now = [], START
    for gap in gaps:
        now += gap
        times.append(now)
    return times


@given(st.lists(gaps, max_size=200), st.integers(1, 12), st.sampled_from([0.0, 0.015, 0.02, 0.3]))
def test_rule_20_no_schedule_exceeds_the_rate_in_any_window(
    gaps: list[float], per_second: int, margin_s: float
) -> None:
    times = departures(Window(per_second, margin_s), running(gaps))
    assert most_within(times, 1 + margin_s, closed=True) <= per_second


@given(st.lists(st.one_of(gaps, st.just("spend")), max_size=200), st.integers(1, 12), st.integers(0, 2))
def test_rule_20_spending_never_lets_more_leave(schedule: list[float | str], per_second: int, leave: int) -> None:
    window, now, times, spent = Window(per_second, 0.015), START, [], -inf
    for step in schedule:
        if step == "spend":
            left = window.left(now)
            window.spend(now, leave)
            spent = now
            assert window.left(now) == min(left, leave)
            continue
        now += float(step)
        now += window.delay(now)
        window.take(now)
        times.append(now)
        assert len([time for time in times if spent < time <= min(spent + 1.015, now)]) <= leave
    assert most_within(times, 1.015, closed=True) <= per_second


@given(st.lists(gaps, max_size=200), st.integers(1, 12))
def test_delay_is_the_shortest_wait_and_sleeping_that_long_is_enough(gaps: list[float], per_second: int) -> None:
    window, now = Window(per_second, 0.015), START
    for gap in gaps:
        now += gap
        delay = window.delay(now)
        assert 0 <= delay <= 1.016
        assert (delay == 0) == (window.left(now) > 0)
        if delay > 1e-5:
            assert window.delay(now + delay - 1e-5) > 0
        now += delay
        window.take(now)


@given(st.lists(gaps, max_size=120), st.integers(1, 12))
def test_left_is_the_number_that_leaves_at_once(gaps: list[float], per_second: int) -> None:
    window, times = Window(per_second, 0.015), running(gaps)
    for time in departures(window, times)[-1:] + times[-1:]:
        left = window.left(time)
        for _ in range(left):
            window.take(time)
        assert window.delay(time) > 0


@pytest.mark.parametrize("margin_s", [0.015, 0.02])
@pytest.mark.parametrize("every_s", [0.0, 0.001, 0.0199, 1 / 50])
def test_rule_20_a_saturated_schedule_uses_98_percent(margin_s: float, every_s: float) -> None:
    times = departures(Window(50, margin_s), [START + every_s * i for i in range(50 * 600)])
    count = 50 * 599  # from one burst to a later one, so that the first full window is no gift
    assert count / (times[count] - times[0]) >= 0.98 * 50


jitters = st.sampled_from(["ends", "uniform"])


@settings(max_examples=60)
@pytest.mark.parametrize("jitter_ms, margin_s", [(10.0, 0.02), (7.5, 0.015)])
@given(shape=st.sampled_from([0.0, 0.004, 1 / 50]), kind=jitters, random=st.randoms(use_true_random=False))
def test_rule_20_jitter_up_to_the_margin_exceeds_no_second_at_the_receiver(
    jitter_ms: float, margin_s: float, shape: float, kind: str, random
) -> None:
    """A fixed one-second window of any phase is a sliding half-open one; messages may even overtake one another."""
    spread = jitter_ms / 1000

    def jitter() -> float:
        return random.choice([-spread, spread]) if kind == "ends" else random.uniform(-spread, spread)

    left = departures(Window(50, margin_s), [START + shape * i for i in range(400)])
    assert most_within(sorted(time + jitter() for time in left), 1.0, closed=False) <= 50


def test_a_margin_is_needed_at_all() -> None:
    left = departures(Window(50, 0.0), [START] * 150)
    late_first = [time + (0.01 if i < 50 else -0.01) for i, time in enumerate(left)]
    assert most_within(late_first, 1.0, closed=False) > 50


def test_taking_what_was_refused_is_a_bug() -> None:
    window = Window(1, 0.015)
    window.take(START)
    with pytest.raises(ValueError, match="before the rate limit"):
        window.take(START + 1.0)
    window.take(START + 1.0151)


@pytest.mark.parametrize("per_second, margin_s", [(0, 0.015), (50, -0.001)])
def test_a_window_needs_a_rate(per_second: int, margin_s: float) -> None:
    with pytest.raises(ValueError, match="positive rate"):
        Window(per_second, margin_s)


def test_departures_told_out_of_order_are_counted_at_the_newest() -> None:
    window = Window(2, 0.0)
    window.take(START + 0.5)
    window.take(START)
    assert window.delay(START + 1.2) == pytest.approx(0.3, abs=1e-5)
    window.spend(START)
    assert window.delay(START + 1.2) == pytest.approx(0.3, abs=1e-5)


def take_all(limiter: SessionLimiter, lane: Lane, now: float) -> int:
    count = 0
    while not limiter.delay(lane, now):
        limiter.take(lane, now)
        count += 1
    return count


@pytest.mark.parametrize(
    "per_second, others, cancels, session",
    [(50, 36, 10, 4), (100, 86, 10, 4), (25, 18, 5, 2), (12, 10, 2, 0), (4, 4, 0, 0), (1, 1, 0, 0)],
)
def test_rule_18_slots_are_kept_for_session_messages_and_cancels(
    per_second: int, others: int, cancels: int, session: int
) -> None:
    limiter = SessionLimiter(per_second, 0.015)
    assert limiter.left(START) == per_second
    assert limiter.left(START, Lane.OTHER) == others
    assert take_all(limiter, Lane.OTHER, START) == others
    assert take_all(limiter, Lane.CANCEL, START) == cancels
    assert take_all(limiter, Lane.SESSION, START) == session
    assert limiter.left(START) == 0


def test_rule_18_what_is_kept_is_not_lost() -> None:
    assert take_all(SessionLimiter(50, 0.015), Lane.SESSION, START) == 50
    assert take_all(SessionLimiter(50, 0.015), Lane.CANCEL, START) == 46


def test_rule_18_cancels_that_use_their_own_slots_take_none_from_the_others() -> None:
    limiter = SessionLimiter(50, 0.015)
    assert take_all(limiter, Lane.CANCEL, START) - 36 == 10
    limiter = SessionLimiter(50, 0.015)
    for _ in range(10):
        limiter.take(Lane.CANCEL, START)
    assert take_all(limiter, Lane.OTHER, START) == 36


def test_a_lane_may_not_take_what_it_was_refused() -> None:
    limiter = SessionLimiter(50, 0.015)
    take_all(limiter, Lane.OTHER, START)
    with pytest.raises(ValueError, match="other message left before"):
        limiter.take(Lane.OTHER, START)
    assert limiter.left(START) == 14


lanes = st.tuples(st.sampled_from([*Lane, None]), gaps)


@given(st.lists(lanes, max_size=150), st.integers(1, 60))
def test_rule_20_no_mix_of_lanes_exceeds_the_rate(asked: list[tuple[Lane | None, float]], per_second: int) -> None:
    limiter, now, times = SessionLimiter(per_second, 0.015), START, []
    for lane, gap in asked:
        now += gap
        if lane is None:
            limiter.spend(now, leave=1)
            continue
        now += limiter.delay(lane, now)
        limiter.take(lane, now)
        times.append((now, lane))
    assert most_within([time for time, _ in times], 1.015, closed=True) <= per_second
    others = [time for time, lane in times if lane is Lane.OTHER]
    assert most_within(others, 1.015, closed=True) <= SessionLimiter(per_second, 0.015).left(START, Lane.OTHER)


def test_rule_20_at_a_connect_only_the_logon_leaves_for_a_second() -> None:
    limiter = SessionLimiter(50, 0.015)
    limiter.spend(START, leave=1)
    limiter.take(Lane.SESSION, START)
    assert [limiter.delay(lane, START) for lane in Lane] == [pytest.approx(1.015, abs=1e-5)] * 3
    assert limiter.left(START + 1.0151) == 50


def test_rule_20_after_a_blocked_write_what_left_before_counts_from_now() -> None:
    limiter = SessionLimiter(50, 0.015)
    take_all(limiter, Lane.SESSION, START)
    limiter.spend(START + 0.9)
    assert limiter.left(START + 1.9) == 0
    assert limiter.left(START + 1.9151) == 50


def test_times_of_departures_stay_ordered() -> None:
    times = departures(Window(7, 0.015), [START + 0.01 * i for i in range(200)])
    assert all(before <= after for before, after in pairwise(times))


def test_used_counts_what_left_of_a_lane_within_the_window() -> None:
    limiter = SessionLimiter(50, 0.015)
    for step, lane in enumerate((Lane.SESSION, Lane.CANCEL, Lane.OTHER, Lane.OTHER)):
        limiter.take(lane, START + step / 10)
    assert [limiter.used(START + 0.5, lane) for lane in Lane] == [4, 3, 2]
    assert limiter.used(START + 1.25, Lane.OTHER) == 1
