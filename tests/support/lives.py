"""A daemon that crashes and starts anew over what is on its disk, and the words of its venue, in virtual time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from primefixd.fix.message import Message
from primefixd.orders.model import Order
from primefixd.runtime.answers import Submitted
from primefixd.runtime.settings import PortfolioSettings
from tests.support.scripted import ACCOUNT, Connection, Rig, limit, settings
from tests.support.storage import MemoryStore

PAIR = settings("a", "b")


@asynccontextmanager
async def life(store: MemoryStore | None = None, of: PortfolioSettings = PAIR, **more: object) -> AsyncIterator[Rig]:
    """One run of the daemon; at the end it crashes: what is not on the disk of `store` is gone."""
    async with trio.open_nursery() as nursery:
        yield Rig(nursery, of, store, **more)  # type: ignore[arg-type]
        nursery.cancel_scope.cancel()


async def soon() -> None:
    await trio.sleep(0.01)


async def up() -> None:
    """Until the sessions are logged on, and have their budget."""
    await trio.sleep(2)


def said(key: str, kind: str, status: str, more: str = "", account: str = ACCOUNT) -> str:
    """An execution report on the order `key`; `more` are further fields."""
    named = "" if "|37=" in more else f"|37=V-{key}"
    unique = "" if "|17=" in more else f"|17=E-{key}-{kind}{status}"
    return f"35=8|1={account}|11={key}{named}{unique}|20=0|150={kind}|39={status}|54=1|55=BTC-USD|38=0.5{more}"


def fill(key: str, exec_id: str, quantity: str, total: str, status: str = "1", more: str = "") -> str:
    return said(key, status, status, f"|17={exec_id}|32={quantity}|31=50000|14={total}{more}")


def state(key: str, status: str, total: str = "0", more: str = "") -> str:
    """The venue's answer to a question about an order."""
    text = f"35=8|1={ACCOUNT}|11={key}|17=0|20=3|150=I|39={status}|54=1|55=BTC-USD|38=0.5|14={total}|6=50000{more}"
    return text if "|37=" in more else text + f"|37=V-{key}"


async def submit(rig: Rig, key: str = "o-1", **more: object) -> Submitted:
    told = await rig.portfolio.submit(limit(key, **more), "desk")
    assert isinstance(told, Submitted), told
    await soon()
    return told


async def opened(rig: Rig, key: str = "o-1", **more: object) -> Connection:
    """The connection on which that new order left; the venue has acknowledged it."""
    await submit(rig, key, **more)
    venue = carrying(rig, key)
    await venue.say(said(key, "0", "0"))
    await soon()
    return venue


def carrying(rig: Rig, key: str = "o-1", kind: str = "D") -> Connection:
    return next(c for c in rig.venue.connections if any(m.get(11) == key for m in c.requests(kind)))


def order(rig: Rig, key: str = "o-1") -> Order:
    found = rig.portfolio.find(client_order_id=key)
    assert found is not None
    return found


def heard(rig: Rig, kind: str) -> list[Message]:
    """Everything of that MsgType that the venue has had, on any connection."""
    return [message for c in rig.venue.connections for message in c.requests(kind)]
