"""The imitation over real TLS on the loopback: its control port, junk, abrupt closes; everybody else goes on."""

import json
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio

from primefixd import websocket
from primefixd.clock import Moment
from primefixd.sandbox import venue
from primefixd.sandbox.certificates import make_certificates, server_tls
from primefixd.sandbox.settings import Account, SandboxSettings
from primefixd.sandbox.venue import Running

START = datetime(2026, 11, 23, 15, tzinfo=UTC)
LIMIT = "35=D|1=main|11={id}|38=1|40=2|44=59000|54=1|55=BTC-USD|59=1|847=L"
JUNK = [b"\x00" * 70_000, b"8=FIX.4.2\x019=99999\x01" * 50, b"GET / HTTP/1.1\r\n\r\n", bytes(range(256)) * 40]


def clock() -> Moment:
    return Moment(trio.current_time(), START + timedelta(seconds=trio.current_time() % 3600))


class House:
    """A running sandbox, and ways to reach it."""

    def __init__(self, running: Running, trust: ssl.SSLContext, accounts: tuple[Account, ...], raw_client: Any) -> None:
        self.running, self.trust, self.raw_client = running, trust, raw_client
        self.accounts = {account.service_account_id: account for account in accounts}

    async def stream(self) -> trio.SSLStream[trio.SocketStream]:
        return await trio.open_ssl_over_tcp_stream(
            "127.0.0.1", self.running.fix_port, ssl_context=self.trust, https_compatible=True
        )

    async def client(self, name: str = "main-1") -> Any:
        return await self.raw_client(await self.stream(), self.accounts[name], clock).logon()

    @asynccontextmanager
    async def control(self) -> AsyncIterator[Callable[..., Any]]:
        async with websocket.connect(f"ws://127.0.0.1:{self.running.control_port}") as connection:

            async def call(method: str, **params: object) -> Any:
                await connection.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
                reply = json.loads(await connection.receive())
                return reply["result"] if "result" in reply else reply["error"]

            call.raw = connection  # type: ignore[attr-defined]
            yield call


Open = Callable[[], AbstractAsyncContextManager[House]]


@pytest.fixture
def house(tmp_path: Path, accounts: tuple[Account, ...], raw_client: Any) -> Open:
    @asynccontextmanager
    async def running() -> AsyncIterator[House]:
        files = make_certificates(tmp_path, "127.0.0.1")
        settings = SandboxSettings(accounts=accounts, control_port=0)
        async with trio.open_nursery() as nursery:
            started = await nursery.start(venue.run, settings, server_tls(files), clock)
            trust = ssl.create_default_context(cafile=files.ca_file)
            yield House(started, trust, accounts, raw_client)
            nursery.cancel_scope.cancel()

    return running


async def test_order_from_logon_to_the_book_over_tls(house: Open) -> None:
    async with house() as place, place.control() as call:
        assert await call("venue.price", product_id="BTC-USD", price="60000") == {}
        client = await place.client()
        await client.say(LIMIT.format(id="a").replace("44=59000", "44=60000.5"))
        assert await client.told(39, count=2) == ["39=A", "39=0"]
        [order] = (await call("venue.book", portfolio_id="main"))["orders"]
        assert {name: order[name] for name in ("client_order_id", "portfolio_id", "service_account_id")} == {
            "client_order_id": "a",
            "portfolio_id": "main",
            "service_account_id": "main-1",
        }
        assert (order["status"], order["quantity"], order["filled"], order["received"]) == ("2", "1", "1", 1)
        assert sum(Decimal(fill["commission"]) for fill in order["fills"]) == 60
        assert (await call("venue.book", portfolio_id="side"))["orders"] == []
        sessions = {each["service_account_id"]: each for each in (await call("venue.sessions"))["sessions"]}
        assert len(sessions) == 11
        assert sessions["main-1"] == {
            "service_account_id": "main-1",
            "connected": True,
            "logons": 1,
            "messages": 2,
            "orders": 1,
            "busiest_second": 2,
            "rejected": {},
        }
        assert not sessions["main-2"]["connected"]


