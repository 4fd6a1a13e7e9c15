"""The listener as monitoring meets it: over a real socket of the loopback, by a client of another make."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import trio

from primefixd.metrics.serving import serve
from primefixd.metrics.settings import MetricsSettings
from tests.support.lives import life
from tests.support.scraped import Scrape, desk_of
from tests.support.scripted import Rig, settings


@asynccontextmanager
async def served(listen: str = "127.0.0.1:0") -> AsyncIterator[tuple[httpx.AsyncClient, Rig, trio.Event]]:
    async with life(of=settings("a")) as rig, trio.open_nursery() as nursery:
        stopping = trio.Event()
        where = await nursery.start(serve, MetricsSettings(listen=listen), desk_of(rig), stopping)
        async with httpx.AsyncClient(base_url=f"http://{where}", trust_env=False) as client:
            yield client, rig, stopping
        nursery.cancel_scope.cancel()


async def test_metrics_are_openmetrics_with_those_of_the_process() -> None:
    async with served() as (client, _, _stopping):
        reply = await client.get("/metrics")
        assert reply.status_code == 200
        assert reply.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
        told = Scrape(reply.text)
        assert told.text.endswith("# EOF\n")
        assert told["primefixd_portfolio_halted", "main"] == 0 and told["process_resident_memory_bytes"] > 0
        assert (await client.get("/metrics?x=1")).status_code == 200
        with trio.fail_after(10):  # the lateness of the event loop is looked at meanwhile
            while not Scrape((await client.get("/metrics")).text)["primefixd_event_loop_lag_seconds_count"]:
                await trio.sleep(0.02)
        assert (await client.head("/metrics")).content == b""


async def test_health_and_readiness_each_in_one_line() -> None:
    async with served() as (client, rig, stopping):
        health = await client.get("/healthz")
        assert (health.status_code, health.text) == (200, "alive\n")
        with trio.fail_after(10):
            while (ready := await client.get("/readyz")).status_code != 200:
                await trio.sleep(0.02)
        assert ready.text == "ready\n"
        rig.store.unwritable = "full"
        await rig.portfolio.halt("desk", cancel_open=False)
        refused = await client.get("/readyz")
        assert refused.status_code == 503
        assert refused.text == (
            "not ready: main is HALTED; the journal cannot be written; free the disk that state_dir is on\n"
        )
        stopping.set()
        assert (await client.get("/readyz")).text == "not ready: the daemon is stopping\n"
        assert (await client.get("/healthz")).status_code == 200


@pytest.mark.parametrize("path", ["/", "/metrics/", "//", "/x"])
async def test_there_is_nothing_else(path: str) -> None:
    async with served() as (client, _, _stopping):
        reply = await client.send(client.build_request("GET", str(client.base_url) + path))
        assert reply.status_code == 404 and "/readyz" in reply.text


async def test_a_page_that_rebinds_its_name_or_posts_is_turned_away() -> None:
    async with served() as (client, _, _stopping):
        for path in ("/metrics", "/healthz", "/readyz"):
            assert (await client.get(path, headers={"Host": "attacker.example"})).status_code == 403
            assert (await client.get(path, headers={"Origin": "http://attacker.example"})).status_code == 403
            assert (await client.post(path)).status_code == 405


async def test_it_listens_on_the_loopback_only() -> None:
    with pytest.raises(BaseExceptionGroup) as failed:
        async with served("0.0.0.0:0"):
            pass
    assert failed.group_contains(ValueError, match="loopback")
