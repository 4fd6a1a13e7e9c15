"""Hostile peers on the port, byte by byte, while a good client beside them keeps getting its answers undisturbed."""

import struct
from contextlib import asynccontextmanager, suppress
from functools import partial

import pytest
import trio

from primefixd import websocket
from primefixd.websocket import ServerLimits

KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
GOOD = ["GET / HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: keep-alive, Upgrade", KEY]
GOOD += ["Sec-WebSocket-Version: 13"]
LIMITS = ServerLimits(message_max_bytes=256 * 1024, half_open_max=20, unclaimed_max_bytes=1024 * 1024)
TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10


def head(*changes, lines=GOOD):
    """A good request in which each change replaces the line of its header, or is added."""
    names = {change.partition(":")[0] for change in changes}
    return "\r\n".join([line for line in lines if line.partition(":")[0] not in names] + list(changes)) + "\r\n\r\n"


def frame(opcode, payload=b"", fin=True, mask=True, rsv=0):
    size = len(payload)
    short = size if size < 126 else 126 if size < 65536 else 127
    extra = struct.pack({126: "!H", 127: "!Q"}[short], size) if short >= 126 else b""
    return bytes([fin << 7 | rsv << 4 | opcode, mask << 7 | short]) + extra + (b"\0\0\0\0" if mask else b"") + payload


async def echo(connection, _):
    while True:
        await connection.send(await connection.receive())


class Server:
    def __init__(self, listener):
        self.url = websocket.url_of(listener)
        self._port = int(self.url.rpartition(":")[2])

    async def raw(self):
        return await trio.open_tcp_stream("127.0.0.1", self._port)

    @asynccontextmanager
    async def upgraded(self):
        async with await self.raw() as stream:
            await stream.send_all(head().encode())
            answer = await stream.receive_some()
            assert answer.startswith(b"HTTP/1.1 101 ")
            yield stream

    async def answer(self, request):
        """All that the server says to these bytes until it closes, or until it has switched protocols."""
        async with await self.raw() as stream:
            answer = b""
            try:
                await stream.send_all(request if isinstance(request, bytes) else request.encode())
                while not answer.startswith(b"HTTP/1.1 101 ") and (more := await stream.receive_some()):
                    answer += more
            except trio.BrokenResourceError:
                pass
            return answer.decode()


@pytest.fixture
async def server(nursery):
    """A server, and around the whole test a good client that must be served as if nobody else were there."""
    listeners = await websocket.listen("127.0.0.1:0")
    await nursery.start(partial(websocket.serve, listeners, lambda head: head.peer, echo, LIMITS))
    server = Server(listeners[0])
    async with websocket.connect(server.url) as good:
        await say(good, "before")
        yield server
        await say(good, "after")
    async with websocket.connect(server.url) as late:
        await say(late, "newcomer")
    nursery.cancel_scope.cancel()


async def say(connection, text):
    with trio.fail_after(2):
        await connection.send(text)
        assert await connection.receive() == text


async def rest(stream):
    """All that still comes, until the server closes."""
    received = b""
    try:
        while more := await stream.receive_some():
            received += more
    except trio.BrokenResourceError:
        pass
    return received


JUNK = {
    "empty lines": "\r\n\r\n\r\n",
    "binary": bytes(range(256)) + b"\r\n\r\n",
    "another protocol": "SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "fix": "8=FIX.4.2\x019=5\x0135=0\x0110=161\x01\r\n\r\n",
    "http 1.0": head(lines=["GET / HTTP/1.0", *GOOD[1:]]),
    "http 2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "folded": head("X-A: b\r\n c"),
    "no colon": head("nonsense"),
    "space before colon": head("X-A : b"),
    "bare line feed": head("X-A: b\nX-C: d"),
    "nul": head("X-A: \0"),
    "escape": head("X-A: \x1b[2J"),
    "host not ascii": head("Host: bücher.example"),
    "host twice": head("Host: localhost\r\nHost: localhost"),
    "host missing": head(lines=[line for line in GOOD if not line.startswith("Host")]),
    "extensions not ascii": head("Sec-WebSocket-Extensions: permessage-dÉflate"),
    "protocol not ascii": head("Sec-WebSocket-Protocol: prîme"),
    "key missing": head(lines=[line for line in GOOD if line != KEY]),
    "key short": head("Sec-WebSocket-Key: YQ=="),
    "key not base64": head("Sec-WebSocket-Key: ????????????????????????"),
    "key twice": head(f"{KEY}\r\n{KEY}"),
    "no connection": head("Connection: close"),
}


