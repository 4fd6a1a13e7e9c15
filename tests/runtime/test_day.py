"""The trading day of one portfolio, step by step, in virtual time. The window of March 2 is 22:00 to 22:05 UTC."""

from datetime import timedelta
from itertools import pairwise

import attrs
import pytest
import trio
from trio.testing import MockClock

from primefixd.orders.model import CancelState, OnMaintenance, Replacement, Status, TimeInForce
from primefixd.orders.records import OrderInDoubt
from primefixd.runtime import queueing
from primefixd.runtime.answers import Cancelling, Reason, Refused, Submitted
from primefixd.runtime.floor import LOGON_JITTER_S
from primefixd.runtime.settings import RateSettings
from primefixd.runtime.store import Note
from primefixd.runtime.views import Maintenance, MaintenanceStage, PortfolioState, SessionState
from tests.support import lives
from tests.support.days import Told, about, day, living, logouts, state, states, through, utc, when
from tests.support.lives import carrying, fill, heard, opened, order, said, soon, submit
from tests.support.scripted import Rig, limit, settings
from tests.support.storage import MemoryStore

START, END = utc("2026-03-02T22:00"), utc("2026-03-02T22:05")
SEVEN = settings(*"abcdefg")
ANNOUNCED, STARTED, ENDED = MaintenanceStage


def held(key: str, **more: object) -> dict[str, object]:
    """What makes an order one that may be held."""
    return {"key": key, "on_maintenance": OnMaintenance.HOLD, "deadline": utc("2026-03-02T23:00")} | more


async def refused(rig: Rig, key: str = "late", **more: object) -> Refused:
    told = await rig.portfolio.submit(limit(key, **more), "desk")
    assert isinstance(told, Refused), told
    return told


# Step by step


async def test_the_window_is_announced_15_5_and_1_minutes_before(autojump_clock: MockClock) -> None:
    async with day() as rig:
        told = Told(rig)
        await rig.wall.until("2026-03-02T21:59:45")
        assert about(told.announced()) == [START - timedelta(minutes=m) for m in (15, 5, 1)]
        assert {(each.body.starts_at, each.body.ends_at) for each in told.of(Maintenance)} == {(START, END)}
        assert state(rig) is PortfolioState.OPEN


async def test_a_daemon_that_starts_late_announces_only_what_is_still_to_come(autojump_clock: MockClock) -> None:
    async with day("2026-03-02T21:56") as rig:
        told = Told(rig)
        await rig.wall.until("2026-03-02T21:59:45")
        assert about(told.announced()) == [START - timedelta(minutes=1)]


@pytest.mark.parametrize("lead_s", [0.5, 10.0, 60.0, 300.0])
async def test_rule_24_new_orders_leave_until_last_order_lead_s_before_the_window(
    autojump_clock: MockClock, lead_s: float
) -> None:
    async with day(last_order_lead_s=lead_s) as rig:
        await rig.wall.until((START - timedelta(seconds=lead_s + 0.1)).isoformat()[:23])
        await submit(rig, "just")
        assert carrying(rig, "just")
        await trio.sleep(0.1)
        told = await refused(rig)
        assert (told.reason, told.retry_at) == (Reason.CLOSED, END)
        assert state(rig) is PortfolioState.DRAINING and states(rig) == {SessionState.ACTIVE}


async def test_rule_24_replaces_and_quotes_are_closed_too_and_cancels_leave_until_the_logout(
    autojump_clock: MockClock,
) -> None:
    async with day() as rig:
        await rig.wall.until("2026-03-02T21:59")
        for key in ("o-1", "o-2"):
            await opened(rig, key)
        await rig.wall.until("2026-03-02T21:59:50.010")
        told = await rig.portfolio.replace(
            Replacement(client_order_id="o-1", limit_price=limit().terms.limit_price), "d"
        )
        assert isinstance(told, Refused) and (told.reason, told.retry_at) == (Reason.CLOSED, END)
        await rig.portfolio.cancel(client_order_id="o-1", client="desk")
        await rig.wall.until("2026-03-02T21:59:59.950")
        await rig.portfolio.cancel(client_order_id="o-2", client="desk")
        await soon()
        assert [message.get(41) for message in heard(rig, "F")] == ["o-1", "o-2"]
        assert max(when(rig, "F")) < START


async def test_rule_24_what_still_queues_then_ends_closed_and_a_queued_replace_leaves_the_former_terms(
    autojump_clock: MockClock,
) -> None:
    rate = RateSettings(messages_per_second=2)
    async with day(of=settings("a", rate=rate)) as rig:
        await rig.wall.until("2026-03-02T21:59:40")
        venue = await opened(rig, "open")
        await rig.wall.until("2026-03-02T21:59:49.500")
        for n in range(5):
            await submit(rig, f"o-{n}")
        price = order(rig, "open").terms.limit_price
        assert price is not None
        wish = Replacement(client_order_id="open", new_client_order_id="new", limit_price=price - 1)
        assert isinstance(await rig.portfolio.replace(wish, "desk"), Submitted)
        await rig.wall.until("2026-03-02T21:59:50.010")
        ended = [order(rig, f"o-{n}") for n in range(5) if order(rig, f"o-{n}").final]
        assert len(ended) >= 2 and {(o.status, o.reject_reason) for o in ended} == {(Status.REJECTED, "closed")}
        left = len(heard(rig, "D"))
        await through(rig)
        assert len(heard(rig, "D")) == left and venue.requests("G") == []
        assert order(rig, "open").replace is None and order(rig, "open").client_order_id == "open"


async def test_what_is_on_the_wire_is_acknowledged_before_the_logout(autojump_clock: MockClock) -> None:
    async with day() as rig:
        await rig.wall.until("2026-03-02T21:59:49")
        await submit(rig)
        await rig.wall.until("2026-03-02T21:59:58")
        await carrying(rig).say(said("o-1", "0", "0"))
        await through(rig)
        assert order(rig).status is Status.OPEN and not rig.events(OrderInDoubt)


