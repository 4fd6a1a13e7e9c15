"""Commands that look: `status`, `sessions`, `orders`, `order`, `tail`. They change nothing."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import click

from primefixd.cli.connection import Daemon, ask, daemon_options
from primefixd.cli.output import Exit, Failure, moment, plain, say, say_json, say_pairs, say_table, span
from primefixd.client import JSON, Client, ConnectionLost, EventsLost, Refused
from primefixd.runtime.link import CLOCK_REFUSE_S

PAGE_MAX = 1000  # orders in one page of the daemon's list

portfolio_option = click.option("--portfolio", help="The portfolio's name; needed where the token reaches several.")


@click.command(epilog="Example: primefixd status --token-file desk.token")
@daemon_options
def status(daemon: Daemon, as_json: bool) -> None:
    """Show the daemon at one glance: portfolios, sessions, open orders, what is in doubt, the next window."""

    async def look(client: Client) -> tuple[JSON, list[JSON], list[JSON]]:
        return await client.info(), await client.portfolios(), await client.sessions()

    server, portfolios, sessions = ask(daemon, look)
    if as_json:
        say_json({"server": server, "portfolios": portfolios, "sessions": sessions})
        return
    now = moment(server["time"])
    say(f"primefixd {plain(server['version'])}, venue {plain(server['venue'])}, {_window(server, now)}")
    say()
    say_table(
        ("PORTFOLIO", "STATE", "SESSIONS UP", "OPEN ORDERS", "IN DOUBT"),
        [(p["name"], p["state"], _up(p, sessions), p["open_orders"], p["in_doubt"]) for p in portfolios],
        folding=("PORTFOLIO",),
    )
    _say_troubles(sessions, now)


def _up(portfolio: JSON, sessions: Sequence[JSON]) -> str:
    states = [session["state"] for session in sessions if session["portfolio"] == portfolio["name"]]
    return f"{states.count('ACTIVE')}/{len(states)}"


def _window(server: JSON, now: datetime | None) -> str:
    start = moment(server["next_window"])
    if start is None or now is None:
        return "next window unknown"
    if start <= now:
        return f"maintenance window since {start:%H:%M} UTC"
    return f"next window in {span((start - now).total_seconds())} ({start:%H:%M} UTC)"


def _say_troubles(sessions: Sequence[JSON], now: datetime | None) -> None:
    for trouble in troubles(sessions, now):
        say()
        say(plain(trouble))


def troubles(sessions: Sequence[JSON], now: datetime | None) -> Iterator[str]:
    """Why sessions are not up, a line for each reason, since one cause often has many of them down; a wrong clock."""
    down: dict[tuple[str, str], list[JSON]] = {}
    for session in sessions:
        if session["state"] != "ACTIVE" and session["last_error"]:
            down.setdefault((session["state"], session["last_error"]), []).append(session)
    for (state, error), group in down.items():
        more = f" and {len(group) - 1} more are" if len(group) > 1 else " is"
        yield f"{group[0]['name']}{more} {state}: {error}{_next_attempt(group, now)}"
    off_ms = max((abs(session["clock_offset_ms"] or 0.0) for session in sessions), default=0.0)
    if off_ms >= CLOCK_REFUSE_S * 1000:
        yield f"this machine's clock is {off_ms / 1000:.1f} s off the venue's: new orders are refused until it is right"


def _next_attempt(group: Sequence[JSON], now: datetime | None) -> str:
    times = [time for session in group if (time := moment(session["next_attempt_at"]))]
    return f"; next attempt in {span(max((min(times) - now).total_seconds(), 0))}" if times and now else ""


@click.command(epilog="Example: primefixd sessions --json | jq -r '.sessions[] | .name + \" \" + .state'")
@daemon_options
def sessions(daemon: Daemon, as_json: bool) -> None:
    """List the FIX sessions: state, traffic, what may still leave in this second, clock and round trip."""

    async def look(client: Client) -> tuple[JSON, list[JSON]]:
        return await client.info(), await client.sessions()

    server, found = ask(daemon, look)
    if as_json:
        say_json({"sessions": found})
        return
    say_table(
        ("SESSION", "ROLE", "STATE", "SENT", "RECEIVED", "QUEUE", "LEFT", "CLOCK", "RTT"),
        [
            (
                *(s[name] for name in ("name", "role", "state", "sent", "received", "queue", "budget")),
                *(_ms(s[name]) for name in ("clock_offset_ms", "round_trip_ms")),
            )
            for s in found
        ],
        folding=("SESSION",),
    )
    _say_troubles(found, moment(server["time"]))


def _ms(value: float | None) -> str | None:
    return None if value is None else f"{value:.1f} ms" if abs(value) < 100 else f"{value:.0f} ms"


@click.command(epilog="Example: primefixd orders --open --product-id BTC-USD")
@click.option("--open", "open_only", is_flag=True, help="Only orders that can still execute.")
@portfolio_option
@click.option("--product-id", help="Only orders of this product.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many, the oldest first.")
@daemon_options
def orders(
    daemon: Daemon, as_json: bool, open_only: bool, portfolio: str | None, product_id: str | None, limit: int | None
) -> None:
    """List orders, the oldest first."""

    async def look(client: Client) -> list[JSON]:
        return await every_order(client, limit, portfolio=portfolio, open=open_only, product_id=product_id)

    found = ask(daemon, look)
    if as_json:
        say_json({"orders": found})
    elif not found:
        say("no open orders" if open_only else "no orders")
    else:
        say_table(
            ("ORDER", "PRODUCT", "SIDE", "SIZE", "PRICE", "FILLED", "STATUS"),
            [
                (
                    *(o[name] for name in ("client_order_id", "product_id", "side")),
                    *(size_of(o), o.get("limit_price"), o["filled_quantity"], _standing(o)),
                )
                for o in found
            ],
            folding=("ORDER", "SIZE", "PRICE", "FILLED"),
        )


async def every_order(client: Client, limit: int | None, page_max: int = PAGE_MAX, **wanted: Any) -> list[JSON]:
    """The orders `wanted`, at most `limit`, asked for in pages of at most `page_max`."""
    found: list[JSON] = []
    after: str | None = None
    while limit is None or len(found) < limit:
        size = page_max if limit is None else min(page_max, limit - len(found))
        page = await client.orders(limit=size, after=after, **wanted)
        found += page["orders"]
        after = page["next"]
        if after is None:
            break
    return found


def size_of(order: JSON) -> str:
    """The size as it was given: `0.1`, or `1000 quote` for an order sized in the quote currency."""
    return str(order["base_quantity"]) if "base_quantity" in order else f"{order.get('quote_value')} quote"


def _standing(order: JSON) -> str:
    return f"{order['status']}?" if order["in_doubt"] else str(order["status"])


@click.command(epilog="Example: primefixd order 0190a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b")
@click.argument("id_", metavar="ID")
@portfolio_option
@daemon_options
def order(daemon: Daemon, as_json: bool, id_: str, portfolio: str | None) -> None:
    """Show the order with this ID, its client's or the venue's."""

    async def look(client: Client) -> JSON:
        found: JSON = await by_either_id(client.order, id_, portfolio)
        return found

    found = ask(daemon, look)
    if as_json:
        say_json(found)
        return
    say_pairs((name, _shown(value)) for name, value in found.items() if value != [found["client_order_id"]])


async def by_either_id(method: Any, id_: str, portfolio: str | None) -> Any:
    """`method` with the id as the client's; if there is no such order, with the id as the venue's."""
    try:
        return await method(id_, portfolio=portfolio)
    except Refused as refused:
        if refused.reason != "unknown_order":
            raise
        return await method(order_id=id_, portfolio=portfolio)


def _shown(value: Any) -> str | None:
    """A member's value in words; None for what says nothing."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name} {each}" for name, each in value.items() if each is not None)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return None if value is None else str(value)


