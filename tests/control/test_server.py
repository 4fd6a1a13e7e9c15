"""The control plane with real portfolios behind it and the real client, or bare frames, before it."""

import json
import os
from datetime import timedelta

import pytest
import trio

from primefixd import client, websocket
from primefixd.client import Refused
from primefixd.control import methods, parameters
from primefixd.control.admission import admitted
from primefixd.control.server import OUTGOING_MAX
from primefixd.control.settings import ClientSettings, Right
from primefixd.orders.model import CLIENT_ORDER_ID_MAX_CHARS
from primefixd.orders.records import OrderUpdated
from primefixd.runtime.feed import EVENTS_WAITING_MAX
from primefixd.runtime.journal import EVENTS_READ_MAX
from primefixd.runtime.portfolio import Portfolio
from primefixd.runtime.views import ServerStopping
from primefixd.secret import Secret
from primefixd.websocket import Closed, Head, Peer
from tests.control.conftest import CLIENTS
from tests.support.scripted import virtual_clock

ORDER = {
    "product_id": "BTC-USD",
    "side": "BUY",
    "type": "LIMIT",
    "base_quantity": "0.5",
    "limit_price": "50000",
    "time_in_force": "GOOD_UNTIL_CANCELLED",
}
ACCEPTED = (
    "35=8|1=314dbd76-4459-41cd-ba9a-dccdd86b44e2|11={0}|37=v-{0}|17=e-{0}|20=0|150=0|39=0|55=BTC-USD|54=1|38=0.5|"
)


async def settle():
    """Until all that was asked for has come about, on real sockets too."""
    for _ in range(5):
        await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(0.01)


async def refusal(awaitable):
    with pytest.raises(Refused) as refused:
        await awaitable
    return refused.value


class Bare:
    """JSON-RPC by hand."""

    def __init__(self, connection):
        self._connection = connection

    async def ask(self, *requests):
        await self.say(*requests)
        return await self.hear()

    async def say(self, *requests):
        for request in requests:
            await self._connection.send(request if isinstance(request, str) else json.dumps(request))

    async def hear(self):
        with trio.fail_after(3):
            return json.loads(await self._connection.receive())


def request(method, number=1, **params):
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


# Orders


async def test_an_order_goes_out_and_its_life_is_told_to_traders_and_readers(plane, autojump_clock):
    async with plane.connect("trader") as trader, plane.connect("reader") as reader:
        async with trader.subscribe() as traded, reader.subscribe() as read:
            taken = await trader.submit(**ORDER, client_order_id="o-1")
            begin = traded.cursor
            assert (taken["status"], taken["cursor"], taken["duplicate"]) == ("QUEUED", begin + 1, False)
            await settle()
            assert plane.arrived() == ["o-1"]
            await plane.venue.of("m-1").say(ACCEPTED.format("o-1"))
            for events in (traded, read):
                told = [await anext(events) for _ in range(3)]
                assert [(each["type"], each["order"]["status"]) for each in told] == [
                    ("order.updated", "QUEUED"),
                    ("order.updated", "SENT"),
                    ("order.updated", "OPEN"),
                ]
                assert [each["cursor"] for each in told] == [begin + 1, begin + 2, begin + 3]
            assert (await reader.order("o-1"))["order_id"] == "v-o-1"
            assert (await reader.orders())["orders"] == [await reader.order(order_id="v-o-1")]
            assert (await trader.cancel("o-1"))["status"] == "OPEN"
            await settle()
            assert len(plane.venue.of("m-1").requests("F")) == 1


async def test_cancel_all_counts_what_it_asked_for_and_spares_other_portfolios(plane, autojump_clock):
    async with plane.connect("everything") as everything, plane.connect("trader") as trader:
        for portfolio, key in (("main", "a"), ("main", "b"), ("second", "a")):
            await everything.submit(**ORDER, client_order_id=key, portfolio=portfolio)
        await settle()
        assert await trader.cancel_all(side="SELL") == 0
        assert await trader.cancel_all() == 2
        assert await everything.cancel_all(portfolio="second") == 1
        assert await everything.cancel_all() == 3


