"""Who leaves next: tables for priority and bounds, and a property for fairness."""

from itertools import groupby
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primefixd.dispatch.outbox import Outbox, Waiting
from primefixd.orders.model import RequestKind

CANCEL, STATUS, REPLACE, NEW = RequestKind.CANCEL, RequestKind.STATUS, RequestKind.REPLACE, RequestKind.NEW_ORDER
ALL = frozenset(RequestKind)


def waiting(
    key: str, kind: RequestKind = NEW, client: str = "a", deadline: float | None = None, request_id: str = ""
) -> Waiting:
    return Waiting(kind=kind, client=client, key=key, deadline=deadline, request_id=request_id or f"{kind}-{key}")


def filled(*items: Waiting, bound: int = 100) -> Outbox:
    outbox = Outbox(bound)
    for item in items:
        assert outbox.put(item)
    return outbox


def keys(items: list[Waiting]) -> list[str]:
    return [item.key for item in items]


def test_rule_18_kinds_leave_by_priority() -> None:
    outbox = filled(waiting("n"), waiting("r", REPLACE), waiting("s", STATUS), waiting("c", CANCEL))
    assert keys(outbox.drain()) == ["c", "s", "r", "n"]
    assert len(outbox) == 0


@pytest.mark.parametrize(
    "kinds, key",
    [
        (ALL, "c"),
        ({NEW, STATUS}, "s"),
        ({NEW}, "n"),
        ((NEW, CANCEL), "c"),
        ({REPLACE}, None),
        (frozenset(), None),
    ],
)
def test_only_the_kinds_asked_for_are_offered(kinds: frozenset[RequestKind], key: str | None) -> None:
    first = filled(waiting("n"), waiting("s", STATUS), waiting("c", CANCEL)).first(kinds)
    assert (first.key if first else None) == key


def test_rule_18_first_come_first_served_within_a_client() -> None:
    assert keys(filled(*(waiting(key) for key in "dabc")).drain()) == list("dabc")


def test_rule_18_clients_take_turns() -> None:
    outbox = filled(*(waiting(f"a{i}", client="a") for i in range(3)), waiting("b0", client="b"))
    outbox.put(waiting("c0", client="c"))
    outbox.put(waiting("b1", client="b"))
    assert keys(outbox.drain()) == ["a0", "b0", "c0", "a1", "b1", "a2"]


def test_rule_18_turns_are_each_kinds_own() -> None:
    outbox = filled(waiting("a0"), waiting("a1"), waiting("b0", client="b"), waiting("a0", CANCEL))
    assert [(item.kind, item.key) for item in outbox.drain()] == [(CANCEL, "a0"), (NEW, "a0"), (NEW, "b0"), (NEW, "a1")]


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(RequestKind)), max_size=80))
def test_rule_18_while_clients_wait_none_gets_two_turns_before_another_gets_one(
    puts: list[tuple[str, RequestKind]],
) -> None:
    items = [waiting(str(i), kind, client) for i, (client, kind) in enumerate(puts)]
    left = filled(*items).drain()
    assert sorted(left, key=id) == sorted(items, key=id)
    assert [kind for kind, _ in groupby(left, lambda item: item.kind)] == sorted(
        {item.kind for item in items}, key=list(RequestKind).index
    )
    for kind in RequestKind:
        of_kind = [item for item in left if item.kind is kind]
        for client in {item.client for item in of_kind}:
            own = [item for item in of_kind if item.client == client]
            assert own == [item for item in items if item in own]
        for i, item in enumerate(of_kind):  # everybody who still waits gets a turn before this client's next one
            later = of_kind[i + 1 :]
            until = next((j for j, other in enumerate(later) if other.client == item.client), None)
            if until is not None:
                assert {other.client for other in later} - {item.client} == {other.client for other in later[:until]}


@pytest.mark.parametrize("kind, taken", [(NEW, False), (REPLACE, False), (CANCEL, True), (STATUS, True)])
def test_rule_18_only_new_orders_and_replaces_are_refused_when_it_is_full(kind: RequestKind, taken: bool) -> None:
    outbox = filled(waiting("1"), waiting("2", REPLACE), bound=2)
    assert outbox.put(waiting("3", kind)) is taken
    assert len(outbox) == 2 + taken


@pytest.mark.parametrize("leave", ["pop", "withdraw", "expired", "drain"])
def test_whatever_leaves_makes_room(leave: str) -> None:
    item = waiting("1", deadline=5.0)
    outbox = filled(item, bound=1)
    assert not outbox.put(waiting("2"))
    match leave:
        case "pop":
            outbox.pop(item)
        case "withdraw":
            assert outbox.withdraw("1", NEW) is item
        case "expired":
            assert outbox.expired(5.0) == [item]
        case _:
            assert outbox.drain() == [item]
    assert len(outbox) == 0
    assert outbox.first(ALL) is None
    assert outbox.put(waiting("2"))
    assert not outbox.put(waiting("3"))


def test_one_request_of_a_kind_waits_for_an_order() -> None:
    first = waiting("1", CANCEL, request_id="x")
    outbox = filled(first, waiting("1", STATUS))
    assert outbox.put(waiting("1", CANCEL, client="b", request_id="y"))
    assert len(outbox) == 2
    assert outbox.first({CANCEL}) is first


def test_withdraw_takes_only_that_kind_of_that_order() -> None:
    outbox = filled(waiting("1"), waiting("2"), waiting("1", CANCEL))
    assert outbox.withdraw("3", NEW) is None
    assert outbox.withdraw("2", CANCEL) is None
    assert outbox.withdraw("1", NEW) == waiting("1")
    assert [(item.kind, item.key) for item in outbox.drain()] == [(CANCEL, "1"), (NEW, "2")]


def test_popping_what_does_not_wait_is_a_bug() -> None:
    with pytest.raises(KeyError):
        filled(waiting("1")).pop(waiting("2"))


def test_what_reached_its_deadline_is_removed_earliest_first() -> None:
    outbox = filled(waiting("1", deadline=3.0), waiting("2"), waiting("3", deadline=1.0), waiting("4", deadline=2.0))
    assert outbox.next_deadline() == 1.0
    assert outbox.expired(0.999) == []
    assert keys(outbox.expired(2.0)) == ["3", "4"]
    assert outbox.next_deadline() == 3.0
    assert keys(outbox.expired(100.0)) == ["1"]
    assert outbox.next_deadline() == inf
    assert keys(outbox.drain()) == ["2"]


def test_an_earlier_deadline_that_comes_later_counts() -> None:
    outbox = filled(waiting("1", deadline=9.0))
    outbox.put(waiting("2", deadline=4.0))
    assert outbox.next_deadline() == 4.0
    assert keys(outbox.expired(4.0)) == ["2"]


def test_a_deadline_that_left_asks_at_most_once_in_vain() -> None:
    item = waiting("1", deadline=1.0)
    outbox = filled(item, waiting("2", deadline=8.0))
    outbox.pop(item)
    assert outbox.next_deadline() <= 8.0
    assert outbox.expired(outbox.next_deadline()) == []
    assert outbox.next_deadline() == 8.0


def test_an_empty_outbox_has_no_deadline() -> None:
    item = waiting("1", deadline=1.0)
    outbox = filled(item)
    outbox.pop(item)
    assert outbox.next_deadline() == inf
