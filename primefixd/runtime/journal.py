"""Durable before visible: whatever changes waits here until it is on disk, and is told to clients only then.

Appending never waits: a turn of a portfolio hands over its rows and its events, which get their cursors at once. One
task commits everything that waits as one transaction (group commit), then tells the events. A disk that cannot be
written is no end: the rows wait in memory and are tried again every RETRY_S seconds; any other failure is a bug and
ends the process, since the journal makes a restart safe (architecture.md 18 and 19).
"""

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import TypeVar

import structlog
import trio
from attrs import evolve

from primefixd.clock import Clock, Moment
from primefixd.orders.keeping import Keeping
from primefixd.runtime.counts import JournalCounts
from primefixd.runtime.feed import Body, Event, Feed
from primefixd.runtime.ports import RunBlocking, Storage
from primefixd.runtime.store import Batch, Note, Stored, StoredEvent, Unwritable

RETRY_S = 1.0  # between attempts while the disk cannot be written
DURABLE_MOST_S = 10.0  # how long a request waits for the disk; then it is answered as if the disk could not be written
GROUP_MAX_BATCHES = 1_000  # in one transaction
WAITING_MAX_BATCHES = (
    10_000  # for the disk; then nothing new is taken, the sessions log out, and the venue keeps the rest
)
EVENTS_READ_MAX = 500  # in one reading

T = TypeVar("T")
Words = Callable[[Body], tuple[str, bytes]]
"""An event's type and its own members as a JSON object: how clients will read it is how it is kept."""

_log = structlog.get_logger()


