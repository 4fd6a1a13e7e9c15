"""One transaction: puts batches into the tables, and keeps `meta` in step with what they hold."""

import json
import sqlite3
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from attrs import frozen

from primefixd.orders.keeping import Forgotten, KeptExecution, KeptOrder
from primefixd.runtime.store.meta import Meta
from primefixd.runtime.store.reading import microseconds, rows
from primefixd.runtime.store.schema import TABLES, crc, insertion
from primefixd.runtime.store.values import Batch, Note, StoredEvent


@frozen
class Writing:
    """The transaction that makes commit `meta.number`; `meta` is its own until it is durable."""

    connection: sqlite3.Connection
    meta: Meta

    def batch(self, batch: Batch) -> None:
        """Everything of a batch. Raises ValueError for a cursor out of turn, or rows without a portfolio."""
        portfolio = batch.portfolio
        kept = batch.keeping
        if portfolio is not None:
            for order in kept.orders:
                self._order(portfolio, order)
            self._executions(portfolio, kept.executions)
            for forgotten in kept.forgotten:
                self._forget(portfolio, forgotten)
            for note in batch.notes:
                self._note(portfolio, note)
        elif kept.orders or kept.executions or kept.forgotten or batch.notes:
            raise ValueError("orders and notes belong to a portfolio, and this batch has none")
        self._events(batch.events)

    def finish(self) -> None:
        """Write what the journal says of itself; then the caller commits."""
        self.meta.write(self.connection)

    def drop_events(self, oldest: int, before: datetime, most: int) -> int:
        """Delete events of before `before`, from cursor `oldest` on, up to `most`, never the newest. How many."""
        tally, limit, after = self.meta.tallies["events"], microseconds(before), oldest
        for row in rows(self.connection, "events", "WHERE cursor < ?", min(oldest + most, tally.last)):
            if row[1] >= limit:
                break
            tally.take(row[-1])
            after = row[0] + 1
        self.connection.execute("DELETE FROM events WHERE cursor < ?", (after,))
        return after - oldest

    def count_ids(self) -> list[tuple[str, int]]:
        """How many ids of forgotten orders each portfolio has."""
        return self.connection.execute("SELECT portfolio, count(*) FROM ids GROUP BY portfolio").fetchall()

    def drop_ids(self, portfolio: str, most: int) -> None:
        """Delete the `most` oldest remembered ids of a portfolio."""
        old = "SELECT n, crc FROM ids WHERE portfolio = ? ORDER BY n LIMIT ?"
        self._delete("ids", self.connection.execute(old, (portfolio, most)).fetchall())

    def _order(self, portfolio: str, order: KeptOrder) -> None:
        final_at = None if order.final_at is None else microseconds(order.final_at)
        ids = json.dumps(order.ids)
        self._replace("orders", portfolio, order.key, ids, order.order_id, final_at, order.state)

    def _executions(self, portfolio: str, executions: Iterable[KeptExecution]) -> None:
        self._insert("executions", ((portfolio, execution.key, execution.state) for execution in executions))

    def _forget(self, portfolio: str, forgotten: Forgotten) -> None:
        for table in ("orders", "executions"):
            found = f"SELECT n, crc FROM {table} WHERE portfolio = ? AND key = ?"
            self._delete(table, self.connection.execute(found, (portfolio, forgotten.key)).fetchall())
        self._insert("ids", ((portfolio, name.encode()) for name in forgotten.ids))

    def _note(self, portfolio: str, note: Note) -> None:
        if note.value is not None:
            self._replace("notes", portfolio, note.name, note.value)
            return
        found = "SELECT n, crc FROM notes WHERE portfolio = ? AND name = ?"
        self._delete("notes", self.connection.execute(found, (portfolio, note.name)).fetchall())

    def _events(self, events: Iterable[StoredEvent]) -> None:
        tally = self.meta.tallies["events"]
        for place, event in enumerate(events, tally.last + 1):
            if event.cursor != place:
                raise ValueError(f"an event has the cursor {event.cursor} where {place} comes next")
        self._insert("events", ((microseconds(each.time), each.portfolio, each.type, each.text) for each in events))

    def _replace(self, table: str, *row: Any) -> None:
        """Write the row that its first two columns name, in its old place if it has one."""
        _, first, second, *_ = TABLES[table]
        found = f"SELECT n, crc FROM {table} WHERE {first} = ? AND {second} = ?"
        old = self.connection.execute(found, row[:2]).fetchone()
        if old is None:
            self._insert(table, (row,))
            return
        tally = self.meta.tallies[table]
        tally.take(old[1])
        numbered = (old[0], *row)
        tally.add(checksum := crc(table, numbered))
        self.connection.execute(insertion(table, "REPLACE"), (*numbered, checksum))

    def _insert(self, table: str, added: Iterable[tuple[Any, ...]]) -> None:
        tally = self.meta.tallies[table]
        complete = []
        for row in added:
            tally.last += 1
            numbered = (tally.last, *row)
            tally.add(checksum := crc(table, numbered))
            complete.append((*numbered, checksum))
        self.connection.executemany(insertion(table), complete)

    def _delete(self, table: str, found: list[tuple[int, int]]) -> None:
        for _, checksum in found:
            self.meta.tallies[table].take(checksum)
        self.connection.executemany(f"DELETE FROM {table} WHERE n = ?", ((number,) for number, _ in found))
