"""A portfolio's questions over REST: to the sandbox's own endpoints on the loopback, and to a venue that misbehaves."""

import base64
import hashlib
import hmac
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
import trustme
from attrs import evolve
from trio.testing import MockClock

from primefixd import http
from primefixd.clock import Moment
from primefixd.fix.message import Message
from primefixd.orders.model import OrderType, Side
from primefixd.orders.reports import ReportKind, VenueStatus
from primefixd.prime.logon import Credentials
from primefixd.runtime import rest
from primefixd.runtime.http import open_client
from primefixd.runtime.rest import Rest, RestDesk, RestFailed
from primefixd.runtime.settings import RestSettings
from primefixd.sandbox import asks
from primefixd.sandbox.gateway import Gateway
from primefixd.sandbox.settings import Account, SandboxSettings
from primefixd.sandbox.venue import port_of
from primefixd.secret import Secret

BEGIN = datetime(2026, 3, 2, 15, tzinfo=UTC)
KEY, SECRET, PHRASE = "the-api-key", "the-api-secret", "the-passphrase"
ME = Credentials(
    portfolio_id="main",
    service_account_id="s",
    api_key=Secret(KEY),
    api_secret=Secret(SECRET),
    passphrase=Secret(PHRASE),
)
LIMIT = "11={id}|21=1|38=1|40=2|44=59000|54=1|55=BTC-USD|59=1|847=L"
MARKET = "11={id}|21=1|38=1|40=1|54=2|55=BTC-USD|59=3|847=M"
HOST = "the venue's REST interface at api.example.com: "

Respond = Callable[[httpx.Request], httpx.Response | Awaitable[httpx.Response]]


def clock() -> Moment:
    return Moment(trio.current_time(), BEGIN + timedelta(seconds=trio.current_time()))


# The sandbox's own endpoints


class Floor:
    """A sandbox with a REST port, and orders placed without FIX; BTC-USD stands at 60000, nothing fills by itself."""

    def __init__(self, limits: bool = True) -> None:
        self.account = Account(
            portfolio_id="main",
            service_account_id="s",
            api_key=ME.api_key,
            api_secret=ME.api_secret,
            passphrase=ME.passphrase,
        )
        self.gateway = Gateway(SandboxSettings(accounts=(self.account,), limits=limits), None, clock)
        self.exchange = self.gateway.exchange
        self.exchange.set_price("BTC-USD", Decimal(60000), clock())
        self.exchange.hold(True, clock())

    def place(self, text: str) -> str:
        pairs = (item.split("=", 1) for item in f"35=D|1=main|{text}".split("|"))
        ask = asks.new_order(Message([(int(tag), value.encode()) for tag, value in pairs]))
        self.exchange.place(ask, None, self.account, clock())
        order = self.exchange.book.named(ask.client_order_id)
        assert order is not None
        return order.order_id

    def fill(self, client_order_id: str, quantity: str, price: str) -> str:
        order = self.exchange.book.named(client_order_id)
        assert order is not None
        self.exchange.fill(order, Decimal(quantity), Decimal(price), clock())
        return order.fills[-1].exec_id

    @asynccontextmanager
    async def open(self, credentials: Credentials = ME) -> AsyncIterator[RestDesk]:
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(http.serve, self.gateway.answer_rest, listeners)
            port = port_of(listeners[0])
            shared = Rest(RestSettings(url=f"http://127.0.0.1:{port}/v1/"), clock)
            yield RestDesk(credentials, shared)
            await shared.aclose()
            nursery.cancel_scope.cancel()


