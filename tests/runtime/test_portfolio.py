"""One portfolio over scripted links, in virtual time. Tests that carry a number show that rule of order-rules.md."""

import io
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal

import attrs
import pytest
import trio
from trio.testing import MockClock

from primefixd import logs
from primefixd.orders.model import CancelState, Order, OrderType, Status, TimeInForce
from primefixd.orders.records import CancelRejected, Contradicted, OrderFilled, OrderInDoubt, OrderUpdated, Unread
from primefixd.runtime.answers import Cancelling, Reason, Refused, Submitted
from primefixd.runtime.settings import RateSettings
from primefixd.runtime.views import PortfolioState, SessionChanged, SessionState
from tests.support.scripted import ACCOUNT, BEGIN, Connection, Rig, limit, settings


@pytest.fixture
async def rig(autojump_clock: MockClock, nursery: trio.Nursery) -> AsyncIterator[Rig]:
    """Two sessions, logged on, with their budgets fresh."""
    rig = Rig(nursery, settings("a", "b"))
    await trio.sleep(2)
    assert [view.state for view in rig.portfolio.sessions()] == [SessionState.ACTIVE] * 2
    yield rig
    nursery.cancel_scope.cancel()


def report(order: str, kind: str, status: str, **more: str) -> str:
    """An execution report on `order`; `more` are further fields as t32='0.1'."""
    rest = "".join(f"|{tag[1:]}={value}" for tag, value in more.items())
    told = "" if "t37" in more else f"|37=V-{order}"
    unique = "" if "t17" in more else f"|17=E-{order}-{kind}{status}"
    return f"35=8|1={ACCOUNT}|11={order}{told}{unique}|20=0|150={kind}|39={status}|54=1|55=BTC-USD|38=0.5{rest}"


async def submitted(rig: Rig, key: str = "o-1", **more: object) -> Order:
    result = await rig.portfolio.submit(limit(key, **more), "desk")
    assert isinstance(result, Submitted), result
    await trio.sleep(0.01)
    return result.order


def order(rig: Rig, key: str = "o-1") -> Order:
    found = rig.portfolio.find(client_order_id=key)
    assert found is not None
    return found


async def carrying(rig: Rig, key: str = "o-1") -> Connection:
    """The connection on which that order left."""
    return next(c for c in rig.venue.connections if any(m.get(11) == key for m in c.requests("D")))


async def test_an_order_goes_out_as_asked_and_its_life_is_told(autojump_clock: MockClock, rig: Rig) -> None:
    await submitted(rig)
    venue = await carrying(rig)
    (sent,) = venue.requests("D")
    assert {tag: sent.get(tag) for tag in (1, 11, 55, 54, 40, 38, 44, 59)} == {
        1: ACCOUNT, 11: "o-1", 55: "BTC-USD", 54: "1", 40: "2", 38: "0.5", 44: "50000", 59: "1",
    }  # fmt: skip
    await venue.say(report("o-1", "A", "A"))
    await venue.say(report("o-1", "0", "0"))
    await venue.say(report("o-1", "1", "1", t32="0.5", t31="49999", t14="0.5"))
    await trio.sleep(0.01)
    told = [event.body.order.status for event in rig.events(OrderUpdated)]
    assert told == [Status.QUEUED, Status.SENT, Status.PENDING, Status.OPEN, Status.FILLED]
    assert order(rig).filled_value == Decimal("24999.5")


async def test_rule_09_a_reject_by_number_is_told_to_the_order_that_the_number_was(
    autojump_clock: MockClock, rig: Rig
) -> None:
    await submitted(rig)
    venue = await carrying(rig)
    (sent,) = venue.requests("D")
    await venue.say(f"35=j|45={sent.sequence_number}|372=D|380=3|58=not now")
    await trio.sleep(0.01)
    assert (order(rig).status, order(rig).reject_reason, order(rig).reject_text) == (
        Status.REJECTED,
        "other",
        "not now",
    )


