"""What changed: the frozen records that the ledger returns and that clients hear as events.

They are values without behaviour. The journal will keep them; `control.messages` renders them as the contract's
notifications. Names follow the notification types of contract.md section 3.
"""

from decimal import Decimal

from attrs import frozen

from primefixd.orders.model import Fill, Order
from primefixd.orders.reports import Quote, QuoteRefused, Report


@frozen
class OrderUpdated:
    order: Order


@frozen
class OrderFilled:
    order: Order
    fill: Fill


@frozen
class OrderInDoubt:
    """The order was handed to the socket, was not acknowledged, and its link is gone."""

    order: Order


@frozen
class OrderUnknown:
    """A report for an order that this daemon did not place (order-rules.md 28)."""

    report: Report


@frozen
class CancelRejected:
    order: Order
    reason: str


@frozen
class FillGap:
    """The venue's total is larger than the sum of the fills that were heard (order-rules.md 5)."""

    order: Order
    venue_quantity: Decimal
    heard_quantity: Decimal


@frozen
class FillBusted:
    order: Order
    fill: Fill


@frozen
class FillCorrected:
    order: Order
    fill: Fill
    replaces: str


@frozen
class Contradicted:
    """Two words of the venue do not agree, or one does not agree with what we sent; `text` says which."""

    order: Order
    text: str


@frozen
class ReplaceRejected:
    """The venue refused the replace (or could not take it any more); the former terms stand (order-rules.md 29)."""

    order: Order
    client_order_id: str
    reason: str


@frozen
class QuoteReceived:
    quote: Quote


@frozen
class QuoteRejected:
    refused: QuoteRefused


@frozen
class Unread:
    """The venue told something that could not be read: `fields` by name, or a whole message; the rest was used.

    `order` is None where it could not be told which order it was about.
    """

    order: Order | None
    fields: tuple[str, ...]


Change = (
    OrderUpdated
    | OrderFilled
    | OrderInDoubt
    | OrderUnknown
    | CancelRejected
    | FillGap
    | FillBusted
    | FillCorrected
    | Contradicted
    | ReplaceRejected
    | QuoteReceived
    | QuoteRejected
    | Unread
)
