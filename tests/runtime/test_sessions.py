"""Sessions that come, go and start anew in a running portfolio, in virtual time."""

import pytest
import trio
from trio.testing import MockClock

from primefixd.clock import Moment
from primefixd.orders.model import Status
from primefixd.orders.records import OrderInDoubt
from primefixd.runtime.answers import Reason, Refused
from primefixd.runtime.portfolio import STOP_ACK_S
from primefixd.runtime.views import PortfolioState, SessionState
from tests.support.days import day, living, state, states
from tests.support.lives import PAIR, carrying, heard, order, said, soon, submit, up
from tests.support.scripted import Connection, limit, settings

DAY = "2026-03-02T15:00"


class Deaf:
    """The venue's end of a session that answers nothing, and hangs up at its own time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def receive(self, _data: bytes, _now: Moment) -> list[object]:
        return []

    def next_outgoing(self, _now: Moment) -> None:
        return None

    def end_of_stream(self, _now: Moment) -> list[object]:
        self._connection.ended = True
        return []


async def test_a_session_that_is_removed_and_added_back_while_it_logs_out_comes_back(autojump_clock: MockClock) -> None:
    async with day(DAY) as rig:
        await up()
        old = rig.venue.of("b")
        old.session = Deaf(old)  # type: ignore[assignment]
        rig.portfolio.change(settings("a"))
        await trio.sleep(0.3)
        assert {view.name: view.state for view in rig.portfolio.sessions()}["b"] is SessionState.LOGGING_OUT
        rig.portfolio.change(PAIR)
        while not old.ended:
            assert rig.venue.of("b") is old, "the venue takes one connection of a session at a time"
            await trio.sleep(0.1)
        await up()
        assert [view.name for view in rig.portfolio.sessions()] == ["a", "b"] and states(rig) == {SessionState.ACTIVE}
        assert {each.peer for each in living(rig)} == {"a-account", "b-account"} and len(rig.venue.connections) == 3
        await submit(rig, "o-1", session="b")
        assert carrying(rig) is rig.venue.of("b")
        rig.portfolio.change(settings("a"))
        await up()
        assert [view.name for view in rig.portfolio.sessions()] == ["a"]


async def test_a_session_restarted_by_hand_waits_for_what_is_on_the_wire_and_takes_nothing_new(
    autojump_clock: MockClock,
) -> None:
    async with day(DAY) as rig:
        await up()
        await submit(rig, session="a")
        venue = carrying(rig)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.portfolio.restart, "a")
            await trio.sleep(STOP_ACK_S / 2)
            for n in range(4):
                await submit(rig, f"n-{n}")
            assert not venue.ended and {carrying(rig, f"n-{n}").peer for n in range(4)} == {"b-account"}
            await venue.say(said("o-1", "0", "0"))
            await soon()
        await up()
        assert venue.logged_out_at and states(rig) == {SessionState.ACTIVE} and len(rig.venue.connections) == 3
        assert order(rig).status is Status.OPEN and rig.events(OrderInDoubt) == []
        await submit(rig, "after", session="a")
        assert carrying(rig, "after") is rig.venue.of("a") is not venue


async def test_what_queues_on_a_session_that_is_restarted_by_hand_leaves_on_another_one(
    autojump_clock: MockClock,
) -> None:
    async with day(DAY) as rig:
        await up()
        await submit(rig, session="a")
        for name in ("a", "b"):
            rig.portfolio._parts.sessions.pause(name, rig.wall.ours())
        for n in range(4):
            await submit(rig, f"q-{n}", ttl_ms=60_000)
        assert "a" in {order(rig, f"q-{n}").session for n in range(4)} and len(heard(rig, "D")) == 1
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.portfolio.restart, "a")
            await trio.sleep(STOP_ACK_S - 0.5)
            assert {carrying(rig, f"q-{n}").peer for n in range(4)} == {"b-account"}


@pytest.mark.parametrize("session", ["a", None])
async def test_a_restart_by_hand_waits_no_longer_than_stop_ack_s(
    autojump_clock: MockClock, session: str | None
) -> None:
    async with day(DAY) as rig:
        await up()
        await submit(rig, session="a")
        venue, begun = carrying(rig), trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.portfolio.restart, session)
            await trio.sleep(STOP_ACK_S + 1)
        assert venue.logged_out_at == pytest.approx(begun + STOP_ACK_S, abs=0.1)
        await up()
        assert order(rig).in_doubt and states(rig) == {SessionState.ACTIVE}


async def test_a_portfolio_restarted_by_hand_waits_for_what_is_on_the_wire_and_takes_nothing_new(
    autojump_clock: MockClock,
) -> None:
    async with day(DAY) as rig:
        await up()
        await submit(rig)
        venue = carrying(rig)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.portfolio.restart, None)
            await trio.sleep(STOP_ACK_S / 2)
            told = await rig.portfolio.submit(limit("new"), "desk")
            assert isinstance(told, Refused) and told.reason is Reason.CLOSED
            assert len(living(rig)) == 2 and state(rig) is not PortfolioState.OPEN
            await venue.say(said("o-1", "0", "0"))
            await trio.sleep(1)
            assert len(rig.venue.connections) > 2, "nothing is waited for any more"
        await up()
        assert order(rig).status is Status.OPEN and rig.events(OrderInDoubt) == []
        assert states(rig) == {SessionState.ACTIVE} and len(rig.venue.connections) == 4
