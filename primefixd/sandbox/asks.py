"""What order messages ask for: NewOrderSingle, OrderCancelRequest and OrderStatusRequest as values.

It reads fields and says what the venue would refuse in them (prime-fix.md sections 3 and 4); what the book makes of it
comes later. Nothing that a client can write makes it raise.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from attrs import frozen

from primefixd.clock import Moment
from primefixd.fix import tags
from primefixd.fix.message import Message
from primefixd.fix.timestamps import read_timestamp
from primefixd.prime.venue import TARGET_STRATEGY
from primefixd.sandbox.values import read_amount

CLIENT_ORDER_ID_MAX_CHARS = 128  # prime-fix.md section 1, identifiers
TEXT_MAX_CHARS = 200  # of any field that may be echoed; the rest is cut off, so that answers stay small
POST_ONLY = "A"  # ExecInst


class Side(StrEnum):
    BUY = "1"
    SELL = "2"


class Tif(StrEnum):
    GTC = "1"
    IOC = "3"
    FOK = "4"
    GTD = "6"


@frozen
class Strategy:
    """A row of the table in prime-fix.md section 3: what goes with a TargetStrategy."""

    order_type: str
    times_in_force: frozenset[Tif]


STRATEGIES: Final[Mapping[str, Strategy]] = {
    "L": Strategy("2", frozenset(Tif)),
    "M": Strategy("1", frozenset({Tif.IOC})),
}


class Because(StrEnum):
    """OrdRejReason (103)."""

    UNKNOWN_SYMBOL = "1"
    EXCHANGE_CLOSED = "2"
    EXCEEDS_LIMIT = "3"
    UNKNOWN_ORDER = "5"
    DUPLICATE = "6"
    OTHER = "99"


@frozen
class Refusal:
    """Why something was rejected: the letter for tag 103, the text for tag 58, the word it is counted under."""

    reason: str
    text: str
    word: str


@frozen(kw_only=True)
class NewOrder:
    """What an order asks, as far as it could be read: None stands for absent or unreadable."""

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

    @property
    def post_only(self) -> bool:
        return self.exec_inst == POST_ONLY


@frozen(kw_only=True)
class CancelAsk:
    """`order_id` None: the message lacks it, which the venue refuses."""

    client_order_id: str
    order_id: str | None
    original_client_order_id: str | None
    product_id: str | None
    side: str | None


@frozen(kw_only=True)
class StatusAsk:
    client_order_id: str
    order_id: str
    product_id: str | None
    side: str | None


def new_order(message: Message) -> NewOrder:
    """The order in a NewOrderSingle; `problem` says whether the venue takes it."""
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
    )


def cancel(message: Message) -> CancelAsk:
    return CancelAsk(
        client_order_id=_text(message, tags.CL_ORD_ID) or "",
        order_id=_text(message, tags.ORDER_ID) or None,
        original_client_order_id=_text(message, tags.ORIG_CL_ORD_ID),
        product_id=_text(message, tags.SYMBOL),
        side=_text(message, tags.SIDE),
    )


def status(message: Message) -> StatusAsk:
    return StatusAsk(
        client_order_id=_text(message, tags.CL_ORD_ID) or "",
        order_id=_text(message, tags.ORDER_ID) or "",
        product_id=_text(message, tags.SYMBOL),
        side=_text(message, tags.SIDE),
    )


def problem(ask: NewOrder, message: Message, portfolio_id: str, now: Moment) -> Refusal | None:
    """The first thing in the order that the venue refuses, whatever the state of its book."""
    return (
        _problem_of_identity(ask, portfolio_id)
        or _problem_of_size(ask, message)
        or _problem_of_strategy(ask)
        or _problem_of_terms(ask, message, now)
    )


def _problem_of_identity(ask: NewOrder, portfolio_id: str) -> Refusal | None:
    if len(ask.client_order_id) > CLIENT_ORDER_ID_MAX_CHARS:
        return _wrong(f"ClOrdID (11) is longer than {CLIENT_ORDER_ID_MAX_CHARS} characters")
    if ask.account != portfolio_id:
        return _wrong("Account (1) must be the portfolio of the session")
    return None if ask.side in set(Side) else _wrong("Side (54) must be 1 or 2")


def _problem_of_size(ask: NewOrder, message: Message) -> Refusal | None:
    present = [tag for tag in (tags.ORDER_QTY, tags.CASH_ORDER_QTY) if message.get(tag) is not None]
    if len(present) != 1:
        return _wrong("exactly one of OrderQty (38) and CashOrderQty (152) is required")
    if ask.quantity is None and ask.cash is None:
        return _wrong(f"the size ({present[0]}) must be a positive decimal")
    return None


def _problem_of_strategy(ask: NewOrder) -> Refusal | None:
    strategy = STRATEGIES.get(ask.strategy or "")
    if strategy is None:
        return _wrong("TargetStrategy (847) must be L or M at this sandbox")
    if ask.order_type != strategy.order_type:
        return _wrong(f"OrdType (40) must be {strategy.order_type} for strategy {ask.strategy}")
    if ask.time_in_force not in strategy.times_in_force:
        letters = ", ".join(sorted(strategy.times_in_force))
        return _wrong(f"TimeInForce (59) must be one of {letters} for strategy {ask.strategy}", "time_in_force")
    return None


def _problem_of_terms(ask: NewOrder, message: Message, now: Moment) -> Refusal | None:
    limit, gtd = ask.strategy == "L", ask.time_in_force == Tif.GTD
    priced, dated = message.get(tags.PRICE) is not None, message.get(tags.EXPIRE_TIME) is not None
    lasting = ask.time_in_force in (Tif.GTC, Tif.GTD)
    rules = (
        (limit and ask.price is None, "a limit order needs a positive Price (44)"),
        (not limit and priced, "a market order has no Price (44)"),
        (ask.exec_inst not in (None, POST_ONLY), "ExecInst (18) must be A (post only)"),
        (ask.post_only and not lasting, "post only needs TimeInForce (59) 1 or 6"),
        (gtd and ask.expires is None, "GTD needs an ExpireTime (126)"),
        (dated and not gtd, "ExpireTime (126) goes with TimeInForce (59) 6 only"),
        (ask.expires is not None and ask.expires <= now.utc, "ExpireTime (126) has passed"),
    )
    return next((_wrong(text) for broken, text in rules if broken), None)


def _wrong(text: str, word: str = "invalid") -> Refusal:
    return Refusal(Because.OTHER, text, word)


def _text(message: Message, tag: int) -> str | None:
    text = message.get(tag)
    return text[:TEXT_MAX_CHARS] if text else None
