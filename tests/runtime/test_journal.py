"""Durable before visible: group commit, what waits for the disk, and what a disk that fails may not do."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock

from primefixd.control import render
from primefixd.orders.keeping import Forgotten, Keeping, KeptOrder
from primefixd.orders.model import OnMaintenance, Status
from primefixd.orders.records import OrderUpdated, Unread
from primefixd.runtime import journal as journals
from primefixd.runtime.answers import Cancelling, Reason, Refused, Sent, Submitted
from primefixd.runtime.feed import Feed
from primefixd.runtime.journal import DURABLE_MOST_S, RETRY_S, Journal
from primefixd.runtime.ports import system_clock
from primefixd.runtime.store import Batch, Note, Stored, Unwritable
from primefixd.runtime.views import SessionState
from tests.support.days import day, utc
from tests.support.lives import fill, heard, life, opened, order, said, soon, submit, up
from tests.support.scripted import limit, virtual_clock
from tests.support.storage import MemoryStore

NOTHING = Keeping()


class Disk(MemoryStore):
    """Notes every attempt to commit, and when it came."""

    def __init__(self) -> None:
        super().__init__()
        self.attempts: list[float] = []

    def commit(self, batches: Sequence[Batch]) -> None:
        self.attempts.append(trio.current_time())
        super().commit(batches)


class Written:
    """A journal by itself, and what it tells."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        stored = store.load()
        self.feed = Feed(stored.newest)
        self.journal = Journal(store, stored, self.feed, render.told, store.blocking, system_clock)
        self.told = self.feed.subscribe(None, stored.newest)

    def append(self, words: str = "odd", portfolio: str | None = "main") -> int:
        return self.journal.append(portfolio, NOTHING, [Unread(None, (words,))], virtual_clock())

    def cursors(self) -> list[int]:
        """Of the events told since the last call."""
        found = []
        while True:
            try:
                found.append(self.told._receive.receive_nowait().cursor)
            except trio.WouldBlock:
                return found


@pytest.fixture
async def written(autojump_clock: MockClock, nursery: trio.Nursery) -> Written:
    written = Written(Disk())
    nursery.start_soon(written.journal.run)
    await soon()
    return written


async def test_what_several_turns_append_at_once_is_one_transaction_in_its_order(
    autojump_clock: MockClock, written: Written
) -> None:
    tickets = [written.append(f"{n}", portfolio) for n, portfolio in enumerate(("a", "b", None))]
    assert written.cursors() == [], "nothing is told before it is on disk"
    assert await written.journal.settled(tickets[-1])
    (group,) = written.store.commits
    assert [batch.portfolio for batch in group] == ["a", "b", None]
    assert written.cursors() == [event.cursor for event in written.store.log] == [1, 2, 3]


async def test_what_comes_while_the_disk_writes_is_the_next_transaction(
    autojump_clock: MockClock, written: Written
) -> None:
    written.store.held_before = trio.Event()
    written.append()
    await soon()
    for _ in range(5):
        written.append()
    written.store.held_before.set()
    written.store.held_before = None
    await soon()
    assert [len(group) for group in written.store.commits] == [1, 5]
    assert written.cursors() == [1, 2, 3, 4, 5, 6]


async def test_a_transaction_is_bounded(
    autojump_clock: MockClock, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "GROUP_MAX_BATCHES", 4)
    tickets = [written.append() for _ in range(10)]
    await written.journal.settled(tickets[-1])
    assert [len(group) for group in written.store.commits] == [4, 4, 2] and written.cursors() == [*range(1, 11)]


async def test_of_nothing_there_is_no_transaction_and_the_ticket_is_the_last_one(
    autojump_clock: MockClock, written: Written
) -> None:
    first = written.append()
    assert written.journal.append("main", NOTHING, [], virtual_clock()) == first
    await soon()
    assert written.journal.append("main", NOTHING, [], virtual_clock()) == first == written.journal.last
    await soon()
    assert len(written.store.commits) == 1


