"""A journal seen from outside: checked, copied, read, also beside the daemon that uses it. All of it blocks.

No lock is taken and no row is written: everything is read in one transaction on a connection that cannot write, so what
is seen is what was on disk at one moment. As long as it lasts, SQLite's log of a busy daemon cannot begin anew, and
grows. A copy is sealed as a backup: a daemon that starts from it goes on under a new journal id.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from attrs import frozen

from primefixd.runtime.store import reading, schema, seal, wal
from primefixd.runtime.store.failures import reason
from primefixd.runtime.store.folder import Files, private_file, private_folder, sync_folder
from primefixd.runtime.store.meta import Meta
from primefixd.runtime.store.opening import check_seal, refusal
from primefixd.runtime.store.values import StoredEvent, StoreRefused

EVENTS_AT_ONCE_MAX = 1_000  # in one reading of an export; between them the daemon's log may begin anew


@frozen
class Summary:
    """What is in a journal that was found whole. `oldest` and `newest` are cursors; newest + 1 and newest: no events.

    `orders` counts those that are kept, final ones included; `backup` says whether it is one, and not been used since.
    """

    journal: str
    commits: int
    oldest: int
    newest: int
    orders: int
    backup: bool


@frozen
class _Seen:
    files: Files
    connection: sqlite3.Connection
    backup: bool

    def verified(self) -> Summary:
        return _summary(self.connection, *reading.verify(self.connection), self.backup)


def verify(folder: Path) -> Summary:
    """Read every row in `folder` and check it. Raises StoreRefused if anything is not as it was written, or missing."""
    with _looking(folder) as seen:
        return seen.verified()


def backup(folder: Path, to: Path) -> Summary:
    """Copy the journal in `folder` into the new or empty folder `to`, and check the copy. Raises StoreRefused."""
    made = Files(to)
    with _looking(folder) as seen:
        try:
            private_folder(to)
            if any(to.iterdir()):
                raise StoreRefused(f"{to} is not empty; name a new folder for each backup")
            meta, summary = _copied(seen.connection, made.unfinished[0])
            made.unfinished[0].rename(made.database)
            sealed = seal.SealFile(made.seal)
            sealed.begin(seal.Seal(meta.journal, meta.number, backup=True))
            sealed.close()
            sync_folder(to)
            return summary
        except sqlite3.Error as error:
            if (why := reason(error)) is None:
                raise  # it is the journal that is damaged, and its copy as well
            raise StoreRefused(f"{to} cannot be written: {why} ({error})") from error
        finally:
            for left in made.unfinished:
                with suppress(OSError):
                    left.unlink(missing_ok=True)


def events(folder: Path, after: int | None) -> Iterator[StoredEvent]:
    """The events with cursors above `after` (None: all that are kept), oldest first, up to the newest one now.

    Raises StoreRefused, also when some of them are not kept any more.
    """
    with _looking(folder) as seen:
        oldest, newest = _range(seen.connection)
        seen.connection.execute("COMMIT")
        at = oldest - 1 if after is None else after
        while at < newest:
            page = reading.read_events(seen.connection, at, min(EVENTS_AT_ONCE_MAX, newest - at))
            if not page or page[0].cursor != at + 1:
                oldest, _ = _range(seen.connection)
                raise StoreRefused(f"event {at + 1} is not kept any more; the oldest one in {folder} is {oldest}")
            yield from page
            at = page[-1].cursor


@contextmanager
def _looking(folder: Path) -> Iterator[_Seen]:
    files = Files(folder)
    try:
        if not files.database.exists():
            raise StoreRefused(f"there is no journal in {folder}; name a daemon's state directory, or a backup")
        # The seal before the journal: a daemon may go on, and what was sealed by now is in what is read afterwards.
        sealed = seal.read(files.seal.read_bytes()) if files.seal.exists() else None
        connection = schema.reader(files.database)
        try:
            connection.execute("BEGIN")
            schema.check_format(connection, files.database)
            check_seal(files, wal.Log(), sealed, reading.read_meta(connection))
            yield _Seen(files, connection, sealed is not None and sealed.backup)
        finally:
            connection.close()
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise refusal(files, wal.Log(), error) from error
    except OSError as error:
        raise StoreRefused(
            f"{error.filename or folder} cannot be used ({error.strerror}); run this as the user that runs primefixd, "
            "and see that the disk is not full"
        ) from error


def _copied(source: sqlite3.Connection, to: Path) -> tuple[Meta, Summary]:
    os.close(private_file(to))
    copy = sqlite3.connect(to, isolation_level=None)
    try:
        source.backup(copy)
    finally:
        copy.close()
    copy = schema.writer(to)  # its closing takes away what SQLite puts beside the file
    try:
        meta, oldest = reading.verify(copy)
        summary = _summary(copy, meta, oldest, backup=True)
    finally:
        copy.close()
    opened = os.open(to, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
    return meta, summary


def _summary(connection: sqlite3.Connection, meta: Meta, oldest: int, backup: bool) -> Summary:
    (orders,) = connection.execute("SELECT count(*) FROM orders").fetchone()
    return Summary(meta.journal, meta.number, oldest, meta.tallies["events"].last, orders, backup)


def _range(connection: sqlite3.Connection) -> tuple[int, int]:
    oldest, newest = connection.execute("SELECT min(cursor), max(cursor) FROM events").fetchone()
    return (1, 0) if newest is None else (oldest, newest)