@click.command(epilog="Example: primefixd tail --json --from 4711 | jq 'select(.type == \"order.filled\")'")
@click.option("--from", "from_", metavar="CURSOR", type=click.IntRange(min=0), help="First the events after this one.")
@click.option("--portfolio", "portfolios", multiple=True, help="Only of this portfolio; may be given several times.")
@daemon_options
def tail(daemon: Daemon, as_json: bool, from_: int | None, portfolios: tuple[str, ...]) -> None:
    """Follow events as they happen, one line each, until Ctrl-C.

    Each begins with its cursor. With --json every event is an object on a line, heartbeats included.
    """

    async def follow(client: Client) -> None:
        async with client.subscribe(from_=from_, portfolios=list(portfolios) or None) as events:
            try:
                async for event in events:
                    _tell(event, as_json)
            except (ConnectionLost, EventsLost) as lost:
                code = Exit.NO_DAEMON if isinstance(lost, ConnectionLost) else Exit.REFUSED
                why = str(lost).partition(";")[0]
                raise Failure(f"{why}; go on with: primefixd tail --from {events.cursor}", code=code) from None

    ask(daemon, follow)


def _tell(event: JSON, as_json: bool) -> None:
    if as_json:
        say_json(event)
    elif event["type"] != "heartbeat":
        say(event_line(event))


def event_line(event: JSON) -> str:
    """An event for people: cursor, time, portfolio, type, and what happened."""
    time = moment(event["time"])
    clock = f"{time:%H:%M:%S}.{time.microsecond // 1000:03d}" if time else "--:--:--"
    head = f"{event['cursor']:>6} {clock} {event.get('portfolio') or '-'} {event['type']}"
    return plain(f"{head} {_what(event)}".rstrip())


def _what(event: JSON) -> str:
    match event:
        case {"order": order, "fill": fill}:
            done = f"{fill['last_quantity']} at {fill['last_price']}, {order['filled_quantity']} in all"
            return f"{order['client_order_id']} {order['status']} {order['side']} {order['product_id']} {done}"
        case {"order": order}:
            price = f" at {order['limit_price']}" if order.get("limit_price") else ""
            cancel = (order.get("cancel") or {}).get("state")
            why = (
                event.get("text")
                or event.get("reason")
                or order.get("reject_reason")
                or (cancel and f"cancel {cancel}")
            )
            what = f"{order['side']} {size_of(order)} {order['product_id']}{price}"
            return f"{order['client_order_id']} {_standing(order)} {what}{f': {why}' if why else ''}"
        case {"session": {"name": name, "state": state, "last_error": error}}:
            return f"{name} {state}{f': {error}' if error else ''}"
        case {"portfolio_state": {"state": state, "open_orders": count}}:
            return f"{state}, {count} open orders"
    known = ("cursor", "previous", "time", "type", "portfolio")
    return ", ".join(f"{name} {_shown(value)}" for name, value in event.items() if name not in known)
