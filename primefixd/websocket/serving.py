"""Accepts connections: reads each head itself, lets in whom `admit` admits, keeps every connection's troubles apart.

Nothing that one peer does ends the server or another peer's connection: faults are logged and stay with the connection
that they came from.
"""

import logging
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Generic, Never, TypeVar

import trio
from attrs import frozen
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from primefixd.websocket.connection import INBOX_MAX, RECEIVE_BYTES, Closed, Connection, ping_peer, run_connection
from primefixd.websocket.head import (
    HEAD_END,
    HEAD_MAX_BYTES,
    Head,
    Rejection,
    clean,
    parse,
    refusal,
    response,
)
from primefixd.websocket.listening import Listener, peer_of, socket_paths
from primefixd.websocket.wire import ServerWire

HANDSHAKE_MAX_S = 5.0  # from accept to the answer; then cut
DRAIN_MAX_S = 1.0  # after a rejection, for the peer to read it
INTERNAL_ERROR, GOING_AWAY, NORMAL = 1011, 1001, 1000

_log = logging.getLogger(__name__)
T = TypeVar("T")


@frozen(kw_only=True)
class ServerLimits:
    """At `connections_max` newcomers are answered 503; at `half_open_max` the one that waits longest is cut.

    `unclaimed_max_bytes` may arrive without completing a message (frames without end or content); then the peer is cut.
    """

    message_max_bytes: int = 256 * 1024
    connections_max: int = 256
    half_open_max: int = 64
    unclaimed_max_bytes: int = 8 * 1024 * 1024


async def serve(
    listeners: Sequence[Listener],
    admit: Callable[[Head], T | Rejection],
    converse: Callable[[Connection, T], Awaitable[None]],
    limits: ServerLimits,
    *,
    origins: Collection[str] = (),
    subprotocol: str | None = None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> Never:
    """Serves until cancelled, then closes every connection with 1001 and removes the Unix sockets' files.

    `converse` runs once a connection with what `admit` returned; when it returns, the connection is closed with 1000.
    A Host that is no loopback name and an Origin that is not in `origins` are refused before `admit` is asked.
    """
    paths = socket_paths(listeners)
    server = _Server(admit, converse, limits, origins, subprotocol)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, server.attend, list(listeners))
            task_status.started()
        raise AssertionError("listeners do not end by themselves")
    finally:
        for path in paths:
            path.unlink(missing_ok=True)


class _Server(Generic[T]):
    def __init__(
        self,
        admit: Callable[[Head], T | Rejection],
        converse: Callable[[Connection, T], Awaitable[None]],
        limits: ServerLimits,
        origins: Collection[str],
        subprotocol: str | None,
    ) -> None:
        self._admit = admit
        self._converse = converse
        self._limits = limits
        self._origins = origins
        self._subprotocol = subprotocol
        self._connections = 0
        self._half_open: list[trio.CancelScope] = []

    async def attend(self, stream: trio.SocketStream) -> None:
        """One peer from accept to the end. Exceptions stay here: a peer, or a bug met by one, must not end the rest."""
        try:
            async with trio.open_nursery() as nursery:
                welcome = None
                with self._doorway():
                    welcome = await self._welcome(stream, nursery)
                if welcome is not None:
                    await self._host(*welcome)
        except* (Closed, ConnectionClosed, trio.BrokenResourceError):
            pass
        except* Exception as faults:
            _log.error("a connection ended by a fault of ours", exc_info=faults)

    @contextmanager
    def _doorway(self) -> Iterator[None]:
        """Bounds who has not been let in yet, in time and in number: who waits longest makes room."""
        if len(self._half_open) >= self._limits.half_open_max:
            self._half_open.pop(0).cancel()
        with trio.move_on_after(HANDSHAKE_MAX_S) as scope:
            self._half_open.append(scope)
            try:
                yield
            finally:
                if scope in self._half_open:
                    self._half_open.remove(scope)

    async def _welcome(self, stream: trio.SocketStream, nursery: trio.Nursery) -> tuple[Connection, T] | None:
        data, early = await _read_head(stream)
        head = data if isinstance(data, Rejection) else parse(data, peer_of(stream))
        if isinstance(head, Rejection):
            await _turn_away(stream, head)
            return None
        admitted = self._judge(head)
        if isinstance(admitted, Rejection):
            await _turn_away(stream, admitted)
            return None
        offered = self._subprotocol in head.words("sec-websocket-protocol")
        subprotocol = self._subprotocol if offered else None
        wire = ServerWire(stream, self._limits.unclaimed_max_bytes, request=clean(head, subprotocol), early=early)
        shake = partial(_shake, wire, self._limits.message_max_bytes, subprotocol)
        return await nursery.start(run_connection, wire, shake, ping_peer, self._limits.message_max_bytes), admitted

    def _judge(self, head: Head) -> T | Rejection:
        refused = refusal(head, self._origins)
        if refused is not None:
            return refused
        if self._connections >= self._limits.connections_max:
            return Rejection(503, "Too many connections are open; close one and try again.")
        return self._admit(head)

    async def _host(self, connection: Connection, admitted: T) -> None:
        self._connections += 1
        code, reason = NORMAL, ""
        try:
            await self._converse(connection, admitted)
        except BaseException as error:
            code, reason = (
                (INTERNAL_ERROR, "internal error") if isinstance(error, Exception) else (GOING_AWAY, "stopping")
            )
            raise
        finally:
            self._connections -= 1
            with trio.CancelScope(shield=True):
                await connection.close(code, reason)


async def _read_head(stream: trio.SocketStream) -> tuple[bytes | Rejection, bytes]:
    """The bytes of the head without its end, and what came after it already."""
    received = bytearray()
    while (end := received.find(HEAD_END)) < 0 and len(received) <= HEAD_MAX_BYTES:
        more = await stream.receive_some(HEAD_MAX_BYTES)
        if not more:
            raise trio.BrokenResourceError("closed before a whole request came")
        received += more
    if not 0 <= end <= HEAD_MAX_BYTES:
        return Rejection(431, f"The request head is longer than {HEAD_MAX_BYTES} bytes."), b""
    return bytes(received[:end]), bytes(received[end + len(HEAD_END) :])


async def _turn_away(stream: trio.SocketStream, rejection: Rejection) -> None:
    await stream.send_all(response(rejection))
    await stream.send_eof()
    with trio.move_on_after(DRAIN_MAX_S):  # closing with unread bytes would reset, and the answer be lost
        while await stream.receive_some():
            pass


async def _shake(
    wire: ServerWire, message_max_bytes: int, subprotocol: str | None, nursery: trio.Nursery
) -> WebSocketConnection:
    request = await wrap_server_stream(nursery, wire, INBOX_MAX, message_max_bytes, receive_buffer_size=RECEIVE_BYTES)
    return await request.accept(subprotocol=subprotocol)
