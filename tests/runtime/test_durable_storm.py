"""Seeded storms over crash after crash: links die, disks fail, the venue loses what it says, clients ask anything.

Afterwards the venue's own book, the journal and what the clients heard agree, order by order and fill by fill.
"""

import random
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import orjson
import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from primefixd.orders.model import OnDoubt, Order, Replacement, Status
from primefixd.runtime.answers import Cancelling, Refused, Submitted
from tests.support.book import Book
from tests.support.lives import life
from tests.support.scripted import Rig, limit, settings
from tests.support.storage import MemoryStore

LIVES, STEPS = 6, 60
PRODUCTS = ("BTC-USD", "ETH-USD", "SOL-USD")
QUIET_S = 1_000  # at the end, for everything to be answered and every deadline to pass
OF = settings("a", "b", "d", drop_copy="d")


@define
class Storm:
    dice: random.Random
    book: Book
    resubmitting: bool
    store: MemoryStore = field(factory=MemoryStore)
    asked: dict[str, Any] = field(factory=dict)  # submissions by their ids
    calls: Counter[str] = field(factory=Counter)  # how often each was submitted
    told: dict[str, list[Submitted | Refused]] = field(factory=dict)  # answers that the client has had
    cancelled: set[str] = field(factory=set)  # cancels that were answered, and are on disk
    replaces: int = 0

    async def live(self, nursery: trio.Nursery, rig: Rig) -> None:
        """One life, until it crashes at any moment."""
        for _ in range(self.dice.randrange(STEPS)):
            await self.step(nursery, rig)
            await trio.sleep(self.dice.choice((0, 0, 0.001, 0.02, 0.3, 2, 2, 20)))
        match self.dice.randrange(6):
            case 0 | 1 | 2:
                self.store.held_before, self.store.spare = trio.Event(), self.dice.randrange(5)
            case 3:
                self.store.held_after = trio.Event()
            case 4:
                self.store.unwritable = "the disk is full"
        for _ in range(self.dice.randrange(8)):
            await self.step(nursery, rig, self.dice.choice((0, 0, 5, 6, 6, 7, None)))
            await trio.sleep(self.dice.choice((0, 0, 0.001, 0.05, 3)))

    async def step(self, nursery: trio.Nursery, rig: Rig, what: int | None = None) -> None:
        dice, links = self.dice, [c for c in rig.venue.connections if c.peer and not c.ended]
        match dice.randrange(14) if what is None else what:
            case 0 | 1 | 2 | 3:
                key = f"o-{len(self.asked)}"
                more = {"on_doubt": OnDoubt.RESUBMIT} if self.resubmitting and dice.random() < 0.5 else {}
                ttl_ms = dice.choice((50, 5_000, 300_000))
                self.asked[key] = limit(key, product=dice.choice(PRODUCTS), ttl_ms=ttl_ms, **more)
                nursery.start_soon(self._submit, rig, key)
            case 4 if self.asked:
                nursery.start_soon(self._submit, rig, dice.choice(list(self.asked)))  # the reply was lost, or is late
            case 5 if self.asked:
                nursery.start_soon(self._cancel, rig, dice.choice(list(self.asked)[-8:]))
            case 6 if self.asked:
                nursery.start_soon(self._replace, rig, dice.choice(list(self.asked)[-8:]))
            case 7 if links and dice.random() < 0.5:
                await dice.choice(links).cut()
            case 8:
                rig.venue.unreachable = dice.random() < 0.2
            case 9 if dice.random() < 0.5:
                self.store.unwritable = "the disk is full" if dice.random() < 0.5 else None
            case _:
                await self.book.trade(rig)

    def mend(self) -> None:
        """The machine starts again, its disk with it."""
        self.store.held_before = self.store.held_after = self.store.unwritable = None

    async def _submit(self, rig: Rig, key: str) -> None:
        self.calls[key] += 1
        self.told.setdefault(key, []).append(await rig.portfolio.submit(self.asked[key], "desk"))

    async def _cancel(self, rig: Rig, key: str) -> None:
        told = await rig.portfolio.cancel(client_order_id=key, client="desk")
        if isinstance(told, Cancelling) and rig.journal.is_settled(rig.journal.last):
            self.cancelled.add(key)

    async def _replace(self, rig: Rig, key: str) -> None:
        self.replaces += 1
        size = self.dice.choice(("0.6", "0.8", "0.3"))
        wanted = Replacement(client_order_id=key, new_client_order_id=f"r-{self.replaces}", base_quantity=Decimal(size))
        await rig.portfolio.replace(wanted, "desk")


