"""The venue's REST interface as a test lists it, without a socket."""

import httpx
import trio

from primefixd.runtime.rest import Rest, RestDesk
from primefixd.runtime.sessions import credentials
from primefixd.runtime.settings import RestSettings
from tests.support.lives import PAIR
from tests.support.scripted import virtual_clock


def listed(key: str, status: str, **more: str) -> dict[str, str]:
    """An order as REST lists it."""
    return {
        "id": f"V-{key}",
        "client_order_id": key,
        "status": status,
        "product_id": "BTC-USD",
        "side": "BUY",
        "type": "LIMIT",
        "base_quantity": "0.5",
        "filled_quantity": "0",
        **more,
    }


def execution(key: str, fill_id: str, quantity: str, price: str = "50000") -> dict[str, str]:
    """A fill as REST lists it."""
    time = virtual_clock().utc.isoformat()
    return {
        "id": fill_id,
        "order_id": f"V-{key}",
        "filled_quantity": quantity,
        "price": price,
        "time": time,
        "commission": "1.5",
    }


class Listed:
    """What the three lists have; `asked` notes each request's path and when it came."""

    def __init__(self) -> None:
        self.open: list[dict[str, str]] = []
        self.closed: list[dict[str, str]] = []
        self.fills: list[dict[str, str]] = []
        self.asked: list[tuple[float, str]] = []
        self.queries: list[dict[str, str]] = []
        self.broken = False
        self.slow_s = 0.0
        self.after: dict[int, tuple[list[dict[str, str]], list[dict[str, str]]]] = {}  # lists from the n-th request on

    def desk(self) -> RestDesk:
        client = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))
        shared = Rest(RestSettings(url="https://rest.test/v1"), virtual_clock, lambda _settings: client)
        return RestDesk(credentials(PAIR.sessions[0], PAIR), shared)

    def paths(self) -> list[str]:
        return [path for _, path in self.asked]

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.split("/", 4)[-1]
        self.asked.append((trio.current_time(), path))
        self.queries.append(dict(request.url.params))
        await trio.sleep(self.slow_s)
        if self.broken:
            return httpx.Response(400, json={"message": "no"})
        self.open, self.closed = self.after.get(len(self.asked), (self.open, self.closed))
        if path.endswith("fills"):
            order_id = path.split("/")[1] if path.startswith("orders/") else None
            return self._page("fills", [each for each in self.fills if order_id in (None, each["order_id"])], request)
        return self._page("orders", self.open if path == "open_orders" else self.closed, request)

    def _page(self, name: str, items: list[dict[str, str]], request: httpx.Request) -> httpx.Response:
        """One item a page, so that every page is needed."""
        at = int(request.url.params.get("cursor", "0"))
        paged = name == "fills" or not request.url.path.endswith("open_orders")
        page = items[at : at + 1] if paged else items
        more = paged and at + 1 < len(items)
        pagination = {"has_next": more, "next_cursor": str(at + 1) if more else ""}
        return httpx.Response(200, json={name: page, "pagination": pagination})
