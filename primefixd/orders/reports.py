"""What the venue says: its reports on orders, its refusals, its quotes. Nothing here knows FIX.

Letters became words where they were read. Quantities and money are Decimal, times aware UTC; None means that the venue
did not say, or that the field could not be read.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from attrs import frozen

from primefixd.orders.model import Fee, OrderType, Side, TimeInForce


class ReportKind(StrEnum):
    """What an execution report is about (tag 150), in words."""

    PENDING_NEW = "pending_new"
    NEW = "new"
    TRADE = "trade"
    DONE_FOR_DAY = "done_for_day"
    CANCELLED = "cancelled"
    REPLACED = "replaced"
    PENDING_CANCEL = "pending_cancel"
    PENDING_REPLACE = "pending_replace"
    STOPPED = "stopped"
    REJECTED = "rejected"
    EXPIRED = "expired"
    RESTATED = "restated"
    STATUS = "status"
    UNKNOWN = "unknown"


class VenueStatus(StrEnum):
    """Where the venue says an order stands (tag 39), in words."""

    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    DONE_FOR_DAY = "done_for_day"
    CANCELLED = "cancelled"
    REPLACED = "replaced"
    PENDING_CANCEL = "pending_cancel"
    STOPPED = "stopped"
    REJECTED = "rejected"
    SUSPENDED = "suspended"
    PENDING_NEW = "pending_new"
    CALCULATED = "calculated"
    EXPIRED = "expired"
    ACCEPTED_FOR_BIDDING = "accepted_for_bidding"
    PENDING_REPLACE = "pending_replace"
    UNKNOWN = "unknown"


class Transaction(StrEnum):
    """Tag 20: whether a report is new, takes back or corrects an execution, or tells state."""

    NEW = "new"
    CANCEL = "cancel"
    CORRECT = "correct"
    STATUS = "status"


class RejectReason(StrEnum):
    """Why an order was rejected, in words that clients see as `reject_reason`."""

    BROKER_OPTION = "broker_option"
    UNKNOWN_SYMBOL = "unknown_symbol"
    EXCHANGE_CLOSED = "exchange_closed"
    EXCEEDS_LIMIT = "exceeds_limit"
    TOO_LATE = "too_late"
    UNKNOWN_ORDER = "unknown_order"
    DUPLICATE_ORDER = "duplicate_order"
    RATE_LIMITED = "rate_limited"
    OTHER = "other"


@frozen(kw_only=True)
class Allocation:
    account: str
    quantity: Decimal


@frozen(kw_only=True)
class Report:
    """One execution report, as facts. None means that the venue did not say, or that `unreadable` names the field."""

    account: str | None
    order_id: str | None
    client_order_id: str | None
    original_client_order_id: str | None = None
    exec_id: str | None
    exec_ref_id: str | None = None
    transaction: Transaction
    kind: ReportKind
    status: VenueStatus
    product_id: str | None
    side: Side | None
    base_quantity: Decimal | None = None
    quote_value: Decimal | None = None
    limit_price: Decimal | None = None
    cumulative_quantity: Decimal | None = None
    leaves_quantity: Decimal | None = None
    average_price: Decimal | None = None
    last_quantity: Decimal = Decimal(0)
    last_price: Decimal | None = None
    commission: Decimal | None = None
    fees: tuple[Fee, ...] = ()
    venue: str | None = None
    reject_reason: RejectReason | None = None
    text: str | None = None
    transact_time: datetime | None = None
    unreadable: tuple[str, ...] = ()
    net_average_price: Decimal | None = None
    allocations: tuple[Allocation, ...] = ()
    time_in_force: TimeInForce | None = None
    expiry_time: datetime | None = None
    stop_price: Decimal | None = None
    order_type: OrderType | None = None
    raw: tuple[tuple[int, str], ...] = ()  # fields that have no other place here, in their order


@frozen(kw_only=True)
class RestFill:
    """One fill as REST lists it; whether `fill_id` is the ExecID of FIX is unknown (prime-fix.md section 6)."""

    fill_id: str
    order_id: str
    quantity: Decimal
    price: Decimal
    time: datetime | None
    commission: Decimal | None
    venue: str | None


@frozen(kw_only=True)
class CancelRefused:
    """The venue refused a cancel (or replace) request: OrderCancelReject."""

    client_order_id: str | None
    original_client_order_id: str | None
    order_id: str | None
    status: VenueStatus
    reason: str
    replace: bool
    text: str | None

    @property
    def rate_limited(self) -> bool:
        """Whether it was refused for our speed alone, so that it is worth asking again (order-rules.md 9)."""
        return self.reason == RejectReason.RATE_LIMITED

    @property
    def words(self) -> str:
        return f"{self.reason}: {self.text}" if self.text else self.reason


@frozen(kw_only=True)
class RequestRejected:
    """The venue refused the message of ours with this number, without naming an order (order-rules.md 9)."""

    sequence_number: int
    rate_limited: bool
    text: str


@frozen(kw_only=True)
class Quote:
    """A quote that the venue made: the client can trade `quantity` at `price` until `valid_until`."""

    quote_id: str
    quote_request_id: str | None
    account: str | None
    product_id: str | None
    side: Side | None
    price: Decimal | None
    quantity: Decimal | None
    valid_until: datetime | None
    unreadable: tuple[str, ...] = ()
    raw: tuple[tuple[int, str], ...] = ()


@frozen(kw_only=True)
class QuoteRefused:
    """The venue will not quote; `reason` in words."""

    quote_request_id: str | None
    quote_id: str | None
    account: str | None
    product_id: str | None
    reason: str
    text: str | None
