"""What one word of the venue does to one order, rule by rule of order-rules.md."""

from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

from primefixd.orders import entry, fills
from primefixd.orders.ledger import Judgement
from primefixd.orders.model import CancelState, Fill, Side, Status
from primefixd.orders.records import FillBusted, FillCorrected, FillGap, OrderFilled
from primefixd.orders.reports import RejectReason, Report, Transaction, VenueStatus
from tests.orders.telling import (
    FOK,
    IOC,
    Story,
    answer,
    at,
    bust,
    correction,
    doubts,
    duplicate,
    fill,
    names,
    order,
    quote_sized,
    word,
)

NEW, PENDING_CANCEL = word("new", t=1, exec_id="n"), word("pending_cancel", t=5, exec_id="pc")
CANCELLED = word("cancelled", t=6, exec_id="x")


# 1: fills are judged first, whatever the status


@pytest.mark.parametrize(
    ("before", "status"),
    [
        ([], "OPEN"),
        ([word("pending_new", t=1)], "OPEN"),
        ([NEW], "OPEN"),
        ([NEW, PENDING_CANCEL], "PENDING_CANCEL"),
        ([NEW, word("pending_replace", t=2)], "PENDING_REPLACE"),
        ([NEW, CANCELLED], "CANCELLED"),
        ([NEW, word("expired", t=6)], "EXPIRED"),
    ],
)
@pytest.mark.parametrize("t", [None, 2, 6, 7], ids=lambda t: f"t={t}")
def test_rule_01_every_unseen_fill_is_told(before: list[Report], status: str, t: float | None) -> None:
    story = Story()
    story.hears(*before)
    judged = story.hears(fill("e", "0.4", "0.4", t))
    assert names(judged)[0] == "OrderFilled" and not doubts(judged)
    assert isinstance(told := judged.changes[0], OrderFilled)
    assert (told.fill.last_quantity, told.fill.source) == (Decimal("0.4"), "main-1")
    assert told.order == story.order
    assert (story.order.status, story.order.filled_quantity) == (status, Decimal("0.4"))


@pytest.mark.parametrize("t", [None, 1, 2, 3])
def test_rule_01_a_fill_of_a_rejected_order_is_told_and_is_odd(t: float | None) -> None:
    story = Story()
    judged = story.hears(word("rejected", t=2), fill("e", "0.4", "0.4", t))
    assert names(judged)[0] == "OrderFilled"
    assert len(doubts(judged)) == 1 and judged.ask
    assert story.order.status == ("REJECTED" if t == 1 else "OPEN")


@pytest.mark.parametrize(
    "report",
    [
        word("new", exec_id="e", last_quantity="1", last_price="100"),
        word("cancelled", exec_id="e", last_quantity="1", last_price="100"),
        fill("e", "0", "0"),
        word("trade", "partially_filled", exec_id="e"),
        word("unknown", "partially_filled", exec_id="e", last_quantity="1", last_price="100"),
    ],
    ids=lambda report: f"{report.kind}-{report.last_quantity}",
)
def test_rule_01_what_is_no_fill(report: Report) -> None:
    story = Story()
    assert "OrderFilled" not in names(story.hears(report))
    assert story.order.filled_quantity == 0


@pytest.mark.parametrize(
    ("report", "lacking"),
    [
        (fill("e", "0.4", "0.4", last_price=None), "a fill (e) came without a readable price"),
        (fill("e", "0.4", "0.4", last_price="0"), "price"),
        (fill("e", "0", "0.4", unreadable=("last_quantity",)), "quantity"),
        (fill(None, "0.4", "0.4"), "(unnamed) came without a readable ExecID"),
        (fill("", "0.4", "0.4"), "(unnamed) came without a readable ExecID"),
    ],
)
def test_rule_01_a_fill_that_cannot_be_read_is_told_as_such_once_and_asked_about(report: Report, lacking: str) -> None:
    story = Story()
    judged = story.hears(report)
    assert lacking in doubts(judged)[0] and judged.ask
    unread = ["Unread"] if report.unreadable else []
    assert names(judged) == ["OrderUpdated", "Contradicted", "FillGap", *unread]
    assert (story.order.status, story.order.filled_quantity) == ("OPEN", 0)
    assert story.hears(report).changes == ()
    if report.exec_id:
        assert names(story.hears(fill("e", "0.4", "0.4"))) == ["OrderFilled"], "a readable copy counts"


def test_rule_01_fills_without_a_name_are_heard_one_by_one() -> None:
    story = Story()
    assert names(story.hears(fill(None, "0.4", "0.4"), fill(None, "0.2", "0.6"))) == ["FillGap"]


@pytest.mark.parametrize(
    ("said", "status"),
    [("unknown", "OPEN"), ("pending_new", "OPEN"), ("suspended", "OPEN"), ("pending_cancel", "PENDING_CANCEL")],
)
def test_rule_01_an_order_with_fills_is_open_whatever_its_report_says(said: str, status: str) -> None:
    story = Story()
    story.hears(fill("e", "0.4", "0.4", status=said))
    assert story.order.status == status


def test_rule_01_a_fill_with_a_reason_to_reject_is_a_fill() -> None:
    story = Story()
    story.hears(NEW, fill("e", "1", "1", 2, reject_reason=RejectReason.UNKNOWN_ORDER))
    assert story.order.status == "FILLED"


# 2: the dedupe key


