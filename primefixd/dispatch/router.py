"""Which session of a portfolio a message leaves on. It never looks at the order itself.

The venue works first in, first out per user and product (prime-fix.md section 1, region), so a product stays on one
session and its orders keep their order (order-rules.md 21).
"""

from collections import Counter, OrderedDict
from collections.abc import Sequence

from attrs import evolve, frozen

PRODUCTS_MAX = 10_000  # remembered; at the bound the product that was not routed for longest is forgotten


@frozen
class Candidate:
    """A session as it stands now: `queue` messages wait on it, `budget` more may leave in this second."""

    name: str
    up: bool
    queue: int
    budget: int

    @property
    def room(self) -> int:
        return self.budget - self.queue


@frozen
class _Place:
    home: str
    now: str


class Router:
    """Remembers where each product lives. `sessions` are the names in configured order, which settles ties."""

    def __init__(self, sessions: Sequence[str], spread: bool) -> None:
        self._rank = {name: rank for rank, name in enumerate(sessions)}
        self._spread = spread
        self._places: OrderedDict[str, _Place] = OrderedDict()

    def become(self, sessions: Sequence[str], spread: bool) -> None:
        """Other sessions from now on; a product whose session is still there stays on it."""
        self._rank = {name: rank for rank, name in enumerate(sessions)}
        self._spread = spread
        gone = [p for p, place in self._places.items() if not {place.home, place.now} <= self._rank.keys()]
        for product in gone:
            del self._places[product]

    def route(self, product_id: str, candidates: Sequence[Candidate], pin: str | None, idle: bool) -> str | None:
        """The session for a new order; None while no session, or not the pinned one, is up.

        `idle` says that nothing of the product is open or queued: only then does it return home. The caller marks what
        was unanswered on a dead link as in doubt before it routes again.
        """
        up = {each.name: each for each in sorted(candidates, key=lambda each: self._rank[each.name]) if each.up}
        if pin is not None:
            return pin if pin in up else None
        if not up:
            return None
        place = self._settle(product_id, up, idle)
        return self._widest(place.now, up) if self._spread else place.now

    def carrier(self, preferred: str | None, candidates: Sequence[Candidate]) -> str | None:
        """The session for a cancel or status request: the order's own if it is up, else the up one with most budget."""
        up = sorted((each for each in candidates if each.up), key=lambda each: self._rank[each.name])
        if any(each.name == preferred for each in up):
            return preferred
        return max(up, key=lambda each: each.budget).name if up else None

    def _settle(self, product_id: str, up: dict[str, Candidate], idle: bool) -> _Place:
        place = self._places.pop(product_id, None)
        if place is None:
            name = self._emptiest(up)
            place = _Place(home=name, now=name)
        elif place.home in up and (idle or place.now not in up):
            place = evolve(place, now=place.home)
        elif place.now not in up:
            place = evolve(place, now=self._emptiest(up))
        self._places[product_id] = place
        if len(self._places) > PRODUCTS_MAX:
            self._places.popitem(last=False)
        return place

    def _emptiest(self, up: dict[str, Candidate]) -> str:
        products = Counter(place.now for place in self._places.values())
        return min(up, key=lambda name: products[name])

    def _widest(self, preferred: str, up: dict[str, Candidate]) -> str:
        if up[preferred].room > 0:
            return preferred
        widest = max(up.values(), key=lambda each: each.room)
        return widest.name if widest.room > up[preferred].room else preferred
