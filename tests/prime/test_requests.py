"""Requests as the bodies that leave, and rule 22 for any decimal."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from primefixd.clock import Moment
from primefixd.fix import tags
from primefixd.orders.model import Order, OrderType, Request, RequestKind, Side, Terms, TimeInForce
from primefixd.prime.requests import encode

NOW = Moment(5.0, datetime(2026, 11, 23, 21, 54, 10, 123999, UTC))
LIMIT = Terms(
    product_id="BTC-USD",
    side=Side.BUY,
    type=OrderType.LIMIT,
    base_quantity=Decimal("0.0001"),
    limit_price=Decimal("87777.73"),
    time_in_force=TimeInForce.GOOD_UNTIL_CANCELLED,
)
MARKET = Terms(
    product_id="DOGE-USD",
    side=Side.SELL,
    type=OrderType.MARKET,
    quote_value=Decimal("250"),
    time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
)


def request(kind: RequestKind, terms: Terms, **order: Any) -> Request:
    fields = {"client_order_id": "mine-1", "order_id": "venue-1", "portfolio": "main", "session": "s", "client": "c"}
    held = Order(**{**fields, "terms": terms, "created_at": NOW.utc, "updated_at": NOW.utc, **order})
    return Request(kind=kind, request_id="request-1", order=held)


def text(request: Request) -> str:
    msg_type, body = encode(request, "portfolio-1", NOW)
    return "|".join([f"35={msg_type}", *(f"{tag}={value}" for tag, value in body)])


@pytest.mark.parametrize(
    "terms, expected",
    [
        (
            LIMIT,
            "35=D|1=portfolio-1|11=mine-1|21=1|38=0.0001|54=1|55=BTC-USD|40=2|44=87777.73|59=1"
            "|60=20261123-21:54:10.123|847=L",
        ),
        (
            evolve(LIMIT, post_only=True, side=Side.SELL),
            "35=D|1=portfolio-1|11=mine-1|18=A|21=1|38=0.0001|54=2|55=BTC-USD|40=2|44=87777.73|59=1"
            "|60=20261123-21:54:10.123|847=L",
        ),
        (
            evolve(
                LIMIT,
                time_in_force=TimeInForce.GOOD_UNTIL_DATE_TIME,
                expiry_time=datetime(2026, 11, 24, 16, 55, tzinfo=timezone(timedelta(hours=-5))),
            ),
            "35=D|1=portfolio-1|11=mine-1|21=1|38=0.0001|54=1|55=BTC-USD|40=2|44=87777.73|59=6"
            "|60=20261123-21:54:10.123|126=20261124-21:55:00.000|847=L",
        ),
        (
            evolve(LIMIT, time_in_force=TimeInForce.FILL_OR_KILL, base_quantity=None, quote_value=Decimal("8.80")),
            "35=D|1=portfolio-1|11=mine-1|21=1|152=8.80|54=1|55=BTC-USD|40=2|44=87777.73|59=4"
            "|60=20261123-21:54:10.123|847=L",
        ),
        (
            MARKET,
            "35=D|1=portfolio-1|11=mine-1|21=1|152=250|54=2|55=DOGE-USD|40=1|59=3|60=20261123-21:54:10.123|847=M",
        ),
    ],
)
def test_a_new_order(terms: Terms, expected: str) -> None:
    assert text(request(RequestKind.NEW_ORDER, terms, order_id=None)) == expected


@pytest.mark.parametrize(
    "terms, size, rest", [(LIMIT, "38=0.0001", "54=1|55=BTC-USD"), (MARKET, "152=250", "54=2|55=DOGE-USD")]
)
def test_a_cancel_has_an_id_of_its_own_and_the_size_of_its_order(terms: Terms, size: str, rest: str) -> None:
    assert text(request(RequestKind.CANCEL, terms)) == (
        f"35=F|1=portfolio-1|11=request-1|37=venue-1|41=mine-1|{size}|{rest}|60=20261123-21:54:10.123"
    )


def test_a_status_request_names_its_order_by_both_ids() -> None:
    assert text(request(RequestKind.STATUS, LIMIT)) == "35=H|11=mine-1|37=venue-1|54=1|55=BTC-USD"


@pytest.mark.parametrize("kind", [RequestKind.CANCEL, RequestKind.STATUS])
def test_rule_19_without_an_order_id_it_has_to_wait(kind: RequestKind) -> None:
    with pytest.raises(ValueError, match="before its OrderID"):
        encode(request(kind, LIMIT, order_id=None), "portfolio-1", NOW)


@pytest.mark.parametrize(
    "amount, expected",
    [("1E-8", "0.00000001"), ("1E+3", "1000"), ("0.10", "0.10"), ("5", "5"), ("0." + "1" * 39, "0." + "1" * 39)],
)
def test_rule_22_decimals_are_never_rounded(amount: str, expected: str) -> None:
    terms = evolve(LIMIT, base_quantity=Decimal(amount), limit_price=Decimal(amount))
    for kind in (RequestKind.NEW_ORDER, RequestKind.CANCEL):
        assert dict(encode(request(kind, terms), "p", NOW)[1])[tags.ORDER_QTY] == expected
    assert dict(encode(request(RequestKind.NEW_ORDER, terms), "p", NOW)[1])[tags.PRICE] == expected


@given(st.decimals(min_value=Decimal("1E-30"), max_value=Decimal("1E30"), allow_nan=False, allow_infinity=False))
def test_rule_22_any_decimal_goes_out_whole_and_without_an_exponent(amount: Decimal) -> None:
    terms = evolve(MARKET, quote_value=amount)
    out = dict(encode(request(RequestKind.NEW_ORDER, terms), "p", NOW)[1])[tags.CASH_ORDER_QTY]
    assert set(out) <= set("0123456789.")
    assert Decimal(out) == amount
