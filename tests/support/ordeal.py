"""A sandbox that outlives every daemon, a client that trades on, and the question at the end whether all agree."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from attrs import frozen

from primefixd.client import Client, Refused
from tests.support.agreement import disagreements, known
from tests.support.steady import FINAL, Steady
from tests.support.world import World, configuration, free_port

SETTLE_S = 60.0


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
async def quiet_world(folder: Path, shape: Shape) -> AsyncIterator[tuple[World, Client]]:
    """A sandbox, and what a daemon needs for it; whatever was started is ended afterwards."""
    rest_port = free_port()
    top = ["reconcile_grace_s: 1", *([f"rest: {{url: 'http://127.0.0.1:{rest_port}/v1'}}"] if shape.rest else [])]
    text = configuration(folder, sessions=shape.sessions, drop_copy=shape.drop_copy, top=top)
    made = World(folder, text)
    options = ["--rest-port", str(rest_port), *([] if shape.named else ["--rest-own-fill-ids"])] if shape.rest else []
    try:
        await made.start_sandbox(*options)
        async with made.oracle() as oracle:
            yield made, oracle
    finally:
        with trio.CancelScope(shield=True):  # also when a test beside it has failed
            for name in list(made.processes):
                await made.end(name)


@asynccontextmanager
async def steady_world(folder: Path, shape: Shape, seed: int) -> AsyncIterator[tuple[World, Steady, Client]]:
    """The same, with a client that trades and follows, whatever daemon there is."""
    async with quiet_world(folder, shape) as (made, oracle), trio.open_nursery() as nursery:
        steady = Steady(made, seed)
        nursery.start_soon(steady.follow)
        nursery.start_soon(steady.trade)
        nursery.start_soon(steady.move_market, oracle)
        yield made, steady, oracle
        nursery.cancel_scope.cancel()


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
