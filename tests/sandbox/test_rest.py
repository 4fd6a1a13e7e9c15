"""The REST endpoints as a client of another make meets them: keys, rates, pages, lists, and HTTP's own corners."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import trio

from primefixd import http
from primefixd.clock import Moment
from primefixd.http import server
from primefixd.sandbox import control, rest
from primefixd.sandbox.gateway import Gateway
from primefixd.sandbox.rest import Endpoints
from primefixd.sandbox.settings import Account, SandboxSettings
from primefixd.sandbox.venue import port_of

LIMIT = "11={id}|38=1|40=2|44=59000|54=1|55=BTC-USD|59=1|847=L"
MARKET = "11={id}|38=1|40=1|54=1|55=BTC-USD|59=3|847=M"


class Reader:
    """Signs and asks by a recipe of its own; `changes` replace headers, None leaves one out."""

    def __init__(self, desk: Any, accounts: tuple[Account, ...], **settings: Any) -> None:
        self.desk, self.accounts = desk, accounts
        self.endpoints = Endpoints(
            desk.exchange.book, SandboxSettings(accounts=accounts, **({"limits": False} | settings))
        )

    def status(self, path: str, *, method: str = "GET", off: float = 0, key: int = 0, **changes: str | None) -> int:
        self.reply = self.endpoints.answer(method, path, self.headers(path, method, off, key, changes), self.desk.now)
        return self.reply.status

    def ask(self, path: str, *query: tuple[str, object], **more: Any) -> Any:
        target = f"/v1/portfolios/main/{path}" + (f"?{urlencode(query)}" if query else "")
        assert self.status(target, **more) == 200, self.reply
        return json.loads(self.reply.body)

    def headers(self, path: str, method: str, off: float, key: int, changes: dict[str, str | None]) -> dict[str, str]:
        account = self.accounts[key]
        seconds = str(int(self.desk.now.utc.timestamp() + off))
        text = f"{seconds}{method}{path.partition('?')[0]}".encode()
        mac = hmac.new(account.api_secret.reveal().encode(), text, hashlib.sha256).digest()
        made: dict[str, str | None] = {
            "x-cb-access-key": account.api_key.reveal(),
            "x-cb-access-passphrase": account.passphrase.reveal(),
            "x-cb-access-timestamp": seconds,
            "x-cb-access-signature": base64.b64encode(mac).decode(),
        }
        made |= {f"x-cb-access-{name}": value for name, value in changes.items()}
        return {name: value for name, value in made.items() if value is not None}


@pytest.fixture
def reader(desk: Any, accounts: tuple[Account, ...]) -> Reader:
    return Reader(desk, accounts)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"key": "who"}, "unknown API key"),
        ({"key": None}, "unknown API key"),
        ({"passphrase": "wrong"}, "passphrase"),
        ({"timestamp": "soon"}, "timestamp"),
        ({"timestamp": None}, "timestamp"),
        ({"signature": base64.b64encode(b"0" * 32).decode()}, "signature"),
        ({"signature": "é"}, "signature"),
        ({"signature": None}, "signature"),
    ],
)
def test_who_is_not_who_he_says_gets_401(reader: Reader, changes: dict[str, str | None], says: str) -> None:
    headers = reader.headers("/v1/portfolios/main/orders", "GET", 0, 0, {})
    headers = {name: value for name, value in headers.items() if name.rpartition("-")[2] not in changes}
    headers |= {f"x-cb-access-{name}": value for name, value in changes.items() if value is not None}
    answer = reader.endpoints.answer("GET", "/v1/portfolios/main/orders", headers, reader.desk.now)
    assert answer.status == 401 and says in json.loads(answer.body)["message"]


@pytest.mark.parametrize(("off", "status"), [(-31, 401), (-30, 200), (30, 200), (31, 401)])
def test_a_timestamp_may_be_off_by_half_a_minute(reader: Reader, off: float, status: int) -> None:
    assert reader.status("/v1/portfolios/main/orders", off=off) == status


def test_the_signature_covers_the_path_and_not_the_query(reader: Reader) -> None:
    headers = reader.headers("/v1/portfolios/main/orders", "GET", 0, 0, {})
    asked = [
        reader.endpoints.answer("GET", f"/v1/portfolios/main/{rest}", headers, reader.desk.now).status
        for rest in ("orders", "orders?limit=5", "open_orders")
    ]
    assert asked == [200, 200, 401]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/portfolios/main/orders/none", 404),
        ("/v1/portfolios/main/orders/none/fills", 404),
        ("/v1/portfolios/main/balances", 404),
        ("/v2/portfolios/main/orders", 404),
        ("/v1/portfolios/main", 404),
        ("/", 404),
        ("/v1/portfolios/side/orders", 403),
        ("/v1/portfolios/main/orders?limit=3001", 400),
        ("/v1/portfolios/main/orders?limit=0", 400),
        ("/v1/portfolios/main/orders?limit=1&limit=2", 400),
        ("/v1/portfolios/main/orders?sort_direction=UP", 400),
        ("/v1/portfolios/main/orders?start_date=yesterday", 400),
        ("/v1/portfolios/main/orders?end_date=2026-01-01T00:00:00", 400),
        ("/v1/portfolios/main/orders?cursor=none", 400),
        ("/v1/portfolios/main/orders?" + "a=1&" * 200, 400),
    ],
)
def test_what_is_not_there_or_makes_no_sense_is_refused(reader: Reader, path: str, status: int) -> None:
    assert reader.status(path) == status
    assert json.loads(reader.reply.body)["message"]


def test_nothing_but_get_is_served(reader: Reader) -> None:
    assert reader.status("/v1/portfolios/main/orders", method="POST") == 405


def test_another_portfolios_orders_are_not_shown(reader: Reader, desk: Any) -> None:
    desk.say(LIMIT.format(id="a"))
    order_id = desk.order().order_id
    assert reader.status(f"/v1/portfolios/side/orders/{order_id}", key=9) == 404
    assert reader.status("/v1/portfolios/side/open_orders", key=9) == 200
    assert json.loads(reader.reply.body) == {"orders": []}


def test_an_open_order_is_listed_among_the_open_ones_alone(reader: Reader, desk: Any) -> None:
    desk.say(LIMIT.format(id="a"))
    (order,) = reader.ask("open_orders")["orders"]
    assert order == {
        "id": desk.order().order_id,
        "client_order_id": "a",
        "portfolio_id": "main",
        "product_id": "BTC-USD",
        "side": "BUY",
        "type": "LIMIT",
        "base_quantity": "1",
        "quote_value": "",
        "limit_price": "59000",
        "stop_price": "",
        "time_in_force": "GOOD_UNTIL_CANCELLED",
        "expiry_time": "",
        "status": "OPEN",
        "filled_quantity": "0",
        "filled_value": "0",
        "average_filled_price": "",
        "commission": "0",
        "created_at": "2026-11-23T15:00:00.000000Z",
    }
    assert reader.ask("orders")["orders"] == []
    assert reader.ask(f"orders/{order['id']}") == {"order": order}


def test_an_order_that_ended_is_listed_among_the_others_with_its_totals(reader: Reader, desk: Any) -> None:
    desk.say(LIMIT.format(id="a"))
    desk.fill("0.25", "59000")
    desk.fill("0.75", "58000")
    (order,) = reader.ask("orders")["orders"]
    assert reader.ask("open_orders")["orders"] == []
    told = [order[name] for name in ("status", "filled_quantity", "filled_value", "average_filled_price", "commission")]
    assert told == ["FILLED", "1", "58250", "58250", "58.25"]


def test_every_end_has_its_word(reader: Reader, desk: Any) -> None:
    desk.say("11=x|38=1|40=2|44=59000|54=1|55=BTC-USD|59=6|126=20261123-15:01:00.000|847=L")
    desk.say(LIMIT.format(id="c"))
    order_id = desk.order("c").order_id
    desk.ask(f"35=F|1=main|11=cc|37={order_id}|38=1|41=c|54=1|55=BTC-USD")
    desk.say(LIMIT.format(id="f").replace("BTC", "XYZ"))
    desk.wait(61)
    said = {order["client_order_id"]: order["status"] for order in reader.ask("orders")["orders"]}
    assert (said["x"], said["c"], said["f"]) == ("EXPIRED", "CANCELLED", "FAILED")


def _minutely(desk: Any, count: int = 7) -> list[str]:
    """Orders n0, n1, … a minute apart, each filled at once; n3 is left open."""
    for number in range(count):
        text = LIMIT if number == 3 else MARKET
        desk.say(text.format(id=f"n{number}"))
        desk.wait(60)
        desk.price(60000)
    return [f"n{number}" for number in range(count) if number != 3]


def test_orders_come_page_by_page_in_either_direction(reader: Reader, desk: Any) -> None:
    names = _minutely(desk)
    for direction, expected in (("ASC", names), ("DESC", names[::-1])):
        pages, cursor = [], ""
        while True:
            told = reader.ask("orders", ("limit", 4), ("sort_direction", direction), ("cursor", cursor))
            pages.append([order["client_order_id"] for order in told["orders"]])
            assert told["pagination"]["sort_direction"] == direction
            cursor = told["pagination"]["next_cursor"]
            if not told["pagination"]["has_next"]:
                break
        assert pages == [expected[:4], expected[4:]] and cursor == ""
    newest = reader.ask("orders", ("limit", 6))
    assert newest["pagination"] == {"next_cursor": "", "sort_direction": "DESC", "has_next": False}


def test_a_page_holds_a_hundred_unless_asked_otherwise(reader: Reader, desk: Any) -> None:
    for number in range(101):
        desk.say(MARKET.format(id=f"m{number}"))
    assert len(reader.ask("orders")["orders"]) == 100
    assert len(reader.ask("orders", ("limit", 3000))["orders"]) == 101


def test_orders_that_come_between_two_pages_move_none(reader: Reader, desk: Any) -> None:
    names = _minutely(desk, 3)
    first = reader.ask("orders", ("limit", 2))
    desk.say(MARKET.format(id="late"))
    second = reader.ask("orders", ("limit", 2), ("cursor", first["pagination"]["next_cursor"]))
    told = [order["client_order_id"] for page in (first, second) for order in page["orders"]]
    assert told == names[::-1]


def test_orders_are_chosen_by_time_status_and_product(reader: Reader, desk: Any) -> None:
    _minutely(desk)
    desk.say(MARKET.format(id="eth").replace("BTC", "ETH"))
    desk.say(LIMIT.format(id="bad").replace("BTC", "XYZ"))

    def chosen(*query: tuple[str, object]) -> list[str]:
        return [order["client_order_id"] for order in reader.ask("orders", *query)["orders"]]

    assert chosen(("start_date", "2026-11-23T15:01:00Z"), ("end_date", "2026-11-23T17:04:00+02:00")) == ["n2", "n1"]
    assert chosen(("product_ids", "ETH-USD"), ("product_ids", "SOL-USD")) == ["eth"]
    assert chosen(("order_statuses", "FAILED")) == ["bad"]
    assert chosen(("order_statuses", "OPEN")) == []
    assert len(chosen(("order_statuses", "FAILED"), ("order_statuses", "FILLED"))) == 8


def test_fills_are_those_of_the_book_under_their_exec_ids(reader: Reader, desk: Any) -> None:
    desk.say(LIMIT.format(id="a"))
    desk.fill("0.25", "59000")
    desk.wait(1)
    desk.fill("0.5", "58000")
    desk.say(MARKET.format(id="b"))
    order = desk.order()
    path = f"orders/{order.order_id}/fills"
    first = reader.ask(path, ("limit", 1), ("sort_direction", "ASC"))
    (told,) = first["fills"]
    assert told == {
        "id": order.fills[0].exec_id,
        "portfolio_id": "main",
        "order_id": order.order_id,
        "product_id": "BTC-USD",
        "side": "BUY",
        "filled_quantity": "0.25",
        "filled_value": "14750",
        "price": "59000",
        "time": "2026-11-23T15:00:00.000000Z",
        "commission": "14.75",
        "venue": "otc",
    }
    rest = reader.ask(path, ("sort_direction", "ASC"), ("cursor", first["pagination"]["next_cursor"]))
    assert [fill["id"] for fill in rest["fills"]] == [order.fills[1].exec_id]
    everything = [fill["id"] for fill in reader.ask("fills", ("limit", 3000))["fills"]]
    assert sorted(everything) == sorted(fill.exec_id for name in "ab" for fill in desk.order(name).fills)
    late = reader.ask("fills", ("start_date", "2026-11-23T15:00:01Z"))["fills"]
    assert order.fills[0].exec_id not in [fill["id"] for fill in late] and len(late) == len(everything) - 1


def test_fills_can_have_ids_of_their_own(reader: Reader, desk: Any) -> None:
    desk.say(MARKET.format(id="a"))
    exec_ids = {fill.exec_id for fill in desk.order().fills}
    own = Reader(desk, reader.accounts, rest_own_fill_ids=True)
    twice = [[fill["id"] for fill in own.ask("fills", ("limit", 1))["fills"]] for _ in range(2)]
    assert twice[0] == twice[1] and not exec_ids & set(twice[0])


def test_a_fill_that_was_busted_is_no_more_listed(reader: Reader, desk: Any) -> None:
    desk.say(LIMIT.format(id="a"))
    desk.fill("0.25", "59000")
    desk.exchange.bust(desk.order().fills[0].exec_id, desk.now)
    assert reader.ask("fills")["fills"] == []
    assert reader.ask("open_orders")["orders"][0]["filled_quantity"] == "0"


def test_what_was_turned_away_for_the_rate_never_was_an_order(reader: Reader, desk: Any) -> None:
    message = desk.build("35=D|1=main|" + LIMIT.format(id="a"))
    desk.intake.answer(message, desk.account, True, desk.now)
    assert desk.order().turned_away
    assert reader.ask("orders")["orders"] == [] == reader.ask("open_orders")["orders"]
    assert reader.status(f"/v1/portfolios/main/orders/{desk.order().order_id}") == 404


def test_too_many_open_orders_are_not_listed_at_all(reader: Reader, desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "OPEN_ORDERS_MAX", 1)
    desk.say(LIMIT.format(id="a"))
    assert len(reader.ask("open_orders")["orders"]) == 1
    desk.say(LIMIT.format(id="b"))
    assert reader.status("/v1/portfolios/main/open_orders") == 400


def test_a_portfolio_has_a_burst_of_fifty_and_twenty_five_a_second(desk: Any, accounts: tuple[Account, ...]) -> None:
    reader = Reader(desk, accounts, limits=True)

    def served(key: int, portfolio: str) -> int:
        statuses = [reader.status(f"/v1/portfolios/{portfolio}/fills", key=key) for _ in range(60)]
        assert set(statuses) == {200, 429}
        return statuses.count(200)

    assert served(0, "main") == 50
    assert served(9, "side") == 40  # an address has a hundred, whoever they are for
    desk.now = desk.now.later(0.2)
    assert served(1, "main") == 5  # each second, over all keys of a portfolio


# HTTP


Open = Callable[..., AbstractAsyncContextManager[tuple[int, Gateway]]]


@pytest.fixture
def house(accounts: tuple[Account, ...]) -> Open:
    @asynccontextmanager
    async def running(**settings: Any) -> AsyncIterator[tuple[int, Gateway]]:
        def clock() -> Moment:
            return Moment(trio.current_time(), datetime(2026, 11, 23, 15, tzinfo=UTC) + timedelta(seconds=5))

        gateway = Gateway(SandboxSettings(accounts=accounts, **settings), None, clock)
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(http.serve, gateway.answer_rest, listeners)
            yield port_of(listeners[0]), gateway
            nursery.cancel_scope.cancel()

    return running


def _signed(account: Account, path: str) -> dict[str, str]:
    seconds = str(int(datetime(2026, 11, 23, 15, 0, 5, tzinfo=UTC).timestamp()))
    mac = hmac.new(account.api_secret.reveal().encode(), f"{seconds}GET{path}".encode(), hashlib.sha256).digest()
    return {
        "X-CB-ACCESS-KEY": account.api_key.reveal(),
        "X-CB-ACCESS-PASSPHRASE": account.passphrase.reveal(),
        "X-CB-ACCESS-TIMESTAMP": seconds,
        "X-CB-ACCESS-SIGNATURE": base64.b64encode(mac).decode(),
    }


async def test_a_client_of_another_make_asks_several_times_on_one_connection(
    house: Open, accounts: tuple[Account, ...]
) -> None:
    async with house() as (port, gateway):
        gateway.publish(gateway.exchange.set_price("BTC-USD", Decimal(60000), gateway.now()))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            path = "/v1/portfolios/main/open_orders"
            for _ in range(3):
                reply = await client.get(path, headers=_signed(accounts[0], path))
                assert (reply.status_code, reply.json()) == (200, {"orders": []})
                assert reply.headers["content-type"] == "application/json"
            assert (await client.post(path, headers=_signed(accounts[0], path), content=b"x" * 1000)).status_code == 401
            assert (await client.get(path)).status_code == 401


async def _raw(port: int, data: bytes) -> bytes:
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        told = b""
        with trio.fail_after(30):
            try:
                await stream.send_all(data)
                await stream.send_eof()
                while part := await stream.receive_some():
                    told += part
            except trio.BrokenResourceError:
                pass
        return told


@pytest.mark.parametrize(
    ("data", "first"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"HTTP/1.1 400 "),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"HTTP/1.1 400 "),
        (b"GET http://[ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"HTTP/1.1 401 "),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70000, b"HTTP/1.1 413 "),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n", b"HTTP/1.1 417 "),
        (b"GET / HTTP/1.1\r\nHo", b""),
        (b"", b""),
    ],
)
async def test_what_is_no_request_harms_nobody(
    house: Open, accounts: tuple[Account, ...], data: bytes, first: bytes
) -> None:
    async with house() as (port, _):
        told = await _raw(port, data)
        assert told.startswith(first)
        path = "/v1/portfolios/main/orders"
        async with httpx.AsyncClient(trust_env=False) as client:
            reply = await client.get(f"http://127.0.0.1:{port}{path}", headers=_signed(accounts[0], path))
        assert reply.status_code == 200


async def test_one_connection_too_many_is_closed(
    house: Open, accounts: tuple[Account, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "CONNECTIONS_MAX", 1)
    async with house() as (port, _):
        async with await trio.open_tcp_stream("127.0.0.1", port) as first:
            await first.send_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await first.receive_some()).startswith(b"HTTP/1.1 401 ")
            assert await _raw(port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") == b""
        with trio.fail_after(30):
            while not (await _raw(port, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")):
                await trio.sleep(0.01)


async def test_the_control_port_lets_it_fail_and_rename(house: Open, accounts: tuple[Account, ...]) -> None:
    async with house() as (_, gateway):

        def call(**params: object) -> Any:
            request = {"jsonrpc": "2.0", "id": 1, "method": "venue.rest", "params": params}
            return json.loads(control.answer(gateway, json.dumps(request)) or b"")

        assert call(fail=503)["result"] == {}
        assert gateway.answer_rest("GET", "/", {}).status == 503
        assert call(own_fill_ids=True)["result"] == {}
        assert gateway.rest.own_fill_ids and gateway.answer_rest("GET", "/", {}).status == 401
        assert call()["result"] == {} and not gateway.rest.own_fill_ids
        assert call(fail=200)["error"]["data"] == {"field": "params.fail"}
