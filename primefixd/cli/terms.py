"""The options that say what is to be traded: one table, named like the fields of the control protocol.

Sizes and prices pass as they were written. What goes with what is the daemon's to say, not this table's.
"""

from collections.abc import Callable, Collection
from enum import StrEnum
from typing import Any

import click

from primefixd.orders.model import OrderType, PegOffsetType, Side, TimeInForce


def _word(words: type[StrEnum], metavar: str | None = None, **more: Any) -> dict[str, Any]:
    choice = click.Choice(list(map(str, words)), case_sensitive=False)
    return {"type": choice, "metavar": metavar or "|".join(words), **more}


def _decimal(help_: str) -> dict[str, Any]:
    return {"metavar": "DECIMAL", "help": help_}


def _time(help_: str) -> dict[str, Any]:
    return {"metavar": "TIME", "help": help_}


def _flag(help_: str) -> dict[str, Any]:
    return {"is_flag": True, "default": None, "help": help_}


_OPTIONS: dict[str, dict[str, Any]] = {
    "product_id": {"help": "Such as BTC-USD."},
    "side": _word(Side),
    "type": _word(OrderType, "WORD", help=", ".join(OrderType)),
    "base_quantity": _decimal("The size in the base currency; or:"),
    "quote_value": _decimal("The size in the quote currency."),
    "limit_price": _decimal("The worst price; no MARKET order has one."),
    "stop_price": _decimal("Where a STOP_LIMIT order wakes."),
    "time_in_force": _word(TimeInForce, "WORD", help=", ".join(TimeInForce)),
    "expiry_time": _time("With GOOD_UNTIL_DATE_TIME, such as 2026-01-31T16:55:00Z."),
    "start_time": _time("When a TWAP or VWAP order begins."),
    "historical_pov": _decimal("Share of the volume that a TWAP or VWAP order takes, instead of an expiry time."),
    "post_only": _flag("Reject the order rather than let it take liquidity."),
    "display_base_size": _decimal("How much of the base quantity others see."),
    "display_quote_size": _decimal("How much of the quote value others see."),
    "is_raise_exact": _flag("SELL by quote value: raise just that, fees paid."),
    "is_buy_exact": _flag("BUY by quote value: spend just that on the asset, fees on top."),
    "peg_offset_type": _word(PegOffsetType, "WORD", help=", ".join(PegOffsetType)),
    "offset": _decimal("How far from its reference a PEG order stays; may be negative."),
    "wig_level": _decimal("A PEG order's would-if-good price."),
    "quote_id": {"metavar": "ID", "help": "The quote that an RFQ order accepts; accept-quote is shorter."},
}

SUBMIT = tuple(_OPTIONS)
REPLACE = ("base_quantity", "quote_value", "limit_price", "stop_price", "expiry_time", "display_base_size")
QUOTE = ("product_id", "side", "base_quantity", "quote_value", "limit_price")


def term_options(*names: str, required: Collection[str] = ()) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds the options of those fields, in that order, to a command, which gets None for what was not given."""

    def adding(command: Callable[..., Any]) -> Callable[..., Any]:
        for name in reversed(names):
            option = "--" + name.replace("_", "-")
            command = click.option(option, name, required=name in required, **_OPTIONS[name])(command)
        return command

    return adding


def given(terms: dict[str, Any]) -> dict[str, Any]:
    """Those that were given."""
    return {name: value for name, value in terms.items() if value is not None}
