"""Rows: whatever an order may hold comes back as it was, and what is not understood is refused by name."""

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import attrs
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from primefixd.orders import rows
from primefixd.orders.entry import UNKEPT, Entry
from primefixd.orders.executions import Step
from tests.orders.telling import NOON, Story, bust, correction, fill, order, word

LEAVES: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=8),
    int: st.integers(0, 2**53),
    bool: st.booleans(),
    datetime: st.datetimes(timezones=st.just(UTC)).map(lambda time: time.replace(fold=0)),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
}


def any_of(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a declared type, whether or not it makes sense."""
    if kind in LEAVES:
        return LEAVES[kind]
    if attrs.has(kind):
        return st.deferred(lambda: any_object(kind))
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return st.sampled_from(kind)
    parts = get_args(kind)
    match get_origin(kind):
        case origin if origin is UnionType:
            return st.none() | any_of(parts[0])
        case origin if origin is dict:
            return st.dictionaries(any_of(parts[0]), any_of(parts[1]), max_size=2)
        case origin if origin is tuple and parts[-1] is not Ellipsis:
            return st.tuples(*map(any_of, parts))
        case origin:
            return st.lists(any_of(parts[0]), max_size=2).map(origin)


def any_object(kind: Any) -> st.SearchStrategy[Any]:
    hints = get_type_hints(kind)
    told = {field.name: any_of(hints[field.name]) for field in attrs.fields(kind) if field.metadata != UNKEPT}
    return st.builds(kind, **told)


def said(value: Any) -> str:
    """All of a value, to the last digit of its amounts; what a restart forgets is left out."""
    if not isinstance(value, Entry):
        return repr(value)
    kept = [field.name for field in attrs.fields(Entry) if field.metadata != UNKEPT and field.name != "heard"]
    return repr([(name, getattr(value, name)) for name in kept]) + repr(sorted(value.heard))


@settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
@given(any_object(Entry))
def test_an_order_comes_back_as_it_was(entry: Entry) -> None:
    state = rows.pack_entry(entry)
    back = rows.unpack_entry(state)
    assert said(back) == said(entry)
    assert said(rows.unpack_order(state)) == said(entry.order)
    peek = rows.peek(state)
    assert (peek.accepted_cursor, peek.product_id) == (entry.accepted_cursor, entry.product_id)


@settings(deadline=None)
@given(st.lists(any_object(Step), max_size=4))
def test_steps_come_back_as_they_were(steps: list[Step]) -> None:
    assert repr(list(rows.unpack_steps(rows.pack_steps(steps)))) == repr(steps)


def told() -> Entry:
    story = Story(order(stop_price=Decimal("99.50")))
    story.hears(fill("e", "0.4", "0.4", 1), correction("e", "c", "0.3", 2), bust("x", "b", 3), word("new", exec_id="n"))
    return story.ledger._held("a")


def test_what_is_at_its_default_is_left_out_and_comes_back_as_that() -> None:
    state = rows.pack_entry(Entry(order()))
    assert orjson.loads(state).keys() == {"v", "order"}
    assert said(rows.unpack_entry(state)) == said(Entry(order()))


def test_an_amount_that_equals_its_default_keeps_its_digits() -> None:
    entry = Entry(order(), counted=Decimal("0.00"))
    assert str(rows.unpack_entry(rows.pack_entry(entry)).counted) == "0.00"


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        (("v",), 2, "its version is 2, and only 1 can be read"),
        (("v",), None, "its version is None"),
        (("colour",), "red", "Entry has no field 'colour'"),
        (("asking",), 1, "Entry has no field 'asking'"),
        (("order", "colour"), "red", "order: Order has no field 'colour'"),
        (("order", "terms", "colour"), "red", "order: terms: Terms has no field 'colour'"),
        (("order", "status"), "LOST", "order: status: 'LOST' is no Status"),
        (("order", "status"), None, "order: status: None is no str"),
        (("order", "filled_quantity"), 0.4, "order: filled_quantity: 0.4 is no str"),
        (("order", "filled_quantity"), "NaN", "order: filled_quantity: 'NaN' is no number"),
        (("order", "filled_quantity"), "much", "order: filled_quantity: 'much' is no number"),
        (("order", "in_doubt"), 1, "order: in_doubt: 1 is no bool"),
        (("order", "accepted_cursor"), True, "order: accepted_cursor: True is no int"),
        (("order", "chain"), "a", "order: chain: 'a' is no list"),
        (("order", "terms"), [], "order: terms: .. is no dict"),
        (("order", "updated_at"), "2026-01-27T12:00:00", "order: updated_at: '2026-01-27T12:00:00' is not in UTC"),
        (("order", "updated_at"), "2026-01-27T12:00:00+01:00", "order: updated_at: .* is not in UTC"),
        (("order", "updated_at"), "noon", "order: updated_at: Invalid isoformat"),
        (("heard",), "a", "heard: 'a' is no list"),
        (("attempts",), {"b": {}}, "attempts: Terms is not whole"),
        (("order",), None, "order: None is no dict"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(path: tuple[str, ...], value: object, why: str) -> None:
    raw = orjson.loads(rows.pack_entry(told()))
    at = raw
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = value
    with pytest.raises(ValueError, match=why):
        rows.unpack_entry(orjson.dumps(raw))


@pytest.mark.parametrize("name", ["client_order_id", "terms", "session", "created_at", "updated_at", "client"])
def test_half_an_order_is_refused(name: str) -> None:
    raw = orjson.loads(rows.pack_entry(told()))
    del raw["order"][name]
    with pytest.raises(ValueError, match=f"order: Order is not whole.*{name}"):
        rows.unpack_entry(orjson.dumps(raw))


@pytest.mark.parametrize("state", [b"", b"{", b"[]", b"7", b'{"v":1}', b'{"v":1,"order":7}', b"\xff"])
def test_what_is_no_order_at_all_is_refused(state: bytes) -> None:
    for read in (rows.unpack_entry, rows.unpack_order, rows.peek):
        with pytest.raises(ValueError):
            read(state)


@pytest.mark.parametrize(
    "state",
    [b"", b"[]", b'{"v":1}', b'{"v":2,"steps":[]}', b'{"v":1,"steps":7}', b'{"v":1,"steps":[],"more":1}'],
)
def test_what_are_no_steps_is_refused(state: bytes) -> None:
    for read in (rows.unpack_steps, rows.peek_steps):
        with pytest.raises(ValueError):
            read(state)


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ({"heard": ["e", "new", "1"]}, "heard"),
        ({"heard": ["e", "maybe", "1", "100"]}, "'maybe' is no Transaction"),
        ({"corrects": ["c"]}, "corrects"),
        ({"fill": {"fill_id": "v/e"}}, "fill: Fill is not whole"),
        ({"vanished": "e"}, "Step has no field 'vanished'"),
    ],
)
def test_a_step_that_is_not_understood_is_refused_by_name(step: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        list(rows.unpack_steps(orjson.dumps({"v": 1, "steps": [step]})))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damage_is_a_value_error_or_another_order_never_anything_else(data: st.DataObject) -> None:
    state = bytearray(rows.pack_entry(told()))
    for _ in range(data.draw(st.integers(1, 3))):
        state[data.draw(st.integers(0, len(state) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert isinstance(rows.unpack_entry(bytes(state)), Entry)
    except ValueError as error:
        assert str(error)


def test_a_type_without_a_form_is_told_when_the_program_starts() -> None:
    @attrs.frozen
    class Odd:
        price: float

    with pytest.raises(TypeError, match="float"):
        rows._members(Odd)


def test_times_keep_their_microseconds() -> None:
    time = NOON.replace(microsecond=1)
    entry = Entry(attrs.evolve(order(), updated_at=time), latest=time)
    back = rows.unpack_entry(rows.pack_entry(entry))
    assert (back.order.updated_at, back.latest) == (time, time) and back.latest and back.latest.tzinfo is UTC
