"""Opening the journal: what is there, is it whole, is it all; else refused with the name of the file, or remarked.

A commit is on disk before the seal says so. So a journal behind its seal has lost commits, and is refused until a
person removes the seal. Then, as wherever no seal can be read or the journal is a backup, it goes on under a new id: a
cursor may not name one event to one client and another one to the next. Nothing is written before all is verified.
"""

import os
import sqlite3
from contextlib import ExitStack
from datetime import datetime

from attrs import evolve, frozen

from primefixd.runtime.store import schema, wal
from primefixd.runtime.store.failures import reason
from primefixd.runtime.store.folder import Files, narrow, private_file, read_through, sync_folder
from primefixd.runtime.store.meta import Meta
from primefixd.runtime.store.reading import microseconds, read_meta, verify
from primefixd.runtime.store.seal import Seal, SealFile
from primefixd.runtime.store.values import StoreRefused

_START_ANEW = (
    "restore a backup of the folder, or move the folder away and start anew (which orders are open at the venue will "
    "then be unknown here)"
)


@frozen
class Opened:
    """A journal that was found whole, and its open files. The seal agrees with it."""

    writer: sqlite3.Connection
    reader: sqlite3.Connection
    seal: SealFile
    meta: Meta
    oldest: int
    remarks: tuple[str, ...]


def open_journal(files: Files, new_journal_id: str, now: datetime) -> Opened:
    """Open or create the journal in a folder that is locked. Raises StoreRefused, OSError."""
    log = wal.inspect(files.wal)
    fresh = Meta(new_journal_id, microseconds(now))
    try:
        if not files.database.exists():
            _create(files, fresh)
        narrow(files)
        read_through(files.database)
        return _open(files, log, fresh)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise refusal(files, log, error) from error


def _create(files: Files, fresh: Meta) -> None:
    """Make the database under another name and then rename it, so that it is never half there."""
    for left in (files.seal, files.wal):
        if left.exists() and left.stat().st_size:
            raise StoreRefused(f"{files.database} is missing, but {left.name} beside it is there; {_START_ANEW}")
    for path in files.unfinished:
        path.unlink(missing_ok=True)
    os.close(private_file(files.unfinished[0]))
    connection = schema.writer(files.unfinished[0])
    try:
        connection.execute("BEGIN IMMEDIATE")
        schema.create(connection)
        fresh.write(connection)
        connection.execute("COMMIT")
    finally:
        connection.close()
    files.unfinished[0].rename(files.database)
    seal = SealFile(files.seal)
    seal.begin(Seal(fresh.journal, 0))
    seal.close()
    sync_folder(files.folder)


def _open(files: Files, log: wal.Log, fresh: Meta) -> Opened:
    with ExitStack() as opened:
        seal = SealFile(files.seal)
        opened.callback(seal.close)
        reader = schema.reader(files.database)
        opened.callback(reader.close)
        schema.check_format(reader, files.database)
        sealed = seal.read()
        check_seal(files, log, sealed, read_meta(reader))
        meta, oldest = verify(reader)
        writer = schema.writer(files.database)
        opened.callback(writer.close)
        remarks = _remarks(files, log)
        if sealed is None or sealed.backup:
            seal.clear()  # a kill between here and the new seal must not leave the seal of another journal
            meta = _renamed(writer, meta, fresh)
            remarks = (*remarks, _restored(files, meta) if sealed else _unsealed(files, meta))
        seal.begin(Seal(meta.journal, meta.number))
        opened.pop_all()
    return Opened(writer, reader, seal, meta, oldest, remarks)


def check_seal(files: Files, log: wal.Log, sealed: Seal | None, meta: Meta) -> None:
    """Raises StoreRefused if the journal is not the sealed one, or has lost commits that were sealed."""
    if sealed is None:
        return
    if sealed.journal != meta.journal:
        raise StoreRefused(
            f"{files.seal} is of another journal than {files.database.name}; put back what belongs together, "
            f"or remove {files.seal.name} to go on with what {files.database.name} has"
        )
    if missing := max(0, sealed.number - meta.number):
        raise StoreRefused(
            f"commits are missing at the end of {files.database}: {missing}{_bad_frame(files, log)}; put back the "
            f"right {files.database.name} and {files.wal.name}, or remove {files.seal.name} to go on knowingly "
            "without them (what became of their orders will be unknown here)"
        )


def _renamed(writer: sqlite3.Connection, meta: Meta, fresh: Meta) -> Meta:
    renamed = evolve(meta.next(), journal=fresh.journal, since=fresh.since)
    writer.execute("BEGIN IMMEDIATE")
    renamed.write(writer)
    writer.execute("COMMIT")
    return renamed


def _unsealed(files: Files, meta: Meta) -> str:
    return (
        f"{files.seal} was missing or unreadable, so commits may have been lost; went on from commit {meta.number - 1} "
        f"with cursor {meta.tallies['events'].last} under the new journal id {meta.journal}"
    )


def _restored(files: Files, meta: Meta) -> str:
    return (
        f"{files.folder} is a backup, so what came after it is not known here; went on from commit {meta.number - 1} "
        f"with cursor {meta.tallies['events'].last} under the new journal id {meta.journal}"
    )


def _remarks(files: Files, log: wal.Log) -> tuple[str, ...]:
    if not log.readable:
        return (f"the header of {files.wal} could not be read, so it was not used; no sealed commit is missing",)
    if log.dropped:
        return (
            f"{log.dropped} bytes after the last whole commit of {files.wal} were dropped"
            f"{_bad_frame(files, log)}; no sealed commit is missing",
        )
    return ()


def _bad_frame(files: Files, log: wal.Log) -> str:
    if not log.readable:
        return f" (the header of {files.wal.name} cannot be read)"
    return "" if log.bad_frame is None else f" (frame {log.bad_frame} of {files.wal.name} is damaged)"


def refusal(files: Files, log: wal.Log, error: Exception) -> StoreRefused:
    """What a failure of SQLite's, or rows that are not as they were written, mean for who asked."""
    if isinstance(error, sqlite3.Error) and (why := reason(error)) is not None:
        return StoreRefused(f"{files.database} cannot be opened: {why} ({error})")
    return StoreRefused(f"{files.database} is damaged: {error}{_bad_frame(files, log)}; {_START_ANEW}")
