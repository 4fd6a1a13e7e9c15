"""Monitoring as it is used: the daemon as a process, TLS to the sandbox, and a real Prometheus that reads it."""

import json
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
import yaml

from tests.support.scraped import Scrape
from tests.support.world import CROSSING, RESTING, free_port, until, world

ETC = Path(__file__).parents[2] / "etc" / "prometheus"
WAIT_S = 40.0


async def scraped(port: int) -> Scrape:
    async with httpx.AsyncClient(trust_env=False) as client:
        reply = await client.get(f"http://127.0.0.1:{port}/metrics")
    assert reply.status_code == 200
    return Scrape(reply.text)


async def test_the_daemon_shows_what_it_has_done_and_a_reload_cannot_move_it(tmp_path: Path) -> None:
    port = free_port()
    async with world(tmp_path, top=[f"metrics: {{listen: 127.0.0.1:{port}}}"]) as (made, desk, oracle):
        assert made.log()[-1] and [line["metrics"] for line in made.log() if line["event"] == "started"] == [
            f"127.0.0.1:{port}"
        ]
        await oracle.call("venue.price", product_id="BTC-USD", price="60000")
        await desk.submit(**RESTING, client_order_id="rests", portfolio="p0", session="p0s0")
        await desk.submit(**CROSSING, client_order_id="crosses", portfolio="p0", session="p0s0")
        await until(desk, "crosses", status="FILLED")
        told = await scraped(port)
        assert told["primefixd_ready"] == 1
        assert told["primefixd_orders_finished_total", "p0", "FILLED"] == 1
        assert told["primefixd_session_messages_sent_total", "p0", "p0s0", "NewOrderSingle"] == 2
        assert told["primefixd_fills_total", "p0"] >= 1
        assert 0 < told["primefixd_session_round_trip_seconds", "p0", "p0s0"] < 5
        assert told["primefixd_session_certificate_left_seconds", "p0", "p0s0"] > 3600
        assert told["primefixd_journal_sync_seconds_count"] > 0
        assert told["primefixd_event_loop_lag_seconds_count"] > 0
        assert told["process_open_fds"] > 0
        made.file.write_text(made.file.read_text().replace(f"127.0.0.1:{port}}}", f"127.0.0.1:{free_port()}}}"))
        made.processes["daemon"].send_signal(signal.SIGHUP)
        with trio.fail_after(WAIT_S):
            while not (refused := [line for line in made.log() if line["event"] == "reload_refused"]):
                await trio.sleep(0.05)
        assert refused[0]["needs_restart"] == "metrics"
        assert (await scraped(port))["primefixd_ready"] == 1


async def _asked(port: int, path: str, **query: str) -> Any:
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(f"http://127.0.0.1:{port}/api/v1/{path}", params=query)).json()["data"]


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus (Debian's) is not installed")
async def test_a_real_prometheus_reads_it_and_evaluates_the_rules(tmp_path: Path) -> None:
    port, own = free_port(), free_port()
    tree = yaml.safe_load((ETC / "prometheus.yml").read_text())
    (job,) = tree["scrape_configs"]
    assert job["static_configs"][0]["targets"] == ["127.0.0.1:9417"]
    job |= {"scrape_interval": "1s", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
    tree["global"] = {"evaluation_interval": "1s"}
    folder = tmp_path / "prometheus"
    folder.mkdir()
    shutil.copy(ETC / "primefixd.rules.yml", folder)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(tree))
    async with world(tmp_path, top=[f"metrics: {{listen: 127.0.0.1:{port}}}"]) as (_, desk, _oracle):
        process = subprocess.Popen(
            [
                "prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'kept'}",
                f"--web.listen-address=127.0.0.1:{own}", "--log.level=warn",
            ],
            stdout=subprocess.DEVNULL, stderr=(folder / "log").open("wb"),
        )  # fmt: skip
        try:
            with trio.fail_after(WAIT_S):
                while True:
                    try:
                        (target,) = (await _asked(own, "targets"))["activeTargets"]
                        if target["health"] == "up":
                            break
                        assert not target["lastError"], target
                    except (httpx.TransportError, KeyError, ValueError, json.JSONDecodeError):
                        assert process.poll() is None, (folder / "log").read_text()
                    await trio.sleep(0.2)
                await desk.call("portfolio.halt", portfolio="p0")
                while not any(each["labels"]["alertname"] == "PrimefixdHalted" for each in
                              (await _asked(own, "alerts"))["alerts"]):  # fmt: skip
                    await trio.sleep(0.2)
            (one,) = (await _asked(own, "query", query="primefixd_portfolio_halted"))["result"]
            assert one["metric"]["job"] == "primefixd" and one["value"][1] == "1"
            groups = (await _asked(own, "rules"))["groups"]
            assert {rule["health"] for group in groups for rule in group["rules"]} <= {"ok", "unknown"}
            metadata = await _asked(own, "metadata")
            assert metadata["primefixd_session_state"][0]["type"] == "gauge"
            assert metadata["primefixd_fills"][0]["type"] == "counter"
        finally:
            process.terminate()
            process.wait(10)
