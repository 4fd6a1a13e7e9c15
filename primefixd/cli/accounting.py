"""The demo's last page: is every order where it must be, by the venue's own book, and what did it take?"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from attrs import frozen

from primefixd.cli.scenario import Followed, Picture

RATE_SPAN_S = 1.0  # orders per second are told of what took at least that long
_LETTERS = {"FILLED": "2", "CANCELLED": "4", "REJECTED": "8", "EXPIRED": "C"}  # OrdStatus (39)


def discrepancies(picture: Picture, book: Sequence[Mapping[str, Any]], accounts: Mapping[str, str]) -> list[str]:
    """What does not agree between plan, clients and the venue's book; `accounts` maps portfolio names to their ids."""
    at_venue = {(order["portfolio_id"], order["client_order_id"]): order for order in book}
    found = []
    for (portfolio, key), followed in picture.orders.items():
        found += [f"{key}: {what}" for what in _of_one(followed, at_venue.pop((accounts[portfolio], key), None))]
    return found + [f"{key}: the venue has it and nobody submitted it" for _, key in at_venue]


def _of_one(followed: Followed, venue: Mapping[str, Any] | None) -> list[str]:
    found = list(followed.surprises)
    if followed.refused is not None:
        return [*found, f"the daemon refused it: {followed.refused}"]
    if followed.status != followed.planned.kind.ends:
        found.append(f"a {followed.planned.kind.name} is {followed.status}, not {followed.planned.kind.ends}")
    if venue is None:
        unsent = followed.order is not None and followed.order["sent_at"] is None
        return found if unsent else [*found, "the venue does not have it"]
    if venue["received"] != 1:
        found.append(f"the venue received it {venue['received']} times")
    if venue["status"] != _LETTERS.get(followed.status):
        found.append(f"the venue has it as 39={venue['status']}, the daemon as {followed.status}")
    fills = {fill["exec_id"]: Decimal(fill["quantity"]) for fill in venue["fills"]}
    if fills != followed.fills:
        found.append(f"the venue has {len(fills)} fills of it, the clients heard {len(followed.fills)}")
    return found


@frozen
class Latency:
    """Of a number of durations, in milliseconds; None where there were none."""

    p50_ms: float | None
    p99_ms: float | None

    @classmethod
    def of(cls, seconds: Iterable[float]) -> "Latency":
        ordered = sorted(seconds)
        if not ordered:
            return cls(None, None)
        return cls(*(round(ordered[min(len(ordered) - 1, int(len(ordered) * q))] * 1000, 1) for q in (0.5, 0.99)))


def to_acknowledgement(picture: Picture) -> Latency:
    """From a client's call to its hearing of the venue's first word."""
    return Latency.of(f.acknowledged - f.submitted for f in picture.orders.values() if f.acknowledged is not None)


def to_wire(picture: Picture) -> Latency:
    """From the daemon's acceptance of an order to the moment that its bytes left, waiting for the rate included."""
    orders = [f.order for f in picture.orders.values() if f.order is not None and f.order["sent_at"] is not None]
    return Latency.of((_time(order["sent_at"]) - _time(order["created_at"])).total_seconds() for order in orders)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def orders_per_second(picture: Picture, allowed: int) -> float | None:
    """New orders that left a second and portfolio, once going; the mean over portfolios. None if too few to tell.

    All but the last of the first `allowed` orders (half of them, of few) are passed over: they may have left at once.
    What is left must span RATE_SPAN_S: over less, jitter reads as a rate that nobody had.
    """
    times: dict[str, list[datetime]] = {}
    for (portfolio, _), followed in picture.orders.items():
        if followed.order is not None and followed.order["sent_at"] is not None:
            times.setdefault(portfolio, []).append(_time(followed.order["sent_at"]))
    rates = [_rate(sorted(each)[min(allowed, len(each) // 2) - 1 :]) for each in times.values()]
    told = [rate for rate in rates if rate is not None]
    return sum(told) / len(told) if told else None


def _rate(times: Sequence[datetime]) -> float | None:
    span_s = (times[-1] - times[0]).total_seconds() if times else 0.0
    return (len(times) - 1) / span_s if span_s >= RATE_SPAN_S else None
