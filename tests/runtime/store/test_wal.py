"""What the log holds, as SQLite itself sees it."""

import os
import shutil
import sqlite3
import sys
from pathlib import Path

import pytest

from primefixd.runtime.store.wal import Log, inspect

FRAME = 24 + 512


def _end(folder: Path) -> int:
    """By SQLite's own count of the frames of this round: mxFrame in the header of its index."""
    return 32 + FRAME * int.from_bytes((folder / "a-shm").read_bytes()[16:20], sys.byteorder)


def _log(folder: Path, rounds: int) -> tuple[Path, list[int]]:
    """A log with three commits in its last round, and where each ends; older rounds left frames after them."""
    connection = sqlite3.connect(folder / "a", isolation_level=None)
    connection.execute("PRAGMA page_size = 512")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE t (a)")
    for _ in range(rounds - 1):
        connection.execute("INSERT INTO t VALUES (?)", (bytes(50_000),))
        connection.execute("PRAGMA wal_checkpoint(RESTART)")
    ends = [_end(folder)] if rounds == 1 else []
    for size in (100, 1000, 3000):
        connection.execute("INSERT INTO t VALUES (?)", (bytes(size),))
        ends.append(_end(folder))
    shutil.copy(folder / "a-wal", folder / "copied")
    connection.close()
    return folder / "copied", ends


def test_there_may_be_no_log(tmp_path: Path) -> None:
    assert inspect(tmp_path / "none") == Log()
    (tmp_path / "empty").touch()
    assert inspect(tmp_path / "empty") == Log()


@pytest.mark.parametrize("rounds", [1, 3])
def test_a_whole_log_ends_where_sqlite_says(tmp_path: Path, rounds: int) -> None:
    log, ends = _log(tmp_path, rounds)
    assert inspect(log) == Log(kept=ends[-1])
    assert (log.stat().st_size > ends[-1]) == (rounds > 1)


def test_a_log_cut_at_any_byte_is_kept_up_to_its_last_whole_commit(tmp_path: Path) -> None:
    log, ends = _log(tmp_path, 1)
    for cut in range(ends[-1] - 1, 31, -1):
        os.truncate(log, cut)
        kept = max((end for end in ends if end <= cut), default=32)
        assert inspect(log) == Log(kept=kept, dropped=cut - kept)
    for cut in range(31, 0, -1):
        os.truncate(log, cut)
        assert inspect(log) == Log(readable=False)


@pytest.mark.parametrize("rounds", [1, 3])
def test_a_changed_byte_is_found_in_its_frame(tmp_path: Path, rounds: int) -> None:
    log, ends = _log(tmp_path, rounds)
    original = log.read_bytes()
    for place in range(0, ends[-1], 13):
        changed = bytearray(original)
        changed[place] ^= 0x10
        log.write_bytes(changed)
        found = inspect(log)
        if place < 32:
            assert not found.readable
            continue
        frame = (place - 32) // FRAME + 1
        last = 32 + frame * FRAME == ends[-1]
        salt = 8 <= (place - 32) % FRAME < 16
        assert found.kept <= 32 + (frame - 1) * FRAME
        assert found.dropped == (ends[-1] - FRAME if last and salt else ends[-1]) - found.kept
        assert found.bad_frame == (None if last and salt else frame)


def test_uncommitted_frames_at_the_end_are_dropped(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "a", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE t (a)")
    kept = (tmp_path / "a-wal").stat().st_size
    connection.execute("PRAGMA cache_size = 1")
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO t VALUES (?)", [(bytes(3000),)] * 100)
    shutil.copy(tmp_path / "a-wal", tmp_path / "copied")
    connection.close()
    size = (tmp_path / "copied").stat().st_size
    assert size > kept
    assert inspect(tmp_path / "copied") == Log(kept=kept, dropped=size - kept)
