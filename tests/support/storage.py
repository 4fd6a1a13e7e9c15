"""A store in memory for virtual time, with the faults that a disk can have; what it keeps, a next run can load."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import count
from typing import TypeVar

import trio

from primefixd.orders.keeping import Kept, KeptExecution, KeptOrder
from primefixd.runtime.store import Batch, Stored, StoredEvent, Unwritable

T = TypeVar("T")


async def in_place(work: Callable[[], T], /) -> T:
    """What blocks is done at once: virtual time stands still meanwhile."""
    return work()


class MemoryStore:
    def __init__(self, journal: str = "journal") -> None:
        self.journal = journal
        self.unwritable: str | None = None
        self.commits: list[Sequence[Batch]] = []
        self.log: list[StoredEvent] = []
        self.deleted = 0
        self.orders: dict[str, OrderedDict[str, KeptOrder]] = {}
        self.executions: dict[str, list[KeptExecution]] = {}
        self.ids: dict[str, list[str]] = {}
        self.notes: dict[str, dict[str, bytes]] = {}
        self.made = count(1)  # ids that the daemon made, over all its lives
        self.held_before: trio.Event | None = None  # the disk hangs, and has done nothing yet
        self.spare = 0  # calls that still get through before it hangs
        self.held_after: trio.Event | None = None  # it is done, but nobody has heard of it yet

    async def blocking(self, work: Callable[[], T], /) -> T:
        """As `in_place`, on a disk that may hang."""
        if self.held_before is not None and self.spare > 0:
            self.spare -= 1
        elif self.held_before is not None:
            await self.held_before.wait()
        done = work()
        if self.held_after is not None:
            await self.held_after.wait()
        return done

    @property
    def oldest(self) -> int:
        return self.deleted + 1

    def load(self) -> Stored:
        kept = {
            name: Kept(
                orders=tuple(self.orders[name].values()),
                executions=tuple(self.executions.get(name, ())),
                ids=tuple(self.ids.get(name, ())),
            )
            for name in self.orders
        }
        newest = self.deleted + len(self.log)
        return Stored(self.journal, self.oldest, newest, kept, {k: dict(v) for k, v in self.notes.items()}, ())

    def commit(self, batches: Sequence[Batch]) -> None:
        if self.unwritable is not None:
            raise Unwritable(self.unwritable)
        self.commits.append(batches)
        for batch in batches:
            for event in batch.events:
                assert event.cursor == self.deleted + len(self.log) + 1, "cursors rise by one"
                self.log.append(event)
            if batch.portfolio is not None:
                self._keep(batch.portfolio, batch)

    def _keep(self, name: str, batch: Batch) -> None:
        orders = self.orders.setdefault(name, OrderedDict())
        for order in batch.keeping.orders:
            orders[order.key] = order
        self.executions.setdefault(name, []).extend(batch.keeping.executions)
        for forgotten in batch.keeping.forgotten:
            orders.pop(forgotten.key, None)
            self.executions[name] = [each for each in self.executions[name] if each.key != forgotten.key]
            self.ids.setdefault(name, []).extend(forgotten.ids)
        for note in batch.notes:
            notes = self.notes.setdefault(name, {})
            notes.pop(note.name, None)
            if note.value is not None:
                notes[note.name] = note.value

    def events(self, after: int, most: int) -> list[StoredEvent]:
        start = max(after - self.deleted, 0)
        return self.log[start : start + most]

    def compact(self, before: datetime, most: int) -> int:
        old = next((n for n, event in enumerate(self.log[:-1]) if event.time >= before), max(len(self.log) - 1, 0))
        del self.log[: min(old, most)]
        self.deleted += min(old, most)
        return min(old, most)

    def close(self) -> None:
        pass
