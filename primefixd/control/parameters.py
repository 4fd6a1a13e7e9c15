"""The parameters of every method that clients may call: one class a method, named and typed as contract.md section 3.

A class that says more than its fields' types refuses what does not go together, with the name of the field. Nothing
here reads text or does what is asked.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import attrs
from attrs import frozen

from primefixd.orders.model import (
    CLIENT_ORDER_ID_MAX_CHARS,
    FINAL,
    OnDoubt,
    OnMaintenance,
    OrderType,
    PegOffsetType,
    Replacement,
    Side,
    Status,
    Submission,
    Terms,
    TimeInForce,
)
from primefixd.strict import Check, Invalid, Problem, between, matching

TTL_MAX_MS = 86_400_000  # a day; a client that waits longer gives a deadline
GRACE_MAX_MS = 86_400_000  # how long a client may be gone before what it submitted is cancelled
LIST_MAX = 1000  # orders in one page of order.list; the rest is asked for with `after`
LIST_DEFAULT = 100
AFTER_MAX_CHARS = 64 + 1 + CLIENT_ORDER_ID_MAX_CHARS  # a portfolio's name, a slash and the id of its order
PORTFOLIOS_MAX = 100  # in one subscription
REASON_MAX_CHARS = 500  # of a person's word on an order in doubt
AUCTION_MAX_MS = 30_000  # of a quote's auction (prime-fix.md section 4)


def _printable(text: str, most: int) -> bool:
    return 0 < len(text) <= most and text.isprintable()


ClientOrderId = Annotated[
    str,
    matching(f"[ -~]{{1,{CLIENT_ORDER_ID_MAX_CHARS}}}", f"must be 1 to {CLIENT_ORDER_ID_MAX_CHARS} ASCII characters"),
]
Word = Annotated[str, matching("[!-~]{1,64}", "must be 1 to 64 ASCII characters without blanks")]
After = Annotated[
    str,
    matching(f"[ -~]{{1,{AFTER_MAX_CHARS}}}", "must be what an earlier page gave as next"),
]
Portfolios = Annotated[
    tuple[Word, ...], Check(f"must name 1 to {PORTFOLIOS_MAX}", lambda names: 0 < len(names) <= PORTFOLIOS_MAX)
]
Reason = Annotated[
    str,
    Check(f"must be 1 to {REASON_MAX_CHARS} printable characters", lambda text: _printable(text, REASON_MAX_CHARS)),
]
Positive = Annotated[Decimal, Check("must be greater than 0", lambda amount: amount > 0)]
SignedText = Annotated[
    str, matching(r"-?[0-9]{1,20}(\.[0-9]{1,20})?", 'must be a decimal in quotes such as "-0.25", digits only')
]

ONLY_TIMES_IN_FORCE: Mapping[OrderType, TimeInForce] = {
    OrderType.MARKET: TimeInForce.IMMEDIATE_OR_CANCEL,
    OrderType.RFQ: TimeInForce.FILL_OR_KILL,
    OrderType.TWAP: TimeInForce.GOOD_UNTIL_DATE_TIME,
    OrderType.VWAP: TimeInForce.GOOD_UNTIL_DATE_TIME,
}
"""What an order that names no time in force gets: the only one that the venue takes (prime-fix.md section 3)."""

HELD_TYPES = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})  # order-rules.md 25


def _names(cls: type[attrs.AttrsInstance]) -> list[str]:
    return [each.name for each in attrs.fields(cls)]


@frozen(kw_only=True)
class SubmitOrder:
    portfolio: str | None
    submission: Submission


@frozen(kw_only=True)
class OrderSubmit:
    """`order.submit` as it is written; names of Terms and Submission are theirs."""

    portfolio: Word | None = None
    product_id: Word
    side: Side
    type: OrderType
    base_quantity: Decimal | None = None
    quote_value: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce | None = None
    expiry_time: datetime | None = None
    start_time: datetime | None = None
    historical_pov: Decimal | None = None
    post_only: bool = False
    display_base_size: Decimal | None = None
    display_quote_size: Decimal | None = None
    is_raise_exact: bool = False
    is_buy_exact: bool = False
    peg_offset_type: PegOffsetType | None = None
    offset: SignedText | None = None
    wig_level: Decimal | None = None
    quote_id: ClientOrderId | None = None
    client_order_id: ClientOrderId | None = None
    session: Word | None = None
    ttl_ms: Annotated[int, between(1, TTL_MAX_MS)] | None = None
    deadline: datetime | None = None
    on_maintenance: OnMaintenance = OnMaintenance.REJECT
    on_doubt: OnDoubt = OnDoubt.ASK

    def __attrs_post_init__(self) -> None:
        problems = []
        if self.ttl_ms is not None and self.deadline is not None:
            problems.append(Problem(("deadline",), "cannot stand beside ttl_ms; give one of the two"))
        if self.time_in_force is None and self.type not in ONLY_TIMES_IN_FORCE:
            problems.append(Problem(("time_in_force",), f"is missing; a {self.type} order needs one"))
        problems += self._unheld()
        if self.on_doubt is OnDoubt.RESUBMIT and self.type in (OrderType.MARKET, OrderType.RFQ):
            problems.append(Problem(("on_doubt",), f"must be ask: a {self.type} order is never sent twice"))
        if problems:
            raise Invalid(problems)

    def _unheld(self) -> list[Problem]:
        """Why it cannot be held over the venue's maintenance, if it asks for that (order-rules.md 25)."""
        if self.on_maintenance is not OnMaintenance.HOLD:
            return []
        if self.type not in HELD_TYPES:
            return [Problem(("on_maintenance",), f"must be reject: a {self.type} order is not held")]
        if self.deadline is None:
            return [Problem(("deadline",), "is missing; an order that may be held needs one")]
        return []

    def finished(self) -> SubmitOrder:
        terms = {name: getattr(self, name) for name in _names(Terms)}
        terms["time_in_force"] = self.time_in_force or ONLY_TIMES_IN_FORCE[self.type]
        terms["offset"] = None if self.offset is None else Decimal(self.offset)
        ours = {name: getattr(self, name) for name in _names(Submission) if name != "terms"}
        return SubmitOrder(portfolio=self.portfolio, submission=Submission(terms=Terms(**terms), **ours))


