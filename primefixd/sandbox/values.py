"""Amounts as the wire writes them, and the arithmetic between amounts.

Amounts are Decimal in a context wide enough that no size a client can write makes a rounding error or a signal. It is
written apart from `primefixd.prime`, so that a mistake there is not repeated here and hidden by that.
"""

import re
from collections.abc import Iterable
from decimal import ROUND_DOWN, Context, Decimal

AMOUNT_MAX_DIGITS = 20  # on each side of the point; more is not an amount
BASE_INCREMENT = Decimal("0.00000001")
AVERAGE_INCREMENT = Decimal("1E-12")

_EXACT = Context(prec=120, rounding=ROUND_DOWN)
_AMOUNT = re.compile(rf"[0-9]{{1,{AMOUNT_MAX_DIGITS}}}(\.[0-9]{{1,{AMOUNT_MAX_DIGITS}}})?")


def read_amount(text: str | None) -> Decimal | None:
    """The amount above zero that `text` writes, or None for anything else (signs and exponents too)."""
    if text is None or not _AMOUNT.fullmatch(text):
        return None
    return Decimal(text) or None


def read_offset(text: str | None) -> Decimal | None:
    """As `read_amount`, but 0 and less are offsets too."""
    sign, text = (-1, text[1:]) if text is not None and text.startswith("-") else (1, text)
    return sign * Decimal(text) if text is not None and _AMOUNT.fullmatch(text) else None


def write_amount(amount: Decimal) -> str:
    """The digits of `amount`, never an exponent (order-rules.md 22)."""
    return format(amount.normalize(_EXACT), "f")


def product(left: Decimal, right: Decimal) -> Decimal:
    return _EXACT.multiply(left, right)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum."""
    result = Decimal(0)
    for amount in amounts:
        result = _EXACT.add(result, amount)
    return result


def minus(left: Decimal, right: Decimal) -> Decimal:
    return _EXACT.subtract(left, right)


def quotient(left: Decimal, right: Decimal, increment: Decimal) -> Decimal:
    """left ÷ right, down to a whole number of increments."""
    return down(_EXACT.divide(left, right), increment)


def down(amount: Decimal, increment: Decimal) -> Decimal:
    """The largest whole number of increments that is not above `amount`."""
    return _EXACT.quantize(amount, increment)
