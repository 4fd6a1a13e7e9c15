"""Two sides of ours over real loopback sockets: messages, limits, keep-alive, Unix sockets, the end of a connection."""

import os
from base64 import b64encode
from contextlib import asynccontextmanager
from functools import partial
from hashlib import sha1

import pytest
import trio

from primefixd import websocket
from primefixd.websocket import Closed, HandshakeFailed, Head, Rejection, ServerLimits

LIMITS = ServerLimits()


async def echo(connection, _name):
    while True:
        await connection.send(await connection.receive())


def admit(head: Head) -> str | Rejection:
    if head.header("authorization") != "Bearer right":
        return Rejection(401, "Give a token.")
    return f"{'unix' if head.peer.unix else 'tcp'} {head.peer.uid}"


@asynccontextmanager
async def served(converse=echo, address="127.0.0.1:0", limits=LIMITS, **options):
    listeners = await websocket.listen(address)
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(websocket.serve, listeners, admit, converse, limits, **options))
        yield websocket.url_of(listeners[0])
        nursery.cancel_scope.cancel()


connect = partial(websocket.connect, token="right")


async def test_texts_come_back_in_order_whatever_their_size():
    texts = ["", "å∂", "x" * 125, "y" * 70_000, "z" * 262_144]
    async with served() as url, connect(url) as connection:
        for text in texts:
            await connection.send(text)
            assert await connection.receive() == text


async def test_bytes_are_sent_as_a_text_frame():
    async def speak(connection, _):
        await connection.send("né".encode())
        await connection.receive()

    async with served(speak) as url, connect(url) as connection:
        assert await connection.receive() == "né"


@pytest.mark.parametrize("text", ["x" * 1001, "é" * 501], ids=["characters", "bytes"])
async def test_a_message_over_the_limit_closes_with_1009(text):
    async with served(limits=ServerLimits(message_max_bytes=1000)) as url, connect(url) as connection:
        await connection.send("é" * 500)
        assert await connection.receive() == "é" * 500
        await connection.send(text)
        with pytest.raises(Closed) as closed:
            await connection.receive()
        assert closed.value.code == 1009


async def test_the_wrong_token_is_turned_away_with_its_status():
    async with served() as url:
        with pytest.raises(HandshakeFailed) as failed:
            async with websocket.connect(url, token="wrong"):
                pass
    assert (failed.value.status, failed.value.text) == (401, "Give a token.")


async def test_nobody_listening_is_an_os_error_and_a_wrong_url_a_value_error():
    listeners = await websocket.listen("127.0.0.1:0")
    url = websocket.url_of(listeners[0])
    await listeners[0].aclose()
    with pytest.raises(OSError):
        async with connect(url):
            pass
    with pytest.raises(ValueError, match="ws://HOST:PORT or unix:PATH"):
        async with connect("http://localhost:1"):
            pass


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b""], ids=["ssh", "http", "eof"]
)
async def test_a_server_that_is_none_fails_the_handshake(answer):
    async def other(stream):
        await stream.receive_some()
        await stream.send_all(answer)

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, other, listeners)
        with pytest.raises(HandshakeFailed) as failed, trio.fail_after(2):
            async with connect(websocket.url_of(listeners[0])):
                pass
        nursery.cancel_scope.cancel()
    assert failed.value.status in (None, 200)


async def test_a_server_that_never_answers_is_given_up(autojump_clock):
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    with pytest.raises(HandshakeFailed, match="did not answer within 5 s"):
        async with connect(websocket.url_of(listeners[0])):
            pass
    assert trio.current_time() == pytest.approx(5, abs=0.5)


async def test_what_the_block_raises_comes_out_bare():
    async with served() as url:
        with pytest.raises(KeyError):
            async with connect(url):
                raise KeyError("mine")
        with trio.move_on_after(0.05) as scope:
            async with connect(url):
                await trio.sleep_forever()
        assert scope.cancelled_caught


async def test_the_subprotocol_is_agreed_when_offered_and_not_required():
    async with served(subprotocol="primefixd.v1") as url:
        async with connect(url, subprotocol="primefixd.v1") as connection:
            assert connection._socket.subprotocol == "primefixd.v1"
        async with connect(url) as connection:
            assert connection._socket.subprotocol is None


async def test_a_unix_socket_tells_the_user_id_and_leaves_no_file(tmp_path):
    async def tell(connection, name):
        await connection.send(name)

    path = tmp_path / "control.sock"
    async with served(tell, f"unix:{path}") as url:
        assert url == f"unix:{path}"
        assert path.stat().st_mode & 0o777 == 0o660
        async with connect(url) as connection:
            assert await connection.receive() == f"unix {os.getuid()}"
        with pytest.raises(OSError, match="another process listens"):
            await websocket.listen(url)
    assert not path.exists()


