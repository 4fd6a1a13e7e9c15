"""The venue's REST endpoints as one function: a request in, an answer out (prime-fix.md section 6).

Keys, signatures, rates and pages are checked and cut here, apart from `prime.rest`, so that a mistake there is refused
here. It reads the book and changes nothing in it. How bytes become a request is in `primefixd.http`.
"""

import hmac
from base64 import b64encode
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Final
from urllib.parse import unquote

import orjson

from primefixd.clock import Moment
from primefixd.http import Answer
from primefixd.sandbox.asks import Target, Tif
from primefixd.sandbox.book import FINAL, Book, OrdStatus, VenueFill, VenueOrder
from primefixd.sandbox.counting import Bucket
from primefixd.sandbox.paging import Json, Query, Refused
from primefixd.sandbox.settings import (
    REST_ADDRESS_PER_SECOND_MAX,
    REST_BURST_MAX,
    REST_PER_SECOND_MAX,
    Account,
    SandboxSettings,
)
from primefixd.sandbox.values import product, total, write_amount

PREFIX: Final = "/v1"
OPEN_ORDERS_MAX = 5_000  # with more of them the venue refuses to list any
CLOCK_S: Final = 30.0  # how far a timestamp may be off

_STATUSES: Final[Mapping[str, str]] = {
    OrdStatus.FILLED: "FILLED",
    OrdStatus.CANCELLED: "CANCELLED",
    OrdStatus.EXPIRED: "EXPIRED",
    OrdStatus.REJECTED: "FAILED",
    OrdStatus.PENDING_NEW: "PENDING",
}  # any other is OPEN
_TYPES: Final[Mapping[str, str]] = {
    Target.LIMIT: "LIMIT",
    Target.MARKET: "MARKET",
    Target.TWAP: "TWAP",
    Target.VWAP: "VWAP",
    Target.STOP_LIMIT: "STOP_LIMIT",
    Target.PEG: "PEG",
    Target.RFQ: "RFQ",
}
_TIMES_IN_FORCE: Final[Mapping[str, str]] = {
    Tif.GTC: "GOOD_UNTIL_CANCELLED",
    Tif.IOC: "IMMEDIATE_OR_CANCEL",
    Tif.FOK: "FILL_OR_KILL",
    Tif.GTD: "GOOD_UNTIL_DATE_TIME",
}
_SIDES: Final = {"1": "BUY", "2": "SELL"}


