"""What the venue would refuse about an order's terms, told before anything leaves.

The rules are rows of `venue.STRATEGIES`; what they do not forbid goes to the venue as it is (prime-fix.md section 7).
Whether a time lies in the past is not judged here: there is no clock.
"""

from attrs import frozen

from primefixd.orders.model import Terms, TimeInForce
from primefixd.prime.venue import DISPLAY_SIZES, EXACT_SIDES, RESTING, STRATEGIES, TERM_TAGS, Strategy

_SIZES = ("base_quantity", "quote_value")
_POSITIVE = (*_SIZES, "limit_price", "stop_price", "historical_pov", *DISPLAY_SIZES, "wig_level")


@frozen
class Problem:
    """`field` is the name of a parameter of `order.submit`; `what` goes on after it: "limit_price is required …"."""

    field: str
    what: str


def problem(terms: Terms) -> Problem | None:
    """The first thing that the venue would refuse, None if there is nothing (prime-fix.md section 3)."""
    strategy = STRATEGIES[terms.type]
    return (
        _size(terms)
        or _amounts(terms)
        or _fields(terms, strategy)
        or _times(terms, strategy)
        or _flags(terms)
        or _display(terms)
    )


def _given(terms: Terms, name: str) -> bool:
    value = getattr(terms, name)
    return value is not None and value is not False  # by identity: an amount of 0 was given, and is judged apart


def _size(terms: Terms) -> Problem | None:
    given = [name for name in _SIZES if _given(terms, name)]
    if len(given) == 1:
        return None
    return Problem("base_quantity", "cannot stand beside quote_value" if given else "or quote_value is required")


def _amounts(terms: Terms) -> Problem | None:
    for name in _POSITIVE:
        amount = getattr(terms, name)
        if amount is not None and not (amount.is_finite() and amount > 0):
            return Problem(name, "must be greater than 0")
    if terms.offset is not None and not terms.offset.is_finite():
        return Problem("offset", "must be a number")
    return None


def _fields(terms: Terms, strategy: Strategy) -> Problem | None:
    for name in TERM_TAGS:
        if name in strategy.required and not _given(terms, name):
            return Problem(name, f"is required for a {terms.type} order")
        if _given(terms, name) and name not in strategy.taken:
            return Problem(name, f"cannot be given for a {terms.type} order")
    if strategy.either and not any(_given(terms, name) for name in strategy.either):
        first, *others = strategy.either
        return Problem(first, f"or {' or '.join(others)} is required for a {terms.type} order")
    return None


def _times(terms: Terms, strategy: Strategy) -> Problem | None:
    if terms.time_in_force not in strategy.times_in_force:
        allowed = " or ".join(strategy.times_in_force)
        return Problem("time_in_force", f"must be {allowed} for a {terms.type} order")
    if terms.post_only and terms.time_in_force not in RESTING:
        return Problem("post_only", f"cannot be given with {terms.time_in_force}: such an order never rests")
    until = terms.time_in_force is TimeInForce.GOOD_UNTIL_DATE_TIME
    if until and terms.expiry_time is None and "expiry_time" not in strategy.either:  # FIX 4.2, ExpireTime
        return Problem("expiry_time", f"is required with {terms.time_in_force}")
    if terms.expiry_time is not None and not until:
        return Problem("expiry_time", f"can only be given with {TimeInForce.GOOD_UNTIL_DATE_TIME}")
    return None


def _flags(terms: Terms) -> Problem | None:
    for name, side in EXACT_SIDES.items():
        if _given(terms, name) and (terms.side is not side or terms.quote_value is None):
            return Problem(name, f"can only be given for a {side} order sized by quote_value")
    return None


def _display(terms: Terms) -> Problem | None:
    for name, size in DISPLAY_SIZES.items():
        if _given(terms, name) and not _given(terms, size):
            return Problem(name, f"can only be given for an order sized by {size}")
    return None
