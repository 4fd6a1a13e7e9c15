"""The words for orders: what a client asks (Terms), what the daemon holds (Order), what leaves (Request).

Names and values are those of the venue's REST API (contract.md section 3); nothing here knows FIX. Quantities and money
are Decimal, times aware UTC.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from attrs import frozen

from primefixd.orders.exact import EXACT

CLIENT_ORDER_ID_MAX_CHARS = 128  # prime-fix.md section 1, identifiers


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"


class OrderType(StrEnum):
    MARKET = "MARKET"
    LIMIT = "LIMIT"
    TWAP = "TWAP"
    VWAP = "VWAP"
    STOP_LIMIT = "STOP_LIMIT"
    PEG = "PEG"
    RFQ = "RFQ"


class TimeInForce(StrEnum):
    GOOD_UNTIL_CANCELLED = "GOOD_UNTIL_CANCELLED"
    GOOD_UNTIL_DATE_TIME = "GOOD_UNTIL_DATE_TIME"
    IMMEDIATE_OR_CANCEL = "IMMEDIATE_OR_CANCEL"
    FILL_OR_KILL = "FILL_OR_KILL"


class PegOffsetType(StrEnum):
    PRICE = "PEG_OFFSET_TYPE_PRICE"
    BPS = "PEG_OFFSET_TYPE_BPS"
    DEPTH = "PEG_OFFSET_TYPE_DEPTH"


class Status(StrEnum):
    """Where an order stands, in the contract's words; what may follow what is in `lifecycle`."""

    QUEUED = "QUEUED"
    SENT = "SENT"
    PENDING = "PENDING"
    OPEN = "OPEN"
    PENDING_CANCEL = "PENDING_CANCEL"
    PENDING_REPLACE = "PENDING_REPLACE"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


@frozen(kw_only=True)
class Terms:
    """What goes to the venue. Two submissions with equal Terms are the same order (decimals by value)."""

    product_id: str
    side: Side
    type: OrderType
    base_quantity: Decimal | None = None
    quote_value: Decimal | None = None
    limit_price: Decimal | None = None
    time_in_force: TimeInForce
    expiry_time: datetime | None = None
    post_only: bool = False
    stop_price: Decimal | None = None
    start_time: datetime | None = None
    historical_pov: Decimal | None = None
    display_base_size: Decimal | None = None
    display_quote_size: Decimal | None = None
    is_raise_exact: bool = False
    is_buy_exact: bool = False
    peg_offset_type: PegOffsetType | None = None
    offset: Decimal | None = None
    wig_level: Decimal | None = None
    quote_id: str | None = None


class OnDoubt(StrEnum):
    """What the daemon may do by itself about an order in doubt (order-rules.md 15)."""

    ASK = "ask"
    RESUBMIT = "resubmit"


class OnMaintenance(StrEnum):
    """What becomes of an order that comes while the venue is closed (order-rules.md 24 and 25)."""

    REJECT = "reject"
    HOLD = "hold"


class CancelState(StrEnum):
    WAITING = "waiting"
    SENT = "sent"
    PENDING = "pending"
    REJECTED = "rejected"


@frozen(kw_only=True)
class Cancel:
    """How far the cancellation of an order has come (order-rules.md 19)."""

    state: CancelState
    since: datetime
    reason: str | None = None


class ReplaceState(StrEnum):
    QUEUED = "queued"
    SENT = "sent"
    PENDING = "pending"


@frozen(kw_only=True)
class Replace:
    """A replace under way: the id and the terms that the order will go by if the venue takes it (order-rules.md 29)."""

    client_order_id: str
    terms: Terms
    state: ReplaceState
    since: datetime


@frozen(kw_only=True)
class Resolution:
    """A person's word on an order in doubt (order-rules.md 16). Any later word of the venue overrides it.

    `status` is a final one; `filled_quantity` in base units; `average_price` None where nothing was filled.
    """

    status: "Status"
    filled_quantity: Decimal
    average_price: Decimal | None = None
    reason: str
    client: str
    time: datetime


@frozen(kw_only=True)
class Fee:
    amount: Decimal
    currency: str | None
    type: str


@frozen(kw_only=True)
class Fill:
    """One execution. `cumulative_quantity` is the order's filled quantity after it, as the venue told it."""

    fill_id: str
    exec_id: str
    cumulative_quantity: Decimal
    last_quantity: Decimal
    last_price: Decimal
    commission: Decimal | None
    fees: tuple[Fee, ...]
    venue: str | None
    time: datetime
    source: str
    raw: tuple[tuple[int, str], ...] = ()  # what the venue told beside, by tag
    approximate: bool = False  # the price was worked out from averages (order-rules.md 5)


