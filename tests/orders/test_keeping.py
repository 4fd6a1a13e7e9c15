"""What the ledger gives to be kept, and what lies cold."""

from decimal import Decimal

import pytest
from attrs import evolve

from primefixd.orders import rows, shelf
from primefixd.orders.exact import EXACT
from primefixd.orders.keeping import Forgotten, Keeping, Kept, KeptExecution
from primefixd.orders.ledger import Ledger
from primefixd.orders.model import CancelState, Order, Status
from primefixd.orders.reports import Report
from tests.orders.disk import Disk
from tests.orders.telling import Story, answer, at, bust, fill, names, order, word


def desk(*keys: str) -> tuple[Ledger, Disk]:
    """A ledger with these orders, accepted in their order, and everything kept."""
    ledger, disk = Ledger(), Disk()
    for cursor, key in enumerate(keys, 1):
        ledger.open(order(key, cursor=cursor))
        ledger.sent(key, "main-1", at(0))
    disk.write(ledger.keep())
    return ledger, disk


def keys(keeping: Keeping) -> list[str]:
    return [each.key for each in keeping.orders]


def hears(ledger: Ledger, key: str, report: Report, seconds: float = 1) -> list[str]:
    own = evolve(report, client_order_id=key, order_id=f"v-{key}")
    return names(ledger.report(own, "main-1", at(seconds)))


def end(ledger: Ledger, *ended: str, seconds: float = 5) -> None:
    for key in ended:
        hears(ledger, key, word("cancelled", t=seconds, exec_id=f"x-{key}"), seconds)


def test_nothing_is_kept_where_nothing_changed() -> None:
    ledger, _ = desk("a")
    assert ledger.keep() == Keeping()
    assert (ledger.get("a"), ledger.used("a"), ledger.marked("a", "a")) != (None, False, True)
    assert ledger.live() and list(ledger.kept()) and not ledger.quiet(99, 2.0)
    assert ledger.keep() == Keeping()


def test_an_order_that_changed_is_kept_once_with_its_executions() -> None:
    ledger, _ = desk("a", "b")
    hears(ledger, "b", word("new", t=1, exec_id="n"))
    hears(ledger, "b", fill("e", "0.4", "0.4", 2))
    hears(ledger, "b", fill("f", "0.1", "0.5", 3))
    keeping = ledger.keep()
    assert keys(keeping) == ["b"] and keeping.orders[0].order_id == "v-b" and keeping.orders[0].final_at is None
    assert [each.key for each in keeping.executions] == ["b"]
    steps = list(rows.unpack_steps(keeping.executions[0].state))
    assert [step.fill.exec_id for step in steps if step.fill] == ["e", "f"]
    hears(ledger, "b", fill("g", "0.1", "0.6", 4))
    steps = list(rows.unpack_steps(ledger.keep().executions[0].state))
    assert [step.fill.exec_id for step in steps if step.fill] == ["g"]


def test_a_copy_that_changes_nothing_is_not_kept_again() -> None:
    """Each report comes by the drop copy too."""
    ledger, _ = desk("a")
    for report in (word("new", t=1, exec_id="n"), fill("e", "0.4", "0.4", 2), word("cancelled", t=3, exec_id="x")):
        hears(ledger, "a", report)
        assert keys(ledger.keep()) == ["a"]
        hears(ledger, "a", report, 9)
        assert ledger.keep() == Keeping()


@pytest.mark.parametrize(
    "action",
    [
        lambda ledger: ledger.sent("a", "main-2", at(9)),
        lambda ledger: ledger.moved("a", "main-2", at(9)),
        lambda ledger: ledger.end("a", Status.REJECTED, at(9), "other"),
        lambda ledger: ledger.cancel_is("a", CancelState.WAITING, at(9)),
        lambda ledger: ledger.cancel_refused("a", "other", at(9)),
        lambda ledger: ledger.ask_refused("a"),
        lambda ledger: ledger.link_lost("main-1", at(9)),
        lambda ledger: ledger.replace_queued("a", "b", order(limit_price=Decimal(90)).terms, at(9)),
        lambda ledger: ledger.leaving("a", "a"),
        lambda ledger: ledger.restarted(at(9)),
    ],
)
def test_whatever_changes_an_order_has_it_kept(action: object) -> None:
    ledger, _ = desk("a")
    assert callable(action)
    action(ledger)
    assert keys(ledger.keep()) == ["a"]