@frozen(kw_only=True)
class ReplaceOrder:
    portfolio: str | None
    replacement: Replacement


@frozen(kw_only=True)
class OrderReplace:
    """`order.replace` as it is written: a Replacement, and whose; what is null or absent stays as it is."""

    portfolio: Word | None = None
    client_order_id: ClientOrderId
    new_client_order_id: ClientOrderId | None = None
    base_quantity: Decimal | None = None
    quote_value: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    expiry_time: datetime | None = None
    display_base_size: Decimal | None = None

    def finished(self) -> ReplaceOrder:
        wanted = {name: getattr(self, name) for name in _names(Replacement)}
        return ReplaceOrder(portfolio=self.portfolio, replacement=Replacement(**wanted))


@frozen(kw_only=True)
class RequestQuote:
    """`quote.request`: the id is made when it is None; exactly one size is given."""

    portfolio: Word | None = None
    quote_request_id: ClientOrderId | None = None
    product_id: Word
    side: Side
    base_quantity: Positive | None = None
    quote_value: Positive | None = None
    limit_price: Positive
    auction_ms: Annotated[int, between(1, AUCTION_MAX_MS)] | None = None

    def __attrs_post_init__(self) -> None:
        if (self.base_quantity is None) == (self.quote_value is None):
            raise Invalid([Problem(("base_quantity",), "or quote_value must be given, and not both")])


@frozen(kw_only=True)
class _NamesOrder:
    portfolio: Word | None = None
    client_order_id: ClientOrderId | None = None
    order_id: ClientOrderId | None = None

    def __attrs_post_init__(self) -> None:
        if (self.client_order_id is None) == (self.order_id is None):
            raise Invalid([Problem(("client_order_id",), "or order_id must be given, and not both")])


@frozen(kw_only=True)
class CancelOrder(_NamesOrder):
    """Exactly one of the two ids is given; so too in GetOrder."""


@frozen(kw_only=True)
class GetOrder(_NamesOrder):
    pass


