"""Parameters of the control port are taken one by one, and each that cannot be is named."""

from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum

import pytest

from primefixd.sandbox.parameters import Parameters, Wrong


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("take", "given", "taken"),
    [
        (lambda p: p.text("x"), "text", "text"),
        (lambda p: p.flag("x"), True, True),
        (lambda p: p.number("x", 5), 5, 5),
        (lambda p: p.amount("x"), "0.5", Decimal("0.5")),
        (lambda p: p.choice("x", Colour), "red", Colour.RED),
    ],
)
def test_each_kind_is_taken_as_it_is_and_once(
    take: Callable[[Parameters], object], given: object, taken: object
) -> None:
    parameters = Parameters({"x": given})
    assert take(parameters) == taken
    parameters.end()


@pytest.mark.parametrize(
    ("take", "wrong"),
    [
        (lambda p: p.text("x"), [None, 1, "", "a\x01b", "x" * 201]),
        (lambda p: p.flag("x"), [None, 0, "true"]),
        (lambda p: p.number("x", 5), [None, -1, 6, 1.0, True, "1"]),
        (lambda p: p.amount("x"), [None, 1, 0.5, "0", "-1", "1e3"]),
        (lambda p: p.optional_amount("x"), [1, "0"]),
        (lambda p: p.choice("x", Colour), [None, "RED", 1]),
    ],
)
def test_what_cannot_be_is_named_never_converted(take: Callable[[Parameters], object], wrong: list[object]) -> None:
    for value in wrong:
        with pytest.raises(Wrong) as raised:
            take(Parameters({"x": value}))
        assert raised.value.field == "params.x"


def test_what_nobody_took_is_named() -> None:
    with pytest.raises(Wrong, match=r"params\.y is not a parameter"):
        Parameters({"y": 1}).end()
