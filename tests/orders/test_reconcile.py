"""Rule 5: gaps, what stands in for fills that were not heard, and the real fills that come after all."""

import math
from decimal import Decimal

import pytest

from primefixd.orders.gaps import GAP_ASKS_MAX
from primefixd.orders.model import Order
from primefixd.orders.records import FillCorrected, OrderFilled
from primefixd.orders.reports import RestFill
from tests.orders.gapped import GRACE, Gapped
from tests.orders.telling import answer, at, bust, correction, doubts, fill, names, quote_sized, word


def gapped(told: Order | None = None) -> Gapped:
    """0.1 at 100 was heard of 0.6 that the venue counts, at 110 on average."""
    story = Gapped(told)
    judged = story.hears(fill("f", "0.1", "0.1", 2), fill("h", "0.1", "0.7", 4))
    assert names(judged)[-1] == "FillGap"
    return story


def reconciled(told: Order | None = None) -> Gapped:
    """As `gapped`, with 0.5 at 106 standing in for what was not heard of 0.7."""
    story = gapped(told)
    story.waits()
    judged = story.answers("0.7", "104.285714285714285714285714286", 4)
    assert "OrderFilled" in names(judged)
    return story


def rest(fill_id: str, quantity: str, price: str = "100", t: float | None = None) -> RestFill:
    return RestFill(
        fill_id=fill_id,
        order_id="v",
        quantity=Decimal(quantity),
        price=Decimal(price),
        time=None if t is None else at(t).utc,
        commission=Decimal("0.01"),
        venue="coinbase",
    )


# A gap becomes a fill


def test_rule_05_a_gap_becomes_one_fill_once_an_answer_agrees_after_the_grace() -> None:
    story = Gapped()
    judged = story.hears(fill("f", "0.1", "0.5", 3))
    assert (names(judged), judged.ask) == (["OrderFilled", "OrderUpdated", "FillGap"], True)
    assert names(story.answers("0.5", "104", 3)) == [], "the grace is not over"
    assert story.waits(GRACE - 1.1) == []
    assert story.waits(1.1) == [story.order]
    assert story.order.filled_quantity == Decimal("0.1"), "nothing is told by time alone"
    judged = story.answers("0.5", "104", 3)
    assert names(judged) == ["OrderFilled"]
    assert isinstance(told := judged.changes[0], OrderFilled)
    assert (told.fill.source, told.fill.approximate, told.fill.exec_id) == ("reconciled", True, "reconciled/v/1")
    assert story.reconciled() == [("0.4", "105")]
    assert story.filled == ("0.5", "52")
    assert story.waits(1000) == [] and story.ledger.next_gap(GRACE) == math.inf
    assert names(story.answers("0.5", "104", 3)) == []


def test_rule_05_the_order_is_filled_by_what_stands_in() -> None:
    story = Gapped()
    story.hears(fill("f", "0.4", "1", 3))
    story.waits()
    assert names(story.answers("1", "100", 4)) == ["OrderFilled", "OrderUpdated"]
    assert (story.order.status, story.order.remaining_quantity) == ("FILLED", 0)


@pytest.mark.parametrize(
    ("cum", "t"),
    [("0.8", 5), ("0.6", 5), (None, 5)],
    ids=["the answer shows more", "it shows less", "it shows nothing"],
)
def test_rule_05_an_answer_that_does_not_agree_makes_no_fill(cum: str | None, t: float) -> None:
    story = gapped()
    story.waits()
    story.ledger.asked("a")
    judged = story.hears(answer("partially_filled", t, cumulative_quantity=cum, average_price=Decimal(105)))
    assert "OrderFilled" not in names(judged)
    assert story.order.filled_quantity == Decimal("0.2")


def test_rule_05_a_gap_that_grew_waits_anew() -> None:
    story = gapped()
    story.waits(GRACE - 2)
    assert names(story.hears(fill("j", "0.1", "0.9", 6)))[-1] == "FillGap"
    assert story.waits(2) == []
    assert names(story.answers("0.9", "100", 6)) == []
    assert story.waits() != []
    assert names(story.answers("0.9", "100", 6)) == ["OrderFilled"]


