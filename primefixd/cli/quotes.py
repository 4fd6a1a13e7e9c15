"""Commands for quotes: `rfq` asks for one and waits for it, `accept-quote` trades at it.

A quote binds only who accepts it: one that was asked for and not heard of is simply asked for anew.
"""

import shlex
from typing import Any

import click
import trio

from primefixd.cli.connection import Daemon, ask, daemon_options
from primefixd.cli.look import portfolio_option
from primefixd.cli.output import Exit, Failure, plain, say, say_json
from primefixd.cli.randomness import new_id
from primefixd.cli.terms import QUOTE, given, term_options
from primefixd.cli.trade import name_option, place, wait_option
from primefixd.client import JSON, Client, ConnectionLost, EventsLost
from primefixd.control.parameters import AUCTION_MAX_MS

MARGIN_S = 10.0  # beside the auction: 5 s in which the daemon may send the request, and the way there and back
_REFUSAL = ("quote_request_id", "quote_id", "account", "product_id", "reason", "text")
_NEEDED = ("product_id", "side", "limit_price")


@click.command(epilog="Example: primefixd rfq --product-id BTC-USD --side BUY --base-quantity 0.5 --limit-price 61000")
@term_options(*QUOTE, required=_NEEDED)
@click.option("--auction-ms", type=click.IntRange(1, AUCTION_MAX_MS), metavar="MS", help="How long others may bid.")
@click.option("--quote-request-id", metavar="ID", help="Unique in the portfolio; a UUID if left out.")
@portfolio_option
@daemon_options
def rfq(daemon: Daemon, as_json: bool, **terms: Any) -> None:
    """Ask for a quote, wait for it, and show it with the command that accepts it.

    Waits as long as the auction may last (30 s unless told) and 10 s more; exit 1 if no quote came.
    """
    wanted = {"quote_request_id": new_id()} | given(terms)
    event = ask(daemon, lambda client: _quoted(client, wanted))
    quote = event.get("quote")
    if as_json:
        say_json(quote or {name: event[name] for name in _REFUSAL})
    if quote is None:
        why = f"{event['reason']}: {event['text']}" if event["text"] else event["reason"]
        raise Failure(f"no quote: {why}; ask with other terms, or later")
    if not as_json:
        price, until = quote["price"], quote["valid_until"]
        terms_told = f"{wanted['side']} {quote['quantity']} {wanted['product_id']} at {price}"
        say(plain(f"{quote['quote_id']} {terms_told}{f' until {until}' if until else ''}"))
        say(plain(_acceptance(quote, wanted)))


async def _quoted(client: Client, wanted: JSON) -> JSON:
    """The event that answers the request. Subscribed before it is sent, so that nothing is missed."""
    wait_s = wanted.get("auction_ms", AUCTION_MAX_MS) / 1000 + MARGIN_S
    portfolio = wanted.get("portfolio")
    async with client.subscribe(portfolios=[portfolio] if portfolio else None) as events:
        await client.call("quote.request", **wanted)
        try:
            with trio.fail_after(wait_s):
                while not _answers(event := await anext(events), wanted["quote_request_id"]):
                    pass
        except trio.TooSlowError:
            raise Failure(f"no quote came within {wait_s:g} s; ask again") from None
        except (ConnectionLost, EventsLost) as lost:
            raise Failure(f"{str(lost).partition(';')[0]}; ask for another quote", code=Exit.NO_DAEMON) from None
    return event


def _answers(event: JSON, quote_request_id: str) -> bool:
    told = {"quote.received": event.get("quote"), "quote.rejected": event}.get(event["type"])
    return told is not None and told["quote_request_id"] == quote_request_id


def _acceptance(quote: JSON, wanted: JSON) -> str:
    """The command that accepts the quote, to be copied."""
    names = [name for name in ("portfolio", *QUOTE) if name in wanted]
    terms = wanted | ({"limit_price": quote["price"]} if quote["price"] else {})
    options = [part for name in names for part in (f"--{name.replace('_', '-')}", terms[name])]
    return shlex.join(["primefixd", "accept-quote", quote["quote_id"], *options])


@click.command(
    epilog="Example: primefixd accept-quote 7f1e --product-id BTC-USD --side BUY --base-quantity 0.5 "
    "--limit-price 60012 --wait"
)
@click.argument("quote_id")
@term_options(*QUOTE, required=_NEEDED)
@name_option
@portfolio_option
@wait_option
@daemon_options
def accept_quote(daemon: Daemon, as_json: bool, wait: bool, **terms: Any) -> None:
    """Trade at the quote QUOTE_ID: an RFQ order of just its terms, as `rfq` shows them."""
    place(daemon, {"type": "RFQ", **terms}, as_json=as_json, wait=wait, argument="quote_id")
