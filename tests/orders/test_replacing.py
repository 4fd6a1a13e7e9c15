"""The life of a replace (order-rules.md 29): crossing fills, lost links, late words, and every id of the chain."""

from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

from primefixd.orders.model import Order, ReplaceState, Status
from primefixd.orders.records import OrderUpdated
from primefixd.orders.reports import CancelRefused, Report, VenueStatus
from tests.orders.telling import Story, answer, at, fill, names, order, word

OPEN = word("new", t=1, exec_id="e1", base_quantity="1")


def replacing(quantity: str = "2", *, sent: bool = True) -> Story:
    """An open order for 1 that is being replaced by `quantity` under the id b."""
    story = Story()
    story.hears(OPEN)
    terms = evolve(story.order.terms, base_quantity=Decimal(quantity), limit_price=Decimal(101))
    story.ledger.replace_queued("a", "b", terms, at(2))
    if sent:
        story.ledger.replace_sent("a", at(2))
    return story


def pending(t: float = 3, **fields: Any) -> Report:
    return word("pending_replace", t=t, exec_id="e2", client_order_id="b", original_client_order_id="a", **fields)


def replaced(t: float = 4, quantity: str = "2", **fields: Any) -> Report:
    told = {"client_order_id": "b", "original_client_order_id": "a", "base_quantity": quantity} | fields
    return word("replaced", t=t, exec_id="e3", **told)


def state(told: Order) -> tuple[str, str | None, tuple[str, ...], Decimal | None]:
    return told.client_order_id, told.original_client_order_id, told.chain, told.terms.base_quantity


def test_rule_29_a_replaced_order_goes_by_the_new_id_and_terms_and_is_found_by_every_id() -> None:
    story = replacing()
    assert story.order.replace is not None and story.order.replace.state is ReplaceState.SENT
    assert names(story.hears(pending())) == ["OrderUpdated"]
    assert story.order.status is Status.PENDING_REPLACE and story.order.replace.state is ReplaceState.PENDING
    assert state(story.order) == ("a", None, (), Decimal(1))
    assert names(story.hears(replaced())) == ["OrderUpdated"]
    assert state(story.order) == ("b", "a", ("a", "b"), Decimal(2))
    assert story.order.status is Status.OPEN and story.order.replace is None
    assert story.ledger.get("b") is story.ledger.get("a") is story.order
    assert story.ledger.used("b") and story.order.key == "a"


def test_rule_29_the_replacement_alone_is_told_too() -> None:
    story = replacing()
    assert names(story.hears(replaced())) == ["OrderUpdated"]
    assert state(story.order) == ("b", "a", ("a", "b"), Decimal(2))


@pytest.mark.parametrize("key", ["a", "b"])
def test_rule_29_fills_under_any_id_of_the_chain_belong_to_the_order(key: str) -> None:
    story = replacing()
    story.hears(pending(), replaced(), fill("f", "0.5", "0.5", t=5, client_order_id=key, base_quantity="2"))
    assert (story.order.filled_quantity, story.order.client_order_id) == (Decimal("0.5"), "b")


def test_rule_29_a_fill_that_crosses_the_replace_counts_and_the_request_stays_pending() -> None:
    story = replacing()
    story.hears(pending(), fill("f", "0.4", "0.4", t=3.5, status="pending_replace", base_quantity="1"))
    assert story.order.status is Status.PENDING_REPLACE and story.order.filled_quantity == Decimal("0.4")
    story.hears(replaced(cumulative_quantity="0.4"))
    assert story.order.status is Status.OPEN and story.order.remaining_quantity == Decimal("1.6")


def test_rule_29_a_crossing_fill_may_turn_the_replace_into_filled() -> None:
    story = replacing()
    judged = story.hears(pending(), fill("f", "1", "1", t=3.5))
    assert names(judged) == ["OrderFilled", "OrderUpdated", "ReplaceRejected"]
    assert story.order.status is Status.FILLED and story.order.replace is None


