"""REST as values: the signature against a vector made elsewhere, addresses, and what replies come to."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from primefixd.orders.model import OrderType, Side, TimeInForce
from primefixd.orders.reports import RejectReason, ReportKind, RestFill, Transaction, VenueStatus
from primefixd.prime import rest
from primefixd.prime.logon import Credentials
from primefixd.prime.rest import Malformed
from primefixd.secret import Secret

CREDENTIALS = Credentials(
    portfolio_id="p/1",
    service_account_id="s",
    api_key=Secret("api-key-1"),
    api_secret=Secret("sécret/+="),
    passphrase=Secret("pass phrase"),
)
SINCE = datetime(2026, 10, 31, 17, 33, 20, 123999, tzinfo=timezone(timedelta(hours=2)))

# printf '1793456000GET/v1/portfolios/p%%2F1/orders' | openssl dgst -sha256 -hmac 'sécret/+=' -binary | base64
VECTOR = b"zNYi8KsoAJwf1b9QA47j86jML0Wewo3shEz5T43BVPk="

ORDER = {
    "id": "o-1",
    "user_id": "u",
    "portfolio_id": "p",
    "product_id": "BTC-USD",
    "side": "SELL",
    "client_order_id": "c-1",
    "type": "LIMIT",
    "base_quantity": "2",
    "quote_value": "",
    "limit_price": "60000.5",
    "stop_price": "",
    "start_time": None,
    "expiry_time": "2026-11-01T10:00:00.123456789Z",
    "status": "OPEN",
    "time_in_force": "GOOD_UNTIL_DATE_TIME",
    "created_at": "2026-10-31T10:00:00Z",
    "filled_quantity": "0.5",
    "filled_value": "30000.25",
    "average_filled_price": "60000.5",
    "commission": "3",
    "surprise": [1, {"a": 2}],
}
FILL = {
    "id": "f-1",
    "order_id": "o-1",
    "product_id": "BTC-USD",
    "side": "SELL",
    "filled_quantity": "0.5",
    "filled_value": "30000.25",
    "price": "60000.5",
    "time": "2026-10-31T10:00:00Z",
    "commission": "-3.25",
    "venue": "otc",
}


def test_the_signature_is_the_known_one_over_the_path_without_the_query() -> None:
    now = datetime.fromtimestamp(1_793_456_000.987, UTC)
    assert dict(rest.signed_headers(CREDENTIALS, "/v1/portfolios/p%2F1/orders", now)) == {
        b"X-CB-ACCESS-KEY": b"api-key-1",
        b"X-CB-ACCESS-PASSPHRASE": b"pass phrase",
        b"X-CB-ACCESS-TIMESTAMP": b"1793456000",
        b"X-CB-ACCESS-SIGNATURE": VECTOR,
    }


def test_every_question_has_its_address() -> None:
    span = "limit=500&sort_direction=ASC"
    dated = f"start_date=2026-10-31T15%3A33%3A20.123Z&{span}"
    assert rest.open_orders("p/1").target == "/portfolios/p%2F1/open_orders"
    assert rest.order("p", "o?1").target == "/portfolios/p/orders/o%3F1"
    assert rest.orders("p", SINCE).target == f"/portfolios/p/orders?{dated}"
    assert rest.order_fills("p", "o").target == f"/portfolios/p/orders/o/fills?{span}"


def test_a_later_page_is_the_same_question_past_the_newest_cursor() -> None:
    third = rest.order_fills("p", "o").after("one").after("t&o")
    assert third.target == "/portfolios/p/orders/o/fills?limit=500&sort_direction=ASC&cursor=t%26o"


def test_an_open_order_is_a_snapshot() -> None:
    report = rest.report(ORDER, "asked")
    assert (report.account, report.order_id, report.client_order_id) == ("asked", "o-1", "c-1")
    assert (report.exec_id, report.transaction, report.kind) == ("0", Transaction.STATUS, ReportKind.STATUS)
    assert report.status is VenueStatus.PARTIALLY_FILLED
    assert (report.product_id, report.side, report.order_type) == ("BTC-USD", Side.SELL, OrderType.LIMIT)
    assert (report.base_quantity, report.quote_value, report.stop_price) == (Decimal(2), None, None)
    assert (report.cumulative_quantity, report.average_price) == (Decimal("0.5"), Decimal("60000.5"))
    assert (report.limit_price, report.time_in_force) == (Decimal("60000.5"), TimeInForce.GOOD_UNTIL_DATE_TIME)
    assert report.expiry_time == datetime(2026, 11, 1, 10, 0, 0, 123456, tzinfo=UTC)
    assert (report.last_quantity, report.transact_time, report.commission, report.reject_reason) == (
        0,
        None,
        None,
        None,
    )
    assert (report.unreadable, report.raw) == ((), ())


@pytest.mark.parametrize(
    ("said", "filled", "status"),
    [
        ("PENDING", "", VenueStatus.PENDING_NEW),
        ("OPEN", "", VenueStatus.NEW),
        ("OPEN", "0", VenueStatus.NEW),
        ("OPEN", "0.00000001", VenueStatus.PARTIALLY_FILLED),
        ("FILLED", "2", VenueStatus.FILLED),
        ("CANCELLED", "0.5", VenueStatus.CANCELLED),
        ("EXPIRED", "", VenueStatus.EXPIRED),
    ],
)
def test_a_status_is_read_by_the_table(said: str, filled: str, status: VenueStatus) -> None:
    report = rest.report(ORDER | {"status": said, "filled_quantity": filled}, "p")
    assert (report.status, report.kind, report.exec_id) == (status, ReportKind.STATUS, "0")
    assert report.cumulative_quantity == (Decimal(filled) if filled else None)


def test_failed_is_the_venues_own_word_that_it_rejected() -> None:
    report = rest.report(ORDER | {"status": "FAILED", "filled_quantity": "0"}, "p")
    assert (report.kind, report.status, report.transaction) == (
        ReportKind.REJECTED,
        VenueStatus.REJECTED,
        Transaction.NEW,
    )
    assert (report.reject_reason, report.exec_id) == (RejectReason.OTHER, None)


def test_a_status_that_nobody_knows_is_kept_as_it_was_said() -> None:
    report = rest.report(ORDER | {"status": "open"}, "p")
    assert (report.status, report.raw, report.unreadable) == (VenueStatus.UNKNOWN, ((39, "open"),), ("status",))
    assert report.kind is ReportKind.STATUS


def test_what_cannot_be_read_in_an_order_costs_that_field_alone() -> None:
    odd = {"side": "LONG", "type": "BLOCK", "filled_quantity": "1e3", "base_quantity": "-1", "expiry_time": "soon"}
    report = rest.report(ORDER | odd | {"time_in_force": "FOREVER", "average_filled_price": "NaN"}, "p")
    assert (report.side, report.order_type, report.cumulative_quantity, report.expiry_time) == (None,) * 4
    assert set(report.unreadable) == {
        "side", "order_type", "cumulative_quantity", "base_quantity", "expiry_time", "time_in_force", "average_price",
    }  # fmt: skip
    assert report.order_id == "o-1"


@pytest.mark.parametrize("name", ["base_quantity", "quote_value", "limit_price", "stop_price"])
def test_a_size_or_price_of_nothing_is_one_that_it_does_not_have(name: str) -> None:
    assert getattr(rest.report(ORDER | {name: "0"}, "p"), name) is None


@pytest.mark.parametrize(
    "change",
    [
        {"id": ""},
        {"id": 7},
        {"id": "\ud800"},
        {"status": None},
        {"product_id": ""},
        {"filled_quantity": 0.5},
        {"base_quantity": 2},
        {"client_order_id": ["c"]},
    ],
)
def test_an_order_without_the_shape_of_one_is_malformed(change: dict[str, Any]) -> None:
    with pytest.raises(Malformed, match=r"^the venue's order has "):
        rest.report(ORDER | change, "p")


def test_an_order_from_elsewhere_may_have_no_client_order_id() -> None:
    assert rest.report(ORDER | {"client_order_id": ""}, "p").client_order_id is None


def test_a_fill_is_read() -> None:
    assert rest.fill(FILL) == RestFill(
        fill_id="f-1",
        order_id="o-1",
        quantity=Decimal("0.5"),
        price=Decimal("60000.5"),
        time=datetime(2026, 10, 31, 10, tzinfo=UTC),
        commission=Decimal("-3.25"),
        venue="otc",
    )
    bare = rest.fill(FILL | {"time": "", "commission": "", "venue": ""})
    assert (bare.time, bare.commission, bare.venue) == (None, None, None)


@pytest.mark.parametrize(
    "change", [{"filled_quantity": ""}, {"filled_quantity": "0"}, {"price": "-1"}, {"price": "x"}, {"id": ""}]
)
def test_a_fill_that_cannot_be_counted_is_malformed(change: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        rest.fill(FILL | change)


def test_one_order_comes_by_itself_or_in_a_member() -> None:
    told = [rest.read_order(json.dumps(reply), "p") for reply in (ORDER, {"order": ORDER})]
    assert told[0] == told[1] and told[0].order_id == "o-1"


def page(**pagination: object) -> str:
    return json.dumps({"orders": [ORDER], "pagination": pagination})


def test_pages_say_where_the_next_one_begins() -> None:
    assert rest.read_page(page(next_cursor="n", has_next=True), "orders").next_cursor == "n"
    last = rest.read_page(page(next_cursor="n", has_next=False, sort_direction="ASC"), "orders")
    assert (last.next_cursor, list(last.items)) == (None, [ORDER])
    assert rest.read_page('{"orders": []}', "orders", paged=False).next_cursor is None
    assert rest.read_page(page(next_cursor="n", has_next=True), "orders", paged=False).next_cursor == "n"


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ("", "is no JSON"),
        ("<html>", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "no JSON object"),
        ('{"orders": {}}', "no list of orders"),
        ('{"fills": []}', "no list of orders"),
        ('{"orders": []}', "pagination is no JSON object"),
        ('{"orders": [], "orders": []}', "more than once"),
        ('{"orders": [], "pagination": {}}', "another page"),
        ('{"orders": [], "pagination": {"has_next": "false"}}', "another page"),
        ('{"orders": [], "pagination": {"has_next": true, "next_cursor": ""}}', "another page"),
    ],
)
def test_a_reply_that_is_no_page_is_malformed_in_one_sentence(reply: str, says: str) -> None:
    with pytest.raises(Malformed, match=says) as caught:
        rest.read_page(reply, "orders")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


def test_refusals_are_told_in_the_venues_words_if_there_are_any() -> None:
    assert rest.refusal('{"message": "no"}') == "no"
    assert [rest.refusal(text) for text in ("", "{}", "[]", '{"message": 1}')] == [None] * 4
