"""Killed at any instant, the daemon loses no order, sends none twice, tells every fill once (order-rules.md 1-5, 11).

Sandbox and daemon are processes; the daemon is killed again and again, at named points by itself and at random from
outside, while a client trades on. What only the killed process had read comes back by REST, or as one reconciled fill.
"""

import signal
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random

import pytest
import trio
from attrs import frozen

from primefixd.client import Client, Refused
from tests.support.killable import POINTS
from tests.support.steady import FINAL, Steady, disagreements, known
from tests.support.world import World, configuration, free_port

FUSE_S = 15.0  # for a point to be crossed; then the daemon is killed from outside
SETTLE_S = 45.0
RANDOM = "random"
KILLS_FULL = 240
NUMBERED = ("first", "in-replay", "in-events", "after-connect", "after-receive/A")  # crossed but once or twice a run


@frozen(kw_only=True)
class Shape:
    """A way to run it. `settles`: the venue's word on every order can be had; `named`: REST has the ids of FIX."""

    sessions: int = 2
    drop_copy: bool = False
    rest: bool = False
    named: bool = True

    @property
    def settles(self) -> bool:
        return self.rest


SHAPES = {
    "alone": Shape(),
    "drop-copy": Shape(sessions=3, drop_copy=True),
    "rest": Shape(rest=True),
    "rest-own-ids": Shape(sessions=1, rest=True, named=False),
}


@asynccontextmanager
async def steady_world(folder: Path, shape: Shape, seed: int) -> AsyncIterator[tuple[World, Steady, Client]]:
    """A sandbox, and a client that trades and follows with whatever daemon there is; all are ended afterwards."""
    rest_port = free_port()
    top = ["reconcile_grace_s: 1", *([f"rest: {{url: 'http://127.0.0.1:{rest_port}/v1'}}"] if shape.rest else [])]
    text = configuration(folder, sessions=shape.sessions, drop_copy=shape.drop_copy, top=top)
    made = World(folder, text)
    options = ["--rest-port", str(rest_port), *([] if shape.named else ["--rest-own-fill-ids"])] if shape.rest else []
    try:
        await made.start_sandbox(*options)
        async with AsyncExitStack() as stack:
            oracle = await stack.enter_async_context(made.oracle())
            nursery = await stack.enter_async_context(trio.open_nursery())
            steady = Steady(made, seed)
            nursery.start_soon(steady.follow)
            nursery.start_soon(steady.trade)
            nursery.start_soon(steady.move_market, oracle)
            yield made, steady, oracle
            nursery.cancel_scope.cancel()
    finally:
        for name in list(made.processes):
            await made.end(name)


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


async def all_active(desk: Client) -> None:
    """All sessions are logged on."""
    with trio.fail_after(SETTLE_S):
        while not all(each["state"] == "ACTIVE" for each in await desk.sessions()):
            await trio.sleep(0.05)


async def settled(made: World, steady: Steady, oracle: Client, shape: Shape) -> None:
    """Trading has ended; once the last questions are answered, everybody knows the same."""
    async with made.desk() as desk:
        await all_active(desk)
        await trio.sleep(1)
        steady.ended = True
        for order in (await desk.orders(limit=500))["orders"][::2]:
            try:
                await desk.cancel(order["original_client_order_id"])
            except Refused as refused:
                assert refused.reason == "not_cancellable", refused
        wrong = ["never compared"]
        with trio.move_on_after(SETTLE_S):
            while wrong:
                await trio.sleep(0.5)
                knows = await known(desk, oracle)
                knows.named = shape.named
                wrong = disagreements(steady, knows, settles=shape.settles)
        assert not wrong, f"{len(wrong)} disagreements: " + "\n".join(wrong[:20])
        final = [order for order in knows.orders.values() if order["status"] in FINAL]
        filled = [event["fill"] for event in knows.replayed if event["type"] == "order.filled"]
        sources = {source: sum(f["source"] == source for f in filled) for source in {f["source"] for f in filled}}
        doubtful = sum(order["in_doubt"] for order in knows.orders.values())
        print(
            f"{len(knows.orders)} orders, {len(final)} final, {doubtful} in doubt, {steady.repeated} replies repeated,"
            f" {len(knows.replayed)} events, fills by source {sources}"
        )
        assert final and filled


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