@pytest.mark.parametrize(
    "again",
    [
        fill("e", "0.4", "0.4", 2),
        fill("e", "0.40", "0.4", 2),
        fill("e", "0.4", "0.4", 9),
        fill("e", "0.4", None),
        fill("e", "0.4", "0.4", 2, status="filled"),
    ],
)
def test_rule_02_a_copy_on_another_session_changes_nothing(again: Report) -> None:
    story = Story()
    story.hears(NEW, fill("e", "0.4", "0.4", 2))
    before = story.order
    judged = story.hears(again, source="drop-copy")
    assert (judged.changes, judged.ask, story.order) == ((), False, before)


@pytest.mark.parametrize("again", [fill("e", "0.5", "0.5", 2), fill("e", "0.4", "0.4", 2, last_price="99")])
def test_rule_02_the_same_key_with_other_terms_is_contradicted_once(again: Report) -> None:
    story = Story()
    story.hears(NEW, fill("e", "0.4", "0.4", 2))
    judged = story.hears(again)
    assert doubts(judged) == ["execution e was told twice with different terms"] and judged.ask
    assert (story.order.filled_quantity, story.order.filled_value) == (Decimal("0.4"), Decimal(40))
    assert doubts(story.hears(again)) == []


def test_rule_02_copies_of_words_that_are_no_fills_move_nothing_either() -> None:
    story = Story()
    story.hears(NEW, PENDING_CANCEL)
    story.ledger.cancel_refused("a", "other", at(9))
    assert story.hears(PENDING_CANCEL, NEW).changes == ()
    assert story.order.status == "OPEN"


@pytest.mark.parametrize(
    "told", [fill("e", "0.5", None, status="filled"), fill("f", "1", None, status="filled", last_price=None)]
)
def test_rule_02_copies_of_what_was_odd_move_nothing_either(told: Report) -> None:
    story = Story(quote_sized())
    story.hears(fill("e", "0.4", None), told)
    assert story.order.status == "FILLED"
    story.hears(answer("partially_filled", 9))
    assert story.order.status == "OPEN"
    assert story.hears(told).changes == ()


# 3: snapshots


@pytest.mark.parametrize(
    "told",
    [
        {"transaction": Transaction.STATUS},
        {"kind": "status"},
        {"exec_id": "0"},
    ],
)
def test_rule_03_a_snapshot_is_no_fill(told: dict[str, Any]) -> None:
    kind = told.pop("kind", "trade")
    told = {"exec_id": "e", "last_quantity": "0.4", "last_price": "100", "cumulative_quantity": "0.4"} | told
    story = Story()
    judged = story.hears(word(kind, "partially_filled", **told))
    assert names(judged) == ["OrderUpdated", "FillGap"]
    assert (story.order.status, story.order.filled_quantity) == ("OPEN", 0)
    assert names(story.hears(fill("e", "0.4", "0.4"))) == ["OrderFilled"], "it does not use up the ExecID"


PUBLISHED_ANSWER = word(
    "cancelled", exec_id="ExecID", transaction=Transaction.CANCEL, cumulative_quantity="0", leaves_quantity="1"
)


def test_rule_03_the_published_answer_is_a_snapshot_while_we_ask_and_so_are_its_copies() -> None:
    story = Story()
    story.hears(NEW)
    story.ledger.asked("a")
    assert names(story.hears(PUBLISHED_ANSWER)) == ["OrderUpdated"]
    assert story.order.status == "CANCELLED"
    assert story.hears(PUBLISHED_ANSWER).changes == ()
    assert doubts(story.hears(evolve(PUBLISHED_ANSWER, exec_id="another")))


def test_rule_03_unasked_it_is_a_bust_of_nothing() -> None:
    story = Story()
    story.hears(NEW)
    judged = story.hears(PUBLISHED_ANSWER)
    assert (names(judged), judged.ask, story.order.status) == (["Contradicted"], True, "OPEN")


def test_rule_03_an_answer_that_comes_again_is_heard_again_when_we_asked_again() -> None:
    story = Story()
    told = word("new", exec_id="ExecID", transaction=Transaction.CANCEL)
    story.ledger.asked("a")
    story.hears(told, PENDING_CANCEL)
    story.ledger.asked("a")
    story.hears(told)
    assert (story.order.status, story.order.cancel.state if story.order.cancel else None) == ("OPEN", CancelState.SENT)


def test_rule_03_a_copy_of_an_answer_is_none_to_a_later_question() -> None:
    story = Story()
    story.hears(answer("new"), PENDING_CANCEL)
    assert story.hears(answer("new")).changes == ()
    assert story.order.status == "PENDING_CANCEL"


def test_rule_03_two_questions_have_two_answers() -> None:
    story = Story()
    story.hears(NEW)
    story.ledger.asked("a")
    story.ledger.asked("a")
    for status in ("new", "cancelled"):
        assert not doubts(story.hears(word(status, exec_id="ExecID", transaction=Transaction.CANCEL)))
    assert story.order.status == "CANCELLED"


def test_rule_03_while_we_ask_a_bust_that_names_its_execution_is_a_bust() -> None:
    story = Story()
    story.hears(NEW, fill("e", "0.4", "0.4", 2))
    story.ledger.asked("a")
    assert names(story.hears(bust("e", "b", 3))) == ["FillBusted"]


# 4: busts and corrections


