"""What the venue would refuse, as the tables of prime-fix.md section 3."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from primefixd.orders.model import OrderType, Side, Terms, TimeInForce
from primefixd.prime.strategies import Problem, problem
from primefixd.prime.venue import STRATEGIES

GTC, GTD = TimeInForce.GOOD_UNTIL_CANCELLED, TimeInForce.GOOD_UNTIL_DATE_TIME
IOC, FOK = TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL
LATER = datetime(2026, 11, 24, 16, 55, tzinfo=UTC)
PRICE = Decimal("100.5")


def limit(**change: Any) -> Terms:
    return terms(**{"type": OrderType.LIMIT, "time_in_force": GTC, "limit_price": PRICE, **change})


def market(**change: Any) -> Terms:
    return terms(**{"type": OrderType.MARKET, "time_in_force": IOC, **change})


def terms(**fields: Any) -> Terms:
    return Terms(**{"product_id": "BTC-USD", "side": Side.BUY, "base_quantity": Decimal("0.1"), **fields})


@pytest.mark.parametrize(
    "good",
    [
        limit(),
        limit(time_in_force=IOC),
        limit(time_in_force=FOK),
        limit(time_in_force=GTD, expiry_time=LATER),
        limit(post_only=True),
        limit(time_in_force=GTD, expiry_time=LATER, post_only=True),
        limit(base_quantity=None, quote_value=Decimal(500)),
        limit(side=Side.SELL, base_quantity=Decimal("1E-8")),
        market(),
        market(side=Side.SELL),
        market(base_quantity=None, quote_value=Decimal("0.01")),
    ],
)
def test_what_the_venue_takes_is_no_problem(good: Terms) -> None:
    assert problem(good) is None


@pytest.mark.parametrize(
    "bad, field, what",
    [
        (limit(limit_price=None), "limit_price", "is required for a LIMIT order"),
        (market(limit_price=PRICE), "limit_price", "cannot be given for a MARKET order"),
        (limit(base_quantity=None), "base_quantity", "or quote_value is required"),
        (market(base_quantity=None), "base_quantity", "or quote_value is required"),
        (limit(quote_value=Decimal(5)), "base_quantity", "cannot stand beside quote_value"),
        (market(quote_value=Decimal(5)), "base_quantity", "cannot stand beside quote_value"),
        (limit(time_in_force=GTD), "expiry_time", f"is required with {GTD}"),
        (limit(expiry_time=LATER), "expiry_time", f"can only be given with {GTD}"),
        (limit(time_in_force=IOC, expiry_time=LATER), "expiry_time", f"can only be given with {GTD}"),
        (limit(time_in_force=FOK, expiry_time=LATER), "expiry_time", f"can only be given with {GTD}"),
        (market(expiry_time=LATER), "expiry_time", "cannot be given for a MARKET order"),
        (
            limit(time_in_force=IOC, post_only=True),
            "post_only",
            f"cannot be given with {IOC}: such an order never rests",
        ),
        (
            limit(time_in_force=FOK, post_only=True),
            "post_only",
            f"cannot be given with {FOK}: such an order never rests",
        ),
        (market(post_only=True), "post_only", "cannot be given for a MARKET order"),
    ],
)
def test_what_is_missing_or_forbidden_is_named(bad: Terms, field: str, what: str) -> None:
    assert problem(bad) == Problem(field, what)


@pytest.mark.parametrize("tif", [GTC, GTD, FOK])
def test_a_market_order_is_immediate_or_cancel_only(tif: TimeInForce) -> None:
    assert problem(market(time_in_force=tif)) == Problem("time_in_force", f"must be {IOC} for a MARKET order")


@pytest.mark.parametrize("text", ["0", "-1", "-0.00000001", "NaN", "sNaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("field", ["base_quantity", "quote_value", "limit_price"])
def test_amounts_are_numbers_above_nothing(field: str, text: str) -> None:
    size = {"base_quantity": None} if field == "quote_value" else {}
    assert problem(limit(**{**size, field: Decimal(text)})) == Problem(field, "must be greater than 0")


def test_every_order_type_has_a_row_and_every_row_names_real_terms() -> None:
    assert set(STRATEGIES) == set(OrderType)
    names = {attribute.name for attribute in Terms.__attrs_attrs__}
    for row in STRATEGIES.values():
        assert row.required | row.optional <= names
        assert row.times_in_force