@pytest.mark.parametrize("request_", JUNK.values(), ids=JUNK)
async def test_what_is_no_request_is_answered_400(server, request_):
    with trio.fail_after(2):
        answer = await server.answer(request_)
    assert answer.startswith("HTTP/1.1 400 Bad Request\r\n")
    assert answer.partition("\r\n\r\n")[2].strip().endswith(".")


@pytest.mark.parametrize(
    "host",
    ["example.org", "localhost.example.org", "127.0.0.1.nip.io", "192.0.2.1:8417", "[::2]", "0.0.0.0", "2130706433",
     "127.1", "localhost:port", "user@localhost", "localhost,example.org", "", "localhost/"],
)  # fmt: skip
async def test_a_host_that_is_no_loopback_name_is_forbidden(server, host):
    answer = await server.answer(head(f"Host: {host}"))
    assert answer.startswith("HTTP/1.1 403 ")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8417", "127.0.0.1", "127.3.2.1:80", "[::1]", "[::1]:8417"])
async def test_a_loopback_host_is_let_in(server, host):
    assert (await server.answer(head(f"Host: {host}"))).startswith("HTTP/1.1 101 ")


async def test_an_origin_is_forbidden(server):
    assert (await server.answer(head("Origin: http://localhost:8417"))).startswith("HTTP/1.1 403 ")
    assert (await server.answer(head("origin: null"))).startswith("HTTP/1.1 403 ")


async def test_an_origin_that_is_configured_is_let_in_and_host_is_not_asked_for_on_a_unix_socket(nursery, tmp_path):
    listeners = await websocket.listen(f"unix:{tmp_path}/s")
    options = {"origins": ("https://desk.example",)}
    await nursery.start(partial(websocket.serve, listeners, lambda head: head.peer, echo, LIMITS, **options))
    async with await trio.open_unix_socket(f"{tmp_path}/s") as stream:
        await stream.send_all(head("Host: anything.example", "Origin: https://desk.example").encode())
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 101 ")
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "request_",
    ["GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", head(lines=["POST / HTTP/1.1", *GOOD[1:]]), head("Upgrade: h2c"),
     head("Sec-WebSocket-Version: 8")],
    ids=["browser", "post", "other upgrade", "version 8"],
)  # fmt: skip
async def test_another_use_of_the_port_is_told_to_upgrade(server, request_):
    answer = await server.answer(request_)
    assert answer.startswith("HTTP/1.1 426 ") and "Sec-WebSocket-Version: 13" in answer


async def test_a_huge_head_is_refused_at_its_bound(server):
    assert (await server.answer(head("X-A: " + "a" * 9000))).startswith("HTTP/1.1 431 ")
    assert (await server.answer(b"G" * 100_000)).startswith("HTTP/1.1 431 ")
    assert (await server.answer(head(*(f"X-{n}: a" for n in range(2000))))).startswith("HTTP/1.1 431 ")


async def test_compression_is_not_agreed_to_and_a_compressed_frame_closes(server):
    answer = await server.answer(head("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"))
    assert answer.startswith("HTTP/1.1 101 ") and "xtensions" not in answer
    async with server.upgraded() as stream:
        with trio.fail_after(2):
            await stream.send_all(frame(TEXT, b"\x00" * 100, rsv=4))
            await rest(stream)


