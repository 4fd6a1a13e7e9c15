"""A full disk is no end: new orders are refused, cancels leave, reports wait; freed, all goes on (architecture.md 19).

The state directory is a small file system of its own, in a namespace that outlives the daemon.
"""

import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
import trio

from primefixd.client import Client, Refused
from tests.support.agreement import replayed, total
from tests.support.ordeal import SHAPES, quiet_world
from tests.support.world import CROSSING, RESTING, World, agree, booked, until, until_ready

SIZE = "3m"
TRIES_MAX = 400  # submissions until the store has used up what it had allocated
MOUNT = 'mount -t tmpfs -o size="$1",mode=700 tmpfs "$2" && echo mounted && exec sleep 600'


class Disk:
    """The small file system, as seen from outside through the process that holds it."""

    def __init__(self, state: Path, holder: int) -> None:
        self._filler = Path(f"/proc/{holder}/root{state}/filler")
        self.enter = ["nsenter", "--target", str(holder), "--user", "--mount", "--preserve-credentials"]

    def fill(self) -> None:
        with self._filler.open("ab", buffering=0) as file:
            for size in (65_536, 4_096, 1):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    continue

    def free(self) -> None:
        self._filler.unlink()


@contextmanager
def small_disk(state: Path) -> Iterator[Disk]:
    """A file system of SIZE at `state`, for those that enter the namespace; skips where that is not allowed."""
    state.mkdir(mode=0o700, exist_ok=True)
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", MOUNT, "sh", SIZE, str(state)]
    try:
        holder = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError as error:
        pytest.skip(f"unshare of util-linux is needed: {error}")
    try:
        assert holder.stdout is not None and holder.stderr is not None
        if holder.stdout.readline() != b"mounted\n":
            pytest.skip(f"no file system can be mounted in a namespace here: {holder.stderr.read().decode().strip()}")
        yield Disk(state, holder.pid)
    finally:
        holder.kill()
        holder.communicate()


@asynccontextmanager
async def cramped(folder: Path) -> AsyncIterator[tuple[World, Client, Disk]]:
    """Sandbox and daemon, the daemon on a small disk."""
    with small_disk(folder / "state") as disk:
        async with quiet_world(folder, SHAPES["alone"]) as (made, oracle):
            made.before = disk.enter
            await made.start_daemon()
            yield made, oracle, disk


async def until_refused(desk: Client) -> tuple[str, Refused]:
    """Submit until the disk is full: the id that was refused, and how."""
    for number in range(TRIES_MAX):
        try:
            await desk.submit(client_order_id=f"fill-{number}", ttl_ms=60_000, **CROSSING)
        except Refused as refused:
            return f"fill-{number}", refused
    raise AssertionError("the disk did not fill")


async def until_booked(oracle: Client, key: str, status: str) -> None:
    with trio.fail_after(10):
        while (await booked(oracle))[key]["status"] != status:
            await trio.sleep(0.02)


async def fill_up(desk: Client, oracle: Client, disk: Disk) -> str:
    """Two orders rest, then the disk fills; the id of the order that was refused."""
    await until_ready(desk)
    for key in ("cancelled", "filled"):
        await desk.submit(client_order_id=key, **RESTING)
        await until(desk, key, status="OPEN")
    disk.fill()
    key, refused = await until_refused(desk)
    assert (refused.code, refused.reason, refused.data["sent"]) == (-32024, "not_durable", "no")
    with pytest.raises(Refused, match="cannot write") as again:
        await desk.submit(client_order_id="more", **CROSSING)
    assert again.value.code == -32024
    with pytest.raises(Refused) as replacing:
        await desk.replace("filled", new_id="other", limit_price="1001")
    assert replacing.value.code == -32024
    return key


async def move_on(desk: Client, oracle: Client) -> None:
    """With the disk full: a cancel reaches the venue, and the venue fills something."""
    await desk.cancel("cancelled")
    await until_booked(oracle, "cancelled", "4")
    await oracle.call("venue.fill", client_order_id="filled", quantity="0.004")
    await until_booked(oracle, "filled", "1")
    assert {each["state"] for each in await desk.sessions()} == {"ACTIVE"}


async def test_a_full_disk_refuses_the_new_lets_cancels_out_and_goes_on_when_freed(tmp_path: Path) -> None:
    async with cramped(tmp_path) as (made, oracle, disk), made.desk() as desk:
        refused = await fill_up(desk, oracle, disk)
        async with made.desk() as ear, ear.subscribe() as events:
            await move_on(desk, oracle)
            assert not [event for event in events._waiting if event["type"] != "heartbeat"]  # nothing before it is kept
            disk.free()
            told = []
            with trio.fail_after(10):
                while not {"order.filled", "CANCELLED"} <= set(told):
                    event = await anext(events)
                    told += [event["type"], event.get("order", {}).get("status")]
        assert refused not in await booked(oracle)
        await desk.submit(client_order_id=refused, **CROSSING)
        for key, status in ((refused, "FILLED"), ("cancelled", "CANCELLED"), ("filled", "OPEN")):
            agree(await until(desk, key, status=status), (await booked(oracle))[key])
        assert {each["state"] for each in await desk.sessions()} == {"ACTIVE"}
        assert "more" not in await booked(oracle) and "journal_writable" in {line["event"] for line in made.log()}


async def test_a_daemon_killed_with_its_disk_full_knows_everything_again(tmp_path: Path) -> None:
    async with cramped(tmp_path) as (made, oracle, disk):
        async with made.desk() as desk:
            refused = await fill_up(desk, oracle, disk)
            await move_on(desk, oracle)
        await made.end("daemon", signal.SIGKILL)
        disk.free()
        await made.start_daemon()
        async with made.desk() as desk:
            await until_ready(desk)
            await desk.submit(client_order_id=refused, **CROSSING)
            for key, status in ((refused, "FILLED"), ("cancelled", "CANCELLED"), ("filled", "OPEN")):
                await until(desk, key, status=status)
            agree(await until(desk, "filled", filled_quantity="0.004"), (await booked(oracle))["filled"])
            fills = [e["fill"] for e in await replayed(desk) if "fill" in e]
            at_venue = [fill for order in (await booked(oracle)).values() for fill in order["fills"]]
            assert total(fills) == sum(Decimal(fill["quantity"]) for fill in at_venue)
        assert {order["received"] for order in (await booked(oracle)).values()} == {1}
