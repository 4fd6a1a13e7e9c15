"""The client against servers played by hand: replies in any order, lost connections, events that do not fit."""

import json
import os
import stat
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
import trio

from primefixd import client, websocket
from primefixd.client import ConnectionLost, EventsLost, Refused, Unreachable
from primefixd.websocket import Rejection, ServerLimits


@asynccontextmanager
async def played(converse, admit=lambda head: head):
    """A client connected to a server that runs `converse(connection, head)`."""
    listeners = await websocket.listen("127.0.0.1:0")
    async with websocket.background() as nursery:
        await nursery.start(websocket.serve, listeners, admit, converse, ServerLimits())
        async with client.connect(websocket.url_of(listeners[0]), "a-token") as connected:
            yield connected


async def asked(connection):
    return json.loads(await connection.receive())


async def tell(connection, number, result):
    await connection.send(json.dumps({"jsonrpc": "2.0", "id": number, "result": result}))


async def echo(connection, _head):
    """Answers every request with its own method and params."""
    while True:
        request = await asked(connection)
        await tell(connection, request["id"], [request["method"], request["params"]])


def event(cursor, previous, **more):
    return json.dumps(
        {"jsonrpc": "2.0", "method": "event", "params": {"cursor": cursor, "previous": previous, "type": "x", **more}}
    )


async def test_ten_calls_at_once_get_each_its_own_reply_in_whatever_order(autojump_clock):
    async def backwards(connection, _head):
        requests = [await asked(connection) for _ in range(10)]
        for request in reversed(requests):
            await tell(connection, request["id"], request["params"]["n"])

    async with played(backwards) as desk, trio.open_nursery() as nursery:

        async def ask(n):
            assert await desk.call("m", n=n) == n

        for n in range(10):
            nursery.start_soon(ask, n)


async def test_what_is_none_is_left_out_and_decimals_and_times_become_texts():
    paris = timezone(timedelta(hours=1))
    async with played(echo) as desk:
        _, params = await desk.call(
            "m",
            a=None,
            b=Decimal("1E-8"),
            c=Decimal("50000.00"),
            d=datetime(2026, 1, 2, 3, 4, 5, 600, UTC),
            e=datetime(2026, 1, 2, 3, tzinfo=paris),
            from_=0,
            g=False,
        )
        assert params == {
            "b": "0.00000001",
            "c": "50000.00",
            "d": "2026-01-02T03:04:05.000600Z",
            "e": "2026-01-02T02:00:00Z",
            "from": 0,
            "g": False,
        }
        for wrong in (datetime(2026, 1, 2), Decimal("NaN"), object()):
            with pytest.raises(TypeError):
                await desk.call("m", a=wrong)
        assert await desk.call("m") == ["m", {}]


async def test_conveniences_are_the_methods_of_the_contract():
    async with played(echo) as desk:
        order = {"product_id": "BTC-USD", "side": "BUY", "type": "MARKET", "quote_value": "10"}
        assert await desk.submit(**order) == ["order.submit", order]
        assert await desk.cancel("a") == ["order.cancel", {"client_order_id": "a"}]
        assert await desk.cancel(order_id="b", portfolio="p") == ["order.cancel", {"order_id": "b", "portfolio": "p"}]
        assert await desk.order("a") == ["order.get", {"client_order_id": "a"}]
        assert await desk.orders(open=False, limit=3) == ["order.list", {"open": False, "limit": 3}]
        assert await desk.info() == ["server.info", {}]


