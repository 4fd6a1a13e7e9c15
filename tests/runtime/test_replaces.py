"""Replaces over scripted links, in virtual time (order-rules.md 29, and what 9, 11, 18 and 19 say of replaces)."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from primefixd.orders.model import Order, OrderType, Replacement, ReplaceState, Status, TimeInForce
from primefixd.orders.records import ReplaceRejected
from primefixd.runtime import replaces
from primefixd.runtime.answers import Reason, Refused, Submitted
from tests.support.scripted import ACCOUNT, Connection, Rig, limit, settings


@pytest.fixture
async def rig(autojump_clock: MockClock, nursery: trio.Nursery) -> AsyncIterator[Rig]:
    """Two sessions; an open order o-1 for 0.5 on one of them."""
    rig = Rig(nursery, settings("a", "b"))
    await trio.sleep(2)
    await rig.portfolio.submit(limit(), "desk")
    await trio.sleep(0.01)
    await venue(rig).say(report("0", "0"))
    await trio.sleep(0.01)
    yield rig
    nursery.cancel_scope.cancel()


def venue(rig: Rig) -> Connection:
    """The connection on which o-1 left."""
    return next(c for c in rig.venue.connections if any(m.get(11) == "o-1" for m in c.requests("D")))


def report(kind: str, status: str, **more: str) -> str:
    fields = {"t11": "o-1", "t37": "V", "t17": f"E-{kind}{status}", "t38": "0.5"} | more
    rest = "".join(f"|{tag[1:]}={value}" for tag, value in fields.items())
    return f"35=8|1={ACCOUNT}{rest}|20=0|150={kind}|39={status}|54=1|55=BTC-USD"


def order(rig: Rig, key: str = "o-1") -> Order:
    found = rig.portfolio.find(client_order_id=key)
    assert found is not None
    return found


async def replace(rig: Rig, **changed: Any) -> Submitted | Refused:
    given = {"client_order_id": "o-1", "new_client_order_id": "o-2", "base_quantity": Decimal("0.7")} | changed
    told = await rig.portfolio.replace(Replacement(**given), "desk")
    await trio.sleep(0.01)
    return told


async def test_rule_29_a_replace_lives_and_the_order_goes_by_its_new_id(autojump_clock: MockClock, rig: Rig) -> None:
    told = await replace(rig, limit_price=Decimal("50001.5"))
    assert isinstance(told, Submitted) and told.order.replace is not None
    (sent,) = venue(rig).requests("G")
    assert {tag: sent.get(tag) for tag in (11, 41, 37, 38, 44, 54, 55, 40, 21)} == {
        11: "o-2", 41: "o-1", 37: "V", 38: "0.7", 44: "50001.5", 54: "1", 55: "BTC-USD", 40: "2", 21: "1",
    }  # fmt: skip
    await venue(rig).say(report("E", "E", t11="o-2", t41="o-1"))
    await trio.sleep(0.01)
    assert order(rig).status is Status.PENDING_REPLACE
    await venue(rig).say(report("5", "5", t11="o-2", t41="o-1", t38="0.7"))
    await trio.sleep(0.01)
    now = order(rig, "o-2")
    assert (now.status, now.terms.base_quantity, now.chain) == (Status.OPEN, Decimal("0.7"), ("o-1", "o-2"))
    assert order(rig, "o-1") is now


async def test_rule_19_a_cancel_uses_the_last_accepted_id(autojump_clock: MockClock, rig: Rig) -> None:
    await replace(rig)
    await rig.portfolio.cancel(client_order_id="o-1", client="desk")
    await trio.sleep(0.01)
    await venue(rig).say(report("5", "5", t11="o-2", t41="o-1", t38="0.7"))
    refused = venue(rig).requests("F")[0].get(11)
    await venue(rig).say(f"35=9|11={refused}|41=o-1|37=V|39=0|102=1|434=1")
    await trio.sleep(0.01)
    assert [m.get(41) for m in venue(rig).requests("F")] == ["o-1", "o-2"]
    await venue(rig).say(report("4", "4", t11="y", t41="o-2", t38="0.7"))
    await trio.sleep(0.01)
    assert order(rig, "o-2").status is Status.CANCELLED


async def test_rule_19_a_cancel_drops_a_replace_that_still_queues(autojump_clock: MockClock, rig: Rig) -> None:
    for n in range(40):
        await rig.portfolio.submit(limit(f"q-{n}"), "desk")
    given = Replacement(client_order_id="o-1", new_client_order_id="o-2", base_quantity=Decimal("0.7"))
    for name in ("a", "b"):
        rig.portfolio._parts.sessions.pause(name, rig.shared.ports.clock())
    assert isinstance(await rig.portfolio.replace(given, "desk"), Submitted)
    assert order(rig).replace is not None and order(rig).replace.state is ReplaceState.QUEUED
    await rig.portfolio.cancel(client_order_id="o-1", client="desk")
    assert order(rig).replace is None and len(rig.events(ReplaceRejected)) == 1
    await trio.sleep(10)
    assert venue(rig).requests("G") == [] and len(venue(rig).requests("F")) == 1


async def test_rule_29_a_second_replace_is_refused_while_one_is_under_way(autojump_clock: MockClock, rig: Rig) -> None:
    await replace(rig)
    told = await replace(rig, new_client_order_id="o-3")
    assert isinstance(told, Refused) and told.reason is Reason.BUSY and "o-2" in told.message


async def test_the_same_replace_again_is_the_same_replace(autojump_clock: MockClock, rig: Rig) -> None:
    await replace(rig)
    again = await replace(rig, base_quantity=Decimal("0.70"))
    assert isinstance(again, Submitted) and again.duplicate
    other = await replace(rig, base_quantity=Decimal("0.8"))
    assert isinstance(other, Refused) and other.reason is Reason.DUPLICATE
    assert len(venue(rig).requests("G")) == 1


async def test_rule_09_a_replace_rejected_by_number_leaves_the_former_terms(
    autojump_clock: MockClock, rig: Rig
) -> None:
    await replace(rig)
    (sent,) = venue(rig).requests("G")
    await venue(rig).say(f"35=j|45={sent.sequence_number}|372=G|380=3|58=not now")
    await trio.sleep(0.01)
    (told,) = rig.events(ReplaceRejected)
    assert (told.body.client_order_id, told.body.reason) == ("o-2", "not now")
    assert order(rig).replace is None and order(rig).terms.base_quantity == Decimal("0.5")


async def test_a_refused_replace_is_told_in_words_and_the_order_is_open_as_before(
    autojump_clock: MockClock, rig: Rig
) -> None:
    await replace(rig)
    await venue(rig).say(report("E", "E", t11="o-2", t41="o-1"))
    await venue(rig).say("35=9|11=o-2|41=o-1|37=V|39=0|102=0|434=2|58=too late")
    await trio.sleep(0.01)
    (told,) = rig.events(ReplaceRejected)
    assert "too late" in told.body.reason and order(rig).status is Status.OPEN
    assert order(rig).cancel is None


async def test_rule_11_a_replace_whose_link_died_is_asked_about_and_settled_by_the_answer(
    autojump_clock: MockClock, rig: Rig
) -> None:
    await replace(rig)
    dead = venue(rig)
    other = next(c for c in rig.venue.connections if c is not dead)
    await dead.cut()
    await trio.sleep(0.1)
    assert len(other.requests("H")) == 1 and order(rig).replace is not None
    await other.say(report("I", "0", t20="3", t17="0"))
    await trio.sleep(0.01)
    assert order(rig).replace is None and len(rig.events(ReplaceRejected)) == 1


async def test_a_replace_that_waits_too_long_is_never_sent(autojump_clock: MockClock, rig: Rig) -> None:
    rig.venue.unreachable = True
    for name in ("a", "b"):
        rig.portfolio._parts.sessions.pause(name, rig.shared.ports.clock())
    given = Replacement(client_order_id="o-1", new_client_order_id="o-2", base_quantity=Decimal("0.7"))
    assert isinstance(await rig.portfolio.replace(given, "desk"), Submitted)
    for connection in list(rig.venue.connections):
        await connection.cut()
    await trio.sleep(6)
    (told,) = rig.events(ReplaceRejected)
    assert told.body.reason == "expired" and order(rig).replace is None
    rig.venue.unreachable = False
    await trio.sleep(60)
    assert all(not c.requests("G") for c in rig.venue.connections)


@pytest.mark.parametrize(
    ("changed", "reason", "field"),
    [
        ({"client_order_id": "nobody"}, Reason.UNKNOWN_ORDER, None),
        ({"base_quantity": Decimal("0.5")}, Reason.INVALID, "client_order_id"),
        ({"base_quantity": Decimal("0.2")}, Reason.INVALID, "base_quantity"),
        ({"quote_value": Decimal("5")}, Reason.INVALID, "base_quantity"),
        ({"stop_price": Decimal("5")}, Reason.INVALID, "stop_price"),
        ({"limit_price": Decimal("0")}, Reason.INVALID, "limit_price"),
        ({"new_client_order_id": "o-1"}, Reason.DUPLICATE, None),
    ],
)
async def test_rule_29_what_cannot_be_is_refused_here(
    autojump_clock: MockClock, rig: Rig, changed: dict[str, Any], reason: Reason, field: str | None
) -> None:
    await venue(rig).say(report("1", "1", t32="0.3", t31="50000", t14="0.3"))
    await trio.sleep(0.01)
    told = await replace(rig, **changed)
    assert isinstance(told, Refused) and (told.reason, told.field) == (reason, field)
    await trio.sleep(2)
    assert venue(rig).requests("G") == []


async def test_final_unacknowledged_and_market_orders_cannot_be_replaced(autojump_clock: MockClock, rig: Rig) -> None:
    await rig.portfolio.submit(limit("fresh"), "desk")
    told = await replace(rig, client_order_id="fresh")
    assert isinstance(told, Refused) and told.reason is Reason.BUSY and told.retry_after_ms
    terms = evolve(
        limit().terms, type=OrderType.MARKET, limit_price=None, time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL
    )
    await rig.portfolio.submit(evolve(limit("market"), terms=terms), "desk")
    await trio.sleep(0.01)
    await venue(rig).say(report("0", "0", t11="market", t37="M", t17="m"))
    await trio.sleep(0.01)
    told = await replace(rig, client_order_id="market")
    assert isinstance(told, Refused) and told.field == "client_order_id"
    await venue(rig).say(report("4", "4"))
    await trio.sleep(0.01)
    told = await replace(rig)
    assert isinstance(told, Refused) and told.reason is Reason.NOT_CANCELLABLE


async def test_rule_29_the_twenty_sixth_edit_is_refused(autojump_clock: MockClock, rig: Rig) -> None:
    for n in range(25):
        old, new = order(rig).client_order_id, f"r-{n}"
        told = await replace(rig, new_client_order_id=new, base_quantity=Decimal(n + 1))
        assert isinstance(told, Submitted), told
        await venue(rig).say(report("5", "5", t11=new, t41=old, t38=str(n + 1), t17=f"E{n}"))
        await trio.sleep(0.5)
    told = await replace(rig, new_client_order_id="r-25", base_quantity=Decimal(99))
    assert isinstance(told, Refused) and "25 times" in told.message
    assert len(venue(rig).requests("G")) == 25 and len(order(rig).chain) == 26


async def test_replaces_without_end_are_refused_since_each_keeps_its_id(
    autojump_clock: MockClock, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaces, "ASKED_MAX", 3)
    for n in range(3):
        assert isinstance(await replace(rig, new_client_order_id=f"r-{n}"), Submitted)
        await venue(rig).say(f"35=9|11=r-{n}|41=o-1|37=V|39=0|102=0|434=2")
        await trio.sleep(0.01)
    told = await replace(rig, new_client_order_id="r-3")
    assert isinstance(told, Refused) and told.field == "client_order_id" and "refused ones included" in told.message


async def test_a_submission_that_is_repeated_after_a_replace_is_still_the_same(
    autojump_clock: MockClock, rig: Rig
) -> None:
    await replace(rig)
    await venue(rig).say(report("5", "5", t11="o-2", t41="o-1", t38="0.7"))
    await trio.sleep(0.01)
    assert order(rig).terms.base_quantity == Decimal("0.7")
    told = await rig.portfolio.submit(limit(), "desk")
    assert isinstance(told, Submitted) and told.duplicate
    other = await rig.portfolio.submit(evolve(limit(), terms=order(rig).terms), "desk")
    assert isinstance(other, Refused) and other.reason is Reason.DUPLICATE