async def test_nothing_disconnects_before_the_window_and_last_reports_are_heard(autojump_clock: MockClock) -> None:
    async with day(of=SEVEN) as rig:
        await rig.wall.until("2026-03-02T21:59")
        venue = await opened(rig)
        await rig.wall.until("2026-03-02T21:59:59.990")
        assert logouts(rig) == [] and len(living(rig)) == 7 and states(rig) == {SessionState.ACTIVE}
        await venue.say(said("o-1", "C", "C"))
        await rig.wall.until("2026-03-02T22:00:01")
        assert logouts(rig) == [START] * 7
        assert living(rig) == [] and states(rig) == {SessionState.WINDOW} and state(rig) is PortfolioState.CLOSED
        assert order(rig).status is Status.EXPIRED


async def test_after_the_window_the_sessions_log_on_one_after_another_with_new_numbers(
    autojump_clock: MockClock,
) -> None:
    async with day(of=SEVEN) as rig:
        await rig.wall.until("2026-03-02T22:04:59.900")
        assert len(rig.venue.connections) == 7
        await through(rig)
        logons = when(rig, "A")[7:]
        jitter = timedelta(seconds=LOGON_JITTER_S)  # of which `Rig` draws the most
        assert len(logons) == 7 and END + jitter <= logons[0] and logons[-1] <= END + timedelta(seconds=3)
        assert all(b - a >= timedelta(seconds=0.19) for a, b in pairwise(logons))
        assert all(c.requests("A")[0].get(34) == "1" for c in rig.venue.connections)
        assert state(rig) is PortfolioState.OPEN and states(rig) == {SessionState.ACTIVE}


async def test_the_states_of_the_day_are_told_in_their_order_and_the_end_lists_each_session(
    autojump_clock: MockClock,
) -> None:
    async with day() as rig:
        await lives.up()
        told = Told(rig)
        told.of(object)
        told._events.clear()
        await through(rig)
        assert told.stages() == [ANNOUNCED] * 3 + [STARTED, ENDED]
        assert told.portfolio() == [
            PortfolioState.DRAINING, PortfolioState.CLOSED, PortfolioState.RECONCILING, PortfolioState.OPEN,
        ]  # fmt: skip
        sessions = told.of(Maintenance)[-1].body.sessions
        assert [each.name for each in sessions] == ["a", "b"]
        for each in sessions:
            assert each.state is SessionState.ACTIVE and each.logged_out and each.attempts == 1
            assert START <= each.logged_out_at < START + timedelta(seconds=1)
            assert END <= each.logged_on_at < END + timedelta(seconds=5)


async def test_rule_17_open_orders_are_asked_about_and_orders_are_taken_only_then(autojump_clock: MockClock) -> None:
    async with day() as rig:
        await rig.wall.until("2026-03-02T21:59")
        await opened(rig)
        await through(rig)
        assert state(rig) is PortfolioState.RECONCILING and (await refused(rig)).reason is Reason.CLOSED
        (asked,) = heard(rig, "H")
        assert asked.get(11) == "o-1"
        await rig.venue.of("a").say(lives.state("o-1", "0"))
        await soon()
        assert state(rig) is PortfolioState.OPEN and rig.portfolio.view().unreconciled == 0
        assert Told(rig).stages()[-1] is ENDED


async def test_rule_17_it_opens_after_reconcile_max_s_all_the_same_and_says_how_many_are_not_known(
    autojump_clock: MockClock,
) -> None:
    async with day() as rig:
        await rig.wall.until("2026-03-02T21:59")
        await opened(rig)
        await rig.wall.until("2026-03-02T22:06:55")
        assert state(rig) is PortfolioState.RECONCILING
        await rig.wall.until("2026-03-02T22:07:10")
        assert state(rig) is PortfolioState.OPEN and rig.portfolio.view().unreconciled == 1
        assert Told(rig).stages()[-1] is ENDED


# Held orders (rule 25)


async def test_rule_25_held_orders_are_released_in_the_order_they_came_whoever_sent_them(
    autojump_clock: MockClock,
) -> None:
    async with day() as rig:
        await rig.wall.until("2026-03-02T21:59:52")
        keys = [f"h-{n}" for n in range(9)]
        for n, key in enumerate(keys):
            if n == 4:
                await rig.wall.until("2026-03-02T22:02")
            client = ("alice", "bob", "bob")[n % 3]
            told = await rig.portfolio.submit(limit(**held(key)), client)  # type: ignore[arg-type]
            assert isinstance(told, Submitted) and told.order.status is Status.QUEUED
        await rig.wall.until("2026-03-02T22:04:59")
        assert heard(rig, "D") == []
        await through(rig)
        assert [message.get(11) for message in heard(rig, "D")] == keys
        assert min(when(rig, "D")) > END


async def test_rule_25_an_order_that_queues_when_the_window_nears_is_held_if_it_may_be(
    autojump_clock: MockClock,
) -> None:
    async with day(of=settings("a", rate=RateSettings(messages_per_second=2))) as rig:
        await rig.wall.until("2026-03-02T21:59:49.500")
        for n in range(6):
            await submit(rig, **held(f"h-{n}"))  # type: ignore[arg-type]
        await rig.wall.until("2026-03-02T21:59:59")
        left = [message.get(11) or "" for message in heard(rig, "D")]
        assert 0 < len(left) < 5 and order(rig, "h-5").status is Status.QUEUED
        for key in left:
            await carrying(rig, key).say(said(key, "8", "8", "|103=0"))
        await rig.wall.until("2026-03-02T22:05:30")
        assert [message.get(11) for message in heard(rig, "D")] == [f"h-{n}" for n in range(6)]


