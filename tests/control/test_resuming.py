"""Clients that come back after the daemon was killed, over a journal on a real disk: nothing missed, nothing twice."""

from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import trio

from primefixd import client
from primefixd.client import ConnectionLost, Refused
from primefixd.control.settings import ClientSettings, Right
from primefixd.runtime.desk import About, Desk
from primefixd.runtime.store import open_store
from primefixd.secret import Secret
from tests.support.lives import carrying, fill, life, said, soon
from tests.support.scripted import BEGIN, settings, virtual_clock
from tests.support.storage import MemoryStore

TRADER = ClientSettings(name="trader", token=Secret("token"), portfolios=None, may=frozenset({Right.TRADE}))
ORDER = {
    "product_id": "BTC-USD",
    "side": "BUY",
    "type": "LIMIT",
    "base_quantity": "0.5",
    "limit_price": "50000",
    "time_in_force": "GOOD_UNTIL_CANCELLED",
}


class OnDisk(MemoryStore):
    """The store that the daemon uses, with the ids and the faults of the one in memory."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder
        self.open()

    def open(self):
        self.real = open_store(self.folder, "the-journal", BEGIN)

    @property
    def oldest(self):
        return self.real.oldest

    def load(self):
        return self.real.load()

    def commit(self, batches):
        self.real.commit(batches)

    def events(self, after, most):
        return self.real.events(after, most)

    def compact(self, before, most):
        return self.real.compact(before, most)

    def close(self):
        self.real.close()


@pytest.fixture
def disk(tmp_path):
    made = []

    def make():
        made.append(OnDisk(tmp_path / "state"))
        return made[-1]

    yield make
    for each in made:
        each.close()


@asynccontextmanager
async def lived(serving, disk):
    """One life of a daemon with a control plane; it ends as if killed."""
    async with life(disk, settings("a")) as rig:
        desk = Desk(
            portfolios={"main": rig.portfolio},
            journal=rig.journal,
            feed=rig.feed,
            clock=virtual_clock,
            about=About(version="0.1.0", venue="127.0.0.1:1", started=BEGIN),
            schedule=rig.shared.schedule,
        )
        async with serving(desk, listen=("127.0.0.1:0",), clients=(TRADER,)) as urls:
            await trio.sleep(2)
            rig.connect = lambda: client.connect(urls[0], "token")
            yield rig
    disk.close()
    disk.open()


async def until(events, cursor):
    """The events up to that cursor."""
    heard = []
    while not heard or heard[-1]["cursor"] < cursor:
        heard.append(await anext(events))
    return heard


async def test_a_client_that_resumes_from_its_cursor_hears_what_every_other_heard_over_any_restarts(
    serving, disk, autojump_clock
):
    store, heard, cursor = disk(), [], 0
    for n in range(4):
        async with lived(serving, store) as rig, rig.connect() as trader:
            async with trader.subscribe(from_=cursor, journal="the-journal" if n else None) as events:
                key = f"o-{n}"
                await trader.submit(client_order_id=key, **ORDER)
                await soon()
                venue = carrying(rig, key)
                await venue.say(said(key, "0", "0"), fill(key, f"E{n}", "0.5", "0.5", "2"))
                await soon()
                heard += await until(events, rig.feed.newest)
                cursor = heard[-1]["cursor"]
            await trader.submit(client_order_id=f"unheard-{n}", **ORDER)
            await soon()
            await carrying(rig, f"unheard-{n}").say(said(f"unheard-{n}", "8", "8", "|103=1"))
            await soon()
    async with lived(serving, store) as rig, rig.connect() as trader:
        async with trader.subscribe(from_=cursor) as events:
            heard += await until(events, rig.feed.newest)
        async with trader.subscribe(from_=0) as events:
            again = await until(events, rig.feed.newest)
    assert [event["cursor"] for event in heard] == [*range(1, len(heard) + 1)]
    assert [(e["cursor"], e["type"], e["time"]) for e in again[: len(heard)]] == [
        (e["cursor"], e["type"], e["time"]) for e in heard
    ]
    assert again[: len(heard)] == heard
    told = [event["fill"]["exec_id"] for event in heard if event["type"] == "order.filled"]
    assert told == ["E0", "E1", "E2", "E3"]
    ends = {e["order"]["client_order_id"]: e["order"]["status"] for e in heard if "order" in e}
    assert ends == {f"o-{n}": "FILLED" for n in range(4)} | {f"unheard-{n}": "REJECTED" for n in range(4)}


async def test_a_lost_reply_is_had_again_after_a_restart_with_its_first_cursor(serving, disk, autojump_clock):
    store = disk()
    async with lived(serving, store) as rig:
        async with rig.connect() as trader:
            first = await trader.submit(client_order_id="o-1", **ORDER)
            assert not first.get("duplicate")
        async with rig.connect() as trader:
            rig.store.held_after = trio.Event()
            with trio.move_on_after(1):
                await trader.submit(client_order_id="o-2", **ORDER)
                raise AssertionError("the reply came before the disk")
    store.held_after = None
    async with lived(serving, store) as rig, rig.connect() as trader:
        again = await trader.submit(client_order_id="o-1", **ORDER)
        assert again["duplicate"] and again["cursor"] == first["cursor"]
        lost = await trader.submit(client_order_id="o-2", **ORDER)
        assert lost["duplicate"]
        async with trader.subscribe(from_=lost["cursor"] - 1) as events:
            assert (await anext(events))["order"]["client_order_id"] == "o-2"
        assert rig.venue.of("a").requests("D") == [], "in doubt, both"


async def test_a_cursor_that_was_never_on_disk_is_refused_after_a_restart(serving, disk, autojump_clock):
    store = disk()
    async with lived(serving, store) as rig, rig.connect() as trader:
        await trader.submit(client_order_id="o-1", **ORDER)
        newest = rig.feed.newest
    async with lived(serving, store) as rig, rig.connect() as trader:
        with pytest.raises(Refused) as told:
            await trader.call("events.subscribe", from_=rig.journal.newest + 1)
        assert told.value.reason == "unknown_cursor"
        assert rig.journal.newest > newest


async def test_what_is_older_than_the_retention_is_refused_with_the_oldest_also_after_a_restart(
    serving, disk, autojump_clock
):
    store = disk()
    async with lived(serving, store) as rig, rig.connect() as trader:
        await trader.submit(client_order_id="o-1", **ORDER)
        await soon()
        await rig.journal.compact(virtual_clock().utc + timedelta(days=8), 3)
    async with lived(serving, store) as rig, rig.connect() as trader:
        with pytest.raises(Refused) as told:
            await trader.call("events.subscribe", from_=2)
        assert (told.value.reason, told.value.data["oldest"]) == ("unknown_cursor", 3)
        async with trader.subscribe(from_=3) as events:
            assert (await anext(events))["cursor"] == 4


async def test_a_snapshot_and_what_follows_it_after_a_restart_are_the_whole_picture(serving, disk, autojump_clock):
    store = disk()
    async with lived(serving, store) as rig, rig.connect() as trader:
        for key in ("o-1", "o-2"):
            await trader.submit(client_order_id=key, **ORDER)
        await soon()
        await carrying(rig, "o-1").say(said("o-1", "0", "0"))
        await soon()
    async with lived(serving, store) as rig, rig.connect() as trader:
        async with trader.subscribe(snapshot=True) as events:
            shown = {each["client_order_id"]: each for each in events.orders}
            assert {key: (o["status"], o["in_doubt"]) for key, o in shown.items()} == {
                "o-1": ("OPEN", False),
                "o-2": ("SENT", True),
            }
            await rig.venue.of("a").say(fill("o-2", "E1", "0.5", "0.5", "2"))
            while (event := await anext(events))["type"] != "order.filled":
                assert event["cursor"] > events.cursor
            assert event["order"]["client_order_id"] == "o-2"


async def test_a_client_is_cut_off_by_a_crash_and_comes_back_where_it_was(serving, disk, autojump_clock):
    store, heard = disk(), []
    async with trio.open_nursery() as nursery:

        async def listen(rig, after, *, task_status):
            try:
                async with rig.connect() as trader, trader.subscribe(from_=after) as events:
                    task_status.started()
                    async for event in events:
                        heard.append(event)
            except (ConnectionLost, Exception):
                return

        for n in range(5):
            async with lived(serving, store) as rig:
                await nursery.start(listen, rig, heard[-1]["cursor"] if heard else 0)
                async with rig.connect() as trader:
                    await trader.submit(client_order_id=f"o-{n}", **ORDER)
        async with lived(serving, store) as rig:
            await nursery.start(listen, rig, heard[-1]["cursor"])
            await trio.sleep(1)
            newest = rig.feed.newest
        nursery.cancel_scope.cancel()
    assert [event["cursor"] for event in heard] == [*range(1, newest + 1)]