@pytest.mark.parametrize("action", ["replace_sent", "replace_doubtful", "replace_refused"])
def test_whatever_becomes_of_a_replace_is_kept(action: str) -> None:
    ledger, disk = desk("a")
    ledger.replace_queued("a", "b", order(limit_price=Decimal(90)).terms, at(1))
    disk.write(ledger.keep())
    assert disk.orders["a"].ids == ("a", "b")
    match action:
        case "replace_sent":
            ledger.replace_sent("a", at(2))
        case "replace_doubtful":
            ledger.replace_doubtful("a")
        case "replace_refused":
            ledger.replace_refused("a", "other", at(2))
    disk.write(ledger.keep())
    assert rows.unpack_entry(disk.orders["a"].state).order == ledger.get("a")
    assert disk.restored().get("b") == ledger.get("a")


def test_an_order_says_when_it_was_last_changed_once_it_is_final() -> None:
    ledger, _ = desk("a")
    end(ledger, "a", seconds=5)
    assert ledger.keep().orders[0].final_at == at(5).utc
    hears(ledger, "a", fill("late", "0.1", "0.1", 4), 8)
    assert ledger.keep().orders[0].final_at == at(8).utc
    hears(ledger, "a", answer("new", 9), 9)
    assert ledger.keep().orders[0].final_at is None


# Cold orders


@pytest.fixture
def none_warm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "FINAL_ORDERS_WARM_MAX", 0)


def cold(ledger: Ledger) -> list[str]:
    return [key for key, entry in ledger._shelf._entries.items() if isinstance(entry, shelf.Cold)]


def test_the_final_orders_touched_longest_ago_turn_cold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "FINAL_ORDERS_WARM_MAX", 2)
    ledger, _ = desk(*"abcde")
    end(ledger, *"abcd")
    assert cold(ledger) == []
    ledger.keep()
    assert cold(ledger) == ["a", "b"]
    hears(ledger, "a", fill("late", "0.1", "0.1", 4), 8)
    assert cold(ledger) == ["b"]
    ledger.keep()
    assert cold(ledger) == ["b", "c"]
    hears(ledger, "d", fill("late", "0.1", "0.1", 4), 9)
    hears(ledger, "a", fill("later", "0.1", "0.2", 4), 9)
    end(ledger, "e", seconds=10)
    hears(ledger, "d", fill("later", "0.1", "0.2", 4), 11)
    ledger.keep()
    assert cold(ledger) == ["a", "b", "c"]


@pytest.mark.usefixtures("none_warm")
def test_a_cold_order_is_the_order_that_it_was() -> None:
    story = Story()
    story.hears(fill("e", "0.4", "0.40", 1), word("cancelled", t=2, exec_id="x"))
    before = story.order
    story.ledger.keep()
    assert cold(story.ledger) == ["a"]
    assert repr(story.order) == repr(before) == repr(story.ledger.by_order_id("v"))
    assert [repr(each) for each in story.ledger.kept()] == [repr(before)]
    assert cold(story.ledger) == ["a"], "looking warms nothing"


@pytest.mark.usefixtures("none_warm")
def test_rule_01_a_late_fill_of_a_cold_order_is_told_and_an_old_one_is_not() -> None:
    ledger, disk = desk("a")
    hears(ledger, "a", fill("e", "0.4", "0.4", 1))
    hears(ledger, "a", fill("f", "0.1", "0.5", 1))
    hears(ledger, "a", bust("f", "b", 2))
    end(ledger, "a", seconds=3)
    disk.write(ledger.keep())
    for each in (ledger, disk.restored()):
        assert cold(each) == ["a"]
        assert hears(each, "a", fill("e", "0.4", "0.4", 1), 6) == []
        assert hears(each, "a", fill("f", "0.1", "0.5", 1), 6) == [], "what was busted stays so"
        assert "Contradicted" in (odd := hears(each, "a", fill("e", "0.5", "0.5", 1), 6)) and "OrderFilled" not in odd
        assert "OrderFilled" in hears(each, "a", fill("late", "0.2", "0.6", 2), 7)
        assert (each.get("a") or order()).filled_quantity == Decimal("0.6")
        assert hears(each, "a", fill("late", "0.2", "0.6", 2), 8) == []
        each.keep()
        assert cold(each) == ["a"]
        assert hears(each, "a", fill("late", "0.2", "0.6", 2), 9) == []
        assert "FillBusted" in hears(each, "a", bust("late", "b2", 9), 10)
        each.keep()
        assert (each.get("a") or order()).filled_quantity == Decimal("0.4")


@pytest.mark.usefixtures("none_warm")
def test_a_cold_order_that_reopens_goes_back_to_its_place_and_ends_again() -> None:
    ledger, disk = desk("a", "b")
    end(ledger, "a")
    disk.write(ledger.keep())
    hears(ledger, "a", answer("new", 7), 7)
    disk.write(ledger.keep())
    assert [each.key for each in ledger.live()] == ["a", "b"] == [each.key for each in disk.restored().live()]
    assert cold(ledger) == []
    end(ledger, "a", seconds=9)
    disk.write(ledger.keep())
    assert cold(ledger) == ["a"] and [each.key for each in ledger.live()] == ["b"]
    assert disk.restored().get("a") == ledger.get("a")


