"""What the commission leaves of orders sized in quote: deducted, on top, or out of a larger sale."""

from decimal import Decimal
from typing import Any

import pytest

ORDER = "11=a|152=10000|40=1|54={side}|55=BTC-USD|59=3|847=M{flag}"


@pytest.mark.parametrize(
    ("side", "flag", "value", "paid"),
    [
        (1, "", "9990.01", "10000"),
        (1, "|8998=Y", "10000", "10010"),
        (2, "", "10000", "9990"),
        (2, "|8999=Y", "10010.01", "10000"),
    ],
)
def test_commission_is_in_the_size_or_beside_it(desk: Any, side: int, flag: str, value: str, paid: str) -> None:
    desk.say(ORDER.format(side=side, flag=flag))
    order = desk.order()
    fees = sum(fill.commission for fill in order.fills)
    assert order.status == "2"
    assert float(order.value) == pytest.approx(float(value), abs=0.01)
    assert float(order.value + (fees if side == 1 else -fees)) == pytest.approx(float(paid), abs=0.01)
    assert order.value <= Decimal(value) + Decimal("0.01")
