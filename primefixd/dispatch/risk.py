"""Limits at the door: whether one set of limits lets an order, or the change of one, through. Pure.

What counts already is told as a `Standing`, which `exposure` keeps. Amounts are in each product's own quote currency
and added as they stand: where currencies differ, `products` of a limit names those that may be added up.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from itertools import chain

from attrs import field, frozen

from primefixd.orders.exact import EXACT
from primefixd.orders.model import Order, OrderType, Side, Terms

REFERENCE_MAX_AGE_S = 10.0  # unless the configuration says otherwise
BRAKE_LONGEST_S = 300  # what `per_s` may be; so long is remembered who submitted what
_SHOWN_DIGITS = 12  # of a quotient that is told


@frozen(kw_only=True)
class Brake:
    """At most `max` within any `per_s` seconds; of rejected orders, none after that many."""

    max: int
    per_s: float


@frozen(kw_only=True)
class RiskLimits:
    """One set of limits, of a portfolio or of a client; what is None or empty limits nothing.

    Amounts are in quote units but for `order_base_quantity_max`, which is by product. `products` and `order_types` are
    those that may be traded. `new_orders_per_second_max` and both brakes are of one client, whosever limits these are.
    """

    order_base_quantity_max: Mapping[str, Decimal] = field(factory=dict)
    order_quote_value_max: Decimal | None = None
    price_collar_percent: Decimal | None = None
    reference_max_age_s: float = REFERENCE_MAX_AGE_S
    open_orders_max: int | None = None
    new_orders_per_second_max: int | None = None
    products: frozenset[str] = frozenset()
    order_types: frozenset[OrderType] = frozenset()
    daily_notional_max: Decimal | None = None
    identical_orders: Brake | None = None
    rejects: Brake | None = None


@frozen
class Reference:
    """The price of a product as a client gave it; `time` is that of the price, aware UTC."""

    price: Decimal
    time: datetime


@frozen(kw_only=True)
class Standing:
    """What counts against a set of limits already. `notional` None: something that is open has no price."""

    open_orders: int
    notional: Decimal | None
    newest_second: int
    identical: int
    rejected: int


@frozen(kw_only=True)
class Breach:
    """`limit` is the key of the configuration, `allowed` what it says, `value` what there would be.

    A `value` of None is not known: there is no reference price, or none that is fresh.
    """

    limit: str
    value: Decimal | int | str | None
    allowed: Decimal | int | str


@frozen(kw_only=True)
class Passage:
    """An order at the door. `before` is what counts of it already: None for a new order.

    `after` is the order as it is asked for: the new order, or one with the terms that a replace wants; when it is
    judged anew before it leaves, the order as it is.
    """

    before: Order | None
    after: Order

    @property
    def terms(self) -> Terms:
        return self.after.terms

    @property
    def is_new(self) -> bool:
        return self.before is None

    @property
    def leaves(self) -> bool:
        """Whether an order is to leave, and not a replace of one that did."""
        return self.before is None or self.before is self.after


def fresh(reference: Reference | None, limits: RiskLimits, utc: datetime) -> Decimal | None:
    """The price, if it is young enough for these limits."""
    if reference is None or reference.time < utc - timedelta(seconds=limits.reference_max_age_s):
        return None
    return reference.price


def breach(limits: RiskLimits, passage: Passage, standing: Standing, reference: Decimal | None) -> Breach | None:
    """The first of the limits that the order would break, None if it breaks none. `reference` is a fresh price."""
    with localcontext(EXACT):
        found = chain(_allowed(limits, passage), _sizes(limits, passage.terms, reference))
        return next(found, None) or _counts(limits, passage, standing, reference)


def _allowed(limits: RiskLimits, passage: Passage) -> Iterator[Breach]:
    terms = passage.terms
    if limits.products and terms.product_id not in limits.products:
        yield Breach(limit="products", value=terms.product_id, allowed=", ".join(sorted(limits.products)))
    if limits.order_types and terms.type not in limits.order_types:
        yield Breach(limit="order_types", value=terms.type.value, allowed=", ".join(sorted(limits.order_types)))


def _sizes(limits: RiskLimits, terms: Terms, reference: Decimal | None) -> Iterator[Breach]:
    yield from _base(limits.order_base_quantity_max.get(terms.product_id), terms, reference)
    most = limits.order_quote_value_max
    if most is not None:
        value = terms.quote_value if terms.quote_value is not None else _value(terms, terms.base_quantity, reference)
        if value is None or value > most:
            yield Breach(limit="order_quote_value_max", value=value, allowed=most)
    collar, limit_price = limits.price_collar_percent, terms.limit_price
    if collar is not None and limit_price is not None:
        if reference is None:
            yield Breach(limit="price_collar_percent", value=None, allowed=collar)
        elif (off := abs(limit_price - reference) * 100) > collar * reference:
            yield Breach(limit="price_collar_percent", value=_quotient(off, reference), allowed=collar)


def _base(most: Decimal | None, terms: Terms, reference: Decimal | None) -> Iterator[Breach]:
    """An order sized in quote buys the more the lower the price: the lower of its limit and the reference counts."""
    if most is None:
        return
    if terms.base_quantity is not None:
        if terms.base_quantity > most:
            yield Breach(limit="order_base_quantity_max", value=terms.base_quantity, allowed=most)
    elif reference is None:
        yield Breach(limit="order_base_quantity_max", value=None, allowed=most)
    elif terms.quote_value is not None:
        price = min(reference, terms.limit_price or reference)
        if terms.quote_value > most * price:
            value = _quotient(terms.quote_value, price)
            yield Breach(limit="order_base_quantity_max", value=value, allowed=most)


def _counts(limits: RiskLimits, passage: Passage, standing: Standing, reference: Decimal | None) -> Breach | None:
    new = int(passage.is_new)
    found = _over("open_orders_max", standing.open_orders + new, limits.open_orders_max)
    if passage.is_new:
        found = found or _over(
            "new_orders_per_second_max", standing.newest_second + 1, limits.new_orders_per_second_max
        )
        identical = limits.identical_orders.max if limits.identical_orders else None
        found = found or _over("identical_orders", standing.identical + 1, identical)
    brake = limits.rejects
    if found is None and passage.leaves and brake is not None and standing.rejected >= brake.max:
        found = Breach(limit="rejects", value=standing.rejected, allowed=brake.max)
    return found or _notional(limits.daily_notional_max, passage, standing, reference)


def _over(limit: str, value: int, most: int | None) -> Breach | None:
    return Breach(limit=limit, value=value, allowed=most) if most is not None and value > most else None


def _notional(most: Decimal | None, passage: Passage, standing: Standing, reference: Decimal | None) -> Breach | None:
    if most is None:
        return None
    asked = left(passage.after, passage.terms, reference)
    counted = left(passage.before, passage.before.terms, reference) if passage.before else Decimal(0)
    if standing.notional is None or asked is None or counted is None:
        return Breach(limit="daily_notional_max", value=None, allowed=most)
    value = standing.notional + max(asked - counted, Decimal(0))
    return Breach(limit="daily_notional_max", value=value, allowed=most) if value > most else None


def left(order: Order, terms: Terms, reference: Decimal | None) -> Decimal | None:
    """What those terms may still trade of the order, in quote units; None if nobody knows a price.

    To be called in the context EXACT.
    """
    if terms.quote_value is not None:
        return max(terms.quote_value - order.filled_value, Decimal(0))
    quantity = max((terms.base_quantity or Decimal(0)) - order.filled_quantity, Decimal(0))
    return _value(terms, quantity, reference)


def _value(terms: Terms, quantity: Decimal | None, reference: Decimal | None) -> Decimal | None:
    """A sale trades at its limit or better: at the reference, where that is higher."""
    price = terms.limit_price
    if price is None or (terms.side is Side.SELL and reference is not None):
        price = max(price or Decimal(0), reference) if reference is not None else None
    return None if price is None or quantity is None else quantity * price


def _quotient(amount: Decimal, by: Decimal) -> Decimal:
    """Rounded, since it may have no end; only told, never compared."""
    with localcontext() as context:
        context.prec = _SHOWN_DIGITS
        return amount / by
