"""What the venue says about orders, as facts: execution reports, cancel rejects, session and business rejects.

Nothing is judged here: a report is never matched with an order, a fill never counted. A field that cannot be read is
None and is named, and the rest of its report stands, since the report may be the only word about a fill. Letters that
nobody knows are UNKNOWN. FilledAmt (8002) and NetAvgPrice (8006) are left alone: public texts disagree about what they
hold (prime-fix.md section 5).
"""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from attrs import frozen

from primefixd.fix import tags
from primefixd.fix.message import Message
from primefixd.fix.tags import MsgType
from primefixd.fix.timestamps import read_timestamp
from primefixd.orders.exact import AMOUNT_MAX_CHARS
from primefixd.orders.model import (
    CancelRefused,
    Fee,
    RejectReason,
    Report,
    ReportKind,
    RequestRejected,
    Transaction,
    VenueStatus,
)
from primefixd.prime.venue import (
    BUSINESS_REJECT_REASONS,
    CANCEL_REJECT_REASONS,
    FEE_TYPES,
    REJECT_REASONS,
    REPORT_KINDS,
    SIDES,
    TRANSACTIONS,
    VENUE_STATUSES,
)

_NUMBER = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_VAGUE = frozenset({None, RejectReason.BROKER_OPTION, RejectReason.EXCEEDS_LIMIT, RejectReason.OTHER})
_RATE = re.compile(r"(?<![a-z])rate(?:s|limit[a-z]*)?(?![a-z])|throttl", re.IGNORECASE)
_PLAIN_CANCEL_REASONS = frozenset({"too_late", "unknown_order", "already_pending"})
_REJECTED, _TO_REPLACE, _BUSINESS_OTHER = "8", "2", "0"  # ExecType, CxlRejResponseTo, BusinessRejectReason
_FEE_TAGS = (tags.MISC_FEE_CURR, tags.MISC_FEE_TYPE)
_NO_ORDER_ID = "NONE"  # FIX 4.2, Order Cancel Reject: OrderID of an order that the sender does not know
ORDER_ID_MAX_CHARS = 256  # the venue's are UUIDs; a longer one is as good as none, since it could not be sent back
_T = TypeVar("_T")


@frozen
class Unreadable:
    """A message that tells nothing about any order or request of ours; `text` says why, for the log."""

    msg_type: str
    text: str


def facts(message: Message) -> Report | CancelRefused | RequestRejected | Unreadable:
    """What an application message of the venue says; `Unreadable` only when nothing can be told from it."""
    match message.type:
        case MsgType.EXECUTION_REPORT:
            return _report(message) if _names_an_order(message) else _nameless(message)
        case MsgType.ORDER_CANCEL_REJECT:
            return _cancel_refused(message) if _names_an_order(message) else _nameless(message)
        case MsgType.BUSINESS_MESSAGE_REJECT:
            return _business_reject(message)
        case other:
            return Unreadable(other, f"a message of type {other!r} is not known here")


def rejected(
    ref_sequence_number: int | None, reason: int | None, text: str, ref_tag: int | None = None
) -> RequestRejected | Unreadable:
    """What a session reject (35=3) says by its tags 45, 373, 58 and 371 (order-rules.md 9)."""
    if ref_sequence_number is None:
        return Unreadable(MsgType.REJECT, f"a reject names none of our messages: {text}")
    words = text or f"session reject reason {reason}"
    return RequestRejected(
        sequence_number=ref_sequence_number,
        rate_limited=_tells_rate(text),
        text=words if ref_tag is None else f"{words} (tag {ref_tag})",
    )


