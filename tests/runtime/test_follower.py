"""A client's way along the events: everything after its cursor, once, in order, whatever happens meanwhile."""

import random

import pytest
import trio
from trio.testing import MockClock

from primefixd.control import render
from primefixd.orders.keeping import Keeping
from primefixd.orders.records import Unread
from primefixd.runtime import feed as feeds
from primefixd.runtime import journal as journals
from primefixd.runtime.feed import Feed, Overflowed
from primefixd.runtime.follower import Follower
from primefixd.runtime.journal import Journal
from primefixd.runtime.ports import system_clock
from tests.support.lives import soon
from tests.support.scripted import virtual_clock
from tests.support.storage import MemoryStore


class Written:
    """A journal that ran before, with `count` events of the portfolios a, b and of nobody in turns."""

    def __init__(self, nursery: trio.Nursery, store: MemoryStore | None = None) -> None:
        self.store = store or MemoryStore()
        stored = self.store.load()
        self.feed = Feed(stored.newest)
        self.journal = Journal(self.store, stored, self.feed, render.told, self.store.blocking, system_clock)
        nursery.start_soon(self.journal.run)

    async def write(self, count: int) -> None:
        for _ in range(count):
            self.append()
        await self.journal.settled(self.journal.last)

    def append(self) -> None:
        portfolio = ("a", "b", None)[self.journal.next % 3]
        self.journal.append(portfolio, Keeping(), [Unread(None, (f"{self.journal.next}",))], virtual_clock())

    def follow(self, after: int, *portfolios: str) -> Follower:
        return Follower(self.journal, self.feed, frozenset(portfolios) or None, after)


@pytest.fixture
async def written(autojump_clock: MockClock, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch) -> Written:
    monkeypatch.setattr(journals, "EVENTS_READ_MAX", 4)
    written = Written(nursery)
    await written.write(10)
    return written


async def cursors(follower: Follower, count: int) -> list[int]:
    with trio.fail_after(1_000):
        return [(await follower.next()).cursor for _ in range(count)]


async def waits(follower: Follower) -> bool:
    with trio.move_on_after(1):
        await follower.next()
        return False
    return True


async def test_what_was_missed_comes_first_and_then_what_happens(autojump_clock: MockClock, written: Written) -> None:
    follower = written.follow(3)
    assert await cursors(follower, 7) == [4, 5, 6, 7, 8, 9, 10] and await waits(follower)
    await written.write(3)
    assert await cursors(follower, 3) == [11, 12, 13] and await waits(follower)


@pytest.mark.parametrize("after", range(11))
async def test_from_any_cursor(autojump_clock: MockClock, written: Written, after: int) -> None:
    follower = written.follow(after)
    assert await cursors(follower, 10 - after) == [*range(after + 1, 11)] and await waits(follower)


async def test_what_concerns_others_is_passed_over(autojump_clock: MockClock, written: Written) -> None:
    follower = written.follow(0, "b")
    assert await cursors(follower, 7) == [1, 2, 4, 5, 7, 8, 10] and await waits(follower)
    assert follower.reached == 10
    await written.write(3)
    assert await cursors(follower, 2) == [11, 13]


async def test_what_an_earlier_run_told_is_replayed_by_the_next(
    autojump_clock: MockClock, written: Written, nursery: trio.Nursery
) -> None:
    following = Written(nursery, written.store)
    follower = following.follow(8)
    await following.write(2)
    assert await cursors(follower, 4) == [9, 10, 11, 12]


@pytest.mark.parametrize("seed", range(20))
async def test_nothing_is_missed_or_repeated_while_events_come_and_pages_are_read(
    autojump_clock: MockClock, written: Written, nursery: trio.Nursery, seed: int
) -> None:
    dice = random.Random(seed)

    async def slow(work):  # type: ignore[no-untyped-def]
        await trio.sleep(dice.choice((0, 0.001, 0.3)))
        done = work()
        await trio.sleep(dice.choice((0, 0.001, 0.3)))
        return done

    written.journal._blocking = slow

    async def happen() -> None:
        for _ in range(200):
            written.append()
            await trio.sleep(dice.choice((0, 0.001, 0.1, 0.5)))

    nursery.start_soon(happen)
    after = dice.randrange(11)
    assert await cursors(written.follow(after), 210 - after) == [*range(after + 1, 211)]


async def test_events_that_are_given_back_to_the_disk_meanwhile_end_it_and_are_never_skipped(
    autojump_clock: MockClock, written: Written
) -> None:
    follower = written.follow(0)
    assert await cursors(follower, 2) == [1, 2]
    await trio.sleep(1)
    await written.journal.compact(virtual_clock().utc, 7)
    assert written.journal.oldest == 8
    assert await cursors(follower, 2) == [3, 4], "what was read is handed out"
    with pytest.raises(Overflowed):
        await follower.next()


async def test_events_that_go_while_a_page_is_read_end_it_as_well(autojump_clock: MockClock, written: Written) -> None:
    follower = written.follow(0)

    async def slow(work):  # type: ignore[no-untyped-def]
        written.store.compact(virtual_clock().utc.replace(year=2030), 5)
        return work()

    written.journal._blocking = slow
    with pytest.raises(Overflowed):
        await follower.next()


async def test_events_that_are_gone_before_the_store_says_so_end_it_as_well(
    autojump_clock: MockClock, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryStore, "oldest", 1)  # told a moment after the deletion
    follower = written.follow(2)
    written.store.compact(virtual_clock().utc.replace(year=2030), 5)
    assert written.journal.oldest == 1
    with pytest.raises(Overflowed):
        await follower.next()


async def test_one_that_reads_too_slowly_is_ended(
    autojump_clock: MockClock, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "EVENTS_WAITING_MAX", 3)
    follower, other = written.follow(10), written.follow(10)
    await written.write(3)
    assert await cursors(other, 3) == [11, 12, 13]
    await written.write(3)
    assert await cursors(follower, 3) == [11, 12, 13]
    with pytest.raises(Overflowed):
        await follower.next()
    assert await cursors(other, 3) == [14, 15, 16]


async def test_an_ended_one_is_forgotten(autojump_clock: MockClock, written: Written) -> None:
    live, behind = written.follow(10), written.follow(0)
    assert len(written.feed._subscriptions) == 1
    live.close()
    behind.close()
    await soon()
    assert not written.feed._subscriptions
