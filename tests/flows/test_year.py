"""Trading days for years, in virtual time: every restart is complete, and every order is accounted for."""

from collections import Counter
from datetime import date

import pytest
import trio
from trio.testing import MockClock

from tests.support.years import Accounts, Years


async def days(first: date, number: int, sessions: int) -> Accounts:
    async with trio.open_nursery() as nursery:
        years = Years(nursery, first, number, sessions)
        accounts = await years.run()
        nursery.cancel_scope.cancel()
    assert accounts.faults == [] and accounts.days == number
    assert accounts.restarts == number * 2 * sessions, "each session came back at its first attempt"
    assert years.venue.logons == (number + 1) * 2 * sessions and years.venue.refused == 0
    over = sum(count for kind, count in Counter(key.rsplit("-", 1)[1] for key in years.venue.orders).items())
    assert accounts.ended.total() + over == accounts.placed and over <= 2, "but for those that are to be filled later"
    return accounts


@pytest.mark.timeout(600)
async def test_a_year_of_trading_days_with_one_session_in_each_of_two_portfolios(autojump_clock: MockClock) -> None:
    accounts = await days(date(2026, 1, 1), 365, sessions=1)
    assert accounts.placed == 3894 and accounts.most_kept < 1_000, "what is over is forgotten"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", [date(2026, 3, 1), date(2026, 10, 25)])
async def test_the_two_weeks_around_each_clock_change_with_two_portfolios_of_seven_sessions(
    autojump_clock: MockClock, first: date
) -> None:
    accounts = await days(first, 15, sessions=7)
    assert accounts.ended.keys() == {"FILLED", "CANCELLED"}


@pytest.mark.full
@pytest.mark.timeout(7200)
async def test_a_full_leap_year_with_two_portfolios_of_seven_sessions(autojump_clock: MockClock) -> None:
    await days(date(2028, 1, 1), 366, sessions=7)