async def test_an_error_becomes_refused_with_everything_that_it_says():
    async def refuse(connection, _head):
        request = await asked(connection)
        error = {"code": -32011, "message": "no such order", "data": {"reason": "unknown_order", "sent": "no"}}
        await connection.send(json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": error}))
        await asked(connection)

    async with played(refuse) as desk:
        with pytest.raises(Refused, match="no such order") as refused:
            await desk.cancel("x")
        assert (refused.value.code, refused.value.reason, refused.value.data["sent"]) == (-32011, "unknown_order", "no")


async def test_a_lost_connection_fails_every_call_and_says_whether_it_can_have_been_sent():
    async def leave(connection, _head):
        for _ in range(3):
            await asked(connection)

    async with played(leave) as desk:
        lost = []

        async def ask():
            with pytest.raises(ConnectionLost) as error:
                await desk.call("m")
            lost.append(error.value)

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ask)
        await ask()
        assert [each.sent for each in lost] == [True, True, True, False]
        assert "can have been sent" in str(lost[0]) and "was not sent" in str(lost[3])


async def test_a_cancelled_call_hurts_no_other_and_its_late_reply_is_dropped():
    async def late(connection, _head):
        first, second = await asked(connection), await asked(connection)
        await tell(connection, first["id"], "late")
        await tell(connection, second["id"], "right")
        await echo(connection, _head)

    async with played(late) as desk:
        with trio.move_on_after(0.05) as scope:
            await desk.call("first")
        assert scope.cancelled_caught
        assert await desk.call("second") == "right"
        assert await desk.call("third") == ["third", {}]


async def test_a_call_that_is_cancelled_while_the_socket_is_full_does_not_cut_the_connection():
    gate = trio.Event()

    async def busy(connection, _head):
        await gate.wait()
        await echo(connection, _head)

    answered = []
    async with played(busy) as desk, trio.open_nursery() as nursery:

        async def ask(n):
            answered.append((await desk.call("m", n=n, filler="x" * 200_000))[1]["n"])

        for n in range(100):
            nursery.start_soon(ask, n)
        await trio.testing.wait_all_tasks_blocked(0.05)
        with trio.move_on_after(0.05):
            await desk.call("given up")
        gate.set()
    assert sorted(answered) == list(range(100))


async def test_events_are_iterated_in_order_beside_calls():
    async def tells(connection, _head):
        await tell(connection, (await asked(connection))["id"], {"journal": "j", "cursor": 7, "orders": []})
        await connection.send(event(8, 7))
        await connection.send(event(9, 8))
        await echo(connection, _head)

    async with played(tells) as desk, desk.subscribe(snapshot=True, portfolios=["p"]) as events:
        assert (events.journal, events.cursor, events.orders) == ("j", 7, [])
        assert [(await anext(events))["cursor"], (await anext(events))["cursor"]] == [8, 9]
        assert await desk.call("m") == ["m", {}]
        with pytest.raises(RuntimeError, match="subscribed already"):
            async with desk.subscribe():
                pass


async def test_after_the_block_the_subscription_is_over_and_another_can_begin():
    async def tells(connection, _head):
        while True:
            request = await asked(connection)
            if request["method"] == "events.subscribe":
                await tell(connection, request["id"], {"journal": "j", "cursor": 1})
            else:
                seen.append(request["method"])
                await connection.send(event(2, 1))
                await tell(connection, request["id"], {})

    seen = []
    async with played(tells) as desk:
        async with desk.subscribe():
            pass
        with pytest.raises(KeyError):
            async with desk.subscribe():
                raise KeyError
        with trio.move_on_after(0.05):
            async with desk.subscribe() as events:
                await anext(events)
        assert seen == ["events.unsubscribe"] * 3


async def test_a_hole_in_the_events_is_noticed():
    async def skips(connection, _head):
        await tell(connection, (await asked(connection))["id"], {"journal": "j", "cursor": 7})
        await connection.send(event(9, 8))
        await echo(connection, _head)

    async with played(skips) as desk, desk.subscribe() as events:
        with pytest.raises(EventsLost, match="is 8, but 7 was seen"):
            await anext(events)


