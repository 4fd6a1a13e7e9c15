"""A disk that takes nothing: nothing of the call is kept, and the same call goes through when there is space again."""

import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from primefixd.orders.keeping import Keeping
from primefixd.runtime.store import Batch, Unwritable
from tests.support.stored import BEGIN, commit, contents, event, expected, opened

ROOT = Path(__file__).parents[3]


@contextmanager
def _files_of_at_most(size: int) -> Iterator[None]:
    """A write beyond `size` bytes of any file fails (EFBIG), which SQLite takes for an I/O error."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_failing_write_keeps_nothing_and_can_be_repeated(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.commit(commit(1))
    for number in range(2, 30):
        log = (tmp_path / "journal.sqlite-wal").stat().st_size
        for room in (0, 5000, 10_000):
            with _files_of_at_most(log + room), pytest.raises(Unwritable, match="reading or writing it fails"):
                store.commit(commit(number))
        assert contents(store) == expected(number - 1)
        store.commit(commit(number))
    assert contents(store) == expected(29)
    store.close()
    again = opened(tmp_path)
    assert (contents(again), again.load().remarks) == (expected(29), ())
    again.close()


def test_events_are_read_while_nothing_can_be_written(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.commit(commit(1))
    log = (tmp_path / "journal.sqlite-wal").stat().st_size
    with _files_of_at_most(log):
        with pytest.raises(Unwritable):
            store.commit(commit(2))
        with pytest.raises(Unwritable):
            store.compact(BEGIN, 10)
        assert store.events(0, 10) == expected(1)[2]
    store.close()


def test_a_full_database_is_unwritable_until_it_may_grow(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.commit(commit(1))
    connection = store._connection()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (most,) = connection.execute("PRAGMA max_page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    large = [Batch("main", Keeping(), tuple(event(cursor, 2000) for cursor in range(3, 20)))]
    for _ in range(3):
        with pytest.raises(Unwritable, match=r"journal\.sqlite cannot be used now: the disk is full; free some space"):
            store.commit(large)
        assert contents(store) == expected(1)
    connection.execute(f"PRAGMA max_page_count = {most}")
    store.commit(large)
    assert store.load().newest == 19
    store.close()


def test_a_database_that_may_only_be_read_is_unwritable(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store._connection().execute("PRAGMA query_only = ON")
    with pytest.raises(Unwritable, match="it is read-only"):
        store.commit(commit(1))
    store._connection().execute("PRAGMA query_only = OFF")
    store.commit(commit(1))
    assert contents(store) == expected(1)
    store.close()


def test_a_program_that_holds_the_database_makes_it_unwritable(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store._connection().execute("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(tmp_path / "journal.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unwritable, match="another program holds it"):
        store.commit(commit(1))
    other.execute("ROLLBACK")
    other.close()
    store.commit(commit(1))
    assert contents(store) == expected(1)
    store.close()


@pytest.mark.parametrize("name", ["journal.sqlite", "journal.sqlite-wal"])
def test_a_file_that_is_gone_makes_it_unwritable_until_it_is_back(tmp_path: Path, name: str) -> None:
    store = opened(tmp_path)
    store.commit(commit(1))
    (tmp_path / name).rename(tmp_path / "away")
    for _ in range(2):
        with pytest.raises(Unwritable, match=r"is gone or not the one that was opened; put it back"):
            store.commit(commit(2))
    (tmp_path / "away").rename(tmp_path / name)
    store.commit(commit(2))
    assert contents(store) == expected(2)
    store.close()


def test_a_lost_connection_is_made_again(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.commit(commit(1))
    store._connection().close()
    store._writer = None
    store.commit(commit(2))
    assert contents(store) == expected(2)
    store._drop_writer()
    store._meta = store._meta.next()
    with pytest.raises(Unwritable, match="has commit 2 as its newest and not 3; put back the right one"):
        store.commit(commit(3))
    store.close()


def test_a_bug_is_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store._connection().execute("DROP TABLE notes")
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        store.commit(commit(1))
    store.close()


def test_a_seal_that_cannot_be_written_does_not_fail_the_commit(tmp_path: Path) -> None:
    store = opened(tmp_path)
    os.close(store._seal._file)
    store._seal._file = os.open(tmp_path / "journal.seal", os.O_RDONLY)
    store.commit(commit(1))
    assert contents(store) == expected(1)
    store.close()
    again = opened(tmp_path)
    assert (contents(again), again.load().remarks) == (expected(1), ())
    again.close()


def _mounted(size: str, program: str, folder: Path) -> str:
    """Run `program` with `folder` being a small file system of its own; what it prints."""
    mount = f"mount -t tmpfs -o size={size},mode=0700 none {folder}"
    try:
        probe = subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no unshare program here")
    if probe.returncode:
        pytest.skip(f"no file system can be mounted here: {probe.stderr.strip()}")
    script = f"{mount} && exec {sys.executable} -c '{program}' {folder}"
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


FULL = """
import sys
from pathlib import Path
from primefixd.orders.keeping import Keeping
from primefixd.runtime.store import Batch, Unwritable
from tests.support.stored import contents, event, opened
disk, number, log = Path(sys.argv[1]), 0, 0
filler = disk / "filler"
filler.write_bytes(bytes({filler}))
store = opened(disk / "state")
def fill():
    global number, log
    while True:
        try:
            store.commit([Batch("main", Keeping(), (event(number + 1, 3000),))])
        except Unwritable as full:
            return str(full)
        number += 1
        log = max(log, (disk / "state" / "journal.sqlite-wal").stat().st_size)
