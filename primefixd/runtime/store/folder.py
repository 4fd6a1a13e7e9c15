"""The state folder: who may read it (nobody else), who uses it (one process), and the names of its files.

The lock is a flock, which dies with its process. No file of SQLite's is opened here while a connection is open:
closing it would let go of SQLite's own POSIX locks.
"""

import fcntl
import os
from pathlib import Path

from attrs import frozen

from primefixd.runtime.store.values import StoreRefused

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600


@frozen
class Files:
    """The paths of a store in `folder`."""

    folder: Path

    @property
    def lock(self) -> Path:
        """Held by the one process that uses the folder; its text is that process's number."""
        return self.folder / "lock"

    @property
    def database(self) -> Path:
        """What has been checkpointed."""
        return self.folder / "journal.sqlite"

    @property
    def wal(self) -> Path:
        """SQLite's write-ahead log: the newest commits."""
        return self.folder / "journal.sqlite-wal"

    @property
    def shm(self) -> Path:
        """SQLite's index of the log, rebuilt at each start."""
        return self.folder / "journal.sqlite-shm"

    @property
    def unfinished(self) -> tuple[Path, ...]:
        """A database that is being made, and what SQLite puts beside it meanwhile."""
        return tuple(self.folder / f"journal.sqlite.new{end}" for end in ("", "-wal", "-shm", "-journal"))

    @property
    def seal(self) -> Path:
        """How many commits there must be."""
        return self.folder / "journal.seal"


def private_folder(folder: Path) -> None:
    """Make the folder, or narrow ours, to mode 0700. Raises StoreRefused if it is another user's, OSError otherwise."""
    if not folder.exists():
        folder.mkdir(PRIVATE_FOLDER, parents=True)
        sync_folder(folder.parent)
    if not folder.is_dir():
        raise StoreRefused(f"{folder} is not a folder; name another one in `state_dir`, or move that file away")
    if folder.stat().st_uid != os.geteuid():
        raise StoreRefused(f"{folder} belongs to another user; give it to the one that runs primefixd (chown)")
    folder.chmod(PRIVATE_FOLDER)


def private_file(path: Path) -> int:
    """Open for reading and writing, made with mode 0600 where it is missing and narrowed to it where it is not."""
    opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE_FILE)
    os.fchmod(opened, PRIVATE_FILE)
    return opened


def narrow(files: Files) -> None:
    """Give SQLite's files their mode before SQLite opens them; it makes new ones like the database."""
    for path in (files.database, files.wal, files.shm):
        if path.exists():
            path.chmod(PRIVATE_FILE)


def lock(files: Files) -> int:
    """Take the folder for this process until the returned descriptor is closed. Raises StoreRefused if it is taken."""
    held = private_file(files.lock)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        other = os.pread(held, 20, 0).decode("ascii", "replace").strip()
        os.close(held)
        whose = f"another primefixd (process {other})" if other.isdigit() else "another primefixd"
        raise StoreRefused(f"{whose} uses {files.folder}; stop it, or give this one its own `state_dir`") from None
    os.ftruncate(held, 0)
    os.pwrite(held, f"{os.getpid()}\n".encode(), 0)
    return held


def read_through(path: Path) -> None:
    """Bring a file into memory from its beginning to its end: ten times as fast as in the order of SQLite's pages."""
    chunk = bytearray(1 << 20)
    with path.open("rb", buffering=0) as file:
        while file.readinto(chunk):
            pass


def sync_folder(folder: Path) -> None:
    """Make the names in the folder durable."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
