"""What the venue makes of an OrderCancelReplaceRequest (prime-fix.md section 4; FIX 4.2 where that is silent).

Pure judging: whether the request is taken, whether it still holds when its time has come, and the terms that follow.
An ExpireTime or MaxShow that it does not carry stays as it is; what it carries beside the fields of that section is
not read.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from attrs import evolve, frozen

from primefixd.clock import Moment
from primefixd.fix import tags
from primefixd.prime.venue import EDITS_MAX, HANDL_INST_AUTOMATED, REPLACEABLE, STRATEGIES
from primefixd.sandbox import matching
from primefixd.sandbox.asks import CLIENT_ORDER_ID_MAX_CHARS, CancelAsk, NewOrder, ReplaceAsk, Target
from primefixd.sandbox.book import VenueOrder

TOO_LATE, UNKNOWN_ORDER, ALREADY_PENDING, OTHER = "0", "1", "3", "99"  # CxlRejReason (102)
REPLACE_S: Final = 0.2  # from pending to replaced, at least: fills may come between
_STRATEGIES: Final = frozenset(STRATEGIES[kind].target for kind in REPLACEABLE)


@frozen
class CancelRefusal:
    """Why a cancel or replace is refused: the letter for tag 102, the text for tag 58, the word it is counted under."""

    reason: str
    text: str
    word: str


CLOSED: Final = CancelRefusal(TOO_LATE, "the order is no longer open", "replace_too_late")
PENDING: Final = CancelRefusal(ALREADY_PENDING, "a replace of the order is pending already", "replace_pending")
CROSSES: Final = CancelRefusal(OTHER, "a post only order would cross the market", "replace_invalid")


def problem(order: VenueOrder, ask: ReplaceAsk, taken: bool, price: Decimal, now: Moment) -> CancelRefusal | None:
    """The first thing about it that the venue refuses now; `taken`: its new ClOrdID is in use."""
    if not order.working:
        return CLOSED
    if order.replacing is not None:
        return PENDING
    texts = (*_identity(order, ask, taken), *_terms(order, ask), *_time(order, ask, now))
    if text := next(iter(texts), None):
        return CancelRefusal(OTHER, text, "replace_invalid")
    return late_problem(order, ask, price)


def late_problem(order: VenueOrder, ask: ReplaceAsk, price: Decimal) -> CancelRefusal | None:
    """What stands against carrying it out, after it was taken."""
    if not order.working:
        return CLOSED
    crosses = matching.reaches(order.ask.side, price, ask.price) and order.ask.strategy == Target.LIMIT
    return CROSSES if order.ask.post_only and crosses else None


def replaced(order: VenueOrder, ask: ReplaceAsk) -> NewOrder:
    """The order's terms after it; fills that came meanwhile may have reached the new quantity, which then is theirs."""
    former = order.ask
    quantity = None if ask.quantity is None else max(ask.quantity, order.filled)
    return evolve(
        former,
        client_order_id=ask.client_order_id,
        quantity=quantity,
        cash=ask.cash,
        price=ask.price,
        stop=ask.stop if former.stop is not None else None,
        show=ask.show or former.show,
        expires=ask.expires or former.expires,
    )


def other_than(order: VenueOrder, ask: CancelAsk) -> str | None:
    """What in a cancel or replace request contradicts the order that its OrderID names.

    OrigClOrdID must be the ClOrdID that the order goes by now: an older one of its chain is refused.
    """
    for name, asked, known in (
        ("OrigClOrdID (41)", ask.original_client_order_id, order.ask.client_order_id),
        ("Symbol (55)", ask.product_id, order.ask.product_id),
        ("Side (54)", ask.side, order.ask.side),
    ):
        if asked is not None and asked != known:
            return f"{name} is not that of the order"
    return None


def _identity(order: VenueOrder, ask: ReplaceAsk, taken: bool) -> Iterator[str]:
    if order.ask.strategy not in _STRATEGIES:
        yield f"an order of strategy {order.ask.strategy} cannot be replaced"
    if len(order.chain) > EDITS_MAX:
        yield f"an order can be replaced {EDITS_MAX} times"
    if len(ask.client_order_id) > CLIENT_ORDER_ID_MAX_CHARS:
        yield f"ClOrdID (11) is longer than {CLIENT_ORDER_ID_MAX_CHARS} characters"
    if taken:
        yield "duplicate client order ID"
    needed = ((41, ask.original_client_order_id), (54, ask.side), (55, ask.product_id), (40, ask.order_type))
    yield from (f"{tags.NAMES[tag]} ({tag}) is required" for tag, value in needed if value is None)
    if other := other_than(order, ask):
        yield other
    if ask.account not in (None, order.portfolio_id):
        yield "Account (1) must be the portfolio of the session"
    if ask.order_type != order.ask.order_type:
        yield "OrdType (40) is not that of the order"
    if ask.handling != HANDL_INST_AUTOMATED:
        yield f"HandlInst (21) must be {HANDL_INST_AUTOMATED}"
    if tags.TRANSACT_TIME not in ask.given:
        yield "TransactTime (60) is required"


def _terms(order: VenueOrder, ask: ReplaceAsk) -> Iterator[str]:
    former = order.ask
    size, done, tag = (ask.quantity, order.filled, 38) if former.quantity is not None else (ask.cash, order.value, 152)
    expects = {tag, tags.PRICE} | ({tags.STOP_PX} if former.strategy == Target.STOP_LIMIT else set())
    may = (
        expects | ({tags.EXPIRE_TIME} & former.given) | ({tags.MAX_SHOW} if former.strategy == Target.LIMIT else set())
    )
    read = {38: ask.quantity, 152: ask.cash, 44: ask.price, 99: ask.stop, 210: ask.show, 126: ask.expires}
    carried = ask.given & set(read)
    yield from (f"{tags.NAMES[tag]} ({tag}) is required" for tag in sorted(expects - carried))
    yield from (f"{tags.NAMES[tag]} ({tag}) does not go with this order" for tag in sorted(carried - may))
    yield from (f"{tags.NAMES[tag]} ({tag}) cannot be read" for tag in sorted(carried & may) if read[tag] is None)
    if size is not None and size <= done:
        yield f"the total size ({tag}) must be more than what is filled"
    show = ask.show or former.show
    if show is not None and size is not None and show > size:
        yield "MaxShow (210) is more than the size"


def _time(order: VenueOrder, ask: ReplaceAsk, now: Moment) -> Iterator[str]:
    earliest = max(order.ask.starts or now.utc, now.utc)
    if ask.expires is not None and ask.expires <= earliest:
        yield "ExpireTime (126) has passed or is not after EffectiveTime (168)"
