"""Orders that other programs placed (order-rules.md 28): told, cancelled by the venue's id, taken in."""

from collections.abc import AsyncIterator

import pytest
import trio
from trio.testing import MockClock

from primefixd.orders.model import OrderType, Status
from primefixd.orders.records import FillGap, OrderFilled, OrderUnknown
from primefixd.runtime.answers import Cancelling, Noted, Reason, Refused
from tests.support.lives import heard, life, opened, order, soon, up
from tests.support.scripted import ACCOUNT, Rig, limit, settings

OTHER = "0b7f3a52-0000-4000-8000-000000000002"


@pytest.fixture
async def rig(autojump_clock: MockClock) -> AsyncIterator[Rig]:
    async with life(of=settings("a", "b", "d", drop_copy="d")) as rig:
        await up()
        yield rig


def foreign(
    key: str = "theirs", kind: str = "0", status: str = "0", more: str = "|14=0", account: str = ACCOUNT
) -> str:
    text = f"35=8|1={account}|11={key}|37=F-{key}|20=0|150={kind}|39={status}|54=2|55=ETH-USD|38=3|40=2|44=2000|59=1"
    return text + (more if "|17=" in more else f"{more}|17=FE-{kind}{status}")


def trade(key: str, exec_id: str, quantity: str, total: str, status: str = "1") -> str:
    return foreign(key, status, status, f"|17={exec_id}|32={quantity}|31=2000|14={total}|6=2000")


async def test_rule_28_an_order_of_other_origin_is_told_once_and_is_not_ours(
    autojump_clock: MockClock, rig: Rig
) -> None:
    for name in ("a", "b", "d"):
        await rig.venue.of(name).say(foreign())
    await soon()
    (told,) = rig.events(OrderUnknown)
    assert told.body.report.order_id == "F-theirs"
    assert rig.portfolio.find(order_id="F-theirs") is None and rig.portfolio.view().open_orders == 0


async def test_rule_28_it_can_be_cancelled_by_its_order_id(autojump_clock: MockClock, rig: Rig) -> None:
    await rig.venue.of("d").say(foreign())
    await soon()
    told = await rig.portfolio.cancel(order_id="F-theirs", client="desk")
    assert isinstance(told, Cancelling)
    await soon()
    (request,) = heard(rig, "F")
    assert {tag: request.get(tag) for tag in (37, 41, 55, 54, 38)} == {
        37: "F-theirs", 41: "theirs", 55: "ETH-USD", 54: "2", 38: "3",
    }  # fmt: skip
    await rig.venue.of("a").say(foreign(kind="4", status="4"))
    await soon()
    assert order(rig, "theirs").status is Status.CANCELLED


async def test_rule_28_one_that_nobody_has_heard_of_is_unknown(autojump_clock: MockClock, rig: Rig) -> None:
    for told in (
        await rig.portfolio.cancel(order_id="F-nobody", client="desk"),
        await rig.portfolio.adopt("F-nobody"),
    ):
        assert isinstance(told, Refused) and told.reason is Reason.UNKNOWN_ORDER
    assert heard(rig, "F") == []


async def test_rule_28_an_adopted_order_is_one_of_ours_and_stays_so_over_a_restart(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        await rig.venue.of("a").say(foreign())
        await soon()
        told = await rig.portfolio.adopt("F-theirs")
        assert isinstance(told, Noted)
        found = told.order
        assert (found.client, found.client_order_id, found.terms.type, found.status) == (
            "",
            "theirs",
            OrderType.LIMIT,
            Status.OPEN,
        )
        again = await rig.portfolio.adopt("F-theirs")
        assert isinstance(again, Noted) and again.order == found
        assert len([e for e in rig.store.log if e.type == "order.updated"]) == 1
        await rig.venue.of("b").say(trade("theirs", "T1", "1", "1"))
        await soon()
        assert f"{order(rig, 'theirs').filled_quantity:f}" == "1"
    async with life(rig.store) as rig:
        assert f"{order(rig, 'theirs').filled_quantity:f}" == "1"
        used = await rig.portfolio.submit(limit("theirs"), "desk")
        assert isinstance(used, Refused) and used.reason in (Reason.DUPLICATE, Reason.CLOSED)
        await up()
        await rig.venue.of("b").say(trade("theirs", "T1", "1", "1"), trade("theirs", "T2", "2", "3", "2"))
        await soon()
        assert order(rig, "theirs").status is Status.FILLED and len(rig.events(OrderFilled)) == 1


async def test_rule_28_what_was_filled_before_is_a_gap_and_is_asked_for(autojump_clock: MockClock, rig: Rig) -> None:
    await rig.venue.of("a").say(trade("theirs", "T1", "1", "1"))
    await soon()
    await rig.portfolio.adopt("F-theirs")
    await soon()
    assert [m.get(37) for m in heard(rig, "H")] == ["F-theirs"]
    answer = foreign(kind="I", status="1", more="|17=0|14=1|6=2000").replace("|20=0", "|20=3")
    await rig.venue.of("a").say(answer)
    await soon()
    await trio.sleep(rig.shared.reconcile.grace_s + 1)
    await rig.venue.of("a").say(answer)
    await soon()
    (told,) = rig.events(OrderFilled)
    assert (told.body.fill.source, f"{order(rig, 'theirs').filled_quantity:f}") == ("reconciled", "1")
    await rig.venue.of("a").say(trade("theirs", "T1", "1", "1"))
    await soon()
    assert f"{order(rig, 'theirs').filled_quantity:f}" == "1"
    assert len(rig.events(FillGap)) <= 1


async def test_rule_28_one_of_which_too_little_is_known_is_refused_in_words(
    autojump_clock: MockClock, rig: Rig
) -> None:
    await rig.venue.of("a").say(foreign().replace("|40=2", ""))
    await soon()
    told = await rig.portfolio.adopt("F-theirs")
    assert isinstance(told, Refused) and (told.reason, told.field) == (Reason.INVALID, "order_id")
    assert "type" in told.message


async def test_rule_28_an_order_of_another_account_is_told_and_never_taken_in(
    autojump_clock: MockClock, rig: Rig
) -> None:
    await rig.venue.of("d").say(foreign(account=OTHER))
    await soon()
    assert len(rig.events(OrderUnknown)) == 1
    for told in (
        await rig.portfolio.adopt("F-theirs"),
        await rig.portfolio.cancel(order_id="F-theirs", client="desk"),
    ):
        assert isinstance(told, Refused), told
    await trio.sleep(1)
    assert heard(rig, "F") == [] and rig.portfolio.find(order_id="F-theirs") is None


async def test_rule_02_a_report_with_our_id_and_another_size_is_none_of_our_order(
    autojump_clock: MockClock, rig: Rig
) -> None:
    await opened(rig)
    await rig.venue.of("d").say(foreign("o-1", more="|14=0|17=FE"))
    await soon()
    assert len(rig.events(OrderUnknown)) == 1 and order(rig).order_id == "V-o-1"
    told = await rig.portfolio.adopt("F-o-1")
    assert isinstance(told, Refused) and told.reason is Reason.INVALID


async def test_rule_28_an_adoption_is_on_disk_before_it_is_answered(autojump_clock: MockClock, rig: Rig) -> None:
    await rig.venue.of("a").say(foreign())
    await soon()
    rig.store.unwritable = "the disk is full"
    told = await rig.portfolio.adopt("F-theirs")
    assert isinstance(told, Refused) and told.reason is Reason.NOT_DURABLE
    rig.store.unwritable = None
    await trio.sleep(2)
    assert "theirs" in rig.store.orders["main"]
