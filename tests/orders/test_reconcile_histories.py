"""Rule 5 against a simulated venue: fills, busts, corrections, each told late, twice or never; answers between."""

from decimal import Decimal
from typing import Any

from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from primefixd.orders.reports import Report
from tests.orders.gapped import GRACE, Gapped
from tests.orders.telling import answer, bust, correction, fill, order

NOTHING = Decimal(0)
ROUNDS_MAX = 12  # of asking, at the end


@define
class Venue:
    """One order's executions as they really are, and what was said of them."""

    exact_time: bool  # an answer carries the time of the answer, else that of the last change
    last_change: float = 1
    living: dict[str, tuple[Decimal, Decimal]] = field(factory=dict)
    names: dict[str, str] = field(factory=dict)  # newest ExecID of each living execution
    silent: set[str] = field(factory=set)  # executions that nobody was or will be told of

    @property
    def quantity(self) -> Decimal:
        return sum((quantity for quantity, _ in self.living.values()), NOTHING)

    @property
    def value(self) -> Decimal:
        return sum((quantity * price for quantity, price in self.living.values()), NOTHING)

    def fills(self, name: str, quantity: Decimal, price: Decimal, t: float) -> Report:
        self.living[name], self.names[name], self.last_change = (quantity, price), name, t
        return fill(name, str(quantity), str(self.quantity), t, last_price=str(price))

    def busts(self, name: str, by: str, t: float) -> Report:
        del self.living[name]
        self.last_change = t
        return bust(self.names[name], by, t, cumulative_quantity=str(self.quantity))

    def corrects(self, name: str, by: str, quantity: Decimal, t: float) -> Report:
        price = self.living[name][1]
        self.living[name], self.last_change = (quantity, price), t
        told = {"last_price": str(price), "cumulative_quantity": str(self.quantity)}
        report = correction(self.names[name], by, str(quantity), t, **told)
        self.names[name] = by
        return report

    def answers(self, t: float) -> Report:
        average = self.value / self.quantity if self.quantity else NOTHING
        told: dict[str, Any] = {"cumulative_quantity": str(self.quantity), "average_price": average}
        return answer("partially_filled", t if self.exact_time else self.last_change, **told)


@define
class World:
    venue: Venue
    desk: Gapped = field(factory=lambda: Gapped(order(base_quantity=Decimal(1000))))
    under_way: list[tuple[float, Report]] = field(factory=list)  # due at which second
    number: int = 0

    def says(self, report: Report, delays: list[float]) -> None:
        self.under_way += [(self.desk.seconds + delay, report) for delay in delays]

    def delivers(self) -> None:
        due = [each for each in self.under_way if each[0] <= self.desk.seconds]
        self.under_way = [each for each in self.under_way if each not in due]
        for index, (_, report) in enumerate(due):
            if self.desk.hears(report, source=f"main-{index % 2 + 1}").ask:
                self.asks(0)

    def asks(self, delay: float) -> None:
        self.desk.ledger.asked("a")
        self.says(self.venue.answers(self.desk.seconds), [delay])

    def passes(self, seconds: float) -> None:
        if self.desk.waits(seconds):
            self.asks(0)
        self.delivers()

    def does(self, step: str, data: st.DataObject) -> None:
        self.number += 1
        t, name, venue = self.desk.seconds, f"x{self.number}", self.venue
        if step == "fill":
            quantity, price = data.draw(st.sampled_from(SIZES)), data.draw(st.integers(99, 102))
            delays = data.draw(DELAYS)
            if not delays:
                venue.silent.add(name)
            self.says(venue.fills(name, quantity, Decimal(price), t), delays)
        elif step in ("bust", "correct") and venue.living:
            living = data.draw(st.sampled_from(sorted(venue.living)))
            delays = data.draw(DELAYS if living in venue.silent else HEARD)
            if step == "bust":
                self.says(venue.busts(living, name, t), delays)
            else:
                self.says(venue.corrects(living, name, data.draw(st.sampled_from(SIZES)), t), delays)
        elif step == "ask":
            self.asks(data.draw(st.sampled_from([0, 0, 2, 40])))
        elif step == "restart":
            self.desk.restarts()

    def ends(self) -> None:
        """Whatever is under way arrives, everything is asked, the graces pass."""
        self.passes(200)
        for _ in range(ROUNDS_MAX):
            self.asks(0)
            self.passes(GRACE + 1)
        assert not self.under_way


SIZES = [Decimal("0.1"), Decimal("0.2"), Decimal("0.3")]
HEARD = st.sampled_from([[0], [0], [0], [0, 0], [3], [0, 50], [50]])
DELAYS = st.just(list[float]()) | HEARD
STEPS = st.sampled_from(["fill"] * 5 + ["bust", "correct", "ask", "ask", "wait", "restart"])


@settings(max_examples=400, deadline=None)
@given(st.booleans(), st.lists(STEPS, max_size=14), st.data())
def test_rule_05_in_the_end_the_order_has_what_the_venue_has(
    exact: bool, steps: list[str], data: st.DataObject
) -> None:
    world = World(Venue(exact))
    for step in steps:
        world.does(step, data)
        world.passes(GRACE + 1 if step == "wait" else data.draw(st.sampled_from([0.0, 1.0, 5.0])))
    world.ends()
    assert world.desk.order.filled_quantity == world.venue.quantity
    assert world.desk.ledger.gapped() == []
