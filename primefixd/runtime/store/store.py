"""The store: commits batches and reads them back. All of it blocks: call it in a thread, one call at a time.

Only `events` may be used beside the others: it has a connection of its own, which only reads. A commit is on disk when
`commit` returns, and the seal says so afterwards. After a failure the same connection goes on where that is possible.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from primefixd.runtime.store import folder as folders
from primefixd.runtime.store import reading, schema
from primefixd.runtime.store.failures import unwritable
from primefixd.runtime.store.folder import Files
from primefixd.runtime.store.opening import Opened, open_journal
from primefixd.runtime.store.seal import Seal
from primefixd.runtime.store.tail import Tail
from primefixd.runtime.store.values import Batch, Stored, StoredEvent, StoreRefused, Unwritable
from primefixd.runtime.store.writing import Writing

IDS_MAX = 1_000_000  # ids of forgotten orders kept for a portfolio; compacting drops the oldest beyond


def open_store(folder: Path, new_journal_id: str, now: datetime) -> "Store":
    """Open the journal in `folder`, or create it under `new_journal_id`, and hold it against any other process.

    Reads and verifies all of it. Raises StoreRefused.
    """
    files = Files(folder)
    try:
        folders.private_folder(folder)
        lock = folders.lock(files)
        try:
            return Store(files, lock, open_journal(files, new_journal_id, now))
        except BaseException:
            os.close(lock)
            raise
    except OSError as error:
        raise StoreRefused(
            f"{error.filename or folder} cannot be used ({error.strerror}); see that the user that runs primefixd "
            "may write there, and that the disk is not full or read-only"
        ) from error


def _inodes(files: Files) -> tuple[int, int]:
    return files.database.stat().st_ino, files.wal.stat().st_ino


class Store:
    """An open journal. `oldest` is the oldest cursor kept, the newest one + 1 when there is none."""

    def __init__(self, files: Files, lock: int, opened: Opened) -> None:
        self.oldest = opened.oldest
        self._files = files
        self._lock = lock
        self._seal = opened.seal
        self._meta = opened.meta
        self._remarks = opened.remarks
        self._writer: sqlite3.Connection | None = opened.writer
        self._reader = opened.reader
        self._tail = Tail(files)
        self._inodes = _inodes(files)

    def load(self) -> Stored:
        """All that is needed to start. Raises sqlite3.DatabaseError if the disk has gone bad since the opening."""
        connection = self._connection()
        return Stored(
            self._meta.journal,
            self.oldest,
            self._newest,
            reading.read_orders(connection),
            reading.read_notes(connection),
            self._remarks,
        )

    def commit(self, batches: Sequence[Batch]) -> None:
        """Put all of it on disk in one transaction, or none of it. Raises Unwritable; ValueError for a wrong cursor."""
        with self._transaction() as writing:
            for batch in batches:
                writing.batch(batch)

    def events(self, after: int, most: int) -> list[StoredEvent]:
        """Up to `most` events with cursors above `after`, oldest first. Raises Unwritable if it cannot be read now.

        The first one is not `after` + 1 if compacting went past it. A commit under way is not seen before it returns.
        """
        newest, after = self._newest, max(after, self.oldest - 1)
        if after >= newest:
            return []
        try:
            return reading.read_events(self._reader, after, min(most, newest - after))
        except sqlite3.Error as error:
            if (now := unwritable(self._files.database, error)) is None:
                raise
            raise now from error

    def compact(self, before: datetime, most: int) -> int:
        """Delete up to `most` events of before `before`, never the newest. Returns how many. Raises Unwritable."""
        with self._transaction() as writing:
            dropped = writing.drop_events(self.oldest, before, most)
            for portfolio, count in writing.count_ids():
                if count > IDS_MAX:
                    writing.drop_ids(portfolio, count - IDS_MAX)
        self.oldest += dropped
        return dropped

    def close(self) -> None:
        """Put everything into the database file, and let others open it."""
        self._reader.close()
        self._drop_writer()
        self._tail.close()
        self._seal.close()
        os.close(self._lock)

    @property
    def _newest(self) -> int:
        return self._meta.tallies["events"].last

    @contextmanager
    def _transaction(self) -> Iterator[Writing]:
        self._still_there()
        try:
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            writing = Writing(connection, self._meta.next())
            yield writing
            writing.finish()
            connection.execute("COMMIT")
        except BaseException as error:
            self._undo()
            if isinstance(error, sqlite3.Error) and (now := unwritable(self._files.database, error)) is not None:
                raise now from error
            raise
        self._meta = writing.meta
        self._seal.write(Seal(writing.meta.journal, writing.meta.number))

    def _still_there(self) -> None:
        """SQLite would go on writing into files that were deleted or replaced under it."""
        try:
            same = _inodes(self._files) == self._inodes
        except OSError:
            same = False
        if not same:
            raise Unwritable(
                f"{self._files.database} or {self._files.wal.name} is gone or not the one that was opened; "
                "put it back, or stop this daemon"
            )

    def _undo(self) -> None:
        try:
            if self._writer is not None and self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
        except sqlite3.Error:
            self._drop_writer()
        self._tail.cut()

    def _drop_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _connection(self) -> sqlite3.Connection:
        if self._writer is None:
            writer = schema.writer(self._files.database)
            if (found := reading.read_meta(writer).number) != self._meta.number:
                writer.close()
                raise Unwritable(
                    f"{self._files.database} has commit {found} as its newest and not {self._meta.number}; "
                    "put back the right one, or stop this daemon"
                )
            self._writer = writer
        return self._writer
