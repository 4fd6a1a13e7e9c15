"""A Moment is one instant on two clocks."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from primefixd.clock import Moment

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_later_moves_both_clocks() -> None:
    assert Moment(1.0, NOON).later(2.5) == Moment(3.5, NOON + timedelta(seconds=2.5))


@pytest.mark.parametrize("utc", [datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1)))])
def test_only_aware_utc_is_taken(utc: datetime) -> None:
    with pytest.raises((ValueError, TypeError)):
        Moment(0.0, utc)
