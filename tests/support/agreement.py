"""All that anybody knows in the end, held against each other, order by order and fill by fill.

There are four tellings of the same story: the venue's own book, the daemon's orders, the events in the journal, and the
events as a client heard them live.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from attrs import define

from primefixd.client import Client
from tests.support.steady import FINAL, JSON, Steady

LETTERS = {"FILLED": "2", "CANCELLED": "4", "REJECTED": "8", "EXPIRED": "C", "OPEN": "01"}
MOVING: set[str] = set()  # members of an order that may change without an event
APPROXIMATELY = Decimal("1e-9")  # of a value that was worked out from averages


@define
class Known:
    """All of it at one time. `named` says that fills have the venue's ExecIDs, unless they are reconciled ones."""

    book: dict[str, JSON]
    orders: dict[str, JSON]
    replayed: list[JSON]
    named: bool = True


async def known(desk: Client, oracle: Client) -> Known:
    """The venue's book and the daemon's orders, both by first id, and every event from the first cursor on."""
    book = {order["chain"][0]: order for order in (await oracle.call("venue.book"))["orders"]}
    orders: dict[str, JSON] = {}
    after: str | None = None
    while True:
        page = await desk.orders(open=False, limit=500, after=after)
        orders |= {order["original_client_order_id"]: order for order in page["orders"]}
        after = page["next"]
        if after is None:
            break
    return Known(book, orders, await replayed(desk))


async def replayed(desk: Client) -> list[JSON]:
    """Every event from the first cursor to the newest."""
    newest = (await desk.info())["cursor"]
    events: list[JSON] = []
    async with desk.subscribe(from_=0) as told:
        while not events or events[-1]["cursor"] < newest:
            event = await anext(told)
            if event["type"] != "heartbeat":
                events.append(event)
    return events


def disagreements(steady: Steady, knows: Known, *, settles: bool) -> list[str]:
    """Whatever does not fit together. `settles`: there is a way (REST, or a drop copy) to learn of every order."""
    wrong = list(steady.faults)
    wrong += _of_events(steady.heard, knows.replayed)
    fills, latest = _fold(knows.replayed, wrong)
    wrong += [f"{key} was accepted and is lost" for key in steady.accepted if key not in knows.orders]
    wrong += _of_replies(steady.accepted, knows.replayed)
    doubted = {e["order"]["original_client_order_id"] for e in knows.replayed if e["type"] == "order.in_doubt"}
    wrong += [
        f"{key} is in doubt in silence" for key, o in knows.orders.items() if o["in_doubt"] and key not in doubted
    ]
    wrong += [f"{key} was never asked for" for key in knows.orders if key not in steady.asked]
    wrong += [f"the venue has {key}, the daemon does not" for key in knows.book if key not in knows.orders]
    for key, order in knows.orders.items():
        last = latest.get(key, {})
        wrong += [
            f"{key}: {n} is {order[n]}, {last.get(n)} was told"
            for n in order.keys() - MOVING
            if order[n] != last.get(n)
        ]
        at_venue = knows.book.get(key)
        told = fills.get(key, {})
        wrong += [f"{key}: {what}" for what in _of_order(order, at_venue, told, settles, knows.named)]
    return wrong


def _of_events(heard: Sequence[JSON], replayed: Sequence[JSON]) -> Iterator[str]:
    """What was heard live is what the journal has, to the last member, without gap or repeat."""
    if [event["cursor"] for event in replayed] != list(range(1, len(replayed) + 1)):
        yield "the journal's cursors do not rise by one"
    if len(heard) > len(replayed):
        yield f"{len(heard)} events were heard, {len(replayed)} are kept"
    for live, kept in zip(heard, replayed, strict=False):
        if live != kept:
            yield f"heard {live}, kept {kept}"


def _of_replies(accepted: Mapping[str, JSON], replayed: Sequence[JSON]) -> Iterator[str]:
    """The cursor that a client was given for its order is of the event that tells of its acceptance."""
    for key, reply in accepted.items():
        event = replayed[reply["cursor"] - 1] if reply["cursor"] <= len(replayed) else {}
        if event.get("order", {}).get("original_client_order_id") != key:
            yield f"{key} was accepted with {reply}, where {event} was told"