@pytest.mark.parametrize("half", ["", "GET / HT", head()[:-2], "\r\n"], ids=["nothing", "line", "head", "newline"])
async def test_half_a_handshake_is_cut_after_five_seconds(server, half, autojump_clock):
    async with await server.raw() as stream:
        began = trio.current_time()
        await stream.send_all(half.encode())
        assert await rest(stream) == b""
    assert trio.current_time() - began == pytest.approx(5, abs=0.5)


async def test_a_head_that_trickles_is_cut_after_five_seconds_all_the_same(server, autojump_clock):
    async with await server.raw() as stream:
        with pytest.raises(trio.BrokenResourceError):
            for char in head("X-A: " + "a" * 100):
                await stream.send_all(char.encode())
                await trio.sleep(0.5)
    assert trio.current_time() < 8


async def test_a_hundred_idle_half_open_connections_keep_nobody_out(server):
    streams = [await server.raw() for _ in range(100)]
    async with websocket.connect(server.url) as another:
        await say(another, "let in")
    cut = 0
    for stream in streams:
        with trio.move_on_after(0.01):
            cut += await rest(stream) == b""
        await stream.aclose()
    assert cut >= 80


async def test_frames_that_come_with_the_head_are_not_lost(server):
    async with await server.raw() as stream:
        await stream.send_all(head().encode() + frame(TEXT, b"early"))
        received = b""
        with trio.fail_after(2):
            while not received.endswith(b"\x81\x05early"):
                received += await stream.receive_some()


BROKEN_FRAMES = {
    "junk": b"\xff" * 100,
    "unmasked": frame(TEXT, b"hello", mask=False),
    "reserved opcode": frame(3, b"x"),
    "reserved bits": frame(TEXT, b"x", rsv=7),
    "fragmented ping": frame(PING, b"x", fin=False),
    "long ping": frame(PING, b"x" * 126),
    "continuation of nothing": frame(CONTINUATION, b"x"),
    "text inside text": frame(TEXT, b"x", fin=False) + frame(TEXT, b"y"),
    "not utf-8": frame(TEXT, b"\xc3\x28"),
    "half a character": frame(TEXT, b"\xe2\x82"),
    "close of one byte": frame(CLOSE, b"x"),
    "close with a code that is none": frame(CLOSE, struct.pack("!H", 1005)),
    "close not utf-8": frame(CLOSE, struct.pack("!H", 1000) + b"\xff"),
    "length of 2**63": b"\x81\xff" + b"\xff" * 8 + b"\0\0\0\0",
    "binary": frame(BINARY, b"\x00\x01"),
}


@pytest.mark.parametrize("frames", BROKEN_FRAMES.values(), ids=BROKEN_FRAMES)
async def test_broken_frames_close_that_connection(server, frames):
    async with server.upgraded() as stream:
        with trio.fail_after(3):
            await stream.send_all(frames)
            await rest(stream)


@pytest.mark.parametrize(
    "frames",
    [frame(TEXT, b"x" * 300_000), b"\x81\xff" + struct.pack("!Q", 2**40) + b"\0\0\0\0" + b"x" * 300_000,
     frame(TEXT, b"x" * 200_000, fin=False) + frame(CONTINUATION, b"x" * 200_000),
     frame(TEXT, b"", fin=False) + frame(CONTINUATION, b"x" * 10, fin=False) * 40_000,
     frame(TEXT, b"x" * 262_145) + frame(PING) * 500 + frame(TEXT, b"more") * 500],
    ids=["one frame", "a terabyte announced", "two fragments", "ten bytes at a time", "and goes on talking"],
)  # fmt: skip
async def test_a_message_over_the_limit_is_answered_1009(server, frames):
    async with server.upgraded() as stream:
        with trio.fail_after(5):
            with suppress(trio.BrokenResourceError):
                await stream.send_all(frames)
            assert struct.pack("!H", 1009) in await rest(stream)


