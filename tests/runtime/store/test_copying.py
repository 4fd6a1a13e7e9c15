"""A journal seen from outside: whole or not, copied while it is written, and what becomes of a copy that is used."""

import shutil
import sqlite3
from itertools import count
from pathlib import Path
from threading import Event, Thread

import pytest

from primefixd.runtime.store import StoreRefused, copying
from primefixd.runtime.store.copying import backup, events, verify
from tests.support.stored import JOURNAL, commit, contents, expected, journal_of, opened


def stopped(folder: Path, commits: int) -> Path:
    """The folder of a daemon that has ended in order."""
    store = opened(folder)
    for number in range(1, commits + 1):
        store.commit(commit(number))
    store.close()
    return folder


def test_it_is_seen_beside_the_daemon_after_its_end_and_after_a_kill(tmp_path: Path) -> None:
    store = opened(tmp_path / "live")
    for number in range(1, 4):
        store.commit(commit(number))
        seen = verify(tmp_path / "live")
        assert (seen.journal, seen.commits, seen.newest, seen.backup) == (JOURNAL, number, 2 * number, False)
    store.close()
    assert verify(tmp_path / "live").commits == 3
    journal_of(tmp_path / "killed", 2, 3)
    assert verify(tmp_path / "killed").commits == 5
    assert contents(opened(tmp_path / "killed")) == expected(5)


def test_a_backup_of_a_busy_journal_is_what_was_there_at_one_moment_and_disturbs_nobody(tmp_path: Path) -> None:
    store, done, commits = opened(tmp_path / "live"), Event(), count(1)
    made: list[int] = []

    def work() -> None:
        while not done.is_set():
            number = next(commits)
            store.commit(commit(number))
            made.append(number)

    writer = Thread(target=work)
    writer.start()
    try:
        for number in range(5):
            before = len(made)
            copied = backup(tmp_path / "live", tmp_path / f"copy-{number}")
            assert copied.backup and before <= copied.commits <= len(made) + 1
            assert copied == verify(tmp_path / f"copy-{number}")
            assert verify(tmp_path / "live").commits >= copied.commits
    finally:
        done.set()
        writer.join()
    assert contents(store) == expected(len(made))
    store.close()
    assert contents(opened(tmp_path / "copy-4")) == expected(copied.commits)


def test_nobody_else_can_read_a_backup(tmp_path: Path) -> None:
    backup(stopped(tmp_path / "live", 3), tmp_path / "new" / "copy")
    found = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "new" / "copy").iterdir()}
    assert found == {"journal.sqlite": 0o600, "journal.seal": 0o600}
    assert (tmp_path / "new" / "copy").stat().st_mode & 0o777 == 0o700


def test_who_starts_from_a_backup_goes_on_under_a_new_id_each_time(tmp_path: Path) -> None:
    backup(stopped(tmp_path / "live", 3), tmp_path / "copy")
    shutil.copytree(tmp_path / "copy", tmp_path / "again")
    for folder, journal in (("copy", "id-2"), ("again", "id-3")):
        store = opened(tmp_path / folder, journal)
        stored = store.load()
        (remark,) = stored.remarks
        assert stored.journal == journal and "is a backup" in remark and f"new journal id {journal}" in remark
        store.commit(commit(4))
        store.close()
        reopened = opened(tmp_path / folder, "another")
        assert contents(reopened) == expected(4)
        assert reopened.load().journal == journal and not reopened.load().remarks
        reopened.close()
        assert not verify(tmp_path / folder).backup
    assert verify(tmp_path / "live").journal == JOURNAL


def test_a_kill_while_a_backup_is_taken_into_use_leaves_a_journal_that_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup(stopped(tmp_path / "live", 3), tmp_path / "copy")
    with monkeypatch.context() as patched:
        patched.setattr("primefixd.runtime.store.seal.SealFile.begin", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            opened(tmp_path / "copy", "id-2")
    store = opened(tmp_path / "copy", "id-3")
    assert store.load().journal == "id-3" and contents(store) == expected(3)


def test_what_is_damaged_or_missing_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match=r"there is no journal in .*; name a daemon's state directory"):
        verify(tmp_path)
    backup(stopped(tmp_path / "live", 3), tmp_path / "copy")
    for wrong in ("UPDATE events SET text = x'7b7d' WHERE cursor = 2", "DELETE FROM ids", "DELETE FROM orders"):
        shutil.copytree(tmp_path / "copy", tmp_path / "wrong", dirs_exist_ok=True)
        connection = sqlite3.connect(tmp_path / "wrong" / "journal.sqlite")
        changed = connection.execute(wrong).rowcount
        connection.commit()
        connection.close()
        if changed:
            for look in (verify, lambda folder: backup(folder, tmp_path / "of the wrong")):
                with pytest.raises(StoreRefused, match=r"journal\.sqlite is damaged: .*; restore a backup"):
                    look(tmp_path / "wrong")
                shutil.rmtree(tmp_path / "of the wrong", ignore_errors=True)


def test_a_copy_that_has_lost_commits_is_refused(tmp_path: Path) -> None:
    backup(stopped(tmp_path / "live", 2), tmp_path / "older")
    backup(stopped(tmp_path / "more", 3), tmp_path / "newer")
    shutil.copy(tmp_path / "newer" / "journal.seal", tmp_path / "older")
    for look in (verify, opened):
        with pytest.raises(StoreRefused, match=r"commits are missing at the end of .*: 1"):
            look(tmp_path / "older")


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    stopped(tmp_path / "live", 1)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("precious")
    with pytest.raises(StoreRefused, match=r"mine is not empty; name a new folder for each backup"):
        backup(tmp_path / "live", tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["file"]


def test_a_backup_that_fails_leaves_no_journal_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped(tmp_path / "live", 3)

    def full(*_: object) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    monkeypatch.setattr("primefixd.runtime.store.copying.schema.writer", full)
    with pytest.raises(StoreRefused, match=r"copy cannot be written: the disk is full; free some space"):
        backup(tmp_path / "live", tmp_path / "copy")
    assert list((tmp_path / "copy").iterdir()) == []


def test_events_are_read_page_by_page_and_only_those_that_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "EVENTS_AT_ONCE_MAX", 3)
    store = opened(tmp_path / "live")
    assert list(events(tmp_path / "live", None)) == []
    for number in range(1, 6):
        store.commit(commit(number))
    everything = expected(5)[2]
    assert list(events(tmp_path / "live", None)) == everything
    assert list(events(tmp_path / "live", 7)) == everything[7:]
    assert list(events(tmp_path / "live", 10)) == list(events(tmp_path / "live", 99)) == []
    reading = events(tmp_path / "live", None)
    assert next(reading).cursor == 1
    store.compact(everything[6].time, 100)
    with pytest.raises(StoreRefused, match=r"event 4 is not kept any more; the oldest one in .* is 7"):
        list(reading)
    assert [event.cursor for event in events(tmp_path / "live", None)] == [7, 8, 9, 10]
    with pytest.raises(StoreRefused, match="event 3 is not kept any more"):
        list(events(tmp_path / "live", 2))
    monkeypatch.setattr(copying, "EVENTS_AT_ONCE_MAX", 2)
    reading = events(tmp_path / "live", None)
    assert next(reading).cursor == 7
    store.compact(everything[9].time, 100)
    with pytest.raises(StoreRefused, match=r"event 9 is not kept any more; the oldest one in .* is 10"):
        list(reading)
