"""What clients may ask, in the contract's words; and bad input, which is answered with the field that is wrong."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primefixd.control.messages import (
    BATCH_MAX,
    Call,
    Failure,
    parse,
)
from primefixd.control.parameters import (
    METHODS,
    ONLY_TIMES_IN_FORCE,
    CancelAll,
    CancelOrder,
    GetOrder,
    ListOrders,
    ListPortfolios,
    ListSessions,
    ReplaceOrder,
    RequestQuote,
    ServerInfo,
    SubmitOrder,
    Subscribe,
    Unsubscribe,
)
from primefixd.orders.model import (
    OnDoubt,
    OnMaintenance,
    OrderType,
    PegOffsetType,
    Replacement,
    Side,
    Submission,
    Terms,
    TimeInForce,
)
from primefixd.prime.venue import STRATEGIES

LIMIT = {
    "product_id": "BTC-USD",
    "side": "BUY",
    "type": "LIMIT",
    "base_quantity": "0.10",
    "limit_price": "50000.25",
    "time_in_force": "GOOD_UNTIL_CANCELLED",
}

QUOTE = {"product_id": "BTC-USD", "side": "SELL", "base_quantity": "2.5", "limit_price": "49000"}


def ask(method: str, params: object = None, **envelope: object) -> str:
    request = {"jsonrpc": "2.0", "id": 7, "method": method} | ({} if params is None else {"params": params})
    return json.dumps(request | envelope)


def only(text: str) -> Call | Failure:
    frame = parse(text)
    assert not frame.batch
    (request,) = frame.requests
    return request


def params(method: str, params: object = None) -> Any:
    call = only(ask(method, params))
    assert isinstance(call, Call), call
    assert (call.id, call.method) == (7, method)
    return call.params


def failure(text: str) -> Failure:
    failed = only(text)
    assert isinstance(failed, Failure), failed
    return failed


def field(text: str) -> object:
    """The field that −32602 names, with the id of the request still answered."""
    failed = failure(text)
    assert (failed.id, failed.code) == (7, -32602)
    return failed.details["field"]


def test_a_limit_order_with_everything() -> None:
    given_ = LIMIT | {
        "portfolio": "main",
        "time_in_force": "GOOD_UNTIL_DATE_TIME",
        "expiry_time": "2026-01-27T16:55:00Z",
        "post_only": True,
        "client_order_id": "a b~1",
        "session": "main-1",
        "ttl_ms": 250,
        "on_maintenance": "reject",
        "on_doubt": "ask",
    }
    terms = Terms(
        product_id="BTC-USD",
        side=Side.BUY,
        type=OrderType.LIMIT,
        base_quantity=Decimal("0.10"),
        limit_price=Decimal("50000.25"),
        time_in_force=TimeInForce.GOOD_UNTIL_DATE_TIME,
        expiry_time=datetime(2026, 1, 27, 16, 55, tzinfo=UTC),
        post_only=True,
    )
    submission = Submission(terms=terms, client_order_id="a b~1", session="main-1", ttl_ms=250)
    made = params("order.submit", given_)
    assert made == SubmitOrder(portfolio="main", submission=submission)
    assert type(made.submission.terms.side) is Side


def test_every_member_of_an_order_reaches_its_terms() -> None:
    """Whether they go together is the venue's table to say."""
    told = LIMIT | {
        "type": "PEG",
        "stop_price": "1.5",
        "start_time": "2026-01-27T15:00:00Z",
        "historical_pov": "0.10",
        "display_base_size": "0.01",
        "display_quote_size": "5",
        "is_raise_exact": True,
        "is_buy_exact": True,
        "peg_offset_type": "PEG_OFFSET_TYPE_BPS",
        "offset": "-2.50",
        "wig_level": "51000",
        "quote_id": "q-1",
    }
    terms = params("order.submit", told).submission.terms
    assert terms == Terms(
        product_id="BTC-USD",
        side=Side.BUY,
        type=OrderType.PEG,
        base_quantity=Decimal("0.10"),
        limit_price=Decimal("50000.25"),
        time_in_force=TimeInForce.GOOD_UNTIL_CANCELLED,
        stop_price=Decimal("1.5"),
        start_time=datetime(2026, 1, 27, 15, tzinfo=UTC),
        historical_pov=Decimal("0.10"),
        display_base_size=Decimal("0.01"),
        display_quote_size=Decimal(5),
        is_raise_exact=True,
        is_buy_exact=True,
        peg_offset_type=PegOffsetType.BPS,
        offset=Decimal("-2.50"),
        wig_level=Decimal(51000),
        quote_id="q-1",
    )
    assert str(terms.offset) == "-2.50"
    given_nothing = params(
        "order.submit", LIMIT | {name: None for name in told if name not in LIMIT if "is_" not in name}
    )
    assert given_nothing == params("order.submit", LIMIT)