def test_rule_05_a_fill_that_comes_within_the_grace_closes_the_gap() -> None:
    story = gapped()
    assert names(story.hears(fill("g", "0.5", "0.6", 3))) == ["OrderFilled"]
    assert story.waits(1000) == []
    assert names(story.answers("0.7", "100", 4)) == []
    assert story.sums.told == ["f", "h", "g"]


def test_rule_05_a_copy_of_an_old_answer_agrees_with_nothing() -> None:
    story = gapped()
    story.answers("0.7", "104", 4)
    story.waits()
    copy = answer("partially_filled", 4, cumulative_quantity="0.7", average_price=Decimal(104))
    assert names(story.hears(copy, source="main-2")) == []


@pytest.mark.parametrize("average", [None, "0", "10"], ids=["no average", "zero", "less than what was heard is worth"])
def test_rule_05_without_a_price_it_is_asked_again_and_then_said(average: str | None) -> None:
    story = gapped()
    asked, said = 0, []
    for _ in range(GAP_ASKS_MAX + 5):
        asked += len(story.waits())
        judged = story.answers("0.7", average, 4)
        said += doubts(judged)
        assert "OrderFilled" not in names(judged)
        assert not said or asked == GAP_ASKS_MAX
    assert asked == GAP_ASKS_MAX
    assert said == ["the venue counts 0.5 more than was heard, and names no price for it"]
    assert names(story.answers("0.7", "104", 4)) == ["OrderFilled"], "a later answer may still tell it"


def test_rule_05_the_price_is_never_taken_from_8002() -> None:
    story = gapped()
    story.waits()
    story.ledger.asked("a")
    told = answer("partially_filled", 4, cumulative_quantity="0.7", raw=((8002, "73"),))
    assert names(story.hears(told)) == []


def test_rule_05_a_gap_is_asked_about_once_a_grace() -> None:
    story = gapped()
    opened = at(story.seconds).mono
    assert story.ledger.next_gap(GRACE) == opened + GRACE
    assert story.waits(GRACE) == [story.order] and story.waits(0) == []
    assert story.ledger.next_gap(GRACE) == opened + 2 * GRACE
    assert story.ledger.gapped() == [story.order]
    for _ in range(GAP_ASKS_MAX - 1):
        assert story.waits() == [story.order]
    assert story.waits(1000) == [] and story.ledger.next_gap(GRACE) == math.inf


def test_rule_05_the_clock_that_was_set_back_only_makes_it_later() -> None:
    story = gapped()
    back = at(story.seconds - 500)
    later = at(story.seconds + GRACE)
    now = type(later)(later.mono, back.utc)
    assert story.ledger.gaps_due(now, GRACE) == []
    assert later.mono < story.ledger.next_gap(GRACE) <= later.mono + GRACE


@pytest.mark.parametrize("end", ["cancelled", "expired", "filled"])
def test_rule_05_a_gap_on_an_order_that_ended_is_followed_up(end: str) -> None:
    story = gapped()
    story.hears(word(end, t=6, cumulative_quantity="0.7"))
    assert story.order.final
    assert story.waits(60) == [story.order]
    assert names(story.answers("0.7", "105", 6, end)) == ["OrderFilled"]
    assert (story.order.status, story.filled[0]) == (end.upper(), "0.7")
    assert story.waits(1000) == []


def test_rule_05_an_end_that_carried_no_time_does_not_make_every_answer_old() -> None:
    story = gapped()
    story.hears(word("cancelled", cumulative_quantity="0.7"))
    story.waits(60)
    assert names(story.answers("0.7", "105", 2, "cancelled")) == ["OrderFilled"]


def test_rule_05_sized_in_quote_the_same() -> None:
    story = reconciled(quote_sized())
    assert story.reconciled() == [("0.5", "106")]


# The real fill that comes after all


