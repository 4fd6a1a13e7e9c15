"""What a portfolio answers to a client's request: expected refusals are values, not exceptions."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from attrs import frozen

from primefixd.orders.model import Order


class Reason(StrEnum):
    """Why a request was refused; the control plane gives each its error code (contract.md section 3, errors)."""

    INVALID = "invalid"
    DUPLICATE = "duplicate"
    UNKNOWN_ORDER = "unknown_order"
    NOT_CANCELLABLE = "not_cancellable"
    CLOSED = "closed"
    NO_SESSION = "no_session"
    BUSY = "busy"
    EXPIRED = "expired"
    NOT_DURABLE = "not_durable"
    LIMIT = "limit"


class Sent(StrEnum):
    """Whether the refused request can have reached the venue: `no` means that it never left and never will."""

    NO = "no"
    UNKNOWN = "unknown"


@frozen(kw_only=True)
class Breached:
    """A limit of the configuration by its key and whose it is; `value` None: there is no price to tell it by."""

    limit: str
    value: Decimal | int | str | None
    allowed: Decimal | int | str
    scope: str


@frozen(kw_only=True)
class Refused:
    """`message` is one sentence with what to do next; `field` names the parameter when the reason is INVALID."""

    reason: Reason
    message: str
    field: str | None = None
    order: Order | None = None
    retry_at: datetime | None = None
    retry_after_ms: int | None = None
    breached: Breached | None = None
    sent: Sent = Sent.NO


@frozen(kw_only=True)
class Submitted:
    order: Order
    cursor: int
    duplicate: bool = False
    warnings: tuple[str, ...] = ()


@frozen(kw_only=True)
class Cancelling:
    """The cancel was taken; for an order that never left, `order` is CANCELLED already (order-rules.md 19)."""

    order: Order
    cursor: int


@frozen(kw_only=True)
class Noted:
    """A person's word on an order was taken: the order as it stands now."""

    order: Order
    cursor: int


@frozen(kw_only=True)
class QuoteAsked:
    """The request for a quote was taken; what comes of it is told as an event after `cursor`."""

    quote_request_id: str
    cursor: int


@frozen(kw_only=True)
class Page:
    """Part of a listing; `next` is what to pass as `after` for the rest, None at its end."""

    orders: tuple[Order, ...]
    next: str | None
