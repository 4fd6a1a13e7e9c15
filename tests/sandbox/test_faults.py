"""Spoiled messages are lost alone, and what the control port does to a connection happens to it."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from primefixd.fix.codec import Decoder, Garbled, GarbledReason, encode
from primefixd.fix.message import Message
from primefixd.sandbox import connection as connection_module
from primefixd.sandbox.faults import Drop, Garble, spoil

MakeVenue = Callable[..., Any]

LIMIT = "35=D|1=main|11={id}|38=1|40=2|44=59000|54=1|55=BTC-USD|59=1|847=L"


@pytest.mark.parametrize("what", Garble)
def test_spoiled_message_is_lost_and_the_next_is_found(what: Garble) -> None:
    first, second = encode([(35, "8"), (34, "1"), (58, "one")]), encode([(35, "8"), (34, "2"), (58, "two")])
    items = Decoder().feed(spoil(first, what) + second)
    assert [item.get(58) for item in items if isinstance(item, Message)] == ["two"]
    assert any(isinstance(item, Garbled) for item in items)


def test_a_wrong_checksum_is_the_only_thing_wrong_with_it() -> None:
    [item] = Decoder().feed(spoil(encode([(35, "0"), (34, "1")]), Garble.CHECKSUM))
    assert isinstance(item, Garbled) and item.reason is GarbledReason.CHECK_SUM


async def test_muted_session_is_heard_and_told_nothing_until_unmuted(
    autojump_clock: MockClock, venue: MakeVenue
) -> None:
    made = venue()
    client = await made.client().logon()
    made.gateway.faults["main-1"].mute = True
    await client.say(LIMIT.format(id="a"))
    assert await client.silent(20)
    assert len(made.gateway.exchange.book) == 1
    made.gateway.faults["main-1"].mute = False
    made.gateway.changed(["main-1"])
    assert await client.told(34, 39, count=2) == ["34=2|39=A", "34=3|39=0"]


async def test_delayed_session_is_told_later_and_in_order(autojump_clock: MockClock, venue: MakeVenue) -> None:
    made = venue()
    client = await made.client().logon()
    made.gateway.faults["main-1"].delay_s, made.gateway.faults["main-1"].jitter_s = 2.0, 1.0
    began = trio.current_time()
    for number in range(5):
        await client.say(LIMIT.format(id=f"a{number}"))
    heard = await client.told(34, count=10)
    assert heard == [f"34={number}" for number in range(2, 12)]
    assert 2.0 <= trio.current_time() - began <= 3.1


async def test_skipped_numbers_lose_nothing_and_lost_messages_leave_a_gap(
    autojump_clock: MockClock, venue: MakeVenue
) -> None:
    made = venue()
    client = await made.client().logon()
    made.gateway.faults["main-1"].skip = 3
    await client.say(LIMIT.format(id="a"))
    assert await client.told(34, 39, count=2) == ["34=5|39=A", "34=6|39=0"]
    made.gateway.faults["main-1"].lose = 1
    await client.say(LIMIT.format(id="b"))
    assert await client.told(34, 39) == ["34=8|39=0"]


async def test_garbled_message_takes_its_number_with_it(autojump_clock: MockClock, venue: MakeVenue) -> None:
    made = venue()
    client = await made.client().logon()
    made.gateway.faults["main-1"].garble = Garble.CHECKSUM
    await client.say(LIMIT.format(id="a"))
    assert await client.told(34, 39) == ["34=3|39=0"]


async def test_forgotten_order_is_silent_until_it_is_asked_for(autojump_clock: MockClock, venue: MakeVenue) -> None:
    made = venue()
    client = await made.client().logon()
    made.gateway.delivery.forget("a")
    await client.say(LIMIT.format(id="a"))
    assert await client.silent()
    order = made.gateway.exchange.book.named("a")
    await client.say(f"35=H|1=main|11=a|37={order.order_id}")
    assert await client.told(39, 20) == ["39=0|20=1"]
    made.gateway.publish(made.gateway.exchange.fill(order, None, None, made.clock()))
    assert await client.told(150, 39) == ["150=1|39=2"]


@pytest.mark.parametrize("how", [Drop.RESET, Drop.CLOSE])
async def test_dropped_connection_ends_at_once(autojump_clock: MockClock, venue: MakeVenue, how: Drop) -> None:
    made = venue()
    client, other = await made.client("main-1").logon(), await made.client("main-2").logon()
    assert made.gateway.drop(["main-1"], how) == 1
    assert await client.closed()
    await other.say(LIMIT.format(id="a"))
    assert await other.told(39) == ["39=A"]
    assert made.gateway.drop(["main-1"], how) == 0


async def test_dropped_by_logout_is_told_so(autojump_clock: MockClock, venue: MakeVenue) -> None:
    made = venue()
    client = await made.client().logon()
    made.gateway.drop(["main-1"], Drop.LOGOUT)
    assert (await client.hear()).type == "5"


async def test_reports_that_a_cut_connection_had_not_written_come_at_the_next_logon(
    autojump_clock: MockClock, venue: MakeVenue
) -> None:
    made = venue()
    client = await made.client().logon()
    made.gateway.faults["main-1"].mute = True
    await client.say(LIMIT.format(id="a"))
    await trio.sleep(1)
    made.gateway.drop(["main-1"], Drop.RESET)
    await trio.sleep(1)
    made.gateway.faults["main-1"].mute = False
    client = await made.client().logon()
    assert await client.told(11, 39, count=2) == ["11=a|39=A", "11=a|39=0"]


async def test_write_that_the_client_does_not_take_cuts_its_connection_alone(
    autojump_clock: MockClock, venue: MakeVenue
) -> None:
    made = venue()
    slow, other = await made.client("main-1", lockstep=True).logon(), await made.client("main-2").logon()
    await slow.say(LIMIT.format(id="a"))
    await trio.sleep(connection_module.SEND_S - 0.1)
    assert made.gateway.connected("main-1")
    await other.say(LIMIT.format(id="b"))
    assert await other.told(39) == ["39=A"]
    await trio.sleep(0.2)
    assert not made.gateway.connected("main-1")
    again = await made.client("main-1").logon()
    assert await again.told(11, 39, count=2) == ["11=a|39=A", "11=a|39=0"]


async def test_more_than_the_outbox_holds_cuts_the_connection_and_others_go_on(
    autojump_clock: MockClock, venue: MakeVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "OUTBOX_MAX", 50)
    made = venue(limits=False)
    slow, other = await made.client("main-1").logon(), await made.client("main-2").logon()
    made.gateway.faults["main-1"].mute = True
    with pytest.raises(trio.BrokenResourceError):
        for number in range(40):
            await slow.say(LIMIT.format(id=f"a{number}"))
    await trio.sleep(1)
    assert not made.gateway.connected("main-1")
    await other.say(LIMIT.format(id="b"))
    assert await other.told(39) == ["39=A"]
    made.gateway.faults["main-1"].mute = False
    again = await made.client("main-1").logon()
    assert len(made.gateway.exchange.book) < 40
    heard = await again.told(39, count=2 * (len(made.gateway.exchange.book) - 1))
    assert heard.count("39=0") == len(made.gateway.exchange.book) - 1


async def test_prices_set_by_hand_fill_what_they_cross(autojump_clock: MockClock, venue: MakeVenue) -> None:
    made = venue()
    client = await made.client().logon()
    await client.say(LIMIT.format(id="a"))
    await client.told(39, count=2)
    made.gateway.publish(made.gateway.exchange.set_price("BTC-USD", Decimal(58999), made.clock()))
    assert await client.told(150, 31) == ["150=1|31=59000"]