def test_rule_05_the_real_fill_takes_the_place_of_what_stood_in_for_it() -> None:
    story = reconciled()
    judged = story.hears(fill("g", "0.5", "0.6", 3, last_price="107", commission="0.3"))
    assert names(judged) == ["FillCorrected"]
    assert isinstance(told := judged.changes[0], FillCorrected)
    assert (told.replaces, told.fill.exec_id, told.fill.source) == ("reconciled/v/1", "g", "main-1")
    assert story.filled == ("0.7", "73.5")
    assert (story.reconciled(), story.order.commission) == ([], Decimal("0.3"))
    assert story.hears(fill("g", "0.5", "0.6", 3, last_price="107", commission="0.3"), source="main-2").changes == ()


def test_rule_05_what_is_left_of_it_keeps_the_value_of_the_whole() -> None:
    story = reconciled()
    judged = story.hears(fill("g", "0.3", "0.4", 3, last_price="104"))
    assert names(judged) == ["FillCorrected", "OrderFilled"]
    assert story.reconciled() == [("0.2", "109")]
    assert names(story.hears(fill("i", "0.2", "0.6", 3, last_price="109"))) == ["FillCorrected"]
    assert (story.filled[0], story.reconciled()) == ("0.7", [])
    assert story.sums.told == ["f", "h", "reconciled/v/1", "g", "reconciled/v/2", "i"]


def test_rule_05_a_rest_without_value_keeps_the_price_that_it_had() -> None:
    story = reconciled()
    story.hears(fill("g", "0.3", "0.4", 3, last_price="1000"))
    assert story.reconciled() == [("0.2", "106")]


def test_rule_05_only_what_lies_outside_is_new() -> None:
    story = reconciled()
    assert names(story.hears(fill("k", "0.1", "0.8", 5))) == ["OrderFilled"]
    assert story.filled[0] == "0.8"
    story = reconciled()
    assert names(story.hears(fill("x", "0.4", "0.9", 6))) == ["FillCorrected", "OrderFilled"], "0.2 of it is old"
    assert (story.filled[0], [one for one, _ in story.reconciled()]) == ("0.9", ["0.3"])


def test_rule_05_a_fill_without_a_total_explains_what_stands_in_first() -> None:
    story = reconciled()
    assert names(story.hears(fill("g", "0.5", None, 3))) == ["FillCorrected"]
    assert names(story.hears(fill("k", "0.1", None, 9))) == ["OrderFilled"]


def test_rule_05_several_that_stand_in_go_together() -> None:
    story = Gapped()
    for t, cum in ((2, "0.2"), (3, "0.4")):
        story.hears(word("restated", "partially_filled", t, exec_id=f"r{t}", cumulative_quantity=cum))
        story.waits()
        assert "OrderFilled" in names(story.answers(cum, "100", t)), cum
    assert len(story.reconciled()) == 2
    assert names(story.hears(fill("e", "0.3", "0.3", 2))) == ["FillCorrected", "FillBusted", "OrderFilled"]
    assert story.reconciled() == [("0.1", "100")]
    assert names(story.hears(fill("g", "0.1", "0.4", 3))) == ["FillCorrected"]
    assert story.filled == ("0.4", "40")


# Takings back


def test_rule_05_after_a_bust_the_late_fill_is_placed_by_its_time() -> None:
    story = reconciled()
    assert names(story.hears(bust("f", "b", 6, cumulative_quantity="0.6"))) == ["FillBusted"]
    assert names(story.hears(fill("k", "0.1", "0.7", 7))) == ["OrderFilled"], "new, though its total lies within"
    judged = story.hears(fill("g", "0.5", "0.6", 3))
    assert (names(judged), judged.ask) == (["FillCorrected"], True)
    assert story.filled[0] == "0.7"


def test_rule_05_a_bust_before_the_answer_counts_as_well() -> None:
    """The fill's own total is from before the bust, and lies beyond what the answer counts."""
    story = Gapped()
    story.hears(fill("e", "0.4", "0.4", 2), bust("e", "b", 4, cumulative_quantity="0.2"))
    story.hears(answer("partially_filled", 5, cumulative_quantity="0.2"))
    story.waits()
    assert names(story.answers("0.2", "100", 5)) == ["OrderFilled"]
    assert names(story.hears(fill("f", "0.2", "0.6", 3))) == ["FillCorrected"]
    assert story.filled == ("0.2", "20")


