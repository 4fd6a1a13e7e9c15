"""What we ask the venue, as the body of a FIX message: orders, cancels, replaces, quotes (prime-fix.md sections 3, 4).

Terms are taken as they are: whether the venue would take them is `strategies`' question. Decimals go out in full, never
rounded and never with an exponent (order-rules.md 22). Header and numbers are the session's.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal

from primefixd.clock import Moment
from primefixd.fix import tags
from primefixd.fix.message import Field
from primefixd.fix.tags import MsgType
from primefixd.fix.timestamps import timestamp
from primefixd.orders.model import PegOffsetType, QuoteRequest, Request, RequestKind, Terms, TimeInForce
from primefixd.prime.venue import (
    AUCTION_DURATION,
    HANDL_INST_AUTOMATED,
    PEG_OFFSET_LETTERS,
    POST_ONLY,
    QUOTE_ORD_TYPE,
    SIDE_LETTERS,
    STRATEGIES,
    TARGET_STRATEGY,
    TERM_TAGS,
    TIME_IN_FORCE_LETTERS,
)

_PRICES = ("limit_price", "stop_price")
_UNTIL = ("expiry_time",)
_DISPLAY = ("display_base_size", "display_quote_size")
_STRATEGY = ("historical_pov", "wig_level", "is_buy_exact", "is_raise_exact")


def encode(request: Request, account: str, now: Moment) -> tuple[str, tuple[Field, ...]]:
    """MsgType and body of what leaves at `now`; `account` is the portfolio id.

    ValueError for anything but a new order while the order has no OrderID: it has to wait (order-rules.md 19); and for
    a replace without terms.
    """
    msg_type, body = _BODIES[request.kind]
    return msg_type, tuple(body(request, account, now))


def encode_quote(request: QuoteRequest, account: str, _now: Moment) -> tuple[str, tuple[Field, ...]]:
    """MsgType and body of a QuoteRequest; the venue's own default decides the auction's length where none is asked."""
    return MsgType.QUOTE_REQUEST, tuple(_quote(request, account))


def _new_order(request: Request, account: str, now: Moment) -> Iterator[Field]:
    order, terms = request.order, request.order.terms
    strategy = STRATEGIES[terms.type]
    yield tags.ACCOUNT, account
    yield tags.CL_ORD_ID, order.client_order_id
    if terms.post_only:
        yield tags.EXEC_INST, POST_ONLY
    yield tags.HANDL_INST, HANDL_INST_AUTOMATED
    yield from _product_and_size(terms)
    yield tags.ORD_TYPE, strategy.ord_type
    yield from _given(terms, _PRICES)
    yield tags.TIME_IN_FORCE, TIME_IN_FORCE_LETTERS[terms.time_in_force]
    yield tags.TRANSACT_TIME, timestamp(now.utc)
    yield from _given(terms, ("quote_id", *_UNTIL, "start_time", *_DISPLAY, "peg_offset_type", "offset"))
    yield TARGET_STRATEGY, strategy.target
    yield from _given(terms, _STRATEGY)


def _cancel(request: Request, account: str, now: Moment) -> Iterator[Field]:
    yield tags.ACCOUNT, account
    yield tags.CL_ORD_ID, request.request_id
    yield tags.ORDER_ID, _order_id(request)
    yield tags.ORIG_CL_ORD_ID, request.order.client_order_id
    yield from _product_and_size(request.order.terms)
    yield tags.TRANSACT_TIME, timestamp(now.utc)  # FIX 4.2 requires it; the venue's own text leaves it out


def _replace(request: Request, _account: str, now: Moment) -> Iterator[Field]:
    terms = request.terms
    if terms is None:
        raise ValueError(f"the replace {request.request_id} has no terms")
    yield tags.CL_ORD_ID, request.request_id
    yield tags.ORDER_ID, _order_id(request)
    yield tags.ORIG_CL_ORD_ID, request.order.client_order_id
    yield tags.HANDL_INST, HANDL_INST_AUTOMATED
    yield from _product_and_size(terms)
    yield tags.ORD_TYPE, STRATEGIES[terms.type].ord_type
    yield from _given(terms, _PRICES)
    yield tags.TRANSACT_TIME, timestamp(now.utc)
    yield from _given(terms, (*_UNTIL, *_DISPLAY))


def _status(request: Request, _account: str, _now: Moment) -> Iterator[Field]:
    yield tags.CL_ORD_ID, request.order.client_order_id
    yield tags.ORDER_ID, _order_id(request)
    yield tags.SIDE, SIDE_LETTERS[request.order.terms.side]
    yield tags.SYMBOL, request.order.terms.product_id


def _quote(request: QuoteRequest, account: str) -> Iterator[Field]:
    yield tags.QUOTE_REQ_ID, request.quote_request_id
    yield tags.ACCOUNT, account
    yield from _product_and_size(request)
    yield tags.ORD_TYPE, QUOTE_ORD_TYPE
    yield tags.PRICE, _plain(request.limit_price)
    yield tags.TIME_IN_FORCE, TIME_IN_FORCE_LETTERS[TimeInForce.FILL_OR_KILL]
    if request.auction_ms is not None:
        yield AUCTION_DURATION, str(request.auction_ms)


_Body = Callable[[Request, str, Moment], Iterator[Field]]
_BODIES: Mapping[RequestKind, tuple[str, _Body]] = {
    RequestKind.NEW_ORDER: (MsgType.NEW_ORDER_SINGLE, _new_order),
    RequestKind.CANCEL: (MsgType.ORDER_CANCEL_REQUEST, _cancel),
    RequestKind.REPLACE: (MsgType.ORDER_CANCEL_REPLACE_REQUEST, _replace),
    RequestKind.STATUS: (MsgType.ORDER_STATUS_REQUEST, _status),
}


def _product_and_size(terms: Terms | QuoteRequest) -> Iterator[Field]:
    if terms.base_quantity is not None:
        yield tags.ORDER_QTY, _plain(terms.base_quantity)
    if terms.quote_value is not None:
        yield tags.CASH_ORDER_QTY, _plain(terms.quote_value)
    yield tags.SIDE, SIDE_LETTERS[terms.side]
    yield tags.SYMBOL, terms.product_id


def _order_id(request: Request) -> str:
    if request.order.order_id is None:
        raise ValueError(f"a {request.kind} of order {request.order.client_order_id} cannot leave before its OrderID")
    return request.order.order_id


def _given(terms: Terms, names: Iterable[str]) -> Iterator[Field]:
    """The fields of those of `names` that the terms give; a flag that is not set is the venue's default."""
    for name in names:
        value = getattr(terms, name)
        if value is not None and value is not False:
            yield TERM_TAGS[name], _text(value)


def _text(value: Decimal | datetime | PegOffsetType | bool | str) -> str:
    match value:
        case True:
            return "Y"
        case Decimal():
            return _plain(value)
        case datetime():
            return timestamp(value.astimezone(UTC))
        case PegOffsetType():
            return PEG_OFFSET_LETTERS[value]
    return str(value)


def _plain(amount: Decimal) -> str:
    return format(amount, "f")