async def test_rule_25_held_orders_wait_for_the_reconciling_too(autojump_clock: MockClock) -> None:
    async with day() as rig:
        await rig.wall.until("2026-03-02T21:59")
        await opened(rig)
        await rig.wall.until("2026-03-02T22:02")
        await submit(rig, **held("h"))  # type: ignore[arg-type]
        await rig.wall.until("2026-03-02T22:05:30")
        assert len(heard(rig, "D")) == 1
        await rig.venue.of("a").say(lives.state("o-1", "0"))
        await soon()
        assert len(heard(rig, "D")) == 2


async def test_rule_25_a_held_order_whose_expiry_has_passed_is_held_invalid(autojump_clock: MockClock) -> None:
    async with day() as rig:
        await rig.wall.until("2026-03-02T22:01")
        terms = attrs.evolve(
            limit().terms, expiry_time=utc("2026-03-02T22:05"), time_in_force=TimeInForce.GOOD_UNTIL_DATE_TIME
        )
        for key in ("bad", "good"):
            more = {"terms": terms} if key == "bad" else {}
            told = await rig.portfolio.submit(attrs.evolve(limit(**held(key)), **more), "desk")  # type: ignore[arg-type]
            assert isinstance(told, Submitted), told
        await through(rig)
        assert (order(rig, "bad").status, order(rig, "bad").reject_reason) == (Status.REJECTED, "held_invalid")
        assert [message.get(11) for message in heard(rig, "D")] == ["good"]


async def test_rule_25_a_held_order_past_its_deadline_ends_at_once_and_one_that_a_set_clock_made_late_at_the_release(
    autojump_clock: MockClock,
) -> None:
    async with day() as rig:
        await rig.wall.until("2026-03-02T22:01")
        await submit(rig, **held("soon", deadline=utc("2026-03-02T22:02")))  # type: ignore[arg-type]
        await submit(rig, **held("late", deadline=utc("2026-03-02T22:30")))  # type: ignore[arg-type]
        await rig.wall.until("2026-03-02T22:02:00.100")
        assert (order(rig, "soon").status, order(rig, "soon").reject_reason) == (Status.REJECTED, "expired")
        rig.wall.sleep(3600)
        await trio.sleep(60)
        assert (order(rig, "late").status, order(rig, "late").reject_reason) == (Status.REJECTED, "held_invalid")
        assert heard(rig, "D") == []


async def test_rule_25_a_halt_in_the_window_ends_what_is_held(autojump_clock: MockClock) -> None:
    async with day() as rig:
        await rig.wall.until("2026-03-02T22:01")
        await submit(rig, **held("h"))  # type: ignore[arg-type]
        await rig.portfolio.halt("desk", cancel_open=False)
        assert (order(rig, "h").status, order(rig, "h").reject_reason) == (Status.REJECTED, "halted")
        assert (await refused(rig, **held("h-2"))).reason is Reason.CLOSED  # type: ignore[arg-type]
        await through(rig)
        assert heard(rig, "D") == [] and state(rig) is PortfolioState.HALTED


async def test_rule_19_a_held_order_is_cancelled_here_and_never_leaves(autojump_clock: MockClock) -> None:
    async with day() as rig:
        await rig.wall.until("2026-03-02T22:01")
        await submit(rig, **held("h"))  # type: ignore[arg-type]
        told = await rig.portfolio.cancel(client_order_id="h", client="desk")
        assert isinstance(told, Cancelling) and told.order.status is Status.CANCELLED
        await through(rig)
        assert heard(rig, "D") == [] == heard(rig, "F")