@pytest.mark.parametrize("kind", OrderType)
def test_the_time_in_force_may_be_left_out_where_there_is_only_one(kind: OrderType) -> None:
    order = {name: value for name, value in LIMIT.items() if name != "time_in_force"} | {"type": kind}
    allowed = STRATEGIES[kind].times_in_force
    if len(allowed) == 1:
        assert params("order.submit", order).submission.terms.time_in_force is allowed[0] is ONLY_TIMES_IN_FORCE[kind]
    else:
        assert field(ask("order.submit", order)) == "params.time_in_force"
    assert params("order.submit", LIMIT | {"type": kind}).submission.terms.type is kind


def test_a_deadline_in_place_of_ttl() -> None:
    submission = params("order.submit", LIMIT | {"deadline": "2026-01-27T15:55:05.5Z"}).submission
    assert submission.deadline == datetime(2026, 1, 27, 15, 55, 5, 500000, UTC)
    assert submission.ttl_ms is None


@pytest.mark.parametrize(
    ("method", "given_", "made"),
    [
        ("order.cancel", {"client_order_id": "a"}, CancelOrder(client_order_id="a")),
        ("order.cancel", {"order_id": "v", "portfolio": "main"}, CancelOrder(order_id="v", portfolio="main")),
        ("order.get", {"client_order_id": "a"}, GetOrder(client_order_id="a")),
        (
            "order.replace",
            {"client_order_id": "a", "new_client_order_id": "b", "limit_price": "5", "portfolio": "main"},
            ReplaceOrder(
                portfolio="main",
                replacement=Replacement(client_order_id="a", new_client_order_id="b", limit_price=Decimal(5)),
            ),
        ),
        (
            "order.replace",
            {
                "client_order_id": "a",
                "base_quantity": "1",
                "quote_value": "2",
                "stop_price": "3",
                "display_base_size": "4",
                "expiry_time": "2026-01-27T16:55:00Z",
            },
            ReplaceOrder(
                portfolio=None,
                replacement=Replacement(
                    client_order_id="a",
                    base_quantity=Decimal(1),
                    quote_value=Decimal(2),
                    stop_price=Decimal(3),
                    display_base_size=Decimal(4),
                    expiry_time=datetime(2026, 1, 27, 16, 55, tzinfo=UTC),
                ),
            ),
        ),
        (
            "quote.request",
            QUOTE | {"portfolio": "main", "auction_ms": 30_000, "quote_request_id": "r-1"},
            RequestQuote(
                portfolio="main",
                quote_request_id="r-1",
                product_id="BTC-USD",
                side=Side.SELL,
                base_quantity=Decimal("2.5"),
                limit_price=Decimal(49000),
                auction_ms=30_000,
            ),
        ),
        (
            "quote.request",
            QUOTE | {"base_quantity": None, "quote_value": "5"},
            RequestQuote(product_id="BTC-USD", side=Side.SELL, quote_value=Decimal(5), limit_price=Decimal(49000)),
        ),
        ("order.cancel_all", {"product_id": "BTC-USD", "side": "BUY"}, CancelAll(product_id="BTC-USD", side=Side.BUY)),
        ("order.list", None, ListOrders(open=True, limit=100)),
        ("order.list", {"open": False, "limit": 5, "after": "x"}, ListOrders(open=False, limit=5, after="x")),
        ("events.subscribe", {}, Subscribe()),
        (
            "events.subscribe",
            {"from": 0, "journal": "j", "snapshot": True, "portfolios": ["main"]},
            Subscribe(from_=0, journal="j", snapshot=True, portfolios=("main",)),
        ),
        ("events.unsubscribe", {}, Unsubscribe()),
        ("portfolio.list", None, ListPortfolios()),
        ("session.list", {}, ListSessions()),
        ("server.info", None, ServerInfo()),
    ],
)
def test_the_other_methods(method: str, given_: object, made: object) -> None:
    assert params(method, given_) == made


