"""A venue that keeps a book of its own, answers as it likes, and loses what it says to whoever has hung up.

It keeps no resend: a report for which there is no connection is gone (prime-fix.md section 1). What came is in
`arrived`, whatever became of it; questions and REST show the book as it stands.
"""

import random
from collections import Counter
from decimal import Decimal

import trio
from attrs import define, field

from primefixd.fix.errors import LocalProtocolError
from primefixd.fix.message import Message
from tests.support.listed import Listed, listed
from tests.support.scripted import ACCOUNT, Connection, Rig, virtual_clock

PRICE = "50000"


@define
class Booked:
    """One order as the venue has it."""

    key: str  # the ClOrdID that it came with
    order_id: str
    product: str
    session: str
    size: Decimal
    named: str = ""  # the ClOrdID that it goes by
    filled: Decimal = Decimal(0)
    status: str = "A"
    executions: list[tuple[str, Decimal]] = field(factory=list)
    changed: str = ""

    @property
    def final(self) -> bool:
        return self.status in "248"


class Book:
    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.orders: dict[str, Booked] = {}  # by OrderID
        self.arrived: Counter[str] = Counter()  # 35=D by ClOrdID
        self.honest = False  # it answers everything at once, and refuses nothing
        self._read: dict[int, int] = {}
        self._connections: list[Connection] = []  # of all lives
        self._owed: list[Booked] = []  # orders that came and were not acknowledged yet
        self._reports = 0

    def by_key(self, key: str) -> Booked | None:
        return next((each for each in self.orders.values() if each.key == key), None)

    async def attend(self, rig: Rig) -> None:
        """Hear and act until cancelled."""
        while True:
            await self.hear(rig)
            await trio.sleep(0.2 if self.honest else self.dice.choice((0.001, 0.01, 0.1, 0.7)))

    async def hear(self, rig: Rig) -> None:
        """Act on everything that has come, also on connections that are gone."""
        known = set(map(id, self._connections))
        self._connections += [c for c in rig.venue.connections if id(c) not in known]
        for connection in self._connections:
            start = self._read.get(id(connection), 0)
            self._read[id(connection)] = len(connection.heard)
            for _, message in connection.heard[start:]:
                await self._act(message, connection, rig)
        for booked in list(self._owed):
            if self.honest or self.dice.random() < 0.2:
                await self._acknowledge(booked, rig)

    async def trade(self, rig: Rig) -> None:
        """Something of an open order is executed."""
        chosen = [each for each in self.orders.values() if each.status in "01"]
        if not chosen:
            return
        booked = self.dice.choice(chosen)
        quantity = min(Decimal(self.dice.choice(("0.1", "0.2", "0.5"))), booked.size - booked.filled)
        booked.filled += quantity
        self._become(booked, "2" if booked.filled == booked.size else "1")
        self._reports += 1
        booked.executions.append((f"X{self._reports}", quantity))
        more = f"|17=X{self._reports}|32={quantity}|31={PRICE}|150={booked.status}"
        await self._tell(booked, more, rig)

    async def say(self, connection: Connection, text: str) -> bool:
        """Whether it could be said."""
        try:
            await connection.say(text)
        except (LocalProtocolError, trio.BrokenResourceError, trio.ClosedResourceError):
            return False
        return True

    def rest(self) -> Listed:
        return _Lists(self)

    async def _act(self, message: Message, connection: Connection, rig: Rig) -> None:
        booked = self.orders.get(message.get(37) or "")
        match message.type:
            case "D":
                await self._take(message, connection, rig)
            case "F" if booked is not None:
                await self._cancel(message, booked, connection, rig)
            case "G" if booked is not None:
                await self._replace(message, booked, connection, rig)
            case "H" if booked is not None and (self.honest or self.dice.random() < 0.8):
                await self.say(connection, f"{_state(booked)}|17=0|20=3|150=I|41={booked.key}")

    async def _take(self, message: Message, connection: Connection, rig: Rig) -> None:
        key = message.get(11) or ""
        self.arrived[key] += 1
        session = connection.peer.removesuffix("-account")
        if self.arrived[key] > 1:
            await self.say(connection, f"35=8|1={ACCOUNT}|11={key}|37=NONE|17=D{key}|20=0|150=8|39=8|103=6")
            return
        size = Decimal(message.get(38) or "0")
        booked = Booked(key, f"V-{key}", message.get(55) or "", session, size, named=key)
        self.orders[booked.order_id] = booked
        self._become(booked, "A")
        self._owed.append(booked)

    async def _acknowledge(self, booked: Booked, rig: Rig) -> None:
        self._owed.remove(booked)
        refused = not self.honest and self.dice.random() < 0.1
        self._become(booked, "8" if refused else "0")
        await self._tell(booked, f"|17=A-{booked.key}|150={booked.status}" + ("|103=99" if refused else ""), rig)

    async def _cancel(self, message: Message, booked: Booked, connection: Connection, rig: Rig) -> None:
        if booked.final or booked.status == "A" or (not self.honest and self.dice.random() < 0.1):
            more = f"|39={booked.status}|102={'0' if booked.final else '2'}|434=1"
            await self.say(connection, f"35=9|11={message.get(11)}|41={booked.named}|37={booked.order_id}{more}")
            return
        self._become(booked, "4")
        await self._tell(booked, f"|17=C-{booked.key}|150=4|41={booked.named}", rig)

    async def _replace(self, message: Message, booked: Booked, connection: Connection, rig: Rig) -> None:
        size = Decimal(message.get(38) or "0")
        if booked.final or booked.status == "A" or size <= booked.filled or self.dice.random() < 0.3:
            more = f"|39={booked.status}|102=0|434=2"
            await self.say(connection, f"35=9|11={message.get(11)}|41={booked.named}|37={booked.order_id}{more}")
            return
        former, booked.named, booked.size = booked.named, message.get(11) or "", size
        self._become(booked, "1" if booked.filled else "0")
        await self._tell(booked, f"|17=R-{booked.named}|150=5|41={former}", rig)

    def _become(self, booked: Booked, status: str) -> None:
        booked.status, booked.changed = status, f"{virtual_clock().utc:%Y%m%d-%H:%M:%S.%f}"[:-3]

    async def _tell(self, booked: Booked, more: str, rig: Rig) -> None:
        """To the order's own session, or to any other that is up if that one is not, or to nobody; and as a copy."""
        up = [c for c in rig.venue.connections if c.peer and not c.ended]
        own = [c for c in up if c.peer == f"{booked.session}-account"]
        copies = [c for c in up if c.peer == "d-account"]
        others = self.dice.sample(up, 1) if up and not own and self.dice.random() < 0.5 else []
        for connection in {id(c): c for c in own[-1:] + others + copies[-1:]}.values():
            await self.say(connection, f"{_state(booked)}|20=0{more}")


