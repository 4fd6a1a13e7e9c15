"""What the demo's clients trade, and how each order must end. Plain data and counting; it opens nothing."""

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from attrs import Factory, define, frozen

PRODUCTS = ("BTC-USD", "ETH-USD", "SOL-USD", "LTC-USD", "DOGE-USD")
FINAL = frozenset({"FILLED", "CANCELLED", "REJECTED", "EXPIRED"})
_FAR = {  # limits that surely cross, and surely rest, whatever the price walk does in a minute
    "BTC-USD": ("120000", "20000", "0.01"),
    "ETH-USD": ("6000", "1000", "0.2"),
    "SOL-USD": ("300", "50", "4"),
    "LTC-USD": ("160", "25", "8"),
    "DOGE-USD": ("0.3", "0.05", "4000"),
}


@frozen
class Kind:
    """One way to trade. `ends` is the final status it must come to; `cancel` when its client cancels it."""

    name: str
    type: str
    time_in_force: str
    ends: str
    crossing: bool = True
    cancel: str = ""  # "", "open" (once it rests) or "at once" (before the venue can have answered)
    post_only: bool = False
    product_id: str | None = None
    by_value: bool = False


KINDS = (
    Kind("market", "MARKET", "IMMEDIATE_OR_CANCEL", "FILLED"),
    Kind("limit that crosses", "LIMIT", "GOOD_UNTIL_CANCELLED", "FILLED"),
    Kind("limit that rests, cancelled", "LIMIT", "GOOD_UNTIL_CANCELLED", "CANCELLED", crossing=False, cancel="open"),
    Kind("market by value", "MARKET", "IMMEDIATE_OR_CANCEL", "FILLED", by_value=True),
    Kind("fill or kill", "LIMIT", "FILL_OR_KILL", "FILLED"),
    Kind("market", "MARKET", "IMMEDIATE_OR_CANCEL", "FILLED"),
    Kind("post only, cancelled at once", "LIMIT", "GOOD_UNTIL_CANCELLED", "CANCELLED", False, "at once", True),
    Kind("limit that crosses", "LIMIT", "GOOD_UNTIL_CANCELLED", "FILLED"),
    Kind("unknown product, rejected", "LIMIT", "GOOD_UNTIL_CANCELLED", "REJECTED", product_id="NONE-USD"),
    Kind("immediate that finds nothing", "LIMIT", "IMMEDIATE_OR_CANCEL", "CANCELLED", crossing=False),
    Kind("limit that crosses", "LIMIT", "GOOD_UNTIL_CANCELLED", "FILLED"),
    Kind("post only that would cross, rejected", "LIMIT", "GOOD_UNTIL_CANCELLED", "REJECTED", post_only=True),
)


@frozen
class Planned:
    """One order of the demo: whose it is, what it is, and the parameters of its `order.submit`."""

    client: int
    kind: Kind
    key: str
    portfolio: str
    terms: Mapping[str, Any]


def plan(orders: int, clients: int, portfolios: tuple[str, ...], sessions: Mapping[str, list[str]]) -> list[Planned]:
    """`orders` orders in the order of their submission; the last client pins its orders, session by session in turn."""
    planned = []
    for number in range(orders):
        kind, client = KINDS[number % len(KINDS)], number % clients
        portfolio = portfolios[number // clients % len(portfolios)]
        terms = _terms(kind, PRODUCTS[number // 2 % len(PRODUCTS)], "BUY" if number % 4 < 2 else "SELL")
        if client == clients - 1:
            own = sessions[portfolio]
            terms["session"] = own[number // clients // len(portfolios) % len(own)]
        planned.append(Planned(client, kind, f"demo-{number:05}", portfolio, terms))
    return planned


def _terms(kind: Kind, product: str, side: str) -> dict[str, Any]:
    high, low, size = _FAR[product]
    terms: dict[str, Any] = {
        "product_id": kind.product_id or product,
        "side": side,
        "type": kind.type,
        "time_in_force": kind.time_in_force,
    }
    terms |= {"quote_value": "500"} if kind.by_value else {"base_quantity": size}
    if kind.type == "LIMIT":
        terms["limit_price"] = high if (side == "BUY") is kind.crossing else low
    if kind.post_only:
        terms["post_only"] = True
    return terms


@define
class Followed:
    """One order as the demo's clients heard of it. Times are monotonic seconds."""

    planned: Planned
    submitted: float
    acknowledged: float | None = None
    order: Mapping[str, Any] | None = None
    fills: dict[str, Decimal] = Factory(dict)
    refused: str | None = None
    cancelled: bool = False
    surprises: list[str] = Factory(list)

    @property
    def status(self) -> str:
        if self.refused is not None:
            return "refused here"
        return "unheard of" if self.order is None else str(self.order["status"])

    def wants_cancel(self, when: str) -> bool:
        """Whether its client cancels it now: `when` is "open" or "at once"."""
        due = self.planned.kind.cancel == when and not self.cancelled and self.refused is None
        return due and (when == "at once" or self.status == "OPEN")

    @property
    def ended(self) -> bool:
        return self.refused is not None or self.status in FINAL


class Picture:
    """What the demo's clients know: every order that they submitted, kept by the events that they heard."""

    def __init__(self) -> None:
        self.orders: dict[tuple[str, str], Followed] = {}
        self.fills = 0

    def submitted(self, planned: Planned, now: float) -> Followed:
        followed = self.orders[planned.portfolio, planned.key] = Followed(planned, now)
        return followed

    def hear(self, event: Mapping[str, Any], now: float) -> Followed | None:
        """Take in one event; returns the order that it was about, if it was about one of ours."""
        order = event.get("order")
        followed = self.orders.get((order["portfolio"], order["client_order_id"])) if order else None
        if followed is None or order is None:
            return None
        followed.order = order
        if followed.acknowledged is None and order["acknowledged_at"] is not None:
            followed.acknowledged = now
        match event["type"]:
            case "order.filled":
                self._fill(followed, event["fill"])
            case "order.updated":
                pass
            case unusual:
                followed.surprises.append(unusual)
        return followed

    def _fill(self, followed: Followed, fill: Mapping[str, Any]) -> None:
        self.fills += 1
        if fill["exec_id"] in followed.fills:
            followed.surprises.append(f"execution {fill['exec_id']} was told twice")
        followed.fills[fill["exec_id"]] = Decimal(fill["last_quantity"])

    def statuses(self) -> Counter[str]:
        return Counter(followed.status for followed in self.orders.values())
