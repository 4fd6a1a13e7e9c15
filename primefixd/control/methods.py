"""What each method of the control protocol does, for a client with its rights and portfolios (contract.md section 3).

One table says which right a method needs and which function serves it. A client learns nothing of portfolios that are
not its own: to it they do not exist any more than misspelled ones do. Nothing here reads or writes a connection.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

import structlog
from attrs import frozen

from primefixd.control import messages, parameters
from primefixd.control.caller import Caller, Following
from primefixd.control.messages import Call, Failure
from primefixd.control.render import (
    Info,
    Nothing,
    Portfolios,
    Replaced,
    Requested,
    Result,
    Sessions,
    Subscribed,
    forbidden,
    refused,
    unknown_cursor,
)
from primefixd.control.settings import Right
from primefixd.dispatch.risk import Reference
from primefixd.orders.model import CLIENT_ORDER_ID_MAX_CHARS, Order, QuoteRequest, Resolution
from primefixd.runtime import refusals
from primefixd.runtime.answers import Cancelling, Noted, Page, Reason, Refused, Submitted
from primefixd.runtime.feed import EVENTS_WAITING_MAX
from primefixd.runtime.follower import Follower
from primefixd.runtime.portfolio import Portfolio
from primefixd.strict import Problem
from primefixd.websocket import ServerLimits

LIMITS = ServerLimits()
_SUBSCRIBED_ALREADY = "This connection is subscribed already; call events.unsubscribe first, or use another connection."

ALL = "*"
Answer = Result | Failure
_log = structlog.get_logger()


async def answer(caller: Caller, call: Call) -> Answer:
    """What `call` is answered with, once it has been executed or refused."""
    method = METHODS[call.method]
    if not caller.may(method.right):
        message = f"{caller.client.name} may not call {call.method}: that needs the right to {method.right}"
        return forbidden(call.id, call.method, message)
    return await method.serve(caller, call, call.params)


# Orders


async def _submit(caller: Caller, call: Call, params: parameters.SubmitOrder) -> Answer:
    portfolio = caller.one(call, params.portfolio)
    if isinstance(portfolio, Failure):
        return portfolio
    return _told(call, await portfolio.submit(params.submission, caller.client.name))


async def _replace(caller: Caller, call: Call, params: parameters.ReplaceOrder) -> Answer:
    portfolio = caller.one(call, params.portfolio)
    if isinstance(portfolio, Failure):
        return portfolio
    told = await portfolio.replace(params.replacement, caller.client.name)
    return refused(call.id, told) if isinstance(told, Refused) else Replaced(told)


async def _quote(caller: Caller, call: Call, params: parameters.RequestQuote) -> Answer:
    portfolio = caller.one(call, params.portfolio)
    if isinstance(portfolio, Failure):
        return portfolio
    wanted = QuoteRequest(
        quote_request_id=params.quote_request_id or "",
        product_id=params.product_id,
        side=params.side,
        base_quantity=params.base_quantity,
        quote_value=params.quote_value,
        limit_price=params.limit_price,
        auction_ms=params.auction_ms,
    )
    told = await portfolio.quote(wanted, caller.client.name)
    return refused(call.id, told) if isinstance(told, Refused) else told


async def _cancel(caller: Caller, call: Call, params: parameters.CancelOrder) -> Answer:
    portfolio = caller.one(call, params.portfolio)
    if isinstance(portfolio, Failure):
        return portfolio
    ids = {"client_order_id": params.client_order_id, "order_id": params.order_id}
    return _told(call, await portfolio.cancel(**ids, client=caller.client.name))


async def _cancel_all(caller: Caller, call: Call, params: parameters.CancelAll) -> Answer:
    chosen = caller.chosen(call, params.portfolio)
    if isinstance(chosen, Failure):
        return chosen
    requested = 0
    for portfolio in chosen:
        requested += await portfolio.cancel_all(
            product_id=params.product_id, side=params.side, client=caller.client.name
        )
    return Requested(requested=requested)


async def _resolve(caller: Caller, call: Call, params: parameters.ResolveOrder) -> Answer:
    portfolio = caller.one(call, params.portfolio)
    if isinstance(portfolio, Failure):
        return portfolio
    opinion = Resolution(
        status=params.status,
        filled_quantity=params.filled_quantity,
        average_price=params.average_price,
        reason=params.reason,
        client=caller.client.name,
        time=caller.desk.clock().utc,
    )
    return _told(call, await portfolio.resolve(params.client_order_id, opinion))


async def _adopt(caller: Caller, call: Call, params: parameters.AdoptOrder) -> Answer:
    portfolio = caller.one(call, params.portfolio)
    if isinstance(portfolio, Failure):
        return portfolio
    return _told(call, await portfolio.adopt(params.order_id))


async def _get(caller: Caller, call: Call, params: parameters.GetOrder) -> Answer:
    portfolio = caller.one(call, params.portfolio)
    if isinstance(portfolio, Failure):
        return portfolio
    order = portfolio.find(client_order_id=params.client_order_id, order_id=params.order_id)
    await caller.desk.journal.settled(caller.desk.journal.last)  # durable before visible, for reading as for events
    if order is not None:
        return order
    message = f"There is no order {params.client_order_id or params.order_id} in {portfolio.name}; list orders."
    return refused(call.id, Refused(reason=Reason.UNKNOWN_ORDER, message=message))


async def _list(caller: Caller, call: Call, params: parameters.ListOrders) -> Answer:
    """Portfolio by portfolio. `next` is a client_order_id, with its portfolio before it where several are listed."""
    chosen = caller.chosen(call, params.portfolio)
    if isinstance(chosen, Failure):
        return chosen
    names = [portfolio.name for portfolio in chosen]
    first, after = names[0] if names else "", params.after
    if len(chosen) > 1 and after is not None:
        first, _, after = after.partition("/")
    if params.after is not None and not _listed(chosen, first, after):
        problem = Problem(("params", "after"), "is not what an earlier page gave as next")
        return messages.invalid(call.id, [problem], call.method)
    orders: tuple[Order, ...] = ()
    for portfolio in chosen[names.index(first) if first else 0 :]:
        page = _page(portfolio, params, params.limit - len(orders), after if portfolio.name == first else None)
        orders += page.orders
        if page.next is not None or (len(orders) == params.limit and portfolio is not chosen[-1]):
            last = orders[-1].client_order_id
            return await _settled(caller, orders, last if len(chosen) == 1 else f"{portfolio.name}/{last}")
    return await _settled(caller, orders, None)


async def _settled(caller: Caller, orders: tuple[Order, ...], after: str | None) -> Page:
    """Durable before visible, for reading as for events."""
    await caller.desk.journal.settled(caller.desk.journal.last)
    return Page(orders=orders, next=after)


def _listed(chosen: Sequence[Portfolio], name: str, client_order_id: str | None) -> bool:
    """Whether one of the portfolios, the one called `name`, has that order."""
    return any(each.name == name and each.find(client_order_id=client_order_id) is not None for each in chosen)


def _page(portfolio: Portfolio, params: parameters.ListOrders, limit: int, after: str | None) -> Page:
    return portfolio.orders(open_only=params.open, product_id=params.product_id, limit=limit, after=after)


def _told(call: Call, told: Submitted | Cancelling | Noted | Refused) -> Answer:
    return refused(call.id, told) if isinstance(told, Refused) else told


# Events


async def _subscribe(caller: Caller, call: Call, params: parameters.Subscribe) -> Answer:
    """From now on, or from a cursor: what the client missed comes out of the journal first."""
    journal = caller.desk.journal
    if caller.following is not None:
        return Failure(call.id, messages.INVALID_REQUEST, _SUBSCRIBED_ALREADY)
    for name in params.portfolios or ():
        chosen = caller.chosen(call, name)
        if isinstance(chosen, Failure):
            return chosen
    newest = journal.newest
    cursor = newest if params.from_ is None else params.from_
    if params.journal not in (None, journal.id) or not journal.oldest - 1 <= cursor <= newest:
        return unknown_cursor(call.id, journal.oldest - 1)
    wanted = caller.client.portfolios if params.portfolios is None else frozenset(params.portfolios)
    caller.following = Following(Follower(journal, caller.desk.feed, wanted, cursor), cursor)
    orders = tuple(_open_orders(caller, wanted)) if params.snapshot else None
    await journal.settled(journal.last)
    if params.from_ is None and journal.told < cursor:  # what was numbered and is not on disk may be lost
        cursor = journal.told
        caller.leave()
        caller.following = Following(Follower(journal, caller.desk.feed, wanted, cursor), cursor)
    return Subscribed(journal=journal.id, cursor=cursor, orders=orders)


def _open_orders(caller: Caller, wanted: frozenset[str] | None) -> Iterator[Order]:
    for portfolio in caller.portfolios():
        after: str | None = ""
        while (wanted is None or portfolio.name in wanted) and after is not None:
            page = portfolio.orders(open_only=True, product_id=None, limit=parameters.LIST_MAX, after=after or None)
            yield from page.orders
            after = page.next


async def _unsubscribe(caller: Caller, _call: Call, _params: parameters.Unsubscribe) -> Answer:
    caller.leave()
    return Nothing()


# Steering


async def _halt(caller: Caller, call: Call, params: parameters.HaltPortfolio) -> Answer:
    chosen = caller.chosen(call, None if params.portfolio == ALL else params.portfolio)
    if isinstance(chosen, Failure):
        return chosen
    _log.warning("halt", client=caller.client.name, portfolios=[each.name for each in chosen])
    durable = [await portfolio.halt(caller.client.name, params.cancel_open) for portfolio in chosen]
    return Nothing() if all(durable) else refused(call.id, refusals.not_durable_yet())


async def _resume(caller: Caller, call: Call, params: parameters.ResumePortfolio) -> Answer:
    chosen = caller.chosen(call, None if params.portfolio == ALL else params.portfolio)
    if isinstance(chosen, Failure):
        return chosen
    _log.warning("resume", client=caller.client.name, portfolios=[each.name for each in chosen])
    durable = [await portfolio.resume() for portfolio in chosen]
    return Nothing() if all(durable) else refused(call.id, refusals.not_durable_yet())


async def _restart(caller: Caller, call: Call, params: parameters.RestartSession) -> Answer:
    reachable = caller.portfolios() if params.portfolio is None else caller.chosen(call, params.portfolio)
    if isinstance(reachable, Failure):
        return reachable
    chosen = [each for each in reachable if params.session is None or params.session in each.session_names]
    if not chosen:
        problem = Problem(("params", "session"), "is no session of a portfolio of yours; session.list has them")
        return messages.invalid(call.id, [problem], call.method)
    _log.warning("restart", client=caller.client.name, session=params.session, portfolio=params.portfolio)
    for portfolio in chosen:
        await portfolio.restart(params.session)
    return Nothing()


async def _refer(caller: Caller, call: Call, params: parameters.SetReference) -> Answer:
    chosen = caller.chosen(call, params.portfolio)
    if isinstance(chosen, Failure):
        return chosen
    for portfolio in chosen:
        told = portfolio.refer(params.product_id, Reference(params.price, params.time))
        if told is not None:
            return refused(call.id, told, call.method)
    return Nothing()


async def _cancel_on_disconnect(caller: Caller, call: Call, params: parameters.CancelOnDisconnect) -> Answer:
    """In all portfolios, since the client may have orders in one that it does not reach any more."""
    grace_s = params.grace_ms / 1000 if params.enabled else None
    caller.desk.presence.want(caller.client.name, grace_s)
    chosen = list(caller.desk.portfolios.values())
    durable = [await portfolio.cancel_on_disconnect(caller.client.name, grace_s) for portfolio in chosen]
    return Nothing() if all(durable) else refused(call.id, refusals.not_durable_yet())


# What there is


async def _list_portfolios(caller: Caller, _call: Call, _params: parameters.ListPortfolios) -> Answer:
    return Portfolios(portfolios=tuple(portfolio.view() for portfolio in caller.portfolios()))


async def _list_sessions(caller: Caller, _call: Call, _params: parameters.ListSessions) -> Answer:
    return Sessions(sessions=tuple(view for portfolio in caller.portfolios() for view in portfolio.sessions()))


async def _info(caller: Caller, _call: Call, _params: parameters.ServerInfo) -> Answer:
    desk = caller.desk
    return Info(
        version=desk.about.version,
        venue=desk.about.venue,
        time=desk.clock().utc,
        next_window=desk.next_window(),
        limits={
            "message_max_bytes": LIMITS.message_max_bytes,
            "batch_max": messages.BATCH_MAX,
            "list_max": parameters.LIST_MAX,
            "ttl_max_ms": parameters.TTL_MAX_MS,
            "client_order_id_max_chars": CLIENT_ORDER_ID_MAX_CHARS,
            "events_waiting_max": EVENTS_WAITING_MAX,
        },
        journal=desk.journal.id,
        cursor=desk.journal.told,
    )


@frozen
class Method:
    """`serve` takes the caller, the call and the call's params, of the class that `parameters.METHODS` names."""

    right: Right
    serve: Callable[[Caller, Call, Any], Awaitable[Answer]]


METHODS: Mapping[str, Method] = {
    "order.submit": Method(Right.TRADE, _submit),
    "order.replace": Method(Right.TRADE, _replace),
    "quote.request": Method(Right.TRADE, _quote),
    "order.cancel": Method(Right.TRADE, _cancel),
    "order.cancel_all": Method(Right.TRADE, _cancel_all),
    "order.resolve": Method(Right.ADMIN, _resolve),
    "order.adopt": Method(Right.ADMIN, _adopt),
    "order.get": Method(Right.READ, _get),
    "order.list": Method(Right.READ, _list),
    "events.subscribe": Method(Right.READ, _subscribe),
    "events.unsubscribe": Method(Right.READ, _unsubscribe),
    "portfolio.halt": Method(Right.ADMIN, _halt),
    "portfolio.resume": Method(Right.ADMIN, _resume),
    "session.restart": Method(Right.ADMIN, _restart),
    "reference.set": Method(Right.REFERENCE, _refer),
    "connection.cancel_on_disconnect": Method(Right.TRADE, _cancel_on_disconnect),
    "portfolio.list": Method(Right.READ, _list_portfolios),
    "session.list": Method(Right.READ, _list_sessions),
    "server.info": Method(Right.READ, _info),
}
