"""What the venue says about orders and quotes, as facts: reports, rejects of every kind, quotes and their refusals.

Nothing is judged here: a report is never matched with an order, a fill never counted. A field that cannot be read is
None and is named, and the rest of its report stands, since the report may be the only word about a fill. Letters that
nobody knows are UNKNOWN. FilledAmt (8002) stays under `raw`: public texts disagree about what it holds (prime-fix.md
section 5).
"""

import re
from decimal import Decimal

from attrs import frozen

from primefixd.fix import tags
from primefixd.fix.message import Message
from primefixd.fix.tags import MsgType
from primefixd.orders.model import Fee, OrderType, Side
from primefixd.orders.reports import (
    Allocation,
    CancelRefused,
    Quote,
    QuoteRefused,
    RejectReason,
    Report,
    ReportKind,
    RequestRejected,
    Transaction,
    VenueStatus,
)
from primefixd.prime.reading import Reading, read_number
from primefixd.prime.venue import (
    BUSINESS_REJECT_REASONS,
    CANCEL_REJECT_REASONS,
    FEE_TYPES,
    NET_AVG_PRICE,
    ORDER_TYPES,
    QUOTE_REJECT_REASONS,
    REJECT_REASONS,
    REPORT_KINDS,
    SIDES,
    SLICED_TYPES,
    TARGET_STRATEGY,
    TIMES_IN_FORCE,
    TRANSACTIONS,
    VENUE_STATUSES,
)

_VAGUE = frozenset({None, RejectReason.BROKER_OPTION, RejectReason.EXCEEDS_LIMIT, RejectReason.OTHER})
_RATE = re.compile(r"(?<![a-z])rate(?:s|limit[a-z]*)?(?![a-z])|throttl", re.IGNORECASE)
_PLAIN_CANCEL_REASONS = frozenset({"too_late", "unknown_order", "already_pending"})
_REJECTED, _TO_REPLACE, _BUSINESS_OTHER = "8", "2", "0"  # ExecType, CxlRejResponseTo, BusinessRejectReason
_FEE_TAGS = (tags.MISC_FEE_CURR, tags.MISC_FEE_TYPE)
_NO_ORDER_ID = "NONE"  # FIX 4.2, Order Cancel Reject: OrderID of an order that the sender does not know
_BID, _OFFER = (tags.BID_PX, tags.BID_SIZE), (tags.OFFER_PX, tags.OFFER_SIZE)
_QUOTE_ACCEPTED = "0"  # 297
_VAGUE_QUOTE_REASONS = frozenset({"other", "unknown", "exceeds_limit"})
ORDER_ID_MAX_CHARS = 256  # the venue's are UUIDs; a longer one is as good as none, since it could not be sent back


@frozen
class Unreadable:
    """A message that tells nothing about any order or request of ours; `text` says why, for the log."""

    msg_type: str
    text: str


Facts = Report | CancelRefused | RequestRejected | Quote | QuoteRefused | Unreadable


def facts(message: Message) -> Facts:
    """What an application message of the venue says; `Unreadable` only when nothing can be told from it."""
    match message.type:
        case MsgType.EXECUTION_REPORT:
            return _report(message) if _names_an_order(message) else _nameless(message)
        case MsgType.ORDER_CANCEL_REJECT:
            return _cancel_refused(message) if _names_an_order(message) else _nameless(message)
        case MsgType.BUSINESS_MESSAGE_REJECT:
            return _business_reject(message)
        case MsgType.QUOTE:
            return _quote(message)
        case MsgType.QUOTE_ACKNOWLEDGEMENT:
            return _quote_refused(message)
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


def _fees(fields: Reading) -> tuple[Fee, ...]:
    """The group behind NoMiscFees (136); an entry without a readable amount is left to `raw`, and that is noted."""
    fees = []
    for entry in fields.group(tags.NO_MISC_FEES, tags.MISC_FEE_AMT, _FEE_TAGS, "fees"):
        amount, kind = read_number(entry.text(tags.MISC_FEE_AMT)), entry.text(tags.MISC_FEE_TYPE)
        if amount is None:
            fields.lost("fees")
            continue
        fields.use(entry)
        word = "unknown" if kind is None else FEE_TYPES.get(kind, kind)
        fees.append(Fee(amount=amount, currency=entry.text(tags.MISC_FEE_CURR), type=word))
    return tuple(fees)


