"""Whatever dies or lies between daemon and venue, orders end alike on both sides, and none is doubled."""

import signal
from functools import partial
from pathlib import Path
from shutil import which

import pytest
import trio

from primefixd.client import Client, Refused
from tests.support.world import (
    CROSSING,
    RESTING,
    World,
    agree,
    booked,
    configuration,
    free_port,
    until,
    until_ready,
    world,
)

STUNNEL = which("stunnel4") or which("stunnel")
FINAL = ("FILLED", "CANCELLED", "REJECTED")


async def sessions(desk: Client) -> dict[str, dict]:
    return {each["name"]: each for each in await desk.sessions()}


async def settled(desk: Client, oracle: Client, keys: list[str]) -> None:
    """These orders are final, here as at the venue, fill by fill; in doubt only what never arrived there."""
    for key in keys:
        order: dict = {}
        with trio.move_on_after(30):
            while (order := await desk.order(key))["status"] not in FINAL:
                if order["in_doubt"] and key not in await booked(oracle):
                    break
                await trio.sleep(0.05)
        at_venue = (await booked(oracle)).get(key)
        if at_venue is not None:
            agree(order, at_venue)
        else:
            assert order["in_doubt"] or order["sent_at"] is None, order


@pytest.mark.parametrize("how", ["reset", "close", "logout"])
async def test_links_cut_while_orders_fly_lose_nothing_and_double_nothing(tmp_path: Path, how: str) -> None:
    """What the venue said to a dying link is heard on the drop copy: FIX cannot ask without the venue's OrderID."""
    async with world(tmp_path, sessions=4, drop_copy=True, spread=True) as (_, desk, oracle):
        await oracle.call("venue.delay", ms=30)
        keys = [f"o{n}" for n in range(90)]

        async def cut() -> None:
            for victim in ("p0s0", "p0s1", "p0s2", "p0s0"):
                await trio.sleep(0.4)
                await oracle.call("venue.drop", service_account_id=f"{victim}-account", how=how)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(cut)
            for n, key in enumerate(keys):
                product = ("BTC-USD", "ETH-USD", "SOL-USD")[n % 3]
                while True:
                    try:
                        await desk.submit(client_order_id=key, ttl_ms=20_000, **CROSSING | {"product_id": product})
                    except Refused as refused:
                        assert refused.reason == "no_session" and refused.data["sent"] == "no"
                        await trio.sleep(0.1)
                    else:
                        break
                await trio.sleep(0.02)
        await settled(desk, oracle, keys)


async def test_an_order_whose_only_answer_is_lost_stays_in_doubt_and_is_never_sent_again(tmp_path: Path) -> None:
    async with world(tmp_path, sessions=1) as (_, desk, oracle), desk.subscribe() as events:
        await oracle.call("venue.delay", ms=300)
        await desk.submit(client_order_id="lost", **CROSSING)
        with trio.fail_after(10):
            while "lost" not in await booked(oracle):
                await trio.sleep(0.01)
        await oracle.call("venue.drop", how="reset")
        with trio.fail_after(10):
            async for event in events:
                if event["type"] == "order.in_doubt":
                    assert event["order"]["client_order_id"] == "lost"
                    break
        await oracle.call("venue.delay", ms=0)
        await until_ready(desk)
        order = await desk.order("lost")
        assert order["status"] == "SENT" or not order["in_doubt"]
        assert (await booked(oracle))["lost"]["received"] == 1


@pytest.mark.parametrize("what", ["checksum", "length", "truncate", "junk"])
async def test_a_garbled_message_is_skipped_and_counted_and_the_next_is_heard(tmp_path: Path, what: str) -> None:
    async with world(tmp_path, sessions=2, heartbeat_s=2) as (made, desk, oracle):
        await desk.submit(client_order_id="held", session="p0s0", **RESTING)
        await until(desk, "held", status="OPEN")
        await oracle.call("venue.garble", service_account_id="p0s0-account", what=what)
        await oracle.call("venue.fill", client_order_id="held", quantity="0.004")
        await trio.sleep(0.3)
        await oracle.call("venue.fill", client_order_id="held", quantity="0.006")
        await desk.submit(client_order_id="other", session="p0s1", **CROSSING)
        await until(desk, "other", status="FILLED")
        order = await until(desk, "held", status="FILLED")
        assert order["filled_quantity"] in ("0.006", "0.010", "0.01")
        with trio.fail_after(10):
            while not any(line["event"] == "garbled" for line in made.log()):
                await trio.sleep(0.05)
        assert (await sessions(desk))["p0s1"]["state"] == "ACTIVE"


async def test_a_fill_that_was_lost_on_the_way_is_said_as_a_gap_at_once(tmp_path: Path) -> None:
    async with world(tmp_path, sessions=1) as (_, desk, oracle), desk.subscribe() as events:
        await desk.submit(client_order_id="held", **RESTING)
        await until(desk, "held", status="OPEN")
        await oracle.call("venue.skip", service_account_id="p0s0-account", count=1, lose=True)
        await oracle.call("venue.fill", client_order_id="held", quantity="0.004")
        await oracle.call("venue.fill", client_order_id="held", quantity="0.006")
        with trio.fail_after(15):
            async for event in events:
                if event["type"] == "order.fill_gap":
                    break
        order = await until(desk, "held", status="FILLED")
        assert float(order["filled_quantity"]) == 0.006  # only what was heard; nothing is invented


