"""What counts as moving: a disk that answers, sessions that go on; and what the service manager must end."""

from datetime import timedelta

import pytest
import trio
from trio.testing import MockClock

from primefixd.orders.keeping import Keeping
from primefixd.orders.records import Unread
from primefixd.runtime import supervisor
from primefixd.runtime.desk import About, Desk
from primefixd.runtime.moving import COMMIT_MOST_S, Moving
from primefixd.runtime.retention import keep_within
from tests.support.lives import life, opened, submit, up
from tests.support.scripted import Rig, virtual_clock
from tests.support.storage import MemoryStore


def desk_of(rig: Rig) -> Desk:
    return Desk(
        portfolios={"main": rig.portfolio},
        journal=rig.journal,
        feed=rig.feed,
        clock=rig.wall.ours,
        about=About(version="1", venue="127.0.0.1:1", started=virtual_clock().utc),
        schedule=rig.shared.schedule,
    )


async def over(moving: Moving, seconds: float) -> list[bool]:
    """What it says when it is asked every 5 s for so long."""
    said = []
    for _ in range(int(seconds / 5)):
        await trio.sleep(5)
        said.append(moving())
    return said


def odd(rig: Rig) -> None:
    rig.journal.append(None, Keeping(), [Unread(None, ("odd",))], virtual_clock())


async def test_an_idle_daemon_and_a_busy_one_move(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        moving = Moving(desk_of(rig))
        assert all(await over(moving, 10 * COMMIT_MOST_S))
        for number in range(30):
            await submit(rig, f"o-{number}")
            assert moving()


async def test_a_commit_without_an_end_does_not_move_and_one_that_ends_late_does_again(
    autojump_clock: MockClock,
) -> None:
    async with life() as rig:
        await up()
        moving = Moving(desk_of(rig))
        rig.store.held_before = trio.Event()
        odd(rig)
        await trio.sleep(1)
        assert all([moving(), *await over(moving, COMMIT_MOST_S)])
        assert not any(await over(moving, 120))
        rig.store.held_before.set()
        rig.store.held_before = None
        assert all(await over(moving, 120))


async def test_a_disk_that_answers_with_errors_moves_for_ever(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        moving = Moving(desk_of(rig))
        rig.store.unwritable = "the disk is full"
        odd(rig)
        assert all(await over(moving, 1_000)) and not rig.journal.writable


async def test_a_disk_that_takes_long_over_every_commit_moves(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        moving, real = Moving(desk_of(rig)), rig.journal._blocking

        async def slow(work):  # type: ignore[no-untyped-def]
            await trio.sleep(COMMIT_MOST_S * 0.7)
            return await real(work)

        rig.journal._blocking = slow
        said = []
        for _ in range(200):
            odd(rig)
            said += await over(moving, 5)
        assert all(said)


async def test_compacting_for_minutes_moves_and_lets_commits_in_between(autojump_clock: MockClock) -> None:
    store = MemoryStore()
    async with life(store) as rig:
        await up()
        moving, real, left = Moving(desk_of(rig)), rig.journal._blocking, 400

        async def slow(work):  # type: ignore[no-untyped-def]
            await trio.sleep(0.5)
            return await real(work)

        def compact(_before: object, _most: int) -> int:
            nonlocal left
            left -= 1
            return max(left, 0)

        rig.journal._blocking, store.compact = slow, compact  # type: ignore[assignment,method-assign]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep_within, desk_of(rig), timedelta(days=7))
            for _ in range(15):
                assert all(await over(moving, 10)) and left > 0, "it compacts all the while"
                odd(rig)
                assert await rig.journal.settled(rig.journal.last)
            nursery.cancel_scope.cancel()


async def test_a_disk_that_hangs_in_compacting_does_not_move(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        moving = Moving(desk_of(rig))
        rig.store.held_before = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.journal.compact, virtual_clock().utc, 1)
            await trio.sleep(1)
            odd(rig)
            assert all([moving(), *await over(moving, COMMIT_MOST_S)])
            assert not any(await over(moving, 60)), "no commit can begin"
            rig.store.held_before.set()
            rig.store.held_before = None
            assert all(await over(moving, 120))


async def test_a_session_that_hangs_where_nothing_may_does_not_move(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "STUCK_S", 2.0)
    async with life() as rig:
        await up()
        moving, real = Moving(desk_of(rig)), rig.venue.open_stream

        async def hang(venue):  # type: ignore[no-untyped-def]
            await trio.sleep(8)
            return await real(venue)

        object.__setattr__(rig.shared.ports, "open_stream", hang)
        venue = await opened(rig)
        assert moving()
        await venue.cut()
        await trio.sleep(1.5)
        assert moving(), "an attempt takes its time"
        await trio.sleep(3)
        assert not moving()
        await trio.sleep(10)
        assert moving()
