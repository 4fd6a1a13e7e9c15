"""Our orders of one portfolio: whose report is whose, what is kept, and for how long."""

import math
from collections.abc import Sized
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from primefixd.orders import foreign, shelf
from primefixd.orders.ledger import QUIET_ASKS_MAX, Ledger
from primefixd.orders.model import CancelState, Order, Side, Status
from primefixd.orders.records import OrderUnknown
from primefixd.orders.reports import CancelRefused, Report, VenueStatus
from tests.orders.telling import FOK, IOC, Story, answer, at, fill, names, order, quote_sized, word


def with_orders(*keys: str) -> Ledger:
    ledger = Ledger()
    for cursor, key in enumerate(keys, 1):
        ledger.open(order(key, cursor=cursor))
        ledger.sent(key, "main-1", at(0))
    return ledger


def owner(ledger: Ledger, report: Report) -> str | None:
    """Whose order the ledger takes `report` for."""
    judged = ledger.report(report, "main-2", at(1))
    if judged.order is None:
        assert [type(change) for change in judged.changes] in ([OrderUnknown], [])
    return judged.order.client_order_id if judged.order else None


# 2: whose report it is


@pytest.mark.parametrize(
    ("told", "whose"),
    [
        ({"client_order_id": "a", "order_id": None}, "a"),
        ({"client_order_id": "cancel-7", "original_client_order_id": "a", "order_id": None}, "a"),
        ({"client_order_id": "cancel-7", "original_client_order_id": "a"}, "a"),
        ({"client_order_id": None, "order_id": "known"}, "b"),
        ({"client_order_id": "cancel-7", "order_id": "known"}, "b"),
        ({"client_order_id": "b", "order_id": "known"}, "b"),
        ({"client_order_id": "b", "order_id": None}, "b"),
        ({"client_order_id": "b", "order_id": "another"}, None),
        ({"client_order_id": "a", "side": Side.SELL}, None),
        ({"client_order_id": "a", "product_id": "ETH-USD"}, None),
        ({"client_order_id": "a", "base_quantity": "2"}, None),
        ({"client_order_id": "a", "base_quantity": "1.00"}, "a"),
        ({"client_order_id": "a", "quote_value": 5, "side": None, "product_id": None}, "a"),
        ({"client_order_id": "b", "base_quantity": "2", "order_id": "known"}, "b"),
        ({"client_order_id": "c", "order_id": None}, None),
        ({"client_order_id": "c", "order_id": ""}, None),
        ({"client_order_id": None, "order_id": None}, None),
    ],
)
def test_rule_02_whose_report_it_is(told: dict[str, Any], whose: str | None) -> None:
    ledger = with_orders("a", "b")
    assert owner(ledger, word("new", client_order_id="b", order_id="known")) == "b"
    assert owner(ledger, word("restated", "new", **told)) == whose


def test_rule_02_an_empty_id_is_no_id() -> None:
    ledger = with_orders("a", "b")
    owner(ledger, word("new", order_id=""))
    assert ledger.by_order_id("") is None
    assert owner(ledger, word("new", client_order_id="c", order_id="")) is None


def test_rule_02_an_id_that_the_venue_gave_twice_stays_with_the_first() -> None:
    ledger = with_orders("a", "b")
    for key in "ab":
        owner(ledger, word("rejected", client_order_id=key, order_id="0"))
    found = ledger.by_order_id("0")
    assert found is not None and found.client_order_id == "a"


def test_rule_02_a_report_counts_once_on_whichever_session_it_comes() -> None:
    story = Story()
    told = [fill("e", "0.25", "0.25", 1), fill("f", "0.25", "0.5", 2)]
    for session in ("main-2", "main-1", "drop-copy"):
        story.hears(*told, source=session)
    assert story.order.filled_quantity * 2 == 1
    assert story.order.session == "main-1"