class Journal:
    """The one way to the disk and to the clients. `ticket`s count batches: one is settled when it is on disk."""

    def __init__(
        self, store: Storage, stored: Stored, feed: Feed, words: Words, blocking: RunBlocking, clock: Clock
    ) -> None:
        self.id = stored.journal
        self._failing = False
        self._store, self._feed, self._words, self._blocking = store, feed, words, blocking
        self._clock = clock
        self.counts = JournalCounts()
        self._assigned = stored.newest
        self._waiting: deque[tuple[Batch, tuple[Event, ...]]] = deque()
        self._appended = self._settled = self._calls = 0
        self._calling = False
        self._under_way = 0  # how many of those that wait are in the commit under way
        self._writing, self._reading = trio.Lock(), trio.Lock()  # one connection each, and one call at a time
        self._work = trio.Event()
        self._moved = trio.Event()

    @property
    def next(self) -> int:
        """The cursor that the next event will have."""
        return self._assigned + 1

    @property
    def newest(self) -> int:
        """The cursor of the newest event, told or about to be."""
        return self._assigned

    @property
    def oldest(self) -> int:
        """The cursor of the oldest event that can still be read."""
        return self._store.oldest

    @property
    def writable(self) -> bool:
        """Whether what is appended now can be expected on disk soon."""
        return not (self._failing or self.full)

    @property
    def full(self) -> bool:
        """Whether so much waits for the disk that nothing more should be heard from the venue."""
        return len(self._waiting) >= WAITING_MAX_BATCHES

    @property
    def waiting_batches(self) -> int:
        """How many batches wait for the disk."""
        return len(self._waiting)

    @property
    def under_way(self) -> int | None:
        """The number of the writing call to the disk that is under way, of whatever kind; None if none is."""
        return self._calls if self._calling else None

    @property
    def last(self) -> int:
        """The ticket of what was appended last."""
        return self._appended

    def append(
        self, portfolio: str | None, keeping: Keeping, bodies: Iterable[Body], now: Moment, notes: tuple[Note, ...] = ()
    ) -> int:
        """Hand over what one turn changed; its ticket. Of nothing, the ticket of what was handed over last."""
        events = tuple(self._number(body, portfolio, now) for body in bodies)
        if not (events or notes or keeping.orders or keeping.executions or keeping.forgotten):
            return self._appended
        rows = tuple(StoredEvent(e.cursor, e.time, e.portfolio, e.type, e.text) for e in events)
        self._waiting.append((Batch(portfolio, keeping, rows, notes), events))
        self._appended += 1
        self._work.set()
        if self.full:  # a disk that hangs fails no commit
            self._wake()
        return self._appended

    def is_under_way(self, ticket: int) -> bool:
        """Whether it is being written now: whether it will be on disk is then not known."""
        return self._settled < ticket <= self._settled + self._under_way

    def amend(self, ticket: int, by: int) -> None:
        """Let what `by` says of the same orders stand in `ticket` already: no crash can come between the two.

        Raises ValueError for a ticket that is on disk or on its way there.
        """
        if ticket <= self._settled + self._under_way:
            raise ValueError(f"ticket {ticket} cannot be amended any more")
        later = {row.key: row for row in self._waiting[by - self._settled - 1][0].keeping.orders}
        batch, events = self._waiting[ticket - self._settled - 1]
        rows = tuple(later.get(row.key, row) for row in batch.keeping.orders)
        self._waiting[ticket - self._settled - 1] = evolve(batch, keeping=evolve(batch.keeping, orders=rows)), events

    def is_settled(self, ticket: int) -> bool:
        """Whether it is on disk, and its events are told."""
        return ticket <= self._settled

    async def settled(self, ticket: int) -> bool:
        """Wait until it is on disk: True, or False once the disk cannot be written or took DURABLE_MOST_S seconds."""
        with trio.move_on_after(DURABLE_MOST_S):
            while ticket > self._settled and self.writable:
                await self._moved.wait()
        return ticket <= self._settled

    @property
    def told(self) -> int:
        """The newest cursor that is on disk and told: what a client may resume from, whatever happens to us."""
        return self._feed.newest

    async def moved(self) -> None:
        """Wait for the next commit, or for the next failure of one."""
        await self._moved.wait()

    async def read(self, after: int) -> list[Event]:
        """Up to EVENTS_READ_MAX events after that cursor, oldest first; only what is on disk."""
        async with self._reading:
            rows = await self._blocking(partial(self._store.events, after, EVENTS_READ_MAX))
        return [Event(row.cursor, row.time, row.portfolio, row.type, row.text) for row in rows]

    async def compact(self, before: datetime, most: int) -> int:
        """Give up to `most` events older than `before` back to the disk; how many."""
        try:
            async with self._writing:
                return await self._call(partial(self._store.compact, before, most))
        except Unwritable as error:
            _log.warning("journal_compaction_failed", error=str(error))
            return 0

    async def run(self) -> None:
        """Commit group after group, until cancelled."""
        while True:
            if not self._waiting:
                self._work = trio.Event()
                await self._work.wait()
            await trio.lowlevel.checkpoint()  # what follows at once from what was appended joins the same commit
            if not await self._commit():
                await trio.sleep(RETRY_S)

    async def load(self) -> Stored | None:
        """What is kept, for a portfolio that comes back; None while something cannot be written."""
        if not await self.settled(self._appended):
            return None
        try:
            async with self._writing:
                return await self._call(self._store.load)
        except Unwritable as error:
            _log.error("journal_not_readable", error=str(error))
            return None

    def close(self) -> None:
        self._store.close()

    async def _commit(self) -> bool:
        try:
            async with self._writing:
                group = [self._waiting[i] for i in range(min(len(self._waiting), GROUP_MAX_BATCHES))]
                self._under_way = len(group)
                began = self._clock()
                await self._call(partial(self._store.commit, [batch for batch, _ in group]))
                self.counts.commit_s.observe(self._clock().mono - began.mono)
        except Unwritable as error:
            self._under_way = 0
            self._failed(error)
            return False
        self._under_way = 0
        if self._failing:
            _log.info("journal_writable")
        self._failing = False
        for _, events in group:
            self._waiting.popleft()
            for event in events:
                self._feed.tell(event)
        self._settled += len(group)
        self._wake()
        return True

    async def _call(self, work: Callable[[], T]) -> T:
        """For whoever has `_writing`. Every call has a number of its own: one that hangs, all wait for."""
        self._calls, self._calling = self._calls + 1, True
        try:
            return await self._blocking(work)
        finally:
            self._calling = False

    def _failed(self, error: Unwritable) -> None:
        if not self._failing:
            _log.critical("journal_not_writable", error=str(error), waiting_batches=len(self._waiting))
        self._failing = True
        self.counts.failures += 1
        self._wake()

    def _wake(self) -> None:
        self._moved.set()
        self._moved = trio.Event()

    def _number(self, body: Body, portfolio: str | None, now: Moment) -> Event:
        self._assigned += 1
        kind, text = self._words(body)
        self.counts.events[portfolio, kind] += 1
        return Event(self._assigned, now.utc, portfolio, kind, text, body)
