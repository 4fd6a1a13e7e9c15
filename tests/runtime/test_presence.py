"""Cancel-on-disconnect in virtual time (order-rules.md 25 and 26): what a client submitted ends when it is gone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from attrs import evolve
from trio.testing import MockClock

from primefixd.orders.model import OnMaintenance, Status
from primefixd.runtime.answers import Submitted
from primefixd.runtime.views import PortfolioState
from tests.support.days import day, state, through, utc
from tests.support.lives import PAIR, heard, life, opened, order, said, soon, submit, up
from tests.support.scripted import Rig, limit

HELD = {"on_maintenance": OnMaintenance.HOLD, "deadline": utc("2026-03-02T23:00")}


async def wish(rig: Rig, grace_s: float | None = 10.0, client: str = "desk") -> None:
    rig.shared.presence.want(client, grace_s)
    assert await rig.portfolio.cancel_on_disconnect(client, grace_s)


@asynccontextmanager
async def connected(rig: Rig, client: str = "desk") -> AsyncIterator[None]:
    with rig.shared.presence.present(client):
        yield


def cancelled(rig: Rig) -> list[str | None]:
    """The orders whose cancel has left."""
    return [message.get(41) for message in heard(rig, "F")]


async def test_rule_26_fires_when_the_last_connection_is_gone_for_the_grace(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        async with connected(rig):
            await wish(rig)
            async with connected(rig):
                await opened(rig)
            await trio.sleep(60)
            assert cancelled(rig) == []
        await trio.sleep(9.9)
        assert cancelled(rig) == []
        await trio.sleep(0.2)
        assert cancelled(rig) == ["o-1"]


async def test_rule_26_who_comes_back_in_time_keeps_its_orders(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        async with connected(rig):
            await wish(rig)
            await opened(rig)
        await trio.sleep(9)
        async with connected(rig):
            await trio.sleep(60)
        await trio.sleep(9)
        assert cancelled(rig) == []
        await trio.sleep(2)
        assert cancelled(rig) == ["o-1"]


async def test_rule_26_only_what_it_submitted_itself_ends_also_what_queues(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        async with connected(rig):
            await wish(rig)
            await opened(rig, "mine")
            assert isinstance(await rig.portfolio.submit(limit("theirs"), "another"), Submitted)
            await soon()
            for connection in rig.venue.connections:
                await connection.cut()
            rig.venue.unreachable = True
            await soon()
            submit_queued(rig, "queued")
        await trio.sleep(11)
        assert order(rig, "queued").status is Status.CANCELLED
        rig.venue.unreachable = False
        await trio.sleep(60)
        assert cancelled(rig) == ["mine"] and not order(rig, "theirs").cancel_wanted


def submit_queued(rig: Rig, key: str) -> None:
    """An order that waits for a session: accepted as if one had just been up."""
    now = rig.wall.ours()
    made = evolve(order(rig, "mine"), client_order_id=key, order_id=None, status=Status.QUEUED, session="a")
    made = evolve(made, created_at=now.utc, updated_at=now.utc, sent_at=None, acknowledged_at=None, deadline=None)
    assert rig.portfolio._parts.queueing.put(made, now)
    rig.portfolio._record([rig.portfolio._parts.ledger.open(made)], now)


async def test_rule_26_not_wanted_any_more_is_forgotten(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        async with connected(rig):
            await wish(rig)
            await opened(rig)
            await wish(rig, None)
        await trio.sleep(60)
        assert cancelled(rig) == []
    async with life(rig.store) as rig:
        await trio.sleep(200)
        assert cancelled(rig) == []


async def test_rule_26_after_a_restart_the_grace_starts_when_the_portfolio_opens(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        async with connected(rig):
            await wish(rig)
            await opened(rig)
    async with life(rig.store) as rig:
        while rig.portfolio.view().state is not PortfolioState.OPEN:
            await trio.sleep(0.1)
        assert trio.current_time() > 60, "it has to take longer than the grace to tell anything"
        await trio.sleep(9.8)
        assert cancelled(rig) == []
        await trio.sleep(0.4)
        assert cancelled(rig) == ["o-1"]


async def test_rule_26_after_a_restart_who_is_back_keeps_its_orders(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        async with connected(rig):
            await wish(rig)
            await opened(rig)
    async with life(rig.store) as rig, connected(rig):
        await trio.sleep(300)
        assert cancelled(rig) == []


async def test_rule_26_in_the_window_it_is_deferred_and_not_dropped(autojump_clock: MockClock) -> None:
    async with day("2026-03-02T21:58") as rig:
        await up()
        async with connected(rig):
            await wish(rig)
            await opened(rig)
            await rig.wall.until("2026-03-02T22:01")
        await trio.sleep(120)
        assert state(rig) is PortfolioState.CLOSED and not order(rig).cancel_wanted
        await through(rig)
        await trio.sleep(130)
        assert cancelled(rig) == ["o-1"]


async def test_rule_26_who_is_back_before_the_window_ends_keeps_its_orders(autojump_clock: MockClock) -> None:
    async with day("2026-03-02T21:58") as rig:
        await up()
        async with connected(rig):
            await wish(rig)
            await opened(rig)
            await rig.wall.until("2026-03-02T22:01")
        await rig.wall.until("2026-03-02T22:04")
        async with connected(rig):
            await through(rig)
            await trio.sleep(130)
            assert cancelled(rig) == []


async def test_rule_25_a_held_order_of_a_client_that_is_away_ends_held_invalid(autojump_clock: MockClock) -> None:
    async with day("2026-03-02T21:58") as rig:
        await up()
        async with connected(rig, "here"), connected(rig, "gone"):
            await wish(rig, 600, "here")
            await wish(rig, 600, "gone")
            await rig.wall.until("2026-03-02T21:59:55")
            for client in ("here", "gone", "never-asked"):
                assert isinstance(await rig.portfolio.submit(limit(client, **HELD), client), Submitted)
            async with connected(rig, "gone"):
                pass
        async with connected(rig, "here"):
            await through(rig)
            await trio.sleep(10)
        assert (order(rig, "gone").status, order(rig, "gone").reject_reason) == (Status.REJECTED, "held_invalid")
        assert {message.get(11) for message in heard(rig, "D")} == {"here", "never-asked"}


async def test_rule_25_a_held_order_ends_held_invalid_when_a_halt_outlived_the_restart(
    autojump_clock: MockClock,
) -> None:
    async with day("2026-03-02T21:58") as rig:
        await up()
        await rig.wall.until("2026-03-02T21:59:55")
        await submit(rig, "held", **HELD)
        rig.store.notes.setdefault("main", {})["halted"] = b"{}"
    async with life(rig.store, PAIR, wall=rig.wall) as rig:
        await trio.sleep(600)
        assert (order(rig, "held").status, order(rig, "held").reject_reason) == (Status.REJECTED, "held_invalid")


async def test_rule_26_a_cancel_that_was_refused_is_not_repeated_for_the_same_absence(
    autojump_clock: MockClock,
) -> None:
    async with life() as rig:
        await up()
        async with connected(rig):
            await wish(rig)
            venue = await opened(rig)
        await trio.sleep(10.1)
        (request,) = heard(rig, "F")
        await venue.say(f"35=9|11={request.get(11)}|41=o-1|37=V-o-1|39=0|434=1|102=0|58=too late")
        await venue.say(said("o-1", "0", "0"))
        await trio.sleep(60)
        assert len(heard(rig, "F")) == 1
