"""The small HTTP server by a client of another make: what is answered, and who is turned away at the door."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx
import pytest
import trio

from primefixd.http import Answer, Respond, guarded, serve


def respond(method: str, target: str, headers: Mapping[str, str]) -> Answer:
    """Tells what was asked; `/bug` is a bug."""
    if target == "/bug":
        raise ValueError("a bug")
    return Answer(200, f"{method} {target}".encode(), "text/plain", (("x-more", "1"),))


@asynccontextmanager
async def serving(answer: Respond) -> AsyncIterator[str]:
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(serve, answer, listeners)
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


async def test_a_head_is_answered_like_a_get_without_the_body_and_the_connection_goes_on() -> None:
    async with serving(respond) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        head = await client.head("/x")
        assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "7")
        assert head.headers["content-type"] == "text/plain" and head.headers["x-more"] == "1"
        assert (await client.get("/x")).text == "GET /x"


async def test_a_bug_in_an_answer_harms_no_other_request() -> None:
    async with serving(respond) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        assert (await client.get("/bug")).status_code == 500
        assert (await client.get("/x")).status_code == 200


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9417", "[::1]:9417", "127.9.9.9"])
async def test_a_loopback_name_is_let_in(host: str) -> None:
    async with serving(guarded(respond)) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        assert (await client.get("/x", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host", ["attacker.example", "attacker.example:9417", "127.0.0.1.attacker.example", "10.0.0.1"]
)
async def test_a_rebound_name_is_turned_away(host: str) -> None:
    async with serving(guarded(respond)) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        reply = await client.get("/x", headers={"Host": host})
        assert (reply.status_code, "/x" in reply.text) == (403, False)


async def test_a_page_of_another_site_is_turned_away() -> None:
    async with serving(guarded(respond, origins=["http://localhost:1"])) as url:
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            assert (await client.get("/x", headers={"Origin": "http://attacker.example"})).status_code == 403
            assert (await client.get("/x", headers={"Origin": "null"})).status_code == 403
            assert (await client.get("/x", headers={"Origin": "http://localhost:1"})).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_nothing_but_reading_is_understood(method: str) -> None:
    async with serving(guarded(respond)) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        reply = await client.request(method, "/x")
        assert (reply.status_code, reply.headers["allow"]) == (405, "GET, HEAD")


async def test_a_request_without_a_host_is_refused() -> None:
    async with serving(guarded(respond)) as url:
        async with await trio.open_tcp_stream("127.0.0.1", int(url.rpartition(":")[2])) as stream:
            await stream.send_all(b"GET /x HTTP/1.0\r\n\r\n")
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 400 ")
