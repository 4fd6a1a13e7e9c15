"""Where the orders of one portfolio lie: by every id of theirs, live or final, and the ids that are used for good.

It knows nothing of what reports mean: the ledger changes entries and then settles them here, and what changed is handed
out to be kept. Final orders are many and seldom touched: beyond the newest few they lie *cold*, as the bytes that are
on disk, and an entry is made of them when somebody asks. Only `keep` and `restore` turn entries cold, so that whoever
holds an entry may change it until then; nobody keeps one longer.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal, localcontext
from itertools import chain, islice
from sys import intern

from attrs import frozen

from primefixd.orders import rows
from primefixd.orders.entry import Entry
from primefixd.orders.exact import EXACT
from primefixd.orders.keeping import Forgotten, Keeping, Kept, KeptExecution, KeptOrder
from primefixd.orders.model import Order, Status

FINAL_ORDERS_WARM_MAX = 10_000  # final orders that lie here as entries, about 4 kB each; beyond it the oldest turn cold
FINAL_ORDERS_MAX = 300_000  # about 2.5 kB each; beyond it the oldest final order is forgotten, its id stays remembered
IDS_REMEMBERED_MAX = 1_000_000  # ids of forgotten orders, so that none is used again (order-rules.md 23)


@frozen(weakref_slot=False)
class Cold:
    """A final order as it is kept on disk, and what is asked of many at once. A line of `executions` is one row."""

    accepted_cursor: int
    product_id: str
    state: bytes
    executions: bytes


class Shelf:
    """The orders of one portfolio by ClOrdID and by OrderID."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry | Cold] = {}
        self._aliases: dict[str, str] = {}  # later ids of a chain, to its first
        self._live: dict[str, Entry] = {}
        self.finished: Counter[tuple[Status, str | None]] = Counter()  # how orders ended since the start, and why
        self._by_order_id: dict[str, str] = {}
        self._final: OrderedDict[str, datetime] = OrderedDict()  # when each was last changed, oldest first
        self._warm: OrderedDict[str, None] = OrderedDict()  # final ones that are entries, longest untouched first
        self._remembered: set[str] = set()
        self._remembered_for: deque[str] = deque()
        self._changed: dict[str, Entry] = {}  # not handed out to be kept yet
        self._forgotten: list[Forgotten] = []

    # Finding

    def key(self, client_order_id: str) -> str:
        """What the order with that id is kept by, the first id of its chain."""
        return self._aliases.get(client_order_id, client_order_id)

    def key_of(self, order_id: str) -> str:
        """What the venue's order is kept by; empty if it is not here."""
        return self._by_order_id.get(order_id, "")

    def find(self, key: str) -> Entry | None:
        """The entry, for changing it in this turn."""
        entry = self._entries.get(key)
        return self._warmed(key, entry) if isinstance(entry, Cold) else entry

    def order(self, key: str) -> Order | None:
        """The order, for looking at it."""
        entry = self._entries.get(key)
        return None if entry is None else _order(key, entry)

    def used(self, client_order_id: str) -> bool:
        """Whether that id was ever given to an order here, also to one that is forgotten (order-rules.md 23)."""
        return any(client_order_id in ids for ids in (self._entries, self._aliases, self._remembered))

    def live(self) -> Iterator[Entry]:
        """Entries of orders that are not final, oldest first."""
        return iter(self._live.values())

    def kept(self, after: int, product_id: str | None) -> Iterator[Order]:
        """The orders accepted after that cursor, of that product unless None, oldest first."""
        for key, entry in self._entries.items():
            if entry.accepted_cursor > after and product_id in (None, entry.product_id):
                yield _order(key, entry)

    # Changing

    def add(self, entry: Entry) -> None:
        """Take in a new order; its id is not used."""
        self._entries[entry.order.key] = entry
        self.settle(entry)

    def alias(self, client_order_id: str, entry: Entry) -> None:
        """The order may go by that id too; it is not used."""
        self._aliases[client_order_id] = entry.order.key

    def settle(self, entry: Entry) -> None:
        """Take note that `entry` may have changed: keep the indices true, and the final orders bounded."""
        order, key = entry.order, entry.order.key
        self._changed[key] = entry
        if order.order_id:
            self._by_order_id.setdefault(order.order_id, key)
        if not order.final:
            if key not in self._live:
                self._alive(key, entry)
            return
        if self._live.pop(key, None) is not None:
            self.finished[order.status, order.reject_reason] += 1
        self._warm[key] = None
        self._warm.move_to_end(key)
        if self._final.get(key) != order.updated_at:
            self._final[key] = order.updated_at
            self._final.move_to_end(key)
        while len(self._final) > FINAL_ORDERS_MAX:
            self._forget(next(iter(self._final)))

    def compact(self, before: datetime, most: int) -> int:
        """Forget up to `most` final orders that were last changed before that; returns how many."""
        old = [key for key, at in islice(self._final.items(), most) if at < before]
        for key in old:
            self._forget(key)
        return len(old)

    def discard(self, entry: Entry) -> None:
        """Take an order that never left out as if it had never been here."""
        for places in (self._entries, self._live, self._final, self._warm, self._changed):
            places.pop(entry.order.key, None)
        for each in entry.attempts:
            self._aliases.pop(each, None)

    # Keeping

    def changed(self) -> list[tuple[Order, Decimal]]:
        """The orders that may have changed since `keep`, and what each has traded since, in quote units."""
        return [(entry.order, _newly_traded(entry)) for entry in self._changed.values()]

    def keep(self) -> Keeping:
        """What changed since it was last asked, each order once."""
        if not self._changed and not self._forgotten:
            return _NOTHING
        orders = tuple(filter(None, map(_kept, self._changed.values())))
        executions = tuple(chain.from_iterable(map(_executions, self._changed.values())))
        keeping = Keeping(orders=orders, executions=executions, forgotten=tuple(self._forgotten))
        self._changed, self._forgotten = {}, []
        while len(self._warm) > FINAL_ORDERS_WARM_MAX:
            self._cool(next(iter(self._warm)))
        return keeping

    def restore(self, kept: Kept) -> list[str]:
        """Lay out what was kept; returns the keys of orders with an open gap.

        Raises ValueError with the order's key if a row cannot be read.
        """
        executions: dict[str, list[bytes]] = {}
        for row in kept.executions:
            executions.setdefault(row.key, []).append(row.state)
        peeked = [(_peek(each.key, each.state), each) for each in kept.orders]
        peeked.sort(key=lambda pair: pair[0].accepted_cursor)
        for peek, each in peeked:
            cold = Cold(peek.accepted_cursor, intern(peek.product_id), each.state, _lines(each.key, executions))
            self._entries[each.key] = cold
            if each.final_at is None:
                self._entries[each.key] = self._live[each.key] = _entry(each.key, cold)
            self._aliases.update(dict.fromkeys(each.ids[1:], each.key))
            if each.order_id:
                self._by_order_id.setdefault(each.order_id, each.key)
        if executions:
            raise ValueError(f"there are executions of order {next(iter(executions))}, but not the order")
        ended = [(each.final_at, each.key) for each in kept.orders if each.final_at is not None]
        self._final.update((key, at) for at, key in sorted(ended))
        self._remember(kept.ids)
        return [each.key for peek, each in peeked if peek.gap]

    # Inside

    def _alive(self, key: str, entry: Entry) -> None:
        """A new order, or one that was final and goes back to its place: they are listed oldest first."""
        self._live[key] = entry
        if self._final.pop(key, None) is not None:
            del self._warm[key]
            self._live = dict(sorted(self._live.items(), key=lambda item: item[1].order.accepted_cursor))

    def _warmed(self, key: str, cold: Cold) -> Entry:
        entry = self._entries[key] = _entry(key, cold)
        self._warm[key] = None
        return entry

    def _cool(self, key: str) -> None:
        entry = self._entries[key]
        del self._warm[key]
        if not isinstance(entry, Cold):
            order, steps = entry.order, rows.pack_steps(entry.executions.whole())
            self._entries[key] = Cold(order.accepted_cursor, order.terms.product_id, entry.written, steps)

    def _forget(self, key: str) -> None:
        order_id, ids = _names(key, self._entries.pop(key))
        for places in (self._final, self._warm, self._changed):
            places.pop(key, None)
        if self.key_of(order_id) == key:
            del self._by_order_id[order_id]
        for each in ids:
            self._aliases.pop(each, None)
        self._remember(ids)
        self._forgotten.append(Forgotten(key, ids))

    def _remember(self, ids: Iterable[str]) -> None:
        for each in ids:
            if each not in self._remembered:
                self._remembered.add(each)
                self._remembered_for.append(each)
        while len(self._remembered_for) > IDS_REMEMBERED_MAX:
            self._remembered.remove(self._remembered_for.popleft())