async def test_open_orders_and_the_others_are_told_as_snapshots() -> None:
    floor = Floor()
    floor.place(LIMIT.format(id="resting"))
    floor.place(LIMIT.format(id="begun"))
    floor.fill("begun", "0.25", "59000")
    floor.place(LIMIT.format(id="done"))
    floor.fill("done", "1", "58000")
    floor.place(LIMIT.format(id="bad").replace("BTC", "XYZ"))
    async with floor.open() as desk:
        open_ones = {report.client_order_id: report for report in await desk.open_orders()}
        others = {report.client_order_id: report for report in await desk.orders(BEGIN - timedelta(1))}
        assert await desk.orders(BEGIN + timedelta(days=1000)) == ()
    assert {name: report.status for name, report in open_ones.items()} == {
        "resting": VenueStatus.NEW,
        "begun": VenueStatus.PARTIALLY_FILLED,
    }
    begun = open_ones["begun"]
    assert (begun.cumulative_quantity, begun.average_price) == (Decimal("0.25"), Decimal(59000))
    assert (begun.account, begun.side, begun.order_type) == ("main", Side.BUY, OrderType.LIMIT)
    assert {name: report.status for name, report in others.items()} == {
        "done": VenueStatus.FILLED,
        "bad": VenueStatus.REJECTED,
    }
    assert others["bad"].kind is ReportKind.REJECTED
    assert all(report.unreadable == () for report in (*open_ones.values(), *others.values()))


async def test_one_order_and_its_fills_by_the_venues_id() -> None:
    floor = Floor()
    order_id = floor.place(LIMIT.format(id="a"))
    exec_ids = [floor.fill("a", "0.25", "59000"), floor.fill("a", "0.5", "58000.5")]
    async with floor.open() as desk:
        report = await desk.order(order_id)
        fills = await desk.fills(order_id)
        assert await desk.order("no/such?order") is None
        with pytest.raises(RestFailed, match=r"it answered 404 \(order not found\); check"):
            await desk.fills("none")
    assert report is not None and report.cumulative_quantity == Decimal("0.75")
    assert [(fill.fill_id, fill.quantity, fill.price) for fill in fills] == [
        (exec_ids[0], Decimal("0.25"), Decimal(59000)),
        (exec_ids[1], Decimal("0.5"), Decimal("58000.5")),
    ]
    assert fills[0].commission == Decimal("14.75") and fills[0].order_id == order_id


async def test_every_page_is_read() -> None:
    floor = Floor()
    for number in range(1201):
        floor.place(LIMIT.format(id=f"n{number}"))
        floor.fill(f"n{number}", "1", "59000")
    async with floor.open() as desk:
        told = await desk.orders(BEGIN - timedelta(1))
    assert [report.client_order_id for report in told] == [f"n{number}" for number in range(1201)]


async def test_the_venue_takes_as_many_as_the_desk_sends() -> None:
    floor = Floor()
    async with floor.open() as desk:
        async with trio.open_nursery() as nursery:
            for _ in range(45):
                nursery.start_soon(desk.open_orders)


async def test_wrong_credentials_are_said_in_a_sentence_without_them() -> None:
    async with Floor().open(evolve(ME, passphrase=Secret("another-phrase"))) as desk:
        with pytest.raises(RestFailed) as caught:
            await desk.open_orders()
    assert str(caught.value) == (
        "the venue's REST interface at 127.0.0.1: it answered 401 (wrong passphrase); check the API key, its secret "
        "and passphrase, its permissions, and this machine's clock"
    )


async def test_proxies_of_the_environment_are_not_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with Floor().open() as desk:
        assert await desk.open_orders() == ()


# A venue that misbehaves


class Script:
    """A venue that answers as it is told, in virtual time; `asked` are the requests and when they came."""

    def __init__(self, respond: Respond, settings: RestSettings | None = None) -> None:
        self.asked: list[tuple[float, httpx.Request]] = []
        self.now = self.most = 0
        self.respond = respond
        self.settings = settings or RestSettings(url="https://api.example.com/v1")
        self.shared = Rest(self.settings, clock, self._open)

    def _open(self, _settings: RestSettings) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self._answer), trust_env=False, timeout=None)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((trio.current_time(), request))
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await trio.lowlevel.checkpoint()
            answer = self.respond(request)
            return answer if isinstance(answer, httpx.Response) else await answer
        finally:
            self.now -= 1

    def desk(self, **changes: Any) -> RestDesk:
        return RestDesk(evolve(ME, **changes), self.shared)

    async def failure(self, **changes: Any) -> str:
        """The sentence in which asking for open orders fails."""
        with pytest.raises(RestFailed) as caught:
            await self.desk(**changes).open_orders()
        assert not any(secret in str(caught.value) for secret in (KEY, SECRET, PHRASE))
        assert "\n" not in str(caught.value)
        return str(caught.value)


