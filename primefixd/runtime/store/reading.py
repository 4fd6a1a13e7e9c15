"""Reads rows and checks every one against its checksum, and the tables against what `meta` says of them."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from primefixd.orders.keeping import Kept, KeptExecution, KeptOrder
from primefixd.runtime.store.meta import Meta, Tally, meta_of
from primefixd.runtime.store.schema import COUNTED, TABLES, crc
from primefixd.runtime.store.values import StoredEvent

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(time: datetime) -> int:
    """An aware time as a column, exactly."""
    return (time - _EPOCH) // _MICROSECOND


def moment(column: int) -> datetime:
    """The time of a column, in UTC."""
    return _EPOCH + timedelta(microseconds=column)


class Damaged(sqlite3.DatabaseError):
    """Rows that are not as they were written; says which."""


def rows(connection: sqlite3.Connection, table: str, clause: str = "", *values: object) -> Iterator[tuple[Any, ...]]:
    """The rows of a table in order, each with its checksum last. Raises Damaged at the first that does not match it."""
    columns = TABLES[table]
    query = f"SELECT {', '.join(columns)}, crc FROM {table} {clause} ORDER BY {columns[0]}"
    for row in connection.execute(query, values):
        if not isinstance(row[-2], bytes) or crc(table, row[:-1]) != row[-1]:
            raise Damaged(f"row {row[0]} of its table {table} does not match its checksum")
        yield row


def read_meta(connection: sqlite3.Connection) -> Meta:
    """What the journal says of itself, with nothing counted. Raises Damaged."""
    return _read_meta(connection)[0]


def _read_meta(connection: sqlite3.Connection) -> tuple[Meta, tuple[int, ...]]:
    for row in rows(connection, "meta"):
        return meta_of(row[:-1])
    raise Damaged("its table meta is empty")


def verify(connection: sqlite3.Connection) -> tuple[Meta, int]:
    """Read everything once. Returns what is there, and the oldest cursor. Raises sqlite3.DatabaseError, as Damaged."""
    for (found,) in connection.execute("PRAGMA integrity_check(1)"):
        if found != "ok":
            raise Damaged(f"SQLite's check of it says: {' '.join(found.split())}")
    meta, sums = _read_meta(connection)
    oldest = _count_events(connection, meta.tallies["events"])
    for table in COUNTED[:-1]:
        tally = meta.tallies[table]
        for row in rows(connection, table):
            tally.add(row[-1])
            tally.last = row[0]
    for table, expected in zip(COUNTED, sums, strict=True):
        if meta.tallies[table].sum != expected:
            raise Damaged(f"rows of its table {table} are missing, or from another time than the others")
    return meta, oldest


def _count_events(connection: sqlite3.Connection, tally: Tally) -> int:
    oldest = None
    for row in rows(connection, "events"):
        if oldest is None:
            oldest = row[0]
        elif row[0] != tally.last + 1:
            raise Damaged(f"its events go from cursor {tally.last} to {row[0]}")
        tally.add(row[-1])
        tally.last = row[0]
    return tally.last + 1 if oldest is None else oldest


def read_orders(connection: sqlite3.Connection) -> Mapping[str, Kept]:
    """What is kept of orders, by portfolio. Raises Damaged."""
    orders: dict[str, list[KeptOrder]] = defaultdict(list)
    executions: dict[str, list[KeptExecution]] = defaultdict(list)
    ids: dict[str, dict[str, None]] = defaultdict(dict)
    for _, portfolio, key, given, order_id, final_at, state, _ in rows(connection, "orders"):
        when = None if final_at is None else moment(final_at)
        orders[portfolio].append(KeptOrder(key, tuple(json.loads(given)), order_id, when, state))
    for _, portfolio, key, state, _ in rows(connection, "executions"):
        executions[portfolio].append(KeptExecution(key, state))
    for _, portfolio, name, _ in rows(connection, "ids"):
        ids[portfolio][name.decode()] = None
    return {
        portfolio: Kept(
            orders=tuple(orders[portfolio]), executions=tuple(executions[portfolio]), ids=tuple(ids[portfolio])
        )
        for portfolio in sorted({*orders, *executions, *ids})
    }


def read_notes(connection: sqlite3.Connection) -> Mapping[str, Mapping[str, bytes]]:
    """The notes by portfolio and name. Raises Damaged."""
    notes: dict[str, dict[str, bytes]] = defaultdict(dict)
    for _, portfolio, name, value, _ in rows(connection, "notes"):
        notes[portfolio][name] = value
    return dict(notes)


def read_events(connection: sqlite3.Connection, after: int, most: int) -> list[StoredEvent]:
    """Up to `most` events with cursors above `after`, oldest first. Raises Damaged."""
    found = rows(connection, "events", "WHERE cursor > ? AND cursor <= ?", after, after + most)
    return [
        StoredEvent(cursor, moment(time), portfolio, kind, text) for cursor, time, portfolio, kind, text, _ in found
    ]
