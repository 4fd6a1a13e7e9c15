"""Amounts of the imitation: read strictly, written plainly, added up exactly."""

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primefixd.sandbox.values import BASE_INCREMENT, down, quotient, read_amount, write_amount

AMOUNTS = st.decimals(Decimal("1e-18"), Decimal("1e18"), allow_nan=False, allow_infinity=False, places=18)


@pytest.mark.parametrize(
    "text", [None, "", "0", "0.00", "-1", "+1", "1e3", ".5", "5.", "NaN", "Infinity", " 1", "1" * 21]
)
def test_what_is_no_amount_above_zero_is_none(text: str | None) -> None:
    assert read_amount(text) is None


@given(AMOUNTS)
def test_an_amount_is_written_without_exponent_and_read_back_the_same(amount: Decimal) -> None:
    text = write_amount(amount)
    assert "e" not in text.lower() and read_amount(text) == amount


@given(AMOUNTS, AMOUNTS)
def test_a_quotient_is_rounded_down_to_whole_increments(left: Decimal, right: Decimal) -> None:
    found = quotient(left, right, BASE_INCREMENT)
    with localcontext(prec=120):  # the test's own products must be exact
        assert found == down(found, BASE_INCREMENT) and found * right <= left < (found + BASE_INCREMENT) * right
