"""The fields of one message of the venue, read one by one: what cannot be read is named, what nobody asked for is kept.

A field that cannot be read never costs the rest of its message, which may be the only word about a fill; its text stays
in `raw` beside the fields that have no other place. Nothing here knows what a message means.
"""

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final, TypeVar

from primefixd.fix.message import Message
from primefixd.fix.timestamps import read_timestamp
from primefixd.orders.exact import AMOUNT_MAX_CHARS

ENVELOPE: Final = frozenset(
    {8, 9, 10, 34, 35, 43, 49, 50, 52, 56, 57, 90, 91, 97, 115, 116, 122, 128, 129, 142, 143, 144, 145, 347, 369, 370}
)
"""Header and trailer of FIX 4.2: how a message came, which differs from copy to copy; never kept as `raw`."""

_NUMBER = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_T = TypeVar("_T")


class Reading:
    """Reads a message and remembers the names of the fields that it could not read, and which fields it used."""

    def __init__(self, message: Message) -> None:
        self._fields = [(tag, raw.decode("utf-8", "backslashreplace")) for tag, raw in message.fields]
        self._first = {tag: index for index, (tag, _) in reversed(list(enumerate(self._fields)))}
        self._used: set[int] = set()
        self._lost: dict[str, None] = {}

    @property
    def unreadable(self) -> tuple[str, ...]:
        return tuple(self._lost)

    @property
    def raw(self) -> tuple[tuple[int, str], ...]:
        """Everything that no reading before this one has used, in the order of the message."""
        return tuple(
            field for index, field in enumerate(self._fields) if index not in self._used and field[0] not in ENVELOPE
        )

    def lost(self, name: str) -> None:
        self._lost[name] = None

    def peek(self, tag: int) -> str | None:
        """As `text`, but the field stays for `raw`."""
        index = self._first.get(tag)
        return None if index is None else self._fields[index][1]

    def text(self, tag: int) -> str | None:
        """The first field with this tag; a repeated one is left to `raw`."""
        if tag in self._first:
            self._used.add(self._first[tag])
        return self.peek(tag)

    def number(self, tag: int, name: str) -> Decimal | None:
        return self._kept(tag, name, read_number(self.text(tag)))

    def quantity(self, tag: int, name: str) -> Decimal | None:
        """As `number`, but less than nothing cannot be traded."""
        number = read_number(self.text(tag))
        return self._kept(tag, name, None if number is not None and number < 0 else number)

    def time(self, tag: int, name: str) -> datetime | None:
        return self._kept(tag, name, read_timestamp(self.text(tag) or ""))

    def word(self, tag: int, table: Mapping[str, _T], name: str) -> _T | None:
        """The word for a letter; a letter that nobody knows is noted."""
        return self._kept(tag, name, table.get(self.text(tag) or ""))

    def group(self, count_tag: int, first_tag: int, members: Collection[int], name: str) -> list["Entry"]:
        """The entries of a repeating group, each from one `first_tag` to the next; a count that lies is noted.

        Tags of a group stand nowhere else, so they are gathered across tags that nobody knows; neither the announced
        count nor an end is believed.
        """
        found: list[Entry] = []
        for index, (tag, text) in enumerate(self._fields):
            if tag == first_tag or (tag in members and not found):
                found.append(Entry())
            if tag == first_tag or tag in members:
                found[-1].add(index, tag, text)
        if (self.peek(count_tag) or "").lstrip("0") == str(len(found) or ""):
            self.text(count_tag)
        else:
            self.lost(name)
        return found

    def use(self, entry: "Entry") -> None:
        """The entry of a group was understood."""
        self._used.update(entry.indexes)

    def _kept(self, tag: int, name: str, value: _T | None) -> _T | None:
        """`value`; if there is a field and no value, that is noted, and the field stays for `raw`."""
        index = self._first.get(tag)
        if value is None and index is not None:
            self.lost(name)
            self._used.discard(index)
        return value


class Entry:
    """One entry of a repeating group: its fields, of a repeated tag the first, and where they stood."""

    def __init__(self) -> None:
        self.indexes: list[int] = []
        self._texts: dict[int, str] = {}

    def add(self, index: int, tag: int, text: str) -> None:
        if tag not in self._texts:
            self._texts[tag] = text
            self.indexes.append(index)

    def text(self, tag: int) -> str | None:
        return self._texts.get(tag)


def read_number(text: str | None) -> Decimal | None:
    """A decimal as FIX 4.2 writes a float: no exponent, no blanks; None for anything else."""
    if text is None or len(text) > AMOUNT_MAX_CHARS or not _NUMBER.fullmatch(text):
        return None
    return Decimal(text)