async def test_every_method_of_the_control_port_does_what_it_says(house: Open) -> None:
    async with house() as place, place.control() as call:
        await call("venue.price", product_id="BTC-USD", price="60000")
        client = await place.client()

        await call("venue.reject", count=1, reason=2, text="not today")
        await client.say(LIMIT.format(id="r"))
        assert await client.told(150, 103, 58) == ["150=8|103=2|58=not today"]

        await call("venue.hold_fills", on=True)
        await client.say(LIMIT.format(id="a").replace("59000", "61000"))
        await client.told(39, count=2)
        assert await call("venue.fill", client_order_id="a", quantity="0.25", price="60500") == {}
        fill = await client.hear()
        assert (fill.get(31), fill.get(32), fill.get(39)) == ("60500", "0.25", "1")
        await call("venue.correct", exec_id=fill.get(17), quantity="0.5", price="60400")
        assert await client.told(20, 31, 32, 14) == ["20=2|31=60400|32=0.5|14=0.5"]
        await call("venue.bust", exec_id=fill.get(17))
        assert await client.told(20, 14) == ["20=1|14=0"]
        await call("venue.hold_fills", on=False)
        while (await client.hear()).get(14) != "1":
            pass

        await call("venue.forget", client_order_id="f")
        await call("venue.skip", service_account_id="main-1", count=2)
        await client.say(LIMIT.format(id="f"))
        await call("venue.mute", service_account_id="main-1", on=True)
        await call("venue.mute", on=False)
        await call("venue.garble", service_account_id="main-1", what="checksum")
        await call("venue.delay", service_account_id="main-1", ms=1, jitter_ms=1)
        await client.say(LIMIT.format(id="g"))
        assert await client.told(11, 39) == ["11=g|39=0"]

        await call("venue.refuse_logon", on=True, text="go away")
        late = place.raw_client(await place.stream(), place.accounts["main-2"], clock)
        await late.send_logon()
        assert await late.told(35, 58) == ["35=5|58=go away"]
        await call("venue.refuse_logon", on=False)
        assert await call("venue.drop", how="logout") == {"dropped": 1}
        assert (await client.hear()).type == "5"
        await client.say("35=5")
        assert await client.closed()
        await call("venue.window", state="closed")
        late = place.raw_client(await place.stream(), place.accounts["main-2"], clock)
        await late.send_logon()
        assert (await late.hear()).type == "5"
        await call("venue.window", state="open")
        last = await place.client("main-2")
        assert await call("venue.drop", service_account_id="main-2", how="reset") == {"dropped": 1}
        with pytest.raises(trio.BrokenResourceError):
            await last.stream.transport_stream.receive_some()


@pytest.mark.parametrize(
    ("method", "params", "code", "field"),
    [
        ("venue.nothing", {}, -32601, None),
        ("venue.book", {"portfolio": "main"}, -32602, "params.portfolio"),
        ("venue.drop", {"how": "gently"}, -32602, "params.how"),
        ("venue.drop", {"how": []}, -32602, "params.how"),
        ("venue.drop", {"how": "reset", "service_account_id": "who"}, -32602, "params.service_account_id"),
        ("venue.mute", {"on": "yes"}, -32602, "params.on"),
        ("venue.mute", {}, -32602, "params.on"),
        ("venue.delay", {"ms": -1}, -32602, "params.ms"),
        ("venue.delay", {"ms": True}, -32602, "params.ms"),
        ("venue.reject", {"count": 1, "text": "a\u0001b"}, -32602, "params.text"),
        ("venue.price", {"product_id": "BTC-USD", "price": 5.5}, -32602, "params.price"),
        ("venue.price", {"product_id": "BTC-USD", "price": "-1"}, -32602, "params.price"),
        ("venue.price", {"product_id": "XXX-USD", "price": "1"}, -32602, "params.product_id"),
        ("venue.fill", {"client_order_id": "who"}, -32010, None),
        ("venue.bust", {"exec_id": "who"}, -32010, None),
        ("venue.window", {"state": "ajar"}, -32602, "params.state"),
        ("venue.book", {"\ud800": 1}, -32602, "params.\\ud800"),
    ],
)
async def test_wrong_requests_are_named(
    house: Open, method: str, params: dict[str, object], code: int, field: str | None
) -> None:
    async with house() as place, place.control() as call:
        error = await call(method, **params)
        assert (error["code"], error.get("data", {}).get("field")) == (code, field)
        assert (await call("venue.book"))["orders"] == []


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "{",
        "[]",
        "null",
        "NaN",
        '{"jsonrpc": "2.0", "id": 1, "id": 2, "method": "venue.book"}',
        '{"id": 1, "method": "venue.book"}',
        '{"jsonrpc": "2.0", "id": [], "method": "venue.book"}',
        '{"jsonrpc": "2.0", "id": 1e400, "method": "venue.book"}',
        '{"jsonrpc": "2.0", "id": 99999999999999999999, "method": "venue.book"}',
        '{"jsonrpc": "2.0", "id": "\\ud800", "method": "venue.book"}',
        '{"jsonrpc": "2.0", "id": 1, "method": "venue.book", "params": 5}',
        "[" * 100_000,
        "1" * 10_000,
    ],
)
async def test_frames_that_are_no_request_get_an_error_and_the_connection_goes_on(house: Open, frame: str) -> None:
    async with house() as place, place.control() as call:
        await call.raw.send(frame)
        assert "error" in json.loads(await call.raw.receive())
        assert (await call("venue.book"))["orders"] == []