@frozen(kw_only=True)
class ResolveOrder:
    """A person's word on an order in doubt: a final status, what was filled, and why one knows (order-rules.md 16)."""

    portfolio: Word | None = None
    client_order_id: ClientOrderId
    status: Annotated[Status, Check(f"must be one of {', '.join(sorted(FINAL))}", lambda status: status in FINAL)]
    filled_quantity: Decimal
    average_price: Positive | None = None
    reason: Reason

    def __attrs_post_init__(self) -> None:
        if (self.average_price is None) != (self.filled_quantity == 0):
            raise Invalid([Problem(("average_price",), "must be given if something was filled, and only then")])


@frozen(kw_only=True)
class AdoptOrder:
    """The venue's id of an order that another program placed (order-rules.md 28)."""

    portfolio: Word | None = None
    order_id: ClientOrderId


@frozen(kw_only=True)
class CancelAll:
    portfolio: Word | None = None
    product_id: Word | None = None
    side: Side | None = None


@frozen(kw_only=True)
class ListOrders:
    portfolio: Word | None = None
    open: bool = True
    product_id: Word | None = None
    limit: Annotated[int, between(1, LIST_MAX)] = LIST_DEFAULT
    after: After | None = None


@frozen(kw_only=True)
class Subscribe:
    """`from_` (called `from`) is the cursor after which events are wanted; None means from now."""

    from_: Annotated[int, Check("must not be negative", lambda cursor: cursor >= 0)] | None = None
    journal: Word | None = None
    snapshot: bool = False
    portfolios: Portfolios | None = None


@frozen
class Unsubscribe:
    pass


@frozen(kw_only=True)
class HaltPortfolio:
    """`portfolio` "*" means all that the client may reach; so too in ResumePortfolio."""

    portfolio: Word
    cancel_open: bool = False


@frozen(kw_only=True)
class ResumePortfolio:
    portfolio: Word


@frozen(kw_only=True)
class RestartSession:
    """Exactly one of the two is given: one session, or all of a portfolio together."""

    session: Word | None = None
    portfolio: Word | None = None

    def __attrs_post_init__(self) -> None:
        if (self.session is None) == (self.portfolio is None):
            raise Invalid([Problem(("session",), "or portfolio must be given, and not both")])


@frozen(kw_only=True)
class SetReference:
    """A price of the market for limits that need one, and the time of that price; for all of a client's portfolios."""

    portfolio: Word | None = None
    product_id: Word
    price: Positive
    time: datetime


@frozen(kw_only=True)
class CancelOnDisconnect:
    """For the client's name: what it submitted is cancelled when its last connection is gone for `grace_ms`."""

    enabled: bool
    grace_ms: Annotated[int, between(0, GRACE_MAX_MS)] = 10_000


@frozen
class ListPortfolios:
    pass


@frozen
class ListSessions:
    pass


@frozen
class ServerInfo:
    pass


Params = (
    SubmitOrder
    | ReplaceOrder
    | RequestQuote
    | CancelOrder
    | CancelAll
    | ResolveOrder
    | AdoptOrder
    | GetOrder
    | ListOrders
    | Subscribe
    | Unsubscribe
    | HaltPortfolio
    | ResumePortfolio
    | RestartSession
    | SetReference
    | CancelOnDisconnect
    | ListPortfolios
    | ListSessions
    | ServerInfo
)

METHODS: Mapping[str, type[Any]] = {
    "order.submit": OrderSubmit,
    "order.replace": OrderReplace,
    "order.cancel": CancelOrder,
    "order.cancel_all": CancelAll,
    "order.resolve": ResolveOrder,
    "order.adopt": AdoptOrder,
    "order.get": GetOrder,
    "order.list": ListOrders,
    "quote.request": RequestQuote,
    "events.subscribe": Subscribe,
    "events.unsubscribe": Unsubscribe,
    "portfolio.halt": HaltPortfolio,
    "portfolio.resume": ResumePortfolio,
    "session.restart": RestartSession,
    "reference.set": SetReference,
    "connection.cancel_on_disconnect": CancelOnDisconnect,
    "portfolio.list": ListPortfolios,
    "session.list": ListSessions,
    "server.info": ServerInfo,
}
