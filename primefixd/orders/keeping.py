"""What of the ledger is kept on disk, as values: the journal stores them and never looks inside.

An order is one row that is written anew when it changed; its executions are rows that are only ever added, since an
order may have ten thousand of them.
"""

from datetime import datetime

from attrs import frozen


@frozen
class KeptOrder:
    """One order, less its executions. `key` is the first id of its chain, `ids` are all ids that it was ever given.

    `final_at` is when it was last changed, once it is final: it tells retention what is old.
    """

    key: str
    ids: tuple[str, ...]
    order_id: str | None
    final_at: datetime | None
    state: bytes


@frozen
class KeptExecution:
    """One thing heard about an execution of the order `key`, to be heard again in the same order at a restart."""

    key: str
    state: bytes


@frozen
class Forgotten:
    """An order that is older than the retention: its rows go, its ids stay remembered (order-rules.md 23)."""

    key: str
    ids: tuple[str, ...]


@frozen(kw_only=True)
class Keeping:
    """What changed since it was last asked, to be written together."""

    orders: tuple[KeptOrder, ...] = ()
    executions: tuple[KeptExecution, ...] = ()
    forgotten: tuple[Forgotten, ...] = ()


@frozen(kw_only=True)
class Kept:
    """All that is kept of one portfolio's orders, oldest first; `executions` in the order in which they were heard."""

    orders: tuple[KeptOrder, ...] = ()
    executions: tuple[KeptExecution, ...] = ()
    ids: tuple[str, ...] = ()
