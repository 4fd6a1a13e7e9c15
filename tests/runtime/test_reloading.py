"""A reload: portfolios that go and come back with what is kept of them, and when nothing at all is changed."""

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from primefixd.orders.model import Status
from primefixd.orders.records import OrderFilled
from primefixd.runtime.answers import Submitted
from primefixd.runtime.desk import About, Desk
from primefixd.runtime.portfolio import Portfolio
from primefixd.runtime.reloading import Reloading, WrongIdentity, check_identity
from primefixd.runtime.settings import PortfolioSettings
from primefixd.runtime.store import Stored
from tests.support.lives import PAIR, fill, heard, life, order, said, soon, submit, up
from tests.support.scripted import Connection, ScriptedVenue, Wall, limit, settings, shared, virtual_clock
from tests.support.storage import MemoryStore

OTHER = "99999999-4459-41cd-ba9a-dccdd86b44e2"
SECOND = evolve(settings("c"), name="second", portfolio_id=OTHER)


class Grounds:
    """A daemon's desk without portfolios, and the reloading that brings them."""

    def __init__(self, nursery: trio.Nursery) -> None:
        wall = Wall(virtual_clock().utc)
        self.store, self.venue = MemoryStore(), ScriptedVenue(nursery, wall.world)
        self.shared, feed, _ = shared(self.store, self.venue, wall)
        self.told = feed.subscribe(None, 0)
        about = About(version="1", venue="127.0.0.1:1", started=virtual_clock().utc)
        self.desk = Desk(
            portfolios={},
            journal=self.shared.journal,
            feed=feed,
            clock=wall.ours,
            about=about,
            schedule=self.shared.schedule,
        )
        self.reloading = Reloading(self.desk, self.make, nursery)
        nursery.start_soon(self.shared.journal.run)

    def make(self, of: PortfolioSettings, stored: Stored) -> Portfolio:
        return Portfolio(of, self.shared, stored.orders.get(of.name), stored.notes.get(of.name))

    @property
    def main(self) -> Portfolio:
        return self.desk.portfolios["main"]

    async def opened(self) -> Connection:
        """Where the open order o-1 of the portfolio main has left."""
        assert isinstance(await self.main.submit(limit(), "desk"), Submitted)
        await soon()
        venue = next(c for c in self.venue.connections if c.requests("D"))
        await venue.say(said("o-1", "0", "0"))
        await soon()
        return venue

    def filled(self) -> list[str]:
        """The ids of the fills that were told since the last call."""
        found = []
        while True:
            try:
                event = self.told._receive.receive_nowait()
            except trio.WouldBlock:
                return found
            if isinstance(event.body, OrderFilled):
                found.append(event.body.fill.exec_id)


@pytest.fixture
async def grounds(autojump_clock: MockClock, nursery: trio.Nursery) -> Grounds:
    """With the portfolio main running."""
    grounds = Grounds(nursery)
    assert await grounds.reloading.change((), (PAIR,)) is None
    await up()
    return grounds


async def test_a_portfolio_goes_and_comes_back_with_its_orders(autojump_clock: MockClock, grounds: Grounds) -> None:
    venue = await grounds.opened()
    await venue.say(fill("o-1", "E-1", "0.2", "0.2"))
    await soon()
    assert await grounds.reloading.change((PAIR,), ()) is None
    assert grounds.desk.portfolios == {} and all(c.ended for c in grounds.venue.connections)
    assert await grounds.reloading.change((), (PAIR,)) is None
    await up()
    found = grounds.main.find(client_order_id="o-1")
    assert found is not None and (found.status, f"{found.filled_quantity:f}") == (Status.OPEN, "0.2")
    await grounds.venue.of("a").say(fill("o-1", "E-1", "0.2", "0.2"))
    await soon()
    assert grounds.filled() == ["E-1"]


async def test_one_that_comes_back_while_the_disk_cannot_be_written_is_refused_and_has_all_of_it_later(
    autojump_clock: MockClock, grounds: Grounds
) -> None:
    venue = await grounds.opened()
    grounds.store.unwritable = "the disk is full"
    await venue.say(fill("o-1", "E-1", "0.2", "0.2"))
    await soon()
    assert await grounds.reloading.change((PAIR,), ()) is None
    refusal = await grounds.reloading.change((), (PAIR,))
    assert refusal is not None and "state directory" in refusal and grounds.desk.portfolios == {}
    grounds.store.unwritable = None
    await trio.sleep(2)
    assert await grounds.reloading.change((), (PAIR,)) is None
    await up()
    found = grounds.main.find(client_order_id="o-1")
    assert found is not None and f"{found.filled_quantity:f}" == "0.2"
    await grounds.venue.of("b").say(fill("o-1", "E-1", "0.2", "0.2"))
    await soon()
    assert grounds.filled() == ["E-1"], "told once, when it was on disk"


async def test_where_one_cannot_come_nothing_else_is_changed(autojump_clock: MockClock, grounds: Grounds) -> None:
    kept = grounds.main
    venue = await grounds.opened()
    grounds.store.unwritable = "the disk is full"
    await venue.say(fill("o-1", "E-1", "0.2", "0.2"))
    await soon()
    assert await grounds.reloading.change((PAIR,), (SECOND,)) is not None
    await up()
    assert list(grounds.desk.portfolios.values()) == [kept] and not kept.stopped.is_set()
    assert not any(c.ended for c in grounds.venue.connections) and len(grounds.venue.connections) == 2


async def test_what_is_kept_of_another_account_comes_to_nobody(autojump_clock: MockClock, grounds: Grounds) -> None:
    await grounds.opened()
    moved = evolve(PAIR, portfolio_id=OTHER)
    assert grounds.reloading.refusal((PAIR,), (moved,)) == "portfolios[].portfolio_id of main"
    assert grounds.reloading.refusal((PAIR,), (PAIR, SECOND)) is None
    assert await grounds.reloading.change((PAIR,), ()) is None
    for wrong in (moved, evolve(PAIR, name="renamed")):
        why = await grounds.reloading.change((), (wrong,))
        assert why is not None and "was kept" in why and grounds.desk.portfolios == {}
        with pytest.raises(WrongIdentity, match="was kept"):
            check_identity(wrong, grounds.store.load())
    check_identity(PAIR, grounds.store.load())
    check_identity(SECOND, grounds.store.load())


# A session that becomes a drop copy


@pytest.mark.parametrize("pinned", [True, False])
async def test_what_queues_on_a_session_that_becomes_a_drop_copy_never_leaves_on_it(
    autojump_clock: MockClock, pinned: bool
) -> None:
    async with life() as rig:
        await up()
        rig.portfolio._parts.sessions.pause("b", virtual_clock())
        if not pinned:
            rig.portfolio._parts.sessions.quiesce("a", True)
        await submit(rig, ttl_ms=600_000, session="b" if pinned else None)
        assert len(rig.portfolio._parts.sessions.outbox("b")) == 1
        rig.portfolio._parts.sessions.quiesce("a", False)
        rig.portfolio.change(settings("a", "b", drop_copy="b"))
        await trio.sleep(10)
        left = [m.get(49) for m in heard(rig, "D")]
        if pinned:
            assert (order(rig).status, order(rig).reject_reason, left) == (Status.REJECTED, "session_removed", [])
        else:
            assert (order(rig).status, order(rig).session, left) == (Status.SENT, "a", ["a-account"])
        assert rig.venue.of("b").requests("D") == [] and rig.venue.of("b").requests("A")[0].get(9406) == "Y"
