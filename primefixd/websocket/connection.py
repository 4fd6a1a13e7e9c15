"""One open WebSocket, of either side: messages in, messages out, kept alive, and closed within a bounded time.

The library's tasks run apart from those that use the connection: if they crash (it does when a peer pings while we
close), the connection is closed and its user sees `Closed`, nothing more.
"""

import logging
from collections.abc import Awaitable, Callable

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from primefixd.websocket.wire import Wire

PING_EVERY_S = 10.0
PONG_MAX_S = 10.0  # contract.md section 3: a client that does not answer within it is cut
SILENCE_MAX_S = 30.0  # a server of ours pings more often, so it is gone: the connection is cut
CLOSE_MAX_S = 1.0  # the closing handshake; after it the socket is closed whatever the peer does
INBOX_MAX = 8  # messages read ahead; at the bound the peer's next bytes stay in the socket
RECEIVE_BYTES = 4096  # what is parsed at one go without letting other tasks run

ABNORMAL, UNSUPPORTED, TOO_BIG = 1006, 1003, 1009

_log = logging.getLogger(__name__)


class Closed(Exception):
    """The connection is over. `code` is RFC 6455's; 1006 means that no close frame was seen."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"the connection is closed ({code}{': ' + reason if reason else ''})")
        self.code = code
        self.reason = reason


class HandshakeFailed(Exception):
    """No WebSocket came about: `status` is the HTTP status that refused it, or None if nobody answered sensibly."""

    def __init__(self, status: int | None, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class Connection:
    """Several tasks may send at once; one receives. Every method raises `Closed` when the connection is over."""

    def __init__(
        self, socket: WebSocketConnection, wire: Wire, message_max_bytes: int, reading: trio.CancelScope
    ) -> None:
        self._socket = socket
        self._wire = wire
        self._message_max_bytes = message_max_bytes
        self._reading = reading

    async def receive(self) -> str:
        """The next text message. A binary one closes the connection with 1003, one that is too long with 1009."""
        try:
            message = await self._socket.get_message()
        except ConnectionClosed:
            raise self._closed() from None
        self._wire.claim()
        if isinstance(message, bytes):
            raise await self._refuse(UNSUPPORTED, "send text frames")
        # The library counts characters. Encoding is spared where even four bytes a character would fit.
        if 4 * len(message) > self._message_max_bytes and len(message.encode()) > self._message_max_bytes:
            raise await self._refuse(TOO_BIG, f"messages are at most {self._message_max_bytes} bytes")
        return message

    async def send(self, text: str | bytes) -> None:
        """Sends one text message (bytes are UTF-8). Cancelling it while the socket is full cuts the connection."""
        try:
            await self._socket.send_message(text.decode() if isinstance(text, bytes) else text)
        except ConnectionClosed:
            raise self._closed() from None

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Says why, waits up to CLOSE_MAX_S for the peer to agree, and closes the socket. May be called again."""
        try:
            with trio.move_on_after(CLOSE_MAX_S):
                await self._socket.aclose(code, reason)
                if self._closed().code == TOO_BIG:  # the library has stopped reading and left the stream open
                    await self._wire.drain()
        finally:
            self._reading.cancel()
            await trio.aclose_forcefully(self._wire)

    async def _refuse(self, code: int, reason: str) -> Closed:
        await self.close(code, reason)
        return Closed(code, reason)

    def _closed(self) -> Closed:
        closed = self._socket.closed
        return Closed(closed.code, closed.reason or "") if closed else Closed(ABNORMAL, "")


async def run_connection(
    wire: Wire,
    shake: Callable[[trio.Nursery], Awaitable[WebSocketConnection]],
    watch: Callable[[WebSocketConnection, Wire], Awaitable[None]],
    message_max_bytes: int,
    *,
    task_status: trio.TaskStatus[Connection],
) -> None:
    """Runs the library's tasks for `wire` until the connection is over; hands the Connection over once `shake` is done.

    What goes wrong before that is raised, in a group. After it, cancellation from outside no longer ends it, so that a
    last word can still be exchanged: `Connection.close` must be called.
    """
    started = False
    try:
        with trio.CancelScope() as reading:
            async with trio.open_nursery() as nursery:
                socket = await shake(nursery)
                wire.opened.set()
                reading.shield = started = True
                task_status.started(Connection(socket, wire, message_max_bytes, reading))
                nursery.start_soon(watch, socket, wire)
    except* Exception as faults:
        if not started:
            raise
        _log.info("a peer broke its connection: %r", faults.exceptions)
    finally:
        await trio.aclose_forcefully(wire)


async def ping_peer(socket: WebSocketConnection, wire: Wire) -> None:
    """Cuts a peer that owes an answer; while the library is kept from reading, we are the slow side."""
    try:
        while True:
            await trio.sleep(PING_EVERY_S)
            with trio.move_on_after(PONG_MAX_S) as wait:
                await socket.ping()
                wire.claim()
            if wait.cancelled_caught and wire.waiting:
                await trio.aclose_forcefully(wire)
    except ConnectionClosed:
        return


async def hear_peer(_socket: WebSocketConnection, wire: Wire) -> None:
    """Cuts a server that has gone silent. It is not asked for pongs: they wait behind requests that keep it busy."""
    while True:
        wire.heard = False
        await trio.sleep(SILENCE_MAX_S)
        if wire.waiting and not wire.heard:
            await trio.aclose_forcefully(wire)