@pytest.mark.usefixtures("none_warm")
def test_an_entry_that_was_only_looked_up_turns_cold_again_as_it_was() -> None:
    ledger, disk = desk("a", "b")
    end(ledger, "a")
    disk.write(ledger.keep())
    for each in (ledger, disk.restored()):
        before = each.get("a")
        assert not each.marked("a", "x") and cold(each) == []
        each.moved("b", "main-2", at(7))
        assert keys(each.keep()) == ["b"] and cold(each) == ["a"] and repr(each.get("a")) == repr(before)


@pytest.mark.usefixtures("none_warm")
def test_rule_22_sums_come_back_to_the_last_digit() -> None:
    ledger, disk = desk("a")
    for exec_id, quantity in (("e", "0.123456789012345678"), ("f", "123456.1")):
        hears(ledger, "a", fill(exec_id, quantity, None, 1, last_price="98765.12345678"))
    end(ledger, "a")
    disk.write(ledger.keep())
    exact = (ledger.get("a") or order()).filled_value
    assert len(exact.as_tuple().digits) > 28
    for each in (ledger, disk.restored()):
        hears(each, "a", fill("g", "0.1", None, 1, last_price="100"), 8)
        assert (each.get("a") or order()).filled_value == EXACT.add(exact, 10)


@pytest.mark.usefixtures("none_warm")
def test_orders_are_listed_oldest_first_by_cursor_and_product() -> None:
    ledger, disk = Ledger(), Disk()
    for cursor, key in enumerate("abcd", 1):
        ledger.open(order(key, cursor=cursor, product_id="ETH-USD" if key in "bd" else "BTC-USD"))
    for key in "cb":
        ledger.end(key, Status.CANCELLED, at(1))
    disk.write(ledger.keep())
    disk.orders = dict(reversed(disk.orders.items()))
    for each in (ledger, disk.restored()):
        assert cold(each) == ["b", "c"]
        assert [one.key for one in each.kept()] == ["a", "b", "c", "d"]
        assert [one.key for one in each.kept(after=2)] == ["c", "d"]
        assert [one.key for one in each.kept(product_id="ETH-USD")] == ["b", "d"]
        assert [one.key for one in each.kept(1, "BTC-USD")] == ["c"]
        assert [one.key for one in each.live()] == ["a", "d"]


# Forgetting


def test_rule_23_what_is_compacted_is_gone_but_for_its_ids() -> None:
    ledger, disk = desk(*"abcd")
    hears(ledger, "a", word("new", t=1, exec_id="n"))
    ledger.replace_queued("a", "a2", order(limit_price=Decimal(90)).terms, at(2))
    end(ledger, "a", seconds=3)
    end(ledger, "b", seconds=4)
    end(ledger, "c", seconds=5)
    disk.write(ledger.keep())
    assert ledger.compact(at(5).utc, 10) == 2
    keeping = ledger.keep()
    assert keeping.forgotten == (Forgotten("a", ("a", "a2")), Forgotten("b", ("b",))) and keeping.orders == ()
    disk.write(keeping)
    for each in (ledger, disk.restored()):
        assert [one.key for one in each.kept()] == ["c", "d"]
        assert each.get("a2") is None and each.by_order_id("v-a") is None
        for used in ("a", "a2", "b", "c", "d"):
            assert each.used(used)
            with pytest.raises(KeyError):
                each.open(order(used))
        assert each.compact(at(5).utc, 10) == 0
        assert hears(each, "a", fill("late", "0.1", "0.1", 4)) == ["OrderUnknown"]


def test_compaction_takes_the_oldest_up_to_a_number_and_never_a_live_one() -> None:
    ledger, disk = desk(*"abcd")
    end(ledger, "c", seconds=3)
    end(ledger, "b", seconds=4)
    end(ledger, "a", seconds=5)
    hears(ledger, "c", fill("late", "0.1", "0.1", 2), 6)
    disk.write(ledger.keep())
    for each in (ledger, disk.restored()):
        assert each.compact(at(9).utc, 1) == 1 and each.get("b") is None
        assert each.compact(at(9).utc, 1) == 1 and each.get("a") is None
        assert each.compact(at(6).utc, 1) == 0, "a late fill changed it"
        assert each.compact(at(9).utc, 10) == 1
        assert each.compact(at(9).utc, 10) == 0 and [one.key for one in each.kept()] == ["d"]