@frozen(kw_only=True)
class Order:
    """The desk's picture of one order; every change makes a new one."""

    client_order_id: str
    order_id: str | None = None
    portfolio: str
    session: str | None
    terms: Terms
    status: Status = Status.QUEUED
    in_doubt: bool = False
    known_to_venue: bool = False  # while in doubt: the venue called it a duplicate, so it has it (order-rules.md 14)
    not_found_at: datetime | None = None  # while in doubt: the venue's REST API did not list it (order-rules.md 13)
    resolution: Resolution | None = None  # a person's word, until the venue's own
    venue_status: str | None = None
    filled_quantity: Decimal = Decimal(0)
    filled_value: Decimal = Decimal(0)
    commission: Decimal = Decimal(0)
    net_average_price: Decimal | None = None  # the venue's, fees included
    cancel: Cancel | None = None
    original_client_order_id: str | None = None  # the first of the chain, once there is more than one
    chain: tuple[str, ...] = ()  # every id that the order has gone by, oldest first; empty until it is replaced
    replace: Replace | None = None
    reject_reason: str | None = None
    reject_text: str | None = None  # the venue's own words
    client: str
    pinned: bool = False  # its client named the session
    deadline: datetime | None = None  # never sent after it
    on_doubt: OnDoubt = OnDoubt.ASK
    on_maintenance: OnMaintenance = OnMaintenance.REJECT
    accepted_cursor: int = 0  # of the event that told its acceptance, for a repeated submission
    created_at: datetime
    sent_at: datetime | None = None
    acknowledged_at: datetime | None = None
    updated_at: datetime

    @property
    def key(self) -> str:
        """What the order is kept by, whatever it goes by at the venue: the first id of its chain."""
        return self.original_client_order_id or self.client_order_id

    def overdue(self, utc: datetime) -> bool:
        """Whether it must not be sent any more: its client's deadline has passed, or its expiry at the venue."""
        expiry = self.terms.expiry_time
        return (self.deadline is not None and self.deadline <= utc) or (expiry is not None and expiry <= utc)

    @property
    def cancel_wanted(self) -> bool:
        """Whether a cancellation is under way, from the client's wish on."""
        return self.cancel is not None and self.cancel.state is not CancelState.REJECTED

    @property
    def on_the_wire(self) -> bool:
        """Whether something of it has left and was not answered yet: the order itself, its cancel or its replace."""
        unanswered = self.status is Status.SENT and not self.in_doubt
        cancelling = self.cancel is not None and self.cancel.state is CancelState.SENT
        return unanswered or cancelling or (self.replace is not None and self.replace.state is ReplaceState.SENT)

    @property
    def final(self) -> bool:
        """Whether nothing more can execute (a fill that still comes is told all the same, order-rules.md 1)."""
        return self.status in FINAL

    @property
    def average_filled_price(self) -> Decimal | None:
        """Rounded to 28 digits, since a quotient may have no end; totals are exact."""
        return self.filled_value / self.filled_quantity if self.filled_quantity else None

    @property
    def remaining_quantity(self) -> Decimal | None:
        """What can still execute, in base units: 0 when final, None when sized in quote (order-rules.md 8)."""
        if self.final:
            return Decimal(0)
        if self.terms.base_quantity is None:
            return None
        return _rest(self.terms.base_quantity, self.filled_quantity)

    @property
    def remaining_value(self) -> Decimal | None:
        """An estimate in quote units for an order sized in quote, else None (order-rules.md 8)."""
        if self.terms.quote_value is None:
            return None
        return Decimal(0) if self.final else _rest(self.terms.quote_value, self.filled_value)

    @property
    def cancelled_quantity(self) -> Decimal | None:
        """What was given up unfilled, in base units; 0 while the order lives, None when sized in quote."""
        if self.terms.base_quantity is None:
            return None
        if self.status not in (Status.CANCELLED, Status.EXPIRED):
            return Decimal(0)
        return _rest(self.terms.base_quantity, self.filled_quantity)


def _rest(size: Decimal, filled: Decimal) -> Decimal:
    return max(EXACT.subtract(size, filled), Decimal(0))


FINAL = frozenset({Status.FILLED, Status.CANCELLED, Status.REJECTED, Status.EXPIRED})


class RequestKind(StrEnum):
    """What a message that leaves asks for; the order of members is the priority of leaving (order-rules.md 18)."""

    CANCEL = "cancel"
    STATUS = "status"
    REPLACE = "replace"
    QUOTE = "quote"
    NEW_ORDER = "new_order"


@frozen(kw_only=True)
class Request:
    """One message that is to leave. `request_id` is its own ClOrdID; `order` is the order as it stood when it left.

    `terms` are the new terms of a replace, None for everything else.
    """

    kind: RequestKind
    request_id: str
    order: Order
    terms: Terms | None = None


@frozen(kw_only=True)
class Submission:
    """What a client asks: the terms for the venue, and what only the daemon reads (contract.md, `order.submit`)."""

    terms: Terms
    client_order_id: str | None = None
    session: str | None = None
    ttl_ms: int | None = None
    deadline: datetime | None = None
    on_doubt: OnDoubt = OnDoubt.ASK
    on_maintenance: OnMaintenance = OnMaintenance.REJECT


@frozen(kw_only=True)
class QuoteRequest:
    """What a client asks a quote for (prime-fix.md section 4); exactly one of the two sizes."""

    quote_request_id: str
    product_id: str
    side: Side
    base_quantity: Decimal | None = None
    quote_value: Decimal | None = None
    limit_price: Decimal
    auction_ms: int | None = None


@frozen(kw_only=True)
class Replacement:
    """What a client asks of `order.replace`: the new id, and what changes (None stays as it is)."""

    client_order_id: str
    new_client_order_id: str | None = None
    base_quantity: Decimal | None = None
    quote_value: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    expiry_time: datetime | None = None
    display_base_size: Decimal | None = None