def test_rule_04_a_bust_lowers_the_totals_once() -> None:
    story = Story()
    story.hears(NEW, fill("e", "0.4", "0.4", 2, commission="0.3"), fill("f", "0.2", "0.6", 3))
    judged = story.hears(bust("e", "b", 4, cumulative_quantity="0.2"))
    assert names(judged) == ["FillBusted"] and not judged.ask
    assert isinstance(told := judged.changes[0], FillBusted)
    assert told.fill.exec_id == "e" and told.order == story.order
    now = story.order
    assert (now.filled_quantity, now.filled_value, now.commission) == (Decimal("0.2"), Decimal(20), 0)
    for copy in (bust("e", "b", 4), bust("e", "b2", 5), bust("e", None), fill("e", "0.4", "0.4", 2)):
        assert story.hears(copy).changes == ()
    assert story.order == now


def test_rule_04_busts_without_an_exec_id_are_told_apart_by_what_they_name() -> None:
    story = Story()
    story.hears(NEW, fill("e", "0.2", "0.2", 2), fill("f", "0.2", "0.4", 3), bust("e", None), bust("f", None))
    assert story.order.filled_quantity == 0


def test_rule_04_a_correction_gives_the_execution_new_terms_once() -> None:
    story = Story()
    story.hears(NEW, fill("e", "0.4", "0.4", 2))
    judged = story.hears(correction("e", "c", "0.3", 3, last_price="110"))
    assert names(judged) == ["FillCorrected"]
    assert isinstance(told := judged.changes[0], FillCorrected)
    assert (told.replaces, told.fill.last_quantity, told.fill.last_price) == ("e", Decimal("0.3"), 110)
    assert (story.order.filled_quantity, story.order.filled_value) == (Decimal("0.3"), 33)
    assert story.hears(correction("e", "c", "0.3", 3, last_price="110"), fill("e", "0.4", "0.4", 2)).changes == ()
    assert names(story.hears(correction("c", "d", "0.5", 4))) == ["FillCorrected"], "by its own ExecID too"
    assert names(story.hears(bust("c", "b", 5))) == ["FillBusted"]
    assert story.order.filled_quantity == 0


@pytest.mark.parametrize(
    "told",
    [
        bust("unheard", "b", 3),
        bust(None, "b", 3),
        correction("unheard", "c", "0.3", 3),
        correction("e", "c", "0", 3),
        correction("e", "c", "0.3", 3, last_price=None),
        correction("e", "c", "0.3", 3, last_price="0"),
        correction("e", "known", "0.2", 3),
        correction("gone", "c", "0.3", 3),
    ],
)
def test_rule_04_any_other_is_contradicted_once_and_changes_nothing(told: Report) -> None:
    story = Story()
    story.hears(NEW, fill("e", "0.4", "0.4", 2), correction("e", "known", "0.3", 2))
    story.hears(fill("gone", "0.1", "0.4", 2), bust("gone", "b0", 2))
    before = story.order
    judged = story.hears(told)
    assert (names(judged), judged.ask, story.order) == (["Contradicted"], True, before)
    assert story.hears(told).changes == ()


@pytest.mark.parametrize(
    ("early", "after", "quantity"),
    [
        ([bust("e", "b", 3)], ["OrderFilled", "FillBusted"], 0),
        ([correction("e", "c", "0.5", 3)], ["OrderFilled", "FillCorrected"], Decimal("0.5")),
        ([bust("c", "b", 4), correction("e", "c", "0.5", 3)], ["OrderFilled", "FillCorrected", "FillBusted"], 0),
        ([bust("e", "b", 4), correction("e", "c", "0.5", 3)], ["OrderFilled", "FillBusted", "Contradicted"], 0),
    ],
)
def test_rule_04_what_comes_before_its_fill_waits_for_it(
    early: list[Report], after: list[str], quantity: Decimal
) -> None:
    story = Story()
    story.hears(NEW)
    for told in early:
        assert names(story.hears(told)) == ["Contradicted"]
    judged = story.hears(fill("e", "0.4", "0.4", 2, status="new"))
    assert (names(judged), story.order.filled_quantity) == (after, quantity)
    assert all(change.order == story.order for change in judged.changes if not isinstance(change, FillGap))
    for told in early:
        assert "FillBusted" not in names(story.hears(told)), "a copy from another session"
    assert story.order.filled_quantity == quantity


def test_rule_04_an_older_correction_changes_nothing_but_can_be_named() -> None:
    story = Story()
    story.hears(NEW, fill("e", "0.4", "0.4", 2), correction("e", "c2", "0.3", 5), bust("c1", "b", 6))
    before = story.order
    judged = story.hears(correction("e", "c0", "0.5", 4, status="filled"))
    assert (judged.changes, story.order) == ((), before)
    assert names(story.hears(correction("e", "c1", "0.5", 4))) == ["FillBusted"]
    assert story.order.filled_quantity == 0


def test_rule_04_words_on_an_execution_without_a_name_say_so() -> None:
    story = Story()
    assert doubts(story.hears(bust(None, "b"))) == ["a cancel of execution unnamed that is not known here"]
    assert doubts(story.hears(bust("e", "b"))) == ["a cancel of execution e that is not known here"]


def test_rule_04_what_waits_is_bounded_and_the_oldest_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fills, "EARLY_MAX", 2)
    story = Story()
    story.hears(NEW, *(bust(name, f"b{name}") for name in "efg"), *(fill(name, "0.1", None) for name in "efg"))
    assert story.order.filled_quantity == Decimal("0.1")


