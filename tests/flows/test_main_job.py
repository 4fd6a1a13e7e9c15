"""The main job with real processes, real TLS and the venue's book as the oracle."""

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import trio

from primefixd.client import Client
from tests.support.world import CROSSING, RESTING, agree, booked, until, until_ready, world


async def outcome(desk: Client, key: str, terms: Mapping[str, Any]) -> dict[str, Any]:
    """Submit, and the order once it is final or rests."""
    await desk.submit(client_order_id=key, **terms)
    with trio.fail_after(20):
        while (order := await desk.order(key))["status"] in ("QUEUED", "SENT", "PENDING"):
            await trio.sleep(0.02)
    return order


async def test_every_kind_of_order_comes_to_its_end_and_agrees_with_the_venues_book(tmp_path: Path) -> None:
    soon = {"time_in_force": "GOOD_UNTIL_DATE_TIME"}
    kinds: dict[str, tuple[dict[str, Any], str]] = {
        "gtc": (CROSSING, "FILLED"),
        "ioc": (CROSSING | {"time_in_force": "IMMEDIATE_OR_CANCEL"}, "FILLED"),
        "ioc-away": (RESTING | {"time_in_force": "IMMEDIATE_OR_CANCEL"}, "CANCELLED"),
        "fok": (CROSSING | {"time_in_force": "FILL_OR_KILL"}, "FILLED"),
        "fok-away": (RESTING | {"time_in_force": "FILL_OR_KILL"}, "REJECTED"),
        "gtd": (CROSSING | soon | {"expiry_time": "2099-01-01T00:00:00Z"}, "FILLED"),
        "post": (RESTING | {"post_only": True}, "OPEN"),
        "post-crossing": (CROSSING | {"post_only": True}, "REJECTED"),
        "sell": (CROSSING | {"side": "SELL", "limit_price": "1000"}, "FILLED"),
        "unknown": (RESTING | {"product_id": "NONE-USD"}, "REJECTED"),
        "market": ({"product_id": "ETH-USD", "side": "SELL", "type": "MARKET", "base_quantity": "0.5"}, "FILLED"),
        "by-value": ({"product_id": "SOL-USD", "side": "BUY", "type": "MARKET", "quote_value": "250.00"}, "FILLED"),
    }
    async with world(tmp_path) as (_, desk, oracle):
        for key, (terms, _ends) in kinds.items():
            await desk.submit(client_order_id=key, **terms)
        for key, (_terms, ends) in kinds.items():
            order = await until(desk, key, status=ends)
            agree(order, (await booked(oracle))[key])
        assert (await desk.order("unknown"))["reject_reason"] == "unknown_symbol"
        await desk.cancel("post")
        agree(await until(desk, "post", status="CANCELLED"), (await booked(oracle))["post"])


async def test_a_limit_order_expires_at_its_time(tmp_path: Path) -> None:
    async with world(tmp_path, sessions=1) as (_, desk, oracle):
        info = await desk.info()
        expiry = info["time"][:17] + f"{(int(info['time'][17:19]) + 2) % 60:02}Z"
        if expiry < info["time"]:  # over the minute: the test would need a calendar
            await trio.sleep(3)
            expiry = (await desk.info())["time"][:17] + "30Z"
        terms = RESTING | {"time_in_force": "GOOD_UNTIL_DATE_TIME", "expiry_time": expiry}
        await desk.submit(client_order_id="short", **terms)
        agree(await until(desk, "short", status="EXPIRED"), (await booked(oracle))["short"])


async def test_events_tell_the_whole_life_with_fees_as_the_venue_charges_them(tmp_path: Path) -> None:
    async with world(tmp_path, sessions=1) as (_, desk, oracle), desk.subscribe() as events:
        await oracle.call("venue.hold_fills", on=True)
        await desk.submit(client_order_id="one", **CROSSING)
        await until(desk, "one", status="OPEN")
        await oracle.call("venue.fill", client_order_id="one", quantity="0.004", price="50000")
        await oracle.call("venue.fill", client_order_id="one", quantity="0.006", price="50010")
        told = []
        with trio.fail_after(10):
            async for event in events:
                if event["type"].startswith("order."):
                    told.append(event)
                    if event["type"] == "order.updated" and event["order"]["status"] == "FILLED":
                        break
    statuses = [e["order"]["status"] for e in told if e["type"] == "order.updated"]
    assert list(dict.fromkeys(statuses)) == ["QUEUED", "SENT", "PENDING", "OPEN", "FILLED"]
    fills = [e["fill"] for e in told if e["type"] == "order.filled"]
    assert [(f["last_quantity"], f["last_price"], f["source"]) for f in fills] == [
        ("0.004", "50000", "p0s0"),
        ("0.006", "50010", "p0s0"),
    ]
    assert float(fills[0]["commission"]) == 0.004 * 50000 * 0.001
    assert sum(float(fee["amount"]) for fee in fills[0]["fees"]) == float(fills[0]["commission"])
    assert [b["previous"] for b in told[1:]] == [a["cursor"] for a in told[:-1]]
    order = told[-1]["order"]
    assert float(order["filled_value"]) == 0.004 * 50000 + 0.006 * 50010