def empty(_request: httpx.Request | None = None) -> httpx.Response:
    return httpx.Response(200, json={"orders": [], "pagination": {"next_cursor": "", "has_next": False}})


async def test_each_try_is_signed_as_it_leaves_over_the_path_that_is_sent(autojump_clock: MockClock) -> None:
    script = Script(lambda request: httpx.Response(503) if len(script.asked) < 4 else empty())
    await script.desk(portfolio_id="a/b").orders(BEGIN)
    times = set()
    for _, request in script.asked:
        path = request.url.raw_path.partition(b"?")[0]
        assert path == b"/v1/portfolios/a%2Fb/orders" and request.method == "GET"
        time = request.headers["x-cb-access-timestamp"].encode()
        times.add(int(time) - int(BEGIN.timestamp()))
        mac = hmac.new(SECRET.encode(), time + b"GET" + path, hashlib.sha256).digest()
        assert request.headers["x-cb-access-signature"] == base64.b64encode(mac).decode()
    assert times == {0, 1, 3}


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_trouble_that_may_pass_is_tried_again_with_longer_pauses(autojump_clock: MockClock, status: int) -> None:
    script = Script(lambda _: httpx.Response(status, json={"message": "no\nway"}))
    told = await script.failure()
    assert told.startswith(HOST + f"it answered {status} (no\\nway); ") and told.endswith("(4 tries)")
    assert [at for at, _ in script.asked] == [0.0, 0.5, 1.5, 3.5]


@pytest.mark.parametrize(("after", "second"), [("2", 2.0), ("3600", 5.0), ("soon", 0.5), ("٣", 0.5), ("0", 0.5)])
async def test_a_pause_that_the_venue_names_is_kept_within_bounds(
    autojump_clock: MockClock, after: str, second: float
) -> None:
    replies = iter([httpx.Response(429, headers=[(b"retry-after", after.encode())]), empty()])
    script = Script(lambda _: next(replies))
    assert await script.desk().open_orders() == ()
    assert [at for at, _ in script.asked] == [0.0, second]


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (302, "it answered 302; check rest.url, no redirect is followed"),
        (400, "it answered 400; see whether"),
        (401, "it answered 401; check the API key"),
        (403, "it answered 403; check portfolio_id"),
        (404, "it answered 404; check rest.url"),
        (204, "it answered 204; check rest.url"),
    ],
)
async def test_a_refusal_is_not_tried_again(autojump_clock: MockClock, status: int, says: str) -> None:
    elsewhere = {"location": "https://elsewhere.example.com/"}
    script = Script(lambda _: httpx.Response(status, headers=elsewhere))
    assert (await script.failure()).startswith(HOST + says)
    assert len(script.asked) == 1


async def test_secrets_that_the_venue_repeats_are_not_repeated(autojump_clock: MockClock) -> None:
    script = Script(lambda _: httpx.Response(403, json={"message": f"{KEY} with {PHRASE}: {SECRET}" + "x" * 1000}))
    told = await script.failure()
    assert "(… with …: …xxx" in told and len(told) < 400


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError, httpx.ReadTimeout])
async def test_a_request_that_is_lost_is_tried_again(
    autojump_clock: MockClock, error: type[httpx.TransportError]
) -> None:
    def respond(_: httpx.Request) -> httpx.Response:
        if len(script.asked) <= lost:
            raise error(f"oh {SECRET}")
        return empty()

    lost = 3
    script = Script(respond)
    assert await script.desk().open_orders() == ()
    lost, script.asked = 4, []
    words = "it cannot be reached" if error is httpx.ConnectError else "it broke off"
    assert (await script.failure()).startswith(HOST + words)


