"""Commands that trade: `submit` and `cancel`. What is allowed, the daemon says; a refusal of it is told in its words.

Every order gets its client_order_id here, so that it can be asked for whatever happens to the reply.
"""

from enum import StrEnum
from typing import Any

import click

from primefixd.cli.connection import Daemon, ask, daemon_options
from primefixd.cli.look import by_either_id, event_line, portfolio_option
from primefixd.cli.output import Exit, Failure, say, say_json, warn
from primefixd.cli.randomness import new_id
from primefixd.client import JSON, Client, ConnectionLost, EventsLost
from primefixd.orders.model import FINAL, OrderType, Side, Status, TimeInForce


def _words(words: type[StrEnum]) -> click.Choice[str]:
    return click.Choice(list(map(str, words)), case_sensitive=False)


@click.command(
    epilog="Example: primefixd submit --product-id BTC-USD --side BUY --type LIMIT --base-quantity 0.1 "
    "--limit-price 50000 --time-in-force GOOD_UNTIL_CANCELLED --wait"
)
@click.option("--product-id", required=True, help="Such as BTC-USD.")
@click.option("--side", required=True, type=_words(Side), metavar="|".join(Side))
@click.option("--type", "type", required=True, type=_words(OrderType), metavar="|".join(OrderType))
@click.option("--base-quantity", metavar="DECIMAL", help="The size in the base currency; or:")
@click.option("--quote-value", metavar="DECIMAL", help="The size in the quote currency.")
@click.option("--limit-price", metavar="DECIMAL", help="Needed by LIMIT orders.")
@click.option("--time-in-force", type=_words(TimeInForce), metavar="WORD", help=", ".join(TimeInForce))
@click.option("--expiry-time", metavar="TIME", help="With GOOD_UNTIL_DATE_TIME, such as 2026-01-31T16:55:00Z.")
@click.option("--post-only", is_flag=True, default=None, help="Reject the order rather than let it take liquidity.")
@click.option("--client-order-id", metavar="ID", help="Unique in the portfolio; a UUID if left out.")
@portfolio_option
@click.option("--session", help="Send it on this session and no other.")
@click.option("--ttl-ms", type=int, metavar="MS", help="Never send it later than so long after now.")
@click.option("--deadline", metavar="TIME", help="Never send it later than this.")
@click.option("--wait", is_flag=True, help="Follow the order until it is final; exit 1 if it ends REJECTED.")
@daemon_options
def submit(daemon: Daemon, as_json: bool, wait: bool, client_order_id: str | None, **terms: Any) -> None:
    """Submit an order.

    Options are named like the fields of the control protocol. Sizes and prices are plain decimals.
    """
    given = {name: value for name, value in terms.items() if value is not None}
    order = given | {"client_order_id": client_order_id or new_id()}
    if wait:
        _end_with(ask(daemon, lambda client: _followed(client, order, as_json)), as_json)
        return
    told = ask(daemon, lambda client: _submitted(client, order))
    say_json(told) if as_json else say(_receipt(told))


async def _submitted(client: Client, order: JSON) -> JSON:
    try:
        told: JSON = await client.call("order.submit", **order)
    except ConnectionLost as lost:
        raise _unknown(lost, order["client_order_id"]) from None
    if told["warnings"]:
        warn(*told["warnings"])
    return told


def _unknown(lost: ConnectionLost, name: str) -> Failure:
    """Nothing is known of the order since then; its id is what to ask with."""
    return Failure(f"{lost}: primefixd order {name}" if lost.sent else str(lost), code=Exit.NO_DAEMON)


def _receipt(told: JSON) -> str:
    again = " (was submitted before; nothing was sent)" if told["duplicate"] else ""
    return f"{told['client_order_id']} {told['status']}{again}"


async def _followed(client: Client, order: JSON, as_json: bool) -> JSON:
    """The order when it is final. Subscribed before it is submitted, so that nothing is missed."""
    name = order["client_order_id"]
    async with client.subscribe() as events:
        told = await _submitted(client, order)
        if not as_json:
            say(_receipt(told))
        try:
            found = await client.order(name, portfolio=order.get("portfolio")) if told["duplicate"] else told
            while found["status"] not in FINAL:
                event = await anext(events)
                if _is_about(event, order):
                    found = event["order"]
                    if not as_json:
                        say(event_line(event))
        except (ConnectionLost, EventsLost) as lost:
            why = str(lost).partition(";")[0]
            raise Failure(f"{why}; ask what became of it: primefixd order {name}", code=Exit.NO_DAEMON) from None
    return found


def _is_about(event: JSON, order: JSON) -> bool:
    told = event.get("order") or {}
    same_portfolio = order.get("portfolio") in (None, told.get("portfolio"))
    return same_portfolio and told.get("client_order_id") == order["client_order_id"]


def _end_with(order: JSON, as_json: bool) -> None:
    if as_json:
        say_json(order)
    if order["status"] == Status.REJECTED:
        why = order["reject_reason"] or "no reason given"
        raise Failure(f"order {order['client_order_id']} was rejected: {why}; submit it anew with another id")


@click.command(epilog="Example: primefixd cancel 0190a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b")
@click.argument("id_", metavar="ID")
@portfolio_option
@daemon_options
def cancel(daemon: Daemon, as_json: bool, id_: str, portfolio: str | None) -> None:
    """Cancel the order with this ID, its client's or the venue's.

    The daemon keeps the request until the venue has settled it; `primefixd order ID` tells how far it has come.
    """

    async def request(client: Client) -> JSON:
        told: JSON = await by_either_id(client.cancel, id_, portfolio)
        return told

    told = ask(daemon, request)
    say_json(told) if as_json else say(f"{told['client_order_id']} {told['status']}")
