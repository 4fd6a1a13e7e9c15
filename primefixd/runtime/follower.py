"""One client's way along the events: what it missed out of the journal, then live, without a gap or a repeat."""

from collections import deque

from primefixd.runtime.feed import Event, Feed, Overflowed, Subscription
from primefixd.runtime.journal import Journal


class Follower:
    """The events after the cursor `after` that concern `portfolios` (None: all), in their order."""

    def __init__(self, journal: Journal, feed: Feed, portfolios: frozenset[str] | None, after: int) -> None:
        self._journal, self._feed, self._portfolios = journal, feed, portfolios
        self._after = after
        self._page: deque[Event] = deque()
        self._live: Subscription | None = None
        self._catch_up()

    @property
    def reached(self) -> int:
        """The cursor up to which everything that concerns this client has been handed out, or is next in line."""
        return self._after if self._live is None else max(self._after, self._feed.newest)

    async def next(self) -> Event:
        """The next event. Raises Overflowed for one that reads so slowly that what it needs is gone."""
        while self._live is None:
            if not self._page:
                self._page = deque(await self._journal.read(self._after))
                if self._page and self._page[0].cursor != self._after + 1:  # what was between is compacted away
                    raise Overflowed
                if not self._page and self._after < self._journal.oldest - 1:
                    raise Overflowed
            event = self._page.popleft() if self._page else None
            self._after = event.cursor if event else self._after
            self._catch_up()
            if event is not None and self._concerns(event):
                return event
        return await self._live.next()

    def close(self) -> None:
        """End it."""
        if self._live is not None:
            self._feed.forget(self._live)

    def _concerns(self, event: Event) -> bool:
        return event.portfolio is None or self._portfolios is None or event.portfolio in self._portfolios

    def _catch_up(self) -> None:
        """Go live once everything that was told has been read: nothing can be told in between, since nobody waits."""
        if self._live is None and not self._page and self._after >= self._feed.newest:
            self._live = self._feed.subscribe(self._portfolios, self._after)
