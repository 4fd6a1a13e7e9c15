"""What a client with a good token, or somebody without one, can try; a trader beside them trades on undisturbed."""

import json
import struct

import pytest
import trio

from primefixd.websocket import Closed
from tests.control.test_server import ORDER, Bare, request, settle


@pytest.fixture
async def beside(plane):
    """A trader whose orders and events must come through before, during and after whatever a test does."""
    async with plane.connect("trader") as trader, trader.subscribe() as events:
        numbers = iter(range(1000))

        async def trade():
            key = f"good-{next(numbers)}"
            with trio.fail_after(5):
                await trader.submit(**ORDER, client_order_id=key)
                while (await anext(events)).get("order", {}).get("client_order_id") != key:
                    pass

        await trade()
        yield trade
        await trade()


BAD_TEXTS = {
    "empty": "",
    "not json": "order.submit BTC-USD",
    "cut off": '{"jsonrpc": "2.0", "id": 1, "method": "server',
    "nested lists": "[" * 100_000,
    "nested objects": '{"a":' * 40_000 + "1" + "}" * 40_000,
    "nested in params": '{"jsonrpc":"2.0","id":1,"method":"server.info","params":{"a":' + "[" * 900 + "]" * 900 + "}}",
    "a number": "1e999999",
    "a long number": "9" * 100_000,
    "a long id": json.dumps({"jsonrpc": "2.0", "id": "x" * 100_000, "method": "server.info"}),
    "a surrogate": '{"jsonrpc":"2.0","id":"\\ud800","method":"server.info"}',
    "a surrogate in params": '{"jsonrpc":"2.0","id":1,"method":"order.get","params":{"client_order_id":"\\ud800"}}',
    "nan": '{"jsonrpc":"2.0","id":NaN,"method":"server.info"}',
    "a list for params": '{"jsonrpc":"2.0","id":1,"method":"server.info","params":[1]}',
    "no method": '{"jsonrpc":"2.0","id":1,"method":"order.__init__"}',
    "one that is not served": '{"jsonrpc":"2.0","id":1,"method":"portfolio.close","params":{"portfolio":"main"}}',
    "twice the id": '{"jsonrpc":"2.0","id":1,"id":2,"method":"server.info"}',
    "ten thousand unknown names": json.dumps(
        {"jsonrpc": "2.0", "id": 1, "method": "order.submit", "params": {f"limit_pric{n}": 1 for n in range(10_000)}}
    ),
    "a batch of lists": json.dumps([[[]]] * 100),
    "null": "null",
}


@pytest.mark.parametrize("text", BAD_TEXTS.values(), ids=BAD_TEXTS)
async def test_bad_texts_are_answered_with_an_error_and_the_connection_lives(plane, beside, text, autojump_clock):
    async with plane.socket("trader") as connection:
        bare = Bare(connection)
        replies = await bare.ask(text)
        for reply in replies if isinstance(replies, list) else [replies]:
            assert reply["error"]["code"] in (-32700, -32600, -32601, -32602)
        assert (await bare.ask(request("server.info", 2)))["result"]
    await settle()
    assert all(key.startswith("good-") for key in plane.arrived())


async def test_junk_resets_and_idle_connections_disturb_nobody(plane, beside, autojump_clock):
    port = int(plane.urls[0].rpartition(":")[2])
    idle = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(100)]
    for number, stream in enumerate(idle):
        if number % 3:
            await stream.send_all(b"\x16\x03\x01\x02\x00" * number)
        if number % 2:
            stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, struct.pack("ii", 1, 0))
            await stream.aclose()
    await beside()
    for stream in idle:
        await stream.aclose()


async def test_who_asks_without_end_and_never_reads_is_cut(plane, beside, autojump_clock):
    subscriptions = len(plane.feed._subscriptions)
    async with plane.socket("reader") as greedy:
        await Bare(greedy).ask(request("events.subscribe"))
        with pytest.raises(Closed):
            while True:
                await greedy.send(json.dumps([request("session.list", n) for n in range(100)]))
        await beside()
        await trio.sleep(2)
        assert len(plane.feed._subscriptions) == subscriptions  # its tasks have ended as well


async def test_thousands_of_requests_at_once_are_all_answered(plane, beside, autojump_clock):
    async with plane.socket("trader") as connection, trio.open_nursery() as nursery:
        bare = Bare(connection)
        nursery.start_soon(bare.say, *(request("order.get", n, client_order_id="x") for n in range(3000)))
        for number in range(3000):
            if number == 1000:
                await beside()
            assert (await bare.hear())["id"] == number


async def test_who_vanishes_after_its_order_leaves_the_order_alive(plane, beside, autojump_clock):
    for number in range(20):
        async with plane.socket("trader") as connection:
            await connection.send(json.dumps(request("order.submit", **ORDER, client_order_id=f"gone-{number}")))
            await settle()
            await trio.aclose_forcefully(connection._wire)
    await trio.sleep(2)
    assert [key for key in plane.arrived() if key.startswith("gone")] == [f"gone-{number}" for number in range(20)]


async def test_a_frame_over_256_kib_closes_with_1009_and_one_below_is_read(plane, beside, autojump_clock):
    async with plane.socket("trader") as connection:
        text = json.dumps(request("server.info", 1))
        assert (await Bare(connection).ask(text + " " * (256 * 1024 - len(text))))["result"]
        await connection.send(text + " " * (256 * 1024 - len(text) + 1))
        with pytest.raises(Closed) as closed:
            await connection.receive()
        assert closed.value.code == 1009
