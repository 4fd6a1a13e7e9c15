"""Limits as clients meet them: the error of a breach, and who may give reference prices."""

from decimal import Decimal

import pytest
from attrs import evolve

from primefixd.client import Refused
from primefixd.dispatch.risk import RiskLimits
from tests.support.scripted import settings, virtual_clock

ORDER = {
    "product_id": "BTC-USD",
    "side": "BUY",
    "type": "LIMIT",
    "base_quantity": "0.5",
    "limit_price": "50000",
    "time_in_force": "GOOD_UNTIL_CANCELLED",
}


def now() -> str:
    return virtual_clock().utc.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


async def refusal(call):
    with pytest.raises(Refused) as refused:
        await call
    return refused.value


def limit(plane, **limits):
    plane.desk.portfolios["main"].change(evolve(settings("m-1"), risk=RiskLimits(**limits)))


async def test_a_breach_is_32030_with_the_limit_and_the_value(plane, autojump_clock):
    limit(plane, order_quote_value_max=Decimal("24999.5"))
    async with plane.connect("trader") as trader:
        refused = await refusal(trader.submit(**ORDER, client_order_id="o-1"))
        assert (refused.code, refused.reason) == (-32030, "limit")
        told = {"limit": "order_quote_value_max", "value": "25000.0", "allowed": "24999.5", "scope": "portfolio main"}
        assert refused.data == told | {"reason": "limit", "sent": "no"}
        assert "order_quote_value_max of portfolio main is 24999.5, and this comes to 25000.0" in str(refused)
        assert (await refusal(trader.order("o-1"))).code == -32011


async def test_a_client_with_that_right_gives_prices_and_nothing_else(plane, autojump_clock):
    limit(plane, price_collar_percent=Decimal(5))
    price = {"product_id": "BTC-USD", "price": "51000", "time": now()}
    async with plane.connect("trader") as trader, plane.connect("prices") as prices:
        refused = await refusal(trader.submit(**ORDER))
        assert (refused.data["limit"], refused.data["value"]) == ("price_collar_percent", None)
        assert "reference.set" in str(refused)
        assert (await refusal(trader.call("reference.set", **price))).code == -32001
        assert (await refusal(prices.orders())).code == -32001
        assert (await refusal(prices.call("reference.set", **price, portfolio="second"))).code == -32001
        for wrong in ({"price": "0"}, {"price": 5}, {"time": "2026-03-02"}, {"product_id": "A B"}):
            refused = await refusal(prices.call("reference.set", **price | wrong))
            assert refused.code == -32602 and refused.data["field"] == f"params.{next(iter(wrong))}"
        refused = await refusal(prices.call("reference.set", **price | {"time": "2027-01-01T00:00:00Z"}))
        assert (refused.code, refused.data) == (-32602, {"field": "params.time", "what": refused.data["what"]})
        assert await prices.call("reference.set", **price) == {}
        assert (await trader.submit(**ORDER))["status"] == "QUEUED"