async def test_a_venue_that_falls_silent_is_left_and_found_again(tmp_path: Path) -> None:
    async with world(tmp_path, sessions=2, heartbeat_s=1) as (_, desk, oracle):
        before = (await sessions(desk))["p0s0"]["since"]
        await oracle.call("venue.mute", service_account_id="p0s0-account", on=True)
        with trio.fail_after(20):
            while (view := (await sessions(desk))["p0s0"])["state"] == "ACTIVE" and view["since"] == before:
                await trio.sleep(0.1)
        assert view["last_error"]
        assert (await sessions(desk))["p0s1"]["state"] == "ACTIVE"
        await oracle.call("venue.mute", service_account_id="p0s0-account", on=False)


async def test_a_refused_logon_is_said_in_words_and_the_others_trade_on(tmp_path: Path) -> None:
    async with world(tmp_path, sessions=2) as (_, desk, oracle):
        await oracle.call("venue.refuse_logon", on=True, text="key is disabled")
        await oracle.call("venue.drop", service_account_id="p0s0-account", how="reset")
        with trio.fail_after(20):
            while "key is disabled" not in ((view := (await sessions(desk))["p0s0"])["last_error"] or ""):
                await trio.sleep(0.05)
        assert view["state"] == "DOWN" and view["next_attempt_at"]
        await desk.submit(client_order_id="on", **CROSSING)
        assert (await until(desk, "on", status="FILLED"))["session"] == "p0s1"


async def test_without_any_session_orders_are_refused_and_cancels_are_kept(tmp_path: Path) -> None:
    async with world(tmp_path, sessions=1) as (_, desk, oracle):
        await desk.submit(client_order_id="rest", **RESTING)
        await until(desk, "rest", status="OPEN")
        await oracle.call("venue.window", state="closed")
        with trio.fail_after(10):
            while (await sessions(desk))["p0s0"]["state"] == "ACTIVE":
                await trio.sleep(0.02)
        with pytest.raises(Refused) as refused:
            await desk.submit(client_order_id="late", **CROSSING)
        assert (refused.value.reason, refused.value.data["sent"]) == ("no_session", "no")
        await desk.cancel("rest")
        assert (await desk.order("rest"))["cancel"]["state"] == "waiting"
        assert "late" not in await booked(oracle)


async def test_orders_that_the_venue_rejects_are_told_with_its_reason(tmp_path: Path) -> None:
    async with world(tmp_path, sessions=1) as (_, desk, oracle):
        await oracle.call("venue.reject", count=1, reason=3, text="position limit")
        await desk.submit(client_order_id="no", **CROSSING)
        order = await until(desk, "no", status="REJECTED")
        assert (order["reject_reason"], order["reject_text"]) == ("exceeds_limit", "position limit")
        agree(order, (await booked(oracle))["no"])


async def test_an_id_that_the_venue_has_seen_before_is_rejected_as_duplicate_and_nothing_is_doubled(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, sessions=1) as (made, desk, oracle):
        await desk.submit(client_order_id="once", **CROSSING)
        await until(desk, "once", status="FILLED")
        await made.end("daemon")
        (tmp_path / "state").rename(tmp_path / "lost")  # what the daemon knew is gone; the venue remembers
        await made.start_daemon()
        async with made.desk() as again:
            await until_ready(again)
            await again.submit(client_order_id="once", **CROSSING)
            order = await until(again, "once", status="REJECTED")
            assert order["reject_reason"] == "duplicate_order"
        assert len((await booked(oracle))["once"]["fills"]) >= 1


async def test_the_venue_dies_and_comes_back(tmp_path: Path) -> None:
    async with world(tmp_path, sessions=2) as (made, desk, _):
        await made.end("sandbox", signal.SIGKILL)
        with trio.fail_after(10):
            while any(each["state"] == "ACTIVE" for each in await desk.sessions()):
                await trio.sleep(0.05)
        await made.start_sandbox()
        await until_ready(desk)


@pytest.mark.skipif(STUNNEL is None, reason="stunnel is not installed; Debian's package is stunnel4")
async def test_through_a_real_stunnel_in_clear_on_the_loopback(tmp_path: Path) -> None:
    assert STUNNEL is not None
    venue_port, tunnel_port = free_port(), free_port()
    (tmp_path / "venue").mkdir()
    venue = World(tmp_path / "venue", configuration(tmp_path / "venue", venue_port=venue_port))
    daemon = World(tmp_path, configuration(tmp_path, venue_port=tunnel_port, tls=False))
    tunnel = tmp_path / "stunnel.conf"
    try:
        await venue.start_sandbox()
        tunnel.write_text(
            f"foreground = yes\npid =\n[prime]\nclient = yes\naccept = 127.0.0.1:{tunnel_port}\n"
            f"connect = 127.0.0.1:{venue_port}\nverifyChain = yes\nCAfile = {tmp_path / 'venue' / 'ca.pem'}\n"
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(trio.run_process, [STUNNEL, str(tunnel)], check=False, capture_stderr=True))
            await daemon.start_daemon()
            async with daemon.desk() as desk, venue.oracle() as oracle:
                await until_ready(desk)
                await desk.submit(client_order_id="tunnelled", **CROSSING)
                agree(await until(desk, "tunnelled", status="FILLED"), (await booked(oracle))["tunnelled"])
            nursery.cancel_scope.cancel()
    finally:
        for each in (daemon, venue):
            for name in list(each.processes):
                await each.end(name)
