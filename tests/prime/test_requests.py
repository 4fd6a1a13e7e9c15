"""Requests as the bodies that leave, and rule 22 for any decimal."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
import simplefix
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from primefixd.clock import Moment
from primefixd.fix import tags
from primefixd.fix.codec import Decoder
from primefixd.fix.codec import encode as wire
from primefixd.fix.message import Field, Message
from primefixd.fix.outbound import Stamp
from primefixd.orders.model import (
    Order,
    OrderType,
    PegOffsetType,
    QuoteRequest,
    Request,
    RequestKind,
    Side,
    Terms,
    TimeInForce,
)
from primefixd.prime.logon import Credentials, logon_body
from primefixd.prime.requests import encode, encode_quote
from primefixd.secret import Secret

NOW = Moment(5.0, datetime(2026, 11, 23, 21, 54, 10, 123999, UTC))
LIMIT = Terms(
    product_id="BTC-USD",
    side=Side.BUY,
    type=OrderType.LIMIT,
    base_quantity=Decimal("0.0001"),
    limit_price=Decimal("87777.73"),
    time_in_force=TimeInForce.GOOD_UNTIL_CANCELLED,
)
MARKET = Terms(
    product_id="DOGE-USD",
    side=Side.SELL,
    type=OrderType.MARKET,
    quote_value=Decimal("250"),
    time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
)

SOLD = "35=D|1=portfolio-1|11=mine-1|21=1|152=250|54=2|55=DOGE-USD|40=1|59=3|60=20261123-21:54:10.123|847=M"
GTD = TimeInForce.GOOD_UNTIL_DATE_TIME
START = datetime(2026, 11, 24, 14, 30, 0, 250_999, UTC)
END = datetime(2026, 11, 24, 16, 55, tzinfo=timezone(timedelta(hours=-5)))
ASK = QuoteRequest(
    quote_request_id="rfq-1",
    product_id="BTC-USD",
    side=Side.SELL,
    base_quantity=Decimal("2.50"),
    limit_price=Decimal("87000"),
    auction_ms=15_000,
)


def request(kind: RequestKind, terms: Terms, new: Terms | None = None, **order: Any) -> Request:
    fields = {"client_order_id": "mine-1", "order_id": "venue-1", "portfolio": "main", "session": "s", "client": "c"}
    held = Order(**{**fields, "terms": terms, "created_at": NOW.utc, "updated_at": NOW.utc, **order})
    return Request(kind=kind, request_id="request-1", order=held, terms=new)


def text(request: Request) -> str:
    return joined(*encode(request, "portfolio-1", NOW))


def joined(msg_type: str, body: tuple[Field, ...]) -> str:
    return "|".join([f"35={msg_type}", *(f"{tag}={value}" for tag, value in body)])


@pytest.mark.parametrize(
    "terms, expected",
    [
        (
            LIMIT,
            "35=D|1=portfolio-1|11=mine-1|21=1|38=0.0001|54=1|55=BTC-USD|40=2|44=87777.73|59=1"
            "|60=20261123-21:54:10.123|847=L",
        ),
        (
            evolve(LIMIT, post_only=True, side=Side.SELL),
            "35=D|1=portfolio-1|11=mine-1|18=A|21=1|38=0.0001|54=2|55=BTC-USD|40=2|44=87777.73|59=1"
            "|60=20261123-21:54:10.123|847=L",
        ),
        (
            evolve(
                LIMIT,
                time_in_force=TimeInForce.GOOD_UNTIL_DATE_TIME,
                expiry_time=datetime(2026, 11, 24, 16, 55, tzinfo=timezone(timedelta(hours=-5))),
            ),
            "35=D|1=portfolio-1|11=mine-1|21=1|38=0.0001|54=1|55=BTC-USD|40=2|44=87777.73|59=6"
            "|60=20261123-21:54:10.123|126=20261124-21:55:00.000|847=L",
        ),
        (
            evolve(LIMIT, time_in_force=TimeInForce.FILL_OR_KILL, base_quantity=None, quote_value=Decimal("8.80")),
            "35=D|1=portfolio-1|11=mine-1|21=1|152=8.80|54=1|55=BTC-USD|40=2|44=87777.73|59=4"
            "|60=20261123-21:54:10.123|847=L",
        ),
        (MARKET, SOLD),
        (
            evolve(LIMIT, display_base_size=Decimal("0.00001")),
            "35=D|1=portfolio-1|11=mine-1|21=1|38=0.0001|54=1|55=BTC-USD|40=2|44=87777.73|59=1"
            "|60=20261123-21:54:10.123|210=0.00001|847=L",
        ),
        (
            evolve(LIMIT, base_quantity=None, quote_value=Decimal(90), display_quote_size=Decimal("9.5")),
            "35=D|1=portfolio-1|11=mine-1|21=1|152=90|54=1|55=BTC-USD|40=2|44=87777.73|59=1"
            "|60=20261123-21:54:10.123|210=9.5|847=L",
        ),
        (evolve(MARKET, is_raise_exact=True), SOLD.replace("847=M", "847=M|8999=Y")),
        (evolve(MARKET, side=Side.BUY, is_buy_exact=True), SOLD.replace("54=2", "54=1").replace("=M", "=M|8998=Y")),
        (
            evolve(LIMIT, type=OrderType.STOP_LIMIT, stop_price=Decimal("88000.5"), side=Side.SELL),
            "35=D|1=portfolio-1|11=mine-1|21=1|38=0.0001|54=2|55=BTC-USD|40=2|44=87777.73|99=88000.5|59=1"
            "|60=20261123-21:54:10.123|847=SL",
        ),
        (
            evolve(LIMIT, type=OrderType.TWAP, time_in_force=GTD, start_time=START, expiry_time=END),
            "35=D|1=portfolio-1|11=mine-1|21=1|38=0.0001|54=1|55=BTC-USD|40=2|44=87777.73|59=6"
            "|60=20261123-21:54:10.123|126=20261124-21:55:00.000|168=20261124-14:30:00.250|847=T",
        ),
        (
            evolve(LIMIT, type=OrderType.VWAP, time_in_force=GTD, start_time=START, historical_pov=Decimal("0.05")),
            "35=D|1=portfolio-1|11=mine-1|21=1|38=0.0001|54=1|55=BTC-USD|40=2|44=87777.73|59=6"
            "|60=20261123-21:54:10.123|168=20261124-14:30:00.250|847=V|849=0.05",
        ),
        (
            evolve(
                LIMIT,
                type=OrderType.PEG,
                peg_offset_type=PegOffsetType.DEPTH,
                offset=Decimal("-1.5"),
                wig_level=Decimal("90000"),
            ),
            "35=D|1=portfolio-1|11=mine-1|21=1|38=0.0001|54=1|55=BTC-USD|40=P|44=87777.73|59=1"
            "|60=20261123-21:54:10.123|836=4|211=-1.5|847=P|8007=90000",
        ),
        (
            evolve(LIMIT, type=OrderType.RFQ, time_in_force=TimeInForce.FILL_OR_KILL, quote_id="quote-1"),
            "35=D|1=portfolio-1|11=mine-1|21=1|38=0.0001|54=1|55=BTC-USD|40=D|44=87777.73|59=4"
            "|60=20261123-21:54:10.123|117=quote-1|847=R",
        ),
    ],
)
def test_a_new_order(terms: Terms, expected: str) -> None:
    assert text(request(RequestKind.NEW_ORDER, terms, order_id=None)) == expected


@pytest.mark.parametrize(
    "terms, size, rest", [(LIMIT, "38=0.0001", "54=1|55=BTC-USD"), (MARKET, "152=250", "54=2|55=DOGE-USD")]
)
def test_a_cancel_has_an_id_of_its_own_and_the_size_of_its_order(terms: Terms, size: str, rest: str) -> None:
    assert text(request(RequestKind.CANCEL, terms)) == (
        f"35=F|1=portfolio-1|11=request-1|37=venue-1|41=mine-1|{size}|{rest}|60=20261123-21:54:10.123"
    )


def test_a_status_request_names_its_order_by_both_ids() -> None:
    assert text(request(RequestKind.STATUS, LIMIT)) == "35=H|11=mine-1|37=venue-1|54=1|55=BTC-USD"


@pytest.mark.parametrize(
    "old, new, body",
    [
        (LIMIT, evolve(LIMIT, base_quantity=Decimal("0.00020")), "38=0.00020|54=1|55=BTC-USD|40=2|44=87777.73"),
        (LIMIT, evolve(LIMIT, limit_price=Decimal("1E+4")), "38=0.0001|54=1|55=BTC-USD|40=2|44=10000"),
        (
            evolve(LIMIT, type=OrderType.STOP_LIMIT, stop_price=Decimal(5)),
            evolve(LIMIT, type=OrderType.STOP_LIMIT, stop_price=Decimal(6)),
            "38=0.0001|54=1|55=BTC-USD|40=2|44=87777.73|99=6",
        ),
    ],
)
def test_a_replace_carries_the_new_terms_and_both_ids(old: Terms, new: Terms, body: str) -> None:
    assert text(request(RequestKind.REPLACE, old, new)) == (
        f"35=G|11=request-1|37=venue-1|41=mine-1|21=1|{body}|60=20261123-21:54:10.123"
    )


@pytest.mark.parametrize("kind", [RequestKind.REPLACE, RequestKind.CANCEL, RequestKind.STATUS])
def test_rule_19_a_replaced_order_goes_by_the_last_id_that_the_venue_took(kind: RequestKind) -> None:
    later = request(kind, LIMIT, LIMIT, client_order_id="mine-2", original_client_order_id="mine-1")
    named = dict(encode(later, "p", NOW)[1])
    assert named[tags.CL_ORD_ID if kind is RequestKind.STATUS else tags.ORIG_CL_ORD_ID] == "mine-2"


def test_a_replace_moves_the_end_and_the_shown_size() -> None:
    new = evolve(LIMIT, time_in_force=GTD, expiry_time=END, display_base_size=Decimal("0.00001"))
    assert text(request(RequestKind.REPLACE, LIMIT, new)).endswith(
        "|44=87777.73|60=20261123-21:54:10.123|126=20261124-21:55:00.000|210=0.00001"
    )


def test_a_replace_of_a_sliced_order_says_what_section_4_lists_and_no_more() -> None:
    twap = evolve(LIMIT, type=OrderType.TWAP, time_in_force=GTD, start_time=START, expiry_time=END)
    _, body = encode(request(RequestKind.REPLACE, twap, twap), "p", NOW)
    assert [tag for tag, _ in body] == [11, 37, 41, 21, 38, 54, 55, 40, 44, 60, 126]


def test_a_replace_without_terms_cannot_leave() -> None:
    with pytest.raises(ValueError, match="has no terms"):
        encode(request(RequestKind.REPLACE, LIMIT), "p", NOW)


def test_a_quote_request() -> None:
    assert joined(*encode_quote(ASK, "portfolio-1", NOW)) == (
        "35=R|131=rfq-1|1=portfolio-1|38=2.50|54=2|55=BTC-USD|40=2|44=87000|59=4|8090=15000"
    )
    quoted = evolve(ASK, base_quantity=None, quote_value=Decimal("1E+6"), side=Side.BUY, auction_ms=None)
    assert joined(*encode_quote(quoted, "portfolio-1", NOW)) == (
        "35=R|131=rfq-1|1=portfolio-1|152=1000000|54=1|55=BTC-USD|40=2|44=87000|59=4"
    )


EVERYTHING = evolve(
    LIMIT,
    type=OrderType.PEG,
    time_in_force=GTD,
    post_only=True,
    expiry_time=END,
    peg_offset_type=PegOffsetType.BPS,
    offset=Decimal(5),
    wig_level=Decimal(90000),
)
CREDENTIALS = Credentials(
    portfolio_id="portfolio-ü",
    service_account_id="service",
    api_key=Secret("key"),
    api_secret=Secret("secret"),
    passphrase=Secret("pass phrase"),
)
KINDS: list[tuple[str, tuple[Field, ...]]] = [
    *(encode(request(kind, EVERYTHING, EVERYTHING), "portfolio-ü", NOW) for kind in RequestKind if kind != "quote"),
    encode_quote(ASK, "portfolio-ü", NOW),
    ("A", ((98, "0"), (108, "30"), (141, "Y"), *logon_body(CREDENTIALS, Stamp(1, "20261123-21:54:10.123"), True))),
    ("0", ()),
    ("1", ((112, "are you there?"),)),
    ("2", ((7, "3"), (16, "0"))),
    ("3", ((45, "9"), (371, "44"), (372, "8"), (373, "5"), (58, "wrong"))),
    ("4", ((123, "Y"), (36, "12"))),
    ("5", ((58, "good bye"),)),
]


@pytest.mark.parametrize("msg_type, body", KINDS, ids=lambda part: part if isinstance(part, str) else "")
def test_simplefix_reads_what_we_write_and_we_read_what_it_writes(msg_type: str, body: tuple[Field, ...]) -> None:
    fields = [(35, msg_type), (49, "service"), (56, "COIN"), (34, "7"), (52, "20261123-21:54:10.123"), *body]
    parser = simplefix.FixParser()
    parser.append_buffer(wire(fields))
    theirs = parser.get_message()
    written = [(int(tag), value.decode()) for tag, value in theirs.pairs]
    assert [pair for pair in written if pair[0] not in (8, 9, 10)] == fields
    (ours,) = Decoder().feed(theirs.encode())
    assert isinstance(ours, Message)
    assert [(tag, raw.decode()) for tag, raw in ours.fields] == fields


@pytest.mark.parametrize("kind", [RequestKind.CANCEL, RequestKind.STATUS, RequestKind.REPLACE])
def test_rule_19_without_an_order_id_it_has_to_wait(kind: RequestKind) -> None:
    with pytest.raises(ValueError, match="before its OrderID"):
        encode(request(kind, LIMIT, LIMIT, order_id=None), "portfolio-1", NOW)


@pytest.mark.parametrize(
    "amount, expected",
    [("1E-8", "0.00000001"), ("1E+3", "1000"), ("0.10", "0.10"), ("5", "5"), ("0." + "1" * 39, "0." + "1" * 39)],
)
def test_rule_22_decimals_are_never_rounded(amount: str, expected: str) -> None:
    terms = evolve(LIMIT, base_quantity=Decimal(amount), limit_price=Decimal(amount))
    for kind in (RequestKind.NEW_ORDER, RequestKind.CANCEL):
        assert dict(encode(request(kind, terms), "p", NOW)[1])[tags.ORDER_QTY] == expected
    assert dict(encode(request(RequestKind.NEW_ORDER, terms), "p", NOW)[1])[tags.PRICE] == expected


@given(st.decimals(min_value=Decimal("1E-30"), max_value=Decimal("1E30"), allow_nan=False, allow_infinity=False))
def test_rule_22_any_decimal_goes_out_whole_and_without_an_exponent(amount: Decimal) -> None:
    terms = evolve(MARKET, quote_value=amount)
    out = dict(encode(request(RequestKind.NEW_ORDER, terms), "p", NOW)[1])[tags.CASH_ORDER_QTY]
    assert set(out) <= set("0123456789.")
    assert Decimal(out) == amount