def _state(booked: Booked) -> str:
    average = PRICE if booked.filled else "0"
    return (
        f"35=8|1={ACCOUNT}|11={booked.named}|37={booked.order_id}|39={booked.status}|54=1|55={booked.product}"
        f"|38={booked.size}|14={booked.filled}|6={average}|60={booked.changed}"
    )


class _Lists(Listed):
    """REST over the book."""

    def __init__(self, book: Book) -> None:
        self._book = book
        super().__init__()

    @property
    def open(self) -> list[dict[str, str]]:
        return [self._listed(each) for each in self._book.orders.values() if not each.final]

    @open.setter
    def open(self, _: object) -> None: ...

    @property
    def closed(self) -> list[dict[str, str]]:
        return [self._listed(each) for each in self._book.orders.values() if each.final]

    @closed.setter
    def closed(self, _: object) -> None: ...

    @property
    def fills(self) -> list[dict[str, str]]:
        return [
            {"id": name, "order_id": each.order_id, "filled_quantity": f"{quantity}", "price": PRICE}
            for each in self._book.orders.values()
            for name, quantity in each.executions
        ]

    @fills.setter
    def fills(self, _: object) -> None: ...

    def _listed(self, booked: Booked) -> dict[str, str]:
        words = {"2": "FILLED", "4": "CANCELLED", "8": "FAILED", "A": "PENDING"}
        return listed(
            booked.named,
            words.get(booked.status, "OPEN"),
            id=booked.order_id,
            product_id=booked.product,
            base_quantity=f"{booked.size}",
            filled_quantity=f"{booked.filled}",
            average_filled_price=PRICE if booked.filled else "0",
        )