def test_rule_05_a_bust_inside_the_interval_lowers_what_stands_in_once_two_answers_say_so() -> None:
    story = reconciled()
    judged = story.hears(bust("g", "b", 6, cumulative_quantity="0.4"))
    assert (names(judged), judged.ask) == (["Contradicted"], True)
    assert names(story.answers("0.4", "102", 6)) == ["Contradicted"]
    assert story.waits() == [story.order], "it is asked again"
    assert names(story.answers("0.4", "102.5", 6)) == ["FillBusted", "OrderFilled"]
    assert (story.reconciled(), story.filled[0]) == ([("0.2", "105")], "0.4")
    judged = story.hears(fill("g", "0.3", "0.4", 3))
    assert names(judged) == ["OrderFilled", "FillBusted"], "it came and went without ever counting"
    assert (story.filled[0], story.reconciled()) == ("0.4", [("0.2", "105")])
    assert names(story.hears(fill("i", "0.2", "0.6", 3, last_price="105"))) == ["FillCorrected"]
    assert (story.filled[0], story.ledger.gapped()) == ("0.4", [])


def test_rule_05_a_fill_whose_bust_came_first_goes_from_what_stands_in() -> None:
    story = reconciled()
    story.hears(bust("g", "b", 6, cumulative_quantity="0.4"))
    assert names(story.hears(fill("g", "0.3", "0.4", 3)))[:3] == ["FillCorrected", "OrderFilled", "FillBusted"]
    assert story.filled[0] == "0.4"


def test_rule_05_one_smaller_answer_lowers_nothing() -> None:
    story = reconciled()
    assert "FillBusted" not in names(story.answers("0.4", "102", 6))
    assert names(story.answers("0.7", "104", 7)) == []
    story.waits()
    assert "FillBusted" not in names(story.answers("0.4", "102", 8)), "the other one came between"
    assert story.filled[0] == "0.7"


def test_rule_05_an_answer_never_lowers_what_was_heard() -> None:
    story = Gapped()
    story.hears(fill("e", "0.4", "0.4", 2))
    for _ in range(3):
        story.waits()
        assert "FillBusted" not in names(story.answers("0.1", "100", 9))
    assert story.filled[0] == "0.4"


def test_rule_05_a_gap_whose_execution_was_taken_back_closes() -> None:
    story = gapped()
    story.hears(bust("g", "b", 6))
    story.answers("0.2", "100", 6)
    story.waits()
    assert "OrderFilled" not in names(story.answers("0.2", "100", 6))
    assert (story.filled[0], story.ledger.gapped()) == ("0.2", [])


def test_rule_05_a_correction_of_what_stands_in() -> None:
    story = reconciled()
    story.hears(correction("g", "c", "0.4", 6, cumulative_quantity="0.6"))
    assert story.filled[0] == "0.7"
    judged = story.hears(fill("g", "0.5", "0.6", 3))
    assert names(judged)[:2] == ["FillCorrected", "FillCorrected"]
    assert (story.filled[0], story.reconciled()) == ("0.6", [])


def test_rule_05_an_overtaken_answer_lowers_nothing() -> None:
    story = reconciled()
    for _ in range(3):
        story.waits()
        assert "FillBusted" not in names(story.answers("0.4", "102", 3))
    assert story.filled[0] == "0.7"


def test_rule_05_what_stands_in_goes_down_to_what_was_heard_at_most() -> None:
    story = reconciled()
    story.answers("0.1", "102", 6)
    story.waits()
    assert names(story.answers("0.1", "102", 6))[0] == "FillBusted"
    assert (story.filled[0], story.reconciled(), story.ledger.gapped()) == ("0.2", [], [])


