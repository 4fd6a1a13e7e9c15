"""What durability costs: durable submits a second, the latency that it adds, and the start with a long journal.

    python tests/benchmarks/durability.py [EVENTS]

Daemon, venue and clients are one process; the same is measured with the store in memory and with the one on disk, so
that the difference is the disk's. Orders leave no faster than the venue allows, from queues without a bound. Then a
daemon is started on a journal of EVENTS events (1,000,000 unless told), copies of what one order leaves. Prints
figures, asserts nothing.
"""

import random
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import trio

sys.path.insert(0, str(Path(__file__).parents[2]))

from primefixd import daemon, logs
from primefixd.client import Client, connect
from primefixd.config import Settings, load
from primefixd.dispatch.outbox import Outbox
from primefixd.orders.keeping import Keeping, Kept, KeptExecution, KeptOrder
from primefixd.runtime.ports import OpenStore, Ports, RunBlocking, in_thread, system_clock, uuid7
from primefixd.runtime.store import Batch, Store, StoredEvent, open_store
from tests.support.scripted import ScriptedVenue, virtual_clock
from tests.support.storage import MemoryStore, in_place
from tests.support.world import CROSSING, RESTING, TOKEN, World, configuration, until, world

CLIENTS = (1, 10, 100)
MEASURED_S = 5.0
QUEUE_MAX_ORDERS = 1_000_000
BATCH_EVENTS = 1_000


# Submits


def settings(folder: Path) -> Settings:
    file = folder / "primefixd.yaml"
    file.touch(mode=0o600)
    file.write_text(configuration(folder, tls=False))
    return load(file, None, {}).settings


async def measure(clients: int, store: OpenStore, blocking: RunBlocking) -> tuple[float, float, float]:
    """Submits a second, and the median and 99th percentile of a submit's time in ms, with so many clients at once."""
    taken: list[float] = []
    with TemporaryDirectory() as place:
        folder = Path(place)
        async with trio.open_nursery() as nursery:
            venue = ScriptedVenue(nursery)
            venue.offset_s = (system_clock().utc - virtual_clock().utc).total_seconds()
            ports = Ports(
                clock=system_clock,
                uniform=random.uniform,
                new_id=uuid7,
                open_stream=venue.open_stream,
                open_store=store,
                blocking=blocking,
            )
            await nursery.start(daemon.run, settings(folder), ports)
            await trio.sleep(1.5)  # a second after its Logon a session may send
            with trio.move_on_after(MEASURED_S):
                async with trio.open_nursery() as submitting:
                    for number in range(clients):
                        submitting.start_soon(submit_on, f"unix:{folder / 'control.sock'}", number, taken)
            nursery.cancel_scope.cancel()
    taken.sort()
    return len(taken) / MEASURED_S, 1000 * taken[len(taken) // 2], 1000 * taken[len(taken) * 99 // 100]


async def submit_on(url: str, number: int, taken: list[float]) -> None:
    """One submit after the other, each as soon as the one before is answered."""
    async with connect(url, TOKEN) as desk:
        for n in range(sys.maxsize):
            began = trio.current_time()
            await desk.submit(client_order_id=f"{number}-{n}", ttl_ms=60_000, **RESTING)
            taken.append(trio.current_time() - began)


async def compare() -> None:
    print(
        f"{'clients':>8} {'memory/s':>10} {'disk/s':>10} {'ratio':>6} {'memory p50/p99 ms':>20} {'disk p50/p99 ms':>20}"
    )
    for clients in CLIENTS:
        free = await measure(clients, lambda _folder, _id, _now: MemoryStore(), in_place)
        real = await measure(clients, open_store, in_thread)
        times = (f"{p50:.1f} / {p99:.1f}" for _, p50, p99 in (free, real))
        figures = f"{clients:>8} {free[0]:>10.0f} {real[0]:>10.0f} {real[0] / free[0]:>6.2f}"
        print(figures, *(f"{each:>20}" for each in times))


# Start


async def lived(folder: Path) -> tuple[Kept, list[StoredEvent]]:
    """What one order leaves, from a real daemon: rows and events."""
    async with world(folder, sessions=1) as (_, desk, _oracle):
        await live(desk)
    store = open_store(folder / "state", "unused", datetime.now(UTC))
    try:
        kept = store.load().orders["p0"]
        return kept, [event for event in store.events(0, BATCH_EVENTS) if b'"client_order_id"' in event.text]
    finally:
        store.close()


async def live(desk: Client) -> None:
    await desk.submit(client_order_id="00000000-0000-7000-8000-000000000000", **CROSSING)
    await until(desk, "00000000-0000-7000-8000-000000000000", status="FILLED")


def copies(kept: Kept, events: list[StoredEvent]) -> Iterator[Batch]:
    """The same order again and again, each time with ids and cursors of its own."""
    cursor = 0
    ids = re.compile(rb"\b[0-9a-f]{8}(?=-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b)")
    order, now = kept.orders[0], datetime.now(UTC)
    for number in range(sys.maxsize):
        mark = b"%08x" % number

        def named(text: bytes, mark: bytes = mark) -> bytes:
            return ids.sub(mark, text)

        def name(text: str, mark: bytes = mark) -> str:
            return ids.sub(mark, text.encode()).decode()

        accepted = b'"accepted_cursor":%d' % (cursor + 1)
        row = KeptOrder(
            key=name(order.key),
            ids=tuple(map(name, order.ids)),
            order_id=name(order.order_id or ""),
            final_at=now,
            state=re.sub(rb'"accepted_cursor":\d+', accepted, named(order.state)),
        )
        steps = tuple(KeptExecution(row.key, named(each.state)) for each in kept.executions)
        told = tuple(
            StoredEvent(cursor + n, now, "p0", event.type, named(event.text)) for n, event in enumerate(events, 1)
        )
        cursor += len(told)
        yield Batch("p0", Keeping(orders=(row,), executions=steps), told)


def fill(store: Store, kept: Kept, events: list[StoredEvent], wanted: int) -> int:
    """Write so many events; how many orders they belong to."""
    orders = wanted // len(events)
    batches = islice(copies(kept, events), orders)
    while group := list(islice(batches, BATCH_EVENTS // len(events))):
        store.commit(group)
    return orders


async def start(wanted: int) -> None:
    with TemporaryDirectory() as place:
        (Path(place) / "one").mkdir()
        kept, events = await lived(Path(place) / "one")
        made = World(Path(place), configuration(Path(place), sessions=1, tls=False))
        state = Path(place) / "state"
        store = open_store(state, "journal", datetime.now(UTC))
        began = trio.current_time()
        orders = fill(store, kept, events, wanted)
        store.close()
        wrote_s = trio.current_time() - began
        size_mb = sum(file.stat().st_size for file in state.iterdir()) / 1e6
        print(f"\n{orders * len(events)} events of {orders} orders: {size_mb:.0f} MB, written in {wrote_s:.0f} s")
        began = trio.current_time()
        await made.start_daemon()
        ready_s = trio.current_time() - began
        peak_mb = most_memory_mb(made.processes["daemon"].pid)
        print(f"from the start of the process until it is ready: {ready_s:.1f} s, {peak_mb:.0f} MB at most")
        await made.end("daemon")


def most_memory_mb(process: int) -> float:
    """The most that the process has held so far."""
    found = re.search(r"VmHWM:\s*(\d+)", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) / 1e3 if found else 0.0


async def main(events: int) -> None:
    logs.set_up(level="critical")
    Outbox.__init__.__defaults__ = (QUEUE_MAX_ORDERS,)  # type: ignore[misc]
    await compare()
    await start(events)


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