async def test_batch_and_notification(house: Open) -> None:
    async with house() as place, place.control() as call:
        book = {"jsonrpc": "2.0", "method": "venue.book"}
        await call.raw.send(json.dumps(book))
        await call.raw.send(json.dumps([book | {"id": 1}, book, book | {"id": "b"}]))
        assert [reply["id"] for reply in json.loads(await call.raw.receive())] == [1, "b"]


async def test_junk_and_abrupt_closes_on_both_ports_disturb_nobody(house: Open) -> None:
    async with house() as place, place.control() as call:
        client = await place.client()
        for number, junk in enumerate(JUNK):
            for port in (place.running.fix_port, place.running.control_port):
                assert port is not None
                await _shout(await _plain(port), junk)
            inside = await place.stream()
            await _shout(inside, junk)
            logged_on = await place.client(f"main-{number + 2}")
            await _shout(logged_on.stream, junk)
            await trio.aclose_forcefully(logged_on.stream)
            await client.say(LIMIT.format(id=f"a{number}").replace("59000", "100"))
            assert await client.told(39, count=2) == ["39=A", "39=0"]
        assert len((await call("venue.book"))["orders"]) == len(JUNK)


async def test_client_that_resets_its_connection_ends_its_session_only(house: Open) -> None:
    async with house() as place:
        client, other = await place.client("main-1"), await place.client("main-2")
        raw = client.stream.transport_stream
        raw.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, struct.pack("ii", 1, 0))
        await trio.aclose_forcefully(raw)
        await other.say(LIMIT.format(id="a").replace("59000", "100"))
        assert await other.told(39) == ["39=A"]


async def test_clear_port_for_a_local_stunnel(accounts: tuple[Account, ...], raw_client: Any) -> None:
    async with trio.open_nursery() as nursery:
        running = await nursery.start(venue.run, SandboxSettings(accounts=accounts), None, clock)
        assert running.control_port is None
        await raw_client(await _plain(running.fix_port), accounts[0], clock).logon()
        nursery.cancel_scope.cancel()


async def test_clock_offset_shows_in_what_the_venue_stamps_and_refuses(
    accounts: tuple[Account, ...], raw_client: Any
) -> None:
    async with trio.open_nursery() as nursery:
        settings = SandboxSettings(accounts=accounts, clock_offset_s=7.0)
        running = await nursery.start(venue.run, settings, None, clock)
        late = raw_client(await _plain(running.fix_port), accounts[0], clock)
        await late.send_logon()
        assert (await late.hear()).type in ("3", "5")
        right = raw_client(await _plain(running.fix_port), accounts[0], venue.shifted(clock, 7.0))
        await right.logon()
        nursery.cancel_scope.cancel()


async def _plain(port: int) -> trio.SocketStream:
    socket = trio.socket.socket()
    await socket.connect(("127.0.0.1", port))
    return trio.SocketStream(socket)


async def _shout(stream: trio.abc.Stream, junk: bytes) -> None:
    try:
        await stream.send_all(junk)
        with trio.move_on_after(0.05):
            await stream.receive_some()
    except trio.BrokenResourceError:
        pass
    if not isinstance(stream, trio.SSLStream):
        await trio.aclose_forcefully(stream)


async def test_book_shows_an_order_by_its_newest_name_with_its_chain_and_its_prices(house: Open) -> None:
    async with house() as place, place.control() as call:
        await call("venue.price", product_id="BTC-USD", price="60000")
        client = await place.client()
        await client.say("35=D|1=main|11=a|38=1|40=2|44=61000|54=1|55=BTC-USD|59=1|99=60500|847=SL")
        order_id = (await client.hear()).get(37)
        terms = "38=2|40=2|44=61000|54=1|55=BTC-USD|99=60800|21=1|60=20261123-15:00:00"
        await client.say(f"35=G|11=b|41=a|37={order_id}|{terms}")
        assert await client.told(150, count=3) == ["150=0", "150=E", "150=5"]
        [order] = (await call("venue.book"))["orders"]
        names = ("client_order_id", "chain", "status", "strategy", "quantity", "limit_price", "stop_price")
        assert [order[name] for name in names] == ["b", ["a", "b"], "0", "SL", "2", "61000", "60800"]
        assert order["working_price"] is None
        await call("venue.price", product_id="BTC-USD", price="61500")
        assert (await call("venue.book"))["orders"][0]["working_price"] == "61000"
        await call("venue.fill", client_order_id="a", quantity="0.5")
        assert await client.told(11, 31) == ["11=b|31=61000"]
