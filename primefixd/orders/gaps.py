"""When to ask again about the orders whose gap is open, final ones as well (order-rules.md 5).

A gap is open from when it was told until its fills were; the times are those of the entries, so that they outlive a
restart. Here they only become moments of the clock that never steps.
"""

import math
from collections.abc import Callable
from datetime import datetime

from primefixd.clock import Moment
from primefixd.orders.entry import Entry
from primefixd.orders.model import Order

GAP_ASKS_MAX = 20  # how often one gap is asked about; then it stays told, and any later answer may still fill it


class Gaps:
    """Which orders' gaps are open, and when each was told or asked about last, in monotonic seconds."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def watch(self, entry: Entry, now: Moment) -> None:
        """Something changed about this order."""
        key, opened = entry.order.key, _opened(entry)
        if opened is None:
            self._since.pop(key, None)
        elif opened == now.utc:
            self._since[key] = now.mono

    def restored(self, key: str) -> None:
        """That order had an open gap when the daemon stopped; `due` reads in its entry since when."""
        self._since[key] = -math.inf

    def due(self, now: Moment, grace_s: float, find: Callable[[str], Entry | None]) -> list[Order]:
        """Orders to ask about: each once per `grace_s`, and GAP_ASKS_MAX times in all."""
        orders = []
        for key in [key for key, since in self._since.items() if since + grace_s <= now.mono]:
            entry = find(key)
            opened = None if entry is None else _opened(entry)
            if entry is None or opened is None or entry.gap_asks >= GAP_ASKS_MAX:
                del self._since[key]
            elif (early := grace_s - (now.utc - opened).total_seconds()) > 0:  # restored, or our clock was set back
                self._since[key] = now.mono - grace_s + min(early, grace_s)
            else:
                self._since[key] = now.mono
                entry.gap_asks += 1
                orders.append(entry.order)
        return orders

    def next(self, grace_s: float) -> float:
        return min(self._since.values(), default=math.inf) + grace_s

    def open(self) -> list[str]:
        return list(self._since)


def _opened(entry: Entry) -> datetime | None:
    return entry.gap_since or entry.shrunk_at
