"""Commands that trade: `submit`, `replace`, `cancel`, `cancel-all`. What is allowed, the daemon says, in its words.

Every order gets its client_order_id here, so that it can be asked for whatever happens to the reply.
"""

import sys
from typing import Any

import click

from primefixd.cli.connection import Daemon, ask, daemon_options
from primefixd.cli.look import by_either_id, event_line, portfolio_option
from primefixd.cli.output import Exit, Failure, say, say_json, warn
from primefixd.cli.randomness import new_id
from primefixd.cli.terms import REPLACE, SUBMIT, given, term_options
from primefixd.client import JSON, Client, ConnectionLost, EventsLost
from primefixd.orders.model import FINAL, OrderType, Status

name_option = click.option("--client-order-id", metavar="ID", help="Unique in the portfolio; a UUID if left out.")
wait_option = click.option("--wait", is_flag=True, help="Follow it until it is final; exit 1 if it ends REJECTED.")


@click.command(
    epilog="Example: primefixd submit --product-id BTC-USD --side BUY --type LIMIT --base-quantity 0.1 "
    "--limit-price 50000 --time-in-force GOOD_UNTIL_CANCELLED --wait"
)
@term_options(*SUBMIT, required=("product_id", "side", "type"))
@name_option
@portfolio_option
@click.option("--session", help="Send it on this session and no other.")
@click.option("--ttl-ms", type=int, metavar="MS", help="Never send it later than so long after now.")
@click.option("--deadline", metavar="TIME", help="Never send it later than this.")
@wait_option
@daemon_options
def submit(daemon: Daemon, as_json: bool, wait: bool, **terms: Any) -> None:
    """Submit an order.

    Options are named like the fields of the control protocol. Sizes and prices are plain decimals.
    """
    place(daemon, terms, as_json=as_json, wait=wait)


def place(daemon: Daemon, terms: dict[str, Any], *, as_json: bool, wait: bool, argument: str | None = None) -> None:
    """Submit the order of these terms and tell what came of it; `argument` is the term that has no option."""
    order = {"client_order_id": new_id()} | given(terms)
    names = {} if argument is None else {argument: f"{argument.partition('_')[0]} {order[argument]}"}
    if wait:
        _end_with(ask(daemon, lambda client: _followed(client, order, as_json), names), as_json)
        return
    told = ask(daemon, lambda client: _submitted(client, order), names)
    say_json(told) if as_json else say(_receipt(told))


async def _submitted(client: Client, order: JSON) -> JSON:
    return await _taken(client, order["client_order_id"], "order.submit", order)


async def _taken(client: Client, name: str, method: str, params: JSON) -> JSON:
    """The daemon's answer; should it be lost, the order called `name` is what to ask for."""
    try:
        told: JSON = await client.call(method, **params)
    except ConnectionLost as lost:
        raise _unknown(lost, name) from None
    if told["warnings"]:
        warn(*told["warnings"])
    return told


def _unknown(lost: ConnectionLost, name: str) -> Failure:
    """Nothing is known of the order since then; an id of it is what to ask with."""
    return Failure(f"{lost}: primefixd order {name}" if lost.sent else str(lost), code=Exit.NO_DAEMON)


def _receipt(told: JSON) -> str:
    return f"{told['client_order_id']} {told['status']}{_before(told, 'submitted')}"


def _before(told: JSON, done: str) -> str:
    return f" (was {done} before; nothing was sent)" if told["duplicate"] else ""


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
    return same_portfolio and order["client_order_id"] in told.get("chain", ())


def _end_with(order: JSON, as_json: bool) -> None:
    if as_json:
        say_json(order)
    if order["status"] == Status.REJECTED:
        why = ": ".join(filter(None, (order["reject_reason"], order["reject_text"]))) or "no reason given"
        what = "ask for another quote" if order["type"] == OrderType.RFQ else "submit it anew with another id"
        raise Failure(f"order {order['client_order_id']} was rejected: {why}; {what}")


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


@click.command(epilog="Example: primefixd replace 0190a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b --limit-price 50100")
@click.argument("id_", metavar="ID")
@term_options(*REPLACE)
@click.option("--new-client-order-id", metavar="ID", help="What the order goes by from then on; a UUID if left out.")
@portfolio_option
@daemon_options
def replace(daemon: Daemon, as_json: bool, id_: str, portfolio: str | None, **changes: Any) -> None:
    """Give the order with this ID, its client's or the venue's, new terms under a new id.

    Sizes are totals, what is filled already included. What is not given stays as it is; should the venue refuse, all
    of it does. `primefixd order ID` tells how far the replace has come.
    """
    wanted = {"new_client_order_id": new_id()} | given(changes)

    async def request(client: Client) -> JSON:
        async def method(name: str = "", *, order_id: str | None = None, portfolio: str | None) -> JSON:
            if order_id is not None:
                name = (await client.order(order_id=order_id, portfolio=portfolio))["client_order_id"]
            params = wanted | {"client_order_id": name, "portfolio": portfolio}
            return await _taken(client, name, "order.replace", params)

        told: JSON = await by_either_id(method, id_, portfolio)
        return told

    told = ask(daemon, request, {"client_order_id": f"order {id_}"})
    before = _before(told, "asked")
    line = f"{told['client_order_id']} is to replace {id_}, which is {told['status']}{before}"
    say_json(told) if as_json else say(line)


@click.command(epilog="Example: primefixd cancel-all --portfolio main --product-id BTC-USD --side BUY --yes")
@click.option("--portfolio", help="Only of this portfolio; of all that the token reaches if left out.")
@term_options("product_id", "side")
@click.option("--yes", is_flag=True, help="Do not ask first.")
@daemon_options
def cancel_all(
    daemon: Daemon, as_json: bool, yes: bool, portfolio: str | None, product_id: str | None, side: Any
) -> None:
    """Cancel every open order, of one portfolio, product or side if told."""
    where = f"portfolio {portfolio}" if portfolio else "every portfolio that the token reaches"
    if not yes:
        _agreed(f"cancel every open {' '.join(filter(None, (product_id, side, 'order')))} of {where}?")

    async def request(client: Client) -> int:
        return await client.cancel_all(portfolio=portfolio, product_id=product_id, side=side)

    requested = ask(daemon, request)
    say_json({"requested": requested}) if as_json else say(f"cancels requested: {requested}")


def _agreed(question: str) -> None:
    """Returns if the answer is yes."""
    click.echo(f"{question} [y/N] ", err=True, nl=False)
    answer = sys.stdin.readline()
    if not answer:
        raise click.UsageError("nobody answered; give --yes to cancel without being asked")
    if answer.strip().lower() not in ("y", "yes"):
        raise Failure("nothing was cancelled; narrow it down with --portfolio, --product-id and --side")
