"""What becomes of an order at a price, by the table of prime-fix.md section 7, and how it is split."""

from decimal import Decimal
from random import Random

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from primefixd.sandbox.asks import NewOrder
from primefixd.sandbox.matching import PARTS_MAX, Fate, crosses, fate, parts

BUY = NewOrder(
    client_order_id="o", account="p", product_id="BTC-USD", side="1", order_type="2", strategy="L", time_in_force="1",
    quantity=Decimal(1), cash=None, price=Decimal(100), exec_inst=None, expires=None,
)  # fmt: skip
POST_ONLY = {"exec_inst": "A"}


@pytest.mark.parametrize(
    ("side", "price", "yes"), [("1", 100, True), ("1", 101, False), ("2", 100, True), ("2", 99, False)]
)
def test_a_limit_is_crossed_at_its_price_or_better(side: str, price: int, yes: bool) -> None:
    assert crosses(evolve(BUY, side=side), Decimal(price)) is yes
    assert crosses(evolve(BUY, side=side, price=None), Decimal(price))


@pytest.mark.parametrize(
    ("change", "crossed", "uncrossed"),
    [
        ({"time_in_force": "1"}, Fate.FILL, Fate.REST),
        ({"time_in_force": "6"}, Fate.FILL, Fate.REST),
        ({"time_in_force": "3"}, Fate.FILL, Fate.CANCEL),
        ({"time_in_force": "4"}, Fate.FILL, Fate.REJECT),
        (POST_ONLY, Fate.REJECT, Fate.REST),
    ],
)
def test_fate_by_time_in_force(change: dict[str, str], crossed: Fate, uncrossed: Fate) -> None:
    ask = evolve(BUY, **change)
    assert (fate(ask, Decimal(90)), fate(ask, Decimal(110))) == (crossed, uncrossed)


@given(st.decimals(Decimal("1e-8"), Decimal("1e9"), places=8), st.integers())
def test_one_to_three_positive_parts_sum_to_the_whole(quantity: Decimal, seed: int) -> None:
    split = parts(quantity, Random(seed))
    assert 1 <= len(split) <= PARTS_MAX and all(part > 0 for part in split) and sum(split) == quantity
    assert split == parts(quantity, Random(seed))