def test_reports_on_orders_of_others_are_told_once_each() -> None:
    ledger = with_orders("a")
    reports = [
        word("rejected", client_order_id="x", order_id=None),
        word("rejected", client_order_id="y", order_id=None),
        word("new", client_order_id="x", order_id="o", exec_id="1"),
        word("trade", "filled", client_order_id="x", order_id="o", exec_id="2"),
    ]
    for told in reports:
        assert names(ledger.report(told, "main-1", at(1))) == ["OrderUnknown"]
    for told in reports:
        assert ledger.report(told, "main-2", at(2)).changes == ()


def test_what_is_remembered_of_others_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "FOREIGN_REPORTS_MAX", 2)
    ledger, told = Ledger(), [word("new", order_id="o", exec_id=name) for name in "123"]
    for report in told:
        ledger.report(report, "main-1", at(1))
    assert ledger.report(told[2], "main-1", at(2)).changes == ()
    assert names(ledger.report(told[0], "main-1", at(2))) == ["OrderUnknown"]


# 7: silence


@pytest.mark.parametrize(
    ("told", "heard", "due"),
    [
        (order(time_in_force=IOC), [fill("e", "0.4", "0.4")], True),
        (order(time_in_force=FOK), [fill("e", "0.4", "0.4")], True),
        (quote_sized(time_in_force=IOC), [fill("e", "0.4", "0.4"), fill("f", "0.4", "0.8")], True),
        (order(), [fill("e", "0.4", "0.4")], False),
        (order(time_in_force=IOC), [word("new")], False),
        (order(time_in_force=IOC), [fill("e", "1", "1")], False),
        (order(time_in_force=IOC), [fill("e", "0.4", "0.4"), word("cancelled")], False),
    ],
)
def test_rule_07_silence_after_a_partial_fill_is_asked_about_once(told: Order, heard: list[Report], due: bool) -> None:
    story = Story(told)
    story.hears(*heard)
    last = at(story.seconds).mono
    assert story.ledger.next_quiet(2.0) == (last + 2 if due else math.inf)
    assert story.ledger.quiet(last + 1.9, 2.0) == []
    assert story.ledger.quiet(last + 2, 2.0) == ([story.order] if due else [])
    assert story.ledger.quiet(last + 99, 2.0) == []
    assert story.ledger.next_quiet(2.0) == math.inf


def test_rule_07_an_answer_that_settles_nothing_is_asked_about_again_but_not_for_ever() -> None:
    story = Story(quote_sized(time_in_force=IOC))
    story.hears(fill("e", "0.4", "0.4"))
    asked = 0
    for _ in range(QUIET_ASKS_MAX + 3):
        asked += len(story.ledger.quiet(at(story.seconds + 2).mono, 2.0))
        story.hears(answer("partially_filled"))
    assert asked == QUIET_ASKS_MAX


def test_rule_07_nobody_listens_for_an_order_that_has_ended() -> None:
    story = Story(order(time_in_force=IOC))
    story.hears(fill("e", "0.4", "0.4"))
    story.ledger.end("a", Status.CANCELLED, at(5))
    assert story.ledger.next_quiet(2.0) == math.inf


# 9, 11 and 19: what we do ourselves


def test_rule_09_a_new_order_that_was_refused_by_its_number_is_rejected() -> None:
    story = Story()
    told = story.ledger.end("a", Status.REJECTED, at(3), "other", "Required tag missing (tag 44)").order
    assert told == story.order
    assert (told.status, told.reject_reason, told.reject_text) == ("REJECTED", "other", "Required tag missing (tag 44)")
    assert (story.ledger.live(), told.updated_at) == ([], at(3).utc)


def refused(client: str | None, original: str | None, order_id: str | None) -> CancelRefused:
    return CancelRefused(
        client_order_id=client,
        original_client_order_id=original,
        order_id=order_id,
        status=VenueStatus.NEW,
        reason="too_late",
        replace=False,
        text=None,
    )