def test_rule_04_copies_do_not_crowd_out_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fills, "EARLY_MAX", 2)
    story = Story()
    story.hears(NEW, bust("e", "b1"), bust("f", "b2"), bust("f", "b2"), bust(None, "b3"))
    story.hears(*(fill(name, "0.1", None) for name in "ef"))
    assert story.order.filled_quantity == 0


@pytest.mark.parametrize(
    ("said", "status", "told"),
    [
        ("partially_filled", "OPEN", ["FillBusted", "OrderUpdated", "Contradicted"]),
        ("new", "OPEN", ["FillBusted", "OrderUpdated", "Contradicted"]),
        ("filled", "FILLED", ["FillBusted"]),
        ("cancelled", "CANCELLED", ["FillBusted", "OrderUpdated", "Contradicted"]),
        ("unknown", "FILLED", ["FillBusted"]),
    ],
)
def test_rule_04_a_bust_may_reopen_a_filled_order_but_never_in_silence(said: str, status: str, told: list[str]) -> None:
    story = Story()
    story.hears(NEW, fill("e", "0.4", "0.4", 2), fill("f", "0.6", "1", 3, status="filled"))
    judged = story.hears(bust("f", "b", 4, status=said, cumulative_quantity="0.4"))
    assert (names(judged), judged.ask, story.order.status) == (told, True, status)
    assert story.hears(fill("f", "0.6", "1", 3, status="filled"), bust("f", "b", 4, status=said)).changes == ()
    assert story.order.status == status
    if status == "OPEN":
        story.hears(word("filled", t=3, exec_id="old"))
        assert story.order.status == "OPEN", "an end from before the bust is over"
        assert names(story.hears(fill("g", "0.6", "1", 5))) == ["OrderFilled", "OrderUpdated"]
        assert story.order.status == "FILLED"


def test_rule_04_a_bust_moves_no_other_end() -> None:
    story = Story()
    story.hears(NEW, fill("e", "0.4", "0.4", 2), CANCELLED)
    assert names(story.hears(bust("e", "b", 7, status="partially_filled"))) == ["FillBusted"]
    assert (story.order.status, story.order.cancelled_quantity) == ("CANCELLED", 1)


def test_rule_04_a_correction_may_fill_the_order_or_overfill_it() -> None:
    story = Story()
    story.hears(NEW, fill("e", "0.4", "0.4", 2))
    assert names(story.hears(correction("e", "c", "1", 3))) == ["FillCorrected", "OrderUpdated"]
    assert story.order.status == "FILLED"
    assert doubts(story.hears(correction("e", "d", "1.5", 4))) == ["filled 1.5 of an order for 1"]


def test_rule_04_a_total_below_what_was_heard_is_not_believed_without_a_bust() -> None:
    story = Story()
    story.hears(NEW, fill("e", "0.4", "0.4", 2))
    judged = story.hears(answer("partially_filled", 9, cumulative_quantity="0.1"))
    assert doubts(judged) == ["the venue counts 0.1, less than the 0.4 that was heard"] and judged.ask
    assert story.order.filled_quantity == Decimal("0.4")
    assert story.hears(answer("partially_filled", 10, cumulative_quantity="0.1")).changes == ()
    assert story.hears(answer("partially_filled", 11, cumulative_quantity="0.4")).changes == ()
    assert story.hears(answer("partially_filled", 1, cumulative_quantity="0.3")).ask is False, "merely old"


# 5: a gap is told once


def test_rule_05_a_gap_is_told_once_and_again_only_when_it_grows() -> None:
    story = Story()
    story.hears(NEW)
    judged = story.hears(fill("f", "0.1", "0.3", 3))
    assert names(judged) == ["OrderFilled", "OrderUpdated", "FillGap"]
    assert isinstance(gap := judged.changes[-1], FillGap) and judged.ask
    assert (gap.venue_quantity, gap.heard_quantity) == (Decimal("0.3"), Decimal("0.1"))
    later = [
        fill("g", "0.1", "0.4", 4),
        answer("partially_filled", 4, cumulative_quantity="0.4"),
        fill("h", "0.1", "0.5", 5),
    ]
    for report in later:
        assert "FillGap" not in names(story.hears(report))
    assert names(story.hears(fill("j", "0.1", "0.7", 7)))[-1] == "FillGap"
    assert "FillGap" not in names(story.hears(fill("i", "0.1", "0.6", 6), fill("e", "0.2", "0.2", 2)))
    assert story.order.filled_quantity == Decimal("0.7")
    assert names(story.hears(fill("l", "0.1", "0.9", 9)))[-1] == "FillGap"


def test_rule_05_the_status_may_advance_over_a_gap() -> None:
    story = Story()
    judged = story.hears(NEW, fill("f", "0.4", "1", 3, status="filled"))
    assert names(judged) == ["OrderFilled", "OrderUpdated", "FillGap"]
    assert (story.order.status, story.order.remaining_quantity) == ("FILLED", 0)
    assert names(story.hears(fill("e", "0.6", "0.6", 2))) == ["OrderFilled"]
    assert story.order.filled_quantity == 1


def test_rule_05_a_bust_is_no_gap() -> None:
    story = Story()
    story.hears(NEW, fill("e", "0.4", "0.4", 2), fill("f", "0.2", "0.6", 3))
    assert names(story.hears(bust("e", "b", 4, cumulative_quantity="0.2"))) == ["FillBusted"]
    assert names(story.hears(fill("g", "0.1", "0.3", 5))) == ["OrderFilled"]
    assert names(story.hears(fill("h", "0.1", "0.5", 6))) == ["OrderFilled", "FillGap"]


