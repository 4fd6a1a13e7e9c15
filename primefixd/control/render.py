"""What clients are told: results, errors and events as JSON text, in the words of contract.md section 3.

Decimals leave as plain texts (never with an exponent), times as RFC 3339 in UTC. Nothing is decided here. A value that
this module does not know, a Secret above all, is a TypeError, not something to print.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import attrs
import orjson
from attrs import frozen

from primefixd.control.messages import INTERNAL_ERROR, INVALID_PARAMS, Failure, Id, invalid, unsent
from primefixd.orders.model import Order, Replace
from primefixd.orders.records import (
    CancelRejected,
    Contradicted,
    FillBusted,
    FillCorrected,
    FillGap,
    OrderFilled,
    OrderInDoubt,
    OrderUnknown,
    OrderUpdated,
    QuoteReceived,
    QuoteRejected,
    ReplaceRejected,
    Unread,
)
from primefixd.runtime.answers import Cancelling, Noted, Page, QuoteAsked, Reason, Refused, Submitted
from primefixd.runtime.feed import Body, Event
from primefixd.runtime.views import (
    Maintenance,
    PortfolioChanged,
    PortfolioView,
    ServerStopping,
    SessionChanged,
    SessionView,
)
from primefixd.strict import Problem

_MOSTLY: Mapping[str, object] = {"raw": (), "approximate": False}  # told only where there is something to tell
FORBIDDEN, UNKNOWN_CURSOR = -32001, -32040

CODES: Mapping[Reason, int] = {
    Reason.INVALID: INVALID_PARAMS,
    Reason.DUPLICATE: -32010,
    Reason.UNKNOWN_ORDER: -32011,
    Reason.NOT_CANCELLABLE: -32012,
    Reason.CLOSED: -32020,
    Reason.NO_SESSION: -32021,
    Reason.BUSY: -32022,
    Reason.EXPIRED: -32023,
    Reason.NOT_DURABLE: -32024,
    Reason.LIMIT: -32030,
}

EVENT_TYPES: Mapping[type[Any], str] = {
    OrderUpdated: "order.updated",
    OrderFilled: "order.filled",
    OrderInDoubt: "order.in_doubt",
    OrderUnknown: "order.unknown",
    CancelRejected: "order.cancel_rejected",
    FillGap: "order.fill_gap",
    FillBusted: "order.fill_busted",
    FillCorrected: "order.fill_corrected",
    Contradicted: "order.contradicted",
    ReplaceRejected: "order.replace_rejected",
    Unread: "order.unreadable",
    QuoteReceived: "quote.received",
    QuoteRejected: "quote.rejected",
    SessionChanged: "session.changed",
    PortfolioChanged: "portfolio.changed",
    Maintenance: "maintenance",
    ServerStopping: "server.stopping",
}


# Values


def _plain(value: Any) -> object:
    """What orjson asks for each value that it does not know."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Order):
        return _order(value)
    if attrs.has(type(value)):
        members = {name: getattr(value, name) for name in _names(type(value))}
        for name, nothing in _MOSTLY.items():
            if members.get(name) == nothing:
                members.pop(name, None)
        return members
    raise TypeError(f"a {type(value).__name__} is not for clients")


def _names(cls: type[attrs.AttrsInstance]) -> Sequence[str]:
    return [field.name for field in attrs.fields(cls)]


def _order(order: Order) -> dict[str, object]:
    """The order as contract.md section 3 lists it; of the terms those that were given."""
    terms = {name: getattr(order.terms, name) for name in _names(type(order.terms))}
    return {
        "client_order_id": order.client_order_id,
        "order_id": order.order_id,
        "portfolio": order.portfolio,
        "session": order.session,
        **{name: value for name, value in terms.items() if value is not None and value is not False},
        "status": order.status,
        "in_doubt": order.in_doubt,
        **_doubt(order),
        "venue_status": order.venue_status,
        "filled_quantity": order.filled_quantity,
        "filled_value": order.filled_value,
        "average_filled_price": order.average_filled_price,
        "remaining_quantity": order.remaining_quantity,
        "remaining_value": order.remaining_value,
        "cancelled_quantity": order.cancelled_quantity,
        **({} if order.net_average_price is None else {"net_average_price": order.net_average_price}),
        "commission": order.commission,
        "cancel": order.cancel,
        "replace": _replace(order.replace),
        "original_client_order_id": order.key,
        "chain": order.chain or (order.client_order_id,),
        "reject_reason": order.reject_reason,
        "reject_text": order.reject_text,
        "client": order.client,
        "created_at": order.created_at,
        "sent_at": order.sent_at,
        "acknowledged_at": order.acknowledged_at,
        "updated_at": order.updated_at,
    }


def _doubt(order: Order) -> dict[str, object]:
    """What is known of an order in doubt, and a person's word on it; mostly nothing."""
    known = {
        "known_to_venue": order.known_to_venue or None,
        "not_found_at": order.not_found_at,
        "resolution": order.resolution,
    }
    return {name: value for name, value in known.items() if value is not None}


def _replace(replace: Replace | None) -> dict[str, object] | None:
    return None if replace is None else {"client_order_id": replace.client_order_id, "state": replace.state}


def _json(value: object) -> bytes:
    return orjson.dumps(value, default=_plain, option=orjson.OPT_UTC_Z)


# Results


@frozen(kw_only=True)
class Subscribed:
    """`cursor` is of the event before the first that follows; `orders` the open ones of the snapshot."""

    journal: str
    cursor: int
    orders: tuple[Order, ...] | None = None


