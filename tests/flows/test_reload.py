"""SIGHUP: a new configuration into the running daemon, as a process beside a real sandbox (issue: the trading day)."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import yaml

from primefixd.client import Client, ConnectionLost, Refused, connect
from tests.support.world import RESTING, TOKEN, World, configuration, until_ready

WAIT_S = 20.0


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[World, Client]]:
    """A sandbox and a daemon with two portfolios of two sessions."""
    world = World(folder, configuration(folder, portfolios=2, sessions=2))
    try:
        await world.start_sandbox()
        await world.start_daemon()
        async with world.desk() as desk:
            await until_ready(desk)
            yield world, desk
    finally:
        for name in list(world.processes):
            await world.end(name)


def changed(folder: Path, change: Any) -> str:
    """The configuration of `folder` with `change` made to its tree."""
    tree = yaml.safe_load((folder / "primefixd.yaml").read_text())
    change(tree)
    return yaml.safe_dump(tree)


async def reload(world: World, text: str) -> dict[str, Any]:
    """Write `text`, send SIGHUP, and return what the log says of it."""

    def told() -> list[dict[str, Any]]:
        return [line for line in world.log() if line["event"] in ("reloaded", "reload_refused")]

    before = len(told())
    world.file.write_text(text)
    world.processes["daemon"].send_signal(signal.SIGHUP)
    with trio.fail_after(WAIT_S):
        while len(told()) == before:
            await trio.sleep(0.02)
    return told()[-1]


async def logons(world: World) -> dict[str, int]:
    async with world.oracle() as oracle:
        sessions = (await oracle.call("venue.sessions"))["sessions"]
    return {each["service_account_id"]: each["logons"] for each in sessions}


async def test_sessions_are_added_removed_and_restarted_and_the_others_are_not_touched(tmp_path: Path) -> None:
    async with running(tmp_path) as (world, desk):
        first = world.file.read_text()
        await desk.submit(**RESTING, client_order_id="stays", portfolio="p0", session="p0s0")
        before = await logons(world)

        def other_heartbeat(tree: Any) -> None:
            tree["portfolios"][0]["sessions"][1]["heartbeat_s"] = 20
            del tree["portfolios"][1]["sessions"][1]

        assert (await reload(world, changed(tmp_path, other_heartbeat)))["event"] == "reloaded"
        with trio.fail_after(WAIT_S):
            while (await logons(world))["p0s1-account"] == before["p0s1-account"]:
                await trio.sleep(0.05)
            while "p1s1" in {each["name"] for each in await desk.sessions()}:
                await trio.sleep(0.05)
        await until_ready(desk)
        after = await logons(world)
        assert {name: after[name] - before[name] for name in before} == {
            "p0s0-account": 0, "p0s1-account": 1, "p1s0-account": 0, "p1s1-account": 0,
        }  # fmt: skip
        assert (await reload(world, first))["event"] == "reloaded"  # and all of it back
        with trio.fail_after(WAIT_S):
            while {each["name"] for each in await desk.sessions()} != {"p0s0", "p0s1", "p1s0", "p1s1"}:
                await trio.sleep(0.05)
        await until_ready(desk)
        assert (await desk.order("stays", portfolio="p0"))["status"] == "OPEN"


async def test_a_portfolio_goes_and_comes_back_with_its_orders(tmp_path: Path) -> None:
    async with running(tmp_path) as (world, desk):
        first = world.file.read_text()
        await desk.submit(**RESTING, client_order_id="o-1", portfolio="p1")
        with trio.fail_after(WAIT_S):
            while (await desk.order("o-1", portfolio="p1"))["status"] != "OPEN":
                await trio.sleep(0.02)
        without = changed(tmp_path, lambda tree: tree["portfolios"].pop())
        assert (await reload(world, without))["event"] == "reloaded"
        assert [each["name"] for each in await desk.portfolios()] == ["p0"]
        assert (await reload(world, first))["event"] == "reloaded"
        await until_ready(desk)
        assert (await desk.order("o-1", portfolio="p1"))["status"] == "OPEN"
        await desk.cancel("o-1", portfolio="p1")
        with trio.fail_after(WAIT_S):
            while (await desk.order("o-1", portfolio="p1"))["status"] != "CANCELLED":
                await trio.sleep(0.02)


async def test_tokens_are_rotated_and_a_client_that_did_not_change_stays_connected(tmp_path: Path) -> None:
    async with running(tmp_path) as (world, desk):

        def another_client(tree: Any) -> None:
            tree["control"]["clients"].append(
                {"name": "new", "token": {"value": "a-new-token"}, "portfolios": "*", "may": ["read"]}
            )

        assert (await reload(world, changed(tmp_path, another_client)))["event"] == "reloaded"
        async with connect(world.url, "a-new-token") as new:
            assert await new.info()

            def rotated(tree: Any) -> None:
                tree["control"]["clients"][1]["token"] = {"value": "a-rotated-token"}

            assert (await reload(world, changed(tmp_path, rotated)))["event"] == "reloaded"
            with pytest.raises(ConnectionLost, match="1008"), trio.fail_after(WAIT_S):
                while True:
                    await new.info()
                    await trio.sleep(0.02)
        with pytest.raises(Refused):
            async with connect(world.url, "a-new-token"):
                pass
        async with connect(world.url, "a-rotated-token") as new:
            assert await new.info()
        assert await desk.info()  # never interrupted
        assert TOKEN not in (tmp_path / "daemon.err").read_text()


@pytest.mark.parametrize("wrong", ["unknown: key", "retention_days: 8", "nonsense: ["])
async def test_a_wrong_configuration_changes_nothing_and_says_why(tmp_path: Path, wrong: str) -> None:
    async with running(tmp_path) as (world, desk):
        first = world.file.read_text()
        before = await logons(world)
        told = await reload(world, first.replace("heartbeat_s: 30", "heartbeat_s: 20") + f"{wrong}\n")
        assert told["event"] == "reload_refused" and told["changed"] is False
        assert told.get("needs_restart") == "retention_days" or told["problems"]
        await trio.sleep(0.5)
        assert await logons(world) == before
        assert (await reload(world, first))["event"] == "reloaded"
        assert await desk.info()