def test_rule_29_a_smaller_total_that_the_fills_reach_is_filled() -> None:
    story = replacing("0.5")
    story.hears(pending(), fill("f", "0.5", "0.5", t=3.5, status="pending_replace"), replaced(quantity="0.5"))
    assert story.order.status is Status.FILLED and state(story.order)[3] == Decimal("0.5")


def test_rule_29_a_refused_replace_leaves_the_former_terms() -> None:
    story = replacing()
    story.hears(pending())
    word_of_it = CancelRefused(
        client_order_id="b", original_client_order_id="a", order_id="v", status=VenueStatus.NEW,
        reason="other", replace=True, text=None,
    )  # fmt: skip
    found = story.ledger.cancelling(word_of_it)
    assert found is not None and found.key == "a"
    (told,) = story.ledger.replace_refused("a", "other", at(4))
    assert (told.client_order_id, told.reason) == ("b", "other")
    assert story.order.status is Status.OPEN and state(story.order) == ("a", None, (), Decimal(1))
    assert story.ledger.replace_refused("a", "other", at(4)) == []


@pytest.mark.parametrize(
    ("asked", "chain", "told"),
    [
        (answer("new", 5, client_order_id="b", base_quantity="2"), ("a", "b"), ["OrderUpdated"]),
        (answer("new", 5, client_order_id="a", base_quantity="1"), (), ["ReplaceRejected"]),
        (answer("pending_replace", 5, client_order_id="a"), (), ["OrderUpdated"]),
    ],
)
def test_rule_11_after_a_lost_link_the_answer_shows_which_terms_live(
    asked: Report, chain: tuple[str, ...], told: list[str]
) -> None:
    story = replacing()
    story.ledger.replace_doubtful("a")
    story.ledger.asked("a")
    assert names(story.hears(asked)) == told
    assert story.order.chain == chain


def test_an_answer_while_the_link_lives_does_not_end_a_replace_that_is_on_its_way() -> None:
    story = replacing()
    story.ledger.asked("a")
    story.hears(answer("new", 5, client_order_id="a", base_quantity="1"))
    assert story.order.replace is not None


def test_a_late_replacement_after_its_refusal_is_the_venues_word_and_stands() -> None:
    story = replacing()
    story.ledger.replace_refused("a", "it did not reach the venue", at(3))
    story.hears(replaced(t=6))
    assert state(story.order) == ("b", "a", ("a", "b"), Decimal(2))


def test_a_fill_under_the_new_id_tells_of_a_replacement_that_was_lost() -> None:
    story = replacing()
    judged = story.hears(fill("f", "1.5", "1.5", t=5, client_order_id="b", base_quantity="2"))
    assert state(story.order) == ("b", "a", ("a", "b"), Decimal(2)) and story.order.status is Status.OPEN
    assert names(judged) == ["OrderFilled", "OrderUpdated"]


def test_a_chain_of_three_keeps_its_first_id_and_its_order() -> None:
    story = replacing()
    story.hears(replaced())
    story.ledger.replace_queued("b", "c", evolve(story.order.terms, base_quantity=Decimal(3)), at(5))
    story.hears(replaced(t=6, quantity="3", client_order_id="c", original_client_order_id="b"))
    assert state(story.order) == ("c", "a", ("a", "b", "c"), Decimal(3))
    assert [each.key for each in story.ledger.live()] == ["a"]


def test_an_id_once_asked_for_is_never_another_orders() -> None:
    story = replacing()
    with pytest.raises(KeyError):
        story.ledger.replace_queued("a", "b", story.order.terms, at(3))
    with pytest.raises(KeyError):
        story.ledger.open(order("b"))


def test_an_unsized_word_on_another_size_is_still_foreign() -> None:
    story = replacing()
    judged = story.ledger.report(fill("f", "1", "1", client_order_id="b", base_quantity="7", order_id="w"), "s", at(9))
    assert names(judged) == ["OrderUnknown"]


def test_a_copy_of_the_replacement_changes_nothing() -> None:
    story = replacing()
    story.hears(pending(), replaced())
    assert story.hears(replaced(), pending(), source="copy").changes == ()
    assert story.order.status is Status.OPEN
    assert not isinstance(story.order, OrderUpdated)