async def test_events_that_are_not_read_end_the_subscription_and_not_the_connection(monkeypatch):
    monkeypatch.setattr(client, "EVENTS_WAITING_MAX", 10)

    async def floods(connection, _head):
        await tell(connection, (await asked(connection))["id"], {"journal": "j", "cursor": 0})
        for cursor in range(1, 20):
            await connection.send(event(cursor, cursor - 1))
        await echo(connection, _head)

    async with played(floods) as desk, desk.subscribe() as events:
        assert await desk.call("m") == ["m", {}]
        seen = []
        with pytest.raises(EventsLost, match="10 events wait"):
            async for told in events:
                seen.append(told["cursor"])
        assert seen == list(range(1, 11))


async def test_events_end_with_the_connection():
    async def leaves(connection, _head):
        await tell(connection, (await asked(connection))["id"], {"journal": "j", "cursor": 0})
        await connection.send(event(1, 0))

    async with played(leaves) as desk, desk.subscribe() as events:
        assert (await anext(events))["cursor"] == 1
        with pytest.raises(ConnectionLost):
            await anext(events)


async def test_the_token_goes_into_the_header_and_a_rejected_one_is_refused():
    heads = []

    def admit(head):
        heads.append(head)
        return head if len(heads) == 1 else Rejection(401, "Give a token.")

    async with played(echo, admit) as desk:
        assert heads[0].header("authorization") == "Bearer a-token"
        assert desk
    with pytest.raises(Refused) as refused:
        async with played(echo, admit):
            pass
    assert (refused.value.code, str(refused.value)) == (401, "Give a token.")


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "schlüssel"])
async def test_a_token_that_no_header_can_carry_is_refused_without_showing_it(token):
    with pytest.raises(Refused) as refused:
        async with client.connect("ws://127.0.0.1:1", token):
            pass
    assert refused.value.code == 401 and (not token or token not in str(refused.value))


@pytest.mark.parametrize(
    "url", ["ws://127.0.0.1:1", "unix:/no/such.sock", "http://x", "ws://", "nonsense", "ws://h:99999"]
)
async def test_no_daemon_is_one_sentence(url):
    with pytest.raises(Unreachable, match="start primefixd or give its URL"):
        async with client.connect(url):
            pass


async def test_what_the_block_raises_comes_out_as_it_is_and_an_os_error_is_not_mistaken():
    for error in (OSError("mine"), ValueError("mine"), KeyError("mine")):
        with pytest.raises(type(error), match="mine"):
            async with played(echo):
                raise error


def test_where_the_daemon_is(monkeypatch, tmp_path):
    monkeypatch.setattr(client, "RUNTIME_SOCKET", tmp_path / "control.sock")
    assert client.find(None, {}) == "ws://127.0.0.1:8417"
    (tmp_path / "control.sock").touch()
    assert client.find(None, {}) == "ws://127.0.0.1:8417"  # a file is no socket
    (tmp_path / "control.sock").unlink()
    os.mknod(tmp_path / "control.sock", stat.S_IFSOCK | 0o600)
    assert client.find(None, {}) == f"unix:{tmp_path}/control.sock"
    assert client.find(None, {"PRIMEFIXD_URL": "ws://b"}) == "ws://b"
    assert client.find("ws://a", {"PRIMEFIXD_URL": "ws://b"}) == "ws://a"


def test_which_token(tmp_path):
    file = tmp_path / "token"
    file.write_text("from-file\nand a remark\n")
    assert client.find_token(file, {"PRIMEFIXD_TOKEN": "from-environment"}) == "from-file"
    assert client.find_token(None, {"PRIMEFIXD_TOKEN": "from-environment"}) == "from-environment"
    assert client.find_token(None, {}) is None


async def test_a_replace_names_both_ids_and_what_changes():
    async with played(echo) as desk:
        told = await desk.replace("old", new_id="new", portfolio="main", limit_price=Decimal("1.50"))
    ids = {"client_order_id": "old", "new_client_order_id": "new", "portfolio": "main"}
    assert told == ["order.replace", ids | {"limit_price": "1.50"}]
