"""The stream between trio-websocket and a socket, on which a peer can do no harm.

A send that takes too long or is cancelled closes the socket, since the library would leave half a frame there. On the
server's side the library first reads the request that was composed for it, and nothing else until it has answered.
"""

import trio

SEND_MAX_S = 10.0  # a frame that the socket has not taken by then: the connection is cut


class Wire(trio.abc.Stream):
    """`waiting`: the library waits for bytes; `heard`: some came since it was cleared.

    At most `unclaimed_max_bytes` may come between two `claim()` calls: the library would keep empty frames for ever.
    """

    def __init__(self, stream: trio.abc.Stream, unclaimed_max_bytes: int) -> None:
        self._stream = stream
        self._unclaimed_max_bytes = unclaimed_max_bytes
        self._unclaimed = 0
        self.opened = trio.Event()
        self.waiting = False
        self.heard = False

    def claim(self) -> None:
        """Something useful came out of what was read: a message, or the answer to a ping."""
        self._unclaimed = 0

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        self.waiting = True
        try:
            received = await self._stream.receive_some(max_bytes)
        finally:
            self.waiting = False
        self.heard = True
        self._unclaimed += len(received)
        if self._unclaimed > self._unclaimed_max_bytes:
            raise trio.BrokenResourceError("the peer sent frames without end and no message")
        if not received and not self.opened.is_set():
            raise EOFError("the connection was closed before the handshake was answered")
        return received

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        try:
            with trio.fail_after(SEND_MAX_S):
                await self._stream.send_all(data)
        except trio.TooSlowError:
            await trio.aclose_forcefully(self._stream)
            raise trio.BrokenResourceError("the peer does not read") from None
        except trio.Cancelled:
            await trio.aclose_forcefully(self._stream)
            raise

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def drain(self) -> None:
        """Reads and forgets until the peer closes, lest a reset swallow our last word. Callers bound the time."""
        try:
            while await self._stream.receive_some():
                pass
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError):
            return


class ServerWire(Wire):
    """Begins with `request`; what the peer sends (`early`: what it sent already) is held back until `opened` is set."""

    def __init__(self, stream: trio.abc.Stream, unclaimed_max_bytes: int, *, request: bytes, early: bytes) -> None:
        super().__init__(stream, unclaimed_max_bytes)
        self._request = request
        self._early = early

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if self._request:
            request, self._request = self._request, b""
            return request
        await self.opened.wait()
        if self._early:
            early, self._early = self._early, b""
            return early
        return await super().receive_some(max_bytes)