@pytest.mark.parametrize(
    ("ids", "whose"),
    [
        (("cancel-7", "a", None), "a"),
        (("cancel-7", None, "v"), "a"),
        (("a", None, None), "a"),
        (("cancel-7", "a", "v2"), "a"),
        (("cancel-7", "c", ""), None),
        ((None, None, None), None),
    ],
)
def test_rule_09_whose_cancel_was_refused(ids: tuple[str | None, str | None, str | None], whose: str | None) -> None:
    ledger = with_orders("a", "b")
    ledger.report(word("new"), "main-1", at(1))
    found = ledger.cancelling(refused(*ids))
    assert (found.client_order_id if found else None) == whose


@pytest.mark.parametrize("kind", ["new", "pending_new", "pending_replace"])
def test_rule_09_a_cancel_that_is_refused_before_it_was_pending_leaves_the_status(kind: str) -> None:
    story = Story()
    story.hears(word(kind))
    before = story.order.status
    story.ledger.cancel_is("a", CancelState.SENT, at(2))
    told = story.ledger.cancel_refused("a", "too_late", at(3))
    assert (told.reason, told.order, told.order.status) == ("too_late", story.order, before)


def test_rule_19_how_far_a_cancel_has_come() -> None:
    story = Story()
    for now, state in enumerate((CancelState.WAITING, CancelState.SENT), 1):
        cancel = story.ledger.cancel_is("a", state, at(now)).order.cancel
        assert cancel is not None and (cancel.state, cancel.since, cancel.reason) == (state, at(now).utc, None)
        assert story.order.status == "SENT"
    story.hears(word("pending_cancel", t=4))
    assert story.order.cancel is not None and story.order.cancel.state is CancelState.PENDING
    cancel = story.ledger.cancel_refused("a", "too_late: it is filled", at(5)).order.cancel
    assert cancel is not None
    assert (cancel.state, cancel.since, cancel.reason) == (CancelState.REJECTED, at(5).utc, "too_late: it is filled")
    assert story.order.status == "OPEN"
    story.hears(word("cancelled", t=6))
    assert story.order.cancel is None


def test_rule_19_an_order_that_never_left_ends_here() -> None:
    story = Story(sent=False)
    ended = story.ledger.end("a", Status.CANCELLED, at(1)).order
    assert (ended.status, ended.sent_at, ended.cancelled_quantity) == ("CANCELLED", None, 1)


def test_a_dead_link_leaves_its_unanswered_orders_in_doubt_and_nothing_else() -> None:
    ledger = with_orders("a", "b", "c", "d")
    ledger.open(order("queued"))
    ledger.report(word("new", client_order_id="b"), "main-1", at(1))
    ledger.sent("c", "main-2", at(1))
    ledger.end("d", Status.REJECTED, at(1))
    changes = ledger.link_lost("main-1", at(2))
    assert names(changes) == ["OrderInDoubt"] and changes[0].order == ledger.get("a")
    assert [o.client_order_id for o in ledger.kept() if o.in_doubt] == ["a"]
    assert ledger.link_lost("main-1", at(3)) == []
    assert not ledger.end("a", Status.REJECTED, at(4)).order.in_doubt


def test_an_order_that_waits_may_move_to_another_session() -> None:
    story = Story(sent=False)
    assert story.ledger.moved("a", "main-2", at(1)).order.session == "main-2"
    sent = story.ledger.sent("a", "main-3", at(2)).order
    assert (sent.session, sent.sent_at, sent.status) == ("main-3", at(2).utc, "SENT")


# 23: ids, and what is kept


def test_rule_23_an_id_is_used_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "FINAL_ORDERS_MAX", 2)
    ledger = with_orders("a", "b", "c", "d")
    for key in "bcd":
        ledger.report(word("cancelled", client_order_id=key, order_id=f"v-{key}"), "main-1", at(1))
    assert [o.client_order_id for o in ledger.kept()] == ["a", "c", "d"]
    assert ledger.get("b") is None and ledger.by_order_id("v-b") is None
    for key in "abcd":
        assert ledger.used(key)
        with pytest.raises(KeyError):
            ledger.open(order(key))
    assert not ledger.used("e")


