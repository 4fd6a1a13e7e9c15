"""Every order type, replaces and quotes, with real processes and TLS, against the venue's own book."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trio

from primefixd.client import Client, Refused
from tests.support.world import CROSSING, RESTING, agree, booked, until, world


def later(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


async def heard(events: Any, kind: str) -> dict[str, Any]:
    """The next event of that kind."""
    with trio.fail_after(20):
        async for event in events:
            if event["type"] == kind:
                return event
    raise AssertionError(kind)


async def replace(desk: Client, key: str, new: str, **changed: str) -> dict[str, Any]:
    return await desk.call("order.replace", client_order_id=key, new_client_order_id=new, **changed)


@pytest.mark.parametrize("kind", ["TWAP", "VWAP"])
async def test_a_strategy_over_time_fills_in_slices(tmp_path: Path, kind: str) -> None:
    async with world(tmp_path, sessions=1) as (_, desk, oracle):
        terms = CROSSING | {
            "type": kind,
            "time_in_force": "GOOD_UNTIL_DATE_TIME",
            "start_time": later(0.2),
            "expiry_time": later(3),
        }
        await desk.submit(client_order_id="slow", **terms)
        order = await until(desk, "slow", status="FILLED")
        at_venue = (await booked(oracle))["slow"]
        agree(order, at_venue)
        assert len(at_venue["fills"]) > 1


async def test_a_stop_rests_until_the_market_touches_it(tmp_path: Path) -> None:
    async with world(tmp_path, sessions=1) as (_, desk, oracle):
        await oracle.call("venue.price", product_id="BTC-USD", price="60000")
        stop = CROSSING | {"type": "STOP_LIMIT", "stop_price": "61000", "limit_price": "62000"}
        await desk.submit(client_order_id="stop", **stop)
        await until(desk, "stop", status="OPEN")
        await trio.sleep(0.5)
        assert (await desk.order("stop"))["filled_quantity"] == "0"
        await oracle.call("venue.price", product_id="BTC-USD", price="61500")
        agree(await until(desk, "stop", status="FILLED"), (await booked(oracle))["stop"])


async def test_a_peg_is_taken_and_cancelled(tmp_path: Path) -> None:
    async with world(tmp_path, sessions=1) as (_, desk, oracle):
        peg = RESTING | {"type": "PEG", "peg_offset_type": "PEG_OFFSET_TYPE_PRICE", "offset": "5"}
        await desk.submit(client_order_id="peg", **peg)
        await until(desk, "peg", status="OPEN")
        await desk.cancel("peg")
        agree(await until(desk, "peg", status="CANCELLED"), (await booked(oracle))["peg"])


async def test_a_replace_changes_the_order_at_the_venue_and_every_id_finds_it(tmp_path: Path) -> None:
    async with world(tmp_path, sessions=2) as (_, desk, oracle):
        await desk.submit(client_order_id="one", **RESTING)
        await until(desk, "one", status="OPEN")
        told = await replace(desk, "one", "two", base_quantity="0.02", limit_price="1001")
        assert told["client_order_id"] == "two" and not told["duplicate"]
        order = await until(desk, "one", client_order_id="two")
        assert (order["base_quantity"], order["limit_price"], order["chain"]) == ("0.02", "1001", ["one", "two"])
        assert (await desk.order("two")) == order and order["original_client_order_id"] == "one"
        await oracle.call("venue.fill", client_order_id="two", quantity="0.005")
        await until(desk, "one", filled_quantity="0.005")
        await replace(desk, "two", "three", base_quantity="0.015")
        await until(desk, "one", client_order_id="three")
        await desk.cancel("one")
        order = await until(desk, "three", status="CANCELLED")
        assert (order["filled_quantity"], order["cancelled_quantity"]) == ("0.005", "0.010")


async def test_a_replace_that_the_venue_refuses_leaves_the_order_as_it_was(tmp_path: Path) -> None:
    async with world(tmp_path, sessions=1) as (_, desk, oracle), desk.subscribe() as events:
        await oracle.call("venue.hold_fills", on=True)
        await desk.submit(client_order_id="one", **CROSSING)
        await until(desk, "one", status="OPEN")
        await oracle.call("venue.delay", ms=300)
        await oracle.call("venue.fill", client_order_id="one")
        await replace(desk, "one", "two", base_quantity="0.02")
        await heard(events, "order.replace_rejected")
        order = await until(desk, "one", status="FILLED")
        assert order["client_order_id"] == "one" and order["replace"] is None
        agree(order, (await booked(oracle))["one"])


async def test_a_quote_is_asked_for_and_accepted_before_its_time_runs_out(tmp_path: Path) -> None:
    ask = {"product_id": "BTC-USD", "side": "BUY", "base_quantity": "0.01", "limit_price": "900000"}
    async with world(tmp_path, sessions=1) as (_, desk, oracle), desk.subscribe() as events:
        asked = await desk.call("quote.request", **ask)
        quote = (await heard(events, "quote.received"))["quote"]
        assert quote["quote_request_id"] == asked["quote_request_id"]
        terms = {"product_id": "BTC-USD", "side": "BUY", "base_quantity": "0.01", "limit_price": quote["price"]}
        await desk.call("order.submit", client_order_id="taken", type="RFQ", quote_id=quote["quote_id"], **terms)
        agree(await until(desk, "taken", status="FILLED"), (await booked(oracle))["taken"])
        with pytest.raises(Refused) as refused:
            await desk.call("order.submit", client_order_id="foreign", type="RFQ", quote_id="nobody's", **terms)
        assert refused.value.data["field"] == "params.quote_id"
        await desk.call("quote.request", **ask | {"product_id": "NONE-USD"})
        assert "unknown" in str(await heard(events, "quote.rejected"))


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({"type": "TWAP", "time_in_force": "GOOD_UNTIL_DATE_TIME"}, "params.start_time"),
        ({"type": "STOP_LIMIT"}, "params.stop_price"),
        ({"type": "PEG", "offset": "5"}, "params.peg_offset_type"),
        ({"type": "LIMIT", "wig_level": "5"}, "params.wig_level"),
        ({"type": "MARKET"}, "params.limit_price"),
    ],
)
async def test_what_the_venue_would_refuse_never_reaches_it(tmp_path: Path, terms: dict, field: str) -> None:
    async with world(tmp_path, sessions=1) as (_, desk, oracle):
        with pytest.raises(Refused) as refused:
            await desk.call("order.submit", client_order_id="no", **RESTING | terms)
        assert refused.value.data["field"] == field
        assert "no" not in await booked(oracle)