def _fold(events: Sequence[JSON], wrong: list[str]) -> tuple[dict[str, dict[str, JSON]], dict[str, JSON]]:
    """The fills that stand, by order and exec_id, and every order as it was told last."""
    fills: dict[str, dict[str, JSON]] = {}
    latest: dict[str, JSON] = {}
    for event in events:
        if event.get("order") is None:
            continue
        key = event["order"]["original_client_order_id"]
        latest[key] = event["order"]
        if "fill" not in event:
            continue
        fill, mine = event["fill"], fills.setdefault(key, {})
        before = {"order.fill_busted": fill["exec_id"], "order.fill_corrected": event.get("replaces")}
        former = before.get(event["type"])
        if former is not None and mine.pop(former, None) is None:
            wrong.append(f"{key}: {event['type']} of {former}, which does not stand")
        if event["type"] != "order.fill_busted":
            if fill["exec_id"] in mine:
                wrong.append(f"{key}: {fill['exec_id']} was told twice")
            mine[fill["exec_id"]] = fill
    return fills, latest


def _of_order(
    order: JSON, at_venue: JSON | None, told: Mapping[str, JSON], settles: bool, named: bool
) -> Iterator[str]:
    if total(told.values()) != Decimal(order["filled_quantity"]):
        yield f"{total(told.values())} is told in fills, {order['filled_quantity']} in the order"
    if at_venue is None:
        if order["order_id"] is not None or told or not (order["in_doubt"] or _never_left(order)):
            yield f"the venue does not have it, but it is {order}"
        return
    if at_venue["received"] != 1:
        yield f"the venue received it {at_venue['received']} times"
    if order["in_doubt"]:
        if settles or order["order_id"] is not None:
            yield f"still in doubt, and the venue has it: {order}"
        return
    if at_venue["status"] not in LETTERS.get(order["status"], ""):
        yield f"is {order['status']} here, {at_venue['status']} at the venue: {order} {at_venue}"
    if order.get("limit_price") != at_venue["limit_price"] or order["chain"] != at_venue["chain"]:
        yield f"has other terms here than at the venue: {order} {at_venue}"
    yield from _of_fills(order, at_venue, told, named)


def _never_left(order: JSON) -> bool:
    return order["sent_at"] is None and order["status"] in FINAL


def _of_fills(order: JSON, at_venue: JSON, told: Mapping[str, JSON], named: bool) -> Iterator[str]:
    real = {fill["exec_id"]: fill for fill in at_venue["fills"]}
    exact = all(not fill.get("approximate") and fill["source"] != "rest" for fill in told.values())
    for exec_id, fill in told.items():
        if fill.get("approximate") or (fill["source"] == "rest" and not named):
            continue
        if exec_id not in real:
            yield f"{exec_id} is none of the venue's executions"
        elif _terms_of(fill) != (Decimal(real[exec_id]["quantity"]), Decimal(real[exec_id]["price"])):
            yield f"{exec_id} is {fill} here and {real[exec_id]} at the venue"
    if total(told.values()) != Decimal(at_venue["filled"]):
        yield f"{total(told.values())} is told in fills, {at_venue['filled']} filled at the venue"
    elif exact and told.keys() != real.keys():
        yield f"the fills are {sorted(told)} here and {sorted(real)} at the venue"
    wanted = sum((Decimal(f["quantity"]) * Decimal(f["price"]) for f in real.values()), Decimal(0))
    value = sum((quantity * price for quantity, price in map(_terms_of, told.values())), Decimal(0))
    if abs(value - wanted) > (Decimal(0) if exact else wanted * APPROXIMATELY):
        yield f"the fills are worth {value} here and {wanted} at the venue"
    commission = sum((Decimal(f["commission"]) for f in real.values()), Decimal(0))
    if exact and Decimal(order["commission"]) != commission:
        yield f"the commission is {order['commission']} here and {commission} at the venue"


def total(fills: Any) -> Decimal:
    """Base units of these fills."""
    return sum((Decimal(fill["last_quantity"]) for fill in fills), Decimal(0))


def _terms_of(fill: JSON) -> tuple[Decimal, Decimal]:
    return Decimal(fill["last_quantity"]), Decimal(fill["last_price"])