def right():
    return contents(store)[2] == [event(each, 3000) for each in range(1, number + 1)]
first = fill()
assert "the disk is full; free some space" in first, first
assert number > {least} and right()
assert fill() and right()
filler.unlink()
before = number
assert fill() and number > before + 10 and right()
store.close()
store = opened(disk / "state")
assert right(), "after opening again"
assert store.load().remarks == (), store.load().remarks
store.close()
print(number, log)
"""


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    assert _mounted("1m", FULL.format(filler=300_000, least=20), tmp_path)


def test_a_checkpoint_that_finds_the_disk_full_fails_no_commit(tmp_path: Path) -> None:
    printed = _mounted("7m", FULL.format(filler=1_000_000, least=100), tmp_path)
    assert int(printed.split()[1]) > 4096 * 1000, "the log went past the size at which SQLite checkpoints"


READ_ONLY = """
import subprocess, sys
from pathlib import Path
from primefixd.runtime.store import StoreRefused
from tests.support.stored import commit, opened
disk = Path(sys.argv[1])
store = opened(disk / "state")
store.commit(commit(1))
store.close()
subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
for folder in ("state", "new"):
    try:
        opened(disk / folder)
    except StoreRefused as refused:
        print(refused)
"""


def test_a_read_only_file_system_is_refused_by_name(tmp_path: Path) -> None:
    printed = _mounted("1m", READ_ONLY, tmp_path).splitlines()
    assert len(printed) == 2
    assert all(f"{tmp_path}/" in line and "Read-only file system" in line for line in printed)


UNSYNCED = """
import ctypes, os, struct, sys
from pathlib import Path
from primefixd.runtime.store import Unwritable
from tests.support.stored import commit, contents, expected, opened
calls = {"x86_64": (74, 75), "aarch64": (82, 83)}[os.uname().machine]  # fsync, fdatasync
def failing_syncs():
    allow, eio = (0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x00050005)
    code = [(0x20, 0, 0, 0), (0x15, 1, 0, calls[0]), (0x15, 0, 1, calls[1]), eio, allow]
    filters = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filters", ctypes.c_void_p)]
    program = Program(len(code), ctypes.cast(filters, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    number = ctypes.c_ulong
    if libc.prctl(38, number(1), number(0), number(0), number(0)) or libc.prctl(22, number(2), ctypes.byref(program)):
        sys.exit(77)
store = opened(Path(sys.argv[1]))
store.commit(commit(1))
store.commit(commit(2))
failing_syncs()
for _ in range(int(sys.argv[2])):
    try:
        store.commit(commit(3))
    except Unwritable:
        assert contents(store) == expected(2)
    else:
        sys.exit(1)
os._exit(0)
"""


@pytest.mark.parametrize("times", [1, 3])
def test_a_commit_whose_sync_failed_does_not_come_back_after_a_kill(tmp_path: Path, times: int) -> None:
    if os.uname().machine not in ("x86_64", "aarch64"):
        pytest.skip("the numbers of its system calls are not known here")
    command = [sys.executable, "-c", UNSYNCED, str(tmp_path), str(times)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode == 77:
        pytest.skip("system calls cannot be filtered here")
    assert done.returncode == 0, done.stderr
    store = opened(tmp_path)
    assert contents(store) == expected(2)
    assert store.load().remarks == ()
    store.close()
