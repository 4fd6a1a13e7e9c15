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
from primefixd.control.admission import Admission
from primefixd.control.caller import Caller, Following
from primefixd.control.messages import Call, Failure, Frame, parse
from primefixd.control.methods import LIMITS, answer
from primefixd.control.settings import ClientSettings, ControlSettings
from primefixd.runtime.desk import Desk
from primefixd.runtime.feed import Overflowed
from primefixd.websocket import Closed, Connection

SUBPROTOCOL = "primefixd.v1"
OUTGOING_MAX = 64  # messages waiting for one connection's socket; at the bound its requests and events wait as well
HEARTBEAT_S = 5.0  # without an event for so long, a subscriber is told the newest cursor
TRY_AGAIN_LATER, POLICY_VIOLATION = 1013, 1008

_log = structlog.get_logger()


async def serve(
    settings: ControlSettings,
    desk: Desk,
    admission: Admission | None = None,
    *,
    task_status: trio.TaskStatus[tuple[str, ...]] = trio.TASK_STATUS_IGNORED,
) -> Never:
    """Serves `desk` on every address of `settings` until cancelled; reports the URLs, with the ports that were taken.

    `admission` may change who is let in meanwhile. Raises OSError if an address cannot be listened on.
    """
    listeners = [each for address in settings.listen for each in await websocket.listen(address)]
    urls = tuple(websocket.url_of(listener) for listener in listeners)
    admission = admission or Admission(settings.clients)
    converse = partial(_converse, desk, admission)
    async with trio.open_nursery() as nursery:
        serving = partial(websocket.serve, origins=settings.origins, subprotocol=SUBPROTOCOL)
        await nursery.start(serving, listeners, admission.admit, converse, LIMITS)
        task_status.started(urls)
    raise AssertionError("the server does not end by itself")


async def _converse(desk: Desk, admission: Admission, connection: Connection, client: ClientSettings) -> None:
    caller = Caller(client, desk)
    try:
        with desk.presence.present(client.name), admission.present(client) as scope:
            await _Conversation(connection, caller).run()
        if scope.cancelled_caught:
            await connection.close(POLICY_VIOLATION, "the rights of this client have changed; connect again")
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
