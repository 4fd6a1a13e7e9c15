"""Logging on, hearing reports and being refused, as wire transcripts in virtual time."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from primefixd.sandbox.faults import Drop
from primefixd.sandbox.market import Market

MakeVenue = Callable[..., Any]

LIMIT = "35=D|1=main|11={id}|21=1|38=1|40=2|44=59000|54=1|55=BTC-USD|59=1|60=20261123-15:00:00.000|847=L"
MARKET = "35=D|1=main|11={id}|21=1|38=1|40=1|54=1|55=BTC-USD|59=3|60=20261123-15:00:00.000|847=M"


async def test_order_is_acknowledged_on_a_signed_session(autojump_clock: MockClock, venue: MakeVenue) -> None:
    client = await venue().client().logon()
    await client.say(LIMIT.format(id="a"))
    assert await client.told(35, 49, 56, 34, 150, 39, 11, count=2) == [
        "35=8|49=COIN|56=main-1|34=2|150=A|39=A|11=a",
        "35=8|49=COIN|56=main-1|34=3|150=0|39=0|11=a",
    ]


async def test_what_the_sample_clients_send_is_accepted(autojump_clock: MockClock, venue: MakeVenue) -> None:
    client = await venue().client().logon(flag=None, t95=None)
    await client.say(LIMIT.format(id="a"))
    _, report = await client.hear(), await client.hear()
    order_id = report.get(37)
    await client.say(f"35=H|11=s|37={order_id}|1=main")
    assert await client.told(39, 20, 11) == ["39=0|20=1|11=a"]
    await client.say(f"35=F|1=main|11=c|37={order_id}|38=1|41=a|54=1|55=BTC-USD")
    assert await client.told(150, 39, 11, 41, count=2) == ["150=6|39=6|11=c|41=a", "150=4|39=4|11=c|41=a"]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"t96": "A" * 43 + "="}, "logon_signature"),
        ({"t554": "wrong"}, "logon_passphrase"),
        ({"t9407": "wrong"}, "logon_access_key"),
        ({"t9407": None}, "logon_access_key"),
        ({"t9406": "X"}, "logon_logon_field"),
        ({"t108": "301"}, "logon_logon_field"),
        ({"t1": "side"}, "logon_account"),
        ({"t141": None}, None),
        ({"t34": "2"}, None),
    ],
)
async def test_logon_that_is_refused(
    autojump_clock: MockClock, venue: MakeVenue, changes: dict[str, str], word: str | None
) -> None:
    made = venue()
    client = made.client()
    await client.send_logon(**changes)
    refusal = await client.hear()
    assert refusal.type == "5" and refusal.get(58)
    assert await client.closed()
    assert not made.gateway.connected("main-1")
    if word is not None:
        assert made.gateway.tallies["main-1"].rejected == {word: 1}
    await made.client().logon()


async def test_unknown_sender_is_refused(autojump_clock: MockClock, venue: MakeVenue) -> None:
    client = venue().client()
    client.account = evolve(client.account, service_account_id="who")
    await client.send_logon()
    assert (await client.hear()).type == "5"
    assert await client.closed()


@pytest.mark.parametrize("off", [-5.5, 5.5])
async def test_sending_time_off_by_more_than_five_seconds_is_rejected(
    autojump_clock: MockClock, venue: MakeVenue, off: float
) -> None:
    client = await venue().client().logon()
    await client.say(LIMIT.format(id="a"), t52=client.time(off))
    assert await client.told(35, 45, 373) == ["35=3|45=2|373=10"]


async def test_sending_time_within_five_seconds_is_taken(autojump_clock: MockClock, venue: MakeVenue) -> None:
    client = await venue().client().logon()
    await client.say(LIMIT.format(id="a"), t52=client.time(-4.5))
    assert await client.told(35, 39) == ["35=8|39=A"]


async def test_logon_with_a_sending_time_far_off_is_not_let_in(autojump_clock: MockClock, venue: MakeVenue) -> None:
    made = venue(clock_offset_s=0.0)
    client = made.client()
    await client.send_logon(t52=client.time(-6))
    assert (await client.hear()).type in ("3", "5")
    assert not made.gateway.connected("main-1")


async def test_second_session_on_a_key_is_logged_out_and_the_first_goes_on(
    autojump_clock: MockClock, venue: MakeVenue
) -> None:
    made = venue()
    first = await made.client().logon()
    second = made.client()
    await second.send_logon()
    assert await second.told(35, 58) == ["35=5|58=this API key has a session already"]
    await first.say(LIMIT.format(id="a"))
    assert await first.told(39) == ["39=A"]


async def test_key_is_free_again_as_soon_as_its_session_is_over(autojump_clock: MockClock, venue: MakeVenue) -> None:
    made = venue()
    client = await made.client().logon()
    await client.say("35=5")
    assert (await client.hear()).type == "5"
    await made.client().logon()


async def test_eighth_session_of_a_portfolio_is_refused_and_another_portfolio_is_not(
    autojump_clock: MockClock, venue: MakeVenue
) -> None:
    made = venue()
    clients = [await made.client(f"main-{number}").logon() for number in range(1, 8)]
    eighth = made.client("main-8")
    await eighth.send_logon()
    assert await eighth.told(35, 58) == ["35=5|58=the portfolio has 7 sessions already"]
    await made.client("side-1").logon()
    await clients[0].stream.aclose()
    await trio.sleep(1)
    await made.client("main-8").logon()


async def test_drop_copy_hears_every_order_and_order_sessions_only_their_own(
    autojump_clock: MockClock, venue: MakeVenue
) -> None:
    made = venue()
    trader, other = await made.client("main-1").logon("N"), await made.client("main-2").logon("N")
    copy, default = await made.client("main-3").logon("Y"), await made.client("main-4").logon(None)
    stranger = await made.client("side-1").logon("Y")
    await trader.say(LIMIT.format(id="a"))
    for client in (trader, copy, default):
        assert await client.told(11, 39, count=2) == ["11=a|39=A", "11=a|39=0"]
    assert await other.silent() and await stranger.silent()


async def test_reports_wait_while_a_portfolio_has_no_session(autojump_clock: MockClock, venue: MakeVenue) -> None:
    made = venue()
    client = await made.client("main-1").logon()
    await client.say(LIMIT.format(id="a"))
    await client.told(39, count=2)
    await client.stream.aclose()
    await trio.sleep(1)
    made.gateway.publish(made.gateway.exchange.set_price("BTC-USD", 58000, made.clock()))
    client = await made.client("main-2").logon()
    report = await client.hear()
    assert (report.get(11), report.get(150), report.get(34)) == ("a", "1", "2")


async def test_reports_of_a_dead_order_session_wait_for_it_while_others_are_up(
    autojump_clock: MockClock, venue: MakeVenue
) -> None:
    made = venue()
    client, copy = await made.client("main-1").logon(), await made.client("main-2").logon("Y")
    await client.say(LIMIT.format(id="a"))
    await copy.told(39, count=2)
    await client.stream.aclose()
    await trio.sleep(1)
    order = made.gateway.exchange.book.named("a")
    made.gateway.publish(made.gateway.exchange.fill(order, None, None, made.clock()))
    fill = await copy.told(17, 39)
    again = await made.client("main-1").logon()
    heard = [await again.told(17, 39) for _ in range(again.number)]
    assert fill in heard and await again.silent()
    assert await (await made.client("main-3").logon()).silent()


async def test_messages_over_the_rate_of_a_session_are_rejected_by_kind(
    autojump_clock: MockClock, venue: MakeVenue
) -> None:
    made = venue()
    client = await made.client().logon()
    await client.say(LIMIT.format(id="a"))
    order_id = (await client.hear()).get(37)
    await client.hear()
    await trio.sleep_until(int(trio.current_time()) + 2.1)
    burst = [client.wire("35=H|1=main|11=a|37=who") for _ in range(50)]
    burst += [client.wire(LIMIT.format(id="b")), client.wire(f"35=F|1=main|11=c|41=a|37={order_id}")]
    burst += [client.wire(f"35=H|1=main|11=a|37={order_id}"), client.wire("35=1|112=x"), client.wire("35=Z|58=x")]
    await client.stream.send_all(b"".join(burst))
    heard = [await client.hear() for _ in range(55)]
    reports = [message for message in heard if message.get(150) == "I"]
    assert len(reports) == 50
    rest = [message for message in heard if message not in reports]
    numbers = {message.type + (message.get(45) or message.get(11) or ""): message for message in rest}
    assert sorted(numbers) == ["8b", "9c", "j55", "j56", "j57"]
    assert (numbers["8b"].get(150), numbers["8b"].get(103)) == ("8", "3")
    assert numbers["9c"].get(102) == "99"
    assert {numbers[name].get(380) for name in ("j55", "j56", "j57")} == {"0"}
    assert all("rate" in (message.get(58) or "") for message in rest)
    tally = made.gateway.tallies["main-1"]
    assert tally.rejected == {"rate": 5} and tally.busiest.most == 55
    await trio.sleep(1)
    await client.say(LIMIT.format(id="b"))
    assert await client.told(39) == ["39=A"]


async def test_orders_over_the_rate_of_a_portfolio_are_rejected_whichever_session_they_come_on(
    autojump_clock: MockClock, venue: MakeVenue
) -> None:
    made = venue()
    one, two = await made.client("main-1").logon(), await made.client("main-2").logon()
    await trio.sleep_until(int(trio.current_time()) + 2.1)
    for number in range(26):
        await one.say(LIMIT.format(id=f"a{number}"))
        await two.say(LIMIT.format(id=f"b{number}"))
    await trio.sleep(0.5)
    orders = [*made.gateway.exchange.book]
    assert [order.status for order in orders].count("8") == 2
    assert made.gateway.tallies["main-1"].rejected["rate"] + made.gateway.tallies["main-2"].rejected["rate"] == 2


async def test_without_limits_nothing_is_over_the_rate(autojump_clock: MockClock, venue: MakeVenue) -> None:
    made = venue(limits=False)
    client = await made.client().logon()
    await client.stream.send_all(b"".join(client.wire(LIMIT.format(id=f"a{number}")) for number in range(200)))
    heard = await client.told(39, count=400)
    assert heard.count("39=0") == 200


async def test_messages_that_lack_what_an_answer_needs(autojump_clock: MockClock, venue: MakeVenue) -> None:
    client = await venue().client().logon()
    await client.say("35=D|1=main|38=1")
    assert await client.told(35, 45, 371, 373) == ["35=3|45=2|371=11|373=1"]
    await client.say("35=H|1=main|11=a")
    assert await client.told(35, 45, 372, 380) == ["35=j|45=3|372=H|380=5"]
    await client.say("35=F|1=main|11=c|41=a|38=1|54=1|55=BTC-USD")
    assert await client.told(35, 11, 39, 102, 434) == ["35=9|11=c|39=8|102=99|434=1"]
    await client.say("35=Z|131=q")
    assert await client.told(35, 45, 380) == ["35=j|45=5|380=3"]
    await client.say("35=R|1=main")
    assert await client.told(35, 45, 371, 373) == ["35=3|45=6|371=131|373=1"]
    await client.say("35=G|1=main|37=x")
    assert await client.told(35, 45, 371, 373) == ["35=3|45=7|371=11|373=1"]


async def test_window_logs_everybody_out_and_lets_nobody_in_until_it_ends(
    autojump_clock: MockClock, venue: MakeVenue
) -> None:
    made = venue()
    client = await made.client().logon()
    made.gateway.set_window(closed=True)
    assert (await client.hear()).type == "5"
    await client.say("35=5")
    assert await client.closed()
    late = made.client()
    await late.send_logon()
    assert (await late.hear()).type == "5"
    made.gateway.set_window(closed=False)
    await made.client().logon()


async def test_client_that_does_not_answer_the_logout_is_closed_all_the_same(
    autojump_clock: MockClock, venue: MakeVenue
) -> None:
    made = venue()
    client = await made.client().logon()
    made.gateway.set_window(closed=True)
    assert (await client.hear()).type == "5"
    assert await client.closed()
    await trio.sleep(0.1)
    assert not made.gateway.connected("main-1")


async def test_silent_client_is_asked_and_then_cut(autojump_clock: MockClock, venue: MakeVenue) -> None:
    client = await venue().client().logon()
    began = trio.current_time()
    with trio.fail_after(100):
        assert (await client.hear()).type == "1"
        assert await client.closed()
    assert trio.current_time() - began == pytest.approx(72, abs=1)


async def test_connection_that_never_logs_on_is_closed(autojump_clock: MockClock, venue: MakeVenue) -> None:
    client = venue().client()
    began = trio.current_time()
    assert await client.closed()
    assert trio.current_time() - began == pytest.approx(10, abs=1)


async def test_market_order_after_an_idle_time_fills_at_the_price_of_that_moment(
    autojump_clock: MockClock, venue: MakeVenue
) -> None:
    made = venue(seed=3)
    walk = Market(3, made.clock())
    client = await made.client().logon()
    await trio.sleep(30)
    await client.say(MARKET.format(id="a").replace("BTC", "ETH"))
    await client.told(39, count=2)
    walk.advance(made.clock())
    assert Decimal((await client.hear()).get(31)) == walk.price("ETH-USD") != Market(3, made.clock()).price("ETH-USD")


async def test_order_expires_in_time_on_a_venue_that_was_idle(autojump_clock: MockClock, venue: MakeVenue) -> None:
    made = venue()
    client = await made.client().logon()
    await client.say(LIMIT.format(id="a").replace("59=1", f"59=6|126={client.time(5)}"))
    await client.told(39, count=2)
    began = trio.current_time()
    assert await client.told(150, 39) == ["150=C|39=C"]
    assert trio.current_time() - began < 5.5


async def test_replace_is_carried_out_by_the_clock_and_told_like_any_report(
    autojump_clock: MockClock, venue: MakeVenue
) -> None:
    made = venue()
    client, other = await made.client("main-1").logon(), await made.client("main-2").logon()
    copy = await made.client("main-3").logon("Y")
    await client.say(LIMIT.format(id="a"))
    await client.told(39, count=2)
    [order] = made.gateway.exchange.book
    edit = f"35=G|11=b|41=a|37={order.order_id}|38=2|40=2|44=59001|54=1|55=BTC-USD|21=1|60=20261123-15:00:00"
    await other.say(edit)
    assert await client.told(150, 11, 41, count=2) == ["150=E|11=b|41=a", "150=5|11=b|41=a"]
    assert await other.told(150, 11, 41, count=2) == ["150=E|11=b|41=a", "150=5|11=b|41=a"]
    assert await copy.told(150, 11, count=4) == ["150=A|11=a", "150=0|11=a", "150=E|11=b", "150=5|11=b"]


async def test_late_refusal_of_a_replace_goes_to_who_asked_and_is_lost_when_that_is_gone(
    autojump_clock: MockClock, venue: MakeVenue
) -> None:
    made = venue()
    client, other = await made.client("main-1").logon(), await made.client("main-2").logon()
    for number, name in enumerate("ab"):
        await client.say(LIMIT.format(id=name))
        await client.told(39, count=2)
        order = made.gateway.exchange.book.named(name)
        assert order is not None
        edit = f"|41={name}|37={order.order_id}|38=2|40=2|44=59001|54=1|55=BTC-USD|21=1|60=20261123-15:00:00"
        await other.say(f"35=G|11=new{name}" + edit)
        assert await other.told(150) == ["150=E"]
        await client.say(f"35=F|11=c{number}|41={name}|37={order.order_id}")
        assert await client.told(150, count=3) == ["150=E", "150=6", "150=4"]
        if name == "a":
            assert await other.told(35, 11, 39, 434, 102) == ["35=9|11=newa|39=4|434=2|102=0"]
        else:
            made.gateway.drop(["main-2"], Drop.RESET)
        assert await client.silent()
        assert made.gateway.tallies["main-2"].rejected["replace_too_late"] == number + 1


async def test_slices_and_stops_are_driven_by_the_clock(autojump_clock: MockClock, venue: MakeVenue) -> None:
    made = venue()
    client = await made.client().logon()
    start = made.clock().later(5).utc
    times = f"168={start:%Y%m%d-%H:%M:%S}|126={made.clock().later(15).utc:%Y%m%d-%H:%M:%S}"
    await client.say(f"35=D|1=main|11=t|38=1|40=2|44=61000|54=1|55=BTC-USD|59=6|{times}|847=T")
    heard = await client.told(150, 14, count=12)
    assert heard[:2] == ["150=A|14=0", "150=0|14=0"] and heard[-1] == "150=1|14=1"
    assert made.gateway.exchange.book.busy is False