async def test_a_venue_that_does_not_answer_or_drips_is_given_up(autojump_clock: MockClock) -> None:
    async def drip() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await trio.sleep(1)

    script = Script(lambda _: httpx.Response(200, content=drip()))
    assert "did not answer within 15 s" in await script.failure()
    assert [at for at, _ in script.asked] == [0.0, 15.5, 31.5, 48.5]

    async def never() -> httpx.Response:
        await trio.sleep_forever()
        raise AssertionError

    script = Script(lambda _: never())
    assert "did not answer within 15 s" in await script.failure()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"<html>", "is no JSON"),
        (b'{"orders": 1}', "no list of orders"),
        (b'{"orders": [{}]}', "the venue's order has no"),
        (b"\xff", "it answered 200 with what is no text"),
        (b" " * 1001, "longer than 1000 bytes"),
    ],
)
async def test_a_reply_that_cannot_be_used_is_a_failure_at_once(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, content: bytes, says: str
) -> None:
    monkeypatch.setattr(rest, "REPLY_MAX_BYTES", 1000)
    script = Script(lambda _: httpx.Response(200, content=content))
    assert says in await script.failure()
    assert len(script.asked) == 1


async def test_a_packed_reply_is_not_unpacked(autojump_clock: MockClock) -> None:
    script = Script(lambda _: httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(b"x")))
    assert "with what is packed" in await script.failure()


async def test_a_malformed_order_is_a_failure(autojump_clock: MockClock) -> None:
    with pytest.raises(RestFailed, match="has no status"):
        await Script(lambda _: httpx.Response(200, json={"order": {"id": "a"}})).desk().order("a")


def _page(cursor: str) -> httpx.Response:
    return httpx.Response(200, json={"orders": [], "pagination": {"next_cursor": cursor, "has_next": True}})


async def test_pages_without_end_are_a_failure_and_never_an_answer(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = Script(lambda _: _page("same"))
    assert "names the same page twice" in await script.failure()
    assert [request.url.params.get("cursor") for _, request in script.asked] == [None, "same"]
    monkeypatch.setattr(rest, "PAGES_MAX", 5)
    endless = Script(lambda _: _page(str(len(endless.asked))))
    assert "more than 5 pages" in await endless.failure()
    assert len(endless.asked) == 5


async def test_a_portfolio_keeps_to_its_rate_and_asks_little_at_once(autojump_clock: MockClock) -> None:
    script = Script(empty)
    desk = script.desk()
    async with trio.open_nursery() as nursery:
        for _ in range(70):
            nursery.start_soon(desk.open_orders)
    times = [at for at, _ in script.asked]
    assert times[:20] == [0.0] * 20 and times[60] < 4
    assert all(later - at > 1.0 for at, later in zip(times, times[20:], strict=False))
    assert all(later >= at for at, later in pairwise(times)) and script.most == rest.AT_ONCE_MAX


async def test_all_portfolios_keep_to_the_rate_of_their_address(autojump_clock: MockClock) -> None:
    script = Script(empty)
    desks = [script.desk(portfolio_id=f"p{number}") for number in range(10)]
    async with trio.open_nursery() as nursery:
        for _ in range(30):
            for desk in desks:
                nursery.start_soon(desk.open_orders)
    times = [at for at, _ in script.asked]
    assert times[79] == 0.0
    assert all(later - at > 1.0 for at, later in zip(times, times[80:], strict=False))


async def test_credentials_that_no_header_can_hold_are_a_failure_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Floor().open(evolve(ME, passphrase=Secret("the-passphrase\nX: y"))) as desk:
        with pytest.raises(RestFailed, match="a request cannot be written; check") as caught:
            await desk.open_orders()
    assert PHRASE not in str(caught.value)


# The way there


async def _serve(reply: bytes, tls: ssl.SSLContext | None, *, task_status: Any) -> None:
    """Answers whatever comes with `reply`, and closes."""

    async def talk(stream: trio.abc.Stream) -> None:
        try:
            if asked := bytes(await stream.receive_some(65536)):
                heard.append(asked)
                await stream.send_all(reply)
            await stream.aclose()
        except trio.BrokenResourceError:
            pass

    heard: list[bytes] = []
    async with trio.open_nursery() as nursery:
        if tls is None:
            listeners: Any = await nursery.start(trio.serve_tcp, talk, 0)
        else:
            listeners = await nursery.start(_serve_tls, talk, tls)
        task_status.started((listeners, heard))


async def _serve_tls(talk: Any, tls: ssl.SSLContext, *, task_status: Any) -> None:
    await trio.serve_ssl_over_tcp(talk, 0, tls, https_compatible=True, host="127.0.0.1", task_status=task_status)


def _port(listeners: Any) -> int:
    listener = getattr(listeners[0], "transport_listener", listeners[0])
    return int(listener.socket.getsockname()[1])


OK = b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\nSet-Cookie: a=b\r\nConnection: close\r\n\r\n{"orders": []}'


@pytest.fixture
def ca(tmp_path: Path) -> trustme.CA:
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return made


async def test_tls_is_verified_and_a_wrong_certificate_is_not_tried_again(ca: trustme.CA, tmp_path: Path) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("localhost").configure_cert(tls)
    async with trio.open_nursery() as nursery:
        listeners, heard = await nursery.start(_serve, OK, tls)
        trusted = RestSettings(url=f"https://localhost:{_port(listeners)}", ca_file=str(tmp_path / "ca.pem"))
        shared = Rest(trusted, clock)
        assert await RestDesk(ME, shared).open_orders() == ()
        await shared.aclose()
        assert len(heard) == 1
        for wrong, words in (
            (evolve(trusted, ca_file=None), "unable to get local issuer|self.signed"),
            (evolve(trusted, url=trusted.url.replace("localhost", "127.0.0.1")), "IP address mismatch"),
        ):
            shared = Rest(wrong, clock)
            with pytest.raises(RestFailed, match=f"its certificate was not accepted .*({words}).* check rest.url and"):
                await RestDesk(ME, shared).open_orders()
            await shared.aclose()
        assert len(heard) == 1
        nursery.cancel_scope.cancel()


async def test_a_reply_that_breaks_off_is_tried_again_and_no_cookie_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "PAUSE_S", 0.001)
    async with trio.open_nursery() as nursery:
        listeners, heard = await nursery.start(_serve, OK[:-3], None)
        shared = Rest(RestSettings(url=f"http://127.0.0.1:{_port(listeners)}"), clock)
        with pytest.raises(RestFailed, match=r"it broke off; check rest.url and the way to it \(4 tries\)"):
            await RestDesk(ME, shared).open_orders()
        await shared.aclose()
        assert len(heard) == 4
        assert not any(b"cookie" in request.lower() for request in heard)
        assert all(b"accept-encoding: identity" in request.lower() for request in heard)
        nursery.cancel_scope.cancel()