@pytest.mark.parametrize("warm", [0, 10])
def test_at_the_bound_the_oldest_final_order_is_forgotten_as_by_compaction(
    monkeypatch: pytest.MonkeyPatch, warm: int
) -> None:
    monkeypatch.setattr(shelf, "FINAL_ORDERS_WARM_MAX", warm)
    monkeypatch.setattr(shelf, "FINAL_ORDERS_MAX", 1)
    ledger, disk = desk("a", "b")
    end(ledger, "a")
    disk.write(ledger.keep())
    end(ledger, "b")
    keeping = ledger.keep()
    assert keeping.forgotten == (Forgotten("a", ("a",)),) and keys(keeping) == ["b"]
    disk.write(keeping)
    assert [each.key for each in disk.restored().kept()] == ["b"] and disk.restored().used("a")


def test_an_order_forgotten_in_the_turn_in_which_it_ended_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "FINAL_ORDERS_MAX", 0)
    ledger, _ = desk("a")
    hears(ledger, "a", fill("e", "0.4", "0.4", 1))
    end(ledger, "a")
    assert ledger.keep() == Keeping(forgotten=(Forgotten("a", ("a",)),))


def test_remembered_ids_are_bounded_at_a_restart_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "IDS_REMEMBERED_MAX", 2)
    ledger = Ledger()
    ledger.restore(Kept(ids=("a", "b", "b", "c")))
    assert [key for key in "abc" if ledger.used(key)] == ["b", "c"]


# Discarding


def test_what_could_not_be_made_durable_is_as_if_it_had_never_been_asked() -> None:
    ledger, disk = desk("a")
    ledger.open(order("b", cursor=2))
    ledger.leaving("b", "b")
    ledger.discard("b")
    assert ledger.keep() == Keeping() and disk.restored().used("b") is False
    assert not ledger.used("b") and ledger.get("b") is None and [each.key for each in ledger.live()] == ["a"]
    ledger.open(order("b", cursor=3))
    assert keys(ledger.keep()) == ["b"]


def test_an_order_that_was_ended_before_it_left_can_be_discarded_too() -> None:
    ledger, _ = desk("a")
    ledger.open(order("b", cursor=2))
    ledger.end("b", Status.REJECTED, at(1), "not_durable")
    ledger.discard("b")
    assert ledger.keep() == Keeping() and [each.key for each in ledger.kept()] == ["a"]
    assert ledger.compact(at(99).utc, 10) == 0


def test_what_has_left_cannot_be_discarded() -> None:
    ledger, _ = desk("a")
    with pytest.raises(ValueError, match="order a has left"):
        ledger.discard("a")
    with pytest.raises(KeyError):
        ledger.discard("b")
    assert ledger.used("a")


# What cannot be read


def damaged(state: bytes) -> bytes:
    return state.replace(b'"v":1', b'"v":9')


@pytest.mark.parametrize("final", [False, True])
@pytest.mark.parametrize("what", ["order", "executions"])
def test_what_cannot_be_read_is_named_before_anything_else_happens(final: bool, what: str) -> None:
    ledger, disk = desk("a", "b")
    hears(ledger, "b", fill("e", "0.4", "0.4", 1))
    end(ledger, *("b" if final else ""))
    disk.write(ledger.keep())
    if what == "order":
        disk.orders["b"] = evolve(disk.orders["b"], state=damaged(disk.orders["b"].state))
    else:
        disk.executions = [evolve(each, state=damaged(each.state)) for each in disk.executions]
    with pytest.raises(ValueError, match="what is kept of order b cannot be read: its version is 9"):
        disk.restored()


def test_executions_without_their_order_are_named() -> None:
    _, disk = desk("a")
    disk.executions.append(KeptExecution("lost", rows.pack_steps([])))
    with pytest.raises(ValueError, match="executions of order lost"):
        disk.restored()


def test_a_cold_order_that_turns_out_unreadable_is_named() -> None:
    ledger, disk = desk("a")
    end(ledger, "a")
    disk.write(ledger.keep())
    disk.orders["a"] = evolve(disk.orders["a"], state=disk.orders["a"].state.replace(b'"CANCELLED"', b'"LOST"'))
    ledger = disk.restored()
    for look in (lambda: ledger.get("a"), lambda: list(ledger.kept()), lambda: end(ledger, "a")):
        with pytest.raises(ValueError, match=r"order a cannot be read: (order: )?status: 'LOST' is no Status"):
            look()


def test_an_empty_disk_gives_an_empty_ledger() -> None:
    ledger = Disk().restored()
    told: list[Order] = [*ledger.live(), *ledger.kept()]
    assert told == [] and ledger.keep() == Keeping()