async def test_a_refusal_of_the_portfolio_has_its_code_and_says_that_nothing_was_sent(plane, autojump_clock):
    async with plane.connect("trader") as trader:
        both = await refusal(trader.submit(**ORDER, quote_value="1"))
        assert both.code == -32602 and both.data["field"].startswith("params.") and both.data["sent"] == "no"
        unknown = await refusal(trader.cancel("nobody"))
        assert (unknown.code, unknown.reason, unknown.data["sent"]) == (-32011, "unknown_order", "no")
        assert (await refusal(trader.order("nobody"))).code == -32011
        await trader.submit(**ORDER, client_order_id="o-1")
        other = await refusal(trader.submit(**{**ORDER, "limit_price": "1"}, client_order_id="o-1"))
        assert (other.code, other.data["order"]["client_order_id"]) == (-32010, "o-1")
        assert (await trader.submit(**ORDER, client_order_id="o-1"))["duplicate"]
        await plane.venue.of("m-1").cut()
        plane.venue.unreachable = True
        await settle()
        lost = await refusal(trader.submit(**ORDER, client_order_id="o-2"))
        assert (lost.code, lost.reason, lost.data["sent"]) == (-32021, "no_session", "no")


@pytest.mark.parametrize(
    ("change", "field"),
    [({"limt_price": "1"}, "params.limt_price"), ({"limit_price": 1.5}, "params.limit_price"),
     ({"base_quantity": "-1"}, "params.base_quantity"), ({"side": "buy"}, "params.side"),
     ({"base_quantity": None}, "params.base_quantity"), ({"type": 1}, "params.type"),
     ({"base_quantity": "0"}, "params.base_quantity"), ({"quote_value": "5"}, "params.base_quantity"),
     ({"session": "none"}, "params.session")],
)  # fmt: skip
async def test_bad_terms_name_their_field_and_nothing_reaches_the_venue(plane, autojump_clock, change, field):
    async with plane.socket("trader") as connection:
        reply = await Bare(connection).ask(request("order.submit", 7, **{**ORDER, **change}))
        assert (reply["id"], reply["error"]["code"], reply["error"]["data"]["field"]) == (7, -32602, field)
        assert reply["error"]["data"]["sent"] == "no"
        assert reply["error"]["message"] == f"{field} {reply['error']['data']['what']}"
        await settle()
        assert plane.arrived() == []


async def test_a_request_without_id_is_refused_unexecuted(plane, autojump_clock):
    async with plane.socket("trader") as connection:
        order = request("order.submit", **ORDER)
        del order["id"]
        reply = await Bare(connection).ask(order)
        assert (reply["id"], reply["error"]["code"]) == (None, -32600)
        await settle()
        assert plane.arrived() == []


async def test_requests_of_a_connection_are_executed_in_order_batches_included(plane, autojump_clock):
    async with plane.socket("trader") as connection:
        bare = Bare(connection)
        submits = [request("order.submit", key, **ORDER, client_order_id=key) for key in "abcdef"]
        cancel = request("order.cancel", "x", client_order_id="f")
        await bare.say(submits[0], json.dumps(submits[1:4]), submits[4], json.dumps([submits[5], cancel, {"id": 1}]))
        replies = [await bare.hear() for _ in range(4)]
        assert [reply["id"] for reply in replies[1]] == ["b", "c", "d"]
        assert [reply["id"] for reply in replies[3]] == ["f", "x", 1]
        assert replies[3][1]["result"]["client_order_id"] == "f"
        await settle()
        assert plane.arrived()[:5] == ["a", "b", "c", "d", "e"]


async def test_a_batch_of_101_is_refused_whole(plane, autojump_clock):
    async with plane.socket("trader") as connection:
        orders = [request("order.submit", n, **ORDER, client_order_id=str(n)) for n in range(101)]
        reply = await Bare(connection).ask(json.dumps(orders))
        assert reply["error"]["code"] == -32600
        assert len(await Bare(connection).ask(json.dumps(orders[:100]))) == 100
        assert await Bare(connection).ask("[]") != []