async def test_rule_09_a_rate_reject_ends_the_order_and_pauses_the_session_for_a_second(
    autojump_clock: MockClock, rig: Rig
) -> None:
    await submitted(rig)
    venue = await carrying(rig)
    (sent,) = venue.requests("D")
    await venue.say(f"35=j|45={sent.sequence_number}|372=D|380=0|58=message rate exceeded")
    await trio.sleep(0.01)
    assert order(rig).reject_reason == "rate_limited"
    paused = trio.current_time()
    await rig.portfolio.submit(limit("o-2"), "desk")
    await trio.sleep(1.5)
    left = next(at for at, message in venue.heard if message.get(11) == "o-2")
    assert 0.98 < left - paused < 1.1


async def test_rule_09_a_rejected_cancel_is_tried_again_with_a_new_id_then_told(
    autojump_clock: MockClock, rig: Rig
) -> None:
    await submitted(rig)
    venue = await carrying(rig)
    await venue.say(report("o-1", "0", "0"))
    await trio.sleep(0.01)
    await rig.portfolio.cancel(client_order_id="o-1", client="desk")
    for tries in (1, 2, 3):
        await trio.sleep(0.01)
        requests = venue.requests("F")
        assert len(requests) == tries
        await venue.say(f"35=j|45={requests[-1].sequence_number}|372=F|380=3|58=busy")
    await trio.sleep(5)
    assert len({m.get(11) for m in venue.requests("F")}) == 3
    assert len(rig.events(CancelRejected)) == 1
    assert order(rig).cancel.state is CancelState.REJECTED


