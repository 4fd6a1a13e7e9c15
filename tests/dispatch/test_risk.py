"""One set of limits and one order: which limit it breaks, by how much, and what needs a price."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from attrs import evolve

from primefixd.dispatch.risk import Brake, Passage, Reference, RiskLimits, Standing, breach, fresh
from primefixd.orders.model import Order, OrderType, Side, Terms, TimeInForce

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
NOTHING = Standing(open_orders=0, notional=Decimal(0), newest_second=0, identical=0, rejected=0)
BUY = Terms(
    product_id="BTC-USD",
    side=Side.BUY,
    type=OrderType.LIMIT,
    base_quantity=Decimal("0.5"),
    limit_price=Decimal(50_000),
    time_in_force=TimeInForce.GOOD_UNTIL_CANCELLED,
)
SELL = evolve(BUY, side=Side.SELL)
MARKET = evolve(BUY, type=OrderType.MARKET, limit_price=None)
QUOTED = evolve(BUY, base_quantity=None, quote_value=Decimal(25_000))


def order(terms: Terms = BUY, **more: object) -> Order:
    made = Order(
        client_order_id="o", portfolio="main", session=None, terms=terms, client="c", created_at=NOW, updated_at=NOW
    )
    return evolve(made, **more)  # type: ignore[arg-type]


def broken(limits: RiskLimits, terms: Terms = BUY, reference: str | None = None, **standing: object) -> object:
    """The limit that a new order breaks, with the value, or None."""
    passage = Passage(before=None, after=order(terms))
    found = breach(limits, passage, evolve(NOTHING, **standing), Decimal(reference) if reference else None)  # type: ignore[arg-type]
    return None if found is None else (found.limit, found.value)


def most(key: str, value: object) -> RiskLimits:
    return RiskLimits(**{key: value})  # type: ignore[arg-type]


def test_without_limits_everything_passes() -> None:
    assert broken(RiskLimits(), MARKET, open_orders=10**6, notional=None, rejected=10**6) is None


@pytest.mark.parametrize(
    ("limits", "terms", "reference", "value"),
    [
        (most("products", frozenset({"ETH-USD"})), BUY, None, "BTC-USD"),
        (most("order_types", frozenset({OrderType.MARKET})), BUY, None, "LIMIT"),
        (most("order_base_quantity_max", {"BTC-USD": Decimal("0.49")}), BUY, None, Decimal("0.5")),
        (most("order_base_quantity_max", {"BTC-USD": Decimal("0.49")}), QUOTED, "50000", Decimal("0.5")),
        (most("order_base_quantity_max", {"BTC-USD": Decimal("0.6")}), QUOTED, "25000", Decimal(1)),  # cheaper is more
        (most("order_base_quantity_max", {"BTC-USD": Decimal("0.49")}), QUOTED, "60000", Decimal("0.5")),
        (most("order_base_quantity_max", {"BTC-USD": Decimal("0.49")}), QUOTED, None, None),
        (most("order_quote_value_max", Decimal(24_999)), BUY, None, Decimal(25_000)),
        (most("order_quote_value_max", Decimal(24_999)), QUOTED, None, Decimal(25_000)),
        (most("order_quote_value_max", Decimal(25_000)), SELL, "50002", Decimal(25_001)),  # sold at the market
        (most("order_quote_value_max", Decimal(25_000)), MARKET, "50002", Decimal(25_001)),
        (most("order_quote_value_max", Decimal(25_000)), MARKET, None, None),
        (most("price_collar_percent", Decimal(5)), BUY, "47000", Decimal("6.38297872340")),
        (most("price_collar_percent", Decimal(5)), BUY, "53000", Decimal("5.66037735849")),
        (most("price_collar_percent", Decimal(5)), BUY, None, None),
        (most("daily_notional_max", Decimal(24_999)), BUY, None, Decimal(25_000)),
        (most("daily_notional_max", Decimal(24_999)), MARKET, None, None),
    ],
)
def test_a_breach_tells_the_limit_and_the_value(
    limits: RiskLimits, terms: Terms, reference: str | None, value: object
) -> None:
    (key,) = [each for each in RiskLimits.__slots__ if getattr(limits, each, None) not in (None, {}, frozenset(), 10.0)]
    assert broken(limits, terms, reference) == (key, value)


@pytest.mark.parametrize(
    ("limits", "terms", "reference"),
    [
        (most("products", frozenset({"BTC-USD"})), BUY, None),
        (most("order_types", frozenset({OrderType.LIMIT})), BUY, None),
        (most("order_base_quantity_max", {"BTC-USD": Decimal("0.5")}), BUY, None),
        (most("order_base_quantity_max", {"ETH-USD": Decimal(0)}), QUOTED, None),
        (most("order_base_quantity_max", {"BTC-USD": Decimal("0.5")}), QUOTED, "50000"),
        (most("order_quote_value_max", Decimal(25_000)), BUY, "90000"),  # a purchase at 50000 at most
        (most("order_quote_value_max", Decimal(25_000)), SELL, None),
        (most("price_collar_percent", Decimal(5)), MARKET, None),  # it names no price
        (most("price_collar_percent", Decimal(25)), BUY, "40000"),
        (most("daily_notional_max", Decimal(25_000)), BUY, None),
    ],
)
def test_at_its_limit_an_order_passes(limits: RiskLimits, terms: Terms, reference: str | None) -> None:
    assert broken(limits, terms, reference) is None


def test_what_counts_already_counts() -> None:
    assert broken(most("open_orders_max", 3), open_orders=2) is None
    assert broken(most("open_orders_max", 3), open_orders=3) == ("open_orders_max", 4)
    assert broken(most("new_orders_per_second_max", 3), newest_second=2) is None
    assert broken(most("new_orders_per_second_max", 3), newest_second=3) == ("new_orders_per_second_max", 4)
    assert broken(most("identical_orders", Brake(max=2, per_s=1)), identical=1) is None
    assert broken(most("identical_orders", Brake(max=2, per_s=1)), identical=2) == ("identical_orders", 3)
    assert broken(most("rejects", Brake(max=2, per_s=1)), rejected=1) is None
    assert broken(most("rejects", Brake(max=2, per_s=1)), rejected=2) == ("rejects", 2)
    daily = most("daily_notional_max", Decimal(30_000))
    assert broken(daily, notional=Decimal(5_000)) is None
    assert broken(daily, notional=Decimal(5_001)) == ("daily_notional_max", Decimal(30_001))
    assert broken(daily, notional=None) == ("daily_notional_max", None)


def test_rule_29_a_replace_adds_only_what_it_is_larger_by_and_is_no_new_order() -> None:
    limits = RiskLimits(
        daily_notional_max=Decimal(30_000),
        open_orders_max=1,
        new_orders_per_second_max=1,
        identical_orders=Brake(max=1, per_s=1),
        rejects=Brake(max=1, per_s=1),
    )
    before = order(filled_quantity=Decimal("0.1"), filled_value=Decimal(5_000))
    standing = Standing(open_orders=1, notional=Decimal(25_000), newest_second=9, identical=9, rejected=9)

    def asked(quantity: str) -> object:
        after = evolve(before, terms=evolve(BUY, base_quantity=Decimal(quantity)))
        found = breach(limits, Passage(before=before, after=after), standing, None)
        return None if found is None else (found.limit, found.value)

    assert asked("0.6") is asked("0.2") is None
    assert asked("0.61") == ("daily_notional_max", Decimal(30_500))


def test_rules_15_and_25_an_order_that_counts_already_is_judged_by_what_stands() -> None:
    mine = order()
    again = Passage(before=mine, after=mine)
    full = evolve(NOTHING, open_orders=3, notional=Decimal(25_000), newest_second=9, identical=9)
    limits = RiskLimits(
        open_orders_max=3,
        daily_notional_max=Decimal(25_000),
        new_orders_per_second_max=1,
        rejects=Brake(max=1, per_s=1),
    )
    assert breach(limits, again, full, None) is None
    for changed, limit in (
        ({"open_orders_max": 2}, "open_orders_max"),
        ({"daily_notional_max": Decimal(24_999)}, "daily_notional_max"),
    ):
        found = breach(evolve(limits, **changed), again, full, None)
        assert found is not None and found.limit == limit
    found = breach(limits, again, evolve(full, rejected=1), None)
    assert found is not None and found.limit == "rejects"


def test_a_reference_is_fresh_up_to_its_maximum_age() -> None:
    limits = RiskLimits(reference_max_age_s=10)
    price = Reference(Decimal(5), NOW)
    assert fresh(None, limits, NOW) is None
    assert fresh(price, limits, NOW + timedelta(seconds=10)) == Decimal(5)
    assert fresh(price, limits, NOW + timedelta(seconds=10.001)) is None
