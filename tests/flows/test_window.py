"""The trading day with real processes and a real clock: sandbox and daemon through one maintenance window.

The configuration counts windows in minutes, so this one begins at a full minute soon and lasts for one. For one
portfolio the venue closes first, for the other one we do.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trio

from primefixd.client import Client, Refused
from tests.support.world import CROSSING, RESTING, agree, booked, world

FROM_START_S = 14.0  # at least, from the start of the processes to the window


def soon() -> tuple[datetime, datetime]:
    now = datetime.now(UTC) + timedelta(seconds=FROM_START_S)
    start = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    return start, start + timedelta(minutes=1)


async def until_time(at: datetime) -> None:
    await trio.sleep((at - datetime.now(UTC)).total_seconds())


async def submit(desk: Client, portfolio: str, kind: str, terms: dict[str, Any], **more: Any) -> None:
    await desk.call("order.submit", portfolio=portfolio, client_order_id=f"{portfolio}-{kind}", **terms, **more)


async def order(desk: Client, key: str) -> dict[str, Any]:
    return await desk.order(key, portfolio=key[:2])


async def cancel(desk: Client, key: str) -> str:
    """The order's status at once."""
    return (await desk.cancel(client_order_id=key, portfolio=key[:2]))["status"]


async def until(desk: Client, key: str, status: str) -> None:
    with trio.fail_after(20):
        while (await order(desk, key))["status"] != status:
            await trio.sleep(0.02)


async def states(desk: Client) -> tuple[set[str], set[str]]:
    """Of the portfolios, and of the sessions."""
    return {each["state"] for each in await desk.portfolios()}, {each["state"] for each in await desk.sessions()}


async def until_states(desk: Client, portfolios: str, sessions: str) -> None:
    with trio.fail_after(20):
        while await states(desk) != ({portfolios}, {sessions}):
            await trio.sleep(0.05)


async def keep(desk: Client, told: list[dict[str, Any]], *, task_status: trio.TaskStatus[None]) -> None:
    async with desk.subscribe() as events:
        task_status.started()
        async for event in events:
            if event["type"] in ("maintenance", "order.in_doubt", "order.contradicted"):
                told.append(event)


@pytest.mark.timeout(240)
async def test_one_window_with_orders_open_in_flight_held_and_cancelled_the_venue_closing_first_and_us(
    tmp_path: Path,
) -> None:
    start, end = soon()
    schedule = f"schedule: {{zone: UTC, window: '{start:%H:%M}-{end:%H:%M}', last_order_lead_s: 3}}"
    told: list[dict[str, Any]] = []
    async with world(tmp_path, portfolios=2, sessions=2, top=[schedule]) as (_, desk, oracle):
        async with trio.open_nursery() as nursery:
            await nursery.start(keep, desk, told)
            for portfolio in ("p0", "p1"):
                for kind, terms in (("open", RESTING), ("dark", RESTING), ("cancel", RESTING), ("now", CROSSING)):
                    await submit(desk, portfolio, kind, terms)
                await until(desk, f"{portfolio}-cancel", status="OPEN")
            await before(desk, oracle, start)
            await inside(desk, oracle, start, end)
            await until_time(end - timedelta(seconds=1))
            await oracle.call("venue.refuse_logon", on=False)
            assert await states(desk) == ({"CLOSED"}, {"WINDOW"})
            await until_states(desk, "OPEN", "ACTIVE")
            assert datetime.now(UTC) - end < timedelta(seconds=8)
            await after(desk, oracle)
            nursery.cancel_scope.cancel()
    judge(told, start, end)


