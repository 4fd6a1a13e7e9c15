"""The venue's auctions: quotes on request, and whether an order may accept one (prime-fix.md section 4, RFQ).

A quote comes at once, two basis points behind the market on the venue's side, for the whole size that was asked, and
stands until its auction ends: AuctionDuration (8090), short if the request names none. It is for the portfolio that
asked, for one order of just its terms. Refused: what could not be traded anyway, a price (44) that the quote would not
keep, and more than the desk trades in one go.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from attrs import define, frozen

from primefixd.clock import Moment
from primefixd.fix import tags
from primefixd.fix.message import Field
from primefixd.fix.tags import MsgType
from primefixd.fix.timestamps import timestamp
from primefixd.prime.venue import AUCTION_DURATION, AUCTION_MAX_MS, QUOTE_ORD_TYPE
from primefixd.sandbox import matching
from primefixd.sandbox.asks import Because, NewOrder, QuoteAsk, Refusal, Side, Tif
from primefixd.sandbox.market import Market, increment
from primefixd.sandbox.reporting import Reply
from primefixd.sandbox.values import BASE_INCREMENT, down, product, quotient, write_amount

AUCTION_MS: Final = 3_000  # without a word from the client
SPREAD: Final = Decimal("0.0002")
VALUE_MAX: Final = Decimal(10_000_000)  # of one quote, in quote units
QUOTES_MAX = 100_000  # remembered; past it the oldest is forgotten, and an order for it is refused as unknown
REFUSED = "5"  # QuoteAckStatus (297)
QUOTE_REQUEST_ID_MAX_CHARS: Final = 128  # prime-fix.md section 1, identifiers


@define
class VenueQuote:
    """One quote; `quote_id` None: the request was refused, and only its id is taken."""

    ask: QuoteAsk
    portfolio_id: str
    quote_id: str | None = None
    price: Decimal = Decimal(0)
    quantity: Decimal = Decimal(0)
    until: datetime | None = None
    used: bool = False


@frozen
class _Wrong:
    reason: str
    text: str


class Quotes:
    """All that was asked for, by portfolio and QuoteReqID, and all that was quoted, by QuoteID."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._asked: dict[tuple[str, str], VenueQuote] = {}
        self._quoted: dict[str, VenueQuote] = {}

    def answer(self, ask: QuoteAsk, portfolio_id: str, quote_id: str, now: Moment) -> Reply:
        """A Quote (35=S) under `quote_id`, or a QuoteAcknowledgement (35=b) that refuses it."""
        wrong = next(self._problems(ask, portfolio_id), None)
        quote = VenueQuote(ask, portfolio_id)
        if wrong is None or wrong.reason != Because.DUPLICATE:
            self._keep(quote)
        if wrong is None:
            wrong = self._price(quote, quote_id, now)
        return _quoted(quote) if wrong is None else _refused(ask, portfolio_id, wrong)

    def problem(self, ask: NewOrder, portfolio_id: str, now: Moment) -> Refusal | None:
        """Why an order that is otherwise sound may not accept the quote that it names."""
        quote = self._quoted.get(ask.quote_id or "")
        if quote is None or quote.portfolio_id != portfolio_id:
            return Refusal(Because.OTHER, "unknown quote", "quote_unknown")
        if quote.used:
            return Refusal(Because.OTHER, "the quote was accepted already", "quote_used")
        if quote.until is None or quote.until <= now.utc:
            return Refusal(Because.OTHER, "the quote has expired", "quote_expired")
        size = ask.quantity == quote.quantity if ask.quantity is not None else ask.cash == quote.ask.cash
        same = (ask.product_id, ask.side, ask.price) == (quote.ask.product_id, quote.ask.side, quote.price)
        return None if size and same else Refusal(Because.OTHER, "the terms are not those of the quote", "quote_terms")

    def use(self, quote_id: str) -> None:
        """An order was accepted for it."""
        self._quoted[quote_id].used = True

    def _keep(self, quote: VenueQuote) -> None:
        self._asked[quote.portfolio_id, quote.ask.quote_request_id] = quote
        if len(self._asked) > QUOTES_MAX:
            oldest = self._asked.pop(next(iter(self._asked)))
            self._quoted.pop(oldest.quote_id or "", None)

    def _problems(self, ask: QuoteAsk, portfolio_id: str) -> Iterator[_Wrong]:
        if (portfolio_id, ask.quote_request_id) in self._asked:
            yield _Wrong(Because.DUPLICATE, "duplicate quote request ID")
        if ask.product_id not in self._market:
            yield _Wrong(Because.UNKNOWN_SYMBOL, "unknown symbol")
        yield from (_Wrong(Because.OTHER, text) for text in _form(ask, portfolio_id))
        if ask.price is None:
            yield _Wrong(Because.INVALID_PRICE, "Price (44) must be a positive decimal")

    def _price(self, quote: VenueQuote, quote_id: str, now: Moment) -> _Wrong | None:
        ask, market = quote.ask, self._market.price(quote.ask.product_id)
        factor = 1 + SPREAD if ask.side == Side.BUY else 1 - SPREAD
        price = down(product(market, factor), increment(ask.product_id)) or market
        quantity = ask.quantity or quotient(ask.cash or Decimal(0), price, BASE_INCREMENT)
        if product(quantity, price) > VALUE_MAX:
            return _Wrong(Because.EXCEEDS_LIMIT, f"a quote is for {VALUE_MAX} at most")
        if quantity == 0:
            return _Wrong(Because.OTHER, "the size buys less than the smallest unit")
        if not matching.reaches(ask.side, price, ask.price):
            return _Wrong(Because.INVALID_PRICE, "the market is beyond Price (44)")
        quote.quote_id, quote.price, quote.quantity = quote_id, price, quantity
        quote.until = now.utc + timedelta(milliseconds=ask.auction_ms or AUCTION_MS)
        self._quoted[quote_id] = quote
        return None


