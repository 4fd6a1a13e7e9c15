"""What all portfolios of a daemon share."""

from typing import Protocol

from attrs import Factory, field, frozen

from primefixd.clock import Moment
from primefixd.dispatch.calendar import Schedule
from primefixd.orders.reports import Quote, QuoteRefused, Report
from primefixd.runtime.door import Doors
from primefixd.runtime.journal import Journal
from primefixd.runtime.ports import Ports
from primefixd.runtime.presence import Presence
from primefixd.runtime.settings import LAST_ORDER_LEAD_S, ReconcileSettings, VenueSettings


class Account(Protocol):
    """A portfolio, as another one sees it that hears words for it: a drop copy tells the orders of all accounts."""

    def reported(self, report: Report, session: str, now: Moment) -> None: ...
    def quoted(self, word: Quote | QuoteRefused, now: Moment) -> None: ...


@frozen(kw_only=True)
class Shared:
    """`accounts` maps portfolio ids (tag 1) to portfolios; each portfolio enters itself, there and in `doors`."""

    journal: Journal
    ports: Ports
    venue: VenueSettings
    schedule: Schedule
    quiet_ask_s: float
    reconcile: ReconcileSettings
    last_order_lead_s: float = LAST_ORDER_LEAD_S
    accounts: dict[str, Account]
    doors: Doors = field(factory=Doors)
    presence: Presence = field(default=Factory(lambda self: Presence(self.ports.clock), takes_self=True))
