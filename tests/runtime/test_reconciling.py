"""Finding out how the orders stand after a start (order-rules.md 17), in virtual time."""

from decimal import Decimal

import trio
from trio.testing import MockClock

from primefixd.clock import Moment
from primefixd.orders.model import Resolution, Status
from primefixd.runtime.answers import Cancelling, Reason, Refused
from primefixd.runtime.reconciling import ALL_UP_S, SETTLE_S, Reconciling
from primefixd.runtime.views import PortfolioChanged, PortfolioState
from tests.support.lives import carrying, heard, life, opened, order, said, soon, state, submit, up
from tests.support.scripted import BEGIN, Rig, limit, settings, virtual_clock

OPEN, RECONCILING = PortfolioState.OPEN, PortfolioState.RECONCILING


def tired(rig: Rig) -> None:
    for name in ("a", "b"):
        rig.portfolio._parts.sessions.pause(name, virtual_clock())


def shown(rig: Rig) -> tuple[PortfolioState, int]:
    view = rig.portfolio.view()
    return view.state, view.unreconciled


async def answered(rig: Rig, key: str, status: str = "0") -> None:
    """The venue answers every question about that order that has come."""
    for connection in rig.venue.connections:
        for message in connection.requests("H"):
            if message.get(11) == key and not connection.ended:
                await connection.say(state(key, status))
    await soon()


async def test_rule_17_a_start_without_live_orders_is_open_at_once(autojump_clock: MockClock) -> None:
    async with life() as rig:
        assert shown(rig) == (OPEN, 0)
        await up()
        venue = await opened(rig)
        await venue.say(said("o-1", "4", "4"))
        await soon()
    async with life(rig.store) as rig:
        assert shown(rig) == (OPEN, 0)
        await up()
        await submit(rig, "o-2")
        assert len(heard(rig, "D")) == 1


