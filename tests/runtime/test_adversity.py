"""What a venue, a clock or an unlucky moment can do to one portfolio, in virtual time. Nothing of it loses an order."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from primefixd.clock import Moment
from primefixd.dispatch.outbox import Waiting
from primefixd.orders.model import CancelState, Order, RequestKind, Status
from primefixd.orders.records import CancelRejected, OrderUnknown, OrderUpdated
from primefixd.orders.reports import CancelRefused, VenueStatus
from primefixd.runtime.answers import Cancelling, Reason, Refused, Submitted
from primefixd.runtime.portfolio import STOP_LOGOUT_S
from primefixd.runtime.views import SessionState
from tests.support.scripted import ACCOUNT, Connection, Rig, limit, settings, virtual_clock


@pytest.fixture
async def rig(autojump_clock: MockClock, nursery: trio.Nursery) -> AsyncIterator[Rig]:
    """Two sessions, logged on, with their budgets fresh."""
    rig = Rig(nursery, settings("a", "b"))
    await trio.sleep(2)
    yield rig
    nursery.cancel_scope.cancel()


def said(key: str, kind: str, status: str, more: str = "", account: str = ACCOUNT) -> str:
    """An execution report on the order `key`; `more` are further fields."""
    named = "" if "|37=" in more else f"|37=V-{key}"
    unique = "" if "|17=" in more else f"|17=E-{key}-{kind}{status}"
    return f"35=8|1={account}|11={key}{named}{unique}|20=0|150={kind}|39={status}|54=1|55=BTC-USD|38=0.5{more}"


async def soon() -> None:
    await trio.sleep(0.01)


async def open_order(rig: Rig, key: str = "o-1", **more: object) -> Connection:
    """The connection on which a new order left, which the venue has acknowledged."""
    venue = await sent_order(rig, key, **more)
    await venue.say(said(key, "0", "0"))
    await soon()
    return venue


async def sent_order(rig: Rig, key: str = "o-1", **more: object) -> Connection:
    assert isinstance(await rig.portfolio.submit(limit(key, **more), "desk"), Submitted)
    await soon()
    return next(c for c in rig.venue.connections if any(m.get(11) == key for m in c.requests("D")))


def order(rig: Rig, key: str = "o-1") -> Order:
    found = rig.portfolio.find(client_order_id=key)
    assert found is not None
    return found


def state(rig: Rig, session: str) -> SessionState:
    return next(view.state for view in rig.portfolio.sessions() if view.name == session)


def error(rig: Rig, session: str) -> str | None:
    return next(view.last_error for view in rig.portfolio.sessions() if view.name == session)


async def other_than(rig: Rig, venue: Connection) -> Connection:
    return next(c for c in rig.venue.connections if c.peer != venue.peer)


def live(rig: Rig) -> tuple[Order, ...]:
    return rig.portfolio.orders(open_only=True, product_id=None, limit=1000, after=None).orders


def name(venue: Connection) -> str:
    return venue.peer.removesuffix("-account")


def connecting(rig: Rig, session: str, open_stream: Callable[..., Awaitable[Any]]) -> None:
    """From now on that session, and no other, connects by `open_stream`."""
    supervisor = rig.portfolio._parts.sessions._supervisors[session]
    supervisor._ports = evolve(supervisor._ports, open_stream=lambda _venue: open_stream())


async def replaced(rig: Rig, session: str) -> Any:
    """Our end of a new connection of that session, logged on, with its budget fresh."""
    streams = []

    async def open_stream() -> trio.abc.Stream:
        streams.append(await rig.venue.open_stream(rig.shared.venue))
        return streams[-1]

    connecting(rig, session, open_stream)
    await rig.venue.of(session).cut()
    await trio.sleep(4)
    return streams[-1]


async def no_route() -> None:
    raise OSError("no route to host")


async def waiting_with_its_logon(rig: Rig, session: str) -> None:
    """Cut that session, and let it come back without any budget."""
    await rig.venue.of(session).cut()
    while state(rig, session) is not SessionState.LOGGING_ON:
        rig.portfolio._parts.sessions.pause(session, virtual_clock())
        await trio.sleep(0.001)


def unchecked(venue: Connection, fields: list[str]) -> bytes:
    """An application message that our own encoder would not write."""
    number, header = venue.session.stamp(virtual_clock()), f"49=COIN|56={venue.peer}"
    venue.session.skip(1)
    body = "|".join([fields[0], header, f"34={number.sequence_number}", f"52={number.sending_time}", *fields[1:], ""])
    framed = f"8=FIX.4.2|9={len(body)}|{body}".replace("|", "\x01").encode()
    return framed + b"10=%03d\x01" % (sum(framed) % 256)


# A stop at an unlucky moment


async def test_a_stop_before_the_logon_has_left_is_an_orderly_stop(autojump_clock: MockClock, rig: Rig) -> None:
    await waiting_with_its_logon(rig, "a")
    assert not rig.venue.connections[-1].peer
    await rig.portfolio.stop()
    await trio.sleep(0.1)
    assert [view.state for view in rig.portfolio.sessions()] == [SessionState.DOWN] * 2


async def test_a_stop_while_a_session_says_farewell_is_an_orderly_stop(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    rig = Rig(nursery, settings("a", "b"))
    await trio.sleep(2)
    venue = rig.venue.of("a")
    rig.portfolio._parts.sessions.pause("a", virtual_clock())  # so that the answer to the Logout waits
    venue.session.logout("window", virtual_clock())
    await venue._flush()
    await soon()
    assert state(rig, "a") is SessionState.ACTIVE
    await rig.portfolio.stop()
    await trio.sleep(2)
    assert [view.state for view in rig.portfolio.sessions()] == [SessionState.DOWN] * 2
    nursery.cancel_scope.cancel()


async def test_a_stop_is_bounded_while_a_connection_is_being_opened(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        rig = Rig(nursery, settings("a"))
        connecting(rig, "a", trio.sleep_forever)
        await soon()
        await rig.portfolio.stop()
        begun = trio.current_time()
    assert trio.current_time() - begun <= STOP_LOGOUT_S


# Connections that end at an unlucky moment


async def test_a_connection_closed_before_the_logon_is_said_in_words(autojump_clock: MockClock, rig: Rig) -> None:
    await waiting_with_its_logon(rig, "a")
    await rig.venue.connections[-1].cut()
    await trio.sleep(2)
    assert state(rig, "a") is SessionState.DOWN and "closed" in (error(rig, "a") or "")


async def test_a_pause_while_the_logon_waits_only_makes_it_wait_longer(autojump_clock: MockClock, rig: Rig) -> None:
    await waiting_with_its_logon(rig, "a")
    await trio.sleep(0.9)
    rig.portfolio._parts.sessions.pause("a", virtual_clock())
    await trio.sleep(0.9)
    assert state(rig, "a") is SessionState.LOGGING_ON
    await trio.sleep(0.2)
    assert state(rig, "a") is SessionState.ACTIVE and error(rig, "a") is None


async def test_a_logout_on_the_heels_of_the_logon_is_no_internal_error(
    autojump_clock: MockClock, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def both_at_once(venue: Connection) -> None:
        now = virtual_clock()
        if first := venue.session.next_outgoing(now):
            venue.session.logout("closed for maintenance", now)
            second = venue.session.next_outgoing(now)
            assert second is not None
            await venue.raw(first.data + second.data)

    monkeypatch.setattr(Connection, "_flush", both_at_once)
    rig = Rig(nursery, settings("a"))
    await trio.sleep(1.3)
    assert error(rig, "a") == "closed for maintenance"
    nursery.cancel_scope.cancel()


async def test_an_order_is_refused_while_the_only_session_says_farewell(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    rig = Rig(nursery, settings("a"))
    await trio.sleep(2)
    venue = rig.venue.of("a")
    rig.portfolio._parts.sessions.pause("a", virtual_clock())
    venue.session.logout("window", virtual_clock())
    await venue._flush()
    await soon()
    refused = await rig.portfolio.submit(limit(), "desk")
    assert isinstance(refused, Refused) and refused.reason is Reason.NO_SESSION
    nursery.cancel_scope.cancel()


async def test_a_venue_that_reads_nothing_is_left_in_bounded_time_though_it_speaks(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    rig = Rig(nursery, settings("a"))
    await trio.sleep(2)
    stream = await replaced(rig, "a")
    venue = rig.venue.of("a")
    pump = stream.send_stream.send_all_hook

    async def blocked() -> None:
        await pump()
        await trio.sleep_forever()

    stream.send_stream.send_all_hook = blocked
    assert isinstance(await rig.portfolio.submit(limit(), "desk"), Submitted)
    for _ in range(12):
        if not venue.ended:
            venue.session.probe(virtual_clock())
            await venue._flush()
        await trio.sleep(1)
    assert venue.ended and order(rig).in_doubt
    nursery.cancel_scope.cancel()


async def test_heartbeats_leave_on_time_also_when_the_venue_says_nothing(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    rig = Rig(nursery, settings("a"))
    await trio.sleep(2)
    rig.venue.connections[0].muted = True
    await trio.sleep(70 - 2)
    assert rig.portfolio.sessions()[0].sent == 5  # Logon, TestRequest; then 30 s, TestRequest at 36 s, 30 s more
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("blocked_s", "a_second_later"), [(0.04, 36), (0.2, 26)])
async def test_rule_20_what_a_blocked_write_may_have_held_back_counts_for_the_whole_portfolio(
    autojump_clock: MockClock, nursery: trio.Nursery, blocked_s: float, a_second_later: int
) -> None:
    """24 orders left on one session: the other may send 26 meanwhile, and more when those are a second old."""
    rig = Rig(nursery, settings("a", "b"))
    await trio.sleep(2)
    stream = await replaced(rig, "a")
    pump = stream.send_stream.send_all_hook
    begun = trio.current_time()
    for n in range(23):
        await sent_order(rig, f"a-{n}", session="a")

    async def slow() -> None:
        await trio.sleep(blocked_s)
        await pump()

    stream.send_stream.send_all_hook = slow
    await rig.portfolio.submit(limit("a-23", session="a"), "desk")
    await trio.sleep_until(begun + 0.6)
    for n in range(36):
        await rig.portfolio.submit(limit(f"b-{n}", session="b"), "desk")
    await soon()
    assert len(rig.venue.of("b").requests("D")) == 26
    await trio.sleep_until(begun + 1.3)
    assert len(rig.venue.of("b").requests("D")) == a_second_later
    nursery.cancel_scope.cancel()


# Queues


async def test_rule_21_what_queues_on_a_dead_session_moves_to_the_first_that_is_up(
    autojump_clock: MockClock, rig: Rig
) -> None:
    venue = await open_order(rig)
    other = await other_than(rig, venue)
    for n in range(45):
        await rig.portfolio.submit(limit(f"q-{n:02}", ttl_ms=600_000), "desk")
    connecting(rig, name(venue), no_route)
    await other.cut()
    await venue.cut()
    await soon()
    waiting = [o.client_order_id for o in live(rig) if o.status is Status.QUEUED]
    await trio.sleep(5)
    (back,) = (c for c in rig.venue.connections[2:])
    assert back.peer == other.peer and waiting and [m.get(11) for m in back.requests("D")] == waiting


async def test_rule_12_an_order_of_a_session_that_stays_dead_is_asked_about_on_whichever_comes_up(
    autojump_clock: MockClock, rig: Rig
) -> None:
    venue = await open_order(rig)
    other = await other_than(rig, venue)
    connecting(rig, name(venue), no_route)
    await other.cut()
    await venue.cut()
    await trio.sleep(5)
    (back,) = (c for c in rig.venue.connections[2:])
    assert back.peer == other.peer and [m.get(11) for m in back.requests("H")] == ["o-1"]


async def test_a_deadline_that_the_wall_clock_has_passed_holds_though_the_clock_was_set(
    autojump_clock: MockClock, rig: Rig
) -> None:
    now = virtual_clock()
    deadline = now.utc + timedelta(hours=1)
    rig.portfolio._parts.sessions.pause("a", now)
    rig.portfolio._parts.sessions.pause("b", now)
    assert isinstance(await rig.portfolio.submit(limit(deadline=deadline), "desk"), Submitted)
    item = Waiting(kind=RequestKind.NEW_ORDER, client="desk", key="o-1", deadline=now.mono + 3600, request_id="o-1")
    stepped = Moment(now.mono + 0.5, now.utc + timedelta(hours=2))
    assert rig.portfolio.departing(item, stepped) is None
    assert order(rig).reject_reason == "expired"


# Cancels


async def test_a_cancel_of_an_order_that_ends_by_number_is_over(autojump_clock: MockClock, rig: Rig) -> None:
    venue = await sent_order(rig)
    await rig.portfolio.cancel(client_order_id="o-1", client="desk")
    await venue.say(f"35=j|45={venue.requests('D')[0].sequence_number}|372=D|380=3|58=no")
    await soon()
    rig.events(OrderUpdated)
    await (await other_than(rig, venue)).cut()
    await trio.sleep(5)
    assert order(rig).status is Status.REJECTED and order(rig).cancel is None
    assert not rig.events(OrderUpdated) and "o-1" not in rig.portfolio._parts.cancels


async def test_a_cancel_reject_that_names_only_the_request_is_told(autojump_clock: MockClock, rig: Rig) -> None:
    venue = await open_order(rig)
    await rig.portfolio.cancel(client_order_id="o-1", client="desk")
    await soon()
    await venue.say(f"35=9|11={venue.requests('F')[0].get(11)}|37=NONE|39=8|102=1|434=1")
    await soon()
    assert len(rig.events(CancelRejected)) == 1


async def test_a_cancel_reject_of_nothing_that_we_asked_is_not_told_as_ours(
    autojump_clock: MockClock, rig: Rig
) -> None:
    venue = await open_order(rig)
    for n in range(5):
        await venue.say(f"35=9|11=x-{n}|41=o-1|37=V-o-1|39=0|102=0|434=1")
        await trio.sleep(0.1)
    assert not rig.events(CancelRejected) and not venue.requests("H") and order(rig).cancel is None


async def test_a_refused_replace_of_somebody_else_leaves_our_cancel_alone(autojump_clock: MockClock, rig: Rig) -> None:
    venue = await open_order(rig)
    await rig.portfolio.cancel(client_order_id="o-1", client="desk")
    await soon()
    await venue.say("35=9|11=x|41=o-1|37=V-o-1|39=0|102=0|434=2|58=too late to replace")
    await soon()
    assert not rig.events(CancelRejected) and order(rig).cancel is not None
    assert order(rig).cancel.state is CancelState.SENT


async def test_a_cancel_that_is_already_pending_at_the_venue_is_not_told_as_refused(
    autojump_clock: MockClock, rig: Rig
) -> None:
    venue = await open_order(rig)
    other = await other_than(rig, venue)
    await rig.portfolio.cancel(client_order_id="o-1", client="desk")
    await soon()
    await venue.say(said("o-1", "6", "6"))
    await soon()
    await venue.cut()
    await soon()
    (again,) = other.requests("F")
    await other.say(f"35=9|11={again.get(11)}|41=o-1|37=V-o-1|39=6|102=3|434=1")
    await soon()
    assert order(rig).status is Status.PENDING_CANCEL and not rig.events(CancelRejected)
    await other.say(said("o-1", "4", "4"))
    await soon()
    assert order(rig).status is Status.CANCELLED and order(rig).cancel is None


async def test_a_refusal_of_an_older_or_of_somebody_elses_cancel_leaves_ours_alone(
    autojump_clock: MockClock, rig: Rig
) -> None:
    venue = await open_order(rig)
    await rig.portfolio.cancel(client_order_id="o-1", client="desk")
    await soon()
    first = venue.requests("F")[0]
    await venue.say(f"35=j|45={first.sequence_number}|372=F|380=3|58=busy")
    await soon()
    assert len(venue.requests("F")) == 2
    for other in (first.get(11), "somebody-elses"):
        await venue.say(f"35=9|11={other}|41=o-1|37=V-o-1|39=0|102=99|434=1|58=message rate exceeded")
        await venue.say(f"35=9|11={other}|41=o-1|37=V-o-1|39=0|102=0|434=1|58=too late")
    await trio.sleep(3)
    assert len(venue.requests("F")) == 2 and not rig.events(CancelRejected)
    assert order(rig).cancel is not None and order(rig).cancel.state is CancelState.SENT


async def test_rule_09_a_cancel_refused_for_its_rate_pauses_the_session_that_it_left_on(
    autojump_clock: MockClock, rig: Rig
) -> None:
    venue = await open_order(rig)
    other = await other_than(rig, venue)
    await rig.portfolio.cancel(client_order_id="o-1", client="desk")
    await soon()
    request = venue.requests("F")[0].get(11)
    await other.say(f"35=9|11={request}|41=o-1|37=V-o-1|39=0|102=99|434=1|58=message rate exceeded")
    await soon()
    budgets = {view.name: view.budget for view in rig.portfolio.sessions()}
    assert budgets[name(venue)] == 0 and budgets[name(other)] > 40
    await trio.sleep(1.1)
    assert len(venue.requests("F")) == 2


async def test_one_cancel_never_waits_in_two_queues(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    rig = Rig(nursery, settings("a", "b", "c"))
    await trio.sleep(2)
    venue = await open_order(rig, session="a")
    connecting(rig, "a", no_route)
    await venue.cut()
    await soon()
    await rig.portfolio.cancel(client_order_id="o-1", client="desk")
    await soon()
    (request,) = [m for c in rig.venue.connections for m in c.requests("F")]
    refused = CancelRefused(
        client_order_id=request.get(11), original_client_order_id="o-1", order_id="V-o-1",
        status=VenueStatus.NEW, reason="rate_limited", replace=False, text="rate",
    )  # fmt: skip
    for session in ("b", "c"):  # two copies of one word, while the next request waits
        rig.portfolio.heard(refused, session, virtual_clock())
    await trio.sleep(5)
    assert sum(len(c.requests("F")) for c in rig.venue.connections) == 2
    nursery.cancel_scope.cancel()


# What a venue can say


async def test_a_status_request_that_is_refused_by_number_is_not_asked_for_ever(
    autojump_clock: MockClock, rig: Rig
) -> None:
    venue = await open_order(rig)
    venue.session.skip(1)
    await venue.say(said("o-1", "0", "0", "|17=again"))
    await soon()
    for words in ("no such message", "message rate exceeded"):
        for _ in range(20):
            before = len(venue.requests("H"))
            await venue.say(f"35=j|45={venue.requests('H')[-1].sequence_number}|372=H|380=0|58={words}")
            await trio.sleep(1.5)
            if len(venue.requests("H")) == before:
                break
    assert len(venue.requests("H")) <= 7


async def test_an_order_id_that_cannot_be_sent_back_crashes_nothing(autojump_clock: MockClock, rig: Rig) -> None:
    venue = await sent_order(rig)
    for n, named in enumerate(("", "X" * 32_400)):
        fields = said("o-1", "0", "0", f"|37=|17=E{n}").replace("37=", f"37={named}").split("|")
        await venue.raw(unchecked(venue, fields))
        await soon()
        assert isinstance(await rig.portfolio.cancel(client_order_id="o-1", client="desk"), Cancelling)
        await trio.sleep(1)
        assert not venue.ended and order(rig).status is Status.OPEN
    await venue.say(said("o-1", "0", "0", "|17=E-last"))
    await soon()
    assert len(venue.requests("F")) == 1


async def test_rule_02_a_report_for_another_account_is_none_of_ours_whatever_its_ids(
    autojump_clock: MockClock, rig: Rig
) -> None:
    venue = await open_order(rig)
    rig.events(object)
    await venue.say(said("o-1", "1", "1", "|32=0.1|31=100|14=0.1", account="somebody-else"))
    await soon()
    assert [type(event.body) for event in rig.events(object)] == [OrderUnknown]
    assert order(rig).filled_quantity == 0


async def test_rule_09_a_repeated_rate_reject_pauses_a_session_once(autojump_clock: MockClock, rig: Rig) -> None:
    venue = await sent_order(rig)
    other = await other_than(rig, venue)
    refusal = said("o-1", "8", "8", "|103=3|58=message rate exceeded")
    await venue.say(refusal)
    await trio.sleep(2)
    await other.say(refusal)
    await soon()
    again = await sent_order(rig, "o-2")
    assert again is venue
