"""Two marks on disk (order-rules.md 11): intent before the client is told, leaving before the bytes can leave."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
import trio
from trio.testing import MockClock

from primefixd.orders.model import Replacement, ReplaceState, Status
from primefixd.orders.rows import unpack_entry
from primefixd.runtime.answers import Cancelling, Submitted
from tests.support.lives import heard, life, opened, order, soon, submit, up
from tests.support.scripted import Rig, limit, virtual_clock
from tests.support.storage import MemoryStore


@pytest.fixture
async def rig(autojump_clock: MockClock) -> AsyncIterator[Rig]:
    async with life() as rig:
        await up()
        yield rig


def tired(rig: Rig) -> None:
    """Nothing can leave for a second."""
    for name in ("a", "b"):
        rig.portfolio._parts.sessions.pause(name, virtual_clock())


def on_disk(store: MemoryStore, key: str = "o-1") -> tuple[Status, str | None] | None:
    """Status and leaving mark of that order as a restart would find them; None if it would find nothing."""
    row = store.orders.get("main", {}).get(key)
    if row is None:
        return None
    entry = unpack_entry(row.state)
    return entry.order.status, entry.leaving


async def asked(rig: Rig, nursery: trio.Nursery, key: str = "o-1", **more: object) -> list[object]:
    """Submit without waiting for the answer; it will be in the list."""
    told: list[object] = []

    async def ask() -> None:
        told.append(await rig.portfolio.submit(limit(key, **more), "desk"))

    nursery.start_soon(ask)
    await soon()
    return told


async def test_rule_11_nothing_leaves_and_nobody_is_told_before_both_are_on_disk(
    autojump_clock: MockClock, rig: Rig, nursery: trio.Nursery
) -> None:
    rig.store.held_before = trio.Event()
    told = await asked(rig, nursery)
    await trio.sleep(3)
    assert heard(rig, "D") == [] and told == [] and on_disk(rig.store) is None
    rig.store.held_before.set()
    rig.store.held_before = None
    await soon()
    assert len(heard(rig, "D")) == 1 and isinstance(told[0], Submitted)


async def test_rule_11_the_bytes_leave_only_when_the_commit_has_returned(
    autojump_clock: MockClock, rig: Rig, nursery: trio.Nursery
) -> None:
    rig.store.held_after = trio.Event()
    told = await asked(rig, nursery)
    await trio.sleep(3)
    assert on_disk(rig.store) == (Status.QUEUED, "o-1")
    assert heard(rig, "D") == [] and told == []
    rig.store.held_after.set()
    rig.store.held_after = None
    await soon()
    assert len(heard(rig, "D")) == 1 and len(told) == 1


async def test_rule_11_where_nothing_queues_one_commit_makes_both_marks(autojump_clock: MockClock, rig: Rig) -> None:
    before, at = len(rig.store.commits), trio.current_time()
    told: list[int] = []
    commit = rig.store.commit

    def watched(batches):  # type: ignore[no-untyped-def]
        commit(batches)
        told.append(len(heard(rig, "D")))

    rig.store.commit = watched  # type: ignore[method-assign]
    assert isinstance(await rig.portfolio.submit(limit(), "desk"), Submitted)
    group = rig.store.commits[before]
    assert trio.current_time() == at and told[0] == 0
    entries = [unpack_entry(kept.state) for batch in group for kept in batch.keeping.orders]
    assert [(e.order.status, e.leaving) for e in entries] == [(Status.QUEUED, None), (Status.QUEUED, "o-1")]
    await soon()
    assert len(heard(rig, "D")) == 1 and len(rig.store.commits) - before == 2, "the second one says that it left"


async def test_rule_11_only_the_head_of_a_queue_is_marked(autojump_clock: MockClock, rig: Rig) -> None:
    tired(rig)
    for n in range(5):
        await submit(rig, f"o-{n}", ttl_ms=60_000)
    await trio.sleep(0.5)
    assert [on_disk(rig.store, f"o-{n}") for n in range(5)] == [(Status.QUEUED, None)] * 5
    await trio.sleep(1)
    assert [on_disk(rig.store, f"o-{n}") for n in range(5)] == [(Status.SENT, f"o-{n}") for n in range(5)]


async def test_rule_11_the_mark_is_made_when_the_order_may_leave_soon_and_not_before(
    autojump_clock: MockClock, rig: Rig
) -> None:
    tired(rig)
    await submit(rig, ttl_ms=60_000)
    while on_disk(rig.store) == (Status.QUEUED, None):
        await trio.sleep(0.001)
    marked_at = trio.current_time()
    assert on_disk(rig.store) == (Status.QUEUED, "o-1") and heard(rig, "D") == []
    while not heard(rig, "D"):
        await trio.sleep(0.001)
    assert 0 < trio.current_time() - marked_at < 0.05


async def test_rule_11_a_full_disk_makes_no_mark_and_nothing_leaves_until_it_is_made(
    autojump_clock: MockClock, rig: Rig
) -> None:
    tired(rig)
    await submit(rig, ttl_ms=60_000)
    rig.store.unwritable = "the disk is full"
    await trio.sleep(20)
    assert heard(rig, "D") == [] and on_disk(rig.store) == (Status.QUEUED, None)
    rig.store.unwritable = None
    await trio.sleep(1.5)
    assert len(heard(rig, "D")) == 1 and on_disk(rig.store) == (Status.SENT, "o-1")


async def test_rule_19_a_cancel_while_the_mark_is_on_its_way_ends_the_order_here(
    autojump_clock: MockClock, rig: Rig, nursery: trio.Nursery
) -> None:
    rig.store.held_before = trio.Event()
    await asked(rig, nursery)
    told = await rig.portfolio.cancel(client_order_id="o-1", client="desk")
    assert isinstance(told, Cancelling) and told.order.status is Status.QUEUED, "a crash could still take it back"
    rig.store.held_before.set()
    rig.store.held_before = None
    await trio.sleep(2)
    assert heard(rig, "D") == [] and on_disk(rig.store) == (Status.CANCELLED, "o-1")


async def test_rule_11_a_replace_leaves_only_with_its_mark_on_disk(autojump_clock: MockClock, rig: Rig) -> None:
    await opened(rig)
    rig.store.held_after = trio.Event()
    wanted = Replacement(client_order_id="o-1", new_client_order_id="o-2", base_quantity=Decimal("0.7"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rig.portfolio.replace, wanted, "desk")
        await trio.sleep(3)
        assert heard(rig, "G") == [] and on_disk(rig.store) == (Status.OPEN, "o-2")
        rig.store.held_after.set()
        rig.store.held_after = None
    await soon()
    assert len(heard(rig, "G")) == 1
    replace = order(rig).replace
    assert replace is not None and replace.state is ReplaceState.SENT


async def test_rule_11_a_replace_that_a_full_disk_cannot_keep_never_leaves(autojump_clock: MockClock, rig: Rig) -> None:
    await opened(rig)
    rig.store.unwritable = "the disk is full"
    wanted = Replacement(client_order_id="o-1", new_client_order_id="o-2", base_quantity=Decimal("0.7"))
    told = await rig.portfolio.replace(wanted, "desk")
    assert getattr(told, "reason", None) == "not_durable"
    assert order(rig).replace is None
    rig.store.unwritable = None
    await trio.sleep(5)
    assert heard(rig, "G") == [] and order(rig).replace is None


async def test_cancels_and_questions_wait_for_no_disk(autojump_clock: MockClock, rig: Rig) -> None:
    venue = await opened(rig)
    rig.store.held_before = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: rig.portfolio.cancel(client_order_id="o-1", client="desk"))
        await soon()
        assert len(venue.requests("F")) == 1
        rig.portfolio._parts.asking.about(order(rig))
        await soon()
        assert len(venue.requests("H")) == 1
        rig.store.held_before.set()


async def test_an_answer_to_a_cancel_waits_a_second_for_the_disk_at_most(autojump_clock: MockClock, rig: Rig) -> None:
    await opened(rig)
    rig.store.held_before = trio.Event()
    began = trio.current_time()
    assert isinstance(await rig.portfolio.cancel(client_order_id="o-1", client="desk"), Cancelling)
    assert trio.current_time() - began == pytest.approx(1.0)
    assert await rig.portfolio.cancel_all(product_id=None, side=None, client="desk") == 1
    assert trio.current_time() - began == pytest.approx(2.0)


async def test_tickets_of_marks_are_forgotten_with_what_they_were_for(autojump_clock: MockClock, rig: Rig) -> None:
    tired(rig)
    for n in range(3):
        await submit(rig, f"o-{n}", ttl_ms=60_000)
    await trio.sleep(2)
    assert len(heard(rig, "D")) == 3 and not rig.portfolio._parts.marks._tickets
