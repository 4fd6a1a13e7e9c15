"""Prices walk by the clock and the seed, and stay where they are put."""

from decimal import Decimal

from primefixd.clock import Moment
from primefixd.sandbox.market import FIRST_PRICES, STEPS_MAX, Market


def prices(market: Market) -> list[Decimal]:
    return [market.price(product_id) for product_id in FIRST_PRICES]


def test_the_same_seed_gives_the_same_price_at_the_same_age_however_often_it_is_asked(now: Moment) -> None:
    once, often, other = Market(5, now), Market(5, now), Market(6, now)
    once.advance(now.later(100))
    for tenth in range(1001):
        often.advance(now.later(tenth / 10))
    other.advance(now.later(100))
    assert prices(once) == prices(often)
    assert all(left != right for left, right in zip(prices(once), FIRST_PRICES.values(), strict=True))
    assert prices(other) != prices(once)


def test_walk_goes_up_and_down_in_small_steps_near_where_it_began(now: Moment) -> None:
    market, last = Market(5, now), dict(FIRST_PRICES)
    steps: list[Decimal] = []
    for tick in market.advance(now.later(3600)):
        steps.append(tick.price / last[tick.product_id] - 1)
        last[tick.product_id] = tick.price
    assert max(map(abs, steps)) < Decimal("0.0005") and min(steps) < 0 < max(steps)
    assert all(FIRST_PRICES[name] * 9 < price * 10 < FIRST_PRICES[name] * 11 for name, price in last.items())


def test_price_that_was_set_stays(now: Moment) -> None:
    market = Market(5, now)
    market.set("BTC-USD", Decimal(1))
    assert "BTC-USD" not in {tick.product_id for tick in market.advance(now.later(50))}
    assert market.price("BTC-USD") == 1


def test_clock_that_jumps_makes_up_for_a_bounded_number_of_steps(now: Moment) -> None:
    market = Market(5, now)
    assert len(market.advance(now.later(10_000_000))) == STEPS_MAX * len(FIRST_PRICES)
    assert market.advance(now.later(10_000_000.5)) == []
