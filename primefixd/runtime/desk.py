"""Everything that the control plane may reach: the portfolios, the feed, and what the daemon says of itself."""

from datetime import datetime

from attrs import Factory, field, frozen

from primefixd.clock import Clock
from primefixd.dispatch.calendar import Schedule, window_after
from primefixd.runtime.door import Doors
from primefixd.runtime.feed import Feed
from primefixd.runtime.journal import Journal
from primefixd.runtime.portfolio import Portfolio
from primefixd.runtime.presence import Presence


@frozen(kw_only=True)
class About:
    """What `server.info` tells of the daemon as a whole; `venue` is HOST:PORT."""

    version: str
    venue: str
    started: datetime


@frozen(kw_only=True)
class Desk:
    portfolios: dict[str, Portfolio]
    journal: Journal
    feed: Feed
    clock: Clock
    about: About
    schedule: Schedule
    doors: Doors = field(factory=Doors)
    presence: Presence = field(default=Factory(lambda self: Presence(self.clock), takes_self=True))

    def next_window(self) -> datetime:
        """When the next maintenance window of the venue starts, or the one that it is in started; UTC."""
        return window_after(self.schedule, self.clock().utc).start
