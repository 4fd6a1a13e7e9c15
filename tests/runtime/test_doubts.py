"""Orders in doubt and gaps of one portfolio, and how they come out of it (order-rules.md 5, 12 to 16)."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from primefixd.orders.model import OnDoubt, OrderType, Replacement, Resolution, Status, TimeInForce
from primefixd.orders.records import (
    Contradicted,
    FillBusted,
    FillGap,
    OrderFilled,
    OrderInDoubt,
    OrderUpdated,
    ReplaceRejected,
)
from primefixd.runtime.answers import Noted, Reason, Refused
from primefixd.runtime.doubts import AGAIN_S, CONFIRM_S, LOGGED_ON_S
from tests.support.listed import Listed, execution, listed
from tests.support.lives import carrying, fill, heard, life, opened, order, said, soon, state, submit, up
from tests.support.scripted import Connection, Rig, limit, settings, virtual_clock

RESUBMIT = {"on_doubt": OnDoubt.RESUBMIT, "ttl_ms": 600_000}


@pytest.fixture
async def rig(autojump_clock: MockClock) -> AsyncIterator[Rig]:
    async with life() as rig:
        await up()
        yield rig


@pytest.fixture
def rest() -> Listed:
    return Listed()


@pytest.fixture
async def with_rest(autojump_clock: MockClock, rest: Listed) -> AsyncIterator[Rig]:
    async with life(rest=rest.desk()) as rig:
        await up()
        yield rig


async def doubtful(rig: Rig, key: str = "o-1", **more: object) -> Connection:
    """An order that left on a link that died; the connection that it left on."""
    await submit(rig, key, **more)
    venue = carrying(rig, key)
    await venue.cut()
    await soon()
    assert "order.in_doubt" in [event.type for event in rig.store.log]
    return venue


def word(status: Status, quantity: str = "0", price: str | None = None) -> Resolution:
    return Resolution(
        status=status,
        filled_quantity=Decimal(quantity),
        average_price=None if price is None else Decimal(price),
        reason="seen in the UI",
        client="admin",
        time=virtual_clock().utc,
    )


# Asking (12), and what proves nothing (13, 14)


async def test_rule_12_an_open_order_of_a_dead_link_is_asked_about_by_the_others_and_again_by_its_own(
    autojump_clock: MockClock, rig: Rig
) -> None:
    venue = await opened(rig)
    await venue.cut()
    await soon()
    (asked,) = heard(rig, "H")
    assert not carrying(rig, asked.get(11) or "", "H").ended
    await trio.sleep(3)
    assert len(rig.venue.of(venue.peer.removesuffix("-account")).requests("H")) == 1


async def test_rule_13_an_unknown_order_is_not_a_rejected_one(autojump_clock: MockClock, rig: Rig) -> None:
    venue = await opened(rig)
    await venue.cut()
    await soon()
    asked = carrying(rig, "o-1", "H")
    await asked.say(state("o-1", "8", more="|103=5|58=unknown order"))
    await soon()
    assert order(rig).status is Status.OPEN


async def test_rule_13_an_unknown_order_in_doubt_stays_in_doubt(autojump_clock: MockClock, rig: Rig) -> None:
    await doubtful(rig)
    await trio.sleep(3)
    await rig.venue.of("a").say(said("o-1", "8", "8", "|103=5|37=NONE"))
    await soon()
    assert (order(rig).status, order(rig).in_doubt) == (Status.SENT, True)


async def test_rule_14_a_duplicate_proves_that_the_venue_has_it(autojump_clock: MockClock, rig: Rig) -> None:
    await doubtful(rig)
    await trio.sleep(3)
    await rig.venue.of("a").say(said("o-1", "8", "8", "|103=6|37=V-o-1"))
    await soon()
    found = order(rig)
    assert (found.status, found.in_doubt, found.known_to_venue) == (Status.SENT, True, True)
    told = rig.events(OrderUpdated)
    assert told[-1].body.order.known_to_venue


# Sending again (15)


async def test_rule_15_an_order_is_never_sent_again_unless_it_asked_for_that(
    autojump_clock: MockClock, rig: Rig
) -> None:
    await doubtful(rig, ttl_ms=600_000)
    await trio.sleep(500)
    assert len(heard(rig, "D")) == 1 and order(rig).in_doubt


async def test_rule_15_one_that_asked_for_it_leaves_again_ten_seconds_later_and_never_a_third_time(
    autojump_clock: MockClock, rig: Rig
) -> None:
    await trio.sleep(60)
    first = await doubtful(rig, **RESUBMIT)
    await trio.sleep(LOGGED_ON_S - 0.5)
    assert len(heard(rig, "D")) == 1, "the other session was up all the while, but the doubt is young"
    await trio.sleep(1)
    assert [m.get(11) for m in heard(rig, "D")] == ["o-1", "o-1"]
    assert (order(rig).status, order(rig).in_doubt) == (Status.SENT, True)
    second = next(c for c in rig.venue.connections if c is not first and c.requests("D"))
    await second.cut()
    await trio.sleep(300)
    assert len(heard(rig, "D")) == 2 and order(rig).in_doubt
    await rig.venue.of("a").say(said("o-1", "0", "0"))
    await soon()
    assert (order(rig).status, order(rig).in_doubt) == (Status.OPEN, False)


async def test_rule_15_a_session_must_be_logged_on_for_ten_seconds(autojump_clock: MockClock, rig: Rig) -> None:
    await submit(rig, **RESUBMIT)
    rig.venue.unreachable = True
    for connection in list(rig.venue.connections):
        await connection.cut()
    await trio.sleep(60)
    rig.venue.unreachable = False
    while not (back := [c for c in rig.venue.connections if c.peer and not c.ended]):
        await trio.sleep(0.01)
    at = trio.current_time()
    while len(heard(rig, "D")) < 2:
        await trio.sleep(0.01)
    assert back and LOGGED_ON_S - 0.1 <= trio.current_time() - at <= LOGGED_ON_S + 1


async def test_rule_15_a_word_in_the_meantime_ends_the_doubt_and_nothing_is_sent(
    autojump_clock: MockClock, rig: Rig
) -> None:
    await doubtful(rig, **RESUBMIT)
    await trio.sleep(5)
    await rig.venue.of("a").say(said("o-1", "0", "0"))
    await trio.sleep(60)
    assert len(heard(rig, "D")) == 1 and order(rig).status is Status.OPEN


@pytest.mark.parametrize("more", ["|103=6", "|103=5"])
async def test_rule_15_what_the_venue_knows_is_not_sent_again(autojump_clock: MockClock, rig: Rig, more: str) -> None:
    await doubtful(rig, **RESUBMIT)
    await trio.sleep(5)
    await rig.venue.of("a").say(said("o-1", "8", "8", more))
    await trio.sleep(60)
    assert len(heard(rig, "D")) == (1 if more == "|103=6" else 2) and order(rig).in_doubt


async def test_rule_14_a_duplicate_of_what_was_sent_twice_is_no_rejection(autojump_clock: MockClock, rig: Rig) -> None:
    await doubtful(rig, **RESUBMIT)
    await trio.sleep(20)
    assert len(heard(rig, "D")) == 2
    await rig.venue.of("a").say(said("o-1", "8", "8", "|103=6"))
    await soon()
    assert order(rig).status is Status.SENT and order(rig).known_to_venue
    await rig.venue.of("b").say(said("o-1", "0", "0"))
    await soon()
    assert order(rig).status is Status.OPEN and not order(rig).in_doubt


async def test_rule_15_a_wish_to_cancel_ends_the_wish_to_send_again(autojump_clock: MockClock, rig: Rig) -> None:
    await doubtful(rig, **RESUBMIT)
    await rig.portfolio.cancel(client_order_id="o-1", client="desk")
    await trio.sleep(60)
    assert len(heard(rig, "D")) == 1


async def test_rule_15_a_cancel_while_it_waits_to_leave_again_keeps_it_here(
    autojump_clock: MockClock, rig: Rig
) -> None:
    await doubtful(rig, **RESUBMIT)
    await trio.sleep(LOGGED_ON_S - 1)
    while not any(len(rig.portfolio._parts.sessions.outbox(name)) for name in ("a", "b")):
        for name in ("a", "b"):
            rig.portfolio._parts.sessions.pause(name, virtual_clock())
        await trio.sleep(0.1)
    await rig.portfolio.cancel(client_order_id="o-1", client="desk")
    await trio.sleep(30)
    assert len(heard(rig, "D")) == 1


@pytest.mark.parametrize("cancel_open", [True, False])
async def test_rule_26_a_halt_while_it_waits_to_leave_again_keeps_it_here(
    autojump_clock: MockClock, rig: Rig, cancel_open: bool
) -> None:
    await doubtful(rig, **RESUBMIT)
    await trio.sleep(LOGGED_ON_S - 1)
    while not any(len(rig.portfolio._parts.sessions.outbox(name)) for name in ("a", "b")):
        for name in ("a", "b"):
            rig.portfolio._parts.sessions.pause(name, virtual_clock())
        await trio.sleep(0.1)
    await rig.portfolio.halt("ops", cancel_open)
    assert not any(len(rig.portfolio._parts.sessions.outbox(name)) for name in ("a", "b"))
    await trio.sleep(60)
    await rig.portfolio.resume()
    await trio.sleep(60)
    assert len(heard(rig, "D")) == 1 and order(rig).in_doubt


async def test_rule_15_its_deadline_ends_it(autojump_clock: MockClock, rig: Rig) -> None:
    await doubtful(rig, on_doubt=OnDoubt.RESUBMIT, ttl_ms=5_000)
    await trio.sleep(120)
    assert len(heard(rig, "D")) == 1 and order(rig).in_doubt, "and it stays in doubt all the same"


async def test_rule_15_a_market_order_is_never_sent_again(autojump_clock: MockClock, rig: Rig) -> None:
    terms = evolve(
        limit().terms, type=OrderType.MARKET, limit_price=None, time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL
    )
    await rig.portfolio.submit(evolve(limit(**RESUBMIT), terms=terms), "desk")
    await soon()
    await carrying(rig).cut()
    await trio.sleep(120)
    assert len(heard(rig, "D")) == 1


async def test_rule_15_it_holds_over_restarts_and_once_in_all_of_them(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        await submit(rig, **RESUBMIT)
    async with life(rig.store) as rig:
        await trio.sleep(LOGGED_ON_S - 0.5)
        assert heard(rig, "D") == []
        await trio.sleep(3)
        assert len(heard(rig, "D")) == 1
    async with life(rig.store) as rig:
        await trio.sleep(120)
        assert heard(rig, "D") == [] and order(rig).in_doubt


async def test_rule_11_the_second_sending_is_on_disk_before_it_leaves(autojump_clock: MockClock, rig: Rig) -> None:
    await doubtful(rig, **RESUBMIT)
    await trio.sleep(LOGGED_ON_S - 1)
    rig.store.held_after = trio.Event()
    await trio.sleep(30)
    assert len(heard(rig, "D")) == 1
    rig.store.held_after.set()
    rig.store.held_after = None
    await trio.sleep(1)
    assert len(heard(rig, "D")) == 2


# A person's word (16)


async def test_rule_16_a_person_settles_what_is_in_doubt_and_it_holds_over_a_restart(
    autojump_clock: MockClock,
) -> None:
    async with life() as rig:
        await up()
        await doubtful(rig)
        told = await rig.portfolio.resolve("o-1", word(Status.FILLED, "0.5", "49000"))
        assert isinstance(told, Noted) and told.order.status is Status.FILLED and not told.order.in_doubt
        (filled,) = rig.events(OrderFilled)
        assert (filled.body.fill.source, filled.body.fill.approximate) == ("resolved", True)
    async with life(rig.store) as rig:
        found = order(rig)
        assert found.resolution is not None and f"{found.filled_value:f}" == "24500.0"
        assert rig.portfolio.view().in_doubt == 0


@pytest.mark.parametrize("restart", [False, True])
async def test_rule_16_any_later_word_of_the_venue_overrides_it(autojump_clock: MockClock, restart: bool) -> None:
    async with life() as rig:
        await up()
        await doubtful(rig)
        await rig.portfolio.resolve("o-1", word(Status.FILLED, "0.5", "49000"))
        await trio.sleep(3)
        if not restart:
            await overridden(rig)
    if restart:
        async with life(rig.store) as rig:
            await up()
            await overridden(rig)


async def overridden(rig: Rig) -> None:
    rig.events(OrderFilled)
    await rig.venue.of("a").say(fill("o-1", "E1", "0.2", "0.2"))
    await soon()
    found = order(rig)
    assert (found.status, f"{found.filled_quantity:f}", found.resolution) == (Status.OPEN, "0.2", None)
    told = [event for event in rig.store.log if event.type.startswith("order.")]
    kinds = [event.type for event in told[-5:]]
    assert {"order.fill_busted", "order.filled", "order.contradicted"} <= set(kinds)


async def test_rule_16_only_what_is_in_doubt_can_be_resolved(autojump_clock: MockClock, rig: Rig) -> None:
    await opened(rig)
    told = await rig.portfolio.resolve("o-1", word(Status.CANCELLED))
    assert isinstance(told, Refused) and told.reason is Reason.INVALID
    told = await rig.portfolio.resolve("nobody", word(Status.CANCELLED))
    assert isinstance(told, Refused) and told.reason is Reason.UNKNOWN_ORDER


async def test_rule_16_a_word_that_cannot_be_so_is_refused_in_words(autojump_clock: MockClock, rig: Rig) -> None:
    await doubtful(rig)
    told = await rig.portfolio.resolve("o-1", word(Status.FILLED, "0.2", "50000"))
    assert isinstance(told, Refused) and told.reason is Reason.INVALID and "0.5" in told.message
    assert order(rig).in_doubt


async def test_rule_16_a_cancel_that_waited_is_over_with_it(autojump_clock: MockClock, rig: Rig) -> None:
    await doubtful(rig)
    await rig.portfolio.cancel(client_order_id="o-1", client="desk")
    await rig.portfolio.resolve("o-1", word(Status.CANCELLED))
    assert "o-1" not in rig.portfolio._parts.cancels and order(rig).cancel is None


@pytest.mark.parametrize("fault", ["full", "hangs"])
async def test_rule_16_a_word_that_is_not_on_disk_is_not_called_noted(
    autojump_clock: MockClock, rig: Rig, fault: str
) -> None:
    await doubtful(rig)
    if fault == "full":
        rig.store.unwritable = "the disk is full"
    else:
        rig.store.held_before = trio.Event()
    told = await rig.portfolio.resolve("o-1", word(Status.REJECTED))
    assert isinstance(told, Refused) and told.reason is Reason.NOT_DURABLE
    if rig.store.held_before is not None:
        rig.store.held_before.set()
    rig.store.unwritable = rig.store.held_before = None
    await trio.sleep(2)
    found = order(rig)
    assert found.resolution is not None and found.status is Status.REJECTED, "it holds, as the answer says"


# REST (5, 13)


async def test_rule_13_open_then_all_then_open_again_twice_a_minute_apart_and_then_it_is_shown(
    autojump_clock: MockClock, rest: Listed, with_rest: Rig
) -> None:
    rest.open, rest.closed = [listed("x-1", "OPEN")], [listed("x-2", "FILLED"), listed("x-3", "FILLED")]
    await doubtful(with_rest)
    began = trio.current_time()
    await trio.sleep(1)
    reading = ["open_orders", "orders", "orders", "open_orders"]
    assert rest.paths() == reading
    since = virtual_clock().utc - timedelta(seconds=300)
    assert rest.queries[1]["start_date"] <= since.isoformat() and "start_date" not in rest.queries[0]
    await trio.sleep(CONFIRM_S - 2)
    assert order(with_rest).not_found_at is None and rest.paths() == reading
    await trio.sleep(3)
    assert rest.paths() == reading * 2
    found = order(with_rest)
    assert found.not_found_at is not None and found.not_found_at - virtual_clock().utc < timedelta(seconds=5)
    assert (found.status, found.in_doubt) == (Status.SENT, True), "the closing is left to a person"
    assert trio.current_time() - began > CONFIRM_S
    told = [e.body.order.not_found_at is not None for e in with_rest.events(OrderUpdated)]
    assert told.count(True) == 1


async def test_rule_13_an_order_that_moves_from_list_to_list_meanwhile_is_found(
    autojump_clock: MockClock, rest: Listed, with_rest: Rig
) -> None:
    rest.after = {2: ([], []), 3: ([listed("o-1", "OPEN")], [])}
    await doubtful(with_rest)
    await trio.sleep(1)
    assert rest.paths() == ["open_orders", "orders", "open_orders"]
    assert (order(with_rest).status, order(with_rest).order_id) == (Status.OPEN, "V-o-1")


@pytest.mark.parametrize(
    ("status", "comes_to"),
    [
        ("OPEN", Status.OPEN),
        ("PENDING", Status.PENDING),
        ("CANCELLED", Status.CANCELLED),
        ("EXPIRED", Status.EXPIRED),
        ("FAILED", Status.REJECTED),
    ],
)
async def test_rule_12_rest_settles_a_doubt(
    autojump_clock: MockClock, rest: Listed, with_rest: Rig, status: str, comes_to: Status
) -> None:
    order_listed = listed("o-1", status)
    rest.open, rest.closed = ([order_listed], []) if status in ("OPEN", "PENDING") else ([], [order_listed])
    await doubtful(with_rest)
    await trio.sleep(1)
    found = order(with_rest)
    assert (found.status, found.in_doubt, found.order_id) == (comes_to, False, "V-o-1")
    asked = len(rest.asked)
    await trio.sleep(300)
    assert len(rest.asked) == asked, "there is nothing more to ask for"


async def test_rule_05_fills_that_rest_lists_close_a_gap_with_their_own_ids(
    autojump_clock: MockClock, rest: Listed, with_rest: Rig
) -> None:
    rest.closed = [listed("o-1", "FILLED", filled_quantity="0.5", average_filled_price="50000")]
    rest.fills = [execution("o-1", "E1", "0.2"), execution("o-1", "E2", "0.3")]
    await doubtful(with_rest)
    await trio.sleep(1)
    found = order(with_rest)
    assert (found.status, f"{found.filled_quantity:f}") == (Status.FILLED, "0.5")
    told = [e.body.fill for e in with_rest.events(OrderFilled)]
    assert [(f.exec_id, f.source, f.approximate) for f in told] == [("E1", "rest", False), ("E2", "rest", False)]
    for name in ("a", "b"):
        await trio.sleep(2)
        await with_rest.venue.of(name).say(fill("o-1", "E1", "0.2", "0.2"), fill("o-1", "E2", "0.3", "0.5", "2"))
    await soon()
    assert with_rest.events(OrderFilled) == [] and f"{order(with_rest).filled_quantity:f}" == "0.5"


async def test_rule_05_a_gap_on_an_open_order_is_closed_by_rest_at_once(
    autojump_clock: MockClock, rest: Listed, with_rest: Rig
) -> None:
    venue = await opened(with_rest)
    rest.fills = [execution("o-1", "E1", "0.2")]
    await venue.say(fill("o-1", "E2", "0.1", "0.3"))
    await trio.sleep(1)
    assert len(with_rest.events(FillGap)) == 1
    assert f"{order(with_rest).filled_quantity:f}" == "0.3" and rest.paths() == ["orders/V-o-1/fills"]


async def test_rule_05_without_rest_a_gap_is_asked_about_again_after_its_grace_and_told_as_one_fill(
    autojump_clock: MockClock, rig: Rig
) -> None:
    venue = await opened(rig)
    await venue.say(fill("o-1", "E2", "0.1", "0.3"))
    await soon()
    (gap,) = rig.events(FillGap)
    assert f"{gap.body.venue_quantity:f}" == "0.3"
    await venue.say(state("o-1", "1", "0.3"))
    await soon()
    assert [e.body.fill.exec_id for e in rig.events(OrderFilled)] == []
    before = len(venue.requests("H"))
    await trio.sleep(rig.shared.reconcile.grace_s)
    assert len(venue.requests("H")) == before + 1
    await venue.say(state("o-1", "1", "0.3"))
    await soon()
    (told,) = rig.events(OrderFilled)
    assert (told.body.fill.source, f"{told.body.fill.last_quantity:f}") == ("reconciled", "0.2")
    await venue.say(fill("o-1", "E1", "0.2", "0.2"))
    await soon()
    assert f"{order(rig).filled_quantity:f}" == "0.3"


async def test_rule_05_the_grace_counts_on_over_a_restart(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        venue = await opened(rig)
        await venue.say(fill("o-1", "E2", "0.1", "0.3"))
        await trio.sleep(20)
    async with life(rig.store) as rig:
        await up()
        first = carrying(rig, "o-1", "H")
        await first.say(state("o-1", "1", "0.3"))
        await soon()
        assert rig.events(OrderFilled) == []
        await trio.sleep(10)
        for name in ("a", "b"):
            await rig.venue.of(name).say(state("o-1", "1", "0.3"))
        await soon()
        (told,) = rig.events(OrderFilled)
        assert (told.body.fill.source, f"{told.body.fill.last_quantity:f}") == ("reconciled", "0.2")


async def test_rule_13_a_reading_that_fails_proves_nothing_and_is_tried_again(
    autojump_clock: MockClock, rest: Listed, with_rest: Rig
) -> None:
    rest.broken = True
    await doubtful(with_rest)
    await trio.sleep(10 * AGAIN_S)
    assert order(with_rest).not_found_at is None and 10 <= len(rest.asked) <= 12
    rest.broken, rest.open = False, [listed("o-1", "OPEN")]
    await trio.sleep(AGAIN_S)
    assert order(with_rest).status is Status.OPEN


async def test_rule_13_two_readings_less_than_a_minute_apart_prove_nothing(
    autojump_clock: MockClock, rest: Listed, with_rest: Rig
) -> None:
    await doubtful(with_rest)
    await trio.sleep(10)
    await doubtful(with_rest, "o-2", product="ETH-USD")
    await trio.sleep(10)
    assert len(rest.asked) == 6 and order(with_rest).not_found_at is None


async def test_rule_13_an_order_that_was_missed_once_and_settled_is_not_remembered_as_missed(
    autojump_clock: MockClock, rest: Listed, with_rest: Rig
) -> None:
    await doubtful(with_rest)
    await trio.sleep(5)
    await with_rest.venue.of("a").say(said("o-1", "0", "0"))
    await doubtful(with_rest, "o-2", product="ETH-USD")
    await trio.sleep(5)
    assert with_rest.portfolio._parts.rest._missed_at.keys() == {"o-2"}


async def test_a_word_that_comes_while_rest_is_read_is_not_undone(
    autojump_clock: MockClock, rest: Listed, with_rest: Rig
) -> None:
    rest.slow_s = 5.0
    await doubtful(with_rest)
    await trio.sleep(6)
    await with_rest.venue.of("a").say(fill("o-1", "E1", "0.5", "0.5", "2"))
    rest.open = [listed("o-1", "OPEN")]
    await trio.sleep(30)
    assert order(with_rest).status is Status.FILLED and len(with_rest.events(OrderFilled)) == 1


async def test_a_cancel_that_waits_leaves_when_rest_names_the_order(
    autojump_clock: MockClock, rest: Listed, with_rest: Rig
) -> None:
    await doubtful(with_rest)
    await with_rest.portfolio.cancel(client_order_id="o-1", client="desk")
    assert heard(with_rest, "F") == []
    rest.open = [listed("o-1", "OPEN")]
    await trio.sleep(AGAIN_S + 2)
    (request,) = heard(with_rest, "F")
    assert request.get(37) == "V-o-1"


async def test_a_cancel_is_over_when_rests_fills_complete_the_order(
    autojump_clock: MockClock, rest: Listed, with_rest: Rig
) -> None:
    venue = await opened(with_rest)
    await with_rest.portfolio.cancel(client_order_id="o-1", client="desk")
    await soon()
    rest.fills = [execution("o-1", "E1", "0.2")]
    await venue.say(fill("o-1", "E2", "0.3", "0.5"))
    await trio.sleep(1)
    assert order(with_rest).status is Status.FILLED and "o-1" not in with_rest.portfolio._parts.cancels


async def test_rule_17_a_start_waits_for_rest_where_something_is_in_doubt(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        await submit(rig)
    rest = Listed()
    rest.slow_s = 4.0
    rest.open = [listed("o-1", "OPEN")]
    async with life(rig.store, rest=rest.desk()) as rig:
        await trio.sleep(8)
        assert rig.portfolio.view().state == "RECONCILING"
        await trio.sleep(8)
        assert rig.portfolio.view().state == "OPEN" and order(rig).status is Status.OPEN
        assert len(rig.events(OrderInDoubt)) == 1


# The drop copy


async def test_a_drop_copy_settles_a_doubt(autojump_clock: MockClock) -> None:
    async with life(of=settings("a", "d", drop_copy="d")) as rig:
        await up()
        await submit(rig)
        await carrying(rig).cut()
        await soon()
        assert order(rig).in_doubt
        await rig.venue.of("d").say(said("o-1", "0", "0"), fill("o-1", "E1", "0.2", "0.2"))
        await soon()
        assert (order(rig).in_doubt, f"{order(rig).filled_quantity:f}") == (False, "0.2")


async def test_rule_02_a_drop_copys_fills_are_told_once(autojump_clock: MockClock) -> None:
    async with life(of=settings("a", "d", drop_copy="d")) as rig:
        await up()
        venue, copy = await opened(rig), rig.venue.of("d")
        for each in (venue, copy, venue, copy):
            await each.say(fill("o-1", "E1", "0.2", "0.2"))
        for each in (copy, venue):
            await each.say(fill("o-1", "E2", "0.3", "0.5", "2"))
        await soon()
        assert len(rig.events(OrderFilled)) == 2 and order(rig).status is Status.FILLED
        assert rig.events(FillBusted) == [] and rig.events(Contradicted) == []


async def test_a_drop_copy_carries_cancels_and_questions_when_nothing_else_is_up_and_no_orders(
    autojump_clock: MockClock,
) -> None:
    async with life(of=settings("a", "d", drop_copy="d")) as rig:
        await up()
        venue, copy = await opened(rig), rig.venue.of("d")
        await rig.portfolio.cancel(client_order_id="o-1", client="desk")
        await soon()
        assert len(venue.requests("F")) == 1 and copy.requests("F") == []
        rig.venue.unreachable = True
        await venue.cut()
        await soon()
        assert len(copy.requests("F")) == 1 and len(copy.requests("H")) == 1
        told = await rig.portfolio.submit(limit("o-2"), "desk")
        assert isinstance(told, Refused) and told.reason is Reason.NO_SESSION and copy.requests("D") == []
        await copy.say(said("o-1", "4", "4"))
        await soon()
        assert order(rig).status is Status.CANCELLED


async def test_rule_12_an_acknowledgement_lost_on_a_live_link_leaves_the_order_in_doubt(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    rig = Rig(nursery, settings("a", "b"))
    await trio.sleep(2)
    await rig.portfolio.submit(limit("o-1"), "c")
    await trio.sleep(0.5)
    carrier = next(name for name in ("a", "b") if rig.venue.of(name).requests("D"))
    rig.venue.of(carrier).session.send("8", [(11, "lost")], virtual_clock())  # numbered, and never sent
    await rig.venue.of(carrier).say("35=8|1=x|11=other|17=e|20=0|37=v-9|39=0|54=1|55=ETH-USD|150=0|14=0|151=1|")
    await trio.sleep(0.1)
    assert [event.body.order.client_order_id for event in rig.events(OrderInDoubt)] == ["o-1"]


# Words that are lost on a link that lives: whatever was under way, on any session, is asked about


async def lose(venue: Connection, text: str) -> None:
    """The venue numbers that message, it never arrives, and a later one shows the gap."""
    venue._said(text)
    await venue.say(said("x", "0", "0"))
    await soon()


async def test_rule_12_a_replace_whose_answer_was_lost_on_a_live_link_is_settled_by_the_venues_state(
    autojump_clock: MockClock, rig: Rig
) -> None:
    venue = await opened(rig)
    wanted = Replacement(client_order_id="o-1", new_client_order_id="o-2", limit_price=Decimal("49000"))
    await rig.portfolio.replace(wanted, "desk")
    await soon()
    assert len(venue.requests("G")) == 1
    await lose(venue, "35=9|11=o-2|41=o-1|37=V-o-1|39=0|434=2|102=99|58=no")
    assert not venue.ended and len(heard(rig, "H")) == 1 and order(rig).replace is not None
    await venue.say(state("o-1", "0"))
    await soon()
    assert (order(rig).status, order(rig).replace) == (Status.OPEN, None)
    assert len(rig.events(ReplaceRejected)) == 1


async def test_rule_12_a_replace_that_went_through_unheard_is_learnt_from_the_answer(
    autojump_clock: MockClock, rig: Rig
) -> None:
    venue = await opened(rig)
    wanted = Replacement(client_order_id="o-1", new_client_order_id="o-2", limit_price=Decimal("49000"))
    await rig.portfolio.replace(wanted, "desk")
    await soon()
    await lose(venue, said("o-2", "5", "5", "|41=o-1|37=V-o-1|44=49000"))
    await venue.say(state("o-2", "0", more="|41=o-1|37=V-o-1|44=49000"))
    await soon()
    found = order(rig)
    assert (found.client_order_id, found.terms.limit_price, found.replace) == ("o-2", Decimal("49000"), None)
    assert rig.events(ReplaceRejected) == []


async def test_rule_19_a_cancel_whose_answer_was_lost_on_a_live_link_leaves_again_under_a_new_id(
    autojump_clock: MockClock, rig: Rig
) -> None:
    venue = await opened(rig)
    await rig.portfolio.cancel(client_order_id="o-1", client="desk")
    await soon()
    (first,) = heard(rig, "F")
    await lose(venue, f"35=9|11={first.get(11)}|41=o-1|37=V-o-1|39=0|434=1|102=99|58=no")
    assert len({m.get(11) for m in heard(rig, "F")}) == 2 and len(heard(rig, "H")) == 1
    await venue.say(said("o-1", "4", "4"))
    await soon()
    assert order(rig).status is Status.CANCELLED and "o-1" not in rig.portfolio._parts.cancels
    await trio.sleep(60)
    assert len(heard(rig, "F")) == 2


async def test_rule_12_words_lost_on_one_session_may_be_about_an_order_of_another(
    autojump_clock: MockClock, rig: Rig
) -> None:
    await opened(rig, session="a")
    other = rig.venue.of("b")
    await lose(other, fill("o-1", "E-9", "0.2", "0.2"))
    (asked,) = heard(rig, "H")
    assert (asked.get(11), asked.get(37)) == ("o-1", "V-o-1") and order(rig).filled_quantity == 0
    await carrying(rig, "o-1", "H").say(state("o-1", "1", "0.2"))
    await soon()
    assert [f"{gap.body.venue_quantity:f}" for gap in rig.events(FillGap)] == ["0.2"]
