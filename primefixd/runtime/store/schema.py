"""The tables of the journal, its version, and how a connection to it is set up.

Every row carries a CRC-32 over all its columns, and the one row of `meta` the sum of those of each table: so no row can
change, vanish, come back or come from an older file without being noticed. The last column before it is always bytes.
"""

import sqlite3
from pathlib import Path
from typing import Any
from zlib import crc32

from primefixd.runtime.store.values import StoreRefused

VERSION = 1
APPLICATION = 0x70664A31  # "pfJ1", in the file's header
CHECKPOINT_PAGES_MAX = 1000  # in the log; then SQLite copies them into the database, after a commit
LOG_BYTES_MAX = 64 * 1024 * 1024  # what stays of the log's file after a checkpoint; in between it grows as it must
BUSY_S = 5.0  # how long another program may hold the database before a commit counts as Unwritable
CACHE_KIB = 8192

TABLES = {
    "meta": ("one", "since", "number", "orders", "executions", "ids", "notes", "events", "journal"),
    "orders": ("n", "portfolio", "key", "ids", "order_id", "final_at", "state"),
    "executions": ("n", "portfolio", "key", "state"),
    "ids": ("n", "portfolio", "id"),
    "notes": ("n", "portfolio", "name", "value"),
    "events": ("cursor", "time", "portfolio", "type", "text"),
}
COUNTED = ("orders", "executions", "ids", "notes", "events")  # those that meta has the sums of
_INDEXES = (
    "CREATE UNIQUE INDEX orders_by_key ON orders (portfolio, key)",
    "CREATE INDEX executions_by_key ON executions (portfolio, key)",
    "CREATE UNIQUE INDEX notes_by_name ON notes (portfolio, name)",
)


def _table(name: str, columns: tuple[str, ...]) -> str:
    first, *others = columns
    return f"CREATE TABLE {name} ({first} INTEGER PRIMARY KEY, {', '.join(others)}, crc)"


SCHEMA = (*(_table(name, columns) for name, columns in TABLES.items()), *_INDEXES)


def crc(table: str, row: tuple[Any, ...]) -> int:
    """The checksum of a row; its last column is bytes, the others are text, whole numbers or None."""
    return crc32(row[-1], crc32(repr((table, row[:-1])).encode()))


def insertion(table: str, verb: str = "INSERT") -> str:
    """The statement that adds a row with its checksum."""
    columns = TABLES[table]
    return f"{verb} INTO {table} ({', '.join(columns)}, crc) VALUES ({', '.join('?' * (len(columns) + 1))})"


def writer(database: Path) -> sqlite3.Connection:
    """The one connection that writes and checkpoints (architecture.md 19). Raises sqlite3.Error, StoreRefused."""
    connection = _connect(database, "rw")
    try:
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise StoreRefused(f"the file system of {database} cannot hold a write-ahead log; keep it on a local disk")
        for setting in (
            "synchronous = FULL",
            f"wal_autocheckpoint = {CHECKPOINT_PAGES_MAX}",
            f"journal_size_limit = {LOG_BYTES_MAX}",
            "secure_delete = OFF",
            "cell_size_check = ON",
            "temp_store = MEMORY",
            f"cache_size = -{CACHE_KIB}",
        ):
            connection.execute(f"PRAGMA {setting}")
    except BaseException:
        connection.close()
        raise
    return connection


def reader(database: Path) -> sqlite3.Connection:
    """A connection that only reads, and so never checkpoints; to be closed before the writer. Raises sqlite3.Error."""
    connection = _connect(database, "ro")
    connection.execute("PRAGMA query_only = ON")
    return connection


def _connect(database: Path, mode: str) -> sqlite3.Connection:
    uri = f"{database.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False)


def create(connection: sqlite3.Connection) -> None:
    """Make the tables, within the caller's transaction."""
    for statement in SCHEMA:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def check_format(connection: sqlite3.Connection, database: Path) -> None:
    """Raises StoreRefused when the file is not a journal of this version."""
    if (application := _one(connection, "PRAGMA application_id")) != APPLICATION:
        raise StoreRefused(
            f"{database} is a database, but not a journal of primefixd (application id {application}); move it away"
        )
    if (version := _one(connection, "PRAGMA user_version")) != VERSION:
        raise StoreRefused(
            f"{database} has version {version}, and this primefixd reads version {VERSION}; "
            "run the primefixd that wrote it, or move the folder away and start anew"
        )
    found = {sql for (sql,) in connection.execute("SELECT sql FROM sqlite_schema")}
    if found != set(SCHEMA):
        raise sqlite3.DatabaseError("its tables are not those that were made")


def _one(connection: sqlite3.Connection, query: str) -> int:
    (value,) = connection.execute(query).fetchone()
    return int(value)
