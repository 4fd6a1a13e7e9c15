"""What the venue says of orders, as FIX fields: execution reports, cancel rejects, business rejects.

The shapes are those of prime-fix.md section 5, the published examples above all. A body is rendered when the thing
happens and may wait for a session long after. Nothing is decided here.
"""

from collections.abc import Sequence
from decimal import Decimal

from attrs import evolve, frozen

from primefixd.clock import Moment
from primefixd.fix import tags
from primefixd.fix.message import Field
from primefixd.fix.tags import MsgType
from primefixd.fix.timestamps import timestamp
from primefixd.prime.venue import FILLED_AMT, NET_AVG_PRICE
from primefixd.sandbox.asks import CancelAsk, Refusal, ReplaceAsk, Side, StatusAsk
from primefixd.sandbox.book import FINAL, OrdStatus, VenueFill, VenueOrder
from primefixd.sandbox.values import AVERAGE_INCREMENT, minus, quotient, total, write_amount

FEE_CLIENT_COMMISSION, FEE_TRADING_DESK, FEE_FINANCING = "7", "12", "14"

NEW, CANCEL, CORRECT, PUBLISHED_STATUS, STATUS = "0", "1", "2", "1", "3"  # ExecTransType (20)
TRADE, STATUS_ANSWER = "1", "I"  # ExecType (150), beside the letters that it shares with OrdStatus
TO_CANCEL, TO_REPLACE = "1", "2"  # CxlRejResponseTo (434)


@frozen(kw_only=True)
class Report:
    """An execution report about an order: for everybody who may see that order, now or later."""

    portfolio_id: str
    service_account_id: str
    names: tuple[str, ...]  # every ClOrdID that the order has gone by
    asker: str | None = None  # the service account whose request caused it, if another one than the order's
    at: Moment
    body: tuple[Field, ...]
    word: str | None = None  # what it is counted under, if it is a rejection


@frozen
class Malformed:
    """The session rejects the message (35=3): it lacks a tag without which there is nothing to answer to."""

    tag: int
    text: str
    word: str = "invalid"


@frozen
class Reply:
    """An answer to the session that asked, and to no other. `word`: what it is counted under, if it is a rejection.

    `to` is the service account that asked, if the answer comes later than its message; while it is down, it is lost.
    """

    msg_type: str
    body: tuple[Field, ...]
    word: str | None = None
    to: str | None = None


Told = Report | Reply
Answer = Told | Malformed


def execution(
    order: VenueOrder,
    exec_id: str,
    kind: str,
    now: Moment,
    price: Decimal,
    *,
    said: OrdStatus | None = None,
    more: Sequence[Field] = (),
    under: str | None = None,
    formerly: str | None = None,
    asker: str | None = None,
) -> Report:
    """A report of ExecType `kind`. `price` values the rest of an order sized in quote; `said` overrides tag 39.

    `under` is the ClOrdID of a request about the order, `formerly` the one that the order has just left behind.
    """
    names = [(tags.CL_ORD_ID, under or order.ask.client_order_id)]
    original = formerly or (order.ask.client_order_id if under is not None else None)
    if original is not None:
        names.append((tags.ORIG_CL_ORD_ID, original))
    status = said or order.shown
    leaves = Decimal(0) if status in FINAL else order.leaves(price)
    body = (
        *names,
        (tags.EXEC_ID, exec_id),
        (tags.EXEC_TYPE, kind),
        (tags.ORD_STATUS, status),
        (tags.LEAVES_QTY, write_amount(leaves)),
        *_order(order),
        *(more or ((tags.EXEC_TRANS_TYPE, NEW), (tags.LAST_SHARES, "0"))),
        (tags.TRANSACT_TIME, timestamp(now.utc)),
    )
    return Report(
        portfolio_id=order.portfolio_id,
        service_account_id=order.service_account_id,
        names=tuple(order.chain),
        asker=asker,
        at=now,
        body=body,
    )


def fill(order: VenueOrder, part: VenueFill, trans_type: str = NEW, reference: str | None = None) -> list[Field]:
    """The fields of one execution, with the groups of the published example (78, 136)."""
    currency = order.ask.product_id.rpartition("-")[2]
    fees = ((FEE_CLIENT_COMMISSION, part.commission), (FEE_TRADING_DESK, Decimal(0)), (FEE_FINANCING, Decimal(0)))
    fields: list[Field] = [(tags.EXEC_TRANS_TYPE, trans_type)]
    if reference is not None:
        fields.append((tags.EXEC_REF_ID, reference))
    fields += [
        (tags.LAST_MKT, "otc"),
        (tags.LAST_PX, write_amount(part.price)),
        (tags.LAST_SHARES, write_amount(part.quantity)),
        (tags.NO_ALLOCS, "1"),
        (tags.ALLOC_ACCOUNT, order.portfolio_id),
        (tags.ALLOC_SHARES, write_amount(part.quantity)),
        (tags.COMMISSION, write_amount(part.commission)),
        (tags.COMM_TYPE, "3"),
        (tags.NO_MISC_FEES, str(len(fees))),
    ]
    for kind, amount in fees:
        fields += [
            (tags.MISC_FEE_AMT, write_amount(amount)),
            (tags.MISC_FEE_CURR, currency),
            (tags.MISC_FEE_TYPE, kind),
        ]
    return [*fields, (tags.SETTL_CURRENCY, currency), *_money(order)]


def rejected(order: VenueOrder, exec_id: str, refusal: Refusal, now: Moment) -> Report:
    """150=8: the venue does not take the order."""
    report = execution(order, exec_id, OrdStatus.REJECTED, now, Decimal(1), more=_refused(refusal))
    return evolve(report, word=refusal.word)