def _allocations(fields: Reading) -> tuple[Allocation, ...]:
    """The group behind NoAllocs (78), read as the fees are."""
    allocations = []
    for entry in fields.group(tags.NO_ALLOCS, tags.ALLOC_ACCOUNT, (tags.ALLOC_SHARES,), "allocations"):
        account, quantity = entry.text(tags.ALLOC_ACCOUNT), read_number(entry.text(tags.ALLOC_SHARES))
        if not account or quantity is None:
            fields.lost("allocations")
            continue
        fields.use(entry)
        allocations.append(Allocation(account=account, quantity=quantity))
    return tuple(allocations)


def _report(message: Message) -> Report:
    fields = Reading(message)
    text = fields.text(tags.TEXT)
    return Report(
        account=fields.text(tags.ACCOUNT),
        order_id=_order_id(fields),
        client_order_id=fields.text(tags.CL_ORD_ID),
        original_client_order_id=fields.text(tags.ORIG_CL_ORD_ID),
        exec_id=fields.text(tags.EXEC_ID),
        exec_ref_id=fields.text(tags.EXEC_REF_ID),
        transaction=fields.word(tags.EXEC_TRANS_TYPE, TRANSACTIONS, "transaction") or Transaction.NEW,
        kind=fields.word(tags.EXEC_TYPE, REPORT_KINDS, "kind") or ReportKind.UNKNOWN,
        status=fields.word(tags.ORD_STATUS, VENUE_STATUSES, "status") or VenueStatus.UNKNOWN,
        product_id=fields.text(tags.SYMBOL),
        side=fields.word(tags.SIDE, SIDES, "side"),
        base_quantity=fields.quantity(tags.ORDER_QTY, "base_quantity"),
        quote_value=fields.quantity(tags.CASH_ORDER_QTY, "quote_value"),
        limit_price=fields.number(tags.PRICE, "limit_price"),
        stop_price=fields.number(tags.STOP_PX, "stop_price"),
        time_in_force=fields.word(tags.TIME_IN_FORCE, TIMES_IN_FORCE, "time_in_force"),
        expiry_time=fields.time(tags.EXPIRE_TIME, "expiry_time"),
        cumulative_quantity=fields.quantity(tags.CUM_QTY, "cumulative_quantity"),
        leaves_quantity=fields.quantity(tags.LEAVES_QTY, "leaves_quantity"),
        average_price=fields.number(tags.AVG_PX, "average_price"),
        net_average_price=fields.number(NET_AVG_PRICE, "net_average_price"),
        last_quantity=fields.quantity(tags.LAST_SHARES, "last_quantity") or Decimal(0),
        last_price=fields.number(tags.LAST_PX, "last_price"),
        commission=fields.number(tags.COMMISSION, "commission"),
        fees=_fees(fields),
        allocations=_allocations(fields),
        venue=fields.text(tags.LAST_MKT),
        reject_reason=_reject_reason(fields, text),
        text=text,
        transact_time=fields.time(tags.TRANSACT_TIME, "transact_time"),
        order_type=_order_type(fields),
        unreadable=fields.unreadable,  # these two last: the reads above fill them
        raw=fields.raw,
    )


def _order_type(fields: Reading) -> OrderType | None:
    """The type by tags 40, 847 and 99; None, and all in `raw`, for a letter that nobody knows."""
    told = ORDER_TYPES.get(fields.peek(tags.ORD_TYPE) or "")
    if told is not None:
        fields.text(tags.ORD_TYPE)
    if told is not OrderType.LIMIT:
        return told
    if sliced := SLICED_TYPES.get(fields.peek(TARGET_STRATEGY) or ""):
        fields.text(TARGET_STRATEGY)
        return sliced
    return OrderType.STOP_LIMIT if fields.peek(tags.STOP_PX) is not None else told