@pytest.mark.parametrize("id_", [0, -5, 2**62, "", "abc", "ü"])
def test_ids_are_whole_numbers_or_texts(id_: object) -> None:
    call = only(ask("server.info", id=id_))
    assert isinstance(call, Call) and call.id == id_ and type(call.id) is type(id_)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limt_price", "1"),
        ("product_id", "BTC USD"),
        ("product_id", "B" * 65),
        ("product_id", 5),
        ("side", "buy"),
        ("type", "STOP"),
        ("type", "SL"),
        ("type", 5),
        ("base_quantity", 0.1),
        ("base_quantity", 1),
        ("base_quantity", "-0.1"),
        ("base_quantity", "+0.1"),
        ("base_quantity", "1e-3"),
        ("base_quantity", ""),
        ("limit_price", 50000.25),
        ("limit_price", "-1"),
        ("time_in_force", "DAY"),
        ("time_in_force", None),
        ("expiry_time", "2026-01-27T16:55:00-05:00"),
        ("post_only", "true"),
        ("client_order_id", ""),
        ("client_order_id", "x" * 129),
        ("client_order_id", "a\x01b"),
        ("client_order_id", "ü"),
        ("client_order_id", "\ud800"),
        ("ttl_ms", 0),
        ("ttl_ms", 1.5),
        ("ttl_ms", True),
        ("ttl_ms", 86_400_001),
        ("on_maintenance", "wait"),
        ("on_doubt", "guess"),
        ("stop_price", 1),
        ("stop_price", "-1"),
        ("start_time", "2026-01-27"),
        ("start_time", 5),
        ("historical_pov", 5),
        ("historical_pov", "10%"),
        ("display_base_size", "1e3"),
        ("display_quote_size", "x"),
        ("is_raise_exact", "Y"),
        ("is_buy_exact", 1),
        ("peg_offset_type", "PEG_OFFSET_TYPE_BP"),
        ("peg_offset_type", 1),
        ("offset", 2.5),
        ("offset", "+2.5"),
        ("offset", "2e5"),
        ("offset", "--2"),
        ("offset", "NaN"),
        ("offset", "1" * 21),
        ("wig_level", True),
        ("quote_id", ""),
        ("quote_id", "q\x01"),
    ],
)
def test_a_wrong_member_of_an_order_is_named(name: str, value: object) -> None:
    text = ask("order.submit", LIMIT | {name: value})
    assert field(text) == f"params.{name}"
    assert failure(text).details["sent"] == "no"


@pytest.mark.parametrize("name", ["product_id", "side", "type", "time_in_force"])
def test_a_missing_member_of_an_order_is_named(name: str) -> None:
    assert field(ask("order.submit", {key: LIMIT[key] for key in LIMIT if key != name})) == f"params.{name}"


@pytest.mark.parametrize(
    ("method", "given_", "name"),
    [
        ("order.submit", LIMIT | {"ttl_ms": 5, "deadline": "2026-01-27T15:55:05Z"}, "params.deadline"),
        ("order.cancel", {}, "params.client_order_id"),
        ("order.replace", {"limit_price": "5"}, "params.client_order_id"),
        ("order.replace", {"client_order_id": "a", "limit_price": 5}, "params.limit_price"),
        ("order.replace", {"client_order_id": "a", "display_quote_size": "5"}, "params.display_quote_size"),
        ("order.replace", {"client_order_id": "a", "side": "BUY"}, "params.side"),
        ("order.replace", {"client_order_id": "a", "new_client_order_id": "x" * 129}, "params.new_client_order_id"),
        ("order.replace", {"client_order_id": "a", "expiry_time": "soon"}, "params.expiry_time"),
        ("quote.request", QUOTE | {"quote_value": "5"}, "params.base_quantity"),
        ("quote.request", QUOTE | {"base_quantity": None}, "params.base_quantity"),
        ("quote.request", QUOTE | {"base_quantity": "0"}, "params.base_quantity"),
        ("quote.request", QUOTE | {"base_quantity": None, "quote_value": "0.0"}, "params.quote_value"),
        ("quote.request", QUOTE | {"limit_price": "0"}, "params.limit_price"),
        ("quote.request", QUOTE | {"limit_price": None}, "params.limit_price"),
        ("quote.request", QUOTE | {"auction_ms": 30_001}, "params.auction_ms"),
        ("quote.request", QUOTE | {"auction_ms": 0}, "params.auction_ms"),
        ("quote.request", QUOTE | {"type": "RFQ"}, "params.type"),
        ("order.get", {"client_order_id": "a", "order_id": "b"}, "params.client_order_id"),
        ("order.list", {"limit": 0}, "params.limit"),
        ("order.list", {"limit": 1001}, "params.limit"),
        ("order.list", {"open": "yes"}, "params.open"),
        ("order.list", ["main"], "params"),
        ("events.subscribe", {"from": -1}, "params.from"),
        ("events.subscribe", {"from_": 1}, "params.from_"),
        ("events.subscribe", {"portfolios": []}, "params.portfolios"),
        ("events.subscribe", {"portfolios": ["main", 5]}, "params.portfolios[1]"),
        ("server.info", {"verbose": True}, "params.verbose"),
        ("session.list", None, "parms"),
    ],
)
def test_wrong_members_of_the_others_are_named(method: str, given_: object, name: str) -> None:
    assert field(ask(method, given_, **({"parms": {}} if name == "parms" else {}))) == name


def test_a_misspelled_name_is_told_the_right_one() -> None:
    failed = failure(
        ask("order.submit", {("limt_price" if key == "limit_price" else key): LIMIT[key] for key in LIMIT})
    )
    assert failed.message == "params.limt_price is not known; did you mean limit_price?"


