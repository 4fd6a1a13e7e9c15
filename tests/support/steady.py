"""A client that trades on and on, whatever dies around it, and the comparison of all that anybody knows in the end.

It repeats what was lost under the same client_order_id, follows the events from its last cursor, and keeps everything
that it heard, for `agreement` to look at.
"""

from collections.abc import Iterator
from random import Random
from typing import Any

import trio
from attrs import define, field

from primefixd.client import Client, ConnectionLost, Events, Refused, Unreachable
from tests.support.world import CROSSING, RESTING, World

JSON = dict[str, Any]
PRODUCTS = ("BTC-USD", "ETH-USD", "SOL-USD")
PASSING = ("closed", "no_session", "busy", "not_durable")  # refusals after which the same may be asked again
FINAL = ("FILLED", "CANCELLED", "REJECTED", "EXPIRED")
AGAIN_S = 0.05
PAUSE_S = 0.06  # between two requests of one trader
TRADERS = 3
TRIES = 50  # for a replace: what it is to change may be in doubt for good


@define
class Steady:
    """What one desk asked for, was told, and heard."""

    made: World
    seed: int = 0
    asked: set[str] = field(factory=set)  # ids of orders that were ever asked for
    accepted: dict[str, JSON] = field(factory=dict)  # the first reply, by id
    resting: list[str] = field(factory=list)
    heard: list[JSON] = field(factory=list)
    faults: list[str] = field(factory=list)  # what must never happen
    journal: str | None = None
    repeated: int = 0  # replies that were lost and had been given before
    ended: bool = False

    async def trade(self) -> None:
        """Ask for one thing after another until `ended`."""
        async with trio.open_nursery() as nursery:
            for trader in range(TRADERS):
                nursery.start_soon(self._trade, trader)

    async def _trade(self, trader: int) -> None:
        wishes = self._wishes(trader, Random(f"{self.seed}/{trader}"))
        wish, tries = next(wishes), 0
        while not self.ended:
            try:
                async with self.made.desk() as desk:
                    while not self.ended:
                        tries += 1
                        if await self._grant(desk, *wish) or (tries == TRIES and wish[0] == "order.replace"):
                            wish, tries = next(wishes), 0
                        await trio.sleep(PAUSE_S)
            except (ConnectionLost, Unreachable):
                await trio.sleep(AGAIN_S)

    def _wishes(self, trader: int, draw: Random) -> Iterator[tuple[str, JSON]]:
        """Orders that trade and orders that rest, and what is asked of these later."""
        number = 0
        while True:
            number += 1
            key = f"t{trader}-{number:05}"
            kind = draw.choice(("crossing", "crossing", "market", "away", "resting", "resting", "resting"))
            patience = {} if draw.random() < 0.3 else {"ttl_ms": 60_000}
            yield "order.submit", _terms(kind, draw) | patience | {"client_order_id": key}
            if kind == "resting" and draw.random() < 0.4:
                new = {"client_order_id": key, "new_client_order_id": f"{key}r", "limit_price": "1001"}
                yield "order.replace", new
            if self.resting and draw.random() < 0.4:
                yield "order.cancel", {"client_order_id": draw.choice(self.resting[-20:])}

    async def _grant(self, desk: Client, method: str, params: JSON) -> bool:
        """Ask once; whether this wish is settled."""
        key = params["client_order_id"]
        try:
            if method == "order.submit":
                self.asked.add(key)
                self._accept(key, await desk.call(method, **params))
                if params.get("limit_price") == RESTING["limit_price"]:
                    self.resting.append(key)
            else:
                await desk.call(method, **params)
        except Refused as refused:
            if refused.reason == "unknown_order" or (method == "order.submit" and refused.reason not in PASSING):
                self.faults.append(f"{method} of {key} was refused: {refused} {refused.data}")
            return refused.reason not in PASSING
        return True

    def _accept(self, key: str, reply: JSON) -> None:
        self.repeated += bool(reply["duplicate"])
        if key in self.accepted:
            self.faults.append(f"{key} was accepted twice")
        self.accepted[key] = reply

    def acknowledged(self) -> set[str]:
        """Orders of which it was heard that the venue has them; these it can be asked about by FIX."""
        told = (event["order"] for event in self.heard if event.get("order") is not None)
        return {order["original_client_order_id"] for order in told if order["order_id"] is not None}

    async def follow(self) -> None:
        """Hear every event, from the last one that was heard, until `ended` and cancelled."""
        while True:
            try:
                async with self.made.desk() as desk:
                    cursor = self.heard[-1]["cursor"] if self.heard else 0
                    async with desk.subscribe(from_=cursor, journal=self.journal) as events:
                        self.journal = events.journal
                        await self._hear(events)
            except (ConnectionLost, Unreachable):
                await trio.sleep(AGAIN_S)

    async def _hear(self, events: Events) -> None:
        async for event in events:
            if event["type"] == "heartbeat":
                continue
            if event["cursor"] != (self.heard[-1]["cursor"] if self.heard else 0) + 1:
                self.faults.append(f"{event['cursor']} was heard after {self.heard[-1]['cursor']}")
            self.heard.append(event)

    async def move_market(self, oracle: Client) -> None:
        """Fill parts of what rests, whether anybody listens or not, until cancelled."""
        draw = Random(f"{self.seed}/market")
        while True:
            await trio.sleep(draw.uniform(0.05, 0.3))
            if self.resting:
                try:
                    name = draw.choice(self.resting[-30:])
                    await oracle.call("venue.fill", client_order_id=name, quantity=draw.choice(("0.002", "0.003")))
                except Refused:
                    continue  # final, or it never arrived


def _terms(kind: str, draw: Random) -> JSON:
    product = {"product_id": draw.choice(PRODUCTS)}
    match kind:
        case "market":
            return {"side": draw.choice(("BUY", "SELL")), "type": "MARKET", "base_quantity": "0.02"} | product
        case "away":
            return RESTING | product | {"time_in_force": "IMMEDIATE_OR_CANCEL", "limit_price": "1.5"}
        case "crossing":
            return CROSSING | product
    return dict(RESTING | {"limit_price": "1000", "product_id": "BTC-USD"})
