"""A control plane over real portfolios: the venue is scripted, everything between it and the clients is ours."""

from contextlib import asynccontextmanager

import pytest
import trio
from attrs import evolve

from primefixd import client, websocket
from primefixd.control import server
from primefixd.control.settings import ClientSettings, ControlSettings, Right
from primefixd.orders.keeping import Keeping
from primefixd.runtime.desk import About, Desk
from primefixd.runtime.portfolio import Portfolio
from primefixd.secret import Secret
from tests.support.scripted import BEGIN, Rig, settings, virtual_clock

READ, TRADE, ADMIN = frozenset({Right.READ}), frozenset({Right.TRADE}), frozenset({Right.ADMIN})


def allowed(name, may, *portfolios):
    return ClientSettings(
        name=name, token=Secret(f"{name}-token"), portfolios=frozenset(portfolios) if portfolios else None, may=may
    )


CLIENTS = (
    allowed("trader", TRADE, "main"),
    allowed("reader", READ, "main"),
    allowed("other", TRADE, "second"),
    allowed("everything", TRADE),
    allowed("admin", ADMIN),
    allowed("prices", frozenset({Right.REFERENCE}), "main"),
)


class Plane:
    """A served desk with the portfolios `main` and `second`, each with one session logged on."""

    def __init__(self, rig, desk, urls):
        self.venue, self.feed, self.journal, self.desk, self.urls = rig.venue, rig.feed, rig.journal, desk, urls

    def connect(self, name):
        return client.connect(self.urls[0], f"{name}-token")

    def socket(self, name):
        return websocket.connect(self.urls[0], token=f"{name}-token")

    def publish(self, body, portfolio=None):
        self.journal.append(portfolio, Keeping(), [body], virtual_clock())

    def arrived(self, session="m-1"):
        """The NewOrderSingles that the venue has had on that session, by ClOrdID."""
        return [message.get(11) for message in self.venue.of(session).requests("D")]


@asynccontextmanager
async def _serving(desk, **options):
    async with trio.open_nursery() as nursery:
        yield await nursery.start(server.serve, ControlSettings(**options), desk)
        nursery.cancel_scope.cancel()


@pytest.fixture
def serving():
    return _serving


@pytest.fixture
async def desk_and_rig(nursery):
    rig = Rig(nursery, settings("m-1"))
    second = evolve(settings("s-1"), name="second", portfolio_id="0b7f3a52-0000-4000-8000-000000000002")
    portfolios = {"main": rig.portfolio, "second": Portfolio(second, rig.shared)}
    nursery.start_soon(portfolios["second"].run)
    about = About(version="0.1.0", venue="127.0.0.1:1", started=BEGIN)
    schedule = rig.shared.schedule
    yield (
        Desk(
            portfolios=portfolios,
            journal=rig.journal,
            feed=rig.feed,
            clock=virtual_clock,
            about=about,
            schedule=schedule,
            doors=rig.shared.doors,
            presence=rig.shared.presence,
        ),
        rig,
    )
    nursery.cancel_scope.cancel()


@pytest.fixture
async def plane(desk_and_rig):
    desk, rig = desk_and_rig
    async with _serving(desk, listen=("127.0.0.1:0",), clients=CLIENTS) as urls:
        await trio.sleep(2)  # sessions are logged on, and have their budget
        yield Plane(rig, desk, urls)
