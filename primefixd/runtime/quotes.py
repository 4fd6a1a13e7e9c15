"""Requests for quotes of one portfolio, and the quotes that came (prime-fix.md section 4). Nothing here waits."""

from collections import OrderedDict
from typing import TypeVar

from primefixd.clock import Moment
from primefixd.dispatch.outbox import Waiting
from primefixd.orders.model import OrderType, QuoteRequest, RequestKind, Terms
from primefixd.orders.records import QuoteReceived, QuoteRejected
from primefixd.orders.reports import Quote, QuoteRefused
from primefixd.runtime.answers import Reason, Refused
from primefixd.runtime.sessions import Sessions

QUOTES_MAX = 1_000  # requests, and quotes, that are remembered; one forgotten cannot be accepted any more
TTL_S = 5.0  # how long a request may wait to be sent


class Quotes:
    """What was asked, by our id; what was quoted, by the venue's."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._asked: OrderedDict[str, QuoteRequest] = OrderedDict()
        self._quoted: OrderedDict[str, Quote] = OrderedDict()

    def ask(self, request: QuoteRequest, client: str, now: Moment) -> Refused | None:
        """Let the request leave; None means that it was taken."""
        key = request.quote_request_id
        if key in self._asked:
            return Refused(reason=Reason.DUPLICATE, message=f"quote_request_id {key} was used before; use a new one.")
        session = self._sessions.route(request.product_id, None, idle=False)
        if session is None:
            retry_at = self._sessions.next_attempt_at(None)
            what = "No session is logged on; ask again later."
            return Refused(reason=Reason.NO_SESSION, message=what, retry_at=retry_at)
        item = Waiting(kind=RequestKind.QUOTE, client=client, key=key, deadline=now.mono + TTL_S, request_id=key)
        if not self._sessions.put(session, item):
            return Refused(reason=Reason.BUSY, message="The queue is full; ask again later.", retry_after_ms=1000)
        _remember(self._asked, key, request)
        return None

    def departing(self, item: Waiting) -> QuoteRequest | None:
        return self._asked.get(item.key)

    def lost(self, key: str, reason: str) -> QuoteRejected:
        """The request came to nothing on our side, or was refused by its number."""
        asked = self._asked.get(key)
        product = asked.product_id if asked else None
        refused = QuoteRefused(
            quote_request_id=key, quote_id=None, account=None, product_id=product, reason=reason, text=None
        )
        return QuoteRejected(refused)

    def heard(self, word: Quote | QuoteRefused) -> QuoteReceived | QuoteRejected:
        if isinstance(word, QuoteRefused):
            return QuoteRejected(word)
        _remember(self._quoted, word.quote_id, word)
        return QuoteReceived(word)

    def refusal(self, terms: Terms, now: Moment) -> Refused | None:
        """Why an order cannot accept the quote that it names: unknown here, out of time, or other terms."""
        if terms.type is not OrderType.RFQ:
            return None
        quote = self._quoted.get(terms.quote_id or "")
        if quote is None:
            return _invalid("quote_id", "names no quote that came to this portfolio; ask for one with quote.request")
        if quote.valid_until is not None and quote.valid_until <= now.utc:
            return _invalid("quote_id", "is of a quote whose time is over; ask for another with quote.request")
        for name, ours, theirs in (
            ("product_id", terms.product_id, quote.product_id),
            ("side", terms.side, quote.side),
            ("limit_price", terms.limit_price, quote.price),
        ):
            if theirs is not None and ours != theirs:
                return _invalid(name, f"must be that of the quote, {theirs}")
        return None


T = TypeVar("T")


def _remember(kept: OrderedDict[str, T], key: str, what: T) -> None:
    kept[key] = what
    while len(kept) > QUOTES_MAX:
        kept.popitem(last=False)


def _invalid(field: str, message: str) -> Refused:
    return Refused(reason=Reason.INVALID, field=field, message=message)
