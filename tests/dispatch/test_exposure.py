"""What counts against limits: over any history, with restarts in it, it is what the orders themselves come to."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from primefixd.clock import Moment
from primefixd.dispatch.calendar import trading_day
from primefixd.dispatch.exposure import Exposure, Traded
from primefixd.orders.model import FINAL, Order, OrderType, Replace, ReplaceState, Side, Status, Terms, TimeInForce

BEGIN = datetime(2026, 3, 2, 21, 59, tzinfo=UTC)  # a minute before the day turns
PRICES = {"BTC-USD": Decimal(50_000), "ETH-USD": Decimal(3_000)}
SIZES = st.decimals(min_value="0.01", max_value=9, places=2)
CLIENTS = ("a", "b")


def at(s: float) -> Moment:
    return Moment(1000 + s, BEGIN + timedelta(seconds=s))


def order(
    key: str = "o", s: float = 0, client: str = "a", price: str | None = "100", size: str = "2", **more: object
) -> Order:
    terms = Terms(
        product_id="BTC-USD",
        side=Side.BUY,
        type=OrderType.LIMIT if price else OrderType.MARKET,
        base_quantity=Decimal(size),
        limit_price=Decimal(price) if price else None,
        time_in_force=TimeInForce.GOOD_UNTIL_CANCELLED,
    )
    made = Order(
        client_order_id=key,
        portfolio="main",
        session=None,
        terms=terms,
        client=client,
        created_at=at(s).utc,
        updated_at=at(s).utc,
    )
    return evolve(made, **more)  # type: ignore[arg-type]


def put(exposure: Exposure, each: Order, s: float = 0, traded: str = "0") -> Traded | None:
    return exposure.follow(each, Decimal(traded), at(s))


def test_whatever_is_not_final_counts_by_what_it_may_still_trade() -> None:
    exposure = Exposure()
    for status in Status:
        put(exposure, order(status.value, status=status))
    living = len(Status) - len(FINAL)
    assert exposure.open_orders(None) == exposure.open_orders("a") == living
    assert exposure.notional("a", PRICES.get, at(0)) == 200 * living
    put(exposure, order("QUEUED", status=Status.OPEN, filled_quantity=Decimal("0.5")))
    assert exposure.notional("a", PRICES.get, at(0)) == 200 * living - 50
    assert exposure.open_orders("b") == 0 == exposure.notional("b", PRICES.get, at(0))


def test_rule_29_of_a_replace_under_way_the_larger_counts() -> None:
    exposure = Exposure()

    def replaced(size: str, price: str) -> Decimal | None:
        terms = order(size=size, price=price).terms
        replace = Replace(client_order_id="n", terms=terms, state=ReplaceState.SENT, since=BEGIN)
        put(exposure, order(replace=replace, filled_quantity=Decimal(1)))
        return exposure.notional(None, PRICES.get, at(0))

    assert replaced("5", "100") == 400
    assert replaced("1.5", "100") == replaced("1.1", "900") == 100
    assert replaced("2", "300") == 300
    put(exposure, order())
    assert exposure.notional(None, PRICES.get, at(0)) == 200


def test_what_has_no_price_counts_by_the_reference_and_without_one_nobody_knows() -> None:
    exposure = Exposure()
    put(exposure, order(price=None, size="0.1"))
    assert exposure.notional(None, PRICES.get, at(0)) == 5000
    assert exposure.notional(None, {}.get, at(0)) is None
    put(exposure, order(price=None, size="0.1", status=Status.CANCELLED))
    assert exposure.notional(None, {}.get, at(0)) == 0


def test_the_day_turns_at_17_of_new_york_and_a_bust_never_leaves_less_than_nothing() -> None:
    exposure = Exposure()
    put(exposure, order(status=Status.FILLED), 0, "70")
    assert exposure.traded("a", at(59)) == exposure.traded(None, at(59)) == 70
    assert exposure.traded("a", at(60)) == 0
    put(exposure, order(status=Status.FILLED), 60, "-70")
    assert exposure.traded("a", at(61)) == 0
    put(exposure, order(status=Status.FILLED), 62, "30")
    assert exposure.traded("a", at(63)) == 30


def test_new_orders_and_rejects_are_counted_by_the_second() -> None:
    exposure = Exposure()
    for n in range(4):
        put(exposure, order(f"o-{n}", n * 0.5, size="2" if n < 3 else "3"), n * 0.5)
    same = order().terms
    assert exposure.submitted("a", 1, at(1.5)) == 2 and exposure.submitted("a", 2, at(1.5)) == 4
    assert exposure.submitted("a", 2, at(1.5), same) == 3 and exposure.submitted("b", 2, at(1.5)) == 0
    put(exposure, order("o-0", 0, status=Status.REJECTED, sent_at=at(0).utc), 2)
    put(exposure, order("o-0", 0, status=Status.REJECTED, sent_at=at(0).utc), 3)
    put(exposure, order("o-1", 0.5, status=Status.REJECTED), 3)  # never left: it was not the venue
    assert (exposure.rejected("a", 5, at(3)), exposure.rejected("a", 1, at(3))) == (1, 0)


STEPS = st.lists(
    st.tuples(
        st.integers(0, 5), st.sampled_from(["new", "fill", "end", "replace", "settle", "bust", "restart"]), SIZES,
        st.floats(0, 40), st.booleans(), st.sampled_from(CLIENTS),
    ),
    max_size=40,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_over_any_history_counts_are_never_negative_and_equal_what_the_orders_come_to(steps: list) -> None:  # type: ignore[type-arg]
    exposure, orders, kept, s = Exposure(), dict[str, Order](), None, 0.0
    traded = dict.fromkeys(CLIENTS, Decimal(0))
    day = trading_day(BEGIN)
    for number, what, size, wait, priced, client in steps:
        s += wait
        if trading_day(at(s).utc) != day:
            day, traded = trading_day(at(s).utc), dict.fromkeys(CLIENTS, Decimal(0))
        key, value = f"o-{number}", Decimal(0)
        held = orders.get(key)
        if what == "restart":
            recent = [each for each in orders.values() if not each.final or each.updated_at >= at(s - 300).utc]
            exposure = Exposure()
            exposure.restore(recent, kept, at(s))
        elif held is None and what == "new":
            orders[key] = order(key, s, client, "100" if priced else None, str(size))
        elif held is not None:
            orders[key], value = changed(held, what, size, s)
        if key in orders and what != "restart":
            kept = exposure.follow(orders[key], value, at(s)) or kept
            each = orders[key].client
            traded[each] = max(traded[each] + value, Decimal(0))
        check(exposure, orders, traded, s)


def changed(held: Order, what: str, size: Decimal, s: float) -> tuple[Order, Decimal]:
    """The order after that, and what it traded by it."""
    if what == "fill":
        more = {"filled_quantity": held.filled_quantity + size, "filled_value": held.filled_value + size * 7}
        return evolve(held, updated_at=at(s).utc, **more), size * 7
    if what == "bust":
        more = {"filled_quantity": Decimal(0), "filled_value": Decimal(0)}
        return evolve(held, updated_at=at(s).utc, **more), -held.filled_value
    if what == "replace":
        terms = evolve(held.terms, base_quantity=size)
        replace = Replace(client_order_id="n", terms=terms, state=ReplaceState.SENT, since=at(s).utc)
        return evolve(held, replace=replace), Decimal(0)
    if what == "end":
        status = Status.REJECTED if size > 5 else Status.CANCELLED
        return evolve(held, status=status, sent_at=at(s).utc, updated_at=at(s).utc), Decimal(0)
    return evolve(held, replace=None), Decimal(0)


def check(exposure: Exposure, orders: dict[str, Order], traded: dict[str, Decimal], s: float) -> None:
    for who in (None, *CLIENTS):
        mine = [each for each in orders.values() if who in (None, each.client)]
        living = [each for each in mine if not each.final]
        assert exposure.open_orders(who) == len(living)
        done = sum(value for client, value in traded.items() if who in (None, client))
        assert exposure.traded(who, at(s)) == done >= 0
        assert exposure.notional(who, PRICES.get, at(s)) == done + sum(map(stake, living)) >= 0
        if who is not None:
            assert exposure.submitted(who, 90, at(s)) == sum(each.created_at > at(s - 90).utc for each in mine)


def stake(each: Order) -> Decimal:
    terms = [each.terms, *([each.replace.terms] if each.replace else [])]
    size = max(one.base_quantity or Decimal(0) for one in terms)
    price = each.terms.limit_price or PRICES["BTC-USD"]
    return max(size - each.filled_quantity, Decimal(0)) * price