def test_rule_05_a_gap_shows_through_a_fill_that_was_taken_back_before_it_came() -> None:
    story = Story()
    judged = story.hears(NEW, bust("e", "b", 4), fill("e", "0.4", "0.6", 2))
    assert names(judged) == ["OrderFilled", "FillBusted", "OrderUpdated", "FillGap"]


def test_rule_05_a_correction_is_no_gap() -> None:
    story = Story()
    story.hears(NEW, fill("e", "0.4", "0.4", 2))
    assert names(story.hears(correction("e", "c", "0.5", 3, cumulative_quantity="0.5"))) == ["FillCorrected"]
    assert names(story.hears(fill("f", "0.1", "0.6", 4))) == ["OrderFilled"]
    assert names(story.hears(fill("g", "0.1", "0.8", 5))) == ["OrderFilled", "FillGap"]


def test_rule_05_a_bust_of_an_order_with_a_gap_is_asked_about() -> None:
    story = Story()
    story.hears(fill("e", "0.4", "1", 2, status="filled"))
    judged = story.hears(bust("e", "b", 3, status="filled"))
    assert (names(judged), judged.ask, story.order.status) == (["FillBusted"], True, "FILLED")


# 6: status


@pytest.mark.parametrize(
    ("story", "status"),
    [
        (["pending_new"], "PENDING"),
        (["pending_new", "new"], "OPEN"),
        (["new", "pending_new"], "OPEN"),
        (["new", "pending_cancel", "new"], "PENDING_CANCEL"),
        (["new", "pending_cancel", "cancelled", "pending_cancel"], "CANCELLED"),
        (["cancelled", "new"], "CANCELLED"),
        (["expired", "pending_cancel", "new"], "EXPIRED"),
        (["rejected", "pending_new"], "REJECTED"),
        (["new", "pending_replace", "replaced"], "OPEN"),
        (["pending_cancel"], "PENDING_CANCEL"),
    ],
)
@pytest.mark.parametrize("timed", [False, True])
def test_rule_06_the_venues_words_in_any_order(story: list[str], status: str, timed: bool) -> None:
    told, when = Story(), {"pending_new": 1, "new": 1}
    for kind in story:
        assert not doubts(told.hears(word(kind, t=when.get(kind, 2) if timed else None)))
    assert told.order.status == status


@pytest.mark.parametrize("old", [{"t": 4}, {"cumulative_quantity": "0.3"}])
def test_rule_06_an_older_word_never_moves_status_back(old: dict[str, Any]) -> None:
    story = Story()
    story.hears(NEW, fill("e", "0.4", "0.4", 2), PENDING_CANCEL)
    before = story.order
    assert story.hears(answer("partially_filled", **old)).changes == ()
    assert (story.order.status, story.order.venue_status) == (before.status, "pending_cancel")
    story.hears(answer("partially_filled", 6, cumulative_quantity="0.4"))
    assert story.order.status == "OPEN"


def test_rule_06_a_terminal_fact_holds_however_late_it_is_heard() -> None:
    story = Story()
    story.hears(NEW, fill("e", "0.4", "0.4", 9), word("cancelled", t=3, cumulative_quantity="0.3"))
    assert (story.order.status, story.order.filled_quantity) == ("CANCELLED", Decimal("0.4"))


@pytest.mark.parametrize("t", [1, 6, None], ids=["older", "same instant", "no time"])
@pytest.mark.parametrize("end", ["cancelled", "expired", "rejected", "filled"])
def test_rule_06_an_end_is_not_undone_by_an_old_word(end: str, t: float | None) -> None:
    story = Story(quote_sized())
    story.hears(word(end, t=6), word("new", t=t, exec_id="n2"), answer("new", t), fill("e", "0.1", "0.1", 1))
    assert story.order.status == end.upper()


@pytest.mark.parametrize("end", ["cancelled", "expired", "rejected", "filled"])
def test_rule_06_an_end_is_undone_by_a_newer_word_and_that_is_told(end: str) -> None:
    story = Story(quote_sized())
    judged = story.hears(word(end, t=6), answer("new", 7))
    assert (story.order.status, judged.ask, len(doubts(judged))) == ("OPEN", True, 1)
    story.hears(word(end, t=6, exec_id="copy"))
    assert story.order.status == "OPEN"
    story.hears(word("cancelled", t=8))
    assert story.order.status == "CANCELLED"


def test_rule_06_an_answer_without_a_time_is_not_undone_by_reports_that_were_queued() -> None:
    story = Story()
    story.ledger.link_lost("main-1", at(0))
    story.hears(answer("cancelled"))
    judged = story.hears(word("new", t=-5), fill("e", "0.2", "0.2", -4))
    assert names(judged) == ["OrderFilled"]
    assert story.order.status == "CANCELLED"


@pytest.mark.parametrize("queued", [True, False])
def test_rule_06_any_word_of_the_venue_undoes_an_end_of_ours(queued: bool) -> None:
    story = Story(sent=not queued)
    story.ledger.end("a", Status.REJECTED, at(1), "expired")
    judged = story.hears(word("new"))
    assert (story.order.status, story.order.reject_reason, len(doubts(judged))) == ("OPEN", None, 1)


def test_rule_06_a_pending_word_does_not_make_an_end_of_ours_the_venues() -> None:
    story = Story()
    story.ledger.end("a", Status.REJECTED, at(1), "other")
    story.hears(word("pending_new", t=1), word("new", t=1))
    assert story.order.status == "OPEN"