async def test_rule_17_orders_that_never_left_close_nothing(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        tired(rig)
        await submit(rig, ttl_ms=60_000)
    async with life(rig.store) as rig:
        assert shown(rig) == (OPEN, 0)


async def test_rule_17_live_orders_close_it_until_each_is_answered_for(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        await opened(rig, "o-1")
        await opened(rig, "o-2")
    async with life(rig.store) as rig:
        assert shown(rig) == (RECONCILING, 2)
        told = await rig.portfolio.submit(limit("o-3"), "desk")
        assert isinstance(told, Refused) and (told.reason, told.sent) == (Reason.CLOSED, "no")
        await up()
        await answered(rig, "o-1")
        assert shown(rig) == (RECONCILING, 1)
        await answered(rig, "o-2")
        assert shown(rig) == (OPEN, 0)
        assert [e.body.portfolio.state for e in rig.events(PortfolioChanged)][-1] is OPEN
        await submit(rig, "o-3")
        assert len(heard(rig, "D")) == 1


async def test_rule_17_what_was_said_before_the_question_left_is_no_answer(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        await opened(rig)
    async with life(rig.store) as rig:
        await trio.sleep(0.5)
        assert heard(rig, "H") == []
        await rig.venue.of("a").say(said("o-1", "0", "0"))
        await soon()
        assert shown(rig) == (RECONCILING, 1)
        await up()
        await answered(rig, "o-1")
        assert shown(rig) == (OPEN, 0)


async def test_rule_17_what_queues_from_before_leaves_only_then(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        await opened(rig)
        tired(rig)
        await submit(rig, "o-2", ttl_ms=60_000)
    async with life(rig.store) as rig:
        await trio.sleep(20)
        assert heard(rig, "D") == []
        await answered(rig, "o-1")
        await trio.sleep(1.5)
        assert [m.get(11) for m in heard(rig, "D")] == ["o-2"]


async def test_rule_17_without_answers_it_opens_after_its_time_and_counts_them(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        await opened(rig)
    async with life(rig.store) as rig:
        most_s = rig.shared.reconcile.most_s
        await trio.sleep(most_s - 1)
        assert shown(rig) == (RECONCILING, 1)
        await trio.sleep(3)
        assert shown(rig) == (OPEN, 1)
        await submit(rig, "o-2")
        await answered(rig, "o-1")
        assert shown(rig) == (OPEN, 0)


async def test_rule_17_the_time_counts_from_the_first_session_that_is_back(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        await opened(rig)
    async with life(rig.store) as rig:
        rig.venue.unreachable = True
        await trio.sleep(300)
        assert shown(rig) == (RECONCILING, 1)
        rig.venue.unreachable = False
        await trio.sleep(rig.shared.reconcile.most_s + 40)
        assert shown(rig) == (OPEN, 1)


async def test_rule_17_a_session_that_stays_away_is_not_waited_for_long(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        await opened(rig)
    async with life(rig.store) as rig:
        rig.portfolio._parts.sessions._supervisors["b"].hold("a test", window=True)
        await up()
        await answered(rig, "o-1")
        assert shown(rig)[0] is RECONCILING
        await trio.sleep(ALL_UP_S)
        assert shown(rig) == (OPEN, 0)


async def test_rule_17_an_order_that_fix_cannot_ask_about_is_waited_for_a_moment(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        await submit(rig)
    async with life(rig.store) as rig:
        assert shown(rig) == (RECONCILING, 1)
        await trio.sleep(SETTLE_S + 1)
        assert shown(rig) == (OPEN, 1)
        assert rig.portfolio.view().in_doubt == 1


async def test_rule_17_a_single_sessions_return_leaves_it_open_and_asks_about_its_orders(
    autojump_clock: MockClock,
) -> None:
    async with life() as rig:
        await up()
        venue = await opened(rig)
        before = len(heard(rig, "H"))
        await venue.cut()
        await soon()
        assert shown(rig) == (OPEN, 0) and len(heard(rig, "H")) == before + 1, "by the one that survives"
        await trio.sleep(5)
        assert shown(rig) == (OPEN, 0) and len(heard(rig, "H")) == before + 2, "and by its own"
        assert not order(rig).in_doubt


async def test_rule_17_all_sessions_returning_leave_it_open_as_well(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        await opened(rig)
        for connection in list(rig.venue.connections):
            await connection.cut()
        await trio.sleep(5)
        assert shown(rig) == (OPEN, 0)
        await submit(rig, "o-2")


async def test_rule_17_cancels_leave_before_questions_whatever_the_rate(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        for n in range(30):
            await opened(rig, f"o-{n}")
        for n in range(10, 20):
            assert isinstance(await rig.portfolio.cancel(client_order_id=f"o-{n}", client="desk"), Cancelling)
    async with life(rig.store, settings("a")) as rig:
        await trio.sleep(10)
        left = [(at, m) for at, m in rig.venue.of("a").heard if m.type in "FH"]
        assert [m.type for _, m in left] == ["F"] * 10 + ["H"] * 30
        assert {m.get(41) for m in heard(rig, "F")} == {f"o-{n}" for n in range(10, 20)}


async def test_rule_17_an_order_that_ends_meanwhile_is_waited_for_no_more(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        await opened(rig)
    async with life(rig.store) as rig:
        await up()
        await carrying(rig, "o-1", "H").say(said("o-1", "4", "4"))
        await soon()
        assert shown(rig) == (OPEN, 0)


async def test_rule_17_a_doubt_that_a_person_resolves_is_counted_no_more(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        await submit(rig)
    async with life(rig.store) as rig:
        await trio.sleep(10)
        assert shown(rig) == (OPEN, 1)
        word = Resolution(
            status=Status.CANCELLED,
            filled_quantity=Decimal(0),
            reason="seen in the UI",
            client="admin",
            time=virtual_clock().utc,
        )
        await rig.portfolio.resolve("o-1", word)
        assert shown(rig) == (OPEN, 0)


def test_rule_17_its_moments_come_whatever_the_clock_began_with() -> None:
    for n in range(2000):
        began = 0.1 + n * 1.37
        kept = Reconciling(("a", "b"), 120.0)
        kept.begin([], rest=False, always=True)
        kept.session_up("a", Moment(began, BEGIN))
        now = kept.due(began)
        for _ in range(3):
            if kept.may_open(Moment(now, BEGIN)):
                break
            now = kept.due(now)
        assert kept.may_open(Moment(now, BEGIN)) and now < began + ALL_UP_S + 0.1
