"""A small HTTP/1.1 server for the loopback: bytes to requests and answers to bytes, by h11.

It knows nothing of what it serves. A peer that breaks the protocol, sends too much or says nothing is answered if that
is possible, and let go.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, Never

import h11
import trio
from attrs import frozen

CONNECTIONS_MAX = 128  # at once; the next is closed at once
BODY_MAX_BYTES: Final = 65_536  # of a request; what is longer ends the connection
IDLE_S: Final = 60.0  # without a whole request; then the connection is closed
SEND_S: Final = 60.0  # for one answer; a peer that does not read it in time is let go
READ_BYTES: Final = 65_536

_log = logging.getLogger(__name__)


@frozen
class Answer:
    """What a request is answered with; `headers` beside Content-Type and Content-Length."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


Respond = Callable[[str, str, Mapping[str, str]], Answer]
"""Method, target and headers (names in small letters) to an answer."""


async def serve(respond: Respond, listeners: Sequence[trio.SocketListener]) -> Never:
    """Serves these listeners until cancelled, and closes them then."""
    places = trio.CapacityLimiter(CONNECTIONS_MAX)
    await trio.serve_listeners(partial(_converse, respond, places), list(listeners))
    raise AssertionError("the listeners never end by themselves")


async def _converse(respond: Respond, places: trio.CapacityLimiter, stream: trio.abc.Stream) -> None:
    """One connection to its end; whatever comes on it, nothing is raised."""
    try:
        places.acquire_on_behalf_of_nowait(stream)
    except trio.WouldBlock:
        await trio.aclose_forcefully(stream)
        return
    connection = h11.Connection(h11.SERVER)
    try:
        while await _serve_one(connection, stream, respond):
            connection.start_next_cycle()
    except h11.RemoteProtocolError as error:
        await _refuse(connection, stream, error)
    except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
        pass
    finally:
        places.release_on_behalf_of(stream)
        await trio.aclose_forcefully(stream)


async def _serve_one(connection: h11.Connection, stream: trio.abc.Stream, respond: Respond) -> bool:
    """One request and its answer; whether another may follow."""
    with trio.fail_after(IDLE_S):
        request = await _request(connection, stream)
    if request is None:
        return False
    headers = {name.decode(): value.decode("utf-8", "backslashreplace") for name, value in request.headers}
    method = request.method.decode()
    try:
        answer = respond(method, request.target.decode("latin-1"), headers)
    except Exception:
        _log.exception("a request ended by a fault of ours")
        answer = Answer(500, b'{"message": "internal error"}')
    await _send(connection, stream, answer, body=method != "HEAD")
    return connection.our_state is h11.DONE and connection.their_state is h11.DONE


async def _request(connection: h11.Connection, stream: trio.abc.Stream) -> h11.Request | None:
    """The next request, whose body is read and dropped; None when the peer is gone."""
    request: h11.Request | None = None
    length = 0
    while True:
        match connection.next_event():
            case h11.NEED_DATA:
                if connection.they_are_waiting_for_100_continue:
                    raise h11.RemoteProtocolError("no request here has a body", error_status_hint=417)
                connection.receive_data(bytes(await stream.receive_some(READ_BYTES)))
            case h11.Request() as begun:
                request = begun
            case h11.Data(data=data):
                length += len(data)
                if length > BODY_MAX_BYTES:
                    raise h11.RemoteProtocolError("the body is too long", error_status_hint=413)
            case h11.EndOfMessage():
                return request
            case _:  # ConnectionClosed, or PAUSED by something that is no HTTP/1.1 any more
                return None


async def _refuse(connection: h11.Connection, stream: trio.abc.Stream, error: h11.RemoteProtocolError) -> None:
    if connection.our_state in (h11.IDLE, h11.SEND_RESPONSE):
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
            await _send(connection, stream, Answer(error.error_status_hint, b'{"message": "bad request"}'))


async def _send(connection: h11.Connection, stream: trio.abc.Stream, answer: Answer, *, body: bool = True) -> None:
    headers = [("content-type", answer.content_type), ("content-length", str(len(answer.body))), *answer.headers]
    parts = (
        h11.Response(status_code=answer.status, headers=headers),
        h11.Data(data=answer.body if body else b""),
        h11.EndOfMessage(),
    )
    with trio.fail_after(SEND_S):
        await stream.send_all(b"".join(connection.send(part) or b"" for part in parts))