@pytest.mark.parametrize(
    ("keeping", "notes"),
    [
        (Keeping(forgotten=(Forgotten("o-1", ("o-1",)),)), ()),
        (NOTHING, (Note("halt", b"{}"),)),
        (NOTHING, (Note("halt", None),)),
    ],
)
async def test_what_has_no_event_is_kept_all_the_same(
    autojump_clock: MockClock, written: Written, keeping: Keeping, notes: tuple[Note, ...]
) -> None:
    assert await written.journal.settled(written.journal.append("main", keeping, [], virtual_clock(), notes))
    ((batch,),) = written.store.commits
    assert (batch.keeping, batch.notes) == (keeping, notes)


async def test_a_ticket_is_settled_only_when_it_is_on_disk(autojump_clock: MockClock, written: Written) -> None:
    first = written.append()
    assert await written.journal.settled(first)
    second = written.append()
    assert written.journal.is_settled(first) and not written.journal.is_settled(second)
    assert await written.journal.settled(second) and written.journal.is_settled(second)


async def test_a_disk_that_fails_is_tried_again_every_second_and_then_nothing_is_lost_or_told_twice(
    autojump_clock: MockClock, written: Written
) -> None:
    written.store.unwritable = "the disk is full"
    tickets = [written.append() for _ in range(3)]
    began = trio.current_time()
    assert not await written.journal.settled(tickets[0]) and trio.current_time() - began < 1
    assert not written.journal.writable
    await trio.sleep(30)
    tries = written.store.attempts
    assert 30 <= len(tries) <= 32 and {round(b - a, 6) for a, b in pairwise(tries)} == {RETRY_S}
    assert written.cursors() == [] and not written.store.log
    written.store.unwritable = None
    await trio.sleep(RETRY_S)
    assert written.journal.writable and await written.journal.settled(tickets[-1])
    assert written.cursors() == [1, 2, 3] and len(written.store.commits) == 1


async def test_a_request_that_comes_while_the_disk_cannot_be_written_does_not_wait(
    autojump_clock: MockClock, written: Written
) -> None:
    written.store.unwritable = "read-only"
    written.append()
    await soon()
    began = trio.current_time()
    assert not await written.journal.settled(written.append()) and trio.current_time() == began


async def test_a_request_waits_so_long_for_a_disk_that_hangs(autojump_clock: MockClock, written: Written) -> None:
    written.store.held_before = trio.Event()
    began, ticket = trio.current_time(), written.append()
    assert not await written.journal.settled(ticket)
    assert trio.current_time() - began == pytest.approx(DURABLE_MOST_S)
    written.store.held_before.set()
    assert await written.journal.settled(ticket) and written.cursors() == [1]


async def test_a_bug_in_the_store_ends_the_run(autojump_clock: MockClock) -> None:
    store = MemoryStore()
    written = Written(store)
    store.commit = lambda _batches: 1 / 0  # type: ignore[method-assign]
    written.append()
    with pytest.raises(ZeroDivisionError):
        await written.journal.run()
    assert written.cursors() == []


