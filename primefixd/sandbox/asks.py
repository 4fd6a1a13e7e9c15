"""What order messages ask for, as values: new order, cancel, replace, status and quote requests.

It reads fields and judges nothing: what the venue refuses in them is in `strategies`, `replacing` and `quotes`
(prime-fix.md sections 3 and 4). Nothing that a client can write makes it raise.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from attrs import frozen

from primefixd.fix import tags
from primefixd.fix.message import Message
from primefixd.fix.timestamps import read_timestamp
from primefixd.prime.venue import (
    AUCTION_DURATION,
    IS_BUY_EXACT,
    IS_RAISE_EXACT,
    PARTICIPATION_RATE,
    PEG_OFFSET_TYPE,
    POST_ONLY,
    TARGET_STRATEGY,
    TERM_TAGS,
    WIG_LEVEL,
)
from primefixd.sandbox.values import read_amount, read_offset

CLIENT_ORDER_ID_MAX_CHARS = 128  # prime-fix.md section 1, identifiers
TEXT_MAX_CHARS = 200  # of any field that may be echoed; the rest is cut off, so that answers stay small
_SIZES: Final = (tags.ORDER_QTY, tags.CASH_ORDER_QTY)


class Side(StrEnum):
    BUY = "1"
    SELL = "2"


class Tif(StrEnum):
    GTC = "1"
    IOC = "3"
    FOK = "4"
    GTD = "6"


class Target(StrEnum):
    """TargetStrategy (847), prime-fix.md section 3."""

    LIMIT = "L"
    MARKET = "M"
    TWAP = "T"
    VWAP = "V"
    STOP_LIMIT = "SL"
    PEG = "P"
    RFQ = "R"


class Because(StrEnum):
    """OrdRejReason (103) and, with INVALID_PRICE, QuoteRejectReason (300)."""

    UNKNOWN_SYMBOL = "1"
    EXCHANGE_CLOSED = "2"
    EXCEEDS_LIMIT = "3"
    UNKNOWN_ORDER = "5"
    DUPLICATE = "6"
    INVALID_PRICE = "8"
    OTHER = "99"


@frozen
class Refusal:
    """Why something was rejected: the letter for tag 103, the text for tag 58, the word it is counted under."""

    reason: str
    text: str
    word: str


@frozen(kw_only=True)
class NewOrder:
    """What an order asks, as far as it could be read: None stands for absent or unreadable; `given` is what was there.

    A replaced order has the same with the new terms.
    """

    client_order_id: str
    account: str | None
    product_id: str
    side: str
    order_type: str
    strategy: str | None
    time_in_force: str | None
    quantity: Decimal | None
    cash: Decimal | None
    price: Decimal | None
    exec_inst: str | None
    expires: datetime | None
    starts: datetime | None = None
    stop: Decimal | None = None
    show: Decimal | None = None
    participation: Decimal | None = None
    peg_type: str | None = None
    peg_offset: Decimal | None = None
    wig: Decimal | None = None
    quote_id: str | None = None
    buy_exact: str | None = None
    raise_exact: str | None = None
    given: frozenset[int] = frozenset()

    @property
    def post_only(self) -> bool:
        return self.exec_inst == POST_ONLY

    @property
    def sliced(self) -> bool:
        return self.strategy in (Target.TWAP, Target.VWAP)


@frozen(kw_only=True)
class CancelAsk:
    """`order_id` None: the message lacks it, which the venue refuses."""

    client_order_id: str
    order_id: str | None
    original_client_order_id: str | None
    product_id: str | None
    side: str | None


@frozen(kw_only=True)
class ReplaceAsk(CancelAsk):
    """The terms that an order is to have; `client_order_id` is the one that it is to go by."""

    account: str | None
    order_type: str | None
    handling: str | None
    quantity: Decimal | None
    cash: Decimal | None
    price: Decimal | None
    stop: Decimal | None
    show: Decimal | None
    expires: datetime | None
    given: frozenset[int]


@frozen(kw_only=True)
class StatusAsk:
    client_order_id: str
    order_id: str
    product_id: str | None
    side: str | None


@frozen(kw_only=True)
class QuoteAsk:
    """`auction_ms` None: absent or no whole number."""

    quote_request_id: str
    account: str | None
    product_id: str
    side: str
    order_type: str | None
    time_in_force: str | None
    quantity: Decimal | None
    cash: Decimal | None
    price: Decimal | None
    auction_ms: int | None
    given: frozenset[int]


def new_order(message: Message) -> NewOrder:
    """The order in a NewOrderSingle; `strategies.problem` says whether the venue takes it."""
    return NewOrder(
        client_order_id=_text(message, tags.CL_ORD_ID) or "",
        account=_text(message, tags.ACCOUNT),
        product_id=_text(message, tags.SYMBOL) or "",
        side=_text(message, tags.SIDE) or "",
        order_type=_text(message, tags.ORD_TYPE) or "",
        strategy=_text(message, TARGET_STRATEGY),
        time_in_force=_text(message, tags.TIME_IN_FORCE),
        quantity=read_amount(message.get(tags.ORDER_QTY)),
        cash=read_amount(message.get(tags.CASH_ORDER_QTY)),
        price=read_amount(message.get(tags.PRICE)),
        exec_inst=_text(message, tags.EXEC_INST),
        expires=read_timestamp(message.get(tags.EXPIRE_TIME) or ""),
        starts=read_timestamp(message.get(tags.EFFECTIVE_TIME) or ""),
        stop=read_amount(message.get(tags.STOP_PX)),
        show=read_amount(message.get(tags.MAX_SHOW)),
        participation=read_amount(message.get(PARTICIPATION_RATE)),
        peg_type=_text(message, PEG_OFFSET_TYPE),
        peg_offset=read_offset(message.get(tags.PEG_DIFFERENCE)),
        wig=read_amount(message.get(WIG_LEVEL)),
        quote_id=_text(message, tags.QUOTE_ID),
        buy_exact=_text(message, IS_BUY_EXACT),
        raise_exact=_text(message, IS_RAISE_EXACT),
        given=_given(message, (*_SIZES, *TERM_TAGS.values())),
    )


def cancel(message: Message) -> CancelAsk:
    return CancelAsk(
        client_order_id=_text(message, tags.CL_ORD_ID) or "",
        order_id=_text(message, tags.ORDER_ID) or None,
        original_client_order_id=_text(message, tags.ORIG_CL_ORD_ID),
        product_id=_text(message, tags.SYMBOL),
        side=_text(message, tags.SIDE),
    )


def replace(message: Message) -> ReplaceAsk:
    return ReplaceAsk(
        client_order_id=_text(message, tags.CL_ORD_ID) or "",
        order_id=_text(message, tags.ORDER_ID) or None,
        original_client_order_id=_text(message, tags.ORIG_CL_ORD_ID),
        product_id=_text(message, tags.SYMBOL),
        side=_text(message, tags.SIDE),
        account=_text(message, tags.ACCOUNT),
        order_type=_text(message, tags.ORD_TYPE),
        handling=_text(message, tags.HANDL_INST),
        quantity=read_amount(message.get(tags.ORDER_QTY)),
        cash=read_amount(message.get(tags.CASH_ORDER_QTY)),
        price=read_amount(message.get(tags.PRICE)),
        stop=read_amount(message.get(tags.STOP_PX)),
        show=read_amount(message.get(tags.MAX_SHOW)),
        expires=read_timestamp(message.get(tags.EXPIRE_TIME) or ""),
        given=_given(message, (*_SIZES, tags.TRANSACT_TIME, *TERM_TAGS.values())),
    )


def status(message: Message) -> StatusAsk:
    return StatusAsk(
        client_order_id=_text(message, tags.CL_ORD_ID) or "",
        order_id=_text(message, tags.ORDER_ID) or "",
        product_id=_text(message, tags.SYMBOL),
        side=_text(message, tags.SIDE),
    )


def quote(message: Message) -> QuoteAsk:
    return QuoteAsk(
        quote_request_id=_text(message, tags.QUOTE_REQ_ID) or "",
        account=_text(message, tags.ACCOUNT),
        product_id=_text(message, tags.SYMBOL) or "",
        side=_text(message, tags.SIDE) or "",
        order_type=_text(message, tags.ORD_TYPE),
        time_in_force=_text(message, tags.TIME_IN_FORCE),
        quantity=read_amount(message.get(tags.ORDER_QTY)),
        cash=read_amount(message.get(tags.CASH_ORDER_QTY)),
        price=read_amount(message.get(tags.PRICE)),
        auction_ms=message.number(AUCTION_DURATION),
        given=_given(message, (*_SIZES, AUCTION_DURATION)),
    )


def _given(message: Message, wanted: Iterable[int]) -> frozenset[int]:
    return frozenset(tag for tag in wanted if message.get(tag) is not None)


def _text(message: Message, tag: int) -> str | None:
    text = message.get(tag)
    return text[:TEXT_MAX_CHARS] if text else None
