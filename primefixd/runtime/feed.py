"""Events with cursors, told to any number of subscribers once they are on disk.

Telling never waits: a subscriber that falls more than EVENTS_WAITING_MAX behind is cut off, and comes back by cursor.
What is behind the newest cursor is in the journal.
"""

from datetime import datetime

import trio
from attrs import frozen

from primefixd.orders.records import Change
from primefixd.runtime.views import Maintenance, PortfolioChanged, ServerStopping, SessionChanged

EVENTS_WAITING_MAX = 10_000  # for one subscriber; at the bound its subscription ends as Overflowed

Body = Change | SessionChanged | PortfolioChanged | Maintenance | ServerStopping


@frozen
class Event:
    """One thing that happened. `cursor` rises by one an event; `portfolio` None concerns everybody.

    `text` is a JSON object of the event's own members, as clients read them; `body` is None when read from the journal.
    """

    cursor: int
    time: datetime
    portfolio: str | None
    type: str
    text: bytes
    body: Body | None = None


class Overflowed(Exception):
    """The subscriber fell too far behind; what it has not read is gone from this subscription."""


class Subscription:
    """One subscriber's view of the feed; `Feed.forget` ends it."""

    def __init__(self, portfolios: frozenset[str] | None, after: int) -> None:
        self._portfolios = portfolios
        self._after = after
        self._send, self._receive = trio.open_memory_channel[Event](EVENTS_WAITING_MAX)

    def offer(self, event: Event) -> bool:
        """Hand over one event without waiting; False when this subscriber is too far behind and has been cut off."""
        concerns = event.portfolio is None or self._portfolios is None or event.portfolio in self._portfolios
        if event.cursor <= self._after or not concerns:
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


class Feed:
    """Hands events to subscribers. `newest` is the cursor of the last one told."""

    def __init__(self, newest: int = 0) -> None:
        self.newest = newest
        self._subscriptions: set[Subscription] = set()

    def tell(self, event: Event) -> None:
        """Tell every subscriber; the event is on disk."""
        self.newest = event.cursor
        for subscription in [s for s in self._subscriptions if not s.offer(event)]:
            self.forget(subscription)

    def subscribe(self, portfolios: frozenset[str] | None, after: int) -> Subscription:
        """Everything told from now on that concerns `portfolios` (None: all) and has a cursor after `after`."""
        subscription = Subscription(portfolios, after)
        self._subscriptions.add(subscription)
        return subscription

    def forget(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)
