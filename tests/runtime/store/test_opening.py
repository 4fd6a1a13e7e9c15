"""What is opened, what is refused and with which words."""

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from primefixd.runtime.store import StoreRefused
from tests.support.stored import commit, contents, expected, journal_of, opened

OPEN = "import sys; from pathlib import Path; from tests.support.stored import opened; opened(Path(sys.argv[1]))"


def _elsewhere(folder: Path, program: str = OPEN) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, str(folder)]
    root = Path(__file__).parents[3]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=30)


def test_a_second_one_is_refused_as_long_as_the_first_lives(tmp_path: Path) -> None:
    store = opened(tmp_path)
    with pytest.raises(StoreRefused, match=rf"another primefixd \(process {os.getpid()}\) uses {tmp_path}"):
        opened(tmp_path)
    assert f"another primefixd (process {os.getpid()}) uses {tmp_path}" in _elsewhere(tmp_path).stderr
    store.commit(commit(1))
    store.close()
    assert _elsewhere(tmp_path).returncode == 0
    opened(tmp_path).close()


def test_a_refused_opening_lets_go_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_bytes(b"nonsense" * 1000)
    for _ in range(2):
        with pytest.raises(StoreRefused, match=r"journal\.sqlite is damaged: file is not a database; restore a backup"):
            opened(tmp_path)


def _pragma(folder: Path, setting: str) -> None:
    connection = sqlite3.connect(folder / "journal.sqlite")
    connection.execute(f"PRAGMA {setting}")
    connection.close()


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("user_version = 2", "journal.sqlite has version 2, and this primefixd reads version 1; run the primefixd"),
        ("application_id = 5", "is a database, but not a journal of primefixd"),
    ],
)
def test_another_version_and_another_program_are_refused(tmp_path: Path, setting: str, words: str) -> None:
    opened(tmp_path).close()
    _pragma(tmp_path, setting)
    with pytest.raises(StoreRefused, match=words):
        opened(tmp_path)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE orders SET state = x'00'",
        "UPDATE orders SET n = n + 100",
        "UPDATE executions SET key = 'other'",
        "DELETE FROM orders WHERE n = (SELECT max(n) FROM orders)",
        "DELETE FROM executions",
        "DELETE FROM events WHERE cursor = 5",
        "DELETE FROM events WHERE cursor = 12",
        "DELETE FROM events WHERE cursor = 1",
        "INSERT INTO ids SELECT n + 100, portfolio, id, crc FROM ids",
        "DELETE FROM notes",
        "UPDATE meta SET number = number + 1",
        "DELETE FROM meta",
        "DROP INDEX orders_by_key",
        "CREATE TABLE more (a)",
        "ALTER TABLE notes RENAME COLUMN value TO v",
    ],
)
def test_rows_that_a_stranger_changed_are_noticed(tmp_path: Path, statement: str) -> None:
    journal_of(tmp_path / "state", 6, 0)
    connection = sqlite3.connect(tmp_path / "state" / "journal.sqlite")
    with connection:
        connection.execute(statement)
    connection.close()
    with pytest.raises(StoreRefused, match=r"journal\.sqlite is damaged: .*; restore a backup"):
        opened(tmp_path / "state")


def test_a_gap_in_the_events_is_named(tmp_path: Path) -> None:
    journal_of(tmp_path / "state", 6, 0)
    connection = sqlite3.connect(tmp_path / "state" / "journal.sqlite")
    with connection:
        connection.execute("DELETE FROM events WHERE cursor = 5")
    connection.close()
    with pytest.raises(StoreRefused, match="its events go from cursor 4 to 6"):
        opened(tmp_path / "state")


@pytest.mark.parametrize("text", [b"metameta", b"order.updated"])
def test_text_that_is_no_longer_text_is_damage(tmp_path: Path, text: bytes) -> None:
    journal_of(tmp_path / "state", 6, 0)
    database = tmp_path / "state" / "journal.sqlite"
    database.write_bytes(database.read_bytes().replace(text, b"\xff" + text[1:]))
    with pytest.raises(StoreRefused, match=r"journal\.sqlite is damaged: .*; restore a backup"):
        opened(tmp_path / "state")


