"""What the journal says of itself in its one row of `meta`: which journal, how many commits, the sum of each table."""

import sqlite3
from typing import Any

from attrs import Factory, define, frozen

from primefixd.runtime.store.schema import COUNTED, crc, insertion


@define
class Tally:
    """The checksums of a table's rows, added up, and the newest number that a row was given (the newest cursor)."""

    sum: int = 0
    last: int = 0

    def add(self, checksum: int) -> None:
        """A row came."""
        self.sum += checksum

    def take(self, checksum: int) -> None:
        """A row went."""
        self.sum -= checksum


def no_rows() -> dict[str, Tally]:
    """The tallies of empty tables."""
    return {table: Tally() for table in COUNTED}


@frozen
class Meta:
    """The journal's id, when it began (microseconds since 1970), how many commits it had, and what is in its tables."""

    journal: str
    since: int
    number: int = 0
    tallies: dict[str, Tally] = Factory(no_rows)

    def next(self) -> "Meta":
        """The same, one commit on, to be changed while that commit is made."""
        tallies = {table: Tally(tally.sum, tally.last) for table, tally in self.tallies.items()}
        return Meta(self.journal, self.since, self.number + 1, tallies)

    def write(self, connection: sqlite3.Connection) -> None:
        """Put it into the database, within the caller's transaction."""
        sums = (self.tallies[table].sum for table in COUNTED)
        row = (1, self.since, self.number, *sums, self.journal.encode())
        connection.execute(insertion("meta", "REPLACE"), (*row, crc("meta", row)))


def meta_of(row: tuple[Any, ...]) -> tuple[Meta, tuple[int, ...]]:
    """The row that `write` wrote: the meta with nothing counted yet, and the sums to be found, as in COUNTED."""
    _, since, number, *sums, journal = row
    return Meta(journal.decode(), since, number), tuple(sums)