def _cancel_refused(message: Message) -> CancelRefused:
    fields = Reading(message)
    text, letter = fields.text(tags.TEXT), fields.text(tags.CXL_REJ_REASON)
    reason = "other" if letter is None else CANCEL_REJECT_REASONS.get(letter, "unknown")
    if reason not in _PLAIN_CANCEL_REASONS and _tells_rate(text):
        reason = RejectReason.RATE_LIMITED.value
    return CancelRefused(
        client_order_id=fields.text(tags.CL_ORD_ID),
        original_client_order_id=fields.text(tags.ORIG_CL_ORD_ID),
        order_id=_order_id(fields),
        status=fields.word(tags.ORD_STATUS, VENUE_STATUSES, "status") or VenueStatus.UNKNOWN,
        reason=reason,
        replace=fields.text(tags.CXL_REJ_RESPONSE_TO) == _TO_REPLACE,
        text=text,
    )


def _quote(message: Message) -> Quote | Unreadable:
    """A quote is one-sided: a bid is for a client that sells, an offer for one that buys (prime-fix.md section 4)."""
    fields = Reading(message)
    quote_id = fields.text(tags.QUOTE_ID)
    if not quote_id:
        return Unreadable(message.type, "a quote without QuoteID (117) cannot be accepted")
    bid, offer = (any(fields.peek(tag) is not None for tag in pair) for pair in (_BID, _OFFER))
    price_tag, size_tag = _BID if bid else _OFFER
    one_sided = bid != offer
    if not one_sided:
        fields.lost("side")
    return Quote(
        quote_id=quote_id,
        quote_request_id=fields.text(tags.QUOTE_REQ_ID),
        account=fields.text(tags.ACCOUNT),
        product_id=fields.text(tags.SYMBOL),
        side=(Side.SELL if bid else Side.BUY) if one_sided else None,
        price=fields.number(price_tag, "price") if one_sided else None,
        quantity=fields.quantity(size_tag, "quantity") if one_sided else None,
        valid_until=fields.time(tags.VALID_UNTIL_TIME, "valid_until"),
        unreadable=fields.unreadable,
        raw=fields.raw,
    )


def _quote_refused(message: Message) -> QuoteRefused | Unreadable:
    fields = Reading(message)
    asked, quote_id = fields.text(tags.QUOTE_REQ_ID), fields.text(tags.QUOTE_ID)
    if not asked and not quote_id:
        return Unreadable(message.type, "it names no request: neither QuoteReqID (131) nor QuoteID (117)")
    if fields.text(tags.QUOTE_ACK_STATUS) == _QUOTE_ACCEPTED:
        return Unreadable(message.type, f"it only acknowledges the quote request {asked or quote_id}")
    text, letter = fields.text(tags.TEXT), fields.text(tags.QUOTE_REJECT_REASON)
    reason = "other" if letter is None else QUOTE_REJECT_REASONS.get(letter, "unknown")
    if reason in _VAGUE_QUOTE_REASONS and _tells_rate(text):
        reason = RejectReason.RATE_LIMITED.value
    return QuoteRefused(
        quote_request_id=asked,
        quote_id=quote_id,
        account=fields.text(tags.ACCOUNT),
        product_id=fields.text(tags.SYMBOL),
        reason=reason,
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


def _order_id(fields: Reading) -> str | None:
    """None also for what could not be sent back: a cancel and a status request must carry it."""
    told = fields.text(tags.ORDER_ID) or _NO_ORDER_ID
    return None if told == _NO_ORDER_ID or len(told) > ORDER_ID_MAX_CHARS else told


def _reject_reason(fields: Reading, text: str | None) -> RejectReason | None:
    """The reason of a rejection; an unknown number is OTHER, and one that may mean the rate is read with its text."""
    told = fields.word(tags.ORD_REJ_REASON, REJECT_REASONS, "reject_reason")
    given = fields.peek(tags.ORD_REJ_REASON) is not None
    if (given or fields.peek(tags.EXEC_TYPE) == _REJECTED) and told in _VAGUE and _tells_rate(text):
        return RejectReason.RATE_LIMITED
    return RejectReason.OTHER if given and told is None else told


def _tells_rate(text: str | None) -> bool:
    """Whether the venue's words are about its rate: no tag says so by itself (prime-fix.md section 7)."""
    return text is not None and _RATE.search(text) is not None