async def test_keys_are_not_carried_to_where_a_redirect_points() -> None:
    async with trio.open_nursery() as nursery:
        target, strayed = await nursery.start(_serve, OK, None)
        moved = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{_port(target)}/\r\nContent-Length: 0\r\n\r\n"
        listeners, _ = await nursery.start(_serve, moved.encode(), None)
        shared = Rest(RestSettings(url=f"http://127.0.0.1:{_port(listeners)}"), clock)
        with pytest.raises(RestFailed, match=r"it answered 302; check rest.url, no redirect is followed"):
            await RestDesk(ME, shared).open_orders()
        await shared.aclose()
        assert strayed == []
        nursery.cancel_scope.cancel()


async def test_nobody_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "PAUSE_S", 0.001)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        shared = Rest(RestSettings(url=f"http://127.0.0.1:{taken.getsockname()[1]}"), clock)
        with pytest.raises(RestFailed, match=r"it cannot be reached; check rest.url .*\(4 tries\)"):
            await RestDesk(ME, shared).open_orders()
        await shared.aclose()


def test_a_ca_file_that_cannot_be_used_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        open_client(RestSettings(url="https://localhost", ca_file=str(tmp_path / "none.pem")))


async def test_who_gives_up_asking_leaves_no_place_taken(autojump_clock: MockClock) -> None:
    async def never() -> httpx.Response:
        await trio.sleep_forever()
        raise AssertionError

    script = Script(lambda _: never())
    desk = script.desk()
    for _ in range(5):
        with trio.move_on_after(1):
            async with trio.open_nursery() as nursery:
                for _ in range(4):
                    nursery.start_soon(desk.open_orders)
    script.respond = empty
    assert await desk.open_orders() == ()
