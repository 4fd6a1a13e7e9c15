"""What is older than the retention goes, a little at a time, and never in the way of anything else."""

from datetime import timedelta
from types import SimpleNamespace

import trio
from trio.testing import MockClock

from primefixd.orders.keeping import Forgotten, Keeping
from primefixd.runtime.retention import COMPACT_EVERY_S, ORDERS_AT_ONCE_MAX, keep_within
from tests.support.lives import life, up
from tests.support.scripted import Rig, virtual_clock


class Old:
    """A portfolio with that many orders that may go."""

    def __init__(self, rig: Rig, orders: int) -> None:
        self.rig, self.orders = rig, orders
        self.turns: list[float] = []

    def compact(self, _before: object, most: int) -> int:
        now = min(most, self.orders)
        self.orders -= now
        self.turns.append(trio.current_time())
        keeping = Keeping(forgotten=tuple(Forgotten(f"o-{n}", ()) for n in range(now)))
        self.rig.journal.append("old", keeping, [], virtual_clock())
        return now


async def test_all_that_is_old_goes_in_bounded_turns_and_the_next_time_is_later(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        old = Old(rig, 3 * ORDERS_AT_ONCE_MAX)
        await compacting(rig, old)
        assert old.orders == 0 and len(old.turns) == 4
        assert [len(b.keeping.forgotten) for group in rig.store.commits for b in group if b.portfolio == "old"] == [
            ORDERS_AT_ONCE_MAX
        ] * 3


async def test_on_a_full_disk_it_gives_up_until_the_next_time_and_holds_nobody_up(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        rig.store.unwritable = "the disk is full"
        old = Old(rig, 5_000 * ORDERS_AT_ONCE_MAX)
        await compacting(rig, old)
        assert len(old.turns) == 1
        await compacting(rig, old, 3 * COMPACT_EVERY_S)
        assert len(old.turns) <= 5


async def compacting(rig: Rig, old: Old, seconds: float = COMPACT_EVERY_S - 1) -> None:
    desk = SimpleNamespace(portfolios={"old": old}, journal=rig.journal, clock=rig.wall.ours)
    with trio.move_on_after(seconds):
        await keep_within(desk, timedelta(days=7))  # type: ignore[arg-type]