def test_rule_05_lowered_without_an_average_it_keeps_its_price() -> None:
    story = reconciled()
    story.answers("0.4", None, 6)
    story.waits()
    assert names(story.answers("0.4", None, 6)) == ["FillBusted", "OrderFilled"]
    assert story.reconciled() == [("0.2", "106")]


def test_rule_05_after_a_bust_that_nobody_heard_time_decides() -> None:
    story = reconciled()
    story.answers("0.4", "102", 6)
    story.waits()
    story.answers("0.4", "102", 6)
    assert names(story.hears(fill("i", "0.2", "0.6", 3))) == ["FillCorrected"], "its total lies beyond what is counted"
    assert story.filled[0] == "0.4"


def test_rule_05_what_came_and_went_leaves_another_gap_open() -> None:
    story = reconciled()
    story.hears(bust("g", "b", 6, cumulative_quantity="0.4"))
    story.answers("0.4", "102", 6)
    story.waits()
    story.answers("0.4", "102", 6)
    assert names(story.hears(fill("k", "0.1", "0.6", 7)))[-1] == "FillGap"
    assert names(story.hears(fill("g", "0.3", "0.4", 3))) == ["OrderFilled", "FillBusted"]
    assert story.ledger.gapped() == [story.order]
    story.waits()
    story.answers("0.6", "102", 7)
    assert story.filled[0] == "0.6"


def test_rule_05_a_total_from_before_a_bust_is_no_gap_once_an_answer_told_a_newer_one() -> None:
    story = Gapped()
    story.hears(fill("e", "0.4", "0.4", 2), fill("f", "0.1", "0.5", 3), bust("f", "b", 5, cumulative_quantity="0.4"))
    story.answers("0.4", "100", 6)
    assert "FillGap" not in names(story.hears(word("pending_cancel", t=4, exec_id="p", cumulative_quantity="0.5")))


def test_rule_05_an_answer_as_old_as_the_last_change_still_counts() -> None:
    """The bust comes late, and all of it happened within one tick of the venue's clock."""
    story = Gapped()
    story.answers("0.3", "99", 4)
    story.hears(fill("x", "0.1", "0.4", 4, last_price="99"))
    story.answers("0.3", "99", 4)
    story.waits()
    assert "OrderFilled" in names(story.answers("0.3", "99", 4))
    story.hears(bust("x", "b", 4, cumulative_quantity="0.3"))
    assert names(story.answers("0.3", "99", 4)) == ["FillGap"]
    story.waits()
    story.answers("0.3", "99", 4)
    assert story.filled[0] == "0.3"


def test_rule_05_a_bust_whose_total_is_another_than_ours_is_asked_about() -> None:
    story = Gapped()
    story.hears(fill("e", "0.4", "0.4", 2), fill("f", "0.2", "0.6", 3))
    assert story.hears(bust("f", "b", 4, cumulative_quantity="0.5")).ask
    assert not story.hears(bust("e", "c", 5, cumulative_quantity="0")).ask


def test_rule_05_a_gap_that_grew_is_asked_about_anew() -> None:
    story = gapped()
    for _ in range(GAP_ASKS_MAX + 1):
        story.waits()
    assert story.waits() == []
    story.hears(fill("j", "0.1", "0.9", 6))
    assert story.waits() == [story.order]


# REST


def test_rule_05_rest_fills_close_a_gap_at_once_with_their_own_ids() -> None:
    story = gapped()
    listed = rest("f", "0.1"), rest("h", "0.1"), rest("g", "0.3", "104", 3), rest("i", "0.2", "109", 3)
    changes = story.lists(*listed)
    assert names(changes) == ["OrderFilled", "OrderFilled"]
    fills = [change.fill for change in changes if isinstance(change, OrderFilled)]
    assert [(one.exec_id, one.source, one.approximate) for one in fills] == [("g", "rest", False), ("i", "rest", False)]
    assert (fills[0].time, fills[0].commission, fills[0].venue) == (at(3).utc, Decimal("0.01"), "coinbase")
    assert (story.filled, story.ledger.gapped()) == (("0.7", "73"), [])
    assert story.lists(*listed) == []
    assert story.hears(fill("g", "0.3", "0.4", 3, last_price="104")).changes == (), "the same id is a repeat"