async def test_rule_10_a_wrong_venue_clock_is_measured_its_report_applied_and_no_new_order_sent(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    rig = Rig(nursery, settings("a"))
    await trio.sleep(2)
    await submitted(rig)
    venue = rig.venue.connections[0]
    venue.offset_s = -4.5
    for n in range(6):
        await venue.say(report("o-1", "1", "1", t17=f"E{n}", t32="0.01", t31="1", t14=f"0.0{n + 1}"))
    await trio.sleep(0.01)
    assert order(rig).filled_quantity == Decimal("0.06")
    view = rig.portfolio.sessions()[0]
    assert view.clock_offset_ms == -4500 and view.state is SessionState.ACTIVE
    refused = await rig.portfolio.submit(limit("o-2"), "desk")
    assert isinstance(refused, Refused) and refused.reason is Reason.CLOSED and "clock" in refused.message
    assert isinstance(await rig.portfolio.cancel(client_order_id="o-1", client="desk"), Cancelling)
    await trio.sleep(0.01)
    assert len(venue.requests("F")) == 1
    nursery.cancel_scope.cancel()


async def test_rule_12_what_a_dead_link_left_open_is_asked_about_on_the_others_and_after_its_return(
    autojump_clock: MockClock, rig: Rig
) -> None:
    await submitted(rig)
    dead = await carrying(rig)
    other = next(c for c in rig.venue.connections if c is not dead)
    await dead.say(report("o-1", "0", "0"))
    await trio.sleep(0.01)
    await dead.cut()
    await trio.sleep(0.1)
    (asked,) = other.requests("H")
    assert (asked.get(11), asked.get(37)) == ("o-1", "V-o-1")
    await trio.sleep(5)
    back = rig.venue.connections[-1]
    assert back.peer == dead.peer and len(back.requests("H") + other.requests("H")) == 2


async def test_an_order_without_answer_is_in_doubt_when_its_link_dies_and_the_next_word_settles_it(
    autojump_clock: MockClock, rig: Rig
) -> None:
    await submitted(rig)
    dead = await carrying(rig)
    await dead.cut()
    await trio.sleep(0.01)
    assert order(rig).in_doubt and len(rig.events(OrderInDoubt)) == 1
    await trio.sleep(5)
    await rig.venue.connections[-1].say(report("o-1", "0", "0"))
    await trio.sleep(0.01)
    assert (order(rig).in_doubt, order(rig).status) == (False, Status.OPEN)


async def test_rule_14_a_duplicate_reject_of_an_order_in_doubt_is_no_rejection(
    autojump_clock: MockClock, rig: Rig
) -> None:
    await submitted(rig)
    await (await carrying(rig)).cut()
    await trio.sleep(5)
    await rig.venue.connections[-1].say(report("o-1", "8", "8", t103="6", t58="duplicate client order ID"))
    await trio.sleep(0.01)
    assert order(rig).status is Status.SENT


async def test_rule_18_cancels_leave_before_new_orders_and_keep_slots_of_their_own(
    autojump_clock: MockClock, rig: Rig
) -> None:
    await submitted(rig)
    venue = await carrying(rig)
    await venue.say(report("o-1", "0", "0"))
    await trio.sleep(3)
    for n in range(60):
        await rig.portfolio.submit(limit(f"q-{n}"), "desk")
    await rig.portfolio.cancel(client_order_id="o-1", client="desk")
    begun = trio.current_time()
    await trio.sleep(0.5)
    assert len(venue.requests("F")) == 1
    first_second = [m for at, m in venue.heard if m.type == "D" and begun <= at]
    assert len(first_second) == 36  # of 50, 4 are kept for session messages and 10 for cancels


async def test_rule_19_a_cancel_of_a_queued_order_ends_it_here_and_nothing_leaves(
    autojump_clock: MockClock, rig: Rig
) -> None:
    for n in range(40):
        await rig.portfolio.submit(limit(f"q-{n}"), "desk")
    await trio.sleep(0.01)
    result = await rig.portfolio.cancel(client_order_id="q-39", client="desk")
    assert isinstance(result, Cancelling) and result.order.status is Status.CANCELLED
    await trio.sleep(10)
    sent = [m.get(11) for c in rig.venue.connections for m in c.requests("D")]
    assert len(sent) == 39 and "q-39" not in sent


async def test_rule_19_a_cancel_before_the_acknowledgement_waits_for_the_order_id(
    autojump_clock: MockClock, rig: Rig
) -> None:
    await submitted(rig)
    venue = await carrying(rig)
    await rig.portfolio.cancel(client_order_id="o-1", client="desk")
    await rig.portfolio.cancel(client_order_id="o-1", client="desk")
    await trio.sleep(3)
    assert venue.requests("F") == [] and order(rig).cancel.state is CancelState.WAITING
    await venue.say(report("o-1", "A", "A"))
    await trio.sleep(0.01)
    (cancel,) = venue.requests("F")
    assert (cancel.get(41), cancel.get(37), cancel.get(38)) == ("o-1", "V-o-1", "0.5")
    assert order(rig).cancel.state is CancelState.SENT and order(rig).status is Status.PENDING
    await venue.say(report("o-1", "6", "6"))
    await trio.sleep(0.01)
    assert order(rig).status is Status.PENDING_CANCEL and order(rig).cancel.state is CancelState.PENDING


async def test_rule_19_a_cancel_whose_link_died_leaves_on_another(autojump_clock: MockClock, rig: Rig) -> None:
    await submitted(rig)
    dead = await carrying(rig)
    other = next(c for c in rig.venue.connections if c is not dead)
    await dead.say(report("o-1", "0", "0"))
    await trio.sleep(0.01)
    await rig.portfolio.cancel(client_order_id="o-1", client="desk")
    await trio.sleep(0.01)
    await dead.cut()
    await trio.sleep(0.1)
    assert len(dead.requests("F")) == 1 and len(other.requests("F")) == 1
    assert dead.requests("F")[0].get(11) != other.requests("F")[0].get(11)


async def test_a_cancel_without_any_link_is_kept_and_leaves_first(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    rig = Rig(nursery, settings("a"))
    await trio.sleep(2)
    await submitted(rig)
    await rig.venue.connections[0].say(report("o-1", "0", "0"))
    await trio.sleep(0.01)
    rig.venue.unreachable = True
    await rig.venue.connections[0].cut()
    await trio.sleep(1)
    assert isinstance(await rig.portfolio.cancel(client_order_id="o-1", client="desk"), Cancelling)
    assert order(rig).cancel.state is CancelState.WAITING
    rig.venue.unreachable = False
    await trio.sleep(40)
    kinds = [m.type for _, m in rig.venue.connections[-1].heard if m.type in "FHD"]
    assert kinds[:2] == ["F", "H"]
    nursery.cancel_scope.cancel()


async def test_rule_20_a_new_connection_begins_with_a_spent_budget(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    rig = Rig(nursery, settings("a"))
    await trio.sleep(0.1)
    logged_on = trio.current_time()
    assert isinstance(await rig.portfolio.submit(limit(), "desk"), Submitted)
    await trio.sleep(2)
    logon, *rest = rig.venue.connections[0].heard
    left = next(at for at, m in rest if m.type == "D")
    assert logon[0] < logged_on and 1.0 <= left - logon[0] < 1.1
    nursery.cancel_scope.cancel()


async def test_rule_20_the_portfolio_never_sends_more_than_its_orders_a_second(
    autojump_clock: MockClock, rig: Rig
) -> None:
    for n in range(200):
        await rig.portfolio.submit(limit(f"q-{n}", product=f"P{n % 2}-USD", ttl_ms=60_000), "desk")
    begun = trio.current_time()
    await trio.sleep(8)
    times = sorted(at for c in rig.venue.connections for at, m in c.heard if m.type == "D")
    assert len(times) == 200
    assert all(b - a >= 1.0 for a, b in zip(times, times[50:], strict=False))
    assert times[-1] - begun < 200 / 50 / 0.98


async def test_rule_21_queued_orders_move_from_a_dead_link_in_their_order(autojump_clock: MockClock, rig: Rig) -> None:
    for n in range(60):
        await rig.portfolio.submit(limit(f"q-{n:02}", ttl_ms=60_000), "desk")
    await trio.sleep(0.1)
    dead = await carrying(rig, "q-00")
    other = next(c for c in rig.venue.connections if c is not dead)
    rig.venue.unreachable = True
    await dead.cut()
    await trio.sleep(5)
    moved = [m.get(11) for m in other.requests("D")]
    assert moved == [f"q-{n:02}" for n in range(len(dead.requests("D")), 60)] and moved
    assert sum(
        o.in_doubt for o in rig.portfolio.orders(open_only=True, product_id=None, limit=100, after=None).orders
    ) == len(dead.requests("D"))


async def test_rule_21_a_pinned_order_waits_for_its_session_and_never_leaves_after_its_deadline(
    autojump_clock: MockClock, rig: Rig
) -> None:
    rig.venue.unreachable = True
    await rig.venue.of("a").cut()
    await trio.sleep(0.1)
    refused = await rig.portfolio.submit(limit("late", session="a"), "desk")
    assert isinstance(refused, Refused) and refused.reason is Reason.NO_SESSION and refused.retry_at is not None
    assert isinstance(await rig.portfolio.submit(limit("free"), "desk"), Submitted)
    await trio.sleep(0.1)
    assert order(rig, "free").session == "b"


async def test_rule_22_decimals_go_out_as_they_are(autojump_clock: MockClock, rig: Rig) -> None:
    odd = attrs.evolve(limit().terms, base_quantity=Decimal("0.00000001"), limit_price=Decimal("100000000.10"))
    await rig.portfolio.submit(attrs.evolve(limit(), terms=odd), "desk")
    await trio.sleep(0.01)
    (sent,) = (await carrying(rig)).requests("D")
    assert (sent.get(38), sent.get(44)) == ("0.00000001", "100000000.10")


async def test_rule_23_the_same_id_with_the_same_terms_is_the_same_order_and_with_others_is_refused(
    autojump_clock: MockClock, rig: Rig
) -> None:
    first = await rig.portfolio.submit(limit(), "desk")
    await trio.sleep(0.01)
    same = attrs.evolve(limit(ttl_ms=9), terms=attrs.evolve(limit().terms, base_quantity=Decimal("0.50")))
    again = await rig.portfolio.submit(same, "desk")
    assert isinstance(first, Submitted) and isinstance(again, Submitted)
    assert (again.duplicate, again.cursor, again.order.status) == (True, first.cursor, Status.SENT)
    other = attrs.evolve(limit(), terms=attrs.evolve(limit().terms, base_quantity=Decimal("0.6")))
    refused = await rig.portfolio.submit(other, "desk")
    assert isinstance(refused, Refused) and refused.reason is Reason.DUPLICATE and refused.order is not None
    await trio.sleep(3)
    assert sum(len(c.requests("D")) for c in rig.venue.connections) == 1


async def test_rule_23_an_order_without_an_id_gets_one_and_a_warning(autojump_clock: MockClock, rig: Rig) -> None:
    result = await rig.portfolio.submit(limit(None), "desk")
    assert isinstance(result, Submitted) and result.order.client_order_id and "client_order_id" in result.warnings[0]


async def test_without_any_session_an_order_is_refused_not_queued(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    rig = Rig(nursery, settings("a"))
    rig.venue.unreachable = True
    await trio.sleep(3)
    refused = await rig.portfolio.submit(limit(), "desk")
    assert isinstance(refused, Refused) and (refused.reason, refused.sent.value) == (Reason.NO_SESSION, "no")
    nursery.cancel_scope.cancel()


async def test_an_order_that_waits_past_its_time_to_live_is_never_sent(autojump_clock: MockClock, rig: Rig) -> None:
    for n in range(100):
        await rig.portfolio.submit(limit(f"q-{n}", ttl_ms=1_200), "desk")
    await trio.sleep(10)
    ended = rig.portfolio.orders(open_only=False, product_id=None, limit=1000, after=None).orders
    expired = [o for o in ended if o.reject_reason == "expired"]
    sent = [(at, m.get(11)) for c in rig.venue.connections for at, m in c.heard if m.type == "D"]
    assert len(expired) + len(sent) == 100 and expired
    assert not {o.client_order_id for o in expired} & {key for _, key in sent}
    assert max(at for at, _ in sent) <= (min(o.created_at for o in ended) - BEGIN).total_seconds() + 1.2


async def test_a_full_queue_is_busy(autojump_clock: MockClock, rig: Rig) -> None:
    results = [await rig.portfolio.submit(limit(f"q-{n}"), "desk") for n in range(1100)]
    refused = [r for r in results if isinstance(r, Refused)]
    assert refused and {r.reason for r in refused} == {Reason.BUSY}
    assert all(r.retry_after_ms for r in refused)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"limit_price": None}, "limit_price"),
        ({"base_quantity": None}, "base_quantity"),
        ({"type": OrderType.MARKET}, "limit_price"),
        ({"time_in_force": TimeInForce.GOOD_UNTIL_DATE_TIME}, "expiry_time"),
    ],
)
async def test_what_the_venue_would_refuse_is_refused_here_with_the_field(
    autojump_clock: MockClock, rig: Rig, changed: dict, field: str
) -> None:
    terms = attrs.evolve(limit().terms, **changed)
    refused = await rig.portfolio.submit(attrs.evolve(limit(), terms=terms), "desk")
    assert isinstance(refused, Refused) and (refused.reason, refused.field) == (Reason.INVALID, field)
    await trio.sleep(2)
    assert sum(len(c.requests("D")) for c in rig.venue.connections) == 0