async def test_who_is_still_sending_can_finish_and_read_why_it_was_closed(server):
    async with server.upgraded() as stream:
        await stream.send_all(frame(TEXT, b"x" * 8_000_000))
        assert struct.pack("!H", 1009) in await rest(stream)
    async with await server.raw() as stream:
        await stream.send_all(b"G" * 8_000_000)
        assert (await rest(stream)).startswith(b"HTTP/1.1 431 ")


async def test_empty_fragments_without_end_are_cut(server):
    async with server.upgraded() as stream:
        await stream.send_all(frame(TEXT, b"", fin=False))
        sent = 0
        with pytest.raises(trio.BrokenResourceError), trio.fail_after(20):
            while True:
                await stream.send_all(frame(CONTINUATION, b"", fin=False) * 10_000)
                sent += 60_000
        assert sent < 20 * LIMITS.unclaimed_max_bytes


async def test_thousands_of_tiny_frames_are_answered(server):
    async with server.upgraded() as stream, trio.open_nursery() as nursery:
        nursery.start_soon(stream.send_all, (frame(TEXT, b"a") + frame(PING, b"p")) * 3000)
        received = b""
        with trio.fail_after(20):
            while len(received) < 3000 * 6:
                received += await stream.receive_some()
        assert received.count(b"\x81\x01a") == received.count(b"\x8a\x01p") == 3000


async def test_a_flood_of_pongs_that_nobody_asked_for_is_read_on(server):
    async with server.upgraded() as stream:
        await stream.send_all(frame(PONG, b"x") * 20_000 + frame(TEXT, b"done"))
        with trio.fail_after(10):
            assert await stream.receive_some() == b"\x81\x04done"


async def test_pings_while_we_close_end_nothing_else(nursery, caplog, autojump_clock):
    """The library's reader task crashes on these (its issue 184)."""

    async def close_at_once(connection, _):
        await connection.receive()

    listeners = await websocket.listen("127.0.0.1:0")
    await nursery.start(partial(websocket.serve, listeners, lambda head: head.peer, close_at_once, LIMITS))
    for _ in range(20):
        async with Server(listeners[0]).upgraded() as stream:
            await stream.send_all(frame(TEXT, b"close") + frame(PING) * 10)
            with trio.fail_after(3):
                received = b""
                while b"\x88\x02" + struct.pack("!H", 1000) not in received:
                    received += await stream.receive_some()
                try:
                    await stream.send_all(frame(PING) * 10)
                except trio.BrokenResourceError:
                    continue
                await rest(stream)
    await trio.sleep(2)  # until every connection has ended on the server's side
    assert "fault of ours" not in caplog.text
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("stage", ["", "GET / HTTP/1.1\r\n", head()], ids=["at once", "in the head", "when open"])
async def test_resets_at_any_stage_are_nothing(server, stage):
    for _ in range(50):
        stream = await server.raw()
        await stream.send_all(stage.encode())
        stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, struct.pack("ii", 1, 0))
        await stream.aclose()


async def test_a_peer_that_answers_no_ping_is_cut(server, autojump_clock):
    async with server.upgraded() as stream:
        began = trio.current_time()
        assert (await rest(stream)).startswith(b"\x89")
    assert trio.current_time() - began == pytest.approx(20, abs=1)


async def test_a_peer_that_never_reads_is_cut(server, autojump_clock):
    async with server.upgraded() as stream:
        began = trio.current_time()
        with pytest.raises(trio.BrokenResourceError):
            while True:
                await stream.send_all(frame(TEXT, b"x" * 200_000))
    assert trio.current_time() - began < 25


async def test_a_peer_that_never_reads_its_pongs_is_cut(server, autojump_clock):
    async with server.upgraded() as stream:
        with pytest.raises(trio.BrokenResourceError):
            while True:
                await stream.send_all(frame(PING, b"x" * 125) * 500 + frame(TEXT, b"x"))
    assert trio.current_time() < 30