async def test_a_bug_in_one_request_is_answered_and_costs_nobody_else_anything(plane, autojump_clock, monkeypatch):
    async def fails(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(Portfolio, "submit", fails)
    async with plane.connect("trader") as trader, plane.connect("trader") as beside:
        failed = await refusal(trader.submit(**ORDER))
        assert (failed.code, failed.data["sent"]) == (-32603, "unknown")
        assert (await trader.info())["version"] == "0.1.0"
        assert await beside.sessions()


async def test_a_long_batch_lets_others_run_between_its_requests(plane, autojump_clock):
    turns = 0

    async def count():
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with plane.socket("trader") as connection, trio.open_nursery() as nursery:
        batch = json.dumps([request("order.get", n, client_order_id="x") for n in range(100)])
        nursery.start_soon(count)
        await Bare(connection).ask(batch)
        nursery.cancel_scope.cancel()
    assert turns >= 100


# Rights


def test_every_method_that_is_parsed_is_served_and_the_other_way_round():
    assert methods.METHODS.keys() == parameters.METHODS.keys()


ADMIN = {"order.resolve", "order.adopt", "portfolio.halt", "portfolio.resume", "session.restart"}


@pytest.mark.parametrize(
    ("name", "may"),
    [("reader", {"order.get", "order.list", "events.subscribe", "events.unsubscribe", "portfolio.list",
                 "session.list", "server.info"}),
     ("trader", set(parameters.METHODS) - ADMIN - {"reference.set"}), ("admin", ADMIN), ("prices", {"reference.set"})],
)  # fmt: skip
async def test_rights_by_method(plane, autojump_clock, name, may):
    params = {"order.submit": ORDER, "order.cancel": {"client_order_id": "x"}, "order.get": {"client_order_id": "x"}}
    params["order.resolve"] = {
        "client_order_id": "x",
        "status": "CANCELLED",
        "filled_quantity": "0",
        "reason": "asked the venue",
    }
    params["order.adopt"] = {"order_id": "x"}
    params |= {"portfolio.halt": {"portfolio": "*"}, "portfolio.resume": {"portfolio": "*"}}
    params["session.restart"] = {"session": "m-1"}
    params["connection.cancel_on_disconnect"] = {"enabled": False}
    params["reference.set"] = {"product_id": "BTC-USD", "price": "1", "time": "2026-03-02T15:00:00Z"}
    params["order.replace"] = {"client_order_id": "x", "limit_price": "1"}
    params["quote.request"] = {"product_id": "BTC-USD", "side": "BUY", "base_quantity": "1", "limit_price": "1"}
    async with plane.connect(name) as who:
        for method in parameters.METHODS:
            try:
                await who.call(method, **params.get(method, {}))
                code = None
            except Refused as refused:
                code = refused.code
                assert code != -32001 or refused.reason == "forbidden"
                assert not method.startswith("order.") or refused.data["sent"] == "no"
            assert (code != -32001) == (method in may), method


async def test_what_belongs_to_another_portfolio_cannot_be_told_from_what_does_not_exist(plane, autojump_clock):
    async with plane.connect("other") as other, plane.connect("trader") as trader:
        await trader.submit(**ORDER, client_order_id="secret")
        for portfolio in ("main", "no-such"):
            said = [
                await refusal(other.order("secret", portfolio=portfolio)),
                await refusal(other.cancel("secret", portfolio=portfolio)),
                await refusal(other.cancel_all(portfolio=portfolio)),
                await refusal(other.orders(portfolio=portfolio)),
                await refusal(other.submit(**ORDER, portfolio=portfolio)),
                await refusal(other.call("events.subscribe", portfolios=[portfolio])),
            ]
            assert {(each.code, each.message.replace(portfolio, "?")) for each in said} == {
                (-32001, "other has no portfolio ?; portfolio.list has them")
            }
        assert (await refusal(other.order("secret"))).code == -32011
        assert (await other.orders())["orders"] == []
        assert [each["name"] for each in await other.portfolios()] == ["second"]
        assert [each["name"] for each in await other.sessions()] == ["s-1"]


async def test_events_of_another_portfolio_are_not_heard(plane, autojump_clock):
    async with plane.connect("other") as other, plane.connect("everything") as everything:
        async with other.subscribe(snapshot=True) as events:
            for portfolio in ("main", "second"):
                await everything.submit(**ORDER, client_order_id=f"in-{portfolio}", portfolio=portfolio)
            first = await anext(events)
            assert (first["portfolio"], first["order"]["client_order_id"]) == ("second", "in-second")
        async with everything.subscribe(portfolios=["main"], snapshot=True) as events:
            assert [order["client_order_id"] for order in events.orders] == ["in-main"]


async def test_a_client_with_several_portfolios_must_name_one_for_an_order(plane, autojump_clock):
    async with plane.connect("everything") as everything:
        for asked in (everything.submit(**ORDER), everything.cancel("x"), everything.order("x")):
            missing = await refusal(asked)
            assert (missing.code, missing.data["field"], missing.data["sent"]) == (-32602, "params.portfolio", "no")
        assert [each["name"] for each in await everything.portfolios()] == ["main", "second"]
        assert [each["name"] for each in await everything.sessions()] == ["m-1", "s-1"]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 6, 7])
