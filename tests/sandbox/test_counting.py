"""The venue's fixed seconds and the sliding one, against counting by hand."""

from hypothesis import given
from hypothesis import strategies as st

from primefixd.sandbox.counting import Bucket, BusiestSecond, FixedWindow

TIMES = st.lists(st.floats(0, 20, allow_nan=False), max_size=60).map(sorted)


@given(TIMES, st.integers(1, 10))
def test_a_fixed_second_refuses_what_is_beyond_its_limit_and_nothing_else(times: list[float], limit: int) -> None:
    window = FixedWindow(limit)
    seen: dict[int, int] = {}
    for time in times:
        seen[int(time)] = seen.get(int(time), 0) + 1
        assert window.over(time) == (seen[int(time)] > limit)


def test_two_bursts_around_a_full_second_are_within_fixed_windows_and_not_within_the_sliding_one() -> None:
    window, busiest = FixedWindow(50), BusiestSecond()
    for n in range(100):
        time = 0.99 if n < 50 else 1.01
        assert not window.over(time)
        busiest.add(time)
    assert busiest.most == 100


def test_without_a_limit_nothing_is_over() -> None:
    assert not any(FixedWindow(None).over(0.0) for _ in range(1000))


@given(TIMES)
def test_the_busiest_second_is_the_most_in_any_second(times: list[float]) -> None:
    busiest = BusiestSecond()
    for time in times:
        busiest.add(time)
    assert busiest.most == max((sum(end - 1.0 < time <= end for time in times) for end in times), default=0)


def test_a_bucket_gives_its_burst_at_once_and_then_its_rate() -> None:
    bucket = Bucket(25, 50)
    assert [bucket.over(100.0) for _ in range(51)] == [False] * 50 + [True]
    assert [bucket.over(100.1) for _ in range(3)] == [False, False, True]
    assert [bucket.over(1000.0) for _ in range(51)] == [False] * 50 + [True]
    assert not any(Bucket(None, 1).over(0.0) for _ in range(1000))