def test_rule_05_rest_fills_of_other_ids_are_matched_by_their_terms() -> None:
    story = gapped()
    assert names(story.lists(rest("1", "0.1"), rest("2", "0.1"), rest("3", "0.5", "105"))) == ["OrderFilled"]
    assert story.sums.told[-1] == "3"
    judged = story.hears(fill("g", "0.5", "0.6", 3, last_price="105"))
    assert names(judged) == ["FillCorrected"]
    assert isinstance(told := judged.changes[0], FillCorrected) and told.replaces == "3"
    assert story.filled[0] == "0.7"
    assert story.lists(rest("1", "0.1"), rest("2", "0.1"), rest("3", "0.5", "105")) == []


def test_rule_05_rest_fills_are_real_where_rest_names_them_by_their_execution() -> None:
    """With the ids known to be ExecIDs, another fill is another one, even if a total says that it is old."""
    story = gapped()
    story.lists(rest("f", "0.1"), rest("h", "0.1"), rest("g", "0.5", "105", 3))
    assert names(story.hears(fill("x", "0.1", "0.5", 3)))[0] == "OrderFilled"


def test_rule_05_a_report_with_the_id_of_a_rest_fill_shows_that_rest_names_executions() -> None:
    story = Gapped()
    story.hears(word("restated", "partially_filled", 2, exec_id="r", cumulative_quantity="0.5"))
    story.lists(rest("e", "0.2"), rest("g", "0.3"))
    assert story.hears(fill("e", "0.2", "0.2", 1)).changes == ()
    assert names(story.hears(fill("x", "0.1", "0.5", 3)))[0] == "OrderFilled"


@pytest.mark.parametrize(
    "listed",
    [
        [rest("1", "0.1"), rest("2", "0.1")],
        [rest("1", "0.1"), rest("2", "0.1"), rest("3", "0.4")],
        [rest("1", "0.1"), rest("2", "0.1"), rest("3", "0.6")],
        [rest("1", "0.2"), rest("3", "0.5")],
        [],
    ],
    ids=["nothing new", "too little", "too much", "other terms", "nothing"],
)
def test_rule_05_rest_fills_that_do_not_add_up_say_nothing(listed: list[RestFill]) -> None:
    story = gapped()
    assert story.lists(*listed) == []
    story.waits()
    assert names(story.answers("0.7", "105", 4)) == ["OrderFilled"], "the other way goes on"


def test_rule_05_rest_fills_take_the_place_of_what_stood_in() -> None:
    story = reconciled()
    changes = story.lists(rest("1", "0.1"), rest("2", "0.1"), rest("3", "0.2", "105", 3), rest("4", "0.3", "107", 3))
    assert names(changes) == ["FillCorrected", "OrderFilled", "FillCorrected"]
    assert (story.reconciled(), story.filled) == ([], ("0.7", "73.1"))


def test_rule_05_rest_fills_alike_take_the_place_of_what_stood_in_and_not_of_each_other() -> None:
    story = reconciled()
    alike = rest("3", "0.2", "105", 3), rest("4", "0.2", "105", 3)
    story.lists(rest("1", "0.1"), rest("2", "0.1"), *alike, rest("5", "0.1", "110", 3))
    assert sorted(one.exec_id for one in story.sums.fills.values()) == ["3", "4", "5", "f", "h"]


def test_rule_05_a_real_fill_takes_the_place_of_the_rest_fill_with_its_terms() -> None:
    story = reconciled()
    story.lists(rest("1", "0.1"), rest("2", "0.1"), rest("3", "0.2", "105", 3), rest("4", "0.3", "107", 3))
    judged = story.hears(fill("g", "0.3", "0.4", 3, last_price="107"))
    assert names(judged) == ["FillCorrected"]
    assert isinstance(told := judged.changes[0], FillCorrected) and told.replaces == "4"


