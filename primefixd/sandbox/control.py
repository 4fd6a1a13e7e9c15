"""The control port of the imitation: JSON-RPC 2.0 over a WebSocket on the loopback (contract.md section 4).

It reads requests and renders answers; what they do is done by the gateway and the exchange. Nobody has to say who he
is: the port listens on the loopback and the imitation has nothing to lose.
"""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Never

import orjson
import trio

from primefixd import websocket
from primefixd.sandbox import matching
from primefixd.sandbox.asks import Because, Refusal
from primefixd.sandbox.book import VenueOrder
from primefixd.sandbox.exchange import Impossible
from primefixd.sandbox.faults import COUNT_MAX, DELAY_MAX_MS, Drop, Garble
from primefixd.sandbox.gateway import Gateway
from primefixd.sandbox.parameters import Parameters, Wrong
from primefixd.sandbox.reporting import Told
from primefixd.sandbox.values import write_amount

BATCH_MAX = 100
LIMITS = websocket.ServerLimits(connections_max=64)
PARSE_ERROR, INVALID_REQUEST, UNKNOWN_METHOD, INVALID_PARAMS, IMPOSSIBLE = -32700, -32600, -32601, -32602, -32010

Json = Mapping[str, object]
Method = Callable[[Gateway, Parameters], Json]


