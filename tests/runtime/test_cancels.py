"""Cancels in every race, over scripted links in virtual time (order-rules.md 6, 9, 19)."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
import trio
from trio.testing import MockClock

from primefixd.orders.model import CancelState, Order, Replacement, Status
from primefixd.orders.records import CancelRejected
from primefixd.runtime.answers import Cancelling, Reason, Refused
from tests.support.scripted import ACCOUNT, Connection, Rig, limit, settings


@pytest.fixture
async def rig(autojump_clock: MockClock, nursery: trio.Nursery) -> AsyncIterator[Rig]:
    """Two sessions; o-1 for 0.5 has left on one of them and is not acknowledged."""
    rig = Rig(nursery, settings("a", "b"))
    await trio.sleep(2)
    await rig.portfolio.submit(limit(), "desk")
    await trio.sleep(0.01)
    yield rig
    nursery.cancel_scope.cancel()


def venue(rig: Rig) -> Connection:
    return next(c for c in rig.venue.connections if c.requests("D"))


def order(rig: Rig) -> Order:
    found = rig.portfolio.find(client_order_id="o-1")
    assert found is not None
    return found


async def say(rig: Rig, kind: str, status: str, **more: str) -> None:
    fields = {"t11": "o-1", "t37": "V", "t17": f"E-{kind}{status}", "t38": "0.5"} | more
    rest = "".join(f"|{tag[1:]}={value}" for tag, value in fields.items())
    await venue(rig).say(f"35=8|1={ACCOUNT}{rest}|20=0|150={kind}|39={status}|54=1|55=BTC-USD")
    await trio.sleep(0.01)


async def refuse(rig: Rig, reason: str = "0", status: str = "0", original: str = "o-1") -> None:
    request = venue(rig).requests("F")[-1].get(11)
    await venue(rig).say(f"35=9|11={request}|41={original}|37=V|39={status}|102={reason}|434=1")
    await trio.sleep(0.01)


async def cancel(rig: Rig) -> Cancelling | Refused:
    told = await rig.portfolio.cancel(client_order_id="o-1", client="desk")
    await trio.sleep(0.01)
    return told


async def test_before_the_acknowledgement_it_waits_and_then_takes_the_order_with_it(
    autojump_clock: MockClock, rig: Rig
) -> None:
    await cancel(rig)
    assert venue(rig).requests("F") == []
    await say(rig, "0", "0")
    assert len(venue(rig).requests("F")) == 1
    await say(rig, "4", "4", t11="c", t41="o-1")
    assert (order(rig).status, order(rig).cancel) == (Status.CANCELLED, None)


async def test_before_a_rejection_it_is_over_with_the_order(autojump_clock: MockClock, rig: Rig) -> None:
    await cancel(rig)
    await say(rig, "8", "8", t103="1")
    await trio.sleep(2)
    assert order(rig).status is Status.REJECTED and venue(rig).requests("F") == []
    assert rig.events(CancelRejected) == []


async def test_a_fill_that_crosses_it_fills_the_order_and_the_late_refusal_is_no_news(
    autojump_clock: MockClock, rig: Rig
) -> None:
    await say(rig, "0", "0")
    await cancel(rig)
    await say(rig, "1", "1", t32="0.5", t31="50000", t14="0.5")
    await refuse(rig, status="2")
    assert (order(rig).status, order(rig).cancel) == (Status.FILLED, None)
    assert rig.events(CancelRejected) == []


async def test_a_partial_fill_that_crosses_it_counts_and_the_rest_is_cancelled(
    autojump_clock: MockClock, rig: Rig
) -> None:
    await say(rig, "0", "0")
    await cancel(rig)
    await say(rig, "6", "6", t11="c", t41="o-1")
    await say(rig, "1", "1", t32="0.2", t31="50000", t14="0.2")
    assert order(rig).status is Status.PENDING_CANCEL
    await say(rig, "4", "4", t11="c", t41="o-1", t14="0.2")
    now = order(rig)
    assert (now.status, now.filled_quantity, now.cancelled_quantity) == (
        Status.CANCELLED,
        Decimal("0.2"),
        Decimal("0.3"),
    )


async def test_a_replace_that_crosses_it_makes_it_ask_again_under_the_new_id(
    autojump_clock: MockClock, rig: Rig
) -> None:
    await say(rig, "0", "0")
    given = Replacement(client_order_id="o-1", new_client_order_id="o-2", base_quantity=Decimal("0.7"))
    await rig.portfolio.replace(given, "desk")
    await trio.sleep(0.01)
    await cancel(rig)
    await say(rig, "5", "5", t11="o-2", t41="o-1", t38="0.7")
    await refuse(rig, reason="1")
    assert [m.get(41) for m in venue(rig).requests("F")] == ["o-1", "o-2"]
    assert rig.events(CancelRejected) == []


async def test_twice_is_once(autojump_clock: MockClock, rig: Rig) -> None:
    await say(rig, "0", "0")
    first, second = await cancel(rig), await cancel(rig)
    assert isinstance(first, Cancelling) and isinstance(second, Cancelling)
    assert second.order.cancel is not None and second.order.cancel.state is CancelState.SENT
    assert len(venue(rig).requests("F")) == 1


async def test_after_a_refusal_it_can_be_asked_for_again(autojump_clock: MockClock, rig: Rig) -> None:
    await say(rig, "0", "0")
    await cancel(rig)
    await refuse(rig)
    assert order(rig).cancel is not None and order(rig).cancel.state is CancelState.REJECTED
    await cancel(rig)
    assert len(venue(rig).requests("F")) == 2


@pytest.mark.parametrize(("kind", "status"), [("4", "4"), ("8", "8"), ("C", "C")])
async def test_a_final_order_cannot_be_cancelled(autojump_clock: MockClock, rig: Rig, kind: str, status: str) -> None:
    await say(rig, kind, status)
    told = await cancel(rig)
    assert isinstance(told, Refused) and told.reason is Reason.NOT_CANCELLABLE and told.order is not None


async def test_on_a_session_that_just_died_it_leaves_on_another(autojump_clock: MockClock, rig: Rig) -> None:
    await say(rig, "0", "0")
    dead = venue(rig)
    other = next(c for c in rig.venue.connections if c is not dead)
    await dead.cut()
    assert isinstance(await rig.portfolio.cancel(client_order_id="o-1", client="desk"), Cancelling)
    await trio.sleep(0.1)
    assert len(other.requests("F")) == 1 and dead.requests("F") == []


@pytest.mark.parametrize(("letter", "words"), [("0", "too_late"), ("1", "unknown_order"), ("2", "broker_option")])
async def test_the_reason_of_a_refusal_is_told_in_words(
    autojump_clock: MockClock, rig: Rig, letter: str, words: str
) -> None:
    await say(rig, "0", "0")
    await cancel(rig)
    await refuse(rig, reason=letter)
    (told,) = rig.events(CancelRejected)
    assert words in told.body.reason and order(rig).status is Status.OPEN