class Endpoints:
    """What stands behind the REST port. `own_fill_ids` and `failing` (a status for every request) may be set."""

    def __init__(self, book: Book, settings: SandboxSettings) -> None:
        self.own_fill_ids = settings.rest_own_fill_ids
        self.failing: int | None = None
        self._book = book
        self._accounts = {account.api_key.reveal(): account for account in settings.accounts}
        self._address = Bucket(REST_ADDRESS_PER_SECOND_MAX if settings.limits else None, REST_ADDRESS_PER_SECOND_MAX)
        self._portfolios = {
            account.portfolio_id: Bucket(REST_PER_SECOND_MAX if settings.limits else None, REST_BURST_MAX)
            for account in settings.accounts
        }

    def answer(self, method: str, target: str, headers: Mapping[str, str], now: Moment) -> Answer:
        """Answers one request without a body; `headers` by their names in small letters."""
        try:
            return Answer(200, orjson.dumps(self._answer(method, target, headers, now)))
        except Refused as refused:
            return Answer(refused.status, orjson.dumps({"message": str(refused)}))

    def _answer(self, method: str, target: str, headers: Mapping[str, str], now: Moment) -> Json:
        if self.failing is not None:
            raise Refused(self.failing, "failing as the control port asked")
        if self._address.over(now.mono):
            raise Refused(429, "too many requests from this address")
        path, _, query = target.partition("?")
        account = self._admit(method, path, headers, now)
        if self._portfolios[account.portfolio_id].over(now.mono):
            raise Refused(429, "too many requests for this portfolio")
        if method != "GET":
            raise Refused(405, "only GET is served here")
        return self._find(account.portfolio_id, path, Query(query))

    def _admit(self, method: str, path: str, headers: Mapping[str, str], now: Moment) -> Account:
        account = self._accounts.get(headers.get("x-cb-access-key", ""))
        if account is None:
            raise Refused(401, "unknown API key")
        if not account.passphrase.matches(headers.get("x-cb-access-passphrase", "")):
            raise Refused(401, "wrong passphrase")
        seconds = headers.get("x-cb-access-timestamp", "")
        if not (seconds.isascii() and seconds.isdigit() and len(seconds) < 12):
            raise Refused(401, "the timestamp is no number of seconds")
        if abs(now.utc.timestamp() - int(seconds)) > CLOCK_S:
            raise Refused(401, f"the timestamp is off by more than {CLOCK_S:g} seconds")
        signed = hmac.digest(account.api_secret.reveal().encode(), f"{seconds}{method}{path}".encode(), "sha256")
        if not hmac.compare_digest(b64encode(signed), headers.get("x-cb-access-signature", "").encode()):
            raise Refused(401, "invalid signature")
        return account

    def _find(self, portfolio_id: str, path: str, query: Query) -> Json:
        steps = [unquote(step) for step in path.split("/")]
        if steps[:3] != ["", PREFIX.strip("/"), "portfolios"] or len(steps) < 5:
            raise Refused(404, "there is nothing here")
        if steps[3] != portfolio_id:
            raise Refused(403, "this API key belongs to another portfolio")
        match steps[4:]:
            case ["open_orders"]:
                return self._open_orders(portfolio_id)
            case ["orders"]:
                return self._orders(portfolio_id, query)
            case ["orders", order_id]:
                return {"order": _order(self._known(portfolio_id, order_id))}
            case ["orders", order_id, "fills"]:
                return self._fills([self._known(portfolio_id, order_id)], query)
            case ["fills"]:
                return self._fills((order for order in self._book if order.portfolio_id == portfolio_id), query)
        raise Refused(404, "there is nothing here")

    # -- orders

    def _known(self, portfolio_id: str, order_id: str) -> VenueOrder:
        order = self._book.order(portfolio_id, order_id)
        if order is None or order.turned_away:
            raise Refused(404, "order not found")
        return order

    def _open_orders(self, portfolio_id: str) -> Json:
        found = [order for order in self._book if order.portfolio_id == portfolio_id and order.status not in FINAL]
        if len(found) > OPEN_ORDERS_MAX:
            raise Refused(400, f"there are more than {OPEN_ORDERS_MAX} open orders")
        return {"orders": [_order(order) for order in found]}

    def _orders(self, portfolio_id: str, query: Query) -> Json:
        """Those that are not open, by when they were placed."""
        ids = query.spanned(self._book.order_ids(), self._book.placed)
        orders = (self._book.order(portfolio_id, order_id) for order_id in ids)
        wanted = ((order.order_id, order) for order in orders if order is not None and _is_wanted(order, query))
        return query.page("orders", wanted, _order)

    # -- fills

    def _fills(self, orders: Iterable[VenueOrder], query: Query) -> Json:
        found = sorted(((fill, order) for order in orders for fill in order.fills), key=lambda each: each[0].at)
        named = {self._fill_id(fill): (fill, order) for fill, order in found}
        ids = query.spanned(list(named), lambda fill_id: named[fill_id][0].at)
        return query.page("fills", ((fill_id, named[fill_id]) for fill_id in ids), lambda each: self._fill(*each))

    def _fill_id(self, fill: VenueFill) -> str:
        return sha256(fill.exec_id.encode()).hexdigest()[:32] if self.own_fill_ids else fill.exec_id

    def _fill(self, fill: VenueFill, order: VenueOrder) -> Json:
        return {
            "id": self._fill_id(fill),
            "portfolio_id": order.portfolio_id,
            "order_id": order.order_id,
            "product_id": order.ask.product_id,
            "side": _SIDES.get(order.ask.side, ""),
            "filled_quantity": write_amount(fill.quantity),
            "filled_value": write_amount(product(fill.quantity, fill.price)),
            "price": write_amount(fill.price),
            "time": _time(fill.at),
            "commission": write_amount(fill.commission),
            "venue": "otc",
        }


def _is_wanted(order: VenueOrder, query: Query) -> bool:
    """An order that was turned away for the rate never was one."""
    final = order.status in FINAL and not order.turned_away
    asked = not query.statuses or _STATUSES.get(order.status, "OPEN") in query.statuses
    return final and asked and (not query.products or order.ask.product_id in query.products)


def _order(order: VenueOrder) -> Json:
    """An order as the venue lists it; numbers that it does not have are empty texts."""
    ask = order.ask
    return {
        "id": order.order_id,
        "client_order_id": ask.client_order_id,
        "portfolio_id": order.portfolio_id,
        "product_id": ask.product_id,
        "side": _SIDES.get(ask.side, ""),
        "type": _TYPES.get(ask.strategy or "", ""),
        "base_quantity": _amount(ask.quantity),
        "quote_value": _amount(ask.cash),
        "limit_price": _amount(ask.price),
        "stop_price": _amount(ask.stop),
        "time_in_force": _TIMES_IN_FORCE.get(ask.time_in_force or "", ""),
        "expiry_time": _time(ask.expires),
        "status": _STATUSES.get(order.status, "OPEN"),
        "filled_quantity": write_amount(order.filled),
        "filled_value": write_amount(order.value),
        "average_filled_price": _amount(order.average() or None),
        "commission": write_amount(total(fill.commission for fill in order.fills)),
        "created_at": _time(order.placed.utc),
    }


def _amount(amount: Decimal | None) -> str:
    return "" if amount is None else write_amount(amount)


def _time(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
