"""What clients are told, member by member as the contract lists it."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

import pytest
from attrs import evolve, frozen

from primefixd.control import render
from primefixd.control.messages import Failure
from primefixd.orders.model import (
    Cancel,
    CancelState,
    Fee,
    Fill,
    Order,
    OrderType,
    PegOffsetType,
    Replace,
    ReplaceState,
    Side,
    Status,
    Terms,
    TimeInForce,
)
from primefixd.orders.records import (
    Contradicted,
    FillCorrected,
    OrderFilled,
    OrderUnknown,
    QuoteReceived,
    QuoteRejected,
    ReplaceRejected,
    Unread,
)
from primefixd.orders.reports import Quote, QuoteRefused, Report, ReportKind, Transaction, VenueStatus
from primefixd.runtime.answers import Cancelling, Page, QuoteAsked, Reason, Refused, Sent, Submitted
from primefixd.runtime.feed import Body, Event
from primefixd.runtime.views import (
    PortfolioChanged,
    PortfolioState,
    PortfolioView,
    ServerStopping,
    SessionChanged,
    SessionState,
    SessionView,
)
from primefixd.secret import Secret

NOON = datetime(2026, 1, 27, 12, tzinfo=UTC)
TERMS = Terms(
    product_id="BTC-USD",
    side=Side.BUY,
    type=OrderType.LIMIT,
    base_quantity=Decimal("1E+3"),
    limit_price=Decimal("0.00000010"),
    time_in_force=TimeInForce.GOOD_UNTIL_CANCELLED,
)
ORDER = Order(
    client_order_id="c-1",
    portfolio="main",
    session="main-1",
    terms=TERMS,
    status=Status.OPEN,
    client="desk",
    created_at=NOON,
    sent_at=NOON + timedelta(milliseconds=5),
    updated_at=NOON,
    filled_quantity=Decimal("200"),
    filled_value=Decimal("0.00002"),
)
FILL = Fill(
    fill_id="f",
    exec_id="e",
    cumulative_quantity=Decimal(200),
    last_quantity=Decimal(200),
    last_price=Decimal("1E-7"),
    commission=Decimal("0.02"),
    fees=(Fee(amount=Decimal("0.02"), currency="USD", type="client_commission"),),
    venue="otc",
    time=NOON,
    source="main-1",
)
SESSION = SessionView(
    name="main-1",
    portfolio="main",
    role="orders",
    state=SessionState.ACTIVE,
    since=NOON,
    last_error=None,
    next_attempt_at=None,
    sent=1,
    received=2,
    queue=0,
    budget=50,
    clock_offset_ms=1.5,
    round_trip_ms=None,
)
PORTFOLIO = PortfolioView(
    name="main",
    state=PortfolioState.OPEN,
    halted=False,
    open_orders=1,
    in_doubt=0,
    unreconciled=0,
    order_budget=50,
    next_window=NOON,
)


def told(text: bytes) -> Any:
    return json.loads(text)


def result(value: render.Result) -> Any:
    answer = told(render.reply(7, value))
    assert {key: answer[key] for key in ("jsonrpc", "id")} == {"jsonrpc": "2.0", "id": 7}
    return answer["result"]


def event(body: Body) -> Any:
    notification = told(render.event(Event(9, NOON, "main", *render.told(body)), 4))
    assert (notification["jsonrpc"], notification["method"]) == ("2.0", "event")
    return notification["params"]


def test_an_order_has_exactly_the_members_of_the_contract() -> None:
    assert result(ORDER) == {
        "client_order_id": "c-1",
        "order_id": None,
        "portfolio": "main",
        "session": "main-1",
        "product_id": "BTC-USD",
        "side": "BUY",
        "type": "LIMIT",
        "base_quantity": "1000",
        "limit_price": "0.00000010",
        "time_in_force": "GOOD_UNTIL_CANCELLED",
        "status": "OPEN",
        "in_doubt": False,
        "venue_status": None,
        "filled_quantity": "200",
        "filled_value": "0.00002",
        "average_filled_price": "0.0000001",
        "remaining_quantity": "800",
        "remaining_value": None,
        "cancelled_quantity": "0",
        "commission": "0",
        "cancel": None,
        "replace": None,
        "original_client_order_id": "c-1",
        "chain": ["c-1"],
        "reject_reason": None,
        "reject_text": None,
        "client": "desk",
        "created_at": "2026-01-27T12:00:00Z",
        "sent_at": "2026-01-27T12:00:00.005000Z",
        "acknowledged_at": None,
        "updated_at": "2026-01-27T12:00:00Z",
    }


def test_terms_and_cancel_where_they_are_given() -> None:
    terms = evolve(TERMS, post_only=True, expiry_time=NOON)
    waiting = Cancel(state=CancelState.WAITING, since=NOON)
    order = result(evolve(ORDER, terms=terms, cancel=waiting))
    assert order["post_only"] is True
    assert order["expiry_time"] == "2026-01-27T12:00:00Z"
    assert order["cancel"] == {"state": "waiting", "since": "2026-01-27T12:00:00Z", "reason": None}


def test_every_term_that_is_given() -> None:
    given = {
        "stop_price": Decimal("1E+1"),
        "start_time": NOON,
        "historical_pov": Decimal("0.10"),
        "display_base_size": Decimal(1),
        "display_quote_size": Decimal(2),
        "is_raise_exact": True,
        "is_buy_exact": True,
        "peg_offset_type": PegOffsetType.DEPTH,
        "offset": Decimal("0"),
        "wig_level": Decimal("5.5"),
        "quote_id": "q",
    }
    order = result(evolve(ORDER, terms=evolve(TERMS, **given)))
    assert {name: order[name] for name in given} == {
        "stop_price": "10",
        "start_time": "2026-01-27T12:00:00Z",
        "historical_pov": "0.10",
        "display_base_size": "1",
        "display_quote_size": "2",
        "is_raise_exact": True,
        "is_buy_exact": True,
        "peg_offset_type": "PEG_OFFSET_TYPE_DEPTH",
        "offset": "0",
        "wig_level": "5.5",
        "quote_id": "q",
    }
    assert not set(given) & set(result(ORDER))


def test_a_replace_under_way_and_the_chain_of_those_that_were() -> None:
    replace = Replace(client_order_id="c-2", terms=TERMS, state=ReplaceState.PENDING, since=NOON)
    order = result(evolve(ORDER, replace=replace))
    assert order["replace"] == {"client_order_id": "c-2", "state": "pending"}
    assert (order["client_order_id"], order["original_client_order_id"], order["chain"]) == ("c-1", "c-1", ["c-1"])
    replaced = evolve(
        ORDER, client_order_id="c-3", original_client_order_id="c-1", chain=("c-1", "c-2", "c-3"), replace=None
    )
    order = result(replaced)
    assert (order["client_order_id"], order["original_client_order_id"]) == ("c-3", "c-1")
    assert (order["chain"], order["replace"]) == (["c-1", "c-2", "c-3"], None)


def test_the_net_average_price_where_the_venue_told_one() -> None:
    assert result(evolve(ORDER, net_average_price=Decimal("1E+2")))["net_average_price"] == "100"


def test_results_of_requests() -> None:
    submitted = Submitted(order=ORDER, cursor=3, duplicate=True, warnings=("made an id",))
    assert result(submitted) == {
        "client_order_id": "c-1",
        "status": "OPEN",
        "cursor": 3,
        "duplicate": True,
        "warnings": ["made an id"],
    }
    replace = Replace(client_order_id="c-2", terms=TERMS, state=ReplaceState.QUEUED, since=NOON)
    asked = evolve(submitted, order=evolve(ORDER, replace=replace))
    assert result(render.Replaced(asked)) == result(submitted) | {"client_order_id": "c-2"}
    assert result(render.Replaced(submitted)) == result(submitted)
    assert result(asked)["client_order_id"] == "c-1"
    assert result(QuoteAsked(quote_request_id="r", cursor=5)) == {"quote_request_id": "r", "cursor": 5}
    assert result(Cancelling(order=ORDER, cursor=4)) == {"client_order_id": "c-1", "status": "OPEN", "cursor": 4}
    assert result(Page(orders=(ORDER,), next=None)) == {"orders": [result(ORDER)], "next": None}
    assert result(render.Subscribed(journal="j", cursor=3)) == {"journal": "j", "cursor": 3}
    assert result(render.Subscribed(journal="j", cursor=3, orders=())) == {"journal": "j", "cursor": 3, "orders": []}
    assert result(render.Requested(requested=2)) == {"requested": 2}
    assert result(render.Nothing()) == {}
    assert result(render.Portfolios(portfolios=(PORTFOLIO,)))["portfolios"][0]["next_window"] == "2026-01-27T12:00:00Z"
    assert result(render.Sessions(sessions=(SESSION,)))["sessions"][0]["clock_offset_ms"] == 1.5


def test_every_reason_has_a_code_of_its_own() -> None:
    assert set(render.CODES) == set(Reason)
    assert len(set(render.CODES.values())) == len(Reason)


def test_a_refusal_tells_what_it_knows() -> None:
    refusal = Refused(reason=Reason.DUPLICATE, message="used already", order=ORDER, sent=Sent.UNKNOWN)
    assert told(render.failure(render.refused(7, refusal))) == {
        "jsonrpc": "2.0",
        "id": 7,
        "error": {
            "code": -32010,
            "message": "used already",
            "data": {"reason": "duplicate", "sent": "unknown", "order": result(ORDER)},
        },
    }
    invalid = render.refused(7, Refused(reason=Reason.INVALID, message="no", field="limit_price"))
    assert (invalid.code, invalid.details["field"], invalid.details["sent"]) == (-32602, "params.limit_price", "no")
    closed = told(render.failure(render.refused(7, Refused(reason=Reason.CLOSED, message="no", retry_at=NOON))))
    assert closed["error"]["data"] == {"reason": "closed", "sent": "no", "retry_at": "2026-01-27T12:00:00Z"}
    busy = render.refused("x", Refused(reason=Reason.BUSY, message="no", retry_after_ms=20))
    assert (busy.code, busy.details["retry_after_ms"]) == (-32022, 20)


def test_errors_of_the_daemon_itself() -> None:
    assert render.forbidden(7, "order.submit", "no").details == {"reason": "forbidden", "sent": "no"}
    assert render.forbidden(7, "session.list", "no").details == {"reason": "forbidden"}
    assert render.internal(7, "order.submit").details == {"sent": "unknown"}
    assert render.internal(7, "session.list").details == {}
    assert render.unknown_cursor(7, 12).details["oldest"] == 12
    assert told(render.failure(Failure(None, -32700, "no")))["error"] == {"code": -32700, "message": "no", "data": {}}


def test_a_batch_is_one_array() -> None:
    assert (
        told(render.batch([render.reply(1, render.Nothing()), render.failure(Failure(2, -32601, "no"))]))[1]["id"] == 2
    )


def test_every_event_has_a_type_and_only_one() -> None:
    bodies = {part for kind in get_args(Body) for part in (get_args(kind) or (kind,))}
    assert set(render.EVENT_TYPES) == bodies
    assert len(set(render.EVENT_TYPES.values())) == len(bodies)


def test_a_fill_comes_with_its_order() -> None:
    params = event(OrderFilled(ORDER, FILL))
    assert params == {
        "cursor": 9,
        "previous": 4,
        "time": "2026-01-27T12:00:00Z",
        "type": "order.filled",
        "portfolio": "main",
        "order": result(ORDER),
        "fill": {
            "fill_id": "f",
            "exec_id": "e",
            "cumulative_quantity": "200",
            "last_quantity": "200",
            "last_price": "0.0000001",
            "commission": "0.02",
            "fees": [{"amount": "0.02", "currency": "USD", "type": "client_commission"}],
            "venue": "otc",
            "time": "2026-01-27T12:00:00Z",
            "source": "main-1",
        },
    }


def test_what_the_venue_told_beside_a_fill() -> None:
    fill = event(OrderFilled(ORDER, evolve(FILL, raw=((120, "USD"), (9001, "x"), (9001, "y")))))["fill"]
    assert fill["raw"] == [[120, "USD"], [9001, "x"], [9001, "y"]]


def test_a_report_of_another_origin_comes_as_the_facts_it_holds() -> None:
    report = Report(
        account="p",
        order_id="v",
        client_order_id="x",
        exec_id="e",
        transaction=Transaction.NEW,
        kind=ReportKind.NEW,
        status=VenueStatus.NEW,
        product_id="BTC-USD",
        side=Side.SELL,
        base_quantity=Decimal("5"),
    )
    params = event(OrderUnknown(report))
    assert params["type"] == "order.unknown"
    assert (params["report"]["order_id"], params["report"]["base_quantity"]) == ("v", "5")


def test_quotes_and_their_refusals() -> None:
    quote = Quote(
        quote_id="q",
        quote_request_id="r",
        account="p",
        product_id="BTC-USD",
        side=Side.BUY,
        price=Decimal("100.50"),
        quantity=Decimal("2"),
        valid_until=NOON,
    )
    params = event(QuoteReceived(quote))
    assert params["type"] == "quote.received"
    assert params["quote"] == {
        "quote_id": "q",
        "quote_request_id": "r",
        "account": "p",
        "product_id": "BTC-USD",
        "side": "BUY",
        "price": "100.50",
        "quantity": "2",
        "valid_until": "2026-01-27T12:00:00Z",
        "unreadable": [],
    }
    refused = QuoteRefused(
        quote_request_id="r", quote_id=None, account="p", product_id="X", reason="unknown_symbol", text="no"
    )
    params = event(QuoteRejected(refused))
    assert (params["type"], params["quote_request_id"]) == ("quote.rejected", "r")
    assert (params["reason"], params["text"]) == ("unknown_symbol", "no")


def test_the_other_events() -> None:
    rejected = event(ReplaceRejected(ORDER, "c-2", "too_late"))
    assert (rejected["type"], rejected["client_order_id"]) == ("order.replace_rejected", "c-2")
    assert (rejected["order"]["client_order_id"], rejected["reason"]) == ("c-1", "too_late")
    unread = event(Unread(ORDER, ("last_price", "fees")))
    assert (unread["type"], unread["fields"]) == ("order.unreadable", ["last_price", "fees"])
    assert unread["order"]["client_order_id"] == "c-1"
    assert event(FillCorrected(ORDER, FILL, "f0"))["replaces"] == "f0"
    assert event(Contradicted(ORDER, "sizes differ"))["text"] == "sizes differ"
    assert event(SessionChanged(SESSION))["session"]["state"] == "ACTIVE"
    changed = event(PortfolioChanged(PORTFOLIO))
    assert (changed["portfolio"], changed["portfolio_state"]["open_orders"]) == ("main", 1)
    assert event(ServerStopping())["type"] == "server.stopping"


def test_a_heartbeat_repeats_the_newest_cursor() -> None:
    assert told(render.heartbeat(9, 9, NOON))["params"] == {
        "cursor": 9,
        "previous": 9,
        "time": "2026-01-27T12:00:00Z",
        "type": "heartbeat",
    }


def test_a_secret_is_never_rendered() -> None:
    @frozen
    class Leak:
        token: Secret

    with pytest.raises(TypeError):
        render.reply(7, Leak(Secret("s3cret")))  # type: ignore[arg-type]
