"""Which of SQLite's errors mean that the disk will not take anything now, and which sentence says so."""

import sqlite3
from pathlib import Path

from primefixd.runtime.store.values import Unwritable

_WORTH_TRYING_AGAIN = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space",
    sqlite3.SQLITE_READONLY: "it is read-only; let the user that runs primefixd write there",
    sqlite3.SQLITE_IOERR: "reading or writing it fails; look at the disk, and for free space",
    sqlite3.SQLITE_CANTOPEN: "it or a file beside it cannot be opened; see that they are all there",
    sqlite3.SQLITE_PERM: "the file system does not let it be used; look at its permissions",
    sqlite3.SQLITE_BUSY: "another program holds it; end that program",
    sqlite3.SQLITE_LOCKED: "another program holds it; end that program",
    sqlite3.SQLITE_PROTOCOL: "its locks do not work; end other programs that use it",
}


def reason(error: sqlite3.Error) -> str | None:
    """Why it cannot be written just now and what to do; None if the error is of another kind."""
    return _WORTH_TRYING_AGAIN.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)


def unwritable(database: Path, error: sqlite3.Error) -> Unwritable | None:
    """The error as Unwritable, if trying again may help."""
    why = reason(error)
    return None if why is None else Unwritable(f"{database} cannot be used now: {why} ({error})")