def turned_away(order: VenueOrder, exec_id: str, refusal: Refusal, now: Moment) -> Reply:
    """The same for a NewOrderSingle that makes no order: over the rate, or with a ClOrdID that is taken."""
    report = rejected(order, exec_id, refusal, now)
    return Reply(MsgType.EXECUTION_REPORT, report.body, refusal.word)


def _refused(refusal: Refusal) -> list[Field]:
    return [
        (tags.EXEC_TRANS_TYPE, NEW),
        (tags.LAST_SHARES, "0"),
        (tags.ORD_REJ_REASON, refusal.reason),
        (tags.TEXT, refusal.text),
    ]


def status(order: VenueOrder, exec_id: str, price: Decimal) -> Reply:
    """The answer to a status request as the venue published it: 20=1, no 19, 32=0.0, and 151 what was never filled."""
    return Reply(
        MsgType.EXECUTION_REPORT,
        (
            (tags.CL_ORD_ID, order.ask.client_order_id),
            (tags.EXEC_ID, exec_id),
            (tags.EXEC_TRANS_TYPE, PUBLISHED_STATUS),
            (tags.LAST_SHARES, "0.0"),
            *_order(order),
            (tags.ORD_STATUS, order.shown),
            (tags.EXEC_TYPE, order.shown),
            (tags.LEAVES_QTY, write_amount(order.leaves(price))),
        ),
    )


def unknown_status(ask: StatusAsk, account: str, exec_id: str) -> Reply:
    """prime-fix.md section 7: 150=I, 39=8, 103=5, which rejects no order."""
    body = [
        (tags.ACCOUNT, account),
        (tags.CL_ORD_ID, ask.client_order_id),
        (tags.ORDER_ID, ask.order_id),
        (tags.EXEC_ID, exec_id),
        (tags.EXEC_TRANS_TYPE, STATUS),
        (tags.EXEC_TYPE, STATUS_ANSWER),
        (tags.ORD_STATUS, OrdStatus.REJECTED),
        (tags.ORD_REJ_REASON, "5"),
        (tags.TEXT, "unknown order"),
        *((tag, "0") for tag in (tags.AVG_PX, tags.CUM_QTY, tags.LEAVES_QTY, tags.LAST_SHARES)),
    ]
    body += [(tag, text) for tag, text in ((tags.SYMBOL, ask.product_id), (tags.SIDE, ask.side)) if text]
    return Reply(MsgType.EXECUTION_REPORT, tuple(body))


def cancel_refused(
    ask: CancelAsk, order: VenueOrder | None, reason: str, text: str, word: str, to: str | None = None
) -> Reply:
    """OrderCancelReject, answering a cancel request (434=1) or a replace request (434=2)."""
    original = order.ask.client_order_id if order else ask.original_client_order_id
    response_to = TO_REPLACE if isinstance(ask, ReplaceAsk) else TO_CANCEL
    body = [
        (tags.CL_ORD_ID, ask.client_order_id),
        (tags.ORDER_ID, order.order_id if order else ask.order_id or "NONE"),
        (tags.ORD_STATUS, order.shown if order else OrdStatus.REJECTED),
        (tags.CXL_REJ_REASON, reason),
        (tags.CXL_REJ_RESPONSE_TO, response_to),
        (tags.TEXT, text),
    ]
    if original:
        body.append((tags.ORIG_CL_ORD_ID, original))
    return Reply(MsgType.ORDER_CANCEL_REJECT, tuple(body), word, to)


def business_reject(number: int, msg_type: str, reason: str, text: str, word: str) -> Reply:
    """BusinessMessageReject of the message with that sequence number."""
    body = (
        (tags.REF_SEQ_NUM, str(number)),
        (tags.REF_MSG_TYPE, msg_type),
        (tags.BUSINESS_REJECT_REASON, reason),
        (tags.TEXT, text),
    )
    return Reply(MsgType.BUSINESS_MESSAGE_REJECT, body, word)


def _order(order: VenueOrder) -> list[Field]:
    ask = order.ask
    size = (tags.ORDER_QTY, ask.quantity) if ask.quantity is not None else (tags.CASH_ORDER_QTY, ask.cash)
    fields = [
        (tags.ACCOUNT, order.portfolio_id),
        (tags.AVG_PX, write_amount(order.average())),
        (tags.CUM_QTY, write_amount(order.filled)),
        (tags.ORDER_ID, order.order_id),
    ]
    told = (size, (tags.PRICE, ask.price), (tags.STOP_PX, ask.stop), (tags.MAX_SHOW, ask.show))
    amounts = [(tag, write_amount(amount)) for tag, amount in told if amount is not None]
    words = (
        (tags.EXEC_INST, ask.exec_inst),
        (tags.EFFECTIVE_TIME, timestamp(ask.starts) if ask.starts else ""),
        (tags.ORD_TYPE, ask.order_type),
        (tags.SIDE, ask.side),
        (tags.SYMBOL, ask.product_id),
        (tags.TIME_IN_FORCE, ask.time_in_force or ""),
        (tags.EXPIRE_TIME, timestamp(ask.expires) if ask.expires else ""),
    )
    return [*fields, *amounts, *((tag, text) for tag, text in words if text)]


def _money(order: VenueOrder) -> list[Field]:
    """FilledAmt, and the average net of fees: what a buyer paid, what a seller got, for one unit."""
    fees = total([part.commission for part in order.fills])
    net = order.value + fees if order.ask.side == Side.BUY else minus(order.value, fees)
    fields = [(FILLED_AMT, write_amount(order.value))]
    if order.filled:
        fields.append((NET_AVG_PRICE, write_amount(quotient(net, order.filled, AVERAGE_INCREMENT))))
    return fields