def test_only_limit_and_stop_limit_orders_with_a_deadline_can_be_held() -> None:
    market = {"product_id": "BTC-USD", "side": "BUY", "type": "MARKET", "base_quantity": "1"}
    held = {"on_maintenance": "hold", "deadline": "2026-03-02T23:00:00Z"}
    assert field(ask("order.submit", market | held)) == "params.on_maintenance"
    assert field(ask("order.submit", LIMIT | {"on_maintenance": "hold"})) == "params.deadline"
    call = only(ask("order.submit", LIMIT | held))
    assert call.params.submission.on_maintenance is OnMaintenance.HOLD


def test_rule_15_market_and_quoted_orders_are_never_sent_twice() -> None:
    market = {"product_id": "BTC-USD", "side": "BUY", "type": "MARKET", "base_quantity": "1"}
    assert field(ask("order.submit", market | {"on_doubt": "resubmit"})) == "params.on_doubt"
    assert only(ask("order.submit", LIMIT | {"on_doubt": "resubmit"})).params.submission.on_doubt is OnDoubt.RESUBMIT


def test_nan_and_repeated_names_are_answered_by_path() -> None:
    assert field(ask("order.submit", LIMIT).replace('"0.10"', "NaN")) == "params.base_quantity"
    assert field(ask("order.submit", LIMIT).replace('"side": "BUY"', '"side":"BUY","side":"SELL"')) == "params.side"
    assert field(ask("server.info").replace('"method"', '"method":"x","method"')) == "method"
    twice = failure(ask("server.info").replace('"id": 7', '"id":7,"id":8'))
    assert (twice.id, twice.code, twice.details["field"]) == (None, -32602, "id")


@pytest.mark.parametrize("id_", [None, 1.5, True, [], {}, "x" * 129, "\ud800"])
def test_without_a_usable_id_nothing_is_executed(id_: object) -> None:
    failed = failure(ask("order.submit", LIMIT, id=id_))
    assert (failed.id, failed.code, failed.details) == (None, -32600, {"field": "id", "sent": "no"})


def test_a_request_without_id_is_refused() -> None:
    failed = failure('{"jsonrpc":"2.0","method":"server.info"}')
    assert (failed.id, failed.code) == (None, -32600)


@pytest.mark.parametrize(
    ("text", "id_", "code"),
    [
        ("junk", None, -32700),
        ("[" * 200_000, None, -32700),
        ("3", None, -32600),
        ("[]", None, -32600),
        (ask("server.info", jsonrpc="1.0"), 7, -32600),
        (ask("server.info", jsonrpc=2.0), 7, -32600),
        ('{"id":7,"method":"server.info"}', 7, -32600),
        ('{"jsonrpc":"2.0","id":7}', 7, -32600),
        ('{"jsonrpc":"2.0","id":7,"method":5}', 7, -32600),
        (ask("order.sumbit", LIMIT), 7, -32601),
        (ask("\ud800"), 7, -32601),
    ],
)
def test_what_is_no_request(text: str, id_: object, code: int) -> None:
    failed = failure(text)
    assert (failed.id, failed.code) == (id_, code)
    failed.message.encode()


def test_a_batch_is_read_request_by_request_in_order() -> None:
    frame = parse(f"[{ask('server.info', id=1)},5,{ask('order.get', {}, id=2)},{ask('session.list', id=3)}]")
    assert frame.batch
    assert [type(request) for request in frame.requests] == [Call, Failure, Failure, Call]
    assert [request.id for request in frame.requests] == [1, None, 2, 3]


def test_a_batch_has_a_bound() -> None:
    full = parse("[" + ",".join([ask("server.info")] * BATCH_MAX) + "]")
    assert len(full.requests) == BATCH_MAX
    (failed,) = parse("[" + ",".join([ask("server.info")] * (BATCH_MAX + 1)) + "]").requests
    assert isinstance(failed, Failure) and failed.code == -32600


def test_many_problems_are_told_up_to_a_bound() -> None:
    failed = failure(ask("order.submit", {f"name{number}": 1 for number in range(5000)}))
    assert len(failed.details["problems"]) == 20  # type: ignore[arg-type]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec=None)), inner),
)


@given(st.text(st.characters(codec=None)))
def test_any_text_is_answered(text: str) -> None:
    assert parse(text).requests


@given(st.sampled_from(list(METHODS)), st.dictionaries(st.sampled_from([*LIMIT, "order_id", "from", "limit"]), JSON))
def test_any_params_make_a_call_or_name_a_field(method: str, given_: dict[str, object]) -> None:
    request = only(json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": given_}))
    assert request.id == 7
    assert isinstance(request, Call) or str(request.details["field"]).startswith("params")