def test_rule_23_the_order_that_ended_first_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "FINAL_ORDERS_MAX", 1)
    ledger = with_orders("a", "b")
    for key in "ba":
        ledger.end(key, Status.CANCELLED, at(1))
    assert [o.client_order_id for o in ledger.kept()] == ["a"]


def test_rule_23_ids_are_remembered_longer_than_orders_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "FINAL_ORDERS_MAX", 1)
    monkeypatch.setattr(shelf, "IDS_REMEMBERED_MAX", 2)
    ledger = with_orders(*"abcde")
    for key in "abcde":
        ledger.end(key, Status.CANCELLED, at(1))
    assert [key for key in "abcde" if ledger.used(key)] == ["c", "d", "e"]


def test_nothing_is_left_of_a_forgotten_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "FINAL_ORDERS_MAX", 0)
    monkeypatch.setattr(shelf, "IDS_REMEMBERED_MAX", 0)
    story = Story(order(time_in_force=IOC))
    story.hears(fill("e", "0.4", "0.4"), word("cancelled"))
    assert [each.key for each in story.ledger.keep().forgotten] == ["a"]
    held = [story.ledger, story.ledger._shelf, story.ledger._gaps]
    kept = [each for holder in held for name, each in vars(holder).items() if name != "finished"]  # only counts
    assert [each for each in kept if isinstance(each, Sized) and each] == []


def test_live_orders_are_told_oldest_first_also_after_one_reopened() -> None:
    ledger = with_orders("a", "b", "c")
    ledger.report(word("cancelled", t=1), "main-1", at(1))
    assert [o.client_order_id for o in ledger.live()] == ["b", "c"]
    ledger.report(answer("new", 2), "main-1", at(2))
    assert [o.client_order_id for o in ledger.live()] == ["a", "b", "c"]
    ledger.report(word("cancelled", t=3), "main-1", at(3))
    assert [o.client_order_id for o in ledger.live()] == ["b", "c"]


def test_a_reopened_order_is_not_forgotten_as_a_final_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "FINAL_ORDERS_MAX", 1)
    ledger = with_orders("a", "b", "c")
    ledger.report(word("cancelled", t=1), "main-1", at(1))
    ledger.report(answer("new", 2), "main-1", at(2))
    for key in "bc":
        ledger.end(key, Status.CANCELLED, at(3))
    assert [o.client_order_id for o in ledger.kept()] == ["a", "c"]


@pytest.mark.parametrize("order_of_arrival", list(permutations(range(4))), ids=str)
def test_the_order_of_arrival_does_not_change_where_an_order_ends(order_of_arrival: tuple[int, ...]) -> None:
    story = Story()
    told = [
        word("new", t=1, cumulative_quantity="0", exec_id="n"),
        fill("e", "0.4", "0.4", 2),
        word("pending_cancel", t=3, cumulative_quantity="0.4", exec_id="p"),
        word("cancelled", t=4, cumulative_quantity="0.4", exec_id="x"),
    ]
    story.hears(*(told[place] for place in order_of_arrival))
    assert (story.order.status, str(story.order.filled_quantity)) == ("CANCELLED", "0.4")


def test_what_could_not_be_read_is_told_once_and_the_rest_is_used() -> None:
    story = Story()
    odd = word("new", t=1, exec_id="e", base_quantity=None, unreadable=("base_quantity",), raw=((9999, "x"),))
    assert names(story.hears(odd)) == ["OrderUpdated", "Unread"] and story.order.status is Status.OPEN
    assert story.hears(odd, source="copy").changes == ()


def test_what_the_venue_tells_beside_a_fill_is_kept_with_it() -> None:
    story = Story()
    judged = story.hears(fill("f", "0.5", "0.5", t=1, raw=((9999, "x"),), net_average_price=Decimal("100.1")))
    assert judged.changes[0].fill.raw == ((9999, "x"),)
    assert story.order.net_average_price == Decimal("100.1")
