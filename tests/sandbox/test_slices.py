"""TWAP and VWAP trade over time: how much when, within which limit, until what end."""

from decimal import Decimal
from typing import Any

import pytest

TIMES = "168=20261123-15:00:10|126=20261123-15:01:50"
ORDER = "11=a|38=1|40=2|44=60100|54=1|55=BTC-USD|59=6|{times}|847={kind}"


def place(desk: Any, kind: str = "T", times: str = TIMES) -> list[str]:
    return list(desk.say(ORDER.format(kind=kind, times=times)))


@pytest.mark.parametrize(
    ("kind", "sums"),
    [("T", "0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1"), ("V", "0.15 0.25 0.34 0.42 0.5 0.58 0.66 0.75 0.85 1")],
)
def test_ten_slices_from_the_start_time_on(desk: Any, kind: str, sums: str) -> None:
    assert place(desk, kind) == ["A/A", "0/0"]
    assert desk.wait(9.9) == [] and desk.filled() == 0
    desk.wait(0.1)
    filled = [desk.filled()]
    for _ in range(9):
        assert desk.wait(9.9) == []
        assert len(desk.wait(0.1, 150)) == 1
        filled.append(desk.filled())
    assert filled == [Decimal(text) for text in sums.split()]
    assert desk.order().status == "2"
    assert desk.wait(100) == []


def test_start_time_in_the_past_begins_at_acceptance(desk: Any) -> None:
    assert place(desk, times="168=20261123-14:00:00|126=20261123-15:00:10") == ["A/A", "0/0"]
    assert len(desk.wait(0)) == 1
    assert len(desk.wait(1)) == 1
    assert desk.filled() == Decimal("0.2")


def test_slice_beyond_the_limit_waits_and_is_made_up_for(desk: Any) -> None:
    place(desk)
    desk.price(60101)
    assert desk.wait(25) == []
    desk.price(60100)
    assert desk.filled() == 0  # between two slices nothing trades
    assert desk.wait(5, 32, 31) == ["32=0.3|31=60100"]


def test_what_the_last_slice_leaves_expires(desk: Any) -> None:
    place(desk)
    desk.wait(50)
    desk.price(61000)
    assert desk.wait(59.9) == []
    assert desk.wait(0.1, 150, 39, 14, 151) == ["150=C|39=C|14=0.5|151=0"]


def test_all_that_came_due_in_one_long_step_is_told_in_its_order_and_at_its_times(desk: Any) -> None:
    place(desk)
    assert desk.wait(1000, 14, 60)[::3] == [
        "14=0.1|60=20261123-15:00:10.000",
        "14=0.4|60=20261123-15:00:40.000",
        "14=0.7|60=20261123-15:01:10.000",
        "14=1|60=20261123-15:01:40.000",
    ]


def test_what_came_due_before_the_market_moved_is_traded_at_the_former_price(desk: Any) -> None:
    place(desk)
    desk.now = desk.now.later(12)
    assert desk.price(60050, 31, 60) == ["31=60000|60=20261123-15:00:10.000"]


def test_one_long_step_of_time_is_the_same_as_many_short_ones(desk: Any, accounts: Any, build: Any, now: Any) -> None:
    def trade(steps: list[float]) -> list[str]:
        other = type(desk)(accounts, build, now)
        for number in range(20):
            limit = f"38=1|40=2|44={Decimal(3000) - Decimal(number) / 2}|54=1|55=ETH-USD|59=6"
            other.say(f"11=l{number}|{limit}|126=20261123-15:0{number % 3 + 1}:00|847=L")
            other.say(f"11=t{number}|{limit}|{TIMES}|847=T")
        return [told for step in steps for told in other.wait(step, 11, 150, 31, 14)]

    assert trade([200.0]) == trade([2.5] * 80)


def test_order_sized_in_quote_spends_its_value_in_slices(desk: Any) -> None:
    text = ORDER.format(kind="T", times=TIMES).replace("38=1", "152=60060").replace("847=T", "847=T|8998=Y")
    desk.say(text)
    desk.wait(20)
    assert float(desk.order().value) == pytest.approx(12012, abs=0.01)
    desk.wait(80)
    assert desk.order().status == "2" and float(desk.order().value) == pytest.approx(60060, abs=0.01)


@pytest.mark.parametrize("rate", ["0.1", "10"])
def test_participation_trades_its_share_of_the_volume_until_done(desk: Any, rate: str) -> None:
    place(desk, times=f"168=20261123-15:00:10|849={rate}")
    assert desk.wait(10, 32) == ["32=0.5"]
    assert desk.wait(4.9) == []
    assert desk.wait(0.1, 39, 32) == ["39=2|32=0.5"]
    assert desk.wait(100) == []


def test_participation_with_an_expiry_time_ends_there(desk: Any) -> None:
    place(desk, times=f"{TIMES}|849=0.001")
    assert desk.wait(1000, 150)[-1] == "150=C"
    assert desk.filled() == Decimal("0.005") * 20


def test_held_slices_are_made_up_for_when_released(desk: Any) -> None:
    place(desk)
    desk.exchange.hold(True, desk.now)
    assert desk.wait(35) == []
    desk.exchange.hold(False, desk.now)
    assert desk.filled() == Decimal("0.3")


def test_cancelled_order_trades_no_more(desk: Any) -> None:
    place(desk)
    desk.wait(20)
    desk.ask(f"35=F|11=c|41=a|37={desk.order().order_id}")
    assert desk.wait(1000) == [] and desk.filled() == Decimal("0.2")
