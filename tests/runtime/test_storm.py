"""Seeded storms over one portfolio: links die, the venue says anything, clients ask anything, all at once.

Whatever happens, no order leaves twice or is forgotten, no cancel waits twice, and no session stumbles over a bug.
"""

import random
from collections import Counter

import pytest
import trio
from trio.testing import MockClock

from primefixd.fix.message import Message
from primefixd.orders.model import Order, RequestKind, Status
from primefixd.prime import reports
from primefixd.runtime.settings import RateSettings
from primefixd.runtime.views import SessionChanged
from tests.support.scripted import ACCOUNT, Connection, Rig, limit, settings, virtual_clock

SESSIONS = ("a", "b", "c")
STEPS = 300
ODD = (
    "",
    "0",
    "-1",
    ".",
    "x",
    "NONE",
    "\xff",
    "9" * 60,
    "0.00000001",
    "1e9",
    "20260302-15:00:00.000",
    "Y",
    "message rate",
)
TAGS = (1, 6, 11, 12, 14, 17, 19, 20, 31, 32, 37, 38, 39, 41, 44, 45, 54, 55, 58, 60, 102, 103, 136, 150, 151, 152, 434)
LETTERS = {
    20: "0123",
    39: "0123456789ABCDE",
    150: "0123456789ABCDEFI",
    54: "12",
    102: "0136",
    103: "0123456",
    434: "12",
}


def word(dice: random.Random, keys: list[str], requests: list[Message]) -> Message:
    """Anything about one of our orders, from the ordinary to the absurd."""
    key = dice.choice(keys)
    kind = dice.choice(("8", "8", "8", "9", "j", "3"))
    fields = {35: kind, 1: ACCOUNT, 11: key, 37: f"V-{key}", 54: "1", 55: "BTC-USD", 38: "0.5"}
    fields |= {17: f"E{dice.randrange(60)}", 14: dice.choice(("0", "0.1", "0.5", "0.6")), 32: "0.1", 31: "100"}
    fields |= {tag: dice.choice(letters) for tag, letters in LETTERS.items()}
    if requests:
        asked = dice.choice(requests)
        fields[45] = str(asked.sequence_number)
        if kind == "9":
            fields |= {11: asked.get(11) or "x", 41: asked.get(41) or "x"}
    if dice.random() < 0.3:
        fields[58] = "message rate exceeded"
    for tag in dice.sample(TAGS, dice.choice((0, 0, 1, 3))):
        fields[tag] = dice.choice(ODD)
    for tag in dice.sample(TAGS, dice.choice((0, 0, 2))):
        fields.pop(tag, None)
    return Message([(tag, value.encode()) for tag, value in fields.items()])


async def step(dice: random.Random, rig: Rig, keys: list[str]) -> None:
    links: list[Connection] = [c for c in rig.venue.connections if c.peer and not c.ended]
    match dice.randrange(12):
        case 0 | 1 | 2:
            keys.append(f"o-{len(keys)}")
            pin = dice.choice((None, None, "b"))
            ttl = dice.choice((50, 5_000, 600_000))
            await rig.portfolio.submit(limit(keys[-1], session=pin, ttl_ms=ttl), f"client-{dice.randrange(3)}")
        case 3 | 4 if keys:
            await rig.portfolio.cancel(client_order_id=dice.choice(keys), client="desk")
        case 5 if links and dice.random() < 0.4:
            await dice.choice(links).cut()
        case 6 if links and dice.random() < 0.3:
            link = dice.choice(links)
            link.session.end_of_stream(virtual_clock())
            await link.raw(b"8=FIX.4.2\x019=5\x0135=5\x0110=000\x01")
            await link.cut()
        case 7:
            rig.venue.unreachable = dice.random() < 0.2
        case 8 | 9 | 10 | 11 if keys and links:
            link = dice.choice(links)
            supervisor = rig.portfolio._parts.sessions._supervisors[link.peer.removesuffix("-account")]
            for _ in range(dice.randrange(6) if supervisor._link else 0):
                told = reports.facts(word(dice, keys, [m for _, m in link.heard]))
                supervisor._link._hear(told, virtual_clock())
    await trio.sleep(dice.choice((0, 0, 0.001, 0.02, 0.3, 2)))


def kept(rig: Rig) -> list[Order]:
    return list(rig.portfolio._parts.ledger.kept())


def check(rig: Rig) -> None:
    errors = [event.body.session.last_error or "" for event in rig.events(SessionChanged)]
    assert not [error for error in errors if "internal" in error]
    queues = [each.line.outbox._waiting for each in rig.portfolio._parts.sessions._supervisors.values()]
    waiting = Counter(item for queue in queues for item in queue if item[0] is not RequestKind.STATUS)
    assert all(count == 1 for count in waiting.values()), waiting
    for order in kept(rig):
        if order.status is Status.QUEUED:
            assert (RequestKind.NEW_ORDER, order.client_order_id) in waiting, order
        if order.client_order_id in rig.portfolio._parts.cancels:
            assert not order.final, order
    sent = Counter(m.get(11) for c in rig.venue.connections for m in c.requests("D"))
    assert all(count == 1 for count in sent.values()), sent


@pytest.mark.parametrize("seed", range(20))
async def test_no_storm_loses_doubles_or_forgets_anything(
    autojump_clock: MockClock, nursery: trio.Nursery, seed: int
) -> None:
    dice = random.Random(seed)
    keys: list[str] = []
    rig = Rig(nursery, settings(*SESSIONS, rate=RateSettings(messages_per_second=20, orders_per_second=10)))
    await trio.sleep(2)
    for _ in range(STEPS):
        await step(dice, rig, keys)
        check(rig)
    rig.venue.unreachable = False
    await trio.sleep(700)
    check(rig)
    await rig.portfolio.stop()
    await trio.sleep(15)
    check(rig)
    assert not [order for order in kept(rig) if order.status is Status.QUEUED]
    assert not [o for o in kept(rig) if o.status is Status.SENT and not o.in_doubt and o.acknowledged_at is None]
    nursery.cancel_scope.cancel()