async def test_orders_of_several_portfolios_are_listed_page_by_page(plane, autojump_clock, size):
    async with plane.connect("everything") as everything:
        keys = [(portfolio, f"{portfolio}/{n}") for portfolio in ("main", "second") for n in range(3)]
        for portfolio, key in keys:
            await everything.submit(**ORDER, client_order_id=key, portfolio=portfolio)
        seen, after = [], None
        while True:
            page = await everything.orders(limit=size, after=after)
            assert 0 < len(page["orders"]) <= size
            seen += [(order["portfolio"], order["client_order_id"]) for order in page["orders"]]
            after = page["next"]
            if after is None:
                break
        assert seen == keys
        for asked in (everything.orders(after="nowhere/1"), everything.orders(after="main/unheard-of")):
            wrong = await refusal(asked)
            assert (wrong.code, wrong.data["field"]) == (-32602, "params.after")
        alone = await refusal(everything.orders(portfolio="main", after="unheard-of"))
        assert (alone.code, alone.data["field"]) == (-32602, "params.after")


async def test_ids_of_any_length_can_be_paged_by(plane, autojump_clock):
    async with plane.connect("everything") as everything:
        longest = "x" * CLIENT_ORDER_ID_MAX_CHARS
        for portfolio in ("main", "second"):
            await everything.submit(**ORDER, client_order_id=longest, portfolio=portfolio)
        first = await everything.orders(limit=1)
        rest = await everything.orders(after=first["next"])
        assert [order["portfolio"] for order in rest["orders"]] == ["second"] and rest["next"] is None


# Who may connect


async def test_no_token_or_a_wrong_one_is_401(plane, autojump_clock):
    for token in (None, "wrong", "trader", ""):
        with pytest.raises(Refused) as refused:
            async with client.connect(plane.urls[0], token):
                pass
        assert refused.value.code == 401


async def test_a_unix_socket_lets_a_user_in_by_id_unless_a_token_says_otherwise(desk_and_rig, serving, tmp_path):
    def known(name, uid):
        return ClientSettings(name=name, token=Secret(name), uid=uid, portfolios=None, may=frozenset({Right.READ}))

    for uid, lets_in in ((os.getuid(), True), (os.getuid() + 1, False)):
        listen = ("127.0.0.1:0", f"unix:{tmp_path}/{uid}")
        async with serving(desk_and_rig[0], listen=listen, clients=(known("a", uid),)) as (tcp, unix):
            for url, token, let in (
                (unix, None, lets_in),
                (unix, "wrong", False),
                (unix, "a", True),
                (tcp, None, False),
            ):
                if let:
                    async with client.connect(url, token) as user:
                        assert (await user.info())["venue"] == "127.0.0.1:1"
                else:
                    assert (await refusal(client.connect(url, token).__aenter__())).code == 401


