"""Connects to a server of ours, over the loopback or a Unix socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import cast
from urllib.parse import urlsplit

import trio
from trio_websocket import ConnectionRejected, WebSocketConnection, wrap_client_stream

from primefixd.websocket.connection import INBOX_MAX, Connection, HandshakeFailed, hear_peer, run_connection
from primefixd.websocket.nursery import background
from primefixd.websocket.wire import Wire

CONNECT_MAX_S = 5.0
MESSAGE_MAX_BYTES = 64 * 1024 * 1024  # a snapshot of many orders is one message
RECEIVE_BYTES = 64 * 1024


@asynccontextmanager
async def connect(url: str, *, token: str | None = None, subprotocol: str | None = None) -> AsyncIterator[Connection]:
    """A connection to `ws://HOST:PORT[/PATH]` or `unix:PATH`, closed at the end of the block.

    `token` goes into the Authorization header. Raises HandshakeFailed, OSError (nobody there) or ValueError (the URL);
    what the block raises comes out as it is, not in a group.
    """
    async with background() as nursery:
        connection = await _open(nursery, url, token, subprotocol)
        try:
            yield connection
        finally:
            with trio.CancelScope(shield=True):
                await connection.close()


async def _open(nursery: trio.Nursery, url: str, token: str | None, subprotocol: str | None) -> Connection:
    if token is not None and not (token.isascii() and token.isprintable() and " " not in token and token):
        raise HandshakeFailed(401, "a token is printable ASCII text without blanks; check the one that was given")
    with trio.move_on_after(CONNECT_MAX_S):
        stream, host, path = await _open_stream(url)
        wire = Wire(stream, 2 * MESSAGE_MAX_BYTES)
        shake = partial(_shake, wire, host, path, token, subprotocol)
        try:
            connection: Connection = await nursery.start(run_connection, wire, shake, hear_peer, MESSAGE_MAX_BYTES)
        except BaseExceptionGroup as group:
            raise _first_failure(group) from None
        return connection
    raise HandshakeFailed(None, f"{url} did not answer within {CONNECT_MAX_S:g} s")


async def _open_stream(url: str) -> tuple[trio.SocketStream, str, str]:
    """The stream, and what Host and the request's path say."""
    if url.startswith("unix:"):
        return await trio.open_unix_socket(url.removeprefix("unix:")), "localhost", "/"
    parts = urlsplit(url)
    if parts.scheme != "ws" or not parts.hostname:
        raise ValueError(f"cannot connect to {url}: give ws://HOST:PORT or unix:PATH")
    stream = await trio.open_tcp_stream(parts.hostname, parts.port or 80)  # noqa: TID251  the client's own port
    return stream, parts.netloc.rpartition("@")[2], parts.path or "/"


async def _shake(
    wire: Wire, host: str, path: str, token: str | None, subprotocol: str | None, nursery: trio.Nursery
) -> WebSocketConnection:
    return await wrap_client_stream(
        nursery,
        cast(trio.SocketStream, wire),
        host,
        path,
        subprotocols=[subprotocol] if subprotocol else None,
        extra_headers=[(b"Authorization", f"Bearer {token}".encode())] if token is not None else None,
        message_queue_size=INBOX_MAX,
        max_message_size=MESSAGE_MAX_BYTES,
        receive_buffer_size=RECEIVE_BYTES,
    )


def _first_failure(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What ended the handshake, without the group that nurseries put around it."""
    errors = _leaves(group)
    for error in errors:
        if isinstance(error, ConnectionRejected):
            body = (error.body or b"").decode("utf-8", "replace").strip()
            return HandshakeFailed(error.status_code, body or f"HTTP status {error.status_code}")
    for error in errors:
        if not isinstance(error, Exception):
            return error
    return HandshakeFailed(None, f"no WebSocket server answered there ({errors[0]})")


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    leaves: list[BaseException] = []
    for error in group.exceptions:
        leaves += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return leaves