async def serve(gateway: Gateway, port: int, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> Never:
    """Serves the control port on the loopback until cancelled; reports its number (0 asks for any free one)."""
    listeners = await websocket.listen(f"127.0.0.1:{port}")

    async def converse(connection: websocket.Connection, _admitted: None) -> None:
        while True:
            reply = answer(gateway, await connection.receive())
            if reply is not None:
                await connection.send(reply)

    async with trio.open_nursery() as nursery:
        await nursery.start(websocket.serve, listeners, _admit, converse, LIMITS)
        task_status.started(int(listeners[0].socket.getsockname()[1]))
    raise AssertionError("the server does not end by itself")


def _admit(_head: websocket.Head) -> None:
    return None


class Window(StrEnum):
    OPEN = "open"
    CLOSED = "closed"


class Refused(Exception):
    """What was asked is understood and cannot be done."""


# -- methods


def _book(gateway: Gateway, parameters: Parameters) -> Json:
    portfolio = parameters.optional_text("portfolio_id")
    parameters.end()
    book = gateway.exchange.book
    return {"orders": [_order(order) for order in book if portfolio in (None, order.portfolio_id)]}


def _sessions(gateway: Gateway, parameters: Parameters) -> Json:
    parameters.end()
    return {
        "sessions": [
            {
                "service_account_id": name,
                "connected": gateway.connected(name),
                "logons": tally.logons,
                "messages": tally.messages,
                "orders": tally.orders,
                "busiest_second": tally.busiest.most,
                "rejected": dict(tally.rejected),
            }
            for name, tally in gateway.tallies.items()
        ]
    }


def _drop(gateway: Gateway, parameters: Parameters) -> Json:
    names, how = _names(gateway, parameters), parameters.choice("how", Drop)
    parameters.end()
    return {"dropped": gateway.drop(names, how)}


def _mute(gateway: Gateway, parameters: Parameters) -> Json:
    names, on = _names(gateway, parameters), parameters.flag("on")
    parameters.end()
    for name in names:
        gateway.faults[name].mute = on
    gateway.changed(names)
    return {}


def _delay(gateway: Gateway, parameters: Parameters) -> Json:
    names, ms = _names(gateway, parameters), parameters.number("ms", DELAY_MAX_MS)
    jitter_ms = parameters.number("jitter_ms", DELAY_MAX_MS, 0)
    parameters.end()
    for name in names:
        gateway.faults[name].delay_s, gateway.faults[name].jitter_s = ms / 1000, jitter_ms / 1000
    return {}


def _garble(gateway: Gateway, parameters: Parameters) -> Json:
    names, what = _names(gateway, parameters), parameters.choice("what", Garble)
    parameters.end()
    for name in names:
        gateway.faults[name].garble = what
    return {}


def _skip(gateway: Gateway, parameters: Parameters) -> Json:
    names, count = _names(gateway, parameters), parameters.number("count", COUNT_MAX)
    lose = parameters.flag("lose", False)
    parameters.end()
    for name in names:
        faults = gateway.faults[name]
        faults.skip, faults.lose = (0, count) if lose else (count, 0)
    return {}


def _reject(gateway: Gateway, parameters: Parameters) -> Json:
    count, reason = parameters.number("count", COUNT_MAX), parameters.number("reason", 99, int(Because.OTHER))
    text = parameters.optional_text("text") or "rejected by the control port"
    parameters.end()
    gateway.exchange.reject_next(count, Refusal(str(reason), text, "scripted"))
    return {}


def _refuse_logon(gateway: Gateway, parameters: Parameters) -> Json:
    on, text = parameters.flag("on"), parameters.optional_text("text")
    parameters.end()
    gateway.refusing = (text or "logons are refused by the control port") if on else None
    return {}


def _hold_fills(gateway: Gateway, parameters: Parameters) -> Json:
    on = parameters.flag("on")
    parameters.end()
    gateway.publish(gateway.exchange.hold(on, gateway.now()))
    return {}


def _fill(gateway: Gateway, parameters: Parameters) -> Json:
    name = parameters.text("client_order_id")
    quantity, price = parameters.optional_amount("quantity"), parameters.optional_amount("price")
    parameters.end()
    order = gateway.exchange.book.named(name)
    if order is None:
        raise Refused(f"the venue has no order {name}")
    return _told(gateway, gateway.exchange.fill(order, quantity, price, gateway.now()))


def _price(gateway: Gateway, parameters: Parameters) -> Json:
    product_id, price = parameters.text("product_id"), parameters.amount("price")
    parameters.end()
    if product_id not in gateway.exchange.market:
        raise Wrong("product_id", "is not traded at this sandbox")
    gateway.publish(gateway.exchange.set_price(product_id, price, gateway.now()))
    return {}


def _bust(gateway: Gateway, parameters: Parameters) -> Json:
    exec_id = parameters.text("exec_id")
    parameters.end()
    return _told(gateway, gateway.exchange.bust(exec_id, gateway.now()))


def _correct(gateway: Gateway, parameters: Parameters) -> Json:
    exec_id = parameters.text("exec_id")
    quantity, price = parameters.optional_amount("quantity"), parameters.optional_amount("price")
    parameters.end()
    return _told(gateway, gateway.exchange.correct(exec_id, quantity, price, gateway.now()))


def _forget(gateway: Gateway, parameters: Parameters) -> Json:
    name = parameters.text("client_order_id")
    parameters.end()
    gateway.delivery.forget(name)
    return {}


def _rest(gateway: Gateway, parameters: Parameters) -> Json:
    """Both are set anew: `fail` is the status that every REST request is answered with, 0 for none."""
    own, fail = parameters.flag("own_fill_ids", False), parameters.number("fail", 599, 0)
    parameters.end()
    if 0 < fail < 400:
        raise Wrong("fail", "must be 0 or from 400 to 599")
    gateway.rest.own_fill_ids, gateway.rest.failing = own, fail or None
    return {}


def _window(gateway: Gateway, parameters: Parameters) -> Json:
    state = parameters.choice("state", Window)
    parameters.end()
    gateway.set_window(closed=state is Window.CLOSED)
    return {}


METHODS: Mapping[str, Method] = {
    "venue.book": _book,
    "venue.sessions": _sessions,
    "venue.drop": _drop,
    "venue.mute": _mute,
    "venue.delay": _delay,
    "venue.garble": _garble,
    "venue.skip": _skip,
    "venue.reject": _reject,
    "venue.refuse_logon": _refuse_logon,
    "venue.hold_fills": _hold_fills,
    "venue.fill": _fill,
    "venue.price": _price,
    "venue.bust": _bust,
    "venue.correct": _correct,
    "venue.forget": _forget,
    "venue.rest": _rest,
    "venue.window": _window,
}


def _names(gateway: Gateway, parameters: Parameters) -> list[str]:
    name = parameters.optional_text("service_account_id")
    if name is not None and name not in gateway.faults:
        raise Wrong("service_account_id", "is not known to the venue")
    return [*gateway.faults] if name is None else [name]


def _told(gateway: Gateway, outcome: list[Told] | Impossible) -> Json:
    if isinstance(outcome, Impossible):
        raise Refused(outcome.text)
    gateway.publish(outcome)
    return {}


def _order(order: VenueOrder) -> Json:
    ask = order.ask
    return {
        "client_order_id": ask.client_order_id,
        "chain": order.chain,
        "order_id": order.order_id,
        "portfolio_id": order.portfolio_id,
        "service_account_id": order.service_account_id,
        "product_id": ask.product_id,
        "side": {"1": "BUY", "2": "SELL"}.get(ask.side, ask.side),
        "status": order.shown,
        "strategy": ask.strategy,
        "quantity": _text(ask.quantity),
        "quote_value": _text(ask.cash),
        "limit_price": _text(ask.price),
        "stop_price": _text(ask.stop),
        "working_price": _text(matching.working_price(order)) if order.working else None,
        "filled": write_amount(order.filled),
        "received": order.received,
        "fills": [
            {
                "exec_id": fill.exec_id,
                "quantity": write_amount(fill.quantity),
                "price": write_amount(fill.price),
                "commission": write_amount(fill.commission),
            }
            for fill in order.fills
        ],
    }


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else write_amount(amount)


# -- JSON-RPC


def answer(gateway: Gateway, text: str) -> bytes | None:
    """The reply to one text frame, a request or a batch of them; None when nothing in it wants one."""
    try:
        request = json.loads(text, object_pairs_hook=_members, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return orjson.dumps(_error(None, PARSE_ERROR, "this is not JSON"))
    if not isinstance(request, list):
        reply = _reply(gateway, request)
        return None if reply is None else orjson.dumps(reply)
    if not 0 < len(request) <= BATCH_MAX:
        return orjson.dumps(_error(None, INVALID_REQUEST, f"a batch holds 1 to {BATCH_MAX} requests"))
    replies = [reply for item in request if (reply := _reply(gateway, item)) is not None]
    return orjson.dumps(replies) if replies else None


def _reply(gateway: Gateway, request: object) -> Json | None:
    if not isinstance(request, dict) or request.get("jsonrpc") != "2.0" or not isinstance(request.get("method"), str):
        return _error(None, INVALID_REQUEST, 'a request is {"jsonrpc": "2.0", "id": …, "method": …, "params": {…}}')
    number, params = request.get("id"), request.get("params", {})
    if isinstance(number, bool) or not isinstance(number, int | str | None) or _too_long(number):
        return _error(None, INVALID_REQUEST, "an id is a number or a text")
    reply = _outcome(gateway, request["method"], params, number)
    return reply if "id" in request else None


def _outcome(gateway: Gateway, name: str, params: object, number: int | str | None) -> Json:
    method = METHODS.get(name)
    if method is None:
        return _error(number, UNKNOWN_METHOD, f"the methods are {', '.join(METHODS)}")
    if not isinstance(params, dict):
        return _error(number, INVALID_PARAMS, "params must be an object", "params")
    try:
        return {"jsonrpc": "2.0", "id": number, "result": method(gateway, Parameters(params))}
    except Wrong as wrong:
        return _error(number, INVALID_PARAMS, str(wrong), wrong.field)
    except Refused as refused:
        return _error(number, IMPOSSIBLE, str(refused))


def _error(number: int | str | None, code: int, text: str, field: str | None = None) -> Json:
    error: dict[str, object] = {"code": code, "message": text}
    if field is not None:
        error["data"] = {"field": field}
    return {"jsonrpc": "2.0", "id": number, "error": error}


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


def _no_constant(name: str) -> Never:
    raise ValueError(f"{name} is not JSON")


def _too_long(number: int | str | None) -> bool:
    """An id that orjson could not write back: more than 64 bits, or text that is not Unicode."""
    if isinstance(number, str):
        return not number.isprintable()
    return number is not None and not -(2**63) <= number < 2**63