async def test_a_stale_unix_socket_is_replaced_and_another_file_is_not(tmp_path):
    path = tmp_path / "control.sock"
    [abandoned] = await websocket.listen(f"unix:{path}")
    await abandoned.aclose()
    assert path.is_socket()
    async with served(address=f"unix:{path}") as url, connect(url) as connection:
        await connection.send("again")
        assert await connection.receive() == "again"
    path.write_text("precious")
    with pytest.raises(OSError):
        await websocket.listen(f"unix:{path}")
    assert path.read_text() == "precious"


@pytest.mark.parametrize("address", ["0.0.0.0:0", "192.0.2.1:80", "localhost", "localhost:x", ":80", "example.org:80"])
async def test_only_the_loopback_is_listened_on(address):
    with pytest.raises(ValueError, match="loopback"):
        await websocket.listen(address)


async def test_stopping_says_going_away_and_waits_for_nobody_who_agrees(autojump_clock):
    async with served() as url:
        listeners = await websocket.listen("127.0.0.1:0")
        async with trio.open_nursery() as nursery:
            scope = trio.CancelScope()

            async def run(task_status):
                with scope:
                    await websocket.serve(listeners, admit, echo, ServerLimits(), task_status=task_status)

            await nursery.start(run)
            async with connect(websocket.url_of(listeners[0])) as connection:
                scope.cancel()
                with pytest.raises(Closed) as closed:
                    await connection.receive()
                assert closed.value.code == 1001
        assert trio.current_time() < 0.5
        async with connect(url) as connection:
            await connection.send("the other server lives")
            assert await connection.receive()


async def test_a_connection_outlives_the_handshake_limit_and_answers_pings(autojump_clock):
    async with served() as url, connect(url) as connection:
        await trio.sleep(3600)
        await connection.send("still here")
        assert await connection.receive() == "still here"


async def test_a_peer_that_is_busy_with_our_requests_is_not_cut_for_its_pong(autojump_clock):
    """While its requests wait in our inbox, its pong waits behind them."""

    async def slow(connection, _):
        while True:
            text = await connection.receive()
            await trio.sleep(60)
            await connection.send(text)

    async with served(slow) as url, connect(url) as connection:
        for number in range(20):
            await connection.send(str(number))
        assert [await connection.receive() for _ in range(20)] == [str(number) for number in range(20)]


async def test_a_cancelled_send_cuts_the_connection_rather_than_leave_half_a_frame():
    async def deaf(connection, _):
        await trio.sleep_forever()

    async with served(deaf) as url, connect(url) as connection:
        for _ in range(1000):
            with trio.move_on_after(0.05) as scope:
                await connection.send("x" * 200_000)
            if scope.cancelled_caught:
                break
        else:
            pytest.fail("the socket never filled")
        with pytest.raises(Closed), trio.fail_after(2):
            await connection.send("after")


@pytest.mark.parametrize("fault", [KeyError("bug"), Closed(1006, ""), ExceptionGroup("many", [ValueError()])])
async def test_a_fault_in_one_conversation_ends_that_one_only(fault):
    async def faulty(connection, name):
        text = await connection.receive()
        if text == "fail":
            raise fault
        await connection.send(text)
        await echo(connection, name)

    async with served(faulty) as url, connect(url) as good, connect(url) as bad:
        await good.send("one")
        assert await good.receive() == "one"
        await bad.send("fail")
        with pytest.raises(Closed) as closed:
            await bad.receive()
        assert closed.value.code == 1011
        await good.send("two")
        assert await good.receive() == "two"


async def test_too_many_connections_are_told_to_wait():
    async with served(limits=ServerLimits(connections_max=1)) as url:
        async with connect(url) as first:
            await first.send("a")
            await first.receive()
            with pytest.raises(HandshakeFailed) as failed:
                async with connect(url):
                    pass
            assert failed.value.status == 503
        await trio.testing.wait_all_tasks_blocked()
        async with connect(url):
            pass


async def test_a_server_that_went_silent_is_noticed(autojump_clock):
    async def freeze(stream):
        key = next(line for line in (await stream.receive_some()).decode().split("\r\n") if "Key: " in line)[19:]
        accept = b64encode(sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()
        lines = ["101 Switching", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {accept}"]
        await stream.send_all(("HTTP/1.1 " + "\r\n".join(lines) + "\r\n\r\n").encode())
        await trio.sleep_forever()

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, freeze, listeners)
        async with connect(websocket.url_of(listeners[0])) as connection:
            with pytest.raises(Closed):
                await connection.receive()
        nursery.cancel_scope.cancel()
    assert trio.current_time() == pytest.approx(30, abs=1)
