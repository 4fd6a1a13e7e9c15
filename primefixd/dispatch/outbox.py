"""What waits to leave on one session, and who is next. It knows no limits of rate and no bytes.

Cancels go before status requests, replaces and new orders; within one kind it is first come, first served for each
client, and the clients take turns (order-rules.md 18).
"""

from collections import OrderedDict
from collections.abc import Collection
from math import inf

from attrs import frozen

from primefixd.orders.model import RequestKind

QUEUE_MAX_ORDERS = (
    1000  # new orders and replaces on one session; at the bound `put` refuses and the client hears `busy`
)

_ALL = frozenset(RequestKind)
_BOUNDED = frozenset({RequestKind.NEW_ORDER, RequestKind.REPLACE, RequestKind.QUOTE})


@frozen(kw_only=True)
class Waiting:
    """One request. `key` is the client_order_id of its order, `deadline` in mono seconds (None: waits for ever)."""

    kind: RequestKind
    client: str
    key: str
    deadline: float | None
    request_id: str


class Outbox:
    """At most one request of a kind waits for an order: that bounds cancels and status requests, never refused."""

    def __init__(self, bound: int = QUEUE_MAX_ORDERS) -> None:
        self._bound = bound
        self._turns: dict[RequestKind, OrderedDict[str, OrderedDict[str, Waiting]]] = {
            kind: OrderedDict() for kind in RequestKind
        }
        self._waiting: dict[tuple[RequestKind, str], Waiting] = {}
        self._bounded = 0
        self._deadline = inf

    def put(self, item: Waiting) -> bool:
        """Whether it waits now. False: the queue is full (only new orders and replaces are refused).

        If a request of this kind waits for this order already, that one stays, and it is enough.
        """
        if (item.kind, item.key) in self._waiting:
            return True
        if item.kind in _BOUNDED:
            if self._bounded >= self._bound:
                return False
            self._bounded += 1
        self._waiting[item.kind, item.key] = item
        self._turns[item.kind].setdefault(item.client, OrderedDict())[item.key] = item
        if item.deadline is not None:
            self._deadline = min(self._deadline, item.deadline)
        return True

    def first(self, kinds: Collection[RequestKind]) -> Waiting | None:
        """What should leave next of these kinds."""
        for kind in RequestKind:
            if kind in kinds and self._turns[kind]:
                return next(iter(next(iter(self._turns[kind].values())).values()))
        return None

    def pop(self, item: Waiting) -> None:
        """It leaves, and its client's turn is over. KeyError if it does not wait."""
        self._remove(item.kind, item.key)
        if item.client in self._turns[item.kind]:
            self._turns[item.kind].move_to_end(item.client)

    def withdraw(self, key: str, kind: RequestKind) -> Waiting | None:
        """Takes back what waits of this kind for this order, if anything does; nobody's turn changes."""
        return self._remove(kind, key) if (kind, key) in self._waiting else None

    def expired(self, now: float) -> list[Waiting]:
        """What reached its deadline, removed, earliest deadline first."""
        if now < self._deadline:
            return []
        due = sorted((item for item in self._waiting.values() if _deadline(item) <= now), key=_deadline)
        for item in due:
            self._remove(item.kind, item.key)
        self._deadline = min(map(_deadline, self._waiting.values()), default=inf)
        return due

    def drain(self) -> list[Waiting]:
        """Everything, removed, in the order in which it would have left."""
        drained = []
        while (item := self.first(_ALL)) is not None:
            self.pop(item)
            drained.append(item)
        return drained

    def next_deadline(self) -> float:
        """When to ask `expired` next, in mono seconds: no later than the earliest deadline, inf when empty."""
        return self._deadline if self._waiting else inf

    def __len__(self) -> int:
        return len(self._waiting)

    def _remove(self, kind: RequestKind, key: str) -> Waiting:
        item = self._waiting.pop((kind, key))
        queue = self._turns[kind][item.client]
        del queue[key]
        if not queue:
            del self._turns[kind][item.client]
        self._bounded -= kind in _BOUNDED
        return item


def _deadline(item: Waiting) -> float:
    return inf if item.deadline is None else item.deadline
