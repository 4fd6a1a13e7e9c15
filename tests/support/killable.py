"""The real daemon, which kills itself with SIGKILL when it crosses a named point for the n-th time; for tests only.

    python -P tests/support/killable.py FILE POINT N

The daemon knows nothing of it: every point lies at the border of a port, which is wrapped here. A point is a border
and, after a slash, what crosses it: of a commit what its batches hold, of bytes their 35=.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import orjson
import trio
from attrs import define, evolve, frozen

from primefixd import daemon, logs
from primefixd.cli.run import load_or_refuse, secrets_of
from primefixd.runtime.ports import Ports, Storage, system_ports
from primefixd.runtime.settings import VenueSettings
from primefixd.runtime.store import Batch, Stored, StoredEvent

COMMITS = ("intent", "leaving", "sent", "report", "fill")  # what a commit can hold
LETTERS = ("D", "F", "G")  # of the requests before, half-way through and after whose bytes it can die
HEARD = ("8", "A")
POINTS = (
    *(f"{border}-commit/{what}" for what in COMMITS for border in ("before", "after")),
    *(f"{border}-bytes/{letter}" for letter in LETTERS for border in ("before", "half", "after")),
    *(f"after-receive/{letter}" for letter in HEARD),
    "after-connect",
    "in-replay",
    "before-commit/first",
    "after-commit/first",
    "in-events",
)


@define
class Fuse:
    """Burns at the `left`-th crossing of `point`."""

    point: str
    left: int

    def cross(self, border: str, what: str | None = None) -> None:
        if self.point == (border if what is None else f"{border}/{what}"):
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


class KillableStore:
    """A store that can be the last thing that its process did."""

    def __init__(self, store: Storage, fuse: Fuse) -> None:
        self._store, self._fuse = store, fuse
        self._first = True

    @property
    def oldest(self) -> int:
        return self._store.oldest

    def load(self) -> Stored:
        stored = self._store.load()
        self._fuse.cross("in-replay")
        return stored

    def commit(self, batches: Sequence[Batch]) -> None:
        held = {what for batch in batches for what in _held(batch)} | ({"first"} if self._first else set())
        self._first = False
        for what in held:
            self._fuse.cross("before-commit", what)
        self._store.commit(batches)
        for what in held:
            self._fuse.cross("after-commit", what)

    def events(self, after: int, most: int) -> list[StoredEvent]:
        self._fuse.cross("in-events")
        return self._store.events(after, most)

    def compact(self, before: datetime, most: int) -> int:
        return self._store.compact(before, most)

    def close(self) -> None:
        self._store.close()


def _held(batch: Batch) -> Iterator[str]:
    """Which of COMMITS the batch holds. A mark is a row of an order that nobody is told of."""
    if not batch.events and any(b'"leaving"' in order.state for order in batch.keeping.orders):
        yield "leaving"
    for event in batch.events:
        if event.type == "order.filled":
            yield "fill"
        if event.type == "order.updated":
            status = orjson.loads(event.text)["order"]["status"]
            yield {"QUEUED": "intent", "SENT": "sent"}.get(status, "report")


@frozen(eq=False)
class KillableStream(trio.abc.Stream):
    """A connection to the venue that can break off at any byte of a message, because nobody is there any more."""

    stream: trio.abc.Stream
    fuse: Fuse

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        letter = _letter(bytes(data))
        self.fuse.cross("before-bytes", letter)
        if self.fuse.point == f"half-bytes/{letter}" and self.fuse.left == 1:
            await self.stream.send_all(data[: len(data) // 2])
        self.fuse.cross("half-bytes", letter)
        await self.stream.send_all(data)
        self.fuse.cross("after-bytes", letter)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self.stream.receive_some(max_bytes)
        for letter in HEARD:
            if f"\x0135={letter}\x01".encode() in data:
                self.fuse.cross("after-receive", letter)
        return data

    async def aclose(self) -> None:
        await self.stream.aclose()


def _letter(message: bytes) -> str:
    """What stands after 35=."""
    return message.partition(b"\x0135=")[2].partition(b"\x01")[0].decode()


def killable(ports: Ports, fuse: Fuse) -> Ports:
    """`ports` with every border wrapped."""

    def open_store(folder: Path, journal: str, now: datetime) -> Storage:
        return KillableStore(ports.open_store(folder, journal, now), fuse)

    async def open_stream(venue: VenueSettings) -> trio.abc.Stream:
        stream = await ports.open_stream(venue)
        fuse.cross("after-connect")
        return KillableStream(stream, fuse)

    opening: Callable[[Path, str, datetime], Storage] = open_store
    return evolve(ports, open_store=opening, open_stream=open_stream)


def main(file: Path, point: str, number: int) -> None:
    """The daemon with the configuration `file`, as `primefixd run` starts it."""
    if point not in POINTS:
        raise SystemExit(f"{point} is none of {', '.join(POINTS)}")
    settings = load_or_refuse(file, None).settings
    logs.set_up(secrets_of(settings))
    trio.run(daemon.run_until_signal, settings, killable(system_ports(), Fuse(point, number)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
