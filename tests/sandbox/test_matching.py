"""Stops and pegs: what the market does to orders that wait for it or follow it."""

from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primefixd.sandbox import matching

STOP = "11=a|38=1|40=2|44={price}|54={side}|55=BTC-USD|59=1|99={stop}|847=SL"
PEG = "11=a|38=1|40=P|44={price}|54={side}|55=BTC-USD|59=1|836={kind}|211={offset}|847=P"


def peg(side: int = 1, kind: int = 0, offset: str = "100", price: int | None = None) -> str:
    return PEG.format(side=side, kind=kind, offset=offset, price=price or (65000 if side == 1 else 55000))


@pytest.mark.parametrize(
    ("side", "price", "path", "fills"),
    [
        (1, 60600, [59000, 60499.99], ""),
        (1, 60600, [60500], "60500"),
        (1, 60600, [60700], ""),
        (1, 60600, [60700, 60650, 60600], "60600"),
        (1, 60600, [60700, 59000], "60600"),
        (2, 59400, [61000, 59500.01], ""),
        (2, 59400, [59500], "59500"),
        (2, 59400, [59300, 59350, 59450], "59400"),
    ],
)
def test_stop_limit_waits_for_its_stop_and_then_is_a_limit_order(
    desk: Any, side: int, price: int, path: list[float], fills: str
) -> None:
    assert desk.say(STOP.format(side=side, price=price, stop=60500 if side == 1 else 59500)) == ["A/A", "0/0"]
    told = [answer for step in path for answer in desk.price(step, 31)]
    assert set(told) == ({f"31={fills}"} if fills else set())
    assert desk.filled() == (1 if fills else 0)


def test_stop_stays_triggered_and_shows_where_it_stands(desk: Any) -> None:
    desk.say(STOP.format(side=1, price=60600, stop=60500))
    assert matching.working_price(desk.order()) is None
    desk.price(60700)
    assert matching.working_price(desk.order()) == 60600


def test_stop_that_the_market_has_passed_already_is_a_limit_order_at_once(desk: Any) -> None:
    assert desk.say(STOP.format(side=1, price=60600, stop=59000), 31)[2] == "31=60000"
    assert desk.order().status == "2"


def test_stop_is_triggered_while_fills_are_held_and_fills_on_release(desk: Any) -> None:
    desk.say(STOP.format(side=1, price=60600, stop=60500))
    desk.exchange.hold(True, desk.now)
    desk.price(60550)
    desk.price(60000)
    assert desk.filled() == 0
    desk.exchange.hold(False, desk.now)
    assert desk.filled() == 1


def test_post_only_stop_that_would_take_ends_when_triggered(desk: Any) -> None:
    desk.say(STOP.format(side=1, price=60600, stop=60500) + "|18=A")
    assert desk.price(60500) == ["4/4"]


@pytest.mark.parametrize(
    ("side", "kind", "offset", "first", "second"),
    [
        (1, 0, "100", "59900", "60400"),
        (2, 0, "100", "60100", "59600"),
        (1, 1, "10", "59940", "60439.5"),
        (2, 1, "10", "60060", "59559.5"),
        (1, 4, "2", "59988", "60487.9"),
    ],
)
def test_peg_follows_the_market_at_its_offset(
    desk: Any, side: int, kind: int, offset: str, first: str, second: str
) -> None:
    assert desk.say(peg(side, kind, offset)) == ["A/A", "0/0"]
    assert desk.order().pegged == Decimal(first)
    assert desk.price(60500 if side == 1 else 59500) == []
    assert desk.order().pegged == Decimal(second)
    assert set(desk.price(float(second), 31)) == {f"31={second}"}
    assert desk.filled() == 1


def test_peg_never_goes_beyond_its_limit(desk: Any) -> None:
    desk.say(peg(price=59950))
    desk.price(61000)
    assert desk.order().pegged == 59950
    assert set(desk.price(59949, 31)) == {"31=59950"}


def test_small_steps_never_reach_a_peg_and_a_large_one_fills_it_at_its_price(desk: Any) -> None:
    desk.say(peg())
    for price in range(59950, 58000, -50):
        assert desk.price(price) == []
    assert set(desk.price(57000, 31)) == {"31=57950"}


@pytest.mark.parametrize(("side", "wig", "before", "at"), [(1, 59800, 59801, 59800), (2, 60200, 60199, 60200)])
def test_peg_fills_actively_at_its_wig_level(desk: Any, side: int, wig: int, before: int, at: int) -> None:
    desk.say(peg(side, offset="5000") + f"|8007={wig}")
    assert desk.price(before) == []
    assert set(desk.price(at, 31)) == {f"31={at}"}


def test_peg_does_not_take_at_a_wig_level_beyond_its_limit(desk: Any) -> None:
    desk.say(peg(offset="5000", price=59000) + "|8007=59800")
    assert desk.price(59800) == []


def test_peg_with_a_negative_offset_reaches_into_the_market(desk: Any) -> None:
    assert desk.say(peg(offset="-10"), 31)[2] == "31=60000"


def test_peg_without_distance_takes_and_post_only_forbids_it(desk: Any) -> None:
    assert desk.say(peg(offset="0") + "|18=A", 39, 103) == ["39=8|103=99"]
    assert desk.say(peg(offset="0").replace("11=a", "11=b"), 31)[2] == "31=60000"


def test_peg_expires_at_its_time(desk: Any) -> None:
    desk.say(peg().replace("59=1", "59=6|126=20261123-15:00:10"))
    assert desk.wait(10) == ["C/C"]


@pytest.mark.parametrize(
    ("side", "price", "yes"), [("1", 100, True), ("1", 101, False), ("2", 100, True), ("2", 99, False)]
)
def test_a_limit_is_crossed_at_its_price_or_better(side: str, price: int, yes: bool) -> None:
    assert matching.reaches(side, Decimal(price), Decimal(100)) is yes
    assert matching.reaches(side, Decimal(price), None)


@pytest.mark.parametrize(
    ("terms", "crossed", "uncrossed"),
    [
        ("59=1", "2", "0"),
        ("59=6|126=20261123-16:00:00", "2", "0"),
        ("59=3", "2", "4"),
        ("59=4", "2", "8"),
        ("59=1|18=A", "8", "0"),
    ],
)
def test_fate_by_time_in_force(desk: Any, terms: str, crossed: str, uncrossed: str) -> None:
    for name, price in (("crossed", 60001), ("uncrossed", 59999)):
        desk.say(f"11={name}|38=1|40=2|44={price}|54=1|55=BTC-USD|{terms}|847=L")
    assert (desk.order("crossed").status, desk.order("uncrossed").status) == (crossed, uncrossed)


@given(st.decimals(Decimal("1e-8"), Decimal("1e9"), places=8), st.integers())
def test_one_to_three_positive_parts_sum_to_the_whole(quantity: Decimal, seed: int) -> None:
    split = matching.parts(quantity, Random(seed))
    assert 1 <= len(split) <= matching.PARTS_MAX and all(part > 0 for part in split) and sum(split) == quantity
    assert split == matching.parts(quantity, Random(seed))