async def test_the_queue_of_held_orders_is_bounded(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    async with day() as rig:
        rig.portfolio._parts.queueing._held._bound = 3  # the bound itself is looked at below
        await rig.wall.until("2026-03-02T22:01")
        for n in range(3):
            await submit(rig, **held(f"h-{n}"))  # type: ignore[arg-type]
        assert (await refused(rig, **held("h-3"))).reason is Reason.BUSY  # type: ignore[arg-type]
        await rig.portfolio.cancel(client_order_id="h-1", client="desk")
        await submit(rig, **held("h-4"))  # type: ignore[arg-type]
        await through(rig)
        assert [message.get(11) for message in heard(rig, "D")] == ["h-0", "h-2", "h-4"]
        assert queueing.HELD_MAX_ORDERS == 1000


@pytest.mark.parametrize("orderly", [True, False])
async def test_held_orders_outlive_a_restart_inside_the_window(autojump_clock: MockClock, orderly: bool) -> None:
    store = MemoryStore()
    async with day(store=store) as rig:
        await rig.wall.until("2026-03-02T22:01")
        for n in range(4):
            await submit(rig, **held(f"h-{n}"))  # type: ignore[arg-type]
        if orderly:
            await rig.portfolio.stop()
            await rig.journal.settled(rig.journal.last)
        now = rig.wall.world().utc
    async with day(now.isoformat()[:19], store=store) as rig:
        await submit(rig, **held("h-4"))  # type: ignore[arg-type]
        await rig.wall.until("2026-03-02T22:04:59")
        assert rig.venue.connections == []
        await through(rig)
        assert [message.get(11) for message in heard(rig, "D")] == [f"h-{n}" for n in range(5)]


@pytest.mark.parametrize("before_s", [0.02, 0.5, 0.9])
async def test_orders_that_may_be_held_do_not_leave_from_a_stop_on_and_are_there_again(
    autojump_clock: MockClock, before_s: float
) -> None:
    store = MemoryStore()
    async with day("2026-03-02T15:00", of=settings("a"), store=store) as rig:
        await lives.up()
        for n in range(200):
            await rig.portfolio.submit(limit(**held(f"h-{n}")), "desk")  # type: ignore[arg-type]
        await submit(rig, "may-not", ttl_ms=60_000)
        await trio.sleep(before_s)
        venue = rig.venue.of("a")
        left = [message.get(11) for message in venue.requests("D")]
        async with trio.open_nursery() as nursery:
            rig.portfolio.refuse_new()
            await trio.sleep(1.5)  # as long as the disk takes to know of the stop; the budget would be there again
            nursery.start_soon(rig.portfolio.stop)
            for key in left:
                await trio.sleep(0.01)  # each acknowledgement would make room for another one
                await venue.say(said(key or "", "0", "0"))
            await rig.portfolio.stopped.wait()
        await rig.journal.settled(rig.journal.last)
        assert 0 < len(left) < 200 and [message.get(11) for message in venue.requests("D")] == left
        assert order(rig, "may-not").reject_reason == "stopping"
    async with day("2026-03-02T15:10", of=settings("a"), store=store) as rig, trio.open_nursery() as nursery:
        kept = {order(rig, f"h-{n}").key: order(rig, f"h-{n}").status for n in range(200)}
        assert {key for key, status in kept.items() if status is Status.OPEN} == set(left)
        assert {key for key, status in kept.items() if status is Status.QUEUED} == kept.keys() - set(left)
        nursery.start_soon(venue_answers, rig)
        await trio.sleep(30)
        assert [message.get(11) for message in heard(rig, "D")] == [key for key in kept if key not in left]
        assert rig.events(OrderInDoubt) == []
        nursery.cancel_scope.cancel()


async def test_an_order_that_was_about_to_leave_and_is_held_is_not_in_doubt_after_a_crash(
    autojump_clock: MockClock,
) -> None:
    store = MemoryStore()
    async with day(store=store) as rig:
        await rig.wall.until("2026-03-02T21:59:49.950")
        store.held_before = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.portfolio.submit, limit(**held("h")), "desk")  # type: ignore[arg-type]
            await rig.wall.until("2026-03-02T21:59:50.050")
            assert rig.portfolio._parts.ledger.marked("h", "h") is False
            store.held_before.set()
            store.held_before = None
        await rig.wall.until("2026-03-02T22:01")
        assert heard(rig, "D") == []
    async with day("2026-03-02T22:02", store=store) as rig:
        assert not order(rig, "h").in_doubt
        await through(rig)
        assert [message.get(11) for message in heard(rig, "D")] == ["h"]


async def test_held_orders_outlive_a_restart_over_the_end_of_the_window_and_are_looked_at_anew(
    autojump_clock: MockClock,
) -> None:
    store = MemoryStore()
    async with day(store=store) as rig:
        await rig.wall.until("2026-03-02T22:01")
        for n in range(3):
            await submit(rig, **held(f"h-{n}"))  # type: ignore[arg-type]
        await submit(rig, **held("late", deadline=utc("2026-03-02T22:10")))  # type: ignore[arg-type]
    async with day("2026-03-02T22:20", store=store) as rig:
        await lives.up()
        assert [message.get(11) for message in heard(rig, "D")] == [f"h-{n}" for n in range(3)]
        assert order(rig, "late").status is Status.REJECTED


async def test_a_reconciling_that_takes_too_long_does_not_let_held_orders_go_inside_the_window(
    autojump_clock: MockClock,
) -> None:
    store = MemoryStore()
    async with day("2026-03-02T21:40", store=store) as rig:
        await lives.up()
        await opened(rig)
    async with day("2026-03-02T21:58:30", store=store) as rig:
        await rig.wall.until("2026-03-02T21:59:55")
        await submit(rig, **held("h"))  # type: ignore[arg-type]
        await rig.wall.until("2026-03-02T22:01")  # two minutes after the first logon
        await submit(rig, **held("h-2"))  # type: ignore[arg-type]
        assert rig.portfolio._parts.queueing.holding and state(rig) is PortfolioState.CLOSED
        await through(rig)
        assert state(rig) is PortfolioState.RECONCILING and heard(rig, "D") == []
        await rig.venue.of("a").say(lives.state("o-1", "0"))
        await soon()
        assert [message.get(11) for message in heard(rig, "D")] == ["h", "h-2"]


async def test_a_cancel_asked_for_in_the_window_waits_and_goes_first(autojump_clock: MockClock) -> None:
    async with day() as rig:
        await rig.wall.until("2026-03-02T21:59")
        for key in ("o-1", "o-2"):
            await opened(rig, key)
        await rig.wall.until("2026-03-02T22:01")
        await submit(rig, **held("h"))  # type: ignore[arg-type]
        told = await rig.portfolio.cancel(client_order_id="o-2", client="desk")
        assert isinstance(told, Cancelling) and told.order.cancel is not None
        assert told.order.cancel.state is CancelState.WAITING
        await through(rig)
        after = [m for c in rig.venue.connections[2:] for m in c.requests("F") + c.requests("H")]
        assert {m.type for m in after} == {"F", "H"}
        assert max(when(rig, "F")) <= min(when(rig, "H"))
        numbers = [int(m.get(34) or 0) for m in after if m.type == "F"]
        assert numbers and order(rig, "o-2").cancel.state is CancelState.SENT  # type: ignore[union-attr]


# The venue's side of it


async def test_the_venue_logs_out_at_the_same_instant(autojump_clock: MockClock) -> None:
    async with day() as rig:
        await rig.wall.until("2026-03-02T22:00")
        for connection in living(rig):
            await connection.log_out()
        await through(rig)
        assert state(rig) is PortfolioState.OPEN and len(rig.venue.connections) == 4


