"""What the venue would refuse, as the tables of prime-fix.md section 3."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from primefixd.orders.model import OrderType, PegOffsetType, Side, Terms, TimeInForce
from primefixd.prime.strategies import Problem, problem
from primefixd.prime.venue import STRATEGIES, TERM_TAGS

GTC, GTD = TimeInForce.GOOD_UNTIL_CANCELLED, TimeInForce.GOOD_UNTIL_DATE_TIME
IOC, FOK = TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL
LATER = datetime(2026, 11, 24, 16, 55, tzinfo=UTC)
PRICE = Decimal("100.5")


def limit(**change: Any) -> Terms:
    return terms(**{"type": OrderType.LIMIT, "time_in_force": GTC, "limit_price": PRICE, **change})


def market(**change: Any) -> Terms:
    return terms(**{"type": OrderType.MARKET, "time_in_force": IOC, **change})


def terms(**fields: Any) -> Terms:
    return Terms(**{"product_id": "BTC-USD", "side": Side.BUY, "base_quantity": Decimal("0.1"), **fields})


@pytest.mark.parametrize(
    "good",
    [
        limit(),
        limit(time_in_force=IOC),
        limit(time_in_force=FOK),
        limit(time_in_force=GTD, expiry_time=LATER),
        limit(post_only=True),
        limit(time_in_force=GTD, expiry_time=LATER, post_only=True),
        limit(base_quantity=None, quote_value=Decimal(500)),
        limit(side=Side.SELL, base_quantity=Decimal("1E-8")),
        market(),
        market(side=Side.SELL),
        market(base_quantity=None, quote_value=Decimal("0.01")),
    ],
)
def test_what_the_venue_takes_is_no_problem(good: Terms) -> None:
    assert problem(good) is None


@pytest.mark.parametrize(
    "bad, field, what",
    [
        (limit(limit_price=None), "limit_price", "is required for a LIMIT order"),
        (market(limit_price=PRICE), "limit_price", "cannot be given for a MARKET order"),
        (limit(base_quantity=None), "base_quantity", "or quote_value is required"),
        (market(base_quantity=None), "base_quantity", "or quote_value is required"),
        (limit(quote_value=Decimal(5)), "base_quantity", "cannot stand beside quote_value"),
        (market(quote_value=Decimal(5)), "base_quantity", "cannot stand beside quote_value"),
        (limit(time_in_force=GTD), "expiry_time", f"is required with {GTD}"),
        (limit(expiry_time=LATER), "expiry_time", f"can only be given with {GTD}"),
        (limit(time_in_force=IOC, expiry_time=LATER), "expiry_time", f"can only be given with {GTD}"),
        (limit(time_in_force=FOK, expiry_time=LATER), "expiry_time", f"can only be given with {GTD}"),
        (market(expiry_time=LATER), "expiry_time", "cannot be given for a MARKET order"),
        (
            limit(time_in_force=IOC, post_only=True),
            "post_only",
            f"cannot be given with {IOC}: such an order never rests",
        ),
        (
            limit(time_in_force=FOK, post_only=True),
            "post_only",
            f"cannot be given with {FOK}: such an order never rests",
        ),
        (market(post_only=True), "post_only", "cannot be given for a MARKET order"),
    ],
)
def test_what_is_missing_or_forbidden_is_named(bad: Terms, field: str, what: str) -> None:
    assert problem(bad) == Problem(field, what)


@pytest.mark.parametrize("tif", [GTC, GTD, FOK])
def test_a_market_order_is_immediate_or_cancel_only(tif: TimeInForce) -> None:
    assert problem(market(time_in_force=tif)) == Problem("time_in_force", f"must be {IOC} for a MARKET order")


START = datetime(2026, 11, 24, 14, 30, tzinfo=UTC)
SAMPLES: dict[str, Any] = {
    "limit_price": PRICE,
    "stop_price": Decimal("99"),
    "quote_id": "q-1",
    "expiry_time": LATER,
    "start_time": START,
    "historical_pov": Decimal("0.1"),
    "post_only": True,
    "display_base_size": Decimal("0.01"),
    "display_quote_size": Decimal("5"),
    "peg_offset_type": PegOffsetType.BPS,
    "offset": Decimal("2.5"),
    "wig_level": Decimal("101"),
    "is_buy_exact": True,
    "is_raise_exact": True,
}
# prime-fix.md section 3 row by row, written down apart from the table of the code:
# type, 847, 40, times in force, required, one of these, may be given too
ROWS = [
    ("LIMIT", "L", "2", (GTC, IOC, FOK, GTD), "limit_price", "", "expiry_time post_only display_base_size"),
    ("MARKET", "M", "1", (IOC,), "", "", ""),
    ("TWAP", "T", "2", (GTD,), "limit_price start_time", "expiry_time historical_pov", "post_only"),
    ("VWAP", "V", "2", (GTD,), "limit_price start_time", "expiry_time historical_pov", "post_only"),
    ("STOP_LIMIT", "SL", "2", (GTC, GTD), "limit_price stop_price", "", "expiry_time post_only"),
    ("PEG", "P", "P", (GTC, GTD), "limit_price peg_offset_type offset", "", "expiry_time post_only wig_level"),
    ("RFQ", "R", "D", (FOK,), "quote_id limit_price", "", ""),
]
ANYWHERE = {"start_time"}
SIZED_IN_QUOTE = {"display_quote_size", "is_buy_exact", "is_raise_exact"}  # have their own tests below
REQUIRED = {OrderType(row[0]): row[4].split() for row in ROWS}


def plain(kind: str, tif: TimeInForce | None = None, **change: Any) -> Terms:
    """The least that the row takes: what it requires, the first of what it wants one of, GTD with its end."""
    name, _, _, allowed, required, either, _ = next(row for row in ROWS if row[0] == kind)
    tif = tif or allowed[0]
    fields = {field: SAMPLES[field] for field in [*required.split(), *either.split()[:1]]}
    if tif is GTD:
        fields["expiry_time"] = LATER
    return terms(**{"type": OrderType(name), "time_in_force": tif, **fields, **change})


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row[0]))
def test_a_row_is_what_the_venue_wrote(row: Any) -> None:
    kind, target, ord_type, allowed, *_ = row
    strategy = STRATEGIES[OrderType(kind)]
    assert (strategy.target, strategy.ord_type, strategy.times_in_force) == (target, ord_type, allowed)


@pytest.mark.parametrize("tif", TimeInForce)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row[0]))
def test_each_time_in_force_of_each_row(row: Any, tif: TimeInForce) -> None:
    told = problem(plain(row[0], tif))
    if tif in row[3]:
        assert told is None
    elif tif is GTD and row[0] in ("MARKET", "RFQ"):  # the end is what they cannot have
        assert told == Problem("expiry_time", f"cannot be given for a {row[0]} order")
        assert problem(plain(row[0], tif, expiry_time=None)) == Problem(
            "time_in_force", f"must be {row[3][0]} for a {row[0]} order"
        )
    else:
        allowed = " or ".join(row[3])
        assert told == Problem("time_in_force", f"must be {allowed} for a {row[0]} order")


@pytest.mark.parametrize("kind, name", [(kind, name) for kind, names in REQUIRED.items() for name in names])
def test_each_required_field_missing(kind: OrderType, name: str) -> None:
    assert problem(plain(kind, **{name: None})) == Problem(name, f"is required for a {kind} order")


@pytest.mark.parametrize("name", sorted(set(TERM_TAGS) - SIZED_IN_QUOTE))
@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row[0]))
def test_each_field_on_each_row(row: Any, name: str) -> None:
    kind, _, _, allowed, required, either, optional = row
    tif = GTD if name == "expiry_time" and GTD in allowed else None
    told = problem(plain(kind, tif, **{name: SAMPLES[name]}))
    if name in {*required.split(), *either.split(), *optional.split()} | ANYWHERE:
        assert told is None
    else:
        assert told == Problem(name, f"cannot be given for a {kind} order")


@pytest.mark.parametrize("kind", ["TWAP", "VWAP"])
def test_a_sliced_order_ends_at_a_time_or_by_its_share_of_the_volume(kind: str) -> None:
    share = SAMPLES["historical_pov"]
    assert problem(plain(kind, expiry_time=None, historical_pov=share)) is None
    assert problem(plain(kind, historical_pov=share)) is None
    assert problem(plain(kind, expiry_time=None)) == Problem(
        "expiry_time", f"or historical_pov is required for a {kind} order"
    )


@pytest.mark.parametrize("kind", ["LIMIT", "STOP_LIMIT", "PEG"])
def test_good_until_a_time_needs_the_time(kind: str) -> None:
    assert problem(plain(kind, GTD, expiry_time=None)) == Problem("expiry_time", f"is required with {GTD}")
    assert problem(plain(kind, GTC, expiry_time=LATER)) == Problem("expiry_time", f"can only be given with {GTD}")


@pytest.mark.parametrize("kind", [row[0] for row in ROWS])
@pytest.mark.parametrize("name, only", [("is_buy_exact", Side.BUY), ("is_raise_exact", Side.SELL)])
@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("quoted", [True, False])
def test_exact_flags_go_with_one_side_sized_in_quote(
    kind: str, name: str, only: Side, side: Side, quoted: bool
) -> None:
    size = {"base_quantity": None, "quote_value": Decimal(500)} if quoted else {}
    told = problem(plain(kind, side=side, **size, **{name: True}))
    fits = quoted and side is only
    assert told == (None if fits else Problem(name, f"can only be given for a {only} order sized by quote_value"))


@pytest.mark.parametrize("kind", [row[0] for row in ROWS])
def test_the_display_size_is_of_a_limit_order_and_in_its_unit(kind: str) -> None:
    quoted = {"base_quantity": None, "quote_value": Decimal(500)}
    base, quote = ({name: SAMPLES[name]} for name in ("display_base_size", "display_quote_size"))
    if kind != "LIMIT":
        told = problem(plain(kind, **quoted, **quote))
        assert told == Problem("display_quote_size", f"cannot be given for a {kind} order")
        return
    assert problem(plain(kind, **quoted, **quote)) is None
    assert problem(plain(kind, **base)) is None
    assert problem(plain(kind, **quote)) == Problem(
        "display_quote_size", "can only be given for an order sized by quote_value"
    )
    assert problem(plain(kind, **quoted, **base)) == Problem(
        "display_base_size", "can only be given for an order sized by base_quantity"
    )


@pytest.mark.parametrize("text", ["0", "-1", "-0.00000001", "NaN", "sNaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize(
    "kind, field",
    [
        ("LIMIT", "base_quantity"),
        ("LIMIT", "quote_value"),
        ("LIMIT", "limit_price"),
        ("LIMIT", "display_base_size"),
        ("LIMIT", "display_quote_size"),
        ("STOP_LIMIT", "stop_price"),
        ("VWAP", "historical_pov"),
        ("PEG", "wig_level"),
    ],
)
def test_amounts_are_numbers_above_nothing(kind: str, field: str, text: str) -> None:
    size = {"base_quantity": None} if field == "quote_value" else {}
    assert problem(plain(kind, **{**size, field: Decimal(text)})) == Problem(field, "must be greater than 0")


@pytest.mark.parametrize(
    "text, told", [("0", None), ("-2", None), ("NaN", "must be a number"), ("sNaN", "must be a number")]
)
def test_a_peg_may_stand_on_or_on_either_side_of_its_price(text: str, told: str | None) -> None:
    assert problem(plain("PEG", offset=Decimal(text))) == (told and Problem("offset", told))


def test_every_order_type_has_a_row_and_every_row_names_real_terms() -> None:
    assert set(STRATEGIES) == set(OrderType) == {row[0] for row in ROWS}
    names = {attribute.name for attribute in Terms.__attrs_attrs__}
    assert set(SAMPLES) == set(TERM_TAGS) < names
    for row in STRATEGIES.values():
        assert row.taken <= set(TERM_TAGS)