async def test_compacting_waits_for_a_commit_and_a_commit_for_it(autojump_clock: MockClock, written: Written) -> None:
    for _ in range(5):
        await written.journal.settled(written.append())
    running: list[str] = []
    most = 0

    async def slow(work):  # type: ignore[no-untyped-def]
        nonlocal most
        running.append("one")
        most = max(most, len(running))
        await trio.sleep(0.5)
        running.pop()
        return work()

    written.journal._blocking = slow
    later = virtual_clock().utc + timedelta(days=1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(written.journal.compact, later, 2)
        nursery.start_soon(written.journal.settled, written.append())
        nursery.start_soon(written.journal.compact, later, 2)
    assert most == 1 and written.journal.oldest == 5 and len(written.store.log) == 2
    assert [event.cursor for event in await written.journal.read(0)] == [5, 6]


async def test_compacting_on_a_disk_that_cannot_be_written_comes_to_nothing(
    autojump_clock: MockClock, written: Written
) -> None:
    await written.journal.settled(written.append())

    def refuse(_before: object, _most: int) -> int:
        raise Unwritable("the disk is full")

    written.store.compact = refuse
    assert await written.journal.compact(virtual_clock().utc + timedelta(days=1), 10) == 0
    assert written.journal.writable


async def test_reading_gives_what_is_on_disk_a_page_at_a_time(
    autojump_clock: MockClock, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "EVENTS_READ_MAX", 2)
    await written.journal.settled([written.append() for _ in range(3)][-1])
    written.store.unwritable = "full"
    written.append()
    assert [event.cursor for event in await written.journal.read(0)] == [1, 2]
    assert [event.cursor for event in await written.journal.read(2)] == [3]
    assert (written.journal.newest, written.journal.next) == (4, 5)


async def test_so_much_may_wait_and_no_more(
    autojump_clock: MockClock, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "WAITING_MAX_BATCHES", 3)
    written.store.held_before = trio.Event()
    full = []
    for _ in range(4):
        written.append()
        full.append(written.journal.full)
    assert full == [False, False, True, True]
    written.store.held_before.set()
    await soon()
    assert not written.journal.full


def row(key: str, state: bytes) -> Keeping:
    return Keeping(orders=(KeptOrder(key, (key,), None, None, state),))


async def test_what_amends_a_batch_stands_in_it_already_whatever_a_crash_leaves(
    autojump_clock: MockClock, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "GROUP_MAX_BATCHES", 1)
    written.store.unwritable = "the disk is full"
    others = Keeping(orders=(*row("o-1", b"queued").orders, *row("o-2", b"queued").orders))
    first = written.journal.append("main", others, [Unread(None, ("queued",))], virtual_clock())
    written.journal.append("main", row("o-3", b"queued"), [], virtual_clock())
    ended = written.journal.append("main", row("o-1", b"ended"), [Unread(None, ("ended",))], virtual_clock())
    await soon()
    written.journal.amend(first, ended)
    written.store.held_before, written.store.spare, written.store.unwritable = trio.Event(), 1, None
    await trio.sleep(2 * RETRY_S)
    (kept,) = written.store.load().orders.values()
    assert {each.key: each.state for each in kept.orders} == {"o-1": b"ended", "o-2": b"queued"}
    written.store.held_before.set()
    assert await written.journal.settled(ended) and written.cursors() == [1, 2], "its own event is told all the same"


async def test_what_is_on_disk_or_on_its_way_there_cannot_be_amended(
    autojump_clock: MockClock, written: Written
) -> None:
    on_disk = written.journal.append("main", row("o-1", b"queued"), [], virtual_clock())
    assert await written.journal.settled(on_disk)
    written.store.held_before = trio.Event()
    on_its_way = written.journal.append("main", row("o-2", b"queued"), [], virtual_clock())
    await soon()
    waits = written.journal.append("main", row("o-3", b"queued"), [], virtual_clock())
    ended = written.journal.append("main", row("o-3", b"ended"), [], virtual_clock())
    for late in (on_disk, on_its_way):
        with pytest.raises(ValueError, match=str(late)):
            written.journal.amend(late, ended)
    written.journal.amend(waits, ended)
    written.store.held_before.set()
    assert await written.journal.settled(ended)
    assert [batch.keeping.orders[0].state for group in written.store.commits for batch in group] == [
        b"queued", b"queued", b"ended", b"ended",
    ]  # fmt: skip


async def test_a_ticket_is_under_way_from_the_start_of_its_commit_to_its_end(
    autojump_clock: MockClock, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "GROUP_MAX_BATCHES", 2)
    written.store.held_before = trio.Event()
    tickets = [written.append() for _ in range(3)]
    assert not any(map(written.journal.is_under_way, tickets)) and written.journal.under_way is None
    await soon()
    assert [*map(written.journal.is_under_way, tickets)] == [True, True, False]
    attempt = written.journal.under_way
    assert attempt is not None
    written.store.unwritable = "the disk is full"
    written.store.held_before.set()
    await soon()
    assert not any(map(written.journal.is_under_way, tickets)), "it is known that they are not on disk"
    assert written.journal.under_way is None
    written.store.unwritable, written.store.held_before = None, trio.Event()
    await trio.sleep(RETRY_S)
    assert written.journal.under_way == attempt + 1 and written.journal.is_under_way(tickets[0])
    written.store.held_before.set()
    await soon()
    assert written.journal.is_settled(tickets[-1]) and not any(map(written.journal.is_under_way, tickets))


async def test_what_is_kept_is_read_anew_with_all_that_was_appended_or_not_at_all(
    autojump_clock: MockClock, written: Written
) -> None:
    written.journal.append("main", row("o-1", b"open"), [], virtual_clock())
    stored = await written.journal.load()
    assert stored is not None and [each.key for each in stored.orders["main"].orders] == ["o-1"]
    written.store.unwritable = "the disk is full"
    written.journal.append("main", row("o-1", b"filled"), [], virtual_clock())
    assert await written.journal.load() is None, "what is on disk is older than what was told"
    written.store.unwritable = None
    await trio.sleep(RETRY_S + 0.1)
    stored = await written.journal.load()
    assert stored is not None and stored.orders["main"].orders[0].state == b"filled"

    def unreadable() -> Stored:
        raise Unwritable("read error")

    written.store.load = unreadable
    assert await written.journal.load() is None


# The same under a whole portfolio


async def test_disk_full_refuses_what_is_new_with_nothing_sent_and_the_same_id_may_be_used_afterwards(
    autojump_clock: MockClock,
) -> None:
    async with life() as rig:
        await up()
        rig.store.unwritable = "the disk is full"
        first = await rig.portfolio.submit(limit(), "desk")
        assert isinstance(first, Refused) and (first.reason, first.sent) == (Reason.NOT_DURABLE, "no")
        again = await rig.portfolio.submit(limit(), "desk")
        assert isinstance(again, Refused) and again.reason is Reason.NOT_DURABLE
        await trio.sleep(20)
        assert heard(rig, "D") == [] and [s.state for s in rig.portfolio.sessions()] == [SessionState.ACTIVE] * 2
        rig.store.unwritable = None
        await trio.sleep(2)
        told = await rig.portfolio.submit(limit(), "desk")
        assert isinstance(told, Submitted) and not told.duplicate
        await soon()
        assert [m.get(11) for m in heard(rig, "D")] == ["o-1"] and order(rig).status is Status.SENT


async def test_disk_full_cancels_go_out_and_reports_wait_untold(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        venue = await opened(rig)
        rig.events(OrderUpdated)
        rig.store.unwritable = "the disk is full"
        await venue.say(fill("o-1", "E1", "0.1", "0.1"))
        await trio.sleep(1)
        told = await rig.portfolio.cancel(client_order_id="o-1", client="desk")
        assert isinstance(told, Cancelling)
        await soon()
        assert len(venue.requests("F")) == 1
        await venue.say(said("o-1", "4", "4", "|14=0.1"))
        await trio.sleep(5)
        assert order(rig).status is Status.CANCELLED and rig.events(OrderUpdated) == []
        rig.store.unwritable = None
        await trio.sleep(2)
        assert [e.body.order.status for e in rig.events(OrderUpdated)][-1] is Status.CANCELLED
    async with life(rig.store) as rig:
        assert order(rig).status is Status.CANCELLED and f"{order(rig).filled_quantity:f}" == "0.1"


async def test_disk_full_a_cancel_of_what_still_waits_is_the_end_of_it(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        for name in ("a", "b"):
            rig.portfolio._parts.sessions.pause(name, virtual_clock())
        await submit(rig, ttl_ms=60_000)
        rig.store.unwritable = "the disk is full"
        assert isinstance(await rig.portfolio.cancel(client_order_id="o-1", client="desk"), Cancelling)
        await trio.sleep(5)
        assert heard(rig, "D") == [] and order(rig).status is Status.CANCELLED


async def test_disk_full_what_waits_to_leave_stays_here_and_leaves_when_the_disk_is_back(
    autojump_clock: MockClock,
) -> None:
    async with life() as rig:
        await up()
        for name in ("a", "b"):
            rig.portfolio._parts.sessions.pause(name, virtual_clock())
        await submit(rig, ttl_ms=60_000)
        rig.store.unwritable = "the disk is full"
        rig.portfolio._parts.sessions.pause("a", virtual_clock())
        rig.journal.append(None, NOTHING, [Unread(None, ("odd",))], virtual_clock())
        await trio.sleep(10)
        assert heard(rig, "D") == [] and order(rig).status is Status.QUEUED
        rig.store.unwritable = None
        await trio.sleep(2)
        assert len(heard(rig, "D")) == 1


async def test_with_too_much_waiting_for_the_disk_the_sessions_log_out_and_come_back_with_it(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "WAITING_MAX_BATCHES", 20)
    async with life() as rig:
        await up()
        venue = await opened(rig)
        rig.store.unwritable = "the disk is full"
        await venue.say(*(fill("o-1", f"E{n}", "0.01", f"{(n + 1) / 100}") for n in range(25)))
        await trio.sleep(3)
        states = rig.portfolio.sessions()
        assert all(view.state is SessionState.DOWN and "disk" in (view.last_error or "") for view in states)
        connections = len(rig.venue.connections)
        await trio.sleep(120)
        assert len(rig.venue.connections) == connections, "they stay down"
        rig.store.unwritable = None
        await trio.sleep(10)
        assert [view.state for view in rig.portfolio.sessions()] == [SessionState.ACTIVE] * 2
        assert f"{order(rig).filled_quantity:f}" == "0.25" and len(rig.store.executions["main"]) == 25


async def test_with_too_much_waiting_for_a_disk_that_hangs_they_log_out_as_well(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "WAITING_MAX_BATCHES", 20)
    async with life() as rig:
        await up()
        venue = await opened(rig)
        rig.store.held_before = trio.Event()
        await venue.say(*(fill("o-1", f"E{n}", "0.01", f"{(n + 1) / 100}") for n in range(25)))
        await trio.sleep(3)
        assert [view.state for view in rig.portfolio.sessions()] == [SessionState.DOWN] * 2
        told = await rig.portfolio.submit(limit("o-2", ttl_ms=60_000), "desk")
        assert isinstance(told, Refused)
        rig.store.held_before.set()
        rig.store.held_before = None
        await trio.sleep(10)
        assert [view.state for view in rig.portfolio.sessions()] == [SessionState.ACTIVE] * 2
        assert f"{order(rig).filled_quantity:f}" == "0.25"


async def test_a_repeated_submission_is_not_accepted_before_the_first_one_is_on_disk(
    autojump_clock: MockClock,
) -> None:
    async with life() as rig:
        await up()
        rig.store.held_before = trio.Event()
        told: list[Submitted | Refused] = []

        async def ask() -> None:
            told.append(await rig.portfolio.submit(limit(ttl_ms=60_000), "desk"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.sleep(1)
            nursery.start_soon(ask)
        assert [getattr(each, "reason", None) for each in told] == [Reason.NOT_DURABLE] * 2, told
        assert [getattr(each, "sent", None) for each in told] == [Sent.UNKNOWN] * 2, "it is on its way to the disk"
        rig.store.held_before.set()
        rig.store.held_before = None
        await trio.sleep(5)
        assert len(heard(rig, "D")) == 1


async def test_a_cursor_that_is_told_is_one_that_a_restart_has(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        await opened(rig)
        rig.store.held_before = trio.Event()
        told = [
            await rig.portfolio.cancel(client_order_id="o-1", client="desk"),
            await rig.portfolio.submit(limit(), "desk"),
        ]
        assert rig.journal.newest > rig.store.load().newest
        newest = rig.store.load().newest
        assert [type(each) for each in told] == [Cancelling, Submitted]
        assert all(each.cursor <= newest for each in told)


async def test_an_order_that_a_hanging_disk_kept_past_its_deadline_was_never_asked_for(
    autojump_clock: MockClock,
) -> None:
    async with life() as rig:
        await up()
        rig.store.held_before = trio.Event()
        told = await rig.portfolio.submit(limit(ttl_ms=3_000), "desk")
        assert isinstance(told, Refused) and (told.reason, told.sent) == (Reason.NOT_DURABLE, Sent.UNKNOWN)
        rig.store.held_before.set()
        rig.store.held_before = None
        await trio.sleep(1)
        again = await rig.portfolio.submit(limit(), "desk")
        assert isinstance(again, Submitted) and again.duplicate and again.order.reject_reason == "expired"
        assert heard(rig, "D") == []


@pytest.mark.parametrize("ends_in", ["the same group", "another group"])
async def test_what_was_refused_for_want_of_a_disk_does_not_leave_after_a_crash(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, ends_in: str
) -> None:
    store = MemoryStore()
    async with life(store) as rig:
        await up()
        if ends_in == "another group":
            monkeypatch.setattr(journals, "GROUP_MAX_BATCHES", 1)
        store.unwritable = "the disk is full"
        told = await rig.portfolio.submit(limit(deadline=virtual_clock().utc + timedelta(minutes=10)), "desk")
        assert isinstance(told, Refused) and told.sent is Sent.NO
        store.unwritable, store.held_before, store.spare = None, trio.Event(), 1
        await trio.sleep(3)  # one commit gets through, then the crash
        assert (len(store.orders["main"]), rig.journal.under_way is None) == (1, ends_in == "the same group")
    store.held_before = None
    async with life(store) as rig:
        await trio.sleep(10)
        assert heard(rig, "D") == []


async def test_a_cancel_that_is_not_on_disk_is_not_called_done(autojump_clock: MockClock) -> None:
    store = MemoryStore()
    async with life(store) as rig:
        await up()
        for name in ("a", "b"):
            rig.portfolio._parts.sessions.pause(name, virtual_clock())
        await rig.portfolio.submit(limit(deadline=virtual_clock().utc + timedelta(minutes=10)), "desk")
        store.unwritable = "the disk is full"
        told = await rig.portfolio.cancel(client_order_id="o-1", client="desk")
        assert isinstance(told, Cancelling) and told.order.status is Status.QUEUED
        store.unwritable = None
        await trio.sleep(3)
        held = rig.portfolio.find(client_order_id="o-1")
        assert held is not None and held.status is Status.CANCELLED
        assert heard(rig, "D") == []


async def test_an_id_that_was_refused_for_want_of_a_disk_may_be_used_after_a_restart_too(
    autojump_clock: MockClock,
) -> None:
    async with life() as rig:
        await up()
        rig.store.unwritable = "the disk is full"
        assert isinstance(await rig.portfolio.submit(limit(), "desk"), Refused)
        rig.store.unwritable = None
        await trio.sleep(3)
    async with life(rig.store) as rig:
        await up()
        told = await rig.portfolio.submit(limit(), "desk")
        assert isinstance(told, Submitted) and not told.duplicate
        await soon()
        assert len(heard(rig, "D")) == 1


async def test_a_held_order_whose_deadline_ends_while_the_disk_hangs_is_refused_as_unknown_and_never_leaves(
    autojump_clock: MockClock,
) -> None:
    store = MemoryStore()
    async with day("2026-03-02T22:01", store=store) as rig:
        await up()
        store.held_before = trio.Event()
        held = {"on_maintenance": OnMaintenance.HOLD, "deadline": utc("2026-03-02T22:01:05")}
        told = await rig.portfolio.submit(limit(**held), "desk")  # type: ignore[arg-type]
        assert isinstance(told, Refused) and (told.reason, told.sent) == (Reason.NOT_DURABLE, Sent.UNKNOWN)
        store.held_before.set()
        store.held_before = None
        await rig.wall.until("2026-03-02T22:05:10")
        assert heard(rig, "D") == [] and order(rig).final