async def test_a_venue_that_logs_out_early(autojump_clock: MockClock) -> None:
    async with day() as rig:
        await rig.wall.until("2026-03-02T21:59")
        await opened(rig)
        await rig.wall.until("2026-03-02T21:59:30")
        rig.venue.refuse = "maintenance"
        for connection in living(rig):
            await connection.log_out()
        await rig.wall.until("2026-03-02T22:04:59")
        rig.venue.refuse = None
        assert states(rig) == {SessionState.WINDOW} and max(when(rig, "A")) < START
        await through(rig)
        assert states(rig) == {SessionState.ACTIVE}
        await rig.venue.of("a").say(lives.state("o-1", "0"))
        await soon()
        told = Told(rig)
        assert told.stages()[-1] is ENDED and order(rig).status is Status.OPEN
        outs = {each.logged_out_at for each in told.of(Maintenance)[-1].body.sessions}
        assert {START - timedelta(seconds=31) < out < START - timedelta(seconds=29) for out in outs} == {True}


async def test_a_venue_that_logs_out_late_and_leaves_ours_unanswered(autojump_clock: MockClock) -> None:
    async with day() as rig:
        await rig.wall.until("2026-03-02T21:59:59")
        for connection in living(rig):
            connection.muted = True
        await rig.wall.until("2026-03-02T22:02")
        assert states(rig) == {SessionState.WINDOW}, "a bounded wait, then the connection is closed"
        await through(rig)
        assert state(rig) is PortfolioState.OPEN and Told(rig).stages()[-1] is ENDED


async def test_a_venue_that_logs_out_twice(autojump_clock: MockClock) -> None:
    async with day() as rig:
        await rig.wall.until("2026-03-02T21:59")
        await opened(rig)
        await rig.wall.until("2026-03-02T22:00")
        for connection in living(rig):
            await connection.log_out()
        await rig.wall.until("2026-03-02T22:05:02")
        for connection in living(rig):
            await connection.log_out()
        await trio.sleep(5)
        assert states(rig) == {SessionState.ACTIVE}
        await rig.venue.of("a").say(lives.state("o-1", "0"))
        await soon()
        assert state(rig) is PortfolioState.OPEN and Told(rig).stages()[-1] is ENDED


async def test_a_venue_that_does_not_log_out_at_all(autojump_clock: MockClock) -> None:
    async with day() as rig:
        await through(rig)
        assert logouts(rig)[:2] == [START] * 2 and state(rig) is PortfolioState.OPEN


async def test_a_venue_that_refuses_logons_until_seven_past(autojump_clock: MockClock) -> None:
    async with day(of=SEVEN) as rig:
        await rig.wall.until("2026-03-02T22:01")
        await submit(rig, **held("h"))  # type: ignore[arg-type]
        rig.venue.refuse = "maintenance"
        await rig.wall.until("2026-03-02T22:07")
        assert state(rig) is PortfolioState.RECONCILING
        assert (await refused(rig)).reason is Reason.CLOSED
        rig.venue.refuse = None
        await rig.wall.until("2026-03-02T22:07:50")
        assert states(rig) == {SessionState.ACTIVE} and state(rig) is PortfolioState.OPEN
        assert [message.get(11) for message in heard(rig, "D")] == ["h"]
        assert {each.attempts for each in Told(rig).of(Maintenance)[-1].body.sessions} <= {4, 5}


# The calendar


@pytest.mark.parametrize(
    ("begin", "start"),
    [
        ("2026-03-06T22:30", "2026-03-07T22:00"),  # the day before the change to summer time
        ("2026-03-07T22:30", "2026-03-08T21:00"),  # 22 h 30 min later, not 23 h 30
        ("2026-03-08T21:30", "2026-03-09T21:00"),
        ("2026-10-31T21:30", "2026-11-01T22:00"),  # 24 h 30 min later
        ("2026-11-01T22:30", "2026-11-02T22:00"),
        ("2028-02-28T22:30", "2028-02-29T22:00"),  # leap day
        ("2028-02-29T22:30", "2028-03-01T22:00"),
        ("2026-12-31T22:30", "2027-01-01T22:00"),
    ],
)
async def test_the_window_is_at_17_in_new_york_whatever_the_clocks_do(
    autojump_clock: MockClock, begin: str, start: str
) -> None:
    async with day(begin, of=settings("a")) as rig:
        await rig.wall.until((utc(start) + timedelta(minutes=6)).isoformat()[:19])
        assert logouts(rig) == [utc(start)]
        first, again = when(rig, "A")
        assert first < utc(begin) + timedelta(seconds=5) and again - utc(start) >= timedelta(minutes=5)
        assert state(rig) is PortfolioState.OPEN


async def test_both_clock_changes_in_one_run_with_the_days_around_them(autojump_clock: MockClock) -> None:
    async with day("2026-03-07T12:00", of=settings("a")) as rig:
        await rig.wall.until("2026-03-09T23:00")
        assert logouts(rig) == [utc(f"2026-03-0{d}T{h}:00") for d, h in ((7, 22), (8, 21), (9, 21))]


async def test_a_daemon_started_inside_the_window_connects_only_at_its_end(autojump_clock: MockClock) -> None:
    async with day("2026-03-02T22:02") as rig:
        await rig.wall.until("2026-03-02T22:04:59.900")
        assert rig.venue.connections == []
        assert state(rig) is PortfolioState.CLOSED and states(rig) == {SessionState.WINDOW}
        told = await refused(rig)
        assert (told.reason, told.retry_at) == (Reason.CLOSED, END)
        await through(rig)
        assert state(rig) is PortfolioState.OPEN
        assert Told(rig).stages() == [STARTED, ENDED]


async def test_a_machine_that_slept_over_the_window_starts_its_sessions_anew(autojump_clock: MockClock) -> None:
    async with day() as rig:
        await rig.wall.until("2026-03-02T21:50")
        await opened(rig)
        rig.wall.sleep(3600)  # from 21:50 to 22:50
        await trio.sleep(45)
        assert states(rig) == {SessionState.ACTIVE} and len(rig.venue.connections) == 4
        await rig.venue.of("a").say(lives.state("o-1", "0"))
        await soon()
        assert state(rig) is PortfolioState.OPEN and Told(rig).stages()[-1] is ENDED
        await rig.wall.until("2026-03-03T22:06")
        assert len(rig.venue.connections) == 6 and states(rig) == {SessionState.ACTIVE}