@pytest.mark.parametrize("name", ["f", "1"], ids=["by its id", "by its terms"])
def test_rule_05_one_fill_of_rest_is_matched_by_one_that_was_heard(name: str) -> None:
    story = Gapped()
    story.hears(fill("f", "0.1", "0.2", 3))
    assert names(story.lists(rest(name, "0.1"), rest("2", "0.1"))) == ["OrderFilled"]
    assert story.filled == ("0.2", "20")


def test_rule_05_what_stands_in_is_not_what_was_heard_even_with_the_same_terms() -> None:
    story = reconciled()
    assert names(story.lists(rest("1", "0.1"), rest("2", "0.1"), rest("3", "0.5", "106"))) == ["FillCorrected"]


def test_rule_05_a_fill_that_was_taken_back_is_known_though_rest_still_lists_it() -> None:
    story = Gapped()
    story.hears(fill("e", "0.4", "0.4", 2), bust("e", "b", 3, cumulative_quantity="0"))
    story.hears(word("restated", "partially_filled", 4, exec_id="r", cumulative_quantity="0.2"))
    assert names(story.lists(rest("e", "0.4"), rest("g", "0.2"))) == ["OrderFilled"]


def test_rule_05_rest_fills_that_end_the_order_end_its_replace() -> None:
    story = Gapped()
    story.hears(fill("f", "0.4", "1", 3))
    story.ledger.replace_queued("a", "a2", story.order.terms, at(4))
    story.ledger.replace_sent("a", at(4))
    assert names(story.lists(rest("f", "0.4"), rest("g", "0.6")))[-1] == "ReplaceRejected"


def test_rule_05_rest_fills_that_reach_the_size_fill_the_order() -> None:
    story = Gapped()
    story.hears(fill("f", "0.4", "1", 3))
    assert names(story.lists(rest("f", "0.4"), rest("g", "0.6"))) == ["OrderFilled", "OrderUpdated"]
    assert story.order.status == "FILLED" and story.ledger.live() == []


# A restart in between


def test_rule_05_snapshot_before_fill_with_a_restart_between() -> None:
    story = Gapped()
    story.hears(answer("partially_filled", 3, cumulative_quantity="0.5"))
    story.restarts()
    assert story.ledger.next_gap(GRACE) == -math.inf
    assert story.waits(GRACE - 5) == [], "the grace counts from when the gap was told"
    story.restarts()
    assert story.waits(5) == [story.order]
    assert names(story.answers("0.5", "100", 3)) == ["OrderFilled"]
    story.restarts()
    assert names(story.hears(fill("e", "0.5", "0.5", 2))) == ["FillCorrected"]
    story.restarts()
    assert story.hears(fill("e", "0.5", "0.5", 2), source="main-2").changes == ()
    assert (story.filled, story.ledger.gapped()) == (("0.5", "50"), [])


def test_rule_05_fill_before_snapshot_with_a_restart_between() -> None:
    story = Gapped()
    story.hears(fill("e", "0.5", "0.5", 2))
    story.restarts()
    assert names(story.answers("0.5", "100", 2)) == []
    assert story.hears(fill("e", "0.5", "0.5", 2)).changes == ()
    assert story.filled == ("0.5", "50")


def test_rule_05_a_gap_on_an_ended_order_outlives_a_restart() -> None:
    story = gapped()
    story.hears(word("cancelled", t=6, cumulative_quantity="0.7"))
    story.restarts()
    assert story.waits() == [story.order]
    assert names(story.answers("0.7", "105", 6, "cancelled")) == ["OrderFilled"]
    story.restarts()
    assert story.waits(1000) == []


def test_rule_05_a_bust_inside_the_interval_with_restarts_between() -> None:
    story = reconciled()
    story.restarts()
    story.hears(bust("g", "b", 6, cumulative_quantity="0.4"))
    story.restarts()
    story.answers("0.4", "102", 6)
    story.restarts()
    assert story.waits() == [story.order]
    assert names(story.answers("0.4", "102.5", 6)) == ["FillBusted", "OrderFilled"]
    story.restarts()
    story.hears(fill("g", "0.3", "0.4", 3))
    assert story.filled[0] == "0.4"
