"""The control plane's server: who may connect, and one conversation a connection.

A conversation is one task that executes requests in their order, one that writes, and one that tells events while it is
subscribed. Whoever reads too slowly is disconnected and comes back by cursor: neither the feed nor another client ever
waits for it. What methods do is in `methods`, what texts mean in `messages` and `render`.
"""

from functools import partial
from typing import Never

import structlog
import trio

from primefixd import websocket
from primefixd.control import render
from primefixd.control.messages import Call, Failure, Frame, parse
from primefixd.control.methods import LIMITS, Caller, Following, answer
from primefixd.control.settings import ClientSettings, ControlSettings
from primefixd.runtime.desk import Desk
from primefixd.runtime.feed import Overflowed
from primefixd.websocket import Closed, Connection, Head, Rejection

SUBPROTOCOL = "primefixd.v1"
OUTGOING_MAX = 64  # messages waiting for one connection's socket; at the bound its requests and events wait as well
HEARTBEAT_S = 5.0  # without an event for so long, a subscriber is told the newest cursor
TRY_AGAIN_LATER = 1013

_log = structlog.get_logger()


async def serve(
    settings: ControlSettings, desk: Desk, *, task_status: trio.TaskStatus[tuple[str, ...]] = trio.TASK_STATUS_IGNORED
) -> Never:
    """Serves `desk` on every address of `settings` until cancelled; reports the URLs, with the ports that were taken.

    Raises OSError if an address cannot be listened on.
    """
    listeners = [each for address in settings.listen for each in await websocket.listen(address)]
    urls = tuple(websocket.url_of(listener) for listener in listeners)
    admit = partial(admitted, settings.clients)
    converse = partial(_converse, desk)
    async with trio.open_nursery() as nursery:
        serving = partial(websocket.serve, origins=settings.origins, subprotocol=SUBPROTOCOL)
        await nursery.start(serving, listeners, admit, converse, LIMITS)
        task_status.started(urls)
    raise AssertionError("the server does not end by itself")


def admitted(clients: tuple[ClientSettings, ...], head: Head) -> ClientSettings | Rejection:
    """The client whose token the handshake carries; without any, on a Unix socket, the one with the peer's user id."""
    authorization = head.header("authorization")
    scheme, _, token = (authorization or "").partition(" ")
    if authorization is None:
        found = [each for each in clients if head.peer.unix and each.uid is not None and each.uid == head.peer.uid]
    else:
        known = [each for each in clients if each.token is not None and each.token.matches(token.strip())]
        found = known if scheme.lower() == "bearer" else []
    if found:
        return found[0]
    _log.warning("client_refused", token=authorization is not None, unix=head.peer.unix, uid=head.peer.uid)
    return Rejection(401, "Give the token of a configured client as Authorization: Bearer TOKEN.")


async def _converse(desk: Desk, connection: Connection, client: ClientSettings) -> None:
    caller = Caller(client, desk)
    try:
        await _Conversation(connection, caller).run()
    finally:
        caller.leave()


class _Conversation:
    def __init__(self, connection: Connection, caller: Caller) -> None:
        self._connection = connection
        self._caller = caller
        self._outgoing, self._written = trio.open_memory_channel[bytes](OUTGOING_MAX)
        self._followed: Following | None = None
        self._following = trio.CancelScope()

    async def run(self) -> None:
        """Until the connection is over; a request that is being executed is not given up for that."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write)
            try:
                while True:
                    await self._serve(parse(await self._connection.receive()), nursery)
            except (Closed, trio.BrokenResourceError):
                nursery.cancel_scope.cancel()

    async def _write(self) -> None:
        with self._written:  # when it closes, nobody waits for room in it any more
            try:
                async for message in self._written:
                    await self._connection.send(message)
            except Closed:
                return

    async def _serve(self, frame: Frame, nursery: trio.Nursery) -> None:
        replies = [await self._reply(request) for request in frame.requests]
        changed = self._caller.following is not self._followed
        if changed:
            self._following.cancel()
        await self._outgoing.send(render.batch(replies) if frame.batch else replies[0])
        if changed:
            self._followed, self._following = self._caller.following, trio.CancelScope()
            if self._followed is not None:
                nursery.start_soon(self._tell, self._followed, self._following)

    async def _reply(self, request: Call | Failure) -> bytes:
        """The reply to one request. A bug in it is logged and answered; neither it nor a long batch holds others up."""
        await trio.lowlevel.checkpoint()
        if isinstance(request, Failure):
            return render.failure(request)
        try:
            told = await answer(self._caller, request)
            return render.failure(told) if isinstance(told, Failure) else render.reply(request.id, told)
        except Exception:
            _log.exception("request_failed", client=self._caller.client.name, method=request.method)
            return render.failure(render.internal(request.id, request.method))

    async def _tell(self, followed: Following, scope: trio.CancelScope) -> None:
        try:
            with scope:
                await self._tell_events(followed)
        except Overflowed:
            _log.warning("client_too_slow", client=self._caller.client.name)
            with trio.CancelScope(shield=True):  # the reader sees the end at once, the peer may need the whole second
                await self._connection.close(TRY_AGAIN_LATER, "too slow; resume from your last cursor")
        except trio.BrokenResourceError:
            return

    async def _tell_events(self, followed: Following) -> None:
        desk, previous = self._caller.desk, followed.cursor
        while True:
            # Read before the wait: whatever this client is to hear up to there has come by the time that it is told.
            reached = max(followed.follower.reached, previous)
            event = None
            with trio.move_on_after(HEARTBEAT_S):
                event = await followed.follower.next()
            if event is None:
                text, cursor = render.heartbeat(reached, previous, desk.clock().utc), reached
            else:
                text, cursor = render.event(event, previous), event.cursor
            await self._outgoing.send(text)
            previous = cursor
