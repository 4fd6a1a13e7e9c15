from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primefixd.fix.timestamps import read_timestamp, timestamp


@given(st.datetimes(timezones=st.just(UTC)))
def test_what_is_written_is_read_cut_to_milliseconds(utc: datetime) -> None:
    assert read_timestamp(timestamp(utc)) == utc.replace(microsecond=utc.microsecond // 1000 * 1000)


def test_the_form_is_that_of_fix() -> None:
    assert timestamp(datetime(2026, 1, 2, 3, 4, 5, 6999, UTC)) == "20260102-03:04:05.006"


@pytest.mark.parametrize(
    ("text", "microsecond", "second"),
    [
        ("20260127-15:55:05", 0, 5),
        ("20260127-15:55:05.5", 500_000, 5),
        ("20260127-15:55:05.123456789", 123_456, 5),
        ("20260127-15:55:60.000", 0, 59),
    ],
)
def test_fractions_and_leap_seconds(text: str, microsecond: int, second: int) -> None:
    assert read_timestamp(text) == datetime(2026, 1, 27, 15, 55, second, microsecond, UTC)


@given(st.text() | st.from_regex(r"[0-9]{8}-[0-9]{2}:[0-9]{2}:[0-9]{2}", fullmatch=True))
def test_anything_else_is_none_and_never_raises(text: str) -> None:
    read_timestamp(text)


@pytest.mark.parametrize(
    "text",
    ["", "20260230-00:00:00", "20260101-24:00:00", "20260101-00:00:61", "2026-01-01T00:00:00Z", "٢0260101-00:00:00"],
)
def test_no_timestamp(text: str) -> None:
    assert read_timestamp(text) is None
