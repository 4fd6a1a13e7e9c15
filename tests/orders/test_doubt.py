"""Orders in doubt: what is no proof, what is, sending again, a person's word; and orders of other origin."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

from primefixd.orders.ledger import Ledger
from primefixd.orders.model import CancelState, OnDoubt, Order, OrderType, Resolution, Side, Status, TimeInForce
from primefixd.orders.records import FillBusted, OrderFilled
from primefixd.orders.reports import RejectReason, Report, Transaction
from tests.orders.gapped import GRACE, Gapped
from tests.orders.telling import (
    NOON,
    Story,
    answer,
    at,
    doubts,
    duplicate,
    fill,
    names,
    order,
    quote_sized,
    word,
)

DAY = 24 * 3600


def in_doubt(told: Order | None = None) -> Gapped:
    """The order left, and its link is gone."""
    story = Gapped(told, known=False)
    story.ledger.link_lost("main-1", at(0))
    return story


def wanted(**terms: Any) -> Order:
    return evolve(order(**terms), on_doubt=OnDoubt.RESUBMIT)


# 13: absence


def test_rule_13_what_rest_does_not_list_is_shown_once_and_ends_nothing() -> None:
    story = in_doubt()
    changes = story.ledger.not_found("a", at(120))
    assert names(changes) == ["OrderUpdated"]
    assert (story.order.not_found_at, story.order.status, story.order.in_doubt) == (at(120).utc, "SENT", True)
    assert story.ledger.not_found("a", at(180)) == []
    assert story.order.not_found_at == at(120).utc
    assert story.ledger.in_doubt() == [story.order]


def test_rule_13_the_first_word_takes_it_back() -> None:
    story = in_doubt()
    story.ledger.not_found("a", at(120))
    assert names(story.hears(word("new", t=130))) == ["OrderUpdated"]
    assert (story.order.not_found_at, story.order.in_doubt) == (None, False)
    assert story.ledger.in_doubt() == [] and story.ledger.not_found("a", at(140)) == []


@pytest.mark.parametrize(
    "told", [answer("rejected", 3), word("rejected", t=3, reject_reason=RejectReason.UNKNOWN_ORDER)]
)
def test_rule_13_an_answer_that_knows_no_such_order_leaves_it_in_doubt(told: Report) -> None:
    story = in_doubt()
    story.ledger.asked("a")
    story.hears(told)
    assert (story.order.status, story.order.in_doubt, story.order.known_to_venue) == ("SENT", True, False)


# 14: a duplicate


def test_rule_14_a_duplicate_shows_that_the_venue_knows_an_order_in_doubt() -> None:
    story = in_doubt()
    judged = story.hears(duplicate(t=3))
    assert (names(judged), judged.ask) == (["OrderUpdated"], True)
    assert (story.order.status, story.order.in_doubt, story.order.known_to_venue) == ("SENT", True, True)
    story.restarts()
    assert story.order.known_to_venue
    story.hears(word("new", t=1))
    assert (story.order.status, story.order.known_to_venue) == ("OPEN", False)


def test_rule_14_a_duplicate_of_an_order_that_was_sent_twice_never_rejects_it() -> None:
    story = in_doubt(wanted())
    story.ledger.resubmitted("a", at(20))
    story.ledger.sent("a", "main-2", at(21))
    assert names(story.hears(duplicate(t=22))) == ["OrderUpdated"]
    assert story.order.known_to_venue and not story.order.final
    story.hears(word("new", t=1), duplicate(t=23))
    assert story.order.status == "OPEN"


def test_rule_14_the_rate_that_refuses_the_second_sending_says_nothing_of_the_first() -> None:
    story = in_doubt(wanted())
    story.ledger.resubmitted("a", at(20))
    story.hears(word("rejected", t=22, reject_reason=RejectReason.RATE_LIMITED))
    assert (story.order.status, story.order.in_doubt) == ("SENT", True)
    once = in_doubt(wanted())
    once.hears(word("rejected", t=22, reject_reason=RejectReason.RATE_LIMITED))
    assert once.order.status == "REJECTED"


# 15: sending again


def test_rule_15_an_order_in_doubt_may_leave_once_more_if_its_client_asked_for_that() -> None:
    story = in_doubt(wanted())
    assert story.ledger.resubmittable("a", at(20))
    assert not in_doubt().ledger.resubmittable("a", at(20))
    assert not Story(wanted()).ledger.resubmittable("a", at(20)), "it is not in doubt"


@pytest.mark.parametrize(("after", "may"), [(23 * 3600 - 1, True), (23 * 3600, False), (DAY, False)])
def test_rule_15_within_23_hours_of_the_first_sending(after: float, may: bool) -> None:
    assert in_doubt(wanted()).ledger.resubmittable("a", at(after)) is may


@pytest.mark.parametrize(
    ("told", "may"),
    [
        (wanted(type=OrderType.MARKET), False),
        (wanted(type=OrderType.RFQ), False),
        (wanted(type=OrderType.TWAP), True),
        (evolve(wanted(), deadline=NOON + timedelta(seconds=20)), False),
        (evolve(wanted(), deadline=NOON + timedelta(seconds=21)), True),
        (wanted(time_in_force=TimeInForce.GOOD_UNTIL_DATE_TIME, expiry_time=NOON + timedelta(seconds=20)), False),
    ],
    ids=["market", "rfq", "twap", "past its deadline", "before its deadline", "expired"],
)
def test_rule_15_not_for_every_order(told: Order, may: bool) -> None:
    assert in_doubt(told).ledger.resubmittable("a", at(20)) is may


def test_rule_15_never_twice_also_after_a_restart() -> None:
    story = in_doubt(wanted())
    story.ledger.not_found("a", at(20))
    assert names(story.ledger.resubmitted("a", at(21))) == ["OrderUpdated"]
    assert (story.order.in_doubt, story.order.not_found_at) == (True, None)
    assert not story.ledger.resubmittable("a", at(22))
    story.restarts()
    assert not story.ledger.resubmittable("a", at(22))


def test_rule_15_not_what_the_venue_knows_or_the_client_cancels() -> None:
    known, cancelled = in_doubt(wanted()), in_doubt(wanted())
    known.hears(duplicate(t=3))
    cancelled.ledger.cancel_is("a", CancelState.WAITING, at(4))
    assert not known.ledger.resubmittable("a", at(20))
    assert not cancelled.ledger.resubmittable("a", at(20))


# 16: a person's word


def says(status: str, filled: str = "0", average: str | None = None) -> Resolution:
    return Resolution(
        status=Status(status),
        filled_quantity=Decimal(filled),
        average_price=None if average is None else Decimal(average),
        reason="the venue's desk said so by telephone",
        client="boss",
        time=at(100).utc,
    )


def resolved(status: str, filled: str = "0", average: str | None = None, told: Order | None = None) -> Gapped:
    story = in_doubt(told)
    story.seconds = 100
    changes = story.ledger.resolve("a", says(status, filled, average), at(100))
    story.sums.hears(changes, story.order)
    return story


@pytest.mark.parametrize(
    ("status", "filled", "average", "told"),
    [
        ("CANCELLED", "0", None, None),
        ("CANCELLED", "0.4", "101", None),
        ("FILLED", "1", "101", None),
        ("EXPIRED", "0", None, None),
        ("REJECTED", "0", None, None),
        ("FILLED", "0.4", "101", quote_sized()),
    ],
)
def test_rule_16_a_person_ends_an_order_in_doubt(
    status: str, filled: str, average: str | None, told: Order | None
) -> None:
    story = resolved(status, filled, average, told)
    now = story.order
    assert (now.status, now.in_doubt, now.resolution) == (status, False, says(status, filled, average))
    assert (now.filled_quantity, now.average_filled_price) == (Decimal(filled), average and Decimal(average))
    assert [one.source for one in story.sums.fills.values()] == (["resolved"] if average else [])
    assert story.ledger.live() == [] and (now.reject_reason is not None) == (status == "REJECTED")
    story.restarts()
    assert story.order == now


@pytest.mark.parametrize(
    ("resolution", "sentence"),
    [
        (says("OPEN"), "not the end"),
        (says("CANCELLED", "0.4"), "average price"),
        (says("CANCELLED", "0.4", "0"), "average price"),
        (says("FILLED"), "needs the filled quantity"),
        (says("FILLED", "0.4", "100"), "only FILLED if all"),
        (says("REJECTED", "0.4", "100"), "rejected order has no fills"),
        (says("CANCELLED", "1.1", "100"), "the order is for 1, less than 1.1"),
    ],
)
def test_rule_16_what_cannot_be_is_refused(resolution: Resolution, sentence: str) -> None:
    story = in_doubt()
    before = story.order
    with pytest.raises(ValueError, match=sentence):
        story.ledger.resolve("a", resolution, at(100))
    assert story.order == before


def test_rule_16_only_an_order_in_doubt_is_resolved() -> None:
    for story in (Story(), resolved("CANCELLED")):
        with pytest.raises(ValueError, match="not in doubt"):
            story.ledger.resolve("a", says("CANCELLED"), at(101))


def test_rule_16_a_fill_of_the_venue_overrides_the_person() -> None:
    story = resolved("CANCELLED", "0.4", "101")
    judged = story.hears(fill("e", "0.3", "0.3", 5))
    assert (names(judged), judged.ask) == (["FillBusted", "OrderFilled", "OrderUpdated", "Contradicted"], True)
    busted, told = judged.changes[:2]
    assert isinstance(busted, FillBusted) and busted.fill.source == "resolved"
    assert isinstance(told, OrderFilled) and told.fill.exec_id == "e"
    assert (story.order.status, story.order.resolution, story.filled) == ("OPEN", None, ("0.3", "30"))
    assert "CANCELLED, 0.4 filled" in doubts(judged)[0]
    assert [one.client_order_id for one in story.ledger.live()] == ["a"]
    assert story.ledger.gapped() == [], "the person's quantity is nothing that the venue counts"


@pytest.mark.parametrize(
    ("told", "status", "doubtful"),
    [
        (word("new", t=5), "OPEN", False),
        (word("pending_new", t=5), "PENDING", False),
        (answer("filled", 5, cumulative_quantity="1"), "FILLED", False),
        (duplicate(t=5), "SENT", True),
        (word("rejected", t=5, reject_reason=RejectReason.EXCEEDS_LIMIT), "REJECTED", False),
    ],
)
def test_rule_16_any_later_word_reopens_the_order(told: Report, status: str, doubtful: bool) -> None:
    story = resolved("CANCELLED")
    story.restarts()
    judged = story.hears(told)
    assert {"OrderUpdated", "Contradicted"} <= set(names(judged)) and judged.ask
    assert (story.order.status, story.order.in_doubt, story.order.resolution) == (status, doubtful, None)


def test_rule_16_a_word_that_agrees_replaces_the_persons() -> None:
    story = resolved("CANCELLED")
    judged = story.hears(word("cancelled", t=5, cumulative_quantity="0"))
    assert (names(judged), story.order.status, story.order.resolution) == (["OrderUpdated"], "CANCELLED", None)


def test_rule_16_absence_does_not_override_the_person() -> None:
    story = resolved("CANCELLED")
    story.ledger.asked("a")
    published = word("rejected", t=5, exec_id="s", transaction=Transaction.CANCEL)
    story.hears(published, answer("rejected", 5), word("rejected", t=6, reject_reason=RejectReason.UNKNOWN_ORDER))
    assert (story.order.status, story.order.resolution) == ("CANCELLED", says("CANCELLED"))


def test_rule_16_resolved_again_the_fill_has_a_name_of_its_own() -> None:
    story = resolved("CANCELLED", "0.4", "101")
    story.hears(duplicate(t=5))
    assert story.order.in_doubt
    story.sums.hears(story.ledger.resolve("a", says("CANCELLED", "0.5", "101"), at(200)), story.order)
    assert (len(story.sums.told), story.filled) == (2, ("0.5", "50.5"))


# 28: other origin


def foreign(**fields: Any) -> Report:
    told = {"client_order_id": "ui-1", "order_id": "o", "exec_id": "1", "order_type": OrderType.LIMIT}
    sizes = {"base_quantity": "1", "cumulative_quantity": "0.4", "limit_price": Decimal(100)}
    return word("restated", "partially_filled", **({"t": 3} | told | sizes | fields))


def desk(*reports: Report) -> Ledger:
    ledger = Ledger(GRACE, "main")
    for report in reports:
        ledger.report(report, "main-1", at(5))
    return ledger


def test_rule_28_an_order_of_other_origin_is_taken_in() -> None:
    ledger = desk(foreign(time_in_force=TimeInForce.GOOD_UNTIL_CANCELLED))
    assert ledger.foreign_report("o") is not None
    updated = ledger.adopt("o", 77, at(6))
    now = ledger.get("ui-1")
    assert now == updated.order and ledger.by_order_id("o") == now and ledger.live() == [now]
    assert (now.client, now.portfolio, now.accepted_cursor, now.status, now.in_doubt) == ("", "main", 77, "OPEN", False)
    assert (now.terms.type, now.terms.side, now.terms.base_quantity, now.terms.limit_price) == (
        OrderType.LIMIT,
        Side.BUY,
        Decimal(1),
        Decimal(100),
    )
    assert (now.filled_quantity, ledger.gapped()) == (0, [now])
    assert ledger.foreign_report("o") is None
    assert len(ledger.keep().orders) == 1


def test_rule_28_what_was_filled_of_it_is_a_gap() -> None:
    ledger = desk(foreign())
    ledger.adopt("o", 77, at(6))
    assert len(ledger.gaps_due(at(6 + GRACE), GRACE)) == 1
    ledger.asked("ui-1")
    told = {"client_order_id": "ui-1", "order_id": "o", "cumulative_quantity": "0.4", "average_price": Decimal(99)}
    judged = ledger.report(answer("partially_filled", 3, **told), "main-1", at(7 + GRACE))
    assert names(judged) == ["OrderFilled"]
    real = fill("e", "0.4", "0.4", 2, client_order_id="ui-1", order_id="o")
    assert names(ledger.report(real, "main-1", at(8 + GRACE))) == ["FillCorrected"]


def test_rule_28_the_newest_report_counts() -> None:
    ledger = desk(foreign(t=4, cumulative_quantity="0.5", exec_id="2"), foreign(t=3))
    known = ledger.foreign_report("o")
    assert known is not None and known.cumulative_quantity == Decimal("0.5")


@pytest.mark.parametrize(
    ("fields", "lacking"),
    [
        ({"side": None}, "side"),
        ({"product_id": None}, "product"),
        ({"base_quantity": None}, "size"),
        ({"order_type": None}, "type"),
        ({"side": None, "order_type": None}, "side and type"),
        ({"status": "rejected"}, "rejected"),
    ],
)
def test_rule_28_what_is_not_known_well_enough_is_not_taken_in(fields: dict[str, Any], lacking: str) -> None:
    report = foreign(**{name: value for name, value in fields.items() if name != "status"})
    if "status" in fields:
        report = evolve(report, status=word("rejected").status)
    ledger = desk(report)
    with pytest.raises(ValueError, match=lacking):
        ledger.adopt("o", 77, at(6))
    assert list(ledger.kept()) == [] and ledger.foreign_report("o") == report


def test_rule_28_an_id_that_is_taken_or_unheard_of_is_refused() -> None:
    story = Story(order("ui-1", product_id="ETH-USD"))
    story.hears(foreign())
    with pytest.raises(ValueError, match="ui-1 is taken"):
        story.ledger.adopt("o", 77, at(6))
    with pytest.raises(ValueError, match="nothing on the order q"):
        story.ledger.adopt("q", 77, at(6))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"order_type": OrderType.MARKET}, TimeInForce.IMMEDIATE_OR_CANCEL),
        ({}, TimeInForce.GOOD_UNTIL_CANCELLED),
        ({"time_in_force": TimeInForce.FILL_OR_KILL}, TimeInForce.FILL_OR_KILL),
    ],
)
def test_rule_28_its_time_in_force(fields: dict[str, Any], expected: TimeInForce) -> None:
    assert desk(foreign(**fields)).adopt("o", 1, at(6)).order.terms.time_in_force is expected


def test_rule_28_sized_in_quote_and_nameless() -> None:
    ledger = desk(foreign(client_order_id=None, base_quantity=None, quote_value=Decimal(500)))
    now = ledger.adopt("o", 1, at(6)).order
    assert (now.client_order_id, now.terms.quote_value, now.terms.base_quantity) == ("o", 500, None)
