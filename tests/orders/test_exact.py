"""Totals are what was told, to the last digit, however many there are."""

from decimal import Decimal

import pytest

from primefixd.orders.exact import AMOUNT_MAX_CHARS
from primefixd.orders.model import Status
from tests.orders.telling import Story, at, bust, fill, order, quote_sized

SIZE = "1000000000000000000.00000000000000000002"  # 39 digits: the default context would keep 28
TINY = "0.00000000000000000001"
HUGE = "9" * AMOUNT_MAX_CHARS
LEAST = "0." + "0" * (AMOUNT_MAX_CHARS - 3) + "1"


def test_forty_digits_are_kept_in_every_total() -> None:
    story = Story(order(base_quantity=Decimal(SIZE)))
    story.hears(fill("1", "1000000000000000000", None, last_price="1.00000000000000000001", commission=HUGE))
    story.hears(fill("2", TINY, None, last_price="3", commission=LEAST))
    assert story.order.filled_quantity == Decimal("1000000000000000000.00000000000000000001")
    assert story.order.filled_value == Decimal("1000000000000000000.01000000000000000003")
    assert f"{story.order.commission:f}" == HUGE + LEAST[1:]
    assert story.order.remaining_quantity == Decimal(TINY) and story.order.status is Status.OPEN
    story.hears(fill("3", TINY, None))
    assert story.order.status is Status.FILLED


def test_the_largest_and_the_least_amounts_leave_no_trace_when_taken_back() -> None:
    story = Story(quote_sized(HUGE))
    story.hears(fill("1", LEAST, None, last_price=LEAST), fill("2", HUGE, None, last_price=HUGE))
    story.hears(bust("2", "3"))
    assert story.order.filled_quantity == Decimal(LEAST)
    assert story.order.filled_value.as_tuple().digits == (1,)
    assert story.order.remaining_value is not None and len(story.order.remaining_value.as_tuple().digits) > 100


@pytest.mark.parametrize("filled", ["0", TINY])
def test_what_was_given_up_is_exact(filled: str) -> None:
    story = Story(order(base_quantity=Decimal(SIZE)))
    story.hears(fill("1", filled, None))
    story.ledger.end("a", Status.CANCELLED, at(9))
    assert story.order.cancelled_quantity == Decimal({"0": SIZE, TINY: SIZE[:-1] + "1"}[filled])