async def before(desk: Client, oracle: Client, start: datetime) -> None:
    """Orders in flight up to the last moment, then closed, held, cancelled; the venue logs one portfolio out early."""
    await until_time(start - timedelta(seconds=3.3))
    for portfolio in ("p0", "p1"):
        for n in range(8):
            await submit(desk, portfolio, f"flight-{n}", CROSSING if n % 2 else RESTING)
    await until_time(start - timedelta(seconds=2.8))
    for portfolio in ("p0", "p1"):
        with pytest.raises(Refused) as refused:
            await submit(desk, portfolio, "refused", RESTING)
        assert refused.value.reason == "closed"
        assert datetime.fromisoformat(refused.value.data["retry_at"]) == start + timedelta(minutes=1)
        await cancel(desk, f"{portfolio}-flight-0")
        await until(desk, f"{portfolio}-flight-0", status="CANCELLED")
        await hold(desk, portfolio, "held-0", start)
    await until_time(start - timedelta(seconds=0.7))
    await oracle.call("venue.refuse_logon", on=True, text="maintenance")
    for session in ("p1s0", "p1s1"):
        await oracle.call("venue.drop", service_account_id=f"{session}-account", how="logout")
    await until_time(start - timedelta(seconds=0.2))
    at_venue = {
        each["service_account_id"]: each["connected"] for each in (await oracle.call("venue.sessions"))["sessions"]
    }
    assert at_venue == {f"p{p}s{s}-account": p == 0 for p in (0, 1) for s in (0, 1)}, "we never leave before the window"


async def hold(desk: Client, portfolio: str, kind: str, start: datetime) -> None:
    deadline = (start + timedelta(minutes=5)).isoformat()
    await submit(desk, portfolio, kind, RESTING, on_maintenance="hold", deadline=deadline)


async def inside(desk: Client, oracle: Client, start: datetime, end: datetime) -> None:
    """The venue goes on filling; what is cancelled or held waits."""
    await until_time(start + timedelta(seconds=1))
    await until_states(desk, "CLOSED", "WINDOW")
    for portfolio in ("p0", "p1"):
        await oracle.call("venue.fill", client_order_id=f"{portfolio}-dark", quantity="0.01")
        assert await cancel(desk, f"{portfolio}-cancel") == "OPEN"
        assert (await order(desk, f"{portfolio}-cancel"))["cancel"]["state"] == "waiting"
        for n in (1, 2):
            await hold(desk, portfolio, f"held-{n}", start)
        await hold(desk, portfolio, "withdrawn", start)
        assert await cancel(desk, f"{portfolio}-withdrawn") == "CANCELLED"
    assert not any("held" in key or "withdrawn" in key for key in await booked(oracle))


async def after(desk: Client, oracle: Client) -> None:
    for portfolio in ("p0", "p1"):
        for kind in ("held-0", "held-1", "held-2", "open"):
            await until(desk, f"{portfolio}-{kind}", status="OPEN")
        await until(desk, f"{portfolio}-cancel", status="CANCELLED")
        await until(desk, f"{portfolio}-dark", status="FILLED")
        book = await booked(oracle)
        assert f"{portfolio}-withdrawn" not in book and f"{portfolio}-refused" not in book
        held = [key for key in book if key.startswith(f"{portfolio}-held")]
        assert held == [f"{portfolio}-held-{n}" for n in range(3)], "released in the order in which they came"
        for key in book:
            if key.startswith(portfolio):
                agree(await order(desk, key), book[key])


def judge(told: list[dict[str, Any]], start: datetime, end: datetime) -> None:
    """Nothing was in doubt, and the end of the window tells what happened to each session."""
    assert {event["type"] for event in told} == {"maintenance"}
    for portfolio in ("p0", "p1"):
        events = [event for event in told if event["portfolio"] == portfolio]
        assert [event["stage"] for event in events][-2:] == ["started", "ended"]
        assert {datetime.fromisoformat(event["starts_at"]) for event in events} == {start}
        for session in events[-1]["sessions"]:
            out, on = (datetime.fromisoformat(session[name]) for name in ("logged_out_at", "logged_on_at"))
            assert session["state"] == "ACTIVE" and on >= end and session["logged_out"]
            assert (out < start) is (portfolio == "p1"), "the venue was first there, and we were here"