async def test_a_busted_and_a_corrected_execution_are_told_and_the_totals_follow(tmp_path: Path) -> None:
    async with world(tmp_path, sessions=1) as (_, desk, oracle):
        await oracle.call("venue.hold_fills", on=True)
        await desk.submit(client_order_id="one", **RESTING)
        await until(desk, "one", status="OPEN")
        await oracle.call("venue.fill", client_order_id="one", quantity="0.002", price="1000")
        await oracle.call("venue.fill", client_order_id="one", quantity="0.003", price="1000")
        await until(desk, "one", filled_quantity="0.005")
        first, second = (await booked(oracle))["one"]["fills"]
        async with desk.subscribe() as events:
            await oracle.call("venue.bust", exec_id=first["exec_id"])
            await oracle.call("venue.correct", exec_id=second["exec_id"], quantity="0.004", price="990")
            types = []
            with trio.fail_after(10):
                async for event in events:
                    types.append(event["type"])
                    if "order.fill_corrected" in types:
                        break
        assert "order.fill_busted" in types
        order = await desk.order("one")
        assert (float(order["filled_quantity"]), float(order["filled_value"])) == (0.004, 0.004 * 990)


async def test_the_drop_copy_hears_everything_and_trades_nothing(tmp_path: Path) -> None:
    async with world(tmp_path, sessions=3, drop_copy=True) as (_, desk, oracle):
        for n in range(6):
            await outcome(desk, f"o{n}", CROSSING | {"product_id": ["BTC-USD", "ETH-USD"][n % 2]})
        sessions = {each["name"]: each for each in await desk.sessions()}
        tallies = {each["service_account_id"]: each for each in (await oracle.call("venue.sessions"))["sessions"]}
        assert sessions["p0s2"]["role"] == "drop_copy" and tallies["p0s2-account"]["orders"] == 0
        assert sessions["p0s2"]["received"] > 6
        book = await booked(oracle)
        for n in range(6):
            agree(await until(desk, f"o{n}", status="FILLED"), book[f"o{n}"])


async def test_sigterm_logs_out_and_ends_with_zero_and_the_venue_sees_an_orderly_end(tmp_path: Path) -> None:
    async with world(tmp_path) as (made, desk, oracle):
        await outcome(desk, "one", CROSSING)
        async with desk.subscribe() as events:
            made.processes["daemon"].send_signal(signal.SIGTERM)
            types = []
            try:
                async for event in events:
                    types.append(event["type"])
            except Exception as gone:
                assert "ConnectionLost" in type(gone).__name__
        assert "server.stopping" in types
        assert await made.ended("daemon") == 0
        tallies = (await oracle.call("venue.sessions"))["sessions"]
        assert not any(each["connected"] for each in tallies)


async def test_no_secret_reaches_the_log(tmp_path: Path) -> None:
    async with world(tmp_path) as (made, _desk, oracle):
        await oracle.call("venue.garble", what="junk")
        await oracle.call("venue.refuse_logon", on=True, text="bad key")
        await oracle.call("venue.drop", how="reset")
        await trio.sleep(1)
        await oracle.call("venue.refuse_logon", on=False)
        logged = (made.folder / "daemon.err").read_text() + (made.folder / "sandbox.err").read_text()
        secrets = [
            line.split("{value: ")[1].rstrip("}\n")
            for line in made.file.read_text().splitlines()
            if "{value: p" in line
        ]
        assert len(secrets) == 6 and not [secret for secret in secrets if secret in logged]
        assert "a-token-for-tests" not in logged and "554=" not in logged.replace("554=***", "")


async def test_seven_sessions_of_two_portfolios_trade_at_once(tmp_path: Path) -> None:
    async with world(tmp_path, portfolios=2, sessions=7, spread=True) as (_, desk, oracle):
        keys = [(f"p{n % 2}", f"o{n:03}") for n in range(120)]
        for n, (portfolio, key) in enumerate(keys):
            pin = f"{portfolio}s{n // 2 % 7}"
            await desk.submit(portfolio=portfolio, client_order_id=key, session=pin, ttl_ms=20_000, **CROSSING)
        with trio.fail_after(30):
            while any(each["open_orders"] for each in await desk.portfolios()):
                await trio.sleep(0.05)
        book = await booked(oracle)
        for portfolio, key in keys:
            agree(await desk.order(key, portfolio=portfolio), book[key])
        tallies = (await oracle.call("venue.sessions"))["sessions"]
        assert len(tallies) == 14 and all(each["orders"] >= 8 for each in tallies)
        assert not any(each["rejected"] for each in tallies)
        await until_ready(desk)
