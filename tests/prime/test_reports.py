"""What the venue says, from the published examples to what nobody expects."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primefixd.fix import tags
from primefixd.fix.message import Message
from primefixd.orders.model import Fee, OrderType, Side, TimeInForce
from primefixd.orders.reports import (
    Allocation,
    CancelRefused,
    Quote,
    QuoteRefused,
    RejectReason,
    Report,
    ReportKind,
    RequestRejected,
    Transaction,
    VenueStatus,
)
from primefixd.prime.reports import Unreadable, facts, rejected

PUBLISHED_FILL = (
    "8=FIX.4.2|9=583|35=8|34=5|49=COIN|50=22d47de1-bc5d-5d17-8028-4ec90e72c1dd|52=20260127-15:55:05.552"
    "|56=22d47de1-bc5d-5d17-8028-4ec90e72c1dd|1=314dbd76-4459-41cd-ba9a-dccdd86b44e2|6=87777.73"
    "|11=b828ec9e-636e-4b14-bad9-3dec955dcd22|14=0.0001|17=e23cba67-fde7-4ec0-8f97-aaf7ce900128|20=0|30=otc"
    "|31=87777.73|32=0.0001|37=f9618938-765c-4834-9361-cdd62a238b2e|38=0.0001|39=2|40=1|54=1|55=BTC-USD"
    "|60=20260127-15:55:05.523|78=1|79=314dbd76-4459-41cd-ba9a-dccdd86b44e2|80=0.0001|12=0.02|13=3|136=3|137=0.02"
    "|138=USD|139=7|137=0|138=USD|139=12|137=0|138=USD|139=14|120=USD|150=2|151=0.0000|8002=8.77|8006=87900|10=158|"
)
PUBLISHED_STATUS = (
    "35=8|34=9|6=0|11=CLOrdID|14=0|17=ExecID|20=1|32=0.0|37=OrderID|38=100|39=4|54=1|55=DOGE-USD|150=4|151=100|"
)


def message(text: str) -> Message:
    """From `|`-separated text; frame fields are not part of a Message."""
    pairs = (field.split("=", 1) for field in text.strip("|").split("|"))
    return Message([(int(tag), value.encode()) for tag, value in pairs if tag not in ("8", "9", "10")])


def report(text: str) -> Report:
    told = facts(message(text))
    assert isinstance(told, Report)
    return told


def changed(**fields: str) -> Report:
    """The published fill with fields given by tag number (`_39="4"`) replaced, or left out if empty."""
    new = {int(name[1:]): value for name, value in fields.items()}
    kept = [(tag, raw) for tag, raw in message(PUBLISHED_FILL).fields if tag not in new]
    told = facts(Message([*kept, *((tag, value.encode()) for tag, value in new.items() if value)]))
    assert isinstance(told, Report)
    return told


def test_the_published_fill_field_by_field() -> None:
    assert report(PUBLISHED_FILL) == Report(
        account="314dbd76-4459-41cd-ba9a-dccdd86b44e2",
        order_id="f9618938-765c-4834-9361-cdd62a238b2e",
        client_order_id="b828ec9e-636e-4b14-bad9-3dec955dcd22",
        original_client_order_id=None,
        exec_id="e23cba67-fde7-4ec0-8f97-aaf7ce900128",
        exec_ref_id=None,
        transaction=Transaction.NEW,
        kind=ReportKind.TRADE,
        status=VenueStatus.FILLED,
        product_id="BTC-USD",
        side=Side.BUY,
        base_quantity=Decimal("0.0001"),
        quote_value=None,
        limit_price=None,
        cumulative_quantity=Decimal("0.0001"),
        leaves_quantity=Decimal("0.0000"),
        average_price=Decimal("87777.73"),
        last_quantity=Decimal("0.0001"),
        last_price=Decimal("87777.73"),
        commission=Decimal("0.02"),
        fees=(
            Fee(amount=Decimal("0.02"), currency="USD", type="client_commission"),
            Fee(amount=Decimal("0"), currency="USD", type="trading_desk"),
            Fee(amount=Decimal("0"), currency="USD", type="financing"),
        ),
        venue="otc",
        reject_reason=None,
        text=None,
        transact_time=datetime(2026, 1, 27, 15, 55, 5, 523000, UTC),
        unreadable=(),
        net_average_price=Decimal(87900),
        allocations=(Allocation(account="314dbd76-4459-41cd-ba9a-dccdd86b44e2", quantity=Decimal("0.0001")),),
        time_in_force=None,
        expiry_time=None,
        stop_price=None,
        order_type=OrderType.MARKET,
        raw=((13, "3"), (120, "USD"), (8002, "8.77")),
    )


def test_the_published_fees_sum_to_the_commission() -> None:
    told = report(PUBLISHED_FILL)
    assert sum(fee.amount for fee in told.fees) == told.commission


def test_the_published_status_answer() -> None:
    assert report(PUBLISHED_STATUS) == Report(
        account=None,
        order_id="OrderID",
        client_order_id="CLOrdID",
        exec_id="ExecID",
        transaction=Transaction.CANCEL,
        kind=ReportKind.CANCELLED,
        status=VenueStatus.CANCELLED,
        product_id="DOGE-USD",
        side=Side.BUY,
        base_quantity=Decimal(100),
        cumulative_quantity=Decimal(0),
        leaves_quantity=Decimal(100),
        average_price=Decimal(0),
        last_quantity=Decimal("0.0"),
    )


def test_every_other_field_is_read() -> None:
    told = report(
        "35=8|11=new|41=old|37=o|17=e2|19=e1|20=2|150=2|39=1|44=1.5|54=2|55=ETH-USD|152=300|58=why|103=99"
        "|60=20260127-15:55:05|59=6|99=1.25|126=20260128-21:55:00.000"
    )
    assert (told.time_in_force, told.stop_price) == (TimeInForce.GOOD_UNTIL_DATE_TIME, Decimal("1.25"))
    assert told.expiry_time == datetime(2026, 1, 28, 21, 55, tzinfo=UTC)
    assert told.raw == ()
    assert (told.original_client_order_id, told.exec_ref_id, told.transaction) == ("old", "e1", Transaction.CORRECT)
    assert (told.limit_price, told.quote_value, told.side) == (Decimal("1.5"), Decimal(300), Side.SELL)
    assert (told.text, told.reject_reason) == ("why", RejectReason.OTHER)
    assert told.unreadable == ()


KINDS = {
    "0": "new", "1": "trade", "2": "trade", "3": "done_for_day", "4": "cancelled", "5": "replaced",
    "6": "pending_cancel", "7": "stopped", "8": "rejected", "A": "pending_new", "C": "expired", "D": "restated",
    "E": "pending_replace", "I": "status", "F": "unknown", "Z": "unknown", "": "unknown", "10": "unknown",
}  # fmt: skip
STATUSES = {
    "0": "new", "1": "partially_filled", "2": "filled", "3": "done_for_day", "4": "cancelled", "5": "replaced",
    "6": "pending_cancel", "7": "stopped", "8": "rejected", "9": "suspended", "A": "pending_new", "B": "calculated",
    "C": "expired", "D": "accepted_for_bidding", "E": "pending_replace", "Z": "unknown", "": "unknown", "é": "unknown",
}  # fmt: skip


@pytest.mark.parametrize("letter, word", KINDS.items())
def test_what_a_report_is_about(letter: str, word: str) -> None:
    told = changed(_150=letter)
    assert told.kind == word
    strange = bool(letter) and word == "unknown"
    assert told.unreadable == (("kind",) if strange else ())
    assert ((150, letter) in told.raw) == strange


@pytest.mark.parametrize("letter, word", STATUSES.items())
def test_where_the_venue_says_an_order_stands(letter: str, word: str) -> None:
    told = changed(_39=letter)
    assert told.status == word
    strange = bool(letter) and word == "unknown"
    assert told.unreadable == (("status",) if strange else ())
    assert ((39, letter) in told.raw) == strange


@pytest.mark.parametrize(
    "letter, word, unreadable",
    [
        ("0", "new", ()),
        ("1", "cancel", ()),
        ("2", "correct", ()),
        ("3", "status", ()),
        ("", "new", ()),
        ("7", "new", ("transaction",)),  # rule 1: it is no snapshot, so its fill is told
    ],
)
def test_tag_20(letter: str, word: str, unreadable: tuple[str, ...]) -> None:
    told = changed(_20=letter)
    assert (told.transaction, told.unreadable) == (word, unreadable)


@pytest.mark.parametrize("letter, side, unreadable", [("2", Side.SELL, ()), ("5", None, ("side",)), ("", None, ())])
def test_sides(letter: str, side: Side | None, unreadable: tuple[str, ...]) -> None:
    told = changed(_54=letter)
    assert (told.side, told.unreadable) == (side, unreadable)


NUMBERS = {
    6: "average_price", 12: "commission", 14: "cumulative_quantity", 31: "last_price", 32: "last_quantity",
    38: "base_quantity", 44: "limit_price", 99: "stop_price", 151: "leaves_quantity", 152: "quote_value",
    8006: "net_average_price",
}  # fmt: skip


@pytest.mark.parametrize(
    "bad", ["1x", "NaN", "Infinity", "1e5", "1_000", "1,5", "--1", ".", "-", " 1", "１", "0x1", "9" * 65]
)
@pytest.mark.parametrize("tag, name", NUMBERS.items())
def test_a_number_that_cannot_be_read_is_named_and_the_rest_stands(tag: int, name: str, bad: str) -> None:
    told = changed(**{f"_{tag}": bad})
    assert told.unreadable == (name,)
    assert getattr(told, name) == (Decimal(0) if name == "last_quantity" else None)
    assert told.exec_id == "e23cba67-fde7-4ec0-8f97-aaf7ce900128"
    assert len(told.fees) == 3
    assert (tag, bad) in told.raw


@pytest.mark.parametrize("text, value", [("5", "5"), ("5.", "5"), (".5", "0.5"), ("0005.50", "5.50"), ("0.0", "0")])
@pytest.mark.parametrize("tag, name", NUMBERS.items())
def test_numbers_as_fix_writes_them(tag: int, name: str, text: str, value: str) -> None:
    told = changed(**{f"_{tag}": text})
    assert getattr(told, name) == Decimal(value)
    assert told.unreadable == ()


@pytest.mark.parametrize("tag, name", NUMBERS.items())
def test_only_prices_and_charges_may_be_negative(tag: int, name: str) -> None:
    told = changed(**{f"_{tag}": "-2.5"})
    quantity = name.endswith(("quantity", "value"))
    assert told.unreadable == ((name,) if quantity else ())
    if not quantity:
        assert getattr(told, name) == Decimal("-2.5")


@pytest.mark.parametrize(
    "text, microsecond",
    [
        ("20260127-15:55:05", 0),
        ("20260127-15:55:05.523", 523_000),
        ("20260127-15:55:05.523417", 523_417),
        ("20260127-15:55:05.523417999", 523_417),
    ],
)
def test_transact_time_with_and_without_a_fraction(text: str, microsecond: int) -> None:
    assert changed(_60=text).transact_time == datetime(2026, 1, 27, 15, 55, 5, microsecond, UTC)


@pytest.mark.parametrize("text", ["20260127", "20260230-15:55:05", "2026-01-27T15:55:05Z", "20260127-25:00:00", "x"])
@pytest.mark.parametrize("tag, name", [(60, "transact_time"), (126, "expiry_time")])
def test_a_time_that_cannot_be_read_is_named(tag: int, name: str, text: str) -> None:
    told = changed(**{f"_{tag}": text})
    assert (getattr(told, name), told.unreadable) == (None, (name,))
    assert (tag, text) in told.raw


@pytest.mark.parametrize("letter, tif", [("1", "CANCELLED"), ("3", "IMMEDIATE"), ("4", "FILL"), ("6", "DATE_TIME")])
def test_times_in_force(letter: str, tif: str) -> None:
    assert tif in (changed(_59=letter).time_in_force or "")


def test_a_time_in_force_that_nobody_knows_is_named() -> None:
    told = changed(_59="0")
    assert (told.time_in_force, told.unreadable) == (None, ("time_in_force",))


def test_several_unreadable_fields_are_all_named_once() -> None:
    told = changed(_14="x", _32="y", _60="z", _54="q")
    assert sorted(told.unreadable) == ["cumulative_quantity", "last_quantity", "side", "transact_time"]


@pytest.mark.parametrize(
    "group, fees, unreadable",
    [
        ("", [], ()),
        ("136=0|", [], ()),
        ("136=1|137=0.02|138=USD|139=7|", [("0.02", "USD", "client_commission")], ()),
        ("136=1|137=0.02|138=USD|139=4|", [("0.02", "USD", "venue")], ()),
        ("136=1|137=-0.02|138=USD|139=12|", [("-0.02", "USD", "trading_desk")], ()),
        ("136=1|137=1|139=88|", [("1", None, "88")], ()),
        ("136=1|137=1|", [("1", None, "unknown")], ()),
        ("136=3|137=1|138=USD|139=14|", [("1", "USD", "financing")], ("fees",)),
        ("136=x|137=1|138=USD|139=14|", [("1", "USD", "financing")], ("fees",)),
        ("136=2|137=x|138=USD|139=7|137=2|138=USD|139=14|", [("2", "USD", "financing")], ("fees",)),
        ("136=1|138=USD|139=7|", [], ("fees",)),
        ("136=9|137=x|139=7|", [], ("fees",)),
        ("137=1|138=USD|139=7|", [("1", "USD", "client_commission")], ("fees",)),
        (
            "136=1|137=1|138=USD|139=7|137=2|138=EUR|139=4|",
            [("1", "USD", "client_commission"), ("2", "EUR", "venue")],
            ("fees",),
        ),
        ("136=02|137=1|139=7|137=2|139=4|", [("1", None, "client_commission"), ("2", None, "venue")], ()),
        (
            "136=2|137=1|891=9|138=USD|139=7|137=2|891=8|138=EUR|139=4|",
            [("1", "USD", "client_commission"), ("2", "EUR", "venue")],
            (),
        ),
    ],
)
def test_fees(group: str, fees: list[tuple[str, str | None, str]], unreadable: tuple[str, ...]) -> None:
    told = report(f"35=8|11=c|37=o|17=e|20=0|150=1|39=1|{group}58=end")
    assert [(str(fee.amount), fee.currency, fee.type) for fee in told.fees] == fees
    assert told.unreadable == unreadable
    assert told.text == "end"


@pytest.mark.parametrize(
    "group, allocations, unreadable",
    [
        ("", [], ()),
        ("78=2|79=a|80=1.5|79=b|80=0|", [("a", "1.5"), ("b", "0")], ()),
        ("78=1|79=a|153=9|80=1.5|", [("a", "1.5")], ()),
        ("78=3|79=a|80=1.5|", [("a", "1.5")], ("allocations",)),
        ("78=two|79=a|80=1.5|79=b|80=2|", [("a", "1.5"), ("b", "2")], ("allocations",)),
        ("78=2|79=a|80=x|79=b|80=2|", [("b", "2")], ("allocations",)),
        ("78=2|79=a|79=b|80=2|", [("b", "2")], ("allocations",)),
        ("78=1|80=2|", [], ("allocations",)),
        ("78=" + "9" * 5000 + "|79=a|80=1.5|", [("a", "1.5")], ("allocations",)),
    ],
)
def test_allocations(group: str, allocations: list[tuple[str, str]], unreadable: tuple[str, ...]) -> None:
    told = report(f"35=8|11=c|37=o|17=e|20=0|150=1|39=1|32=1.5|{group}58=end")
    assert [(each.account, str(each.quantity)) for each in told.allocations] == allocations
    assert (told.unreadable, told.last_quantity, told.text) == (unreadable, Decimal("1.5"), "end")


def test_what_nobody_knows_is_kept_in_its_order_without_how_it_came() -> None:
    told = report(
        "35=8|34=5|49=COIN|50=who|52=20260127-15:55:05.552|56=us|43=Y|97=Y|122=20260127-15:55:05.000|9001=first"
        "|11=c|37=o|17=e|20=0|150=1|39=1|32=2|6=5|31=5|168=20260127-15:00:00|9001=again|210=1|58=a|58=b|9000=\u00fc"
    )
    assert told.raw == (
        (9001, "first"),
        (168, "20260127-15:00:00"),
        (9001, "again"),
        (210, "1"),
        (58, "b"),
        (9000, "\u00fc"),
    )
    assert (told.last_quantity, told.text, told.unreadable) == (Decimal(2), "a", ())


def test_the_copies_of_a_report_are_alike_whatever_session_brought_them() -> None:
    other = changed(_34="912", _49="COIN", _50="other", _52="20260127-15:55:09.000", _56="other", _97="Y")
    assert other == changed(_34="1")


def test_of_a_group_that_cannot_be_read_nothing_is_lost() -> None:
    told = report("35=8|11=c|136=5|137=x|138=USD|139=7|137=1|138=EUR|138=GBP|139=4|78=1|80=2")
    assert [(str(fee.amount), fee.currency) for fee in told.fees] == [("1", "EUR")]
    assert told.raw == ((136, "5"), (137, "x"), (138, "USD"), (139, "7"), (138, "GBP"), (80, "2"))
    assert told.unreadable == ("fees", "allocations")


@pytest.mark.parametrize("letter, word", [("1", "financing"), ("2", "client_commission"), ("3", "trading_desk")])
def test_fee_types_of_before_february_2026(letter: str, word: str) -> None:
    assert report(f"35=8|11=c|136=1|137=1|138=USD|139={letter}").fees[0].type == word


@pytest.mark.parametrize(
    "fields, reason, unreadable",
    [
        ("150=8|39=8|103=0", RejectReason.BROKER_OPTION, ()),
        ("150=8|39=8|103=1|58=unknown symbol", RejectReason.UNKNOWN_SYMBOL, ()),
        ("150=8|39=8|103=2", RejectReason.EXCHANGE_CLOSED, ()),
        ("150=8|39=8|103=3|58=order size exceeds limit", RejectReason.EXCEEDS_LIMIT, ()),
        ("150=8|39=8|103=3|58=corporate account: separate limit", RejectReason.EXCEEDS_LIMIT, ()),
        ("150=8|39=8|103=3", RejectReason.EXCEEDS_LIMIT, ()),
        ("150=8|39=8|103=3|58=message rate exceeded", RejectReason.RATE_LIMITED, ()),
        ("150=8|39=8|103=3|58=Rate limit exceeded", RejectReason.RATE_LIMITED, ()),
        ("150=8|39=8|103=99|58=ORDER_RATE_EXCEEDED", RejectReason.RATE_LIMITED, ()),
        ("150=8|39=8|103=0|58=request throttled", RejectReason.RATE_LIMITED, ()),
        ("150=8|39=8|58=too fast: ratelimit", RejectReason.RATE_LIMITED, ()),
        ("150=8|39=8|103=6|58=duplicate client order ID, rate", RejectReason.DUPLICATE_ORDER, ()),
        ("150=8|39=8|103=4", RejectReason.TOO_LATE, ()),
        ("150=I|39=8|103=5|58=unknown order", RejectReason.UNKNOWN_ORDER, ()),
        ("150=8|39=8|103=99|58=other", RejectReason.OTHER, ()),
        ("150=8|39=8|103=77", RejectReason.OTHER, ("reject_reason",)),
        ("150=8|39=8", None, ()),
        ("150=0|39=0|58=accepted at any rate", None, ()),
    ],
)
def test_rule_9_why_an_order_was_rejected(
    fields: str, reason: RejectReason | None, unreadable: tuple[str, ...]
) -> None:
    told = report(f"35=8|11=c|37=o|17=e|20=0|{fields}")
    assert (told.reject_reason, told.unreadable) == (reason, unreadable)


@pytest.mark.parametrize("fields", ["", "17=e|150=1|32=1|31=5|1=a", "11=|37=|17=e"])
@pytest.mark.parametrize("letter", ["8", "9"])
def test_a_report_that_names_no_order_tells_nothing(letter: str, fields: str) -> None:
    told = facts(message(f"35={letter}|{fields}" if fields else f"35={letter}"))
    assert isinstance(told, Unreadable)
    assert told.msg_type == letter
    assert "names no order" in told.text


@pytest.mark.parametrize("name", ["11", "37", "41"])
def test_one_name_is_enough(name: str) -> None:
    told = report(f"35=8|{name}=x")
    assert (told.kind, told.status, told.unreadable) == (ReportKind.UNKNOWN, VenueStatus.UNKNOWN, ())


def test_an_order_id_of_none_is_no_order_id() -> None:
    assert report("35=8|11=c|37=NONE|150=8").order_id is None


def cancel_reject(fields: str) -> CancelRefused:
    told = facts(message(f"35=9|34=7|{fields}"))
    assert isinstance(told, CancelRefused)
    return told


def test_a_cancel_reject() -> None:
    assert cancel_reject("11=c2|37=o|39=2|41=c1|102=0|434=1|58=too late to cancel") == CancelRefused(
        client_order_id="c2",
        original_client_order_id="c1",
        order_id="o",
        status=VenueStatus.FILLED,
        reason="too_late",
        replace=False,
        text="too late to cancel",
    )


def test_a_cancel_reject_for_an_order_that_the_venue_does_not_know() -> None:
    told = cancel_reject("11=c2|37=NONE|39=8|41=c1|102=1|434=2")
    assert (told.order_id, told.reason, told.replace, told.text) == (None, "unknown_order", True, None)


@pytest.mark.parametrize(
    "fields, reason",
    [
        ("102=0", "too_late"),
        ("102=1", "unknown_order"),
        ("102=2", "broker_option"),
        ("102=3", "already_pending"),
        ("102=99", "other"),
        ("102=44", "unknown"),
        ("58=no", "other"),
        ("102=99|58=rate limit exceeded", "rate_limited"),
        ("102=2|58=message rate", "rate_limited"),
        ("58=rate limit exceeded", "rate_limited"),
        ("102=0|58=order filled at a better rate", "too_late"),
    ],
)
def test_rule_9_why_a_cancel_was_refused(fields: str, reason: str) -> None:
    assert cancel_reject(f"11=c2|37=o|41=c1|39=0|{fields}").reason == reason


@pytest.mark.parametrize(
    "fields, expected",
    [
        (
            "45=12|372=D|380=0|58=rate limit exceeded",
            RequestRejected(sequence_number=12, rate_limited=True, text="rate limit exceeded"),
        ),
        (
            "45=12|372=D|380=0|58=maintenance",
            RequestRejected(sequence_number=12, rate_limited=False, text="maintenance"),
        ),
        (
            "45=1|372=D|380=4|58=rate service down",
            RequestRejected(sequence_number=1, rate_limited=False, text="rate service down"),
        ),
        ("45=3|372=Q|380=3", RequestRejected(sequence_number=3, rate_limited=False, text="unsupported message type")),
        ("45=3|372=Q|380=9", RequestRejected(sequence_number=3, rate_limited=False, text="business reject reason 9")),
    ],
)
def test_rule_9_a_business_reject_names_a_number(fields: str, expected: RequestRejected) -> None:
    assert facts(message(f"35=j|34=4|{fields}")) == expected


@pytest.mark.parametrize("number", ["", "45=x|", "45=-1|", "45=1.5|"])
def test_a_business_reject_without_a_number_tells_nothing(number: str) -> None:
    told = facts(message(f"35=j|{number}380=0|58=maintenance"))
    assert isinstance(told, Unreadable)
    assert told.text.endswith("maintenance")


@pytest.mark.parametrize(
    "reason, text, tag, rate_limited, shown",
    [
        (5, "value is incorrect", 44, False, "value is incorrect (tag 44)"),
        (5, "", None, False, "session reject reason 5"),
        (None, "Rate limit exceeded", None, True, "Rate limit exceeded"),
    ],
)
def test_rule_9_a_session_reject_names_a_number(
    reason: int | None, text: str, tag: int | None, rate_limited: bool, shown: str
) -> None:
    assert rejected(9, reason, text, tag) == RequestRejected(sequence_number=9, rate_limited=rate_limited, text=shown)


def test_a_session_reject_without_a_number_tells_nothing() -> None:
    assert rejected(None, 5, "bad") == Unreadable("3", "a reject names none of our messages: bad")


@pytest.mark.parametrize(
    ("fields", "kind", "raw"),
    [
        ("40=1", OrderType.MARKET, ()),
        ("40=2", OrderType.LIMIT, ()),
        ("40=2|99=9", OrderType.STOP_LIMIT, ()),
        ("40=2|847=T", OrderType.TWAP, ()),
        ("40=2|847=V", OrderType.VWAP, ()),
        ("40=2|847=L", OrderType.LIMIT, ((847, "L"),)),
        ("40=2|847=SL|99=9", OrderType.STOP_LIMIT, ((847, "SL"),)),
        ("40=D|847=R", OrderType.RFQ, ((847, "R"),)),
        ("40=P", OrderType.PEG, ()),
        ("40=1|99=0", OrderType.MARKET, ()),
        ("40=7", None, ((40, "7"),)),
        ("847=T", None, ((847, "T"),)),
        ("", None, ()),
    ],
)
def test_rule_28_the_type_of_an_order_is_read_where_it_is_certain(
    fields: str, kind: OrderType | None, raw: tuple[tuple[int, str], ...]
) -> None:
    told = report(f"35=8|37=o|17=e|20=0|150=0|39=0|{fields}")
    assert (told.order_type, told.raw, told.unreadable) == (kind, raw, ())


QUOTED = "35=S|34=3|49=COIN|117=q1|131=r1|1=a|55=BTC-USD|40=2|62=20260127-15:55:35.250"


@pytest.mark.parametrize(
    "fields, side, price, quantity, unreadable, raw",
    [
        ("132=99.5|134=2", Side.SELL, "99.5", "2", (), ()),
        ("133=100.5|135=2.0", Side.BUY, "100.5", "2.0", (), ()),
        ("133=100.5|8090=5", Side.BUY, "100.5", None, (), ((8090, "5"),)),
        ("133=x|135=2", Side.BUY, None, "2", ("price",), ((133, "x"),)),
        ("132=99|134=-2", Side.SELL, "99", None, ("quantity",), ((134, "-2"),)),
        ("132=99|133=101", None, None, None, ("side",), ((132, "99"), (133, "101"))),
        ("", None, None, None, ("side",), ()),
    ],
)
def test_a_quote(
    fields: str,
    side: Side | None,
    price: str | None,
    quantity: str | None,
    unreadable: tuple[str, ...],
    raw: tuple[tuple[int, str], ...],
) -> None:
    assert facts(message(f"{QUOTED}|{fields}" if fields else QUOTED)) == Quote(
        quote_id="q1",
        quote_request_id="r1",
        account="a",
        product_id="BTC-USD",
        side=side,
        price=price and Decimal(price),
        quantity=quantity and Decimal(quantity),
        valid_until=datetime(2026, 1, 27, 15, 55, 35, 250_000, UTC),
        unreadable=unreadable,
        raw=((40, "2"), *raw),
    )


def test_a_quote_without_a_readable_end_or_an_id() -> None:
    told = facts(message("35=S|117=q|133=5|135=1|62=soon"))
    assert isinstance(told, Quote)
    assert (told.valid_until, told.unreadable) == (None, ("valid_until",))
    nameless = facts(message("35=S|131=r1|133=5|135=1"))
    assert isinstance(nameless, Unreadable) and "QuoteID" in nameless.text


@pytest.mark.parametrize(
    "fields, reason",
    [
        ("300=1", "unknown_symbol"),
        ("300=2", "exchange_closed"),
        ("300=3", "exceeds_limit"),
        ("300=6", "duplicate"),
        ("300=8", "invalid_price"),
        ("300=99", "other"),
        ("300=77", "unknown"),
        ("", "other"),
        ("300=99|58=rate limit exceeded", "rate_limited"),
        ("300=1|58=no rate for it", "unknown_symbol"),
    ],
)
def test_a_refused_quote_in_words(fields: str, reason: str) -> None:
    told = facts(message(f"35=b|131=r1|117=q1|1=a|55=BTC-USD|297=5|{fields}".strip("|")))
    text = fields.partition("58=")[2] or None
    assert told == QuoteRefused(
        quote_request_id="r1", quote_id="q1", account="a", product_id="BTC-USD", reason=reason, text=text
    )


def test_what_refuses_no_quote_is_none() -> None:
    for fields, words in (("131=r1|297=0", "only acknowledges"), ("297=5|300=1", "names no request")):
        told = facts(message(f"35=b|{fields}"))
        assert isinstance(told, Unreadable) and words in told.text


def test_other_messages_are_told_as_such() -> None:
    assert facts(message("35=T|117=q")) == Unreadable("T", "a message of type 'T' is not known here")


field = st.tuples(
    st.sampled_from(
        [
            *(1, 6, 11, 12, 14, 17, 20, 31, 32, 37, 38, 39, 41, 45, 54, 58, 59, 60, 62, 78, 79, 80, 99, 102, 103, 117),
            *(126, 131, 132, 133, 134, 135, 136, 137, 138, 139, 150, 151, 297, 300, 380, 8006, 9999),
        ]
    ),
    st.one_of(st.binary(max_size=12), st.sampled_from([b"0", b"1", b"2.5", b"8", b"20260127-15:55:05.523"])),
)


@given(st.sampled_from([b"8", b"9", b"j", b"S", b"b", b"\xff"]), st.lists(field, max_size=30))
def test_no_message_raises(letter: bytes, fields: list[tuple[int, bytes]]) -> None:
    told = facts(Message([(tags.MSG_TYPE, letter), *fields]))
    if isinstance(told, Report):
        for number in (told.base_quantity, told.cumulative_quantity, told.last_quantity):
            assert number is None or number >= 0
        told_texts = {raw.decode("utf-8", "backslashreplace") for _, raw in fields}
        assert {text for _, text in told.raw} <= told_texts


@pytest.mark.parametrize("told", ["", "NONE", "X" * 257])
def test_an_order_id_that_could_not_be_sent_back_is_none(told: str) -> None:
    assert changed(_37=told).order_id is None
    assert changed(_37="X" * 256).order_id == "X" * 256
