"""Requests for quotes over scripted links, in virtual time (prime-fix.md section 4)."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from primefixd.orders.model import OrderType, QuoteRequest, Side, TimeInForce
from primefixd.orders.records import QuoteReceived, QuoteRejected
from primefixd.runtime.answers import QuoteAsked, Reason, Refused, Submitted
from tests.support.scripted import ACCOUNT, Rig, limit, settings

ASK = QuoteRequest(
    quote_request_id="rq", product_id="BTC-USD", side=Side.BUY, base_quantity=Decimal("0.5"), limit_price=Decimal(50000)
)


@pytest.fixture
async def rig(autojump_clock: MockClock, nursery: trio.Nursery) -> AsyncIterator[Rig]:
    rig = Rig(nursery, settings("a"))
    await trio.sleep(2)
    yield rig
    nursery.cancel_scope.cancel()


async def say(rig: Rig, text: str) -> None:
    await rig.venue.connections[-1].say(text)
    await trio.sleep(0.01)


QUOTE = f"35=S|117=q1|131=rq|1={ACCOUNT}|55=BTC-USD|133=49990.5|135=0.5|40=2|62=20260302-15:00:30.000"


async def accept(rig: Rig, **changed: Any) -> Submitted | Refused:
    given = {
        "type": OrderType.RFQ,
        "time_in_force": TimeInForce.FILL_OR_KILL,
        "quote_id": "q1",
        "limit_price": Decimal("49990.5"),
    } | changed
    told = await rig.portfolio.submit(evolve(limit("accepting"), terms=evolve(limit().terms, **given)), "desk")
    await trio.sleep(0.01)
    return told


async def test_a_quote_is_asked_for_heard_and_accepted(autojump_clock: MockClock, rig: Rig) -> None:
    told = await rig.portfolio.quote(ASK, "desk")
    assert isinstance(told, QuoteAsked) and told.quote_request_id == "rq"
    await trio.sleep(0.01)
    (sent,) = rig.venue.connections[0].requests("R")
    assert {tag: sent.get(tag) for tag in (131, 1, 54, 55, 38, 40, 44, 59)} == {
        131: "rq", 1: ACCOUNT, 54: "1", 55: "BTC-USD", 38: "0.5", 40: "2", 44: "50000", 59: "4",
    }  # fmt: skip
    await say(rig, QUOTE)
    (heard,) = rig.events(QuoteReceived)
    assert (heard.body.quote.quote_id, heard.body.quote.price, heard.body.quote.side) == (
        "q1",
        Decimal("49990.5"),
        Side.BUY,
    )
    assert isinstance(await accept(rig), Submitted)
    (order,) = rig.venue.connections[0].requests("D")
    assert [order.get(tag) for tag in (40, 59, 117, 44, 847)] == ["D", "4", "q1", "49990.5", "R"]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"quote_id": "another"}, "quote_id"),
        ({"quote_id": None}, "quote_id"),
        ({"limit_price": Decimal("49990")}, "limit_price"),
        ({"side": Side.SELL}, "side"),
        ({"product_id": "ETH-USD"}, "product_id"),
    ],
)
async def test_a_foreign_quote_or_other_terms_are_refused_here(
    autojump_clock: MockClock, rig: Rig, changed: dict[str, Any], field: str
) -> None:
    await rig.portfolio.quote(ASK, "desk")
    await say(rig, QUOTE)
    told = await accept(rig, **changed)
    assert isinstance(told, Refused) and (told.reason, told.field) == (Reason.INVALID, field)
    await trio.sleep(2)
    assert rig.venue.connections[0].requests("D") == []


async def test_an_expired_quote_is_refused_here(autojump_clock: MockClock, rig: Rig) -> None:
    await rig.portfolio.quote(ASK, "desk")
    await say(rig, QUOTE)
    await trio.sleep(28)
    told = await accept(rig)
    assert isinstance(told, Refused) and told.field == "quote_id" and "time is over" in told.message


async def test_a_refusal_of_the_venue_is_told(autojump_clock: MockClock, rig: Rig) -> None:
    await rig.portfolio.quote(ASK, "desk")
    await say(rig, f"35=b|131=rq|1={ACCOUNT}|55=BTC-USD|297=5|300=3|58=too large")
    (told,) = rig.events(QuoteRejected)
    assert told.body.refused.quote_request_id == "rq" and told.body.refused.text == "too large"


async def test_a_request_refused_by_its_number_is_told(autojump_clock: MockClock, rig: Rig) -> None:
    await rig.portfolio.quote(ASK, "desk")
    await trio.sleep(0.01)
    (sent,) = rig.venue.connections[0].requests("R")
    await say(rig, f"35=j|45={sent.sequence_number}|372=R|380=3|58=not now")
    (told,) = rig.events(QuoteRejected)
    assert (told.body.refused.quote_request_id, told.body.refused.reason) == ("rq", "not now")


async def test_the_same_id_twice_and_no_session_are_refused(autojump_clock: MockClock, rig: Rig) -> None:
    assert isinstance(await rig.portfolio.quote(ASK, "desk"), QuoteAsked)
    again = await rig.portfolio.quote(ASK, "desk")
    assert isinstance(again, Refused) and again.reason is Reason.DUPLICATE
    rig.venue.unreachable = True
    await rig.venue.connections[0].cut()
    await trio.sleep(0.1)
    refused = await rig.portfolio.quote(evolve(ASK, quote_request_id="rq2"), "desk")
    assert isinstance(refused, Refused) and refused.reason is Reason.NO_SESSION and refused.retry_at


async def test_a_request_that_waits_too_long_is_never_sent_and_told(autojump_clock: MockClock, rig: Rig) -> None:
    rig.venue.unreachable = True
    rig.portfolio._parts.sessions.pause("a", rig.shared.ports.clock())
    assert isinstance(await rig.portfolio.quote(ASK, "desk"), QuoteAsked)
    await rig.venue.connections[0].cut()
    await trio.sleep(6)
    (told,) = rig.events(QuoteRejected)
    assert told.body.refused.reason == "expired"
    rig.venue.unreachable = False
    await trio.sleep(60)
    assert all(not c.requests("R") for c in rig.venue.connections)