@pytest.mark.parametrize(
    ("authorization", "name"),
    [("Bearer reader-token", "reader"), ("bearer  reader-token", "reader"), ("Basic reader-token", None),
     ("reader-token", None), ("Bearer reader-token trader-token", None), ("Bearer", None)],
)  # fmt: skip
def test_the_token_comes_as_a_bearer(authorization, name):
    verdict = admitted(CLIENTS, Head("GET", "/", (("authorization", authorization),), Peer(unix=False)))
    assert verdict.status == 401 if name is None else verdict.name == name


async def test_only_configured_origins_and_the_subprotocol_are_agreed_to(desk_and_rig, serving):
    options = {"listen": ("127.0.0.1:0",), "clients": CLIENTS, "origins": ("https://desk.example",)}
    async with serving(desk_and_rig[0], **options) as (url,):
        for origin, status in (("https://desk.example", b"101"), ("https://desk.example.org", b"403")):
            lines = ["GET / HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade"]
            lines += ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"]
            lines += ["Authorization: Bearer reader-token", f"Origin: {origin}"]
            async with await trio.open_tcp_stream("127.0.0.1", int(url.rpartition(":")[2])) as stream:
                await stream.send_all("\r\n".join([*lines, "", ""]).encode())
                assert (await stream.receive_some()).split()[1] == status
        async with websocket.connect(url, token="reader-token", subprotocol="primefixd.v1") as connection:
            assert connection._socket.subprotocol == "primefixd.v1"


# Events


async def test_a_snapshot_and_the_events_after_it_miss_nothing(plane, autojump_clock):
    async with plane.connect("trader") as trader:
        for key in ("a", "b"):
            await trader.submit(**ORDER, client_order_id=key)
        async with trader.subscribe(snapshot=True) as events:
            assert [order["client_order_id"] for order in events.orders] == ["a", "b"]
            assert (events.journal, events.cursor) == ("journal", plane.feed.newest)
            await trader.submit(**ORDER, client_order_id="c")
            assert (await anext(events))["order"]["client_order_id"] in "abc"


async def test_a_cursor_that_is_not_kept_or_is_of_another_journal_is_refused_with_the_oldest(plane, autojump_clock):
    async with plane.connect("trader") as trader:
        newest = plane.feed.newest
        assert plane.journal.oldest == 1
        await plane.journal.compact(virtual_clock().utc + timedelta(days=1), 2)
        for params in ({"from_": 1}, {"from_": newest + 1}, {"from_": newest, "journal": "another"}):
            old = await refusal(trader.call("events.subscribe", **params))
            assert (old.code, old.reason, old.data["oldest"]) == (-32040, "unknown_cursor", 2)
        async with trader.subscribe(from_=2, journal="journal") as events:
            assert (await anext(events))["previous"] == 2


async def test_what_was_missed_comes_first_and_then_live_without_gap_or_repeat(plane, autojump_clock):
    async with plane.connect("everything") as trader:
        for number in range(EVENTS_READ_MAX + 20):
            plane.publish(ServerStopping(), "second" if number % 2 else "main")
        async with trader.subscribe(from_=0) as events:
            for _ in range(20):
                plane.publish(ServerStopping())
            last = 0
            while last < plane.feed.newest:
                event = await anext(events)
                assert (event["previous"], event["cursor"]) == (last, last + 1)
                last += 1
            plane.publish(ServerStopping())
            assert (await anext(events))["cursor"] == last + 1


async def test_a_replay_tells_only_what_concerns_the_client(plane, autojump_clock):
    async with plane.connect("other") as other:
        for number in range(50):
            plane.publish(ServerStopping(), "second" if number % 2 else "main")
        async with other.subscribe(from_=0) as events:
            heard = [await anext(events) for _ in range(27)]
    assert {event["portfolio"] for event in heard} == {"second", None} - {None} | {"second"}
    assert [event["previous"] for event in heard[1:]] == [event["cursor"] for event in heard[:-1]]


