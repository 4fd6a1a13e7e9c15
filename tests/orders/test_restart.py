"""A restart: the ledger that comes back from disk does what the one that was killed would have done."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import attrs
import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from primefixd.clock import Moment
from primefixd.orders import rows, shelf
from primefixd.orders.entry import UNKEPT, Entry
from primefixd.orders.foreign import Foreign
from primefixd.orders.ledger import Ledger
from primefixd.orders.model import CancelState, Order, ReplaceState, Status
from primefixd.orders.records import ReplaceRejected
from primefixd.orders.reports import Report, ReportKind, RestFill, Transaction
from tests.orders.disk import Disk, restarted
from tests.orders.telling import IOC, NOON, Story, answer, at, bust, correction, fill, names, order, quote_sized, word
from tests.orders.test_histories import fill_words, words

# Any history, cut anywhere

Step = tuple[str, Any]
KEYS = ["a", "b", "c", "a2", "b2"]
keys = st.sampled_from(KEYS)
TERMS = [order(limit_price=Decimal(90)).terms, order(base_quantity=Decimal(2)).terms]
references, times = st.sampled_from("efghcd"), st.none() | st.integers(0, 6)
busts = st.builds(bust, references, st.sampled_from("xy"), times)
corrections = st.builds(correction, references, st.sampled_from("cd"), st.sampled_from(["0.1", "0.2"]), times)
reports = st.builds(
    lambda report, key: evolve(report, client_order_id=key, order_id=None if key is None else f"v-{key[0]}"),
    words | fill_words | busts | corrections,
    st.sampled_from([*KEYS, "a", "a", "b", None]),
)
rest = st.builds(
    lambda fill_id, quantity: RestFill(
        fill_id=fill_id,
        order_id="v-a",
        quantity=Decimal(quantity),
        price=Decimal(100),
        time=NOON,
        commission=None,
        venue=None,
    ),
    st.sampled_from("efgr"),
    st.sampled_from(["0.1", "0.4", "0.6", "1"]),
)
steps: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("report"), reports),
    st.tuples(st.just("report"), reports),
    st.tuples(st.just("report"), reports),
    st.tuples(st.just("open"), st.just(quote_sized("100", client_order_id="c"))),
    st.tuples(st.sampled_from(["sent", "moved", "leaving", "end", "cancel is", "cancel refused"]), keys),
    st.tuples(st.sampled_from(["replace sent", "replace doubtful", "replace refused"]), keys),
    st.tuples(st.sampled_from(["ask refused", "link lost"]), keys),
    st.tuples(st.just("replace"), st.sampled_from([("a", "a2"), ("b", "b2"), ("c", "a2"), ("a", "x")])),
    st.tuples(st.just("rest"), st.lists(rest, max_size=2)),
    st.tuples(st.sampled_from(["keep", "restart", "compact"]), st.integers(0, 40)),
)
BEFORE = [("open", order("a")), ("open", order("b", time_in_force=IOC)), ("sent", "a"), ("sent", "b")]


def does(ledger: Ledger, step: Step, now: Moment) -> object:
    """Do it if the portfolio would, and return what came of it."""
    name, what = step
    if name == "report":
        return ledger.report(what, "main-1", now)
    if name == "open":
        new = evolve(what, accepted_cursor=int(now.mono), created_at=now.utc, updated_at=now.utc)
        return None if ledger.used(what.key) else ledger.open(new)
    if name == "rest":
        return ledger.rest_fills("a", what, now) if ledger.get("a") else None
    if name == "compact":
        return ledger.compact(now.utc - timedelta(seconds=what), 1)
    key, new_id = what if name == "replace" else (what, "")
    held = ledger.get(key)
    if held is None:
        return None
    doing: dict[str, Callable[[], object]] = {
        "sent": lambda: ledger.sent(key, "main-1", now) if held.status is Status.QUEUED else None,
        "moved": lambda: ledger.moved(key, "main-2", now),
        "leaving": lambda: ledger.leaving(key, held.client_order_id),
        "end": lambda: None if held.final else ledger.end(key, Status.CANCELLED, now),
        "cancel is": lambda: None if held.final else ledger.cancel_is(key, CancelState.SENT, now),
        "cancel refused": lambda: None if held.final else ledger.cancel_refused(key, "other", now),
        "ask refused": lambda: ledger.ask_refused(key),
        "replace": lambda: None if ledger.used(new_id) else ledger.replace_queued(key, new_id, TERMS[0], now),
        "replace sent": lambda: ledger.replace_sent(key, now) if held.replace else None,
        "replace doubtful": lambda: ledger.replace_doubtful(key),
        "replace refused": lambda: ledger.replace_refused(key, "other", now),
        "link lost": lambda: ledger.link_lost("main-1", now),
    }
    return doing[name]()


def forget(ledger: Ledger) -> None:
    """What no restart keeps: what was asked and not answered, foreign reports, and clocks that only run along."""
    for key in list(ledger._shelf._entries):
        entry = ledger._held(key)
        entry.asking, entry.answer, entry.gap_asks = 0, None, 0
    ledger._heard_at.clear()
    ledger._foreign = Foreign()


def test_a_restart_forgets_nothing_else_of_an_order() -> None:
    unkept = {field.name for field in attrs.fields(Entry) if field.metadata == UNKEPT}
    assert unkept == {"executions", "written", "asking", "answer", "gap_asks", "traded"}


def seen(ledger: Ledger) -> object:
    """Everything that others can see of the ledger, and what it would keep of every order."""
    entries = {key: ledger._held(key) for key in ledger._shelf._entries}
    states = {key: (rows.pack_entry(evolve(entry, heard=set())), entry.heard) for key, entry in entries.items()}
    sums = {key: (e.executions.quantity, e.executions.value, e.executions.commission) for key, e in entries.items()}
    ids = [each for each in [*KEYS, "x"] if ledger.used(each)]
    found = [ledger.by_order_id(f"v-{key}") for key in "abc"]
    return repr((list(ledger.kept()), ledger.live(), ids, found, sums)), states


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(steps, max_size=40), st.sampled_from([0, 1, 10]))
def test_rule_11_a_ledger_from_disk_does_what_the_one_in_memory_does(said: list[Step], warm: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shelf, "FINAL_ORDERS_WARM_MAX", warm)
        one, other, disk = Ledger(), Ledger(), Disk()
        for number, step in enumerate(said):
            now = at(number)
            if step[0] == "keep":
                disk.write(other.keep())
            elif step[0] == "restart":
                disk.write(other.keep())
                other = disk.restored()
                forget(one)
            else:
                assert repr(does(one, step, now)) == repr(does(other, step, now))
        assert seen(other) == seen(one)
        disk.write(other.keep())
        forget(one)
        assert seen(disk.restored()) == seen(one)


@settings(max_examples=200, deadline=None)
@given(st.lists(words | fill_words, max_size=20), st.integers(0, 20), st.data())
def test_rule_02_what_was_heard_before_a_crash_is_a_repeat_after_it(
    said: list[Report], before: int, data: st.DataObject
) -> None:
    """And nothing that came later is missed for that."""
    own = [evolve(report, client_order_id="a", order_id="v") for report in said]
    named = [one for one in own if one.exec_id not in (None, "", "0") and one.transaction is Transaction.NEW]
    story, calm = Story(), Story()
    for report in named[:before]:
        story.hears(report)
    story.ledger = restarted(story.ledger)
    for report in data.draw(st.permutations(named[:before])):
        assert not {"OrderFilled", "FillBusted", "FillCorrected"} & set(names(story.hears(report)))
    for report in named[before:]:
        story.hears(report)
    for report in named:
        calm.hears(report)
    if all(report.kind is not ReportKind.STATUS for report in named):
        assert story.order.filled_quantity == calm.order.filled_quantity


# 11: the two marks


def after_restart(ledger: Ledger, seconds: float = 50) -> tuple[Ledger, list[str]]:
    back = restarted(ledger)
    changes = back.restarted(at(seconds))
    again = restarted(back)
    assert again.restarted(at(seconds + 1)) == [] or changes, "a second restart tells nothing new"
    assert [each.key for each in again.kept()] == [each.key for each in back.kept()]
    return back, names(changes)


def the(ledger: Ledger, key: str = "a") -> Order:
    found = ledger.get(key)
    assert found is not None
    return found


def test_rule_11_intent_without_leaving_was_never_sent() -> None:
    ledger = Story(sent=False).ledger
    back, told = after_restart(ledger)
    assert told == [] and the(back) == the(ledger)
    assert (the(back).status, the(back).in_doubt, back.marked("a", "a")) == (Status.QUEUED, False, False)


def test_rule_11_leaving_without_an_answer_is_in_doubt() -> None:
    ledger = Story(sent=False).ledger
    ledger.moved("a", "main-2", at(3))
    ledger.leaving("a", "a")
    assert ledger.marked("a", "a") and not ledger.marked("a", "b") and not ledger.marked("z", "z")
    back, told = after_restart(ledger)
    assert told == ["OrderInDoubt"] and back.marked("a", "a")
    held = the(back)
    assert (held.status, held.in_doubt, held.sent_at, held.updated_at) == (Status.SENT, True, at(3).utc, at(50).utc)


@pytest.mark.parametrize("marked", [False, True])
def test_rule_11_what_was_sent_and_not_acknowledged_is_in_doubt(marked: bool) -> None:
    ledger = Story().ledger
    if marked:
        ledger.leaving("a", "a")
    back, told = after_restart(ledger)
    assert told == ["OrderInDoubt"] and (the(back).in_doubt, the(back).sent_at) == (True, at(0).utc)


def test_rule_11_what_was_in_doubt_before_is_not_told_again() -> None:
    ledger = Story().ledger
    ledger.link_lost("main-1", at(1))
    back, told = after_restart(ledger)
    assert told == [] and the(back).in_doubt


@pytest.mark.parametrize("said", [word("new", t=1, exec_id="n"), fill("e", "0.4", "0.4", 1), word("cancelled", t=1)])
def test_rule_11_what_was_acknowledged_is_not_in_doubt(said: Report) -> None:
    story = Story()
    story.ledger.leaving("a", "a")
    story.hears(said)
    back, told = after_restart(story.ledger)
    assert told == [] and the(back) == story.order and not the(back).in_doubt


def test_rule_11_the_mark_of_a_replace_is_none_of_the_order() -> None:
    ledger = Story(sent=False).ledger
    ledger.leaving("a", "b")
    assert after_restart(ledger)[1] == []


def replacing(*, queued: bool = True) -> Story:
    story = Story()
    story.hears(word("new", t=1, exec_id="n"))
    story.ledger.replace_queued("a", "b", TERMS[0], at(2))
    if not queued:
        story.ledger.replace_sent("a", at(3))
    return story


def test_rule_11_a_replace_that_never_left_came_to_nothing() -> None:
    ledger = restarted(replacing().ledger)
    (change,) = ledger.restarted(at(50))
    assert isinstance(change, ReplaceRejected)
    assert (change.client_order_id, change.reason) == ("b", "the daemon restarted before it left")
    assert the(ledger).replace is None and the(ledger).status is Status.OPEN and ledger.used("b")


def test_rule_11_a_replace_that_may_have_left_is_in_doubt_until_an_answer() -> None:
    story = replacing()
    story.ledger.leaving("a", "b")
    back, told = after_restart(story.ledger)
    assert told == ["OrderUpdated"]
    replace = the(back).replace
    assert replace is not None and replace.state is ReplaceState.SENT
    assert "ReplaceRejected" in names(back.report(answer("new", 60), "main-1", at(60)))
    back, _ = after_restart(story.ledger)
    back.report(answer("new", 60, client_order_id="b"), "main-1", at(60))
    assert (the(back).client_order_id, the(back).terms, the(back).chain) == ("b", TERMS[0], ("a", "b"))


@pytest.mark.parametrize("pending", [False, True])
def test_rule_11_a_replace_that_left_is_doubtful(pending: bool) -> None:
    story = replacing(queued=False)
    if pending:
        story.hears(word("pending_replace", t=4, exec_id="p", client_order_id="b"))
    before = story.order
    back, told = after_restart(story.ledger)
    assert told == [] and the(back) == before
    assert "ReplaceRejected" in names(back.report(answer("new", 60), "main-1", at(60)))


def test_rule_11_a_cancel_is_left_to_whoever_places_it_again() -> None:
    story = Story()
    story.hears(word("new", t=1, exec_id="n"))
    story.ledger.cancel_is("a", CancelState.SENT, at(2))
    back, told = after_restart(story.ledger)
    assert told == [] and the(back) == story.order and the(back).cancel_wanted


def test_rule_11_final_orders_are_left_alone() -> None:
    story = Story()
    story.hears(word("rejected", t=1))
    back, told = after_restart(story.ledger)
    assert told == [] and the(back) == story.order


def test_rule_07_silence_is_listened_for_anew() -> None:
    story = Story(order(time_in_force=IOC))
    story.hears(fill("e", "0.4", "0.4", 1))
    back = restarted(story.ledger)
    back.restarted(at(50))
    assert back.next_quiet(2.0) == at(52).mono
    assert [each.key for each in back.quiet(at(52).mono, 2.0)] == ["a"]


# What must not be told or asked twice


def test_rule_04_a_bust_that_came_too_early_waits_across_a_restart() -> None:
    story = Story()
    story.hears(bust("e", "b", 2))
    story.ledger = restarted(story.ledger)
    assert names(story.hears(fill("e", "0.4", "0.4", 1)))[:2] == ["OrderFilled", "FillBusted"]
    assert story.order.filled_quantity == 0


@pytest.mark.parametrize("warm", [0, 10])
def test_rule_04_corrections_are_named_and_ordered_across_restarts(monkeypatch: pytest.MonkeyPatch, warm: int) -> None:
    """From disk, and from what went cold after that."""
    monkeypatch.setattr(shelf, "FINAL_ORDERS_WARM_MAX", warm)
    story = Story()
    story.hears(fill("e", "0.4", "0.4", 1), fill("f", "0.1", "0.5", 1), word("cancelled", t=2, exec_id="x"))
    story.hears(correction("e", "c", "0.3", 5))
    for _ in range(2):
        story.ledger = restarted(story.ledger)
        assert names(story.hears(fill("e", "0.4", "0.4", 1), source="main-2")) == []
        story.ledger.keep()
    assert "FillCorrected" not in names(story.hears(correction("e", "b", "0.2", 4))), "older than the one that stands"
    assert story.order.filled_quantity == Decimal("0.4")
    story.ledger.keep()
    assert "FillCorrected" in names(story.hears(correction("c", "d", "0.1", 6)))
    story.ledger.keep()
    assert "FillBusted" in names(story.hears(bust("d", "z", 7)))
    assert story.order.filled_quantity == Decimal("0.1")


def test_rule_05_a_gap_is_told_once_and_asked_about_after_its_grace_by_the_wall_clock() -> None:
    story = Story()
    assert "FillGap" in names(story.hears(answer("partially_filled", 1, cumulative_quantity="0.4")))
    story.ledger = restarted(story.ledger)
    story.ledger.restarted(at(11))
    assert story.ledger.gaps_due(at(11), 30.0) == []
    assert [each.key for each in story.ledger.gaps_due(at(31), 30.0)] == ["a"]
    story.seconds = 40
    heard = story.hears(answer("partially_filled", 2, cumulative_quantity="0.4", average_price=Decimal(100)))
    assert "FillGap" not in names(heard) and "OrderFilled" in names(heard)
    story.ledger = restarted(story.ledger)
    assert story.order.filled_quantity == Decimal("0.4") and story.ledger.gaps_due(at(99), 30.0) == []
    assert names(story.hears(fill("e", "0.4", "0.4", 1)))[0] == "FillCorrected"
    assert story.order.filled_quantity == Decimal("0.4")


def test_rule_05_a_total_that_shrank_once_is_asked_about_after_a_restart_too() -> None:
    story = Story()
    story.hears(answer("partially_filled", 1, cumulative_quantity="0.4"))
    story.seconds = 40
    story.hears(answer("partially_filled", 2, cumulative_quantity="0.4", average_price=Decimal(100)))
    story.hears(answer("partially_filled", 3, cumulative_quantity="0.2", average_price=Decimal(100)))
    story.ledger = restarted(story.ledger)
    assert story.ledger.gaps_due(at(50), 30.0) == []
    assert [each.key for each in story.ledger.gaps_due(at(72), 30.0)] == ["a"]
    story.seconds = 80
    story.hears(answer("partially_filled", 4, cumulative_quantity="0.2", average_price=Decimal(100)))
    assert story.order.filled_quantity == Decimal("0.2")


def test_rule_05_the_gap_of_a_final_order_is_asked_about_too() -> None:
    story = Story()
    assert "FillGap" in names(story.hears(word("cancelled", t=1, exec_id="x", cumulative_quantity="0.4")))
    story.ledger = restarted(story.ledger)
    story.ledger.gaps_due(at(1), 30.0)
    assert [each.key for each in story.ledger.gaps_due(at(60), 30.0)] == ["a"]


def test_rule_06_an_oddity_is_told_once() -> None:
    story = Story()
    odd = word("trade", t=1, exec_id="e", last_quantity="0.4", last_price=None, status="partially_filled")
    assert "Contradicted" in names(story.hears(odd))
    story.ledger = restarted(story.ledger)
    assert "Contradicted" not in names(story.hears(odd))


def test_rule_23_every_id_stays_used() -> None:
    story = replacing()
    story.hears(word("replaced", t=3, exec_id="r", client_order_id="b"))
    story.ledger.replace_queued("a", "c", TERMS[1], at(4))
    back, _ = after_restart(story.ledger)
    for key in "abc":
        assert back.used(key) and the(back, key).key == "a"
    assert not back.used("d")


def test_rule_29_a_fill_under_an_id_that_was_only_asked_for_belongs_to_the_order() -> None:
    story = replacing(queued=False)
    back, _ = after_restart(story.ledger)
    back.report(fill("e", "0.4", "0.4", 60, client_order_id="b", order_id=None), "main-1", at(60))
    assert (the(back).client_order_id, the(back).filled_quantity) == ("b", Decimal("0.4"))
