"""What the daemon refuses before it is sent is what the imitation of the venue rejects, for any terms whatever."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from primefixd.clock import Moment
from primefixd.fix.codec import Decoder
from primefixd.fix.codec import encode as wire
from primefixd.fix.message import Message
from primefixd.orders.model import Order, OrderType, PegOffsetType, Request, RequestKind, Side, Terms, TimeInForce
from primefixd.prime.requests import encode
from primefixd.prime.strategies import problem
from primefixd.sandbox import asks, strategies

NOW = Moment(5.0, datetime(2026, 11, 23, 15, 0, tzinfo=UTC))
LEAST: dict[OrderType, dict[str, Any]] = {
    OrderType.LIMIT: {"limit_price": Decimal(100)},
    OrderType.MARKET: {},
    OrderType.TWAP: {"limit_price": Decimal(100), "start_time": NOW.utc, "historical_pov": Decimal("0.1")},
    OrderType.VWAP: {"limit_price": Decimal(100), "start_time": NOW.utc, "historical_pov": Decimal("0.1")},
    OrderType.STOP_LIMIT: {"limit_price": Decimal(100), "stop_price": Decimal(99)},
    OrderType.PEG: {"limit_price": Decimal(100), "peg_offset_type": PegOffsetType.BPS, "offset": Decimal(1)},
    OrderType.RFQ: {"limit_price": Decimal(100), "quote_id": "q"},
}
SIZES = [{"base_quantity": Decimal(5)}, {"quote_value": Decimal(500)}]
maybe = {
    "limit_price": Decimal(101),
    "stop_price": Decimal(98),
    "quote_id": "q-2",
    "expiry_time": NOW.utc + timedelta(hours=1),
    "start_time": NOW.utc + timedelta(minutes=1),
    "historical_pov": Decimal("0.2"),
    "post_only": True,
    "display_base_size": Decimal(1),
    "display_quote_size": Decimal(1),
    "peg_offset_type": PegOffsetType.DEPTH,
    "offset": Decimal(2),
    "wig_level": Decimal(97),
    "is_buy_exact": True,
    "is_raise_exact": True,
}
names = st.lists(st.sampled_from(list(maybe)), max_size=2, unique=True)


@st.composite
def any_terms(draw: st.DrawFn) -> Terms:
    """What a type needs, one member of it missing now and then, and up to two that it may or may not take."""
    kind = draw(st.sampled_from(OrderType))
    least = LEAST[kind] | {name: maybe[name] for name in draw(names)}
    for name in draw(st.lists(st.sampled_from(sorted(least) or ["offset"]), max_size=1)):
        least.pop(name, None)
    tif, side, size = draw(st.tuples(st.sampled_from(TimeInForce), st.sampled_from(Side), st.sampled_from(SIZES)))
    return Terms(product_id="BTC-USD", side=side, type=kind, time_in_force=tif, **size, **least)


def rejected(terms: Terms) -> bool:
    """Whether the imitation refuses the order that we would send for these terms."""
    order = Order(
        client_order_id="c", portfolio="m", session="s", terms=terms, client="d", created_at=NOW.utc, updated_at=NOW.utc
    )
    msg_type, body = encode(Request(kind=RequestKind.NEW_ORDER, request_id="c", order=order), "portfolio", NOW)
    (message,) = Decoder().feed(wire([(35, msg_type), *body]))
    assert isinstance(message, Message)
    return strategies.problem(asks.new_order(message), "portfolio", NOW) is not None


@settings(max_examples=600)
@given(any_terms())
def test_the_daemon_and_the_imitation_refuse_the_same(terms: Terms) -> None:
    unlike = (terms.display_base_size and terms.base_quantity is None) or (
        terms.display_quote_size and terms.quote_value is None
    )  # a unit that the wire does not carry: only the daemon can tell
    told = problem(terms)
    if not unlike:
        assert (told is not None) == rejected(terms), told
    elif terms.type is OrderType.LIMIT:
        assert told is not None


def test_what_the_least_of_each_type_asks_is_taken_by_both() -> None:
    for kind, least in LEAST.items():
        for tif in TimeInForce:
            terms = Terms(
                product_id="BTC-USD", side=Side.BUY, type=kind, time_in_force=tif, base_quantity=Decimal(1), **least
            )
            dated = evolve(terms, expiry_time=maybe["expiry_time"]) if tif == "GOOD_UNTIL_DATE_TIME" else terms
            assert (problem(dated) is not None) == rejected(dated)
