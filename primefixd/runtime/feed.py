"""Events with cursors, told to any number of subscribers.

Publishing never waits: a subscriber that falls more than EVENTS_WAITING_MAX behind is cut off, and comes back by
cursor. Until the journal exists nothing is kept behind the newest cursor.
"""

from datetime import datetime

import trio
from attrs import frozen

from primefixd.clock import Moment
from primefixd.orders.records import Change
from primefixd.runtime.views import PortfolioChanged, ServerStopping, SessionChanged

EVENTS_WAITING_MAX = 10_000  # for one subscriber; at the bound its subscription ends as Overflowed

Body = Change | SessionChanged | PortfolioChanged | ServerStopping


@frozen
class Event:
    """One thing that happened. `cursor` rises by one an event; `portfolio` None concerns everybody."""

    cursor: int
    time: datetime
    portfolio: str | None
    body: Body


class Overflowed(Exception):
    """The subscriber fell too far behind; what it has not read is gone from this subscription."""


class Subscription:
    """One subscriber's view of the feed; a context manager that ends it."""

    def __init__(self, feed: "Feed", portfolios: frozenset[str] | None) -> None:
        self._feed = feed
        self._portfolios = portfolios
        self._send, self._receive = trio.open_memory_channel[Event](EVENTS_WAITING_MAX)

    def offer(self, event: Event) -> bool:
        """Hand over one event without waiting; False when this subscriber is too far behind and has been cut off."""
        if event.portfolio is not None and self._portfolios is not None and event.portfolio not in self._portfolios:
            return True
        try:
            self._send.send_nowait(event)
        except trio.WouldBlock:
            self._send.close()
            return False
        return True

    async def next(self) -> Event:
        """The next event. Raises Overflowed after the last one that was kept for a subscriber that was cut off."""
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            raise Overflowed from None

    def __enter__(self) -> "Subscription":
        return self

    def __exit__(self, *_exc: object) -> None:
        self._feed.forget(self)


class Feed:
    """Numbers events and hands them to subscribers. `journal` names the run of cursors that they belong to."""

    def __init__(self, journal: str) -> None:
        self.journal = journal
        self.newest = 0
        self._subscriptions: set[Subscription] = set()

    @property
    def next(self) -> int:
        """The cursor that the next event will have."""
        return self.newest + 1

    def publish(self, body: Body, portfolio: str | None, now: Moment) -> Event:
        """Give `body` the next cursor and tell every subscriber."""
        self.newest = self.next
        event = Event(self.newest, now.utc, portfolio, body)
        for subscription in [s for s in self._subscriptions if not s.offer(event)]:
            self.forget(subscription)
        return event

    def subscribe(self, portfolios: frozenset[str] | None) -> Subscription:
        """Everything from now on that concerns `portfolios` (None: all)."""
        subscription = Subscription(self, portfolios)
        self._subscriptions.add(subscription)
        return subscription

    def forget(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)