@frozen(kw_only=True)
class Portfolios:
    portfolios: tuple[PortfolioView, ...]


@frozen(kw_only=True)
class Sessions:
    sessions: tuple[SessionView, ...]


@frozen
class Replaced:
    """What `order.replace` came to: as a submission, under the id that the replace was asked for by."""

    submitted: Submitted


@frozen(kw_only=True)
class Requested:
    requested: int


@frozen(kw_only=True)
class Info:
    """`limits` are the bounds that a client can run into, by name; the names end in their unit."""

    version: str
    venue: str
    time: datetime
    next_window: datetime
    limits: Mapping[str, int]
    journal: str
    cursor: int


@frozen
class Nothing:
    pass


Result = (
    Submitted
    | Replaced
    | Cancelling
    | Noted
    | QuoteAsked
    | Order
    | Page
    | Subscribed
    | Portfolios
    | Sessions
    | Requested
    | Info
    | Nothing
)


def reply(id_: Id, result: Result) -> bytes:
    """The answer to the request `id_`, as the contract's table of requests gives it for each method."""
    return _json({"jsonrpc": "2.0", "id": id_, "result": _result(result)})


def _result(result: Result) -> object:
    match result:
        case Submitted():
            return _submitted(result)
        case Replaced():
            return _submitted(result.submitted) | _new_id(result.submitted.order.replace)
        case Cancelling() | Noted():
            return _taken(result)
        case Subscribed(orders=None):
            return {"journal": result.journal, "cursor": result.cursor}
    return result


def _submitted(result: Submitted) -> dict[str, object]:
    return _taken(result) | {"duplicate": result.duplicate, "warnings": result.warnings}


def _new_id(replace: Replace | None) -> dict[str, object]:
    """While it is under way; afterwards the order goes by it."""
    return {} if replace is None else {"client_order_id": replace.client_order_id}


def _taken(result: Submitted | Cancelling | Noted) -> dict[str, object]:
    order = result.order
    return {"client_order_id": order.client_order_id, "status": order.status, "cursor": result.cursor}


def batch(replies: Sequence[bytes]) -> bytes:
    """One array of the replies to one batch."""
    return b"[" + b",".join(replies) + b"]"


# Errors


def failure(failed: Failure) -> bytes:
    error = {"code": failed.code, "message": failed.message, "data": failed.details}
    return _json({"jsonrpc": "2.0", "id": failed.id, "error": error})


def refused(id_: Id, refusal: Refused, method: str = "order.submit") -> Failure:
    """A portfolio's refusal, with the code of its reason and whatever it knows."""
    if refusal.field is not None:
        return invalid(id_, [Problem(("params", refusal.field), refusal.message)], method)
    known: dict[str, object] = {
        "order": refusal.order,
        "retry_at": refusal.retry_at,
        "retry_after_ms": refusal.retry_after_ms,
    }
    details = {name: value for name, value in known.items() if value is not None}
    if refusal.breached is not None:
        details |= attrs.asdict(refusal.breached)
    details |= {"reason": refusal.reason, "sent": refusal.sent}
    return Failure(id_, CODES[refusal.reason], refusal.message, details)


def forbidden(id_: Id, method: str, message: str) -> Failure:
    """The client may not call `method`, or not on that portfolio."""
    return Failure(id_, FORBIDDEN, message, {"reason": "forbidden"} | unsent(method))


def unknown_cursor(id_: Id, oldest: int) -> Failure:
    """Events from that cursor on are not kept; `oldest` is the earliest `from` that would be served."""
    message = f"events before {oldest} are not kept, or are of another journal; subscribe with snapshot instead"
    return Failure(id_, UNKNOWN_CURSOR, message, {"reason": "unknown_cursor", "oldest": oldest})


def internal(id_: Id, method: str) -> Failure:
    """A fault of ours: what became of an order is then not known."""
    sent = {"sent": "unknown"} if unsent(method) else {}
    return Failure(id_, INTERNAL_ERROR, "the daemon failed at this request; its log says why", sent)


# Events


def told(body: Body) -> tuple[str, bytes]:
    """What an event is called, and its own members as a JSON object: rendered once, for the journal and everybody."""
    return EVENT_TYPES[type(body)], _json(_members(body))


def event(told: Event, previous: int) -> bytes:
    """The notification for one subscription; `previous` is the cursor of what it was told before."""
    head = _json({"time": told.time, "type": told.type, "portfolio": told.portfolio})
    return _notification(told.cursor, previous, head if told.text == b"{}" else head[:-1] + b"," + told.text[1:])


def heartbeat(cursor: int, previous: int, time: datetime) -> bytes:
    """Repeats the newest cursor, so that a client can tell quiet from deaf."""
    return _notification(cursor, previous, _json({"time": time, "type": "heartbeat"}))


def _members(body: Any) -> dict[str, object]:
    """The record's own members; a portfolio's state goes beside its name, which every event has as `portfolio`."""
    if isinstance(body, PortfolioChanged):
        return {"portfolio_state": body.portfolio}
    told = body.refused if isinstance(body, QuoteRejected) else body
    return {name: getattr(told, name) for name in _names(type(told))}


def _notification(cursor: int, previous: int, body: bytes) -> bytes:
    head = b'{"jsonrpc":"2.0","method":"event","params":{"cursor":%d,"previous":%d,' % (cursor, previous)
    return head + body[1:] + b"}"