def events(store: MemoryStore, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Those of that type, by the first id of their order."""
    for event in store.log:
        if event.type == kind:
            body = orjson.loads(event.text)
            yield body["order"]["original_client_order_id"], body


def check_told(rig: Rig) -> None:
    """Nothing was told that is not on disk, in just these words."""
    rows = {row.cursor: row for row in rig.store.log}
    for event in rig.events(object):
        assert rows[event.cursor].text == event.text


def check_fills(store: MemoryStore, orders: dict[str, Order]) -> dict[str, Counter[str]]:
    """What a client that folds the events comes to is what the daemon has; the executions that stand, by order."""
    totals: dict[str, Decimal] = {}
    standing: dict[str, Counter[str]] = {}
    for row in store.log:
        if not row.type.startswith("order.fill"):
            continue
        body = orjson.loads(row.text)
        if "fill" not in body:
            continue
        key, fill = body["order"]["original_client_order_id"], body["fill"]
        sums = standing.setdefault(key, Counter())
        if row.type == "order.fill_busted":
            sums[fill["exec_id"]] -= 1
        else:
            sums[fill["exec_id"]] += 1
            if row.type == "order.fill_corrected":
                sums[body["replaces"]] -= 1
        totals[key] = Decimal(body["order"]["filled_quantity"])
    for key, sums in standing.items():
        assert set(sums.values()) <= {0, 1}, (key, sums)
        assert totals[key] == orders[key].filled_quantity
    return {key: +sums for key, sums in standing.items()}


def check_end(storm: Storm, rig: Rig, listed: bool) -> None:
    book, store = storm.book, storm.store
    assert [event.cursor for event in store.log] == [*range(1, len(store.log) + 1)]
    orders = {order.key: order for order in rig.portfolio._parts.ledger.kept()}
    for key, count in book.arrived.items():
        again = storm.asked[key].on_doubt is OnDoubt.RESUBMIT
        assert count == 1 or (again and count == 2), f"{key} arrived {count} times"
        assert key in orders, f"{key} is forgotten"
    spoken_of = {orjson.loads(e.text).get("order", {}).get("original_client_order_id") for e in store.log}
    for key, answers in storm.told.items():
        accepted = [each for each in answers if isinstance(each, Submitted)]
        if accepted:
            assert key in orders and key in spoken_of, f"{key} was accepted and is lost"
            assert len({each.cursor for each in accepted}) == 1, f"{key} was accepted twice"
        elif key in book.arrived and storm.calls[key] == len(answers):
            assert all(each.sent == "unknown" or each.reason == "duplicate" for each in answers), (key, answers)
    standing = check_fills(store, orders)
    for key, order in orders.items():
        booked = book.by_key(key)
        assert order.status is not Status.QUEUED, order
        if booked is None:
            assert order.filled_quantity == 0 and (order.final or order.in_doubt), order
            continue
        if order.in_doubt:
            assert not listed, f"{key} is in doubt, but REST lists it"
            continue
        assert order.final == booked.final, (order, booked)
        assert order.filled_quantity == booked.filled, (order, booked)
        told = standing.get(key, Counter())
        real = {name for name, _ in booked.executions}
        made = [name for name in told if name not in real]
        assert not (listed and made) and all(name.startswith("reconciled/") for name in made), (order, told)
        assert order.final or (order.replace is None and not order.cancel_wanted), order
        assert order.terms.base_quantity == booked.size, (order, booked)
        assert order.final or key not in storm.cancelled or order.cancel is not None, f"a cancel of {key} is lost"


@pytest.mark.parametrize("seed", range(12))
async def test_no_storm_of_crashes_loses_doubles_or_forgets_anything(autojump_clock: MockClock, seed: int) -> None:
    dice = random.Random(seed)
    book = Book(dice)
    listed = seed % 3 != 0
    storm = Storm(dice, book, resubmitting=seed % 4 == 1)
    rest = book.rest().desk() if listed else None
    for _ in range(LIVES):
        async with life(storm.store, OF, rest=rest) as rig, trio.open_nursery() as clients:
            clients.start_soon(book.attend, rig)
            await storm.live(clients, rig)
            clients.cancel_scope.cancel()
        check_told(rig)
        storm.mend()
        await trio.sleep(dice.choice((0, 0, 1, 100)))
    book.honest = True
    async with life(storm.store, OF, rest=rest) as rig, trio.open_nursery() as clients:
        clients.start_soon(book.attend, rig)
        await trio.sleep(QUIET_S)
        check_told(rig)
        check_end(storm, rig, listed)
        clients.cancel_scope.cancel()
