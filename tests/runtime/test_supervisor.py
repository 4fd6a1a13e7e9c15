"""One session kept alive through everything, in virtual time."""

from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock

from primefixd.runtime.supervisor import BACKOFF_FIRST_S, BACKOFF_MOST_S, HEALTHY_S, BackOff
from primefixd.runtime.views import SessionChanged, SessionState
from tests.support.scripted import Rig, limit, settings


def test_back_off_doubles_up_to_its_bound_and_begins_anew_after_a_minute_of_health() -> None:
    back_off = BackOff(lambda low, high: high)
    waits = [back_off.wait_s(up_s=0.0, refused=False) for _ in range(9)]
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert back_off.wait_s(up_s=HEALTHY_S - 1, refused=False) == BACKOFF_MOST_S
    assert back_off.wait_s(up_s=HEALTHY_S, refused=False) == BACKOFF_FIRST_S


def test_back_off_has_full_jitter_and_a_refused_logon_none_below_thirty_seconds() -> None:
    back_off = BackOff(lambda low, high: low)
    assert back_off.wait_s(up_s=0.0, refused=False) == 0.0
    assert back_off.wait_s(up_s=0.0, refused=True) == 30.0


async def test_a_refused_logon_is_retried_no_faster_than_every_thirty_seconds_and_said_in_words(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    rig = Rig(nursery, settings("a"))
    rig.venue.refuse = "invalid signature"
    await trio.sleep(100)
    times = [connection.heard[0][0] for connection in rig.venue.connections]
    assert len(times) == 3 and all(later - earlier >= 30 for earlier, later in pairwise(times))
    view = rig.portfolio.sessions()[0]
    assert view.last_error == "logon refused: invalid signature"
    assert view.state is SessionState.DOWN and view.next_attempt_at is not None
    rig.venue.refuse = None
    await trio.sleep(40)
    assert rig.portfolio.sessions()[0].last_error is None
    nursery.cancel_scope.cancel()


async def test_a_connection_closed_instead_of_an_answer_counts_as_refused(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    rig = Rig(nursery, settings("a"))
    rig.venue.hang_up = True
    await trio.sleep(29)
    first = len(rig.venue.connections)
    await trio.sleep(10)
    assert (first, len(rig.venue.connections)) == (1, 2)
    assert rig.portfolio.sessions()[0].last_error
    nursery.cancel_scope.cancel()


async def test_the_states_of_a_session_are_told_in_their_order(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    rig = Rig(nursery, settings("a"))
    await trio.sleep(2)
    await rig.venue.connections[0].cut()
    await trio.sleep(2)
    nursery.start_soon(rig.portfolio.stop)
    await trio.sleep(20)
    told = [event.body.session.state.value for event in rig.events(SessionChanged)]
    up = ["CONNECTING", "LOGGING_ON", "ACTIVE"]
    assert told == [*up, "DOWN", *up, "LOGGING_OUT", "DOWN"]
    nursery.cancel_scope.cancel()


async def test_an_unreachable_venue_is_said_in_words(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    rig = Rig(nursery, settings("a"))
    rig.venue.unreachable = True
    await trio.sleep(1)
    assert rig.portfolio.sessions()[0].last_error == "cannot connect to 127.0.0.1:1: no route to host"
    nursery.cancel_scope.cancel()


async def test_a_silent_peer_is_noticed_and_replaced(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    rig = Rig(nursery, settings("a"))
    await trio.sleep(2)
    rig.venue.connections[0].muted = True
    await trio.sleep(120)
    assert len(rig.venue.connections) == 2 and rig.portfolio.sessions()[0].state is SessionState.ACTIVE
    assert [m.type for _, m in rig.venue.connections[0].heard if m.type == "1"] == []  # session messages are not kept
    nursery.cancel_scope.cancel()


async def test_a_bug_in_one_link_ends_that_link_and_touches_no_other(
    autojump_clock: MockClock, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(nursery, settings("a", "b"))
    await trio.sleep(2)
    good, bad = rig.venue.of("a"), rig.venue.of("b")

    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(rig.portfolio, "reported", broken)
    await bad.say("35=8|11=x|37=x|17=1|20=0|150=0|39=0|54=1|55=BTC-USD")
    await trio.sleep(0.01)
    monkeypatch.undo()
    states = {view.name: view for view in rig.portfolio.sessions()}
    assert states["a"].state is SessionState.ACTIVE and not good.ended
    assert states["b"].state is SessionState.DOWN and "internal error" in (states["b"].last_error or "")
    await trio.sleep(5)
    assert rig.portfolio.sessions()[1].state is SessionState.ACTIVE
    nursery.cancel_scope.cancel()


async def test_junk_from_the_venue_is_counted_and_the_session_goes_on(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    rig = Rig(nursery, settings("a"))
    await trio.sleep(2)
    venue = rig.venue.connections[0]
    await venue.raw(b"\x00\xff junk 8=FIX.4.2\x019=12\x0135=0\x01not this\x01")
    await rig.portfolio.submit(limit(), "desk")
    await trio.sleep(0.01)
    await venue.say("35=8|11=o-1|37=V|17=1|20=0|150=0|39=0|54=1|55=BTC-USD|38=0.5")
    await trio.sleep(0.01)
    order = rig.portfolio.find(client_order_id="o-1")
    assert order is not None and order.order_id == "V" and not venue.ended
    nursery.cancel_scope.cancel()
