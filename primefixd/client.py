"""A small trio client for the daemon's control plane (contract.md section 3).

Any number of tasks may call at once; replies come in any order. It never retries: whether a request that was lost may
be sent again is the caller's to know, and every error says whether it can have been sent. It does not reconnect: come
back with `connect`, and subscribe from the last cursor that was seen.
"""

import json
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, Literal, Required, Self, TypedDict, Unpack

import trio
from attrs import define, field

from primefixd import websocket
from primefixd.websocket import Closed, Connection, HandshakeFailed

RUNTIME_SOCKET = Path("/run/primefixd/control.sock")
LOOPBACK_URL = "ws://127.0.0.1:8417"
UNSUBSCRIBE_MAX_S = 1.0  # then the daemon's answer is not waited for
EVENTS_WAITING_MAX = 20_000  # unread events of a subscription; at the bound it ends with EventsLost

JSON = dict[str, Any]
Side = Literal["BUY", "SELL"]


class Unreachable(Exception):
    """No daemon answers at that URL."""


class Refused(Exception):
    """The daemon's answer is an error. `code` and `reason` are the contract's, or the HTTP status for a handshake."""

    def __init__(self, code: int, message: str, data: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    @property
    def reason(self) -> str | None:
        return self.data.get("reason")


class ConnectionLost(Exception):
    """The connection ended before the reply came. `sent` tells whether the daemon can have had the request."""

    def __init__(self, sent: bool, why: str) -> None:
        became = "the request can have been sent: ask what became of it" if sent else "the request was not sent"
        super().__init__(f"{why}; {became}")
        self.sent = sent


class EventsLost(Exception):
    """Events are missing, or were not read fast enough: subscribe anew from the last cursor that was seen."""


class Changes(TypedDict, total=False):
    """What `order.replace` can change; quantities and prices are texts or Decimals, never floats."""

    base_quantity: str | Decimal
    quote_value: str | Decimal
    limit_price: str | Decimal
    stop_price: str | Decimal
    expiry_time: str | datetime
    display_base_size: str | Decimal


class NewOrder(Changes, total=False):
    """What `order.submit` takes."""

    product_id: Required[str]
    side: Required[Side]
    type: Required[str]
    time_in_force: str
    start_time: str | datetime
    historical_pov: str | Decimal
    post_only: bool
    display_quote_size: str | Decimal
    is_raise_exact: bool
    is_buy_exact: bool
    peg_offset_type: str
    offset: str | Decimal
    wig_level: str | Decimal
    quote_id: str
    client_order_id: str
    portfolio: str
    session: str
    ttl_ms: int
    deadline: str | datetime


class Submitted(TypedDict):
    client_order_id: str
    status: str
    cursor: int
    duplicate: bool
    warnings: list[str]


class Cancelling(TypedDict):
    client_order_id: str
    status: str
    cursor: int


class Page(TypedDict):
    orders: list[JSON]
    next: str | None


def find(url: str | None, environ: Mapping[str, str]) -> str:
    """Where the daemon is: `url`, else PRIMEFIXD_URL, else the service's socket if there is one, else the loopback."""
    if url or (url := environ.get("PRIMEFIXD_URL")):
        return url
    return f"unix:{RUNTIME_SOCKET}" if RUNTIME_SOCKET.is_socket() else LOOPBACK_URL


def find_token(file: Path | None, environ: Mapping[str, str]) -> str | None:
    """The token: the first line of `file` (OSError if it cannot be read), else PRIMEFIXD_TOKEN, else None."""
    if file is not None:
        return file.read_text().partition("\n")[0].strip()
    return environ.get("PRIMEFIXD_TOKEN") or None


@asynccontextmanager
async def connect(url: str, token: str | None = None) -> "AsyncIterator[Client]":
    """A client of the daemon at `ws://HOST:PORT` or `unix:PATH`, for the length of the block.

    Raises Unreachable if there is no daemon, Refused if it turns the token away. What the block raises comes out as it
    is, not in a group.
    """
    async with AsyncExitStack() as stack:
        client = Client(await _dial(stack, url, token))
        nursery = await stack.enter_async_context(websocket.background())
        nursery.start_soon(client._write)
        nursery.start_soon(client._read)
        yield client


async def _dial(stack: AsyncExitStack, url: str, token: str | None) -> Connection:
    connecting = websocket.connect(url, token=token, subprotocol="primefixd.v1")
    try:
        return await stack.enter_async_context(connecting)
    except HandshakeFailed as failed:
        if failed.status is None:
            raise Unreachable(f"{url}: {failed}") from None
        raise Refused(failed.status, failed.text, {}) from None
    except (OSError, ValueError) as error:
        raise Unreachable(f"no daemon answers at {url} ({error}); start primefixd or give its URL") from None


@define
class _Pending:
    """One request on its way."""

    text: str
    sent: bool = False
    reply: JSON | None = None
    answered: trio.Event = field(factory=trio.Event)


class Client:
    """Made by `connect`. Methods raise Refused or ConnectionLost; their results are the contract's, as plain JSON."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ids = count(1)
        self._pending: dict[int, _Pending] = {}
        self._requests, self._departing = trio.open_memory_channel[_Pending](0)
        self._events: Events | None = None
        self._ended: str | None = None

    async def call(self, method: str, **params: Any) -> Any:
        """The result of any method. Params that are None are left out; Decimal and datetime become texts.

        A trailing underscore of a name is dropped, so that `from_` can be given. A call that is cancelled leaves open
        whether the request was executed.
        """
        given = {name.rstrip("_"): value for name, value in params.items() if value is not None}
        number = next(self._ids)
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": given}
        pending = _Pending(json.dumps(request, default=_plain))
        self._pending[number] = pending
        try:
            await self._send(pending)
            await pending.answered.wait()
        finally:
            del self._pending[number]
        if pending.reply is None:
            raise ConnectionLost(pending.sent, self._ended or "the connection was lost")
        return _result(pending.reply)

    async def submit(self, **order: Unpack[NewOrder]) -> Submitted:
        """`order.submit`. Give a `client_order_id`: with it a request whose reply was lost can be repeated safely."""
        result: Submitted = await self.call("order.submit", **order)
        return result

    async def replace(
        self, id_: str, *, new_id: str | None = None, portfolio: str | None = None, **changes: Unpack[Changes]
    ) -> Submitted:
        """`order.replace` of the order whose client_order_id is `id_`. Give the new id, for the same reason."""
        ids = {"client_order_id": id_, "new_client_order_id": new_id, "portfolio": portfolio}
        result: Submitted = await self.call("order.replace", **ids, **changes)
        return result

    async def cancel(
        self, client_order_id: str | None = None, *, order_id: str | None = None, portfolio: str | None = None
    ) -> Cancelling:
        """`order.cancel`, by our id or the venue's."""
        result: Cancelling = await self.call(
            "order.cancel", client_order_id=client_order_id, order_id=order_id, portfolio=portfolio
        )
        return result

    async def cancel_all(
        self, *, portfolio: str | None = None, product_id: str | None = None, side: Side | None = None
    ) -> int:
        """`order.cancel_all`; returns for how many orders a cancel was requested."""
        result = await self.call("order.cancel_all", portfolio=portfolio, product_id=product_id, side=side)
        return int(result["requested"])

    async def order(
        self, client_order_id: str | None = None, *, order_id: str | None = None, portfolio: str | None = None
    ) -> JSON:
        """`order.get`, by our id or the venue's."""
        result: JSON = await self.call(
            "order.get", client_order_id=client_order_id, order_id=order_id, portfolio=portfolio
        )
        return result

    async def orders(
        self,
        *,
        portfolio: str | None = None,
        open: bool | None = None,
        product_id: str | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> Page:
        """One page of `order.list`; its `next` is the `after` of the following one."""
        result: Page = await self.call(
            "order.list", portfolio=portfolio, open=open, product_id=product_id, limit=limit, after=after
        )
        return result

    async def portfolios(self) -> list[JSON]:
        """`portfolio.list`."""
        return list((await self.call("portfolio.list"))["portfolios"])

    async def sessions(self) -> list[JSON]:
        """`session.list`."""
        return list((await self.call("session.list"))["sessions"])

    async def info(self) -> JSON:
        """`server.info`."""
        result: JSON = await self.call("server.info")
        return result

    @asynccontextmanager
    async def subscribe(
        self,
        *,
        from_: int | None = None,
        journal: str | None = None,
        snapshot: bool | None = None,
        portfolios: list[str] | None = None,
    ) -> "AsyncIterator[Events]":
        """`events.subscribe`, for the length of the block; one at a time on a connection."""
        if self._events is not None:
            raise RuntimeError("this client is subscribed already")
        events = self._events = Events()
        try:
            told = await self.call(
                "events.subscribe", from_=from_, journal=journal, snapshot=snapshot, portfolios=portfolios
            )
            events.begin(told)
            try:
                yield events
            finally:
                await self._unsubscribe()
        finally:
            self._events = None

    async def _unsubscribe(self) -> None:
        with trio.CancelScope(shield=True), trio.move_on_after(UNSUBSCRIBE_MAX_S), suppress(ConnectionLost):
            await self.call("events.unsubscribe")

    async def _send(self, pending: _Pending) -> None:
        try:
            await self._requests.send(pending)
        except trio.BrokenResourceError:
            pending.answered.set()

    async def _write(self) -> None:
        try:
            async for pending in self._departing:
                pending.sent = True
                await self._connection.send(pending.text)
        except (Closed, trio.ClosedResourceError):
            return  # the reader sees the end too, and tells

    async def _read(self) -> None:
        try:
            while True:
                self._heard(json.loads(await self._connection.receive()))
        except Closed as closed:
            self._end(closed)

    def _heard(self, message: JSON) -> None:
        if message.get("method") == "event":
            if self._events is not None:
                self._events.offer(message["params"])
            return
        pending = self._pending.get(message["id"]) if message.get("id") is not None else None
        if pending is not None:  # a call that was cancelled does not wait any more
            pending.reply = message
            pending.answered.set()

    def _end(self, closed: Closed) -> None:
        self._ended = str(closed)
        self._departing.close()
        for pending in self._pending.values():
            pending.answered.set()
        if self._events is not None:
            self._events.end(ConnectionLost(False, self._ended))


class Events:
    """The events of one subscription, to be iterated over; heartbeats are among them.

    `journal`, `cursor` and, with a snapshot, `orders` are those of the daemon's answer. Raises EventsLost or
    ConnectionLost when it cannot go on.
    """

    def __init__(self) -> None:
        self.journal = ""
        self.cursor = 0
        self.orders: list[JSON] | None = None
        self._waiting: deque[JSON] = deque()
        self._news = trio.Event()
        self._failure: Exception | None = None

    def begin(self, told: JSON) -> None:
        self.journal, self.cursor, self.orders = told["journal"], told["cursor"], told.get("orders")

    def offer(self, event: JSON) -> None:
        """One more came. Never waits: replies come on the same connection."""
        if self._failure is not None:
            return
        if len(self._waiting) < EVENTS_WAITING_MAX:
            self._waiting.append(event)
            self._news.set()
        else:
            self.end(EventsLost(f"{EVENTS_WAITING_MAX} events wait to be read; read faster, and resume by cursor"))

    def end(self, failure: Exception) -> None:
        """Nothing more comes after what waits."""
        if self._failure is None:
            self._failure = failure
            self._news.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> JSON:
        while not self._waiting:
            if self._failure is not None:
                raise self._failure
            self._news = trio.Event()
            await self._news.wait()
        event = self._waiting.popleft()
        if event["previous"] != self.cursor:
            raise EventsLost(f"the event before {event['cursor']} is {event['previous']}, but {self.cursor} was seen")
        self.cursor = event["cursor"]
        return event


def _plain(value: object) -> str:
    if isinstance(value, Decimal) and value.is_finite():
        return format(value, "f")
    if isinstance(value, datetime) and value.utcoffset() is not None:
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    raise TypeError(f"cannot send {value!r}: give texts, whole numbers, finite Decimals or aware datetimes")


def _result(reply: JSON) -> Any:
    error = reply.get("error")
    if error is None:
        return reply["result"]
    raise Refused(error["code"], error["message"], error.get("data") or {})
