"""What a crash leaves, and what the next run makes of it (order-rules.md 11 and 12), in virtual time."""

from decimal import Decimal

import pytest
import trio
from trio.testing import MockClock

from primefixd.orders.model import CancelState, Replacement, ReplaceState, Status
from primefixd.orders.records import OrderFilled, OrderInDoubt, OrderUpdated, ReplaceRejected
from primefixd.runtime.answers import Cancelling, Reason, Refused, Submitted
from primefixd.runtime.views import PortfolioState
from tests.support.lives import carrying, fill, heard, life, opened, order, said, soon, state, submit, up
from tests.support.scripted import Rig, limit, settings, virtual_clock


def tired(rig: Rig) -> None:
    """Nothing can leave for a second."""
    for name in ("a", "b"):
        rig.portfolio._parts.sessions.pause(name, virtual_clock())


async def replaced(rig: Rig, **more: object) -> Submitted | Refused:
    asked = {"client_order_id": "o-1", "new_client_order_id": "o-2", "base_quantity": Decimal("0.7")} | more
    told = await rig.portfolio.replace(Replacement(**asked), "desk")  # type: ignore[arg-type]
    await soon()
    return told


# New orders


async def test_rule_11_intent_without_leaving_was_never_sent_and_leaves_now(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        tired(rig)
        await submit(rig, ttl_ms=60_000)
        assert heard(rig, "D") == []
    async with life(rig.store) as rig:
        assert order(rig).status is Status.QUEUED and not order(rig).in_doubt
        await up()
        assert len(heard(rig, "D")) == 1 and not order(rig).in_doubt
        assert rig.events(OrderInDoubt) == []


async def test_rule_11_leaving_without_an_answer_is_in_doubt_and_is_not_sent_again(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        await submit(rig, ttl_ms=60_000)
        assert len(heard(rig, "D")) == 1
    async with life(rig.store) as rig:
        found = order(rig)
        assert (found.status, found.in_doubt) == (Status.SENT, True)
        await trio.sleep(300)
        assert heard(rig, "D") == [] and order(rig).in_doubt
        (told,) = rig.events(OrderInDoubt)
        assert told.body.order.client_order_id == "o-1"


async def test_rule_11_marked_as_leaving_and_never_sent_is_in_doubt_all_the_same(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        rig.store.held_after = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.portfolio.submit, limit(), "desk")
            await trio.sleep(1)
            assert heard(rig, "D") == []
            nursery.cancel_scope.cancel()
    rig.store.held_after = None
    async with life(rig.store) as rig:
        await trio.sleep(60)
        found = order(rig)
        assert (found.status, found.in_doubt) == (Status.SENT, True) and found.sent_at is not None
        assert heard(rig, "D") == []


async def test_rule_11_what_never_was_on_disk_never_was(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        rig.store.held_before = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.portfolio.submit, limit(), "desk")
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
        assert heard(rig, "D") == []
    rig.store.held_before = None
    async with life(rig.store) as rig:
        assert rig.portfolio.find(client_order_id="o-1") is None
        await up()
        assert not (await submit(rig)).duplicate and len(heard(rig, "D")) == 1


async def test_rule_11_an_acknowledged_order_is_open_and_asked_about_and_not_in_doubt(
    autojump_clock: MockClock,
) -> None:
    async with life() as rig:
        await up()
        venue = await opened(rig)
        await venue.say(fill("o-1", "E1", "0.1", "0.1"))
        await soon()
    async with life(rig.store) as rig:
        found = order(rig)
        assert (found.status, found.in_doubt, f"{found.filled_quantity:f}") == (Status.OPEN, False, "0.1")
        await up()
        assert {m.get(37) for m in heard(rig, "H")} == {"V-o-1"}
        assert rig.events(OrderInDoubt) == []


async def test_rule_12_an_order_in_doubt_is_settled_by_what_the_venue_sends_after_the_logon(
    autojump_clock: MockClock,
) -> None:
    async with life() as rig:
        await up()
        await submit(rig)
    async with life(rig.store) as rig:
        await up()
        await rig.venue.of("b").say(said("o-1", "0", "0"), fill("o-1", "E1", "0.5", "0.5", "2"))
        await soon()
        assert (order(rig).status, order(rig).in_doubt) == (Status.FILLED, False)
        assert len(rig.events(OrderFilled)) == 1


async def test_fills_are_told_once_whatever_is_repeated_after_a_restart(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        venue = await opened(rig)
        await venue.say(fill("o-1", "E1", "0.1", "0.1"), fill("o-1", "E2", "0.1", "0.2"))
        await soon()
        assert len(rig.events(OrderFilled)) == 2
    for _ in range(3):
        async with life(rig.store) as rig:
            await up()
            for name in ("a", "b"):
                again = [fill("o-1", f"E{n}", "0.1", f"0.{n}") for n in (1, 2)]
                await rig.venue.of(name).say(*again, state("o-1", "1", "0.2"))
            await soon()
            assert rig.events(OrderFilled) == [] and f"{order(rig).filled_quantity:f}" == "0.2"
    told = [event for event in rig.store.log if event.type == "order.filled"]
    assert len(told) == 2


# Queued orders


async def test_orders_that_queued_leave_in_their_order_and_late_ones_end_with_an_event(
    autojump_clock: MockClock,
) -> None:
    async with life() as rig:
        await up()
        tired(rig)
        for n, ttl_ms in enumerate((60_000, 500, 60_000, 60_000)):
            await submit(rig, f"o-{n}", ttl_ms=ttl_ms)
    await trio.sleep(1)
    async with life(rig.store) as rig:
        await up()
        assert [m.get(11) for m in heard(rig, "D")] == ["o-0", "o-2", "o-3"]
        late = order(rig, "o-1")
        assert (late.status, late.reject_reason, late.sent_at) == (Status.REJECTED, "expired", None)
        told = [e.body.order.client_order_id for e in rig.events(OrderUpdated) if e.body.order.final]
        assert told == ["o-1"]


async def test_an_order_whose_time_ends_before_a_session_is_up_ends_with_an_event(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        tired(rig)
        await submit(rig, ttl_ms=3_000)
    async with life(rig.store) as rig:
        rig.venue.unreachable = True
        await trio.sleep(10)
        rig.venue.unreachable = False
        await trio.sleep(60)
        assert order(rig).reject_reason == "expired" and heard(rig, "D") == []


async def test_an_order_whose_session_is_configured_no_more_goes_to_another_one(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        tired(rig)
        home = (await submit(rig, ttl_ms=60_000)).order.session
        await submit(rig, "o-2", session=home, ttl_ms=60_000)
    other = next(name for name in ("a", "b") if name != home)
    async with life(rig.store, settings(other)) as rig:
        await up()
        assert [m.get(11) for m in heard(rig, "D")] == ["o-1"] and order(rig).session == other
        assert order(rig, "o-2").final, "its client named the session"


async def test_an_order_that_queued_on_a_session_that_stays_down_moves_on(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        tired(rig)
        home = (await submit(rig, ttl_ms=60_000)).order.session or ""
    async with life(rig.store) as rig:
        supervisor = rig.portfolio._parts.sessions._supervisors[home]
        supervisor.hold("a test", window=True)
        await up()
        assert len(heard(rig, "D")) == 1 and order(rig).session != home


# Cancels


async def test_rule_11_a_cancel_that_waited_for_the_acknowledgement_leaves_in_the_next_life(
    autojump_clock: MockClock,
) -> None:
    async with life() as rig:
        await up()
        await submit(rig)
        assert isinstance(await rig.portfolio.cancel(client_order_id="o-1", client="desk"), Cancelling)
    async with life(rig.store) as rig:
        cancel = order(rig).cancel
        assert cancel is not None and cancel.state is CancelState.WAITING
        await up()
        assert heard(rig, "F") == []
        await rig.venue.of("a").say(said("o-1", "0", "0"))
        await soon()
        (request,) = heard(rig, "F")
        assert (request.get(41), request.get(37)) == ("o-1", "V-o-1")


async def test_rule_11_a_cancel_that_had_left_leaves_again_before_any_question(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        await opened(rig)
        await rig.portfolio.cancel(client_order_id="o-1", client="desk")
        await soon()
        first = heard(rig, "F")[0].get(11)
    async with life(rig.store, settings("a")) as rig:
        await up()
        (request,) = heard(rig, "F")
        assert request.get(11) != first, "an id is never used twice"
        left = [m.type for _, m in carrying(rig, request.get(11) or "", "F").heard if m.type in "FH"]
        assert left == ["F", "H"]
        await rig.venue.of("a").say(said("o-1", "4", "4"))
        await soon()
        assert order(rig).status is Status.CANCELLED


async def test_a_cancel_that_was_refused_is_not_asked_for_again(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        venue = await opened(rig)
        await rig.portfolio.cancel(client_order_id="o-1", client="desk")
        await soon()
        await venue.say(f"35=9|11={venue.requests('F')[0].get(11)}|41=o-1|37=V-o-1|39=0|102=0|434=1")
        await soon()
    async with life(rig.store) as rig:
        await trio.sleep(60)
        assert heard(rig, "F") == [] and order(rig).status is Status.OPEN


# Replaces


async def test_rule_11_a_replace_that_queued_is_over_and_the_former_terms_stand(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        await opened(rig)
        tired(rig)
        assert isinstance(await replaced(rig), Submitted)
    async with life(rig.store) as rig:
        assert order(rig).replace is None
        await up()
        await carrying(rig, "o-1", "H").say(state("o-1", "0"))
        await trio.sleep(60)
        assert heard(rig, "G") == []
        (told,) = rig.events(ReplaceRejected)
        assert told.body.reason == "the daemon restarted before it left"
        again = await replaced(rig)
        assert isinstance(again, Refused) and again.reason is Reason.DUPLICATE, "its id stays used"
        assert isinstance(await replaced(rig, new_client_order_id="o-3"), Submitted)


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("taken", [True, False])
async def test_rule_11_a_replace_that_may_have_left_is_shown_by_the_answer(
    autojump_clock: MockClock, sent: bool, taken: bool
) -> None:
    async with life() as rig:
        await up()
        await opened(rig)
        if not sent:
            rig.store.held_after = trio.Event()
        with trio.move_on_after(1):
            await replaced(rig)
        assert len(heard(rig, "G")) == sent
    rig.store.held_after = None
    async with life(rig.store) as rig:
        replace = order(rig).replace
        assert replace is not None and replace.state is ReplaceState.SENT
        await up()
        assert heard(rig, "G") == []
        venue = carrying(rig, heard(rig, "H")[0].get(11) or "", "H")
        if taken:
            answer = state("o-2", "0", more="|41=o-1|37=V-o-1").replace("|38=0.5", "|38=0.7")
        else:
            answer = state("o-1", "0")
        await venue.say(answer)
        await soon()
        held = order(rig)
        size = "0.7" if taken else "0.5"
        assert held.replace is None and f"{held.terms.base_quantity:f}" == size
        assert len(rig.events(ReplaceRejected)) == (not taken)
        assert order(rig, "o-2" if taken else "o-1") is held


# Clients


async def test_a_repeated_submission_gives_the_first_result_in_this_life_and_the_next(
    autojump_clock: MockClock,
) -> None:
    async with life() as rig:
        await up()
        first = await submit(rig)
        again = await rig.portfolio.submit(limit(), "desk")
        assert isinstance(again, Submitted) and again.duplicate and again.cursor == first.cursor
    async with life(rig.store) as rig:
        again = await rig.portfolio.submit(limit(), "desk")
        assert isinstance(again, Submitted) and again.duplicate and again.cursor == first.cursor
        assert again.order.in_doubt
        await up()
        other = await rig.portfolio.submit(limit(product="ETH-USD"), "desk")
        assert isinstance(other, Refused) and other.reason is Reason.DUPLICATE
        await trio.sleep(5)
        assert heard(rig, "D") == []


async def test_a_lost_reply_while_the_disk_is_full_still_gives_the_first_result(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        first = await submit(rig)
        rig.store.unwritable = "the disk is full"
        again = await rig.portfolio.submit(limit(), "desk")
        assert isinstance(again, Submitted) and again.duplicate and again.cursor == first.cursor


async def test_rule_23_the_ids_of_an_order_that_is_kept_no_more_stay_used_over_a_restart(
    autojump_clock: MockClock,
) -> None:
    async with life() as rig:
        await up()
        venue = await opened(rig)
        await replaced(rig)
        await venue.say(said("o-2", "5", "5", "|41=o-1|37=V-o-1").replace("|38=0.5", "|38=0.7"))
        await venue.say(said("o-2", "4", "4", "|37=V-o-1|17=end").replace("|38=0.5", "|38=0.7"))
        await soon()
        assert order(rig).final
        assert rig.portfolio.compact(virtual_clock().utc.replace(year=2030), 10) == 1
        await soon()
    assert not rig.store.orders["main"] and not rig.store.executions["main"]
    async with life(rig.store) as rig:
        await up()
        for key in ("o-1", "o-2"):
            told = await rig.portfolio.submit(limit(key), "desk")
            assert isinstance(told, Refused) and told.reason is Reason.DUPLICATE
        assert heard(rig, "D") == []


async def test_an_orderly_stop_leaves_nothing_to_doubt(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        venue = await opened(rig)
        tired(rig)
        await submit(rig, "o-2", ttl_ms=60_000)
        await venue.say(fill("o-1", "E1", "0.1", "0.1"))
        await soon()
        await rig.portfolio.stop()
        await trio.sleep(5)
    async with life(rig.store) as rig:
        assert order(rig).status is Status.OPEN and order(rig, "o-2").reject_reason == "stopping"
        assert rig.portfolio.view().state is PortfolioState.RECONCILING
        await trio.sleep(10)
        assert rig.events(OrderInDoubt) == [] and heard(rig, "D") == []