async def test_a_machine_that_slept_for_two_days_goes_on_with_the_next_window(autojump_clock: MockClock) -> None:
    async with day(of=settings("a")) as rig:
        await rig.wall.until("2026-03-02T21:50")
        rig.wall.sleep(2 * 86_400)  # to March 4, 21:50
        await trio.sleep(60)
        assert len(rig.venue.connections) == 2, "one restart, not one for every window missed"
        assert Told(rig).of(Maintenance)[-1].body.starts_at == START
        await rig.wall.until("2026-03-04T22:06")
        assert logouts(rig)[-1] == utc("2026-03-04T22:00") and state(rig) is PortfolioState.OPEN
        assert len(rig.venue.connections) == 3


async def test_a_clock_that_steps_forward_over_the_window_closes_and_comes_back(autojump_clock: MockClock) -> None:
    """It was two minutes slow, so the venue has been closed for a while when it is put right."""
    async with day() as rig:
        rig.wall.error_s = -120.0
        await rig.wall.until("2026-03-02T22:00:30")  # 21:58:30 here: the venue's stamps have said otherwise
        assert logouts(rig) == [START] * 2
        rig.wall.error_s = 0.0
        await rig.wall.until("2026-03-02T22:04:59")
        assert len(rig.venue.connections) == 2
        await through(rig)
        assert state(rig) is PortfolioState.OPEN and len(rig.venue.connections) == 4


@pytest.mark.parametrize("second", [15, 25, 35, 45, 55])
async def test_a_clock_that_is_put_right_just_before_the_window_closes_nobody_early(
    autojump_clock: MockClock, second: int
) -> None:
    """It was a minute slow; what the venue's stamps were ahead of it is not true of it any more."""
    async with day(last_order_lead_s=5) as rig:
        rig.wall.error_s = -60.0
        await rig.wall.until(f"2026-03-02T21:58:{second}")
        rig.wall.error_s = 0.0
        await rig.wall.until("2026-03-02T21:59:54.900")
        assert state(rig) is PortfolioState.OPEN
        await rig.wall.until("2026-03-02T22:00:01")
        assert logouts(rig) == [START] * 2


async def test_a_clock_that_is_set_wrong_over_the_window_and_right_again_still_keeps_the_real_window(
    autojump_clock: MockClock,
) -> None:
    async with day() as rig:
        await rig.wall.until("2026-03-02T21:45")
        rig.wall.error_s = 901.0  # 22:00:01 here, and no message of the venue since
        await rig.wall.until("2026-03-02T21:46")
        assert state(rig) is PortfolioState.CLOSED
        rig.wall.error_s = 0.0
        await rig.wall.until("2026-03-02T21:46:45")
        assert states(rig) == {SessionState.ACTIVE} and state(rig) is PortfolioState.OPEN
        before = len(rig.venue.connections)
        await rig.wall.until("2026-03-02T21:59:59.900")
        assert len(rig.venue.connections) == before
        await through(rig)
        assert logouts(rig).count(START) == 2
        assert state(rig) is PortfolioState.OPEN and len(rig.venue.connections) == before + 2


async def test_a_clock_set_back_inside_the_window_neither_closes_twice_nor_stays_closed(
    autojump_clock: MockClock,
) -> None:
    async with day() as rig:
        await rig.wall.until("2026-03-02T22:03")
        rig.wall.error_s = -150.0  # 22:00:30 here
        rig.venue.refuse = "maintenance"
        await rig.wall.until("2026-03-02T22:05:10")
        assert len(rig.venue.connections) == 4
        rig.venue.refuse = None
        await rig.wall.until("2026-03-02T22:05:45")
        assert states(rig) == {SessionState.ACTIVE} and len(rig.venue.connections) == 6
        await rig.wall.until("2026-03-02T22:09")
        assert len(rig.venue.connections) == 6, "the window of this day is over, whatever the clock shows"
        assert Told(rig).stages().count(STARTED) == 1


async def test_a_clock_set_back_after_the_last_orders_takes_orders_again(autojump_clock: MockClock) -> None:
    async with day(last_order_lead_s=60) as rig:
        await rig.wall.until("2026-03-02T21:40:45")
        rig.wall.error_s = 1110.0  # 21:59:15 here, until the venue speaks
        await rig.wall.until("2026-03-02T21:41:05")
        assert state(rig) is PortfolioState.DRAINING
        await submit(rig, **held("h"))  # type: ignore[arg-type]
        rig.wall.error_s = 0.0
        await rig.wall.until("2026-03-02T21:41:40")
        assert state(rig) is PortfolioState.OPEN and carrying(rig, "h")
        await rig.wall.until("2026-03-02T21:59:05")
        assert state(rig) is PortfolioState.DRAINING and len(rig.venue.connections) == 2
        await through(rig)
        assert len(rig.venue.connections) == 4 and Told(rig).stages().count(ENDED) == 1


@pytest.mark.parametrize("error_s", [-40.0, -3.0, 3.0, 40.0])
async def test_a_wrong_clock_is_measured_against_the_venues_stamps_and_the_window_kept_by_its_time(
    autojump_clock: MockClock, error_s: float
) -> None:
    async with day() as rig:
        rig.wall.error_s = error_s
        await rig.wall.until("2026-03-02T22:04:59.900")
        assert logouts(rig) == [START] * 2 and len(rig.venue.connections) == 2
        await through(rig)
        assert len(rig.venue.connections) == 4 and when(rig, "A")[2] >= END
        assert states(rig) == {SessionState.ACTIVE}


