"""Arithmetic on amounts that rounds nothing: Python's default context would, at 28 digits (order-rules.md 22).

Amounts have at most AMOUNT_MAX_CHARS characters: clients may give fewer, and what the venue tells longer is unreadable.
"""

from decimal import Context

AMOUNT_MAX_CHARS = 64

# Of two amounts the product has twice the digits before and behind the point; ten thousand fills add a few.
EXACT = Context(prec=4 * AMOUNT_MAX_CHARS + 20)
