"""Commits for the store that can be told from their number, and what must be there after so many of them."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from primefixd.orders.keeping import Forgotten, Keeping, Kept, KeptExecution, KeptOrder
from primefixd.runtime.store import Batch, Note, Store, StoredEvent, open_store

BEGIN = datetime(2026, 1, 5, 22, 0, 0, 123456, tzinfo=UTC)
JOURNAL = "0195-the-first-one"
PORTFOLIOS = ("main", "hedge – zwei")
Contents = tuple[dict[str, Kept], dict[str, dict[str, bytes]], list[StoredEvent]]


def opened(folder: Path, journal: str = JOURNAL) -> Store:
    return open_store(folder, journal, BEGIN)


def key(number: int) -> str:
    return f"order-{number}"


def event(cursor: int, size: int = 100, portfolio: str | None = "main") -> StoredEvent:
    text = f'{{"n":{cursor},"x":"{"x" * size}"}}'.encode()
    return StoredEvent(cursor, BEGIN + timedelta(seconds=cursor, microseconds=cursor), portfolio, "order.updated", text)


def order(number: int, turn: int = 0, final: bool = False) -> KeptOrder:
    ids = (key(number), f"{key(number)}-replaced") if turn else (key(number),)
    final_at = BEGIN + timedelta(minutes=number) if final else None
    return KeptOrder(key(number), ids, f"venue-{number}" if turn else None, final_at, b'{"v":1,"turn":%d}' % turn)


def commit(number: int) -> list[Batch]:
    """The commit `number`, from 1 on: an order begins, the one before goes on, the one four before is forgotten."""
    portfolio = PORTFOLIOS[number % 2]
    keeping = Keeping(
        orders=(order(number), order(number - 2, 1, final=True)) if number > 2 else (order(number),),
        executions=(KeptExecution(key(number), b"bought %d" % number), KeptExecution(key(number), b"again")),
        forgotten=(Forgotten(key(number - 4), order(number - 4, 1).ids),) if number > 4 else (),
    )
    note = Note("halt", b"since %d" % number if number % 6 < 4 else None)
    first = 2 * number - 1
    return [
        Batch(portfolio, keeping, (event(first, portfolio=portfolio),), (note, Note(f"n{number % 5}", b""))),
        Batch(None, Keeping(), (event(first + 1, portfolio=None),)),
    ]


def expected(commits: int) -> Contents:
    """What must be there after so many commits, worked out without the store."""
    orders: dict[str, dict[str, KeptOrder]] = {}
    executions: dict[str, list[KeptExecution]] = {}
    ids: dict[str, list[str]] = {}
    notes: dict[str, dict[str, bytes]] = {}
    events: list[StoredEvent] = []
    for batch in (batch for number in range(1, commits + 1) for batch in commit(number)):
        events.extend(batch.events)
        if (name := batch.portfolio) is None:
            continue
        mine = orders.setdefault(name, {})
        mine.update((each.key, each) for each in batch.keeping.orders)
        executions.setdefault(name, []).extend(batch.keeping.executions)
        for gone in batch.keeping.forgotten:
            del mine[gone.key]
            executions[name] = [each for each in executions[name] if each.key != gone.key]
            ids.setdefault(name, []).extend(gone.ids)
        for note in batch.notes:
            notes.setdefault(name, {}).pop(note.name, None) if note.value is None else notes.setdefault(
                name, {}
            ).update({note.name: note.value})
    kept = {
        name: Kept(
            orders=tuple(orders[name].values()), executions=tuple(executions[name]), ids=tuple(ids.get(name, ()))
        )
        for name in orders
    }
    return kept, {name: each for name, each in notes.items() if each}, events


def contents(store: Store) -> Contents:
    """What is there."""
    stored = store.load()
    events = store.events(0, 1_000_000)
    assert [each.cursor for each in events] == list(range(stored.oldest, stored.newest + 1))
    return dict(stored.orders), {name: dict(each) for name, each in stored.notes.items()}, events


def journal_of(folder: Path, first: int, more: int) -> None:
    """A folder as a kill leaves it: `first` commits in the database, `more` in its log."""
    live = folder.with_name(folder.name + ".live")
    store = opened(live)
    for number in range(1, first + 1):
        store.commit(commit(number))
    store.close()
    store = opened(live)
    for number in range(first + 1, first + more + 1):
        store.commit(commit(number))
    shutil.copytree(live, folder)
    (folder / "journal.sqlite-shm").unlink()
    store.close()
    shutil.rmtree(live)
