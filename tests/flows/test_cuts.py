"""Connections cut, fills while nobody listens, and the window over open orders: nothing is lost, doubled or forgotten.

As in `test_kills`, with a daemon that lives on (order-rules.md 5, 12 and 17).
"""

import signal
from pathlib import Path
from random import Random

import pytest
import trio

from primefixd.client import Client, Refused
from tests.support.ordeal import SHAPES, all_active, quiet_world, settled, steady_world
from tests.support.steady import Steady
from tests.support.world import RESTING, agree, booked, until, until_ready

CUTS = 12
LONG = pytest.mark.full


async def cut_one(oracle: Client, how: str, draw: Random, sessions: int) -> None:
    """End one connection, or all of them."""
    victim = draw.choice([*(f"p0s{n}-account" for n in range(sessions)), None])
    await oracle.call("venue.drop", service_account_id=victim, how=how)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("alone", "close"),
        ("rest", "reset"),
        pytest.param("drop-copy", "reset", marks=LONG),
        pytest.param("alone", "reset", marks=LONG),
        pytest.param("rest", "logout", marks=LONG),
    ],
)
async def test_connections_cut_at_random(tmp_path: Path, name: str, how: str) -> None:
    shape, draw = SHAPES[name], Random(f"{name}/{how}")
    async with steady_world(tmp_path, shape, 7) as (made, steady, oracle):
        await made.start_daemon()
        async with made.desk() as desk:
            await all_active(desk)
        for _ in range(CUTS):
            await trio.sleep(draw.uniform(0.1, 0.7))
            await cut_one(oracle, how, draw, shape.sessions)
        await settled(made, steady, oracle, shape)


async def test_an_acknowledgement_lost_on_a_live_connection_is_found_by_rest(tmp_path: Path) -> None:
    """The next message shows that words were lost: what waited for one is in doubt, and is asked about."""
    async with quiet_world(tmp_path, SHAPES["rest-own-ids"]) as (made, oracle):
        await made.start_daemon()
        async with made.desk() as desk, desk.subscribe() as events:
            await until_ready(desk)
            await oracle.call("venue.skip", service_account_id="p0s0-account", count=2, lose=True)
            await desk.submit(client_order_id="lost", **RESTING)
            with trio.fail_after(10):
                while "lost" not in await booked(oracle):
                    await trio.sleep(0.02)
            await trio.sleep(0.2)  # both its reports, the one that it is pending and the one that it rests
            await desk.submit(client_order_id="next", **RESTING)
            with trio.fail_after(10):
                async for event in events:
                    if event["type"] == "order.in_doubt":
                        break
            assert event["order"]["client_order_id"] == "lost"
            for key in ("lost", "next"):
                agree(await until(desk, key, status="OPEN", in_doubt=False), (await booked(oracle))[key])


async def fill_and_forget(oracle: Client, steady: Steady, draw: Random) -> None:
    """Fill some of what rests; of some of that the venue says nothing until it is asked."""
    keys = [key for key in steady.resting if key in steady.acknowledged()]
    for key in draw.sample(keys, min(len(keys), 6)):
        try:
            if draw.random() < 0.5:
                await oracle.call("venue.forget", client_order_id=key)
            await oracle.call("venue.fill", client_order_id=key, quantity="0.001")
        except Refused:
            continue  # final, or it never arrived


@pytest.mark.parametrize("name", ["alone", pytest.param("rest", marks=LONG), pytest.param("rest-own-ids", marks=LONG)])
async def test_sessions_dropped_while_fills_happen(tmp_path: Path, name: str) -> None:
    shape, draw = SHAPES[name], Random(name)
    async with steady_world(tmp_path, shape, 8) as (made, steady, oracle):
        await made.start_daemon()
        async with made.desk() as desk:
            await all_active(desk)
        for _ in range(6):
            await oracle.call("venue.hold_fills", on=True)
            await trio.sleep(draw.uniform(0.3, 0.8))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fill_and_forget, oracle, steady, draw)
                nursery.start_soon(cut_one, oracle, "reset", draw, shape.sessions)
            await oracle.call("venue.hold_fills", on=False)
            await trio.sleep(draw.uniform(0.1, 0.5))
        steady.ended = True
        await oracle.call("venue.drop", how="close")  # what was forgotten is asked about when a session returns
        await settled(made, steady, oracle, shape)


@pytest.mark.parametrize(
    ("name", "killed"),
    [("rest", True), pytest.param("rest", False, marks=LONG), pytest.param("alone", True, marks=LONG)],
)
async def test_the_window_closes_on_open_orders(tmp_path: Path, name: str, killed: bool) -> None:
    """The market moves on meanwhile, and the client asks in vain; `killed`: the daemon dies inside it."""
    shape = SHAPES[name]
    async with steady_world(tmp_path, shape, 9) as (made, steady, oracle):
        await made.start_daemon()
        async with made.desk() as desk:
            await all_active(desk)
        await trio.sleep(2.5)
        await oracle.call("venue.window", state="closed")
        await trio.sleep(1.5)
        if killed:
            await made.end("daemon", signal.SIGKILL)
        await oracle.call("venue.window", state="open")
        if killed:
            await made.start_daemon()
        await settled(made, steady, oracle, shape)