def test_an_old_row_with_its_checksum_put_back_is_noticed(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.commit(commit(1))
    connection = sqlite3.connect(tmp_path / "journal.sqlite")
    old = connection.execute("SELECT * FROM orders").fetchone()
    store.commit(commit(2))
    store.commit(commit(3))
    store.close()
    with connection:
        connection.execute("REPLACE INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?)", old)
    connection.close()
    with pytest.raises(StoreRefused, match="rows of its table orders are missing, or from another time"):
        opened(tmp_path)


@pytest.mark.parametrize("name", ["journal.sqlite", "journal.sqlite-wal", "journal.seal"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "state"
    journal_of(folder, 3, 4)
    (folder / name).unlink()
    if name == "journal.seal":
        store = opened(folder, "new")
        stored = store.load()
        assert contents(store) == expected(7)
        assert stored.journal == "new"
        assert len(stored.remarks) == 1
        assert "journal.seal was missing or unreadable" in stored.remarks[0]
        assert "from commit 7 with cursor 14 under the new journal id new" in stored.remarks[0]
        store.close()
        store = opened(folder, "newer")
        assert (store.load().journal, store.load().remarks) == ("new", ())
        store.close()
        return
    words = (
        "commits are missing at the end of .*: 4; put"
        if name.endswith("wal")
        else "journal.sqlite is missing, but journal.seal"
    )
    with pytest.raises(StoreRefused, match=words):
        opened(folder)
    assert not (folder / name).exists() or not (folder / name).stat().st_size


def test_lost_commits_can_be_given_up_knowingly(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    journal_of(folder, 3, 4)
    (folder / "journal.sqlite-wal").unlink()
    with pytest.raises(StoreRefused, match=r"or remove journal.seal to go on knowingly"):
        opened(folder)
    (folder / "journal.seal").unlink()
    store = opened(folder, "new")
    assert contents(store) == expected(3)
    assert "from commit 3 with cursor 6" in store.load().remarks[0]
    store.commit(commit(4))
    assert contents(store) == expected(4)
    store.close()


def test_an_older_database_and_another_folders_seal_are_refused(tmp_path: Path) -> None:
    for name, commits in (("old", 2), ("new", 5)):
        journal_of(tmp_path / name, commits, 0)
    shutil.copy(tmp_path / "old" / "journal.sqlite", tmp_path / "new" / "journal.sqlite")
    with pytest.raises(StoreRefused, match=r"commits are missing at the end of .*journal\.sqlite: 3; put"):
        opened(tmp_path / "new")
    opened(tmp_path / "other", "other").close()
    shutil.copy(tmp_path / "other" / "journal.seal", tmp_path / "new" / "journal.seal")
    with pytest.raises(StoreRefused, match=r"journal\.seal is of another journal than journal\.sqlite"):
        opened(tmp_path / "new")


def test_an_older_database_under_a_newer_log_is_refused(tmp_path: Path) -> None:
    journal_of(tmp_path / "old", 2, 0)
    journal_of(tmp_path / "new", 30, 1)
    shutil.copy(tmp_path / "old" / "journal.sqlite", tmp_path / "new" / "journal.sqlite")
    with pytest.raises(StoreRefused, match=r"journal\.sqlite is damaged"):
        opened(tmp_path / "new")


def test_an_unreadable_seal_is_remarked_and_mended(tmp_path: Path) -> None:
    journal_of(tmp_path / "state", 1, 1)
    for text in (b"", b"nonsense", b"x" * 10_000):
        (tmp_path / "state" / "journal.seal").write_bytes(text)
        store = opened(tmp_path / "state", "next")
        assert "journal.seal was missing or unreadable" in store.load().remarks[0]
        assert contents(store) == expected(2)
        store.close()
    store = opened(tmp_path / "state")
    assert store.load().remarks == ()
    store.close()


def test_a_seal_behind_its_journal_is_as_after_a_power_cut(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    journal_of(folder, 2, 0)
    seal = (folder / "journal.seal").read_bytes()
    shutil.rmtree(folder)
    journal_of(folder, 2, 3)
    (folder / "journal.seal").write_bytes(seal)
    store = opened(folder)
    assert (contents(store), store.load().remarks) == (expected(5), ())
    store.close()
    assert (folder / "journal.seal").read_bytes() > seal


def test_what_is_left_of_a_first_start_that_was_killed_is_no_hindrance(tmp_path: Path) -> None:
    for name in ("journal.sqlite.new", "journal.sqlite.new-wal", "journal.sqlite.new-journal", "journal.seal"):
        (tmp_path / name).write_bytes(b"half" if "new" in name else b"")
    store = opened(tmp_path)
    store.commit(commit(1))
    assert contents(store) == expected(1)
    store.close()


def test_a_file_where_the_folder_should_be_and_an_empty_database_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreRefused, match="file is not a folder"):
        opened(tmp_path / "file")
    (tmp_path / "journal.sqlite").write_text("")
    with pytest.raises(StoreRefused, match=r"journal\.sqlite"):
        opened(tmp_path)


def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can give a folder away")
    (tmp_path / "state").mkdir()
    os.chown(tmp_path / "state", 1, 1)
    with pytest.raises(StoreRefused, match="belongs to another user"):
        opened(tmp_path / "state")