_NOTHING = Keeping()


def _newly_traded(entry: Entry) -> Decimal:
    value = EXACT.subtract(entry.order.filled_value, entry.traded)
    entry.traded = entry.order.filled_value
    return value


def _kept(entry: Entry) -> KeptOrder | None:
    """The order's row, None if that is on disk already: many reports are copies that change nothing."""
    order, state = entry.order, rows.pack_entry(entry)
    if state == entry.written:
        return None
    entry.written = state
    final_at = order.updated_at if order.final else None
    return KeptOrder(order.key, (order.key, *entry.attempts), order.order_id, final_at, state)


def _executions(entry: Entry) -> tuple[KeptExecution, ...]:
    steps = entry.executions.taken()
    return (KeptExecution(entry.order.key, rows.pack_steps(steps)),) if steps else ()


def _peek(key: str, state: bytes) -> rows.Peek:
    try:
        return rows.peek(state)
    except ValueError as error:
        raise _unreadable(key, error) from None


def _names(key: str, entry: Entry | Cold) -> tuple[str, tuple[str, ...]]:
    """The venue's id of an order, empty if it has none, and all of ours."""
    if isinstance(entry, Cold):
        peek = _peek(key, entry.state)
        return peek.order_id or "", (key, *peek.attempts)
    return entry.order.order_id or "", (key, *entry.attempts)


def _lines(key: str, executions: dict[str, list[bytes]]) -> bytes:
    lines = executions.pop(key, [])
    try:
        for line in lines:
            rows.peek_steps(line)
    except ValueError as error:
        raise _unreadable(key, error) from None
    return b"\n".join(lines)


def _entry(key: str, cold: Cold) -> Entry:
    try:
        entry = rows.unpack_entry(cold.state)
        with localcontext(EXACT):
            entry.executions.repeat(chain.from_iterable(map(rows.unpack_steps, cold.executions.splitlines())))
    except ValueError as error:
        raise _unreadable(key, error) from None
    entry.written, entry.traded = cold.state, entry.order.filled_value
    return entry


def _order(key: str, entry: Entry | Cold) -> Order:
    if isinstance(entry, Entry):
        return entry.order
    try:
        return rows.unpack_order(entry.state)
    except ValueError as error:
        raise _unreadable(key, error) from None


def _unreadable(key: str, error: ValueError) -> ValueError:
    return ValueError(f"what is kept of order {key} cannot be read: {error}")
