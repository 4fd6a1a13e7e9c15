"""What goes into the store and comes out of it, and the two ways in which it says no."""

from collections.abc import Mapping
from datetime import datetime

from attrs import frozen

from primefixd.orders.keeping import Keeping, Kept


class StoreRefused(Exception):
    """The store cannot be opened: one sentence that says what is wrong with which file and what to do next."""


class Unwritable(Exception):
    """The disk is full, read-only, gone…: nothing of this call was kept, and the same call is worth trying again."""


@frozen
class StoredEvent:
    """One event as it is kept. `text` is the JSON object of the event's own members; `portfolio` None: everybody's."""

    cursor: int
    time: datetime
    portfolio: str | None
    type: str
    text: bytes


@frozen
class Note:
    """A small durable fact of a portfolio (a halt …). `value` None takes it back."""

    name: str
    value: bytes | None


@frozen
class Batch:
    """What one turn of a portfolio changed, written together or not at all. Without a portfolio it has only events."""

    portfolio: str | None
    keeping: Keeping
    events: tuple[StoredEvent, ...]
    notes: tuple[Note, ...] = ()


@frozen
class Stored:
    """All that is kept, for a start. `journal` names the run of cursors.

    `oldest` is the oldest cursor kept (`newest` + 1 when there is none). `orders` and `notes` are by portfolio.
    `remarks` say what was found and mended at the opening, one sentence each.
    """

    journal: str
    oldest: int
    newest: int
    orders: Mapping[str, Kept]
    notes: Mapping[str, Mapping[str, bytes]]
    remarks: tuple[str, ...]