async def test_one_subscription_at_a_time_and_silence_after_its_end(plane, autojump_clock):
    async with plane.socket("trader") as connection:
        bare = Bare(connection)
        first = await bare.ask(request("events.subscribe"))
        assert first["result"]["journal"] == "journal"
        assert (await bare.ask(request("events.subscribe")))["error"]["code"] == -32600
        assert (await bare.ask(request("events.unsubscribe")))["result"] == {}
        plane.publish(ServerStopping())
        await trio.sleep(20)
        assert (await bare.ask(request("server.info", 2)))["id"] == 2
        assert len(plane.feed._subscriptions) == 1  # the rig's own
        await bare.say(request("events.subscribe", 3))
        plane.publish(ServerStopping())
        assert (await bare.hear())["id"] == 3


async def test_a_subscription_ends_with_its_connection(plane, autojump_clock):
    async with plane.socket("trader") as connection:
        await Bare(connection).ask(request("events.subscribe"))
        assert len(plane.feed._subscriptions) == 2
    await settle()
    assert len(plane.feed._subscriptions) == 1


async def test_a_reply_to_a_subscription_comes_before_its_events(plane, autojump_clock):
    async with plane.socket("trader") as connection:
        bare = Bare(connection)
        await bare.say(json.dumps([request("events.subscribe", 1), request("order.submit", 2, **ORDER)]))
        replies, event = await bare.hear(), await bare.hear()
        assert [reply["id"] for reply in replies] == [1, 2]
        assert event["params"]["previous"] == replies[0]["result"]["cursor"]


async def test_every_event_names_the_one_before_it_heartbeats_included(plane, autojump_clock):
    async with plane.connect("trader") as trader, trader.subscribe() as events:
        begin = events.cursor
        first = await anext(events)
        assert (first["type"], first["cursor"], first["previous"]) == ("heartbeat", begin, begin)
        assert first["time"].startswith("2026-03-02T15:00:0")
        plane.publish(ServerStopping(), "second")
        beats = [await anext(events) for _ in range(2)]
        assert beats[-1]["cursor"] == begin + 1
        plane.publish(ServerStopping())
        last = await anext(events)
        assert (last["type"], last["cursor"], last["previous"]) == ("server.stopping", begin + 2, begin + 1)


async def test_heartbeats_come_every_five_seconds_without_others(plane, autojump_clock):
    async with plane.connect("trader") as trader, trader.subscribe() as events:
        began = trio.current_time()
        for _ in range(10):
            assert (await anext(events))["type"] == "heartbeat"
        assert trio.current_time() - began == pytest.approx(50, abs=1)


async def test_a_subscriber_that_never_reads_is_cut_while_others_hear_everything(plane, autojump_clock):
    async with plane.socket("reader") as deaf, plane.connect("trader") as good, good.subscribe() as events:
        assert (await Bare(deaf).ask(request("events.subscribe")))["result"]
        await good.submit(**ORDER, client_order_id="o-1")
        for number in range(EVENTS_WAITING_MAX + 5000):
            plane.publish(OrderUpdated(plane.desk.portfolios["main"].find(client_order_id="o-1")), "main")
            if number % 50 == 0:
                await anext(events)
                await trio.testing.wait_all_tasks_blocked()
        while events.cursor < plane.feed.newest:
            await anext(events)
        assert (await good.info())["cursor"] == plane.feed.newest
        await trio.sleep(30)
        assert len(plane.feed._subscriptions) == 1  # the good one; the rig's own is not read either
        with pytest.raises(Closed):
            while True:
                await deaf.receive()


async def test_a_subscriber_that_fell_behind_reads_what_was_kept_and_then_1013(plane, autojump_clock):
    async with plane.socket("reader") as slow:
        bare = Bare(slow)
        cursor = (await bare.ask(request("events.subscribe")))["result"]["cursor"]
        for _ in range(EVENTS_WAITING_MAX + 2000):
            plane.publish(ServerStopping())
        with pytest.raises(Closed) as closed:
            while True:
                event = json.loads(await slow.receive())["params"]
                assert (event["previous"], event["cursor"]) == (cursor, cursor + 1)
                cursor += 1
        assert closed.value.code == 1013
        assert cursor >= EVENTS_WAITING_MAX - OUTGOING_MAX  # the last few may be overtaken by the close
