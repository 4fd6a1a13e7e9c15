"""What the venue says about the orders of one portfolio, and what follows from it: questions, cancels, pauses.

Everything here is decided at once and returned as changes; the portfolio records them. What a word does to an order is
the ledger's; whom to ask, what to send again and which link to spare is decided here.
"""

from attrs import Factory, frozen

from primefixd.clock import Moment
from primefixd.dispatch.outbox import Waiting
from primefixd.orders.ledger import Ledger
from primefixd.orders.model import Order, QuoteRequest, RequestKind, Status
from primefixd.orders.records import Change
from primefixd.orders.reports import CancelRefused, Quote, QuoteRefused, RejectReason, Report, RequestRejected
from primefixd.runtime.asking import Asking
from primefixd.runtime.cancels import Cancels
from primefixd.runtime.counts import PortfolioCounts
from primefixd.runtime.link import Asked
from primefixd.runtime.queueing import Queueing
from primefixd.runtime.quotes import Quotes
from primefixd.runtime.reconciling import Reconciling
from primefixd.runtime.replaces import Replaces
from primefixd.runtime.sessions import Sessions


@frozen
class Hearing:
    ledger: Ledger
    sessions: Sessions
    queueing: Queueing
    asking: Asking
    cancels: Cancels
    replaces: Replaces
    quotes: Quotes
    reconciling: Reconciling
    counts: PortfolioCounts = Factory(PortfolioCounts)

    def reported(self, report: Report, source: str, now: Moment) -> list[Change]:
        """A report on an order of this portfolio's account, on whichever session, or from REST (order-rules.md 2)."""
        judgement = self.ledger.report(report, source, now)
        changes, order = list(judgement.changes), judgement.order
        if order is None:
            return changes
        if judgement.ask:
            self.asking.about(order)
        if report.reject_reason is RejectReason.RATE_LIMITED and judgement.changes:
            self.sessions.pause(order.session, now)
        return changes + self.settled(order, now)

    def settled(self, order: Order, now: Moment) -> list[Change]:
        """Something was learnt of that order: its cancel may leave now, or is over."""
        self.reconciling.reported(order)
        changes = self.cancels.reported(order, now)
        self.replaces.settled(order)
        return changes

    def quoted(self, word: Quote | QuoteRefused) -> list[Change]:
        if isinstance(word, QuoteRefused):
            self.counts.rejects["quote", word.reason] += 1
        return [self.quotes.heard(word)]

    def rejected(self, request: Asked | None, word: RequestRejected, now: Moment) -> list[Change]:
        """A message of ours was refused by its number (order-rules.md 9)."""
        reason = RejectReason.RATE_LIMITED if word.rate_limited else RejectReason.OTHER
        self.counts.rejects["message", reason.value] += 1
        if isinstance(request, QuoteRequest):
            return [self.quotes.lost(request.quote_request_id, word.text)]
        order = self.ledger.get(request.order.key) if request else None
        if request is None or order is None or order.final:
            return []
        match request.kind:
            case RequestKind.NEW_ORDER if order.acknowledged_at is None and not order.in_doubt:
                return self.end(order, reason.value, now, word.text)
            case RequestKind.CANCEL:
                return self.cancels.again(order, request.request_id, word.text, now)
            case RequestKind.REPLACE:
                return self.replaces.over(order.key, word.text, now)
            case RequestKind.STATUS:
                self.asking.again(order)
            case _:
                self.asking.about(order)
        return []

    def cancel_refused(self, word: CancelRefused, session: str, now: Moment) -> list[Change]:
        self.counts.rejects["replace" if word.replace else "cancel", word.reason] += 1
        order = self.ledger.cancelling(word) or self.cancels.asked_by(word.client_order_id)
        if order is None or order.final:
            return []
        left_on = self.cancels.left_on(order) or session
        by = self.replaces if word.replace else self.cancels
        changes = by.refused(order, word, now)
        if changes and word.rate_limited:
            self.sessions.pause(left_on, now)
        if changes:
            self.asking.about(order)
        return changes

    def link_up(self, session: str, now: Moment) -> list[Change]:
        self.reconciling.session_up(session, now)
        changes = [change for dead in self.sessions.down() for change in self.queueing.move_on(dead, now)]
        changes += self.cancels.place_all(now)  # cancels first, then questions (order-rules.md 17 and 18)
        self.asking.about_session(session)
        return changes

    def link_down(self, session: str, now: Moment) -> list[Change]:
        """Settle what the dead link leaves: in doubt first, then the queue moves on (order-rules.md 12 and 21)."""
        changes = self.ledger.link_lost(session, now)
        self.cancels.link_lost(session)
        doubtful = self.replaces.link_lost(session)
        changes += self.queueing.move_on(session, now)
        changes += self.cancels.place_all(now)
        self.asking.about_session(session)
        for order in filter(None, map(self.ledger.get, doubtful)):
            self.asking.about(order)
        return changes

    def missed(self, session: str, now: Moment) -> list[Change]:
        """The venue skipped numbers on a link that lives: answers of any kind, on any order, may be lost."""
        changes = self.ledger.link_lost(session, now)
        self.cancels.link_lost(session)
        self.replaces.link_lost(session)
        changes += self.cancels.place_all(now)
        for order in self.ledger.live():
            self.asking.about(order)
        return changes

    def expired(self, item: Waiting, now: Moment) -> list[Change]:
        """`item` waited past its deadline and will not leave."""
        order = self.ledger.get(item.key)
        match item.kind:
            case RequestKind.QUOTE:
                return [self.quotes.lost(item.key, "expired")]
            case RequestKind.REPLACE if order is not None:
                return self.replaces.over(order.key, "expired", now)
            case RequestKind.NEW_ORDER if order is not None and order.status is Status.QUEUED:
                return self.end(order, "expired", now)
        return []

    def end(self, order: Order, reason: str, now: Moment, text: str | None = None) -> list[Change]:
        """The order ends REJECTED without a report."""
        ended = self.ledger.end(order.client_order_id, Status.REJECTED, now, reason, text)
        return [ended, *self.settled(ended.order, now)]
