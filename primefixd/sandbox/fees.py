"""What the venue charges, and what that leaves of an order sized in quote (prime-fix.md section 3, 8998 and 8999).

A BUY for 100 spends 100 with the commission deducted from it, so that it buys for a little less; with IsBuyExact it
buys for 100 and the commission comes on top. A SELL for 100 sells for 100 and gets a little less; with IsRaiseExact it
sells for a little more, so that 100 are left after the commission.
"""

from decimal import Decimal
from typing import Final

from primefixd.sandbox.asks import NewOrder, Side
from primefixd.sandbox.values import AVERAGE_INCREMENT, minus, product, quotient, total

COMMISSION_RATE: Final = Decimal("0.001")  # contract.md section 4, default behaviour


def commission(quantity: Decimal, price: Decimal) -> Decimal:
    return product(product(quantity, price), COMMISSION_RATE)


def tradable(ask: NewOrder) -> Decimal:
    """The value in quote units, fees apart, that the fills of an order sized in quote may come to."""
    cash = ask.cash or Decimal(0)
    if ask.side == Side.BUY and ask.buy_exact != "Y":
        return quotient(cash, total([Decimal(1), COMMISSION_RATE]), AVERAGE_INCREMENT)
    if ask.side == Side.SELL and ask.raise_exact == "Y":
        return quotient(cash, minus(Decimal(1), COMMISSION_RATE), AVERAGE_INCREMENT)
    return cash
