"""What we ask the venue, as the body of a FIX message: new order, cancel, status (prime-fix.md sections 3 and 4).

Terms are taken as they are: whether the venue would take them is `strategies`' question. Decimals go out in full, never
rounded and never with an exponent (order-rules.md 22). Header and numbers are the session's.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC
from decimal import Decimal

from primefixd.clock import Moment
from primefixd.fix import tags
from primefixd.fix.message import Field
from primefixd.fix.tags import MsgType
from primefixd.fix.timestamps import timestamp
from primefixd.orders.model import Request, RequestKind, Terms
from primefixd.prime.venue import (
    HANDL_INST_AUTOMATED,
    POST_ONLY,
    SIDE_LETTERS,
    STRATEGIES,
    TARGET_STRATEGY,
    TIME_IN_FORCE_LETTERS,
)


def encode(request: Request, account: str, now: Moment) -> tuple[str, tuple[Field, ...]]:
    """MsgType and body of what leaves at `now`; `account` is the portfolio id.

    ValueError for a cancel or status request of an order without OrderID: it has to wait (order-rules.md 19).
    """
    msg_type, body = _BODIES[request.kind]
    return msg_type, tuple(body(request, account, now))


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
    if terms.limit_price is not None:
        yield tags.PRICE, _plain(terms.limit_price)
    yield tags.TIME_IN_FORCE, TIME_IN_FORCE_LETTERS[terms.time_in_force]
    yield tags.TRANSACT_TIME, timestamp(now.utc)
    if terms.expiry_time is not None:
        yield tags.EXPIRE_TIME, timestamp(terms.expiry_time.astimezone(UTC))
    yield TARGET_STRATEGY, strategy.target


def _cancel(request: Request, account: str, now: Moment) -> Iterator[Field]:
    yield tags.ACCOUNT, account
    yield tags.CL_ORD_ID, request.request_id
    yield tags.ORDER_ID, _order_id(request)
    yield tags.ORIG_CL_ORD_ID, request.order.client_order_id
    yield from _product_and_size(request.order.terms)
    yield tags.TRANSACT_TIME, timestamp(now.utc)  # FIX 4.2 requires it; the venue's own text leaves it out


def _status(request: Request, _account: str, _now: Moment) -> Iterator[Field]:
    yield tags.CL_ORD_ID, request.order.client_order_id
    yield tags.ORDER_ID, _order_id(request)
    yield tags.SIDE, SIDE_LETTERS[request.order.terms.side]
    yield tags.SYMBOL, request.order.terms.product_id


_Body = Callable[[Request, str, Moment], Iterator[Field]]
_BODIES: Mapping[RequestKind, tuple[str, _Body]] = {
    RequestKind.NEW_ORDER: (MsgType.NEW_ORDER_SINGLE, _new_order),
    RequestKind.CANCEL: (MsgType.ORDER_CANCEL_REQUEST, _cancel),
    RequestKind.STATUS: (MsgType.ORDER_STATUS_REQUEST, _status),
}


def _product_and_size(terms: Terms) -> Iterator[Field]:
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


def _plain(amount: Decimal) -> str:
    return format(amount, "f")