async def test_an_unknown_session_and_a_past_deadline_are_refused(autojump_clock: MockClock, rig: Rig) -> None:
    refused = await rig.portfolio.submit(limit(session="c"), "desk")
    assert isinstance(refused, Refused) and refused.field == "session" and "a, b" in refused.message
    refused = await rig.portfolio.submit(limit(deadline=BEGIN - timedelta(seconds=1)), "desk")
    assert isinstance(refused, Refused) and refused.reason is Reason.EXPIRED


async def test_cancel_says_what_it_cannot_do(autojump_clock: MockClock, rig: Rig) -> None:
    refused = await rig.portfolio.cancel(client_order_id="nobody", client="desk")
    assert isinstance(refused, Refused) and refused.reason is Reason.UNKNOWN_ORDER
    await submitted(rig)
    await (await carrying(rig)).say(report("o-1", "1", "2", t32="0.5", t31="1", t14="0.5"))
    await trio.sleep(0.01)
    refused = await rig.portfolio.cancel(order_id="V-o-1", client="desk")
    assert isinstance(refused, Refused) and refused.reason is Reason.NOT_CANCELLABLE and refused.order is not None


async def test_a_cancel_rejected_by_the_venue_restores_the_order(autojump_clock: MockClock, rig: Rig) -> None:
    await submitted(rig)
    venue = await carrying(rig)
    await venue.say(report("o-1", "0", "0"))
    await trio.sleep(0.01)
    await rig.portfolio.cancel(client_order_id="o-1", client="desk")
    await trio.sleep(0.01)
    await venue.say(report("o-1", "6", "6"))
    request = venue.requests("F")[0].get(11)
    await venue.say(f"35=9|11={request}|41=o-1|37=V-o-1|39=0|102=0|434=1|58=too late")
    await trio.sleep(0.01)
    (told,) = rig.events(CancelRejected)
    assert "too late" in told.body.reason.replace("_", " ")
    assert order(rig).status is Status.OPEN
    assert len(venue.requests("H")) == 1  # and asked about


