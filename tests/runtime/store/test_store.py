"""What goes in comes out, all of a commit or nothing, in files that only their owner reads."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from primefixd.orders.keeping import Forgotten, Keeping
from primefixd.runtime.store import Batch, Note, StoredEvent
from primefixd.runtime.store import store as module
from tests.support.stored import BEGIN, JOURNAL, commit, contents, event, expected, key, opened, order

COUNT = 1000  # events that are followed


def test_a_new_folder_is_an_empty_journal(tmp_path: Path) -> None:
    store = opened(tmp_path / "a" / "state")
    stored = store.load()
    assert (stored.journal, stored.oldest, stored.newest, stored.remarks) == (JOURNAL, 1, 0, ())
    assert contents(store) == ({}, {}, [])
    assert store.oldest == 1
    store.close()


@pytest.mark.parametrize("commits", [1, 3, 5, 40])
def test_what_was_committed_is_there_at_once_and_after_opening_again(tmp_path: Path, commits: int) -> None:
    store = opened(tmp_path)
    for number in range(1, commits + 1):
        store.commit(commit(number))
    assert contents(store) == expected(commits)
    store.close()
    again = opened(tmp_path, "another id")
    assert again.load().journal == JOURNAL
    assert again.load().remarks == ()
    assert contents(again) == expected(commits)
    again.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["journal.seal", "journal.sqlite", "lock"]


def test_a_group_of_batches_is_as_good_as_one_after_another(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.commit([batch for number in range(1, 31) for batch in commit(number)])
    store.commit([])
    assert contents(store) == expected(30)
    store.close()


def test_orders_keep_their_place_when_they_change(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for turn, number in enumerate((1, 2, 3, 1, 2)):
        store.commit([Batch("main", Keeping(orders=(order(number, turn),)), ())])
    store.commit([Batch("main", Keeping(orders=(order(1, 7), order(1, 8))), ())])
    assert store.load().orders["main"].orders == (order(1, 8), order(2, 4), order(3, 2))
    store.close()


def test_portfolios_do_not_mix(tmp_path: Path) -> None:
    store = opened(tmp_path)
    both = [Batch(name, Keeping(orders=(order(1, turn),)), (), (Note("halt", name.encode()),)) for turn, name in
            enumerate(("one", "two"))]  # fmt: skip
    store.commit(both)
    store.commit([Batch("one", Keeping(forgotten=(Forgotten(key(1), (key(1),)),)), (), (Note("halt", None),))])
    stored = store.load()
    assert stored.orders["one"].orders == ()
    assert stored.orders["one"].ids == (key(1),)
    assert stored.orders["two"].orders == (order(1, 1),)
    assert stored.notes == {"two": {"halt": b"two"}}
    store.close()


def test_what_has_no_order_may_be_forgotten_and_an_id_twice(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for _ in range(2):
        store.commit([Batch("main", Keeping(forgotten=(Forgotten("gone", ("gone", "with it")),)), ())])
    assert store.load().orders["main"].ids == ("gone", "with it")
    store.close()
    again = opened(tmp_path)
    assert again.load().orders["main"].ids == ("gone", "with it")
    again.close()


def test_nothing_of_a_commit_with_a_wrong_cursor_is_kept(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.commit(commit(1))
    for wrong in (1, 2, 4):
        with pytest.raises(ValueError, match=f"cursor {wrong} where 3 comes next"):
            store.commit([Batch("main", Keeping(orders=(order(9),)), (event(wrong),))])
    with pytest.raises(ValueError, match="belong to a portfolio"):
        store.commit([*commit(2), Batch(None, Keeping(orders=(order(9),)), ())])
    assert contents(store) == expected(1)
    store.commit(commit(2))
    assert contents(store) == expected(2)
    store.close()


def test_events_are_read_from_any_cursor_while_others_are_written(tmp_path: Path) -> None:
    store = opened(tmp_path)
    everything = [event(cursor) for cursor in range(1, 101)]
    store.commit([Batch("main", Keeping(), tuple(everything))])
    assert store.events(0, 1000) == everything
    assert store.events(40, 7) == everything[40:47]
    assert store.events(99, 7) == everything[99:]
    assert store.events(100, 7) == store.events(2**80, 7) == []
    store.close()


def test_events_are_read_in_another_thread_beside_commits_and_checkpoints(tmp_path: Path) -> None:
    store = opened(tmp_path)
    read: list[StoredEvent] = []

    def follow() -> None:
        while len(read) < COUNT:
            read.extend(store.events(len(read), 100))

    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(follow)
        for cursor in range(1, COUNT + 1, 5):
            store.commit([Batch("main", Keeping(), tuple(event(each, 9000) for each in range(cursor, cursor + 5)))])
        following.result(timeout=60)
    assert read == [event(cursor, 9000) for cursor in range(1, COUNT + 1)]
    assert (tmp_path / "journal.sqlite").stat().st_size > COUNT * 4500, "checkpoints took place meanwhile"
    store.close()


def test_events_keep_text_time_and_absent_portfolios_exactly(tmp_path: Path) -> None:
    store = opened(tmp_path)
    odd = StoredEvent(1, BEGIN.replace(microsecond=999_999), None, "server.stopping", b'{"a":"\\u0000 \xc3\xa9"}\x00')
    store.commit([Batch(None, Keeping(), (odd,))])
    assert store.events(0, 1) == [odd]
    assert store.events(0, 1)[0].time.utcoffset() == timedelta(0)
    store.close()


def test_compacting_takes_the_oldest_events_and_never_the_newest(tmp_path: Path) -> None:
    store = opened(tmp_path)
    assert store.compact(BEGIN, 10) == 0
    store.commit([Batch("main", Keeping(), tuple(event(cursor) for cursor in range(1, 31)))])
    assert store.compact(BEGIN, 10) == 0
    assert store.compact(BEGIN + timedelta(seconds=6), 4) == 4
    assert store.oldest == 5
    assert store.compact(BEGIN + timedelta(seconds=6), 4) == 1
    assert [each.cursor for each in store.events(0, 3)] == [6, 7, 8]
    store.close()
    again = opened(tmp_path)
    assert (again.oldest, again.load().oldest, again.load().newest) == (6, 6, 30)
    assert again.compact(BEGIN + timedelta(days=1), 1000) == 24
    assert again.compact(BEGIN + timedelta(days=1), 1000) == 0
    assert [each.cursor for each in again.events(0, 1000)] == [30]
    again.commit([Batch("main", Keeping(), (event(31),))])
    again.close()
    last = opened(tmp_path)
    assert (last.load().oldest, last.load().newest) == (30, 31)
    last.close()


def test_the_oldest_ids_go_beyond_the_bound_of_each_portfolio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDS_MAX", 3)
    store = opened(tmp_path)
    for name, count in (("one", 5), ("two", 2)):
        gone = tuple(Forgotten(key(number), (key(number),)) for number in range(count))
        store.commit([Batch(name, Keeping(forgotten=gone), ())])
    store.compact(BEGIN, 1)
    orders = store.load().orders
    assert (orders["one"].ids, orders["two"].ids) == ((key(2), key(3), key(4)), (key(0), key(1)))
    store.close()
    again = opened(tmp_path)
    assert again.load().orders == orders
    again.close()


def _modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}


def test_only_the_owner_may_look(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    before = os.umask(0)
    try:
        store = opened(folder)
        store.commit(commit(1))
        store.events(0, 1)
        names = {"state", "lock", "journal.seal", "journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"}
        assert _modes(folder) == {name: 0o700 if name == "state" else 0o600 for name in names}
        store.close()
        for path in (folder, *folder.iterdir()):
            path.chmod(0o777)
        store = opened(folder)
        store.commit(commit(2))
        assert _modes(folder) == {name: 0o700 if name == "state" else 0o600 for name in names}
        store.close()
    finally:
        os.umask(before)