async def test_the_offset_of_the_clocks_is_shown_warned_of_from_1_s_and_an_error_from_4_s(
    autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    async with day("2026-03-02T15:00", of=settings("a")) as rig:
        for ahead_s, takes in ((0.9, True), (1.1, True), (3.9, True), (4.1, False)):
            rig.venue.connections and setattr(rig.venue.of("a"), "offset_s", ahead_s)
            rig.venue.offset_s = ahead_s
            await trio.sleep(200)
            (view,) = rig.portfolio.sessions()
            assert view.clock_offset_ms == pytest.approx(ahead_s * 1000, abs=1.5)
            told = await rig.portfolio.submit(limit(f"o-{ahead_s}"), "desk")
            assert isinstance(told, Submitted) is takes and view.state is SessionState.ACTIVE


async def test_no_new_order_leaves_on_a_session_whose_clock_is_off_by_4_s_and_cancels_do(
    autojump_clock: MockClock,
) -> None:
    async with day(of=settings("a")) as rig:
        await rig.wall.until("2026-03-02T21:59")
        await opened(rig)
        await rig.wall.until("2026-03-02T22:01")
        await submit(rig, **held("h"))  # type: ignore[arg-type]
        rig.venue.offset_s = 6.0
        await rig.wall.until("2026-03-02T22:05:04")
        await rig.venue.of("a").say(lives.state("o-1", "0"))
        await trio.sleep(60)
        (view,) = rig.portfolio.sessions()
        assert state(rig) is PortfolioState.OPEN and view.clock_offset_ms == pytest.approx(6000, abs=1.5)
        assert order(rig, "h").status is Status.QUEUED and [m.get(11) for m in heard(rig, "D")] == ["o-1"]
        told = await refused(rig)
        assert told.reason is Reason.CLOSED and "clock" in told.message
        await rig.portfolio.cancel(client_order_id="o-1", client="desk")
        await soon()
        assert len(heard(rig, "F")) == 1
        rig.venue.offset_s = rig.venue.of("a").offset_s = 0.0
        await trio.sleep(200)
        assert carrying(rig, "h")


@pytest.mark.parametrize("days", [1.5, 3.0, 300.0])
async def test_a_clock_that_was_days_ahead_at_the_start_keeps_the_windows_once_it_is_right(
    autojump_clock: MockClock, days: float
) -> None:
    async with day() as rig:
        rig.wall.error_s = days * 86_400
        rig.venue.refuse = "SendingTime accuracy"
        await trio.sleep(60)
        rig.wall.error_s, rig.venue.refuse = 0.0, None
        await trio.sleep(120)
        assert state(rig) is PortfolioState.OPEN and states(rig) == {SessionState.ACTIVE}
        await rig.wall.until("2026-03-02T21:59:55")
        assert state(rig) is PortfolioState.DRAINING
        await rig.wall.until("2026-03-02T22:02")
        assert state(rig) is PortfolioState.CLOSED and logouts(rig)[-2:] == [START] * 2
        await through(rig)
        assert state(rig) is PortfolioState.OPEN and states(rig) == {SessionState.ACTIVE}
        await rig.wall.until("2026-03-03T22:02")
        assert logouts(rig)[-2:] == [START + timedelta(days=1)] * 2


# Halts, restarts by hand, warnings


async def test_rule_26_a_halt_lasts_through_the_window_and_a_restart(autojump_clock: MockClock) -> None:
    store = MemoryStore()
    async with day(store=store) as rig:
        await rig.wall.until("2026-03-02T21:59")
        await opened(rig)
        await rig.portfolio.halt("desk", cancel_open=False)
        await rig.wall.until("2026-03-02T22:01")
        assert state(rig) is PortfolioState.CLOSED and rig.portfolio.view().halted
        await rig.wall.until("2026-03-02T22:05:05")
        await rig.venue.of("a").say(lives.state("o-1", "0"))
        await soon()
        assert state(rig) is PortfolioState.HALTED and Told(rig).stages()[-1] is ENDED
        assert (await refused(rig)).reason is Reason.CLOSED
    async with day("2026-03-02T22:30", store=store) as rig:
        await lives.up()
        await rig.venue.of("a").say(lives.state("o-1", "0"))
        await soon()
        assert state(rig) is PortfolioState.HALTED and (await refused(rig)).reason is Reason.CLOSED
        await rig.portfolio.resume()
        assert state(rig) is PortfolioState.OPEN
        await submit(rig, "o-2")
    async with day("2026-03-02T22:40", store=store) as rig:
        assert not rig.portfolio.view().halted


async def test_rule_26_what_still_queued_when_a_halt_was_cut_short_by_a_crash_never_leaves(
    autojump_clock: MockClock,
) -> None:
    store = MemoryStore()
    async with day(store=store) as rig:
        await rig.wall.until("2026-03-02T22:01")
        await submit(rig, **held("h"))  # type: ignore[arg-type]
        rig.portfolio._record([], rig.wall.ours(), (Note("halted", b"{}"),))  # on disk before the ends of the orders
        await soon()
    async with day("2026-03-02T22:02", store=store) as rig:
        await rig.wall.until("2026-03-02T22:10")
        assert state(rig) is PortfolioState.HALTED
        assert (order(rig, "h").status, order(rig, "h").reject_reason) == (Status.REJECTED, "held_invalid")
        await rig.portfolio.resume()
        await lives.up()
        assert state(rig) is PortfolioState.OPEN and heard(rig, "D") == []


async def test_a_session_restarted_by_hand_comes_back_and_asks_about_its_orders(autojump_clock: MockClock) -> None:
    async with day("2026-03-02T15:00") as rig:
        await lives.up()
        venue = await opened(rig)
        name = order(rig).session
        await rig.portfolio.restart(name)
        await trio.sleep(5)
        assert venue.ended and len(rig.venue.connections) == 3 and states(rig) == {SessionState.ACTIVE}
        assert state(rig) is PortfolioState.OPEN and [m.get(11) for m in heard(rig, "H")][-1] == "o-1"
        await rig.venue.of(name or "").say(fill("o-1", "f-1", "0.5", "0.5", "2"))
        await soon()
        assert order(rig).status is Status.FILLED
        with pytest.raises(KeyError):
            await rig.portfolio.restart("none")


async def test_a_portfolio_restarted_by_hand_reconciles_before_it_opens(autojump_clock: MockClock) -> None:
    async with day("2026-03-02T15:00", of=SEVEN) as rig:
        await lives.up()
        await opened(rig)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.portfolio.restart, None)
            await trio.sleep(5)
        logons = when(rig, "A")[7:]
        assert len(logons) == 7 and logons[-1] - logons[0] >= timedelta(seconds=1)
        assert state(rig) is PortfolioState.RECONCILING
        assert (await refused(rig)).reason is Reason.CLOSED
        await rig.venue.of("a").say(lives.state("o-1", "0"))
        await soon()
        assert state(rig) is PortfolioState.OPEN and order(rig).status is Status.OPEN


