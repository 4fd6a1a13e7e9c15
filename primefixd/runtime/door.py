"""The door of one portfolio: its own limits and those of its clients, and what counts against them.

A client's limits hold for all its portfolios together. What is decided is in `dispatch.risk`, what counts is kept by
`dispatch.exposure`; here both meet what the configuration says, what prices were given, and what the journal keeps.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal

import orjson
from attrs import define, evolve, field, frozen

from primefixd.clock import Moment
from primefixd.dispatch.exposure import Exposure, Traded
from primefixd.dispatch.risk import (
    BRAKE_LONGEST_S,
    Breach,
    Passage,
    Reference,
    RiskLimits,
    Standing,
    breach,
    fresh,
)
from primefixd.orders.exact import EXACT
from primefixd.orders.keeping import Kept
from primefixd.orders.ledger import Ledger
from primefixd.orders.model import Order, Terms
from primefixd.runtime.answers import Breached, Reason, Refused
from primefixd.runtime.store import Note

REFERENCES_MAX = 1_000  # products of one portfolio with a reference price; a further one is refused
REFERENCE_AHEAD_S = 5.0  # by how much a price may come from the future, since clocks differ

_NOTE = "traded"
_ADVICE = {
    "new_orders_per_second_max": "submit more slowly",
    "identical_orders": "find out why the same order is submitted again, and wait",
    "rejects": "find out why the venue rejects the orders, and wait",
}


@define
class Doors:
    """All doors of the daemon by portfolio, and the limits of clients by name."""

    limits: Mapping[str, RiskLimits] = field(factory=dict)
    doors: dict[str, "Door"] = field(factory=dict)


@frozen
class _Scope:
    """Whose limits: those of a client count over all `doors`, those of a portfolio over its own."""

    name: str
    limits: RiskLimits
    client: str | None
    doors: Sequence["Door"]


class Door:
    """`limits` None: the configuration says `risk: none`."""

    def __init__(self, portfolio: str, limits: RiskLimits | None, ledger: Ledger, doors: Doors) -> None:
        self._portfolio, self._limits, self._ledger, self._doors = portfolio, limits, ledger, doors
        self._exposure = Exposure()
        self._references: dict[str, Reference] = {}
        doors.doors[portfolio] = self

    def change(self, limits: RiskLimits | None) -> None:
        """These limits hold from now on, also for what waits."""
        self._limits = limits

    def close(self) -> None:
        """The portfolio is in the configuration no more."""
        self._doors.doors.pop(self._portfolio, None)

    def restore(self, kept: Kept, notes: Mapping[str, bytes], now: Moment) -> None:
        """After a start, when the ledger is filled: what counted still does."""
        since = now.utc - timedelta(seconds=BRAKE_LONGEST_S)
        ended = (each.key for each in kept.orders if each.final_at is not None and each.final_at >= since)
        recent = (order for order in map(self._ledger.get, ended) if order is not None and order.final)
        self._exposure.restore([*self._ledger.live(), *recent], _traded(notes.get(_NOTE)), now)

    def follow(self, now: Moment) -> tuple[Note, ...]:
        """Count what changed in the ledger this turn; what the journal is to keep of it, together with the orders."""
        newest: Traded | None = None
        for order, traded in self._ledger.changed():
            newest = self._exposure.follow(order, traded, now) or newest
        return () if newest is None else (_noted(newest),)

    def refer(self, product_id: str, reference: Reference, now: Moment) -> Refused | None:
        """A client gives a price; one that is older than what is known changes nothing."""
        if reference.time > now.utc + timedelta(seconds=REFERENCE_AHEAD_S):
            message = "is in the future; give the time of the price, and set this machine's clock right"
            return Refused(reason=Reason.INVALID, field="time", message=message)
        known = self._references.get(product_id)
        if known is None and len(self._references) >= REFERENCES_MAX:
            message = f"is one product too many: {REFERENCES_MAX} of {self._portfolio} have a reference price"
            return Refused(reason=Reason.INVALID, field="product_id", message=message)
        if known is None or known.time <= reference.time:
            self._references[product_id] = reference
        return None

    # Decisions

    def submitted(self, order: Order, now: Moment) -> Refused | None:
        """Why that new order may not be taken, if so."""
        return self._refusal(Passage(before=None, after=order), now)

    def replaced(self, order: Order, terms: Terms, now: Moment) -> Refused | None:
        """Why that order may not have those terms instead, if so: the larger of both counts (order-rules.md 29)."""
        return self._refusal(Passage(before=order, after=evolve(order, terms=terms)), now)

    def anew(self, order: Order, now: Moment) -> Refused | None:
        """Why an order that counts already may not leave after all, if so (order-rules.md 15 and 25)."""
        return self._refusal(Passage(before=order, after=order), now)

    def _refusal(self, passage: Passage, now: Moment) -> Refused | None:
        for scope in self._scopes(passage.after.client):
            product_id = passage.terms.product_id
            reference = fresh(self._references.get(product_id), scope.limits, now.utc)
            found = breach(scope.limits, passage, self._standing(scope, passage, now), reference)
            if found is not None:
                return _refused(scope, found, passage.terms)
        return None

    def _scopes(self, client: str) -> Iterable[_Scope]:
        if self._limits is not None:
            yield _Scope(f"portfolio {self._portfolio}", self._limits, None, (self,))
        limits = self._doors.limits.get(client)
        if limits is not None:
            yield _Scope(f"client {client}", limits, client, tuple(self._doors.doors.values()))

    def _standing(self, scope: _Scope, passage: Passage, now: Moment) -> Standing:
        limits, client = scope.limits, passage.after.client
        counts = [door._exposure for door in scope.doors]
        alike, rejects = limits.identical_orders, limits.rejects
        return Standing(
            open_orders=sum(each.open_orders(scope.client) for each in counts),
            notional=_notional(scope, now) if limits.daily_notional_max is not None else Decimal(0),
            newest_second=sum(each.submitted(client, 1.0, now) for each in counts),
            identical=sum(each.submitted(client, alike.per_s, now, passage.terms) for each in counts) if alike else 0,
            rejected=sum(each.rejected(client, rejects.per_s, now) for each in counts) if rejects else 0,
        )

    def notional(self, limits: RiskLimits, client: str | None, now: Moment) -> Decimal | None:
        """What was traded today and may still be, by prices that are fresh enough for these limits."""

        def price_of(product_id: str) -> Decimal | None:
            return fresh(self._references.get(product_id), limits, now.utc)

        return self._exposure.notional(client, price_of, now)


def _notional(scope: _Scope, now: Moment) -> Decimal | None:
    total = Decimal(0)
    for door in scope.doors:
        amount = door.notional(scope.limits, scope.client, now)
        if amount is None:
            return None
        total = EXACT.add(total, amount)
    return total


def _refused(scope: _Scope, found: Breach, terms: Terms) -> Refused:
    where = f"{found.limit} of {scope.name}"
    if found.value is None:
        most_s = f"{scope.limits.reference_max_age_s:g} s"
        what = f"{where} needs a price of {terms.product_id}, and of all that is open, of the last {most_s}"
        advice = "let a client give one by reference.set"
    else:
        what = f"{where} is {_told(found.allowed)}, and this comes to {_told(found.value)}"
        advice = _ADVICE.get(found.limit, "change the order or the limit")
    breached = Breached(limit=found.limit, value=found.value, allowed=found.allowed, scope=scope.name)
    return Refused(reason=Reason.LIMIT, message=f"The limit {what}; {advice}.", breached=breached)


def _told(value: Decimal | int | str) -> str:
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def _noted(traded: Traded) -> Note:
    values = {client: format(value, "f") for client, value in traded.values.items()}
    return Note(_NOTE, orjson.dumps({"day": traded.day.isoformat(), "values": values}))


def _traded(note: bytes | None) -> Traded | None:
    if note is None:
        return None
    told = orjson.loads(note)
    values = {client: Decimal(value) for client, value in told["values"].items()}
    return Traded(date.fromisoformat(told["day"]), values)
