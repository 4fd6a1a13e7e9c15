"""Where the orders of one portfolio lie: by every id of theirs, live or final, and the ids that are used for good.

It knows nothing of what reports mean: the ledger changes entries and then settles them here.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import TypeVar

from primefixd.orders.entry import Entry
from primefixd.orders.model import Order

FINAL_ORDERS_MAX = 100_000  # beyond it the oldest final order is forgotten; its id stays remembered
IDS_REMEMBERED_MAX = 1_000_000  # ids of forgotten orders, so that none is used again (order-rules.md 23)


class Shelf:
    """The entries of one portfolio by ClOrdID and by OrderID."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._aliases: dict[str, str] = {}  # later ids of a chain, to its first
        self._live: dict[str, Entry] = {}
        self._by_order_id: dict[str, str] = {}
        self._final: OrderedDict[str, None] = OrderedDict()
        self._forgotten: OrderedDict[str, None] = OrderedDict()

    def find(self, client_order_id: str) -> Entry | None:
        """By any id of an order's chain."""
        return self._entries.get(self._aliases.get(client_order_id, client_order_id))

    def by_order_id(self, order_id: str) -> Entry | None:
        return self._entries.get(self._by_order_id.get(order_id, ""))

    def used(self, client_order_id: str) -> bool:
        """Whether that id was ever given to an order here, also to one that is forgotten (order-rules.md 23)."""
        return any(client_order_id in ids for ids in (self._entries, self._aliases, self._forgotten))

    def live(self) -> Iterator[Entry]:
        """Entries of orders that are not final, oldest first."""
        return iter(self._live.values())

    def kept(self) -> Iterator[Order]:
        """Every order that is kept, oldest first."""
        return (entry.order for entry in self._entries.values())

    def add(self, entry: Entry) -> None:
        """Take in a new order; its id is not used."""
        self._entries[entry.order.key] = self._live[entry.order.key] = entry

    def alias(self, client_order_id: str, entry: Entry) -> None:
        """The order may go by that id too; it is not used."""
        self._aliases[client_order_id] = entry.order.key

    def settle(self, entry: Entry) -> None:
        """Keep the indices true after `entry` changed, and the kept final orders bounded."""
        order = entry.order
        if order.order_id:
            self._by_order_id.setdefault(order.order_id, order.key)
        if not order.final:
            if order.key not in self._live:
                self._reopen(entry)
            return
        self._live.pop(order.key, None)
        self._final[order.key] = None
        for key in _trim(self._final, FINAL_ORDERS_MAX):
            self._forget(key)

    def _reopen(self, entry: Entry) -> None:
        """Put an order that was final back among the live ones, at its place: they are listed oldest first."""
        self._final.pop(entry.order.key)
        self._live[entry.order.key] = entry
        self._live = dict(sorted(self._live.items(), key=lambda item: item[1].order.accepted_cursor))

    def _forget(self, key: str) -> None:
        entry = self._entries.pop(key)
        order_id = entry.order.order_id or ""
        if self._by_order_id.get(order_id) == key:
            del self._by_order_id[order_id]
        for each in (key, *entry.attempts):
            self._aliases.pop(each, None)
            self._forgotten[each] = None
        _trim(self._forgotten, IDS_REMEMBERED_MAX)


K = TypeVar("K")


def _trim(ordered: OrderedDict[K, None], most: int) -> list[K]:
    """Drop and return the oldest entries beyond `most`."""
    return [ordered.popitem(last=False)[0] for _ in range(len(ordered) - most)]