async def test_a_restart_by_hand_while_the_day_reconciles_does_not_swallow_the_end_of_the_window(
    autojump_clock: MockClock,
) -> None:
    async with day() as rig:
        await rig.wall.until("2026-03-02T21:59")
        await opened(rig)
        await rig.wall.until("2026-03-02T22:05:10")
        await rig.portfolio.restart(None)
        await trio.sleep(5)
        await rig.venue.of("a").say(lives.state("o-1", "0"))
        await soon()
        assert state(rig) is PortfolioState.OPEN and Told(rig).stages()[-1] is ENDED


@pytest.mark.parametrize(
    ("expiry", "warned"),
    [
        ("2026-03-02T21:54:59", False),
        ("2026-03-02T21:55:00", True),
        ("2026-03-02T22:00:00", True),
        ("2026-03-02T22:04:59", True),
        ("2026-03-02T22:05:00", False),
        ("2026-03-09T20:56:00", True),  # summer time by then
        ("2026-03-09T21:56:00", False),
    ],
)
async def test_an_expiry_in_the_window_or_up_to_5_min_before_it_is_accepted_with_a_warning(
    autojump_clock: MockClock, expiry: str, warned: bool
) -> None:
    async with day("2026-03-02T15:00") as rig:
        await lives.up()
        terms = attrs.evolve(limit().terms, expiry_time=utc(expiry), time_in_force=TimeInForce.GOOD_UNTIL_DATE_TIME)
        told = await rig.portfolio.submit(attrs.evolve(limit(), terms=terms), "desk")
        assert isinstance(told, Submitted) and any("16:55" in each for each in told.warnings) is warned


@pytest.mark.parametrize(("expiry", "warned"), [("2026-03-02T21:54:59", False), ("2026-03-02T22:02:00", True)])
async def test_a_replace_that_moves_the_expiry_into_the_window_is_warned_of_too(
    autojump_clock: MockClock, expiry: str, warned: bool
) -> None:
    async with day("2026-03-02T15:00") as rig:
        await lives.up()
        until = {"expiry_time": utc("2026-03-03T15:00"), "time_in_force": TimeInForce.GOOD_UNTIL_DATE_TIME}
        terms = attrs.evolve(limit().terms, **until)  # type: ignore[arg-type]
        await rig.portfolio.submit(attrs.evolve(limit(), terms=terms), "desk")
        await soon()
        await carrying(rig).say(said("o-1", "0", "0"))
        await soon()
        wanted = Replacement(client_order_id="o-1", new_client_order_id="o-2", expiry_time=utc(expiry))
        told = await rig.portfolio.replace(wanted, "desk")
        assert isinstance(told, Submitted) and any("16:55" in each for each in told.warnings) is warned


async def venue_answers(rig: Rig) -> None:
    """It takes every new order and answers every question, until cancelled."""
    told: dict[int, int] = {}
    while True:
        await trio.sleep(0.02)
        for connection in living(rig):
            fresh = connection.heard[told.get(id(connection), 0) :]
            told[id(connection)] = len(connection.heard)
            for _, message in fresh:
                key, product = message.get(11) or "", f"55={message.get(55)}"
                if message.type == "D":
                    await connection.say(said(key, "0", "0").replace("55=BTC-USD", product))
                elif message.type == "H":
                    await connection.say(lives.state(key, "0").replace("55=BTC-USD", product))


async def test_a_thousand_open_orders_over_seven_sessions_are_asked_about_once_at_the_rate_that_the_venue_allows(
    autojump_clock: MockClock,
) -> None:
    """252 questions a second, so four bursts, 3.05 s apart in all; before them at most 1 s jitter, 1.2 s between the
    logons, and 1.02 s without budget after the last one (order-rules.md 20).
    """
    async with day(of=SEVEN) as rig, trio.open_nursery() as nursery:
        nursery.start_soon(venue_answers, rig)
        await lives.up()
        for n in range(1000):
            await rig.portfolio.submit(limit(f"o-{n:04}", product=f"P{n % 7}-USD", ttl_ms=60_000), "desk")
        await rig.wall.until("2026-03-02T22:05")
        while state(rig) is not PortfolioState.OPEN:
            await trio.sleep(0.01)
        took_s = (rig.wall.world().utc - END).total_seconds()
        asked = [message.get(11) for connection in living(rig) for message in connection.requests("H")]
        assert rig.portfolio.view().open_orders == len(asked) == len(set(asked)) == 1000
        assert rig.portfolio.view().unreconciled == 0 and took_s < 1.0 + 1.2 + 1.02 + 3.05 + 0.05
        nursery.cancel_scope.cancel()
