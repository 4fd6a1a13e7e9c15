"""Killed at any instant, the daemon loses no order, sends none twice, tells every fill once (order-rules.md 1-5, 11).

Sandbox and daemon are processes; the daemon is killed again and again, at named points by itself and at random from
outside, while a client trades on. What only the killed process had read comes back by REST, or as one reconciled fill.
"""

import signal
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random

import pytest
import trio

from tests.support.agreement import replayed, total
from tests.support.killable import POINTS
from tests.support.ordeal import SHAPES, Shape, all_active, quiet_world, settled, steady_world
from tests.support.world import RESTING, World, booked, until, until_ready

FUSE_S = 15.0  # for a point to be crossed; then the daemon is killed from outside
RANDOM = "random"
KILLS_FULL = 240
NUMBERED = ("first", "in-replay", "in-events", "after-connect", "after-receive/A")  # crossed but once or twice a run


async def kill(made: World, point: str, draw: Random) -> bool:
    """Start a daemon and have it killed; whether it came to `point`."""
    if point == RANDOM:
        made.start_doomed(POINTS[0], 0)  # never burns
        await trio.sleep(draw.uniform(0.3, 4.5))
        assert await made.end("daemon", signal.SIGKILL) == -signal.SIGKILL
        return True
    made.start_doomed(point, 1 if point.endswith(NUMBERED) else draw.randint(1, 6))
    daemon = made.processes["daemon"]
    with trio.move_on_after(FUSE_S):
        while daemon.poll() is None:
            await trio.sleep(0.02)
    reached = daemon.poll() is not None
    daemon.kill()
    assert await made.ended("daemon") == -signal.SIGKILL, (made.folder / "daemon.err").read_text()[-4000:]
    return reached


@pytest.mark.parametrize("name", ["alone", "rest", "rest-own-ids"])
async def test_fills_that_only_the_killed_process_had_read_come_back(tmp_path: Path, name: str) -> None:
    """Rule 5: as what REST lists, fill by fill, where it is configured; else as one that agrees in sum."""
    shape = SHAPES[name]
    async with quiet_world(tmp_path, shape) as (made, oracle):
        await made.start_daemon()
        async with made.desk() as desk:
            await until_ready(desk)
            await desk.submit(client_order_id="one", **RESTING)
            await until(desk, "one", status="OPEN")
        await made.end("daemon", signal.SIGKILL)
        before = made.starts()
        made.start_doomed("before-commit/fill", 1)
        await made.started(before)
        async with made.desk() as desk:
            await until_ready(desk)
        await oracle.call("venue.delay", ms=300)  # so that both arrive at once
        await oracle.call("venue.fill", client_order_id="one", quantity="0.003", price="990")
        await oracle.call("venue.fill", client_order_id="one", quantity="0.004", price="1000")
        assert await made.ended("daemon") == -signal.SIGKILL
        await oracle.call("venue.delay", ms=0)
        await oracle.call("venue.fill", client_order_id="one", quantity="0.002", price="980")  # kept by the venue
        await made.start_daemon()
        async with made.desk() as desk:
            await until(desk, "one", filled_quantity="0.009")
            events = await replayed(desk)
        fills = [event["fill"] for event in events if event["type"] == "order.filled"]
        real = {(fill["exec_id"], fill["quantity"]) for fill in (await booked(oracle))["one"]["fills"]}
        heard = {(fill["exec_id"], fill["last_quantity"]) for fill in fills if fill["source"] != "reconciled"}
        assert total(fills) == Decimal("0.009") and sum(fill["source"].startswith("p0s") for fill in fills) == 1
        if not shape.rest:
            made_up = next(fill for fill in fills if fill["source"] == "reconciled")
            assert len(fills) == 2 and made_up["approximate"]
            assert round(Decimal(made_up["last_price"]) * 7, 9) == 990 * 3 + 1000 * 4
        else:
            assert len(fills) == 3 and (heard == real) == shape.named


async def ordeal(folder: Path, shape: Shape, plan: Sequence[str], seed: int, missed: list[str]) -> None:
    draw = Random(seed)
    async with steady_world(folder, shape, seed) as (made, steady, oracle):
        await made.start_daemon()
        async with made.desk() as desk:
            await all_active(desk)
        await made.end("daemon", signal.SIGKILL)
        for point in plan:
            if not await kill(made, point, draw):
                missed.append(point)
        await made.start_daemon()
        await settled(made, steady, oracle, shape)


async def ordeals(folder: Path, plan: Iterable[str]) -> list[str]:
    """The plan, spread over the shapes, all at once; points that were not come to in time."""
    points, missed = list(plan), list[str]()
    async with trio.open_nursery() as nursery:
        for n, (name, shape) in enumerate(SHAPES.items()):
            share = points[n :: len(SHAPES)]
            (folder / name).mkdir()
            nursery.start_soon(partial(ordeal, folder / name, shape, share, n, missed))
    return missed


async def test_a_kill_at_every_named_point_loses_and_doubles_nothing(tmp_path: Path) -> None:
    plan = [*POINTS, RANDOM, RANDOM, RANDOM, RANDOM]
    assert await ordeals(tmp_path, plan) == []


@pytest.mark.full
@pytest.mark.timeout(3600)
async def test_hundreds_of_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    draw = Random(2026)
    plan = [point for _ in range(KILLS_FULL // (len(POINTS) + 6)) for point in (*POINTS, *[RANDOM] * 6)]
    draw.shuffle(plan)
    began = trio.current_time()
    missed = await ordeals(tmp_path, plan)
    print(f"{len(plan)} kills in {trio.current_time() - began:.0f} s; not come to in time: {missed}")
    assert len(missed) < len(plan) / 10
