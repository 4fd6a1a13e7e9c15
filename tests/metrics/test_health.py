"""Alive, ready, and one line why not."""

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from primefixd.metrics.health import LAG_DEAD_S, LAG_STEP_S, Lag, unready
from tests.support.days import day
from tests.support.lives import life, opened, soon, up
from tests.support.scraped import desk_of, scrape
from tests.support.scripted import limit, settings
from tests.support.scripted import virtual_clock as virtual


async def test_it_is_ready_once_a_session_of_every_portfolio_may_trade(autojump_clock: MockClock) -> None:
    async with life(of=settings("a", "drop", drop_copy="drop")) as rig:
        rig.venue.refuse = "invalid signature"
        await trio.sleep(1)
        told = unready(desk_of(rig), trio.Event())
        assert told == "main has no session for orders that is logged on (logon refused: invalid signature)"
        assert scrape(rig)["primefixd_ready"] == 0
        rig.venue.refuse = None
        await trio.sleep(40)
        assert unready(desk_of(rig), trio.Event()) is None
        assert scrape(rig)["primefixd_ready"] == 1


async def test_a_drop_copy_alone_does_not_make_it_ready(autojump_clock: MockClock) -> None:
    async with life(of=settings("a", "drop", drop_copy="drop")) as rig:
        await up()
        rig.venue.unreachable = True
        await rig.venue.of("a").cut()
        await soon()
        assert "no session for orders" in (unready(desk_of(rig), trio.Event()) or "")


async def test_the_window_and_the_minute_before_it_are_no_alarm_and_reconciling_after_it_is(
    autojump_clock: MockClock,
) -> None:
    async with day("2026-03-02T21:58") as rig:
        await up()
        await opened(rig)
        for at in ("21:59:00", "21:59:55", "22:00:30", "22:04:59"):
            await rig.wall.until(f"2026-03-02T{at}")
            assert unready(desk_of(rig), trio.Event()) is None, at
        await rig.wall.until("2026-03-02T22:05:02")
        assert unready(desk_of(rig), trio.Event()) == "main is RECONCILING"


async def test_a_halt_a_full_disk_and_a_stop_are_told(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        stopping = trio.Event()
        await rig.portfolio.halt("desk", cancel_open=False)
        assert unready(desk_of(rig), stopping) == "main is HALTED"
        await rig.portfolio.resume()
        assert unready(desk_of(rig), stopping) is None
        rig.store.unwritable = "full"
        await rig.portfolio.submit(limit(), "desk")
        assert unready(desk_of(rig), stopping) == "the journal cannot be written; free the disk that state_dir is on"
        stopping.set()
        assert unready(desk_of(rig), stopping) == "the daemon is stopping"


async def test_a_portfolio_that_drains_for_a_stop_is_not_ready_even_inside_the_window(
    autojump_clock: MockClock,
) -> None:
    async with day("2026-03-02T21:58", settings("a")) as rig:
        await up()
        await rig.wall.until("2026-03-02T21:59:55")
        rig.portfolio._parts.gate.stopping = True
        assert unready(desk_of(rig), trio.Event()) == "main is DRAINING"


async def test_lateness_is_measured(mock_clock: MockClock, nursery: trio.Nursery) -> None:
    lag = Lag(virtual)
    nursery.start_soon(lag.watch)
    await trio.testing.wait_all_tasks_blocked()
    mock_clock.jump(LAG_STEP_S)
    await trio.testing.wait_all_tasks_blocked()
    assert lag.lateness.cumulative()[0] == 1
    mock_clock.jump(LAG_STEP_S + 0.2)
    await trio.testing.wait_all_tasks_blocked()
    assert lag.lateness.sum_s == pytest.approx(0.2) and lag.lateness.cumulative()[-1] == 2
    assert lag.starving() is None
    mock_clock.jump(LAG_DEAD_S + LAG_STEP_S + 1)
    assert "event loop" in (lag.starving() or "")
    await trio.testing.wait_all_tasks_blocked()
    assert lag.starving() is None
