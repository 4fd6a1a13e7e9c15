"""Limits as clients meet them: breaches, reference prices, and what becomes of orders when a client is gone."""

from decimal import Decimal

import pytest
import trio
from attrs import evolve

from primefixd.client import Refused
from primefixd.dispatch.risk import RiskLimits
from tests.support.scripted import ACCOUNT, settings, virtual_clock

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


async def test_rule_26_what_a_client_that_is_gone_submitted_is_cancelled(plane, autojump_clock):
    async with plane.connect("everything") as other:
        async with plane.connect("trader") as second:
            async with plane.connect("trader") as trader:
                assert await trader.call("connection.cancel_on_disconnect", enabled=True, grace_ms=2000) == {}
                await trader.submit(**ORDER, client_order_id="mine")
                await other.submit(**ORDER, client_order_id="other", portfolio="main")
                await trio.sleep(0.1)
                for key in ("mine", "other"):
                    text = f"35=8|1={ACCOUNT}|11={key}|37=V-{key}|17=E-{key}|20=0|150=0|39=0|54=1|55=BTC-USD|38=0.5"
                    await plane.venue.of("m-1").say(text)
            await trio.sleep(10)
            assert (await second.order("mine"))["cancel"] is None
        await trio.sleep(1.9)
        assert plane.venue.of("m-1").requests("F") == []
        await trio.sleep(0.2)
        assert [message.get(41) for message in plane.venue.of("m-1").requests("F")] == ["mine"]


@pytest.mark.parametrize("wrong", [{"grace_ms": -1}, {"grace_ms": 86_400_001}, {"grace_ms": 1.5}, {"enabled": 1}])
async def test_cancel_on_disconnect_is_read_strictly_and_needs_the_right_to_trade(plane, autojump_clock, wrong):
    async with plane.connect("trader") as trader, plane.connect("reader") as reader:
        refused = await refusal(trader.call("connection.cancel_on_disconnect", **{"enabled": True} | wrong))
        assert (refused.code, refused.data["field"]) == (-32602, f"params.{next(iter(wrong))}")
        assert (await refusal(reader.call("connection.cancel_on_disconnect", enabled=True))).code == -32001
        assert plane.desk.presence.wishes == {}