class _Fields:
    """Reads the fields of one message, and remembers the names of those that it could not read."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self.unreadable: list[str] = []

    def lost(self, name: str) -> None:
        if name not in self.unreadable:
            self.unreadable.append(name)

    def number(self, tag: int, name: str) -> Decimal | None:
        return self.amount(self.message.get(tag), name)

    def amount(self, text: str | None, name: str) -> Decimal | None:
        if text is not None and (len(text) > AMOUNT_MAX_CHARS or not _NUMBER.fullmatch(text)):
            self.lost(name)
            return None
        return None if text is None else Decimal(text)

    def quantity(self, tag: int, name: str) -> Decimal | None:
        """As `number`, but less than nothing cannot be traded."""
        number = self.number(tag, name)
        if number is not None and number < 0:
            self.lost(name)
            return None
        return number

    def time(self, tag: int, name: str) -> datetime | None:
        text = self.message.get(tag)
        time = None if text is None else read_timestamp(text)
        if text is not None and time is None:
            self.lost(name)
        return time

    def word(self, tag: int, table: Mapping[str, _T], name: str) -> _T | None:
        """The word for a letter; a letter that nobody knows is noted."""
        letter = self.message.get(tag)
        if letter is not None and letter not in table:
            self.lost(name)
        return table.get(letter or "")

    def fees(self) -> tuple[Fee, ...]:
        """The group behind NoMiscFees (136); an entry without a readable amount is left out, and that is noted."""
        groups = self.message.groups(tags.NO_MISC_FEES, tags.MISC_FEE_AMT, _FEE_TAGS)
        if self.message.get(tags.NO_MISC_FEES) is not None and self.message.number(tags.NO_MISC_FEES) != len(groups):
            self.lost("fees")
        read = [(self.amount(group.get(tags.MISC_FEE_AMT) or "", "fees"), group) for group in groups]
        return tuple(_fee(amount, group) for amount, group in read if amount is not None)


def _fee(amount: Decimal, group: Message) -> Fee:
    kind = group.get(tags.MISC_FEE_TYPE)
    return Fee(
        amount=amount,
        currency=group.get(tags.MISC_FEE_CURR),
        type="unknown" if kind is None else FEE_TYPES.get(kind, kind),
    )


def _report(message: Message) -> Report:
    fields = _Fields(message)
    text = message.get(tags.TEXT)
    return Report(
        account=message.get(tags.ACCOUNT),
        order_id=_order_id(message),
        client_order_id=message.get(tags.CL_ORD_ID),
        original_client_order_id=message.get(tags.ORIG_CL_ORD_ID),
        exec_id=message.get(tags.EXEC_ID),
        exec_ref_id=message.get(tags.EXEC_REF_ID),
        transaction=fields.word(tags.EXEC_TRANS_TYPE, TRANSACTIONS, "transaction") or Transaction.NEW,
        kind=REPORT_KINDS.get(message.get(tags.EXEC_TYPE) or "", ReportKind.UNKNOWN),
        status=_status(message),
        product_id=message.get(tags.SYMBOL),
        side=fields.word(tags.SIDE, SIDES, "side"),
        base_quantity=fields.quantity(tags.ORDER_QTY, "base_quantity"),
        quote_value=fields.quantity(tags.CASH_ORDER_QTY, "quote_value"),
        limit_price=fields.number(tags.PRICE, "limit_price"),
        cumulative_quantity=fields.quantity(tags.CUM_QTY, "cumulative_quantity"),
        leaves_quantity=fields.quantity(tags.LEAVES_QTY, "leaves_quantity"),
        average_price=fields.number(tags.AVG_PX, "average_price"),
        last_quantity=fields.quantity(tags.LAST_SHARES, "last_quantity") or Decimal(0),
        last_price=fields.number(tags.LAST_PX, "last_price"),
        commission=fields.number(tags.COMMISSION, "commission"),
        fees=fields.fees(),
        venue=message.get(tags.LAST_MKT),
        reject_reason=_reject_reason(fields, text),
        text=text,
        transact_time=fields.time(tags.TRANSACT_TIME, "transact_time"),
        unreadable=tuple(fields.unreadable),  # last: the reads above fill it
    )


def _cancel_refused(message: Message) -> CancelRefused:
    text = message.get(tags.TEXT)
    letter = message.get(tags.CXL_REJ_REASON)
    reason = "other" if letter is None else CANCEL_REJECT_REASONS.get(letter, "unknown")
    if reason not in _PLAIN_CANCEL_REASONS and _tells_rate(text):
        reason = RejectReason.RATE_LIMITED.value
    return CancelRefused(
        client_order_id=message.get(tags.CL_ORD_ID),
        original_client_order_id=message.get(tags.ORIG_CL_ORD_ID),
        order_id=_order_id(message),
        status=_status(message),
        reason=reason,
        replace=message.get(tags.CXL_REJ_RESPONSE_TO) == _TO_REPLACE,
        text=text,
    )


def _business_reject(message: Message) -> RequestRejected | Unreadable:
    letter = message.get(tags.BUSINESS_REJECT_REASON)
    text = message.get(tags.TEXT)
    words = text or BUSINESS_REJECT_REASONS.get(letter or "", f"business reject reason {letter}")
    number = message.number(tags.REF_SEQ_NUM)
    if number is None:
        return Unreadable(message.type, f"a business reject names none of our messages: {words}")
    return RequestRejected(
        sequence_number=number, rate_limited=letter == _BUSINESS_OTHER and _tells_rate(text), text=words
    )


def _names_an_order(message: Message) -> bool:
    return any(message.get(tag) for tag in (tags.CL_ORD_ID, tags.ORDER_ID, tags.ORIG_CL_ORD_ID))


def _nameless(message: Message) -> Unreadable:
    return Unreadable(message.type, "it names no order: neither ClOrdID (11), OrderID (37) nor OrigClOrdID (41)")


def _order_id(message: Message) -> str | None:
    """None also for what could not be sent back: a cancel and a status request must carry it."""
    told = message.get(tags.ORDER_ID) or _NO_ORDER_ID
    return None if told == _NO_ORDER_ID or len(told) > ORDER_ID_MAX_CHARS else told


def _status(message: Message) -> VenueStatus:
    return VENUE_STATUSES.get(message.get(tags.ORD_STATUS) or "", VenueStatus.UNKNOWN)


def _reject_reason(fields: _Fields, text: str | None) -> RejectReason | None:
    """The reason of a rejection; an unknown number is OTHER, and one that may mean the rate is read with its text."""
    told = fields.word(tags.ORD_REJ_REASON, REJECT_REASONS, "reject_reason")
    given = fields.message.get(tags.ORD_REJ_REASON) is not None
    if (given or fields.message.get(tags.EXEC_TYPE) == _REJECTED) and told in _VAGUE and _tells_rate(text):
        return RejectReason.RATE_LIMITED
    return RejectReason.OTHER if given and told is None else told


def _tells_rate(text: str | None) -> bool:
    """Whether the venue's words are about its rate: no tag says so by itself (prime-fix.md section 7)."""
    return text is not None and _RATE.search(text) is not None