@pytest.mark.parametrize("status", ["done_for_day", "stopped", "suspended", "calculated", "accepted_for_bidding"])
def test_rule_06_words_that_end_nothing_are_kept_and_asked_about_once(status: str) -> None:
    story = Story()
    story.hears(NEW)
    judged = story.hears(word("restated", status, 2))
    assert (names(judged), judged.ask) == (["OrderUpdated"], True)
    assert (story.order.status, story.order.venue_status) == ("OPEN", status)
    assert not story.hears(word("restated", status, 3)).ask


@pytest.mark.parametrize(
    ("before", "status"),
    [([NEW], "OPEN"), ([word("pending_new", t=1)], "PENDING"), ([word("pending_replace", t=1)], "PENDING_REPLACE")],
)
def test_rule_06_a_refused_cancel_restores_what_was_before(before: list[Report], status: str) -> None:
    story = Story()
    story.hears(*before, PENDING_CANCEL)
    assert story.order.status == "PENDING_CANCEL"
    assert story.ledger.cancel_refused("a", "too_late", at(9)).order.status == status


@pytest.mark.parametrize(
    ("before", "during", "status"),
    [
        ("pending_new", word("restated", "suspended", 6), "PENDING"),
        ("pending_new", word("new", t=6), "OPEN"),
        ("pending_new", fill("e", "0.1", "0.1", 6), "OPEN"),
        ("pending_replace", fill("e", "0.1", "0.1", 6), "PENDING_REPLACE"),
        ("pending_replace", word("new", t=1), "PENDING_REPLACE"),
    ],
)
def test_rule_06_what_a_refused_cancel_restores_keeps_up(before: str, during: Report, status: str) -> None:
    story = Story()
    story.hears(word(before, t=1), PENDING_CANCEL, during)
    assert story.order.status == "PENDING_CANCEL"
    assert story.ledger.cancel_refused("a", "too_late", at(9)).order.status == status


def test_rule_06_fills_during_a_pending_cancel_that_is_refused_then() -> None:
    story = Story()
    story.hears(
        word("pending_new", t=1),
        PENDING_CANCEL,
        fill("e", "0.4", "0.4", 6),
        fill("f", "0.1", "0.5", 6, status="pending_cancel"),
    )
    assert story.order.status == "PENDING_CANCEL"
    refused = story.ledger.cancel_refused("a", "too_late", at(9)).order
    assert (refused.status, refused.filled_quantity, refused.remaining_quantity) == (
        "OPEN",
        Decimal("0.5"),
        Decimal("0.5"),
    )


@pytest.mark.parametrize("kind", ["cancelled", "expired", "rejected"])
def test_rule_06_an_end_that_its_own_status_denies_is_asked_about(kind: str) -> None:
    story = Story()
    story.hears(NEW)
    assert story.hears(word(kind, "partially_filled", 2)).ask
    assert story.order.status == "OPEN"


def test_rule_06_a_rejection_of_an_open_order_stands_and_is_told() -> None:
    story = Story()
    judged = story.hears(NEW, word("rejected", t=2, text="post only would cross"))
    assert doubts(judged) == ["the venue says REJECTED of an order that was OPEN"]
    assert (story.order.status, story.order.reject_reason, story.order.reject_text) == (
        "REJECTED",
        "other",
        "post only would cross",
    )


# 7: done


@pytest.mark.parametrize("status", ["partially_filled", "filled", "unknown", "pending_cancel"])
@pytest.mark.parametrize("before", [[], [NEW], [NEW, PENDING_CANCEL]])
def test_rule_07_the_quantities_fill_an_order_whatever_the_last_fill_says(status: str, before: list[Report]) -> None:
    story = Story()
    story.hears(*before, fill("e", "0.4", "0.4", 6))
    judged = story.hears(fill("f", "0.6", "1", 6, status=status))
    assert names(judged) == ["OrderFilled", "OrderUpdated"]
    assert (story.order.status, story.order.cancel) == ("FILLED", None)


def test_rule_07_fills_that_come_in_the_wrong_order_fill_it_as_well() -> None:
    story = Story()
    story.hears(fill("f", "0.6", "1", 3), fill("e", "0.4", "0.4", 2))
    assert story.order.status == "FILLED"


def test_rule_07_sized_in_quote_only_the_venue_ends_it() -> None:
    story = Story(quote_sized())
    judged = story.hears(NEW, fill("e", "1", "1", 2, leaves_quantity="0"))
    assert (story.order.status, judged.ask) == ("OPEN", True)
    assert not story.hears(word("restated", "partially_filled", 3, leaves_quantity="0")).ask, "asked once"
    story.hears(fill("f", "0.1", "1.1", 4, status="filled"))
    assert (story.order.status, story.order.filled_value) == ("FILLED", 110)


@pytest.mark.parametrize(("cum", "ask"), [("0.4", True), (None, True), ("0", False)])
def test_rule_07_nothing_left_is_a_reason_to_ask_and_no_end(cum: str | None, ask: bool) -> None:
    story = Story()
    told = word("new", t=1, leaves_quantity="0", cumulative_quantity=cum)
    assert story.hears(told).ask is ask
    assert story.order.status == "OPEN"