def _form(ask: QuoteAsk, portfolio_id: str) -> Iterator[str]:
    sizes = ask.given & {tags.ORDER_QTY, tags.CASH_ORDER_QTY}
    auction = ask.auction_ms if AUCTION_DURATION in ask.given else AUCTION_MS
    rules = (
        (ask.account != portfolio_id, "Account (1) must be the portfolio of the session"),
        (len(ask.quote_request_id) > QUOTE_REQUEST_ID_MAX_CHARS, "QuoteReqID (131) is too long"),
        (ask.side not in set(Side), "Side (54) must be 1 or 2"),
        (len(sizes) != 1, "exactly one of OrderQty (38) and CashOrderQty (152) is required"),
        (ask.quantity is None and ask.cash is None, "the size must be a positive decimal"),
        (ask.order_type != QUOTE_ORD_TYPE, f"OrdType (40) must be {QUOTE_ORD_TYPE}"),
        (ask.time_in_force != Tif.FOK, "TimeInForce (59) must be 4"),
        (not 0 < (auction or 0) <= AUCTION_MAX_MS, f"AuctionDuration (8090) must be 1 to {AUCTION_MAX_MS} ms"),
    )
    return (text for broken, text in rules if broken)


def _quoted(quote: VenueQuote) -> Reply:
    ask = quote.ask
    price, size = (tags.OFFER_PX, tags.OFFER_SIZE) if ask.side == Side.BUY else (tags.BID_PX, tags.BID_SIZE)
    body: tuple[Field, ...] = (
        (tags.QUOTE_ID, quote.quote_id or ""),
        (tags.QUOTE_REQ_ID, ask.quote_request_id),
        (tags.ACCOUNT, quote.portfolio_id),
        (tags.SYMBOL, ask.product_id),
        (price, write_amount(quote.price)),
        (size, write_amount(quote.quantity)),
        (tags.ORD_TYPE, QUOTE_ORD_TYPE),
    )
    if quote.until is not None:
        body += ((tags.VALID_UNTIL_TIME, timestamp(quote.until)),)
    return Reply(MsgType.QUOTE, body)


def _refused(ask: QuoteAsk, portfolio_id: str, wrong: _Wrong) -> Reply:
    body = [(tags.QUOTE_REQ_ID, ask.quote_request_id), (tags.ACCOUNT, portfolio_id)]
    if ask.product_id:
        body.append((tags.SYMBOL, ask.product_id))
    body += [(tags.QUOTE_ACK_STATUS, REFUSED), (tags.QUOTE_REJECT_REASON, wrong.reason), (tags.TEXT, wrong.text)]
    return Reply(MsgType.QUOTE_ACKNOWLEDGEMENT, tuple(body), "quote_refused")