async def test_reports_of_an_order_count_once_whichever_link_tells_them(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    rig = Rig(nursery, settings("a", "b", "copy", drop_copy="copy"))
    await trio.sleep(2)
    assert rig.venue.of("copy").requests("A")[0].get(9406) == "Y"
    assert rig.venue.of("a").requests("A")[0].get(9406) == "N"
    await submitted(rig)
    fill = report("o-1", "1", "1", t32="0.2", t31="100", t14="0.2")
    for name in ("a", "copy", "b"):
        await rig.venue.of(name).say(fill)
    await trio.sleep(0.01)
    assert len(rig.events(OrderFilled)) == 1 and order(rig).filled_quantity == Decimal("0.2")
    assert not rig.venue.of("copy").requests("D")
    nursery.cancel_scope.cancel()


async def test_a_gap_in_the_venues_numbers_is_answered_by_asking_about_open_orders_never_by_resend(
    autojump_clock: MockClock, rig: Rig
) -> None:
    await submitted(rig)
    venue = await carrying(rig)
    await venue.say(report("o-1", "0", "0"))
    venue.session.skip(3)
    await venue.say("35=8|37=X|17=1|20=0|150=0|39=0|54=1|55=BTC-USD")
    await trio.sleep(0.1)
    assert len(venue.requests("H")) == 1
    assert [m.type for _, m in venue.heard].count("2") == 0


async def test_rule_07_silence_after_a_partial_fill_of_an_immediate_order_is_asked_about(
    autojump_clock: MockClock, rig: Rig
) -> None:
    terms = attrs.evolve(
        limit().terms,
        type=OrderType.MARKET,
        limit_price=None,
        base_quantity=None,
        quote_value=Decimal("1000"),
        time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
    )
    await rig.portfolio.submit(attrs.evolve(limit(), terms=terms), "desk")
    await trio.sleep(0.01)
    venue = await carrying(rig)
    assert venue.requests("D")[0].get(152) == "1000"
    await venue.say("35=8|11=o-1|37=V|17=1|20=0|150=1|39=1|54=1|55=BTC-USD|152=1000|32=0.01|31=50000|14=0.01")
    await trio.sleep(1.9)
    assert venue.requests("H") == []
    await trio.sleep(0.2)
    assert len(venue.requests("H")) == 1


async def test_stopping_refuses_ends_what_queues_waits_for_answers_and_logs_out(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    rig = Rig(nursery, settings("a"))
    await trio.sleep(2)
    for n in range(40):
        await rig.portfolio.submit(limit(f"q-{n}"), "desk")
    await trio.sleep(0.01)
    venue = rig.venue.connections[0]
    nursery.start_soon(rig.portfolio.stop)
    await trio.sleep(0.5)
    assert rig.portfolio.view().state is PortfolioState.DRAINING and not venue.ended
    assert isinstance(await rig.portfolio.submit(limit("late"), "desk"), Refused)
    for n in range(36):
        await venue.say(report(f"q-{n}", "0", "0"))
    await trio.sleep(0.5)
    assert venue.ended and len(venue.requests("D")) == 36
    assert order(rig, "q-39").reject_reason == "stopping"
    assert not rig.events(Contradicted)
    nursery.cancel_scope.cancel()


async def test_listing_pages_without_gap_or_repeat(autojump_clock: MockClock, rig: Rig) -> None:
    for n in range(25):
        await submitted(rig, f"q-{n:02}")
    found: list[str] = []
    after = None
    while True:
        page = rig.portfolio.orders(open_only=True, product_id=None, limit=10, after=after)
        found += [o.client_order_id for o in page.orders]
        if page.next is None:
            break
        after = page.next
    assert found == [f"q-{n:02}" for n in range(25)]
    with pytest.raises(KeyError):
        rig.portfolio.orders(open_only=True, product_id=None, limit=10, after="nowhere")


async def test_a_portfolio_with_a_lower_rate_keeps_to_it(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    rate = RateSettings(messages_per_second=20, orders_per_second=5, margin_ms=15)
    rig = Rig(nursery, settings("a", rate=rate))
    await trio.sleep(2)
    for n in range(20):
        await rig.portfolio.submit(limit(f"q-{n}", ttl_ms=60_000), "desk")
    await trio.sleep(10)
    times = [at for at, m in rig.venue.connections[0].heard if m.type == "D"]
    assert len(times) == 20 and all(b - a >= 1.0 for a, b in zip(times, times[5:], strict=False))
    nursery.cancel_scope.cancel()


async def test_rule_10_a_clock_that_goes_wrong_is_alarmed_once_a_bound_and_told(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    rig = Rig(nursery, settings("a"))
    await trio.sleep(2)
    rig.events(SessionChanged)
    venue = rig.venue.connections[0]
    out = io.StringIO()
    logs.set_up(out=out)
    for offset in (0.2, 1.5, 4.5, 0.0):
        venue.offset_s = offset
        for n in range(6):
            await venue.say(report("x", "0", "0", t17=f"{offset}-{n}"))
        await trio.sleep(0.01)
    logs.set_up(level="critical")
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    alarms = [(each["level"], each["new_orders_refused"]) for each in lines if each["event"] == "clock_offset"]
    assert alarms[0] == ("warning", False) and ("error", True) in alarms and alarms[-1] == ("info", False)
    assert len(alarms) <= 4 and len(rig.events(SessionChanged)) == len(alarms)
    nursery.cancel_scope.cancel()


async def test_what_cannot_be_read_is_counted_and_told_and_the_session_goes_on(
    autojump_clock: MockClock, rig: Rig
) -> None:
    await submitted(rig)
    venue = await carrying(rig)
    await venue.say(report("o-1", "0", "0", t14="many"))
    await venue.say("35=8|20=0|150=0|39=0")
    await trio.sleep(0.01)
    (first, second) = [event.body for event in rig.events(Unread)]
    assert first.fields == ("cumulative_quantity",) and second.order is None and "names no order" in second.fields[0]
    assert order(rig).status is Status.OPEN
    assert sum(view.unreadable for view in rig.portfolio.sessions()) == 2 and not venue.ended