@pytest.mark.parametrize("end", ["cancelled", "expired", "rejected"])
@pytest.mark.parametrize("tif", [IOC, FOK])
def test_rule_07_the_rest_of_an_immediate_order_is_cancelled_with_its_fills(end: str, tif: object) -> None:
    story = Story(order(time_in_force=tif))
    judged = story.hears(NEW, fill("e", "0.4", "0.4", 2), word(end, t=2, cumulative_quantity="0.4"))
    now = story.order
    assert (now.status, now.filled_quantity, now.cancelled_quantity) == ("CANCELLED", Decimal("0.4"), Decimal("0.6"))
    assert not doubts(judged) and now.reject_reason is None


@pytest.mark.parametrize(
    ("end", "status"), [("cancelled", "CANCELLED"), ("expired", "CANCELLED"), ("rejected", "REJECTED")]
)
def test_rule_07_an_immediate_order_without_fills(end: str, status: str) -> None:
    story = Story(order(time_in_force=FOK))
    story.hears(NEW if end != "rejected" else word("pending_new", t=1), word(end, t=2))
    assert story.order.status == status


def test_rule_07_filled_for_less_than_its_size_is_the_venues_word_and_is_asked_about() -> None:
    story = Story()
    assert story.hears(NEW, fill("e", "0.4", "0.4", 2, status="filled")).ask
    assert story.order.status == "FILLED"


def test_rule_07_an_end_of_a_filled_order_is_told_once_and_it_stays_filled() -> None:
    story = Story()
    judged = story.hears(NEW, fill("e", "1", "1", 2), CANCELLED)
    assert doubts(judged) == ["the venue says CANCELLED of an order whose fills reach its size"]
    assert story.order.status == "FILLED"
    assert not doubts(story.hears(evolve(CANCELLED, exec_id="y")))


def test_rule_07_a_late_fill_may_complete_a_cancelled_order() -> None:
    story = Story()
    judged = story.hears(NEW, CANCELLED, fill("e", "1", "1", 5))
    assert names(judged) == ["OrderFilled", "OrderUpdated", "Contradicted"]
    assert story.order.status == "FILLED"


def test_an_overfill_is_told_with_each_fill_that_adds_to_it() -> None:
    story = Story()
    assert doubts(story.hears(fill("e", "0.9", "0.9"), fill("f", "0.2", "1.1"))) == ["filled 1.1 of an order for 1"]
    assert doubts(story.hears(fill("f", "0.2", "1.1"))) == []
    assert doubts(story.hears(fill("g", "0.1", "1.2"))) == ["filled 1.2 of an order for 1"]
    assert story.order.remaining_quantity == 0


# 8: what is left


@pytest.mark.parametrize(
    ("last", "remaining", "cancelled"),
    [
        (None, "0.6", "0"),
        (PENDING_CANCEL, "0.6", "0"),
        (CANCELLED, "0", "0.6"),
        (word("expired", t=6), "0", "0.6"),
        (fill("f", "0.6", "1", 6), "0", "0"),
        (word("rejected", t=6), "0", "0"),
    ],
)
def test_rule_08_remaining_is_what_can_still_execute(last: Report | None, remaining: str, cancelled: str) -> None:
    story = Story()
    story.hears(NEW, fill("e", "0.4", "0.4", 2), *([last] if last else []))
    now = story.order
    assert (now.remaining_quantity, now.cancelled_quantity) == (Decimal(remaining), Decimal(cancelled))
    assert now.remaining_value is None


def test_rule_08_sized_in_quote_the_rest_is_an_estimate_in_quote() -> None:
    story = Story(quote_sized("100"))
    story.hears(NEW, fill("e", "0.4", "0.4", 2))
    now = story.order
    assert (now.remaining_quantity, now.remaining_value, now.cancelled_quantity) == (None, 60, None)
    story.hears(CANCELLED)
    assert (story.order.remaining_quantity, story.order.remaining_value) == (0, 0)


# 9: rejects, as far as they come as reports (the rest is in test_ledger)


def test_rule_09_a_rate_reject_ends_the_order_in_those_words() -> None:
    story = Story()
    story.hears(word("rejected", reject_reason=RejectReason.RATE_LIMITED, text="rate limit exceeded"))
    now = story.order
    assert (now.status, now.reject_reason, now.reject_text) == ("REJECTED", "rate_limited", "rate limit exceeded")


# 13 and 14: in doubt


def in_doubt() -> Story:
    story = Story()
    assert names(story.ledger.link_lost("main-1", at(0))) == ["OrderInDoubt"]
    return story


@pytest.mark.parametrize(
    "told",
    [
        answer("rejected", 2),
        answer("rejected", 2, reject_reason=RejectReason.UNKNOWN_ORDER),
        word("rejected", t=2, exec_id="0"),
        word("rejected", t=2, transaction=Transaction.STATUS),
        word("rejected", t=2, reject_reason=RejectReason.UNKNOWN_ORDER),
    ],
)
@pytest.mark.parametrize("doubt", [True, False])
def test_rule_13_absence_is_never_proof(told: Report, doubt: bool) -> None:
    story = in_doubt() if doubt else Story()
    story.hears(*([] if doubt else [NEW]))
    before = story.order
    assert story.hears(told).changes == ()
    assert evolve(story.order, updated_at=before.updated_at) == before


@pytest.mark.parametrize(("asked", "status"), [(True, "SENT"), (False, "REJECTED")])
def test_rule_13_unknown_order_is_a_rejection_only_where_nobody_asked(asked: bool, status: str) -> None:
    story = Story()
    if asked:
        story.ledger.asked("a")
    story.hears(word("rejected", reject_reason=RejectReason.UNKNOWN_ORDER))
    assert story.order.status == status


@pytest.mark.parametrize("doubt", [True, False], ids=["in doubt", "acknowledged"])
@pytest.mark.parametrize("status", ["rejected", "new"])
def test_rule_14_a_duplicate_proves_that_the_venue_has_the_order(status: str, doubt: bool) -> None:
    story = in_doubt() if doubt else Story()
    story.hears(*([] if doubt else [NEW]))
    before = story.order
    judged = story.hears(duplicate(status=status, order_id="another" if doubt else "v", t=3))
    assert (names(judged), judged.ask) == (["OrderUpdated"] if doubt else [], True)
    assert evolve(story.order, updated_at=before.updated_at) == evolve(before, known_to_venue=doubt)
    assert not story.hears(duplicate(status=status, t=4)).ask, "asked once"


@pytest.mark.parametrize("status", ["rejected", "partially_filled"])
def test_rule_14_a_duplicate_of_an_order_that_was_sent_once_is_a_rejection(status: str) -> None:
    story = Story()
    assert not story.hears(duplicate(status=status)).ask
    assert (story.order.status, story.order.reject_reason) == ("REJECTED", "duplicate_order")


@pytest.mark.parametrize(
    ("told", "status"),
    [
        (answer("new"), "OPEN"),
        (answer("cancelled"), "CANCELLED"),
        (word("pending_new", t=1), "PENDING"),
        (fill("e", "0.4", "0.4", 1), "OPEN"),
        (word("rejected", t=1), "REJECTED"),
        (word("restated", "suspended", t=1), "SENT"),
        (word("new", t=-9, cumulative_quantity="0"), "OPEN"),
    ],
)
def test_in_doubt_until_any_word_of_the_venue(told: Report, status: str) -> None:
    story = in_doubt()
    judged = story.hears(told)
    assert "OrderUpdated" in names(judged)
    assert (story.order.status, story.order.in_doubt) == (status, False)
    assert story.ledger.link_lost("main-1", at(9)) == [], "it is acknowledged now"


# 19: how far the cancel has come, as far as reports tell


def test_rule_19_pending_cancel_only_when_the_venue_says_so() -> None:
    story = Story()
    story.hears(NEW)
    told = story.ledger.cancel_is("a", CancelState.SENT, at(4)).order
    assert (told.status, told.cancel and told.cancel.state) == ("OPEN", CancelState.SENT)
    story.hears(PENDING_CANCEL)
    assert (story.order.status, story.order.cancel and story.order.cancel.state) == (
        "PENDING_CANCEL",
        CancelState.PENDING,
    )
    since = story.order.cancel and story.order.cancel.since
    story.hears(fill("e", "0.1", "0.1", 6))
    assert (story.order.cancel and story.order.cancel.since) == since
    story.hears(CANCELLED)
    assert (story.order.status, story.order.cancel) == ("CANCELLED", None)


# What else may not add up


def test_a_report_that_is_ours_by_order_id_but_not_by_its_terms_is_told_once() -> None:
    story = Story()
    story.hears(NEW)
    judged = story.hears(fill("e", "0.1", "0.1", 2, side=Side.SELL))
    assert names(judged) == ["OrderFilled", "OrderUpdated", "Contradicted"] and judged.ask
    assert not doubts(story.hears(fill("f", "0.1", "0.2", 3, side=Side.SELL)))


def test_an_order_that_never_left_cannot_be_known_there() -> None:
    story = Story(sent=False)
    judged = story.hears(NEW)
    assert doubts(judged) == ["the venue says OPEN of an order that was QUEUED"]
    assert story.order.status == "OPEN"


def test_times_and_the_venues_id_are_kept() -> None:
    story = Story()
    story.hears(word("pending_new", t=1), fill("e", "0.1", "0.1", 2, order_id=None))
    now = story.order
    assert (now.order_id, now.sent_at, now.acknowledged_at, now.updated_at) == ("v", at(0).utc, at(1).utc, at(2).utc)


def the_fill(judged: Judgement) -> Fill:
    first = judged.changes[0]
    assert isinstance(first, OrderFilled)
    return first.fill


def test_a_fill_says_where_it_came_from() -> None:
    story = Story()
    one = the_fill(story.hears(fill("e", "0.1", None, order_id=None, commission="0.2", venue="otc"), source="main-2"))
    assert (one.fill_id, one.cumulative_quantity, one.source, one.time) == ("a/e", Decimal("0.1"), "main-2", at(1).utc)
    assert (one.commission, one.venue, one.exec_id) == (Decimal("0.2"), "otc", "e")
    two = the_fill(story.hears(fill("f", "0.1", "0.3", 5)))
    assert (two.fill_id, two.cumulative_quantity, two.time) == ("v/f", Decimal("0.3"), at(5).utc)


def test_an_unknown_status_changes_nothing_but_is_kept_and_asked_about() -> None:
    story = Story()
    story.hears(NEW)
    judged = story.hears(word("unknown", VenueStatus.UNKNOWN, 2))
    assert (judged.ask, story.order.status, story.order.venue_status) == (True, "OPEN", "unknown")


def test_what_one_order_remembers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry, "REMEMBERED_MAX", 3)
    story = Story()
    story.hears(*(word("restated", "new", t, exec_id=f"r{t}") for t in range(20)))
    kept = story.ledger._shelf._entries["a"].heard
    assert 0 < len(kept) <= 3
