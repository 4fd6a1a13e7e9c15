"""What is kept of an order as bytes, and back: JSON that the classes themselves prescribe, field by field.

A new field of any of them is kept from then on; one that is not to be kept is marked UNKEPT where it is declared.
Whatever is at its default is left out. Reading is exact in its types and refuses what it does not know: a state that
a newer release wrote is an error with the field's name, never half an order. Decimals are text, to the last digit.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import attrs
import orjson

from primefixd.orders.entry import UNKEPT, Entry
from primefixd.orders.executions import Step
from primefixd.orders.model import Order

VERSION = 1  # of both states; another one is refused

Write = Callable[[Any], Any]
Read = Callable[[Any], Any]


@attrs.frozen
class _Form:
    """How values of one type are written and read; `write` is None where JSON takes the value as it is."""

    write: Write | None
    read: Read


@attrs.frozen
class Peek:
    """What a packed entry says of itself without being unpacked; `gap`: the venue counts other than was heard."""

    accepted_cursor: int
    product_id: str
    order_id: str | None
    attempts: tuple[str, ...]
    gap: bool


def pack_entry(entry: Entry) -> bytes:
    """One order, less its executions."""
    return orjson.dumps({"v": VERSION} | _write_entry(entry))


def unpack_entry(state: bytes) -> Entry:
    """Raises ValueError for anything but what `pack_entry` writes, with the name of the field."""
    entry: Entry = _read_entry(_parse(state))
    return entry


def unpack_order(state: bytes) -> Order:
    """The order alone, for those who only look at it."""
    order: Order = _read_order(_parse(state).get("order"))
    return order


def peek(state: bytes) -> Peek:
    """The little that is asked of many orders; the other fields are read when somebody wants them."""
    raw = _parse(state)
    order = _object(raw.get("order"))
    product_id = _text(_object(order.get("terms")).get("product_id"))
    return Peek(
        _whole(order.get("accepted_cursor", 0)),
        product_id,
        order.get("order_id"),
        tuple(_object(raw.get("attempts", {}))),
        "gap_since" in raw or "shrunk_at" in raw,
    )


def pack_steps(steps: Iterable[Step]) -> bytes:
    return orjson.dumps({"v": VERSION, "steps": list(map(_write_step, steps))})


def unpack_steps(state: bytes) -> Iterator[Step]:
    """Raises ValueError as `unpack_entry` does."""
    return map(_read_step, peek_steps(state))


def peek_steps(state: bytes) -> list[Any]:
    """The packed steps, unread."""
    raw = _parse(state)
    if raw.keys() != {"steps"}:
        raise ValueError("it is no list of steps")
    steps: list[Any] = _list(raw["steps"])
    return steps


def _parse(state: bytes) -> dict[str, Any]:
    raw = orjson.loads(state)  # its error is a ValueError
    if not isinstance(raw, dict):
        raise ValueError("it is no object")
    if (version := raw.pop("v", None)) != VERSION:
        raise ValueError(f"its version is {version}, and only {VERSION} can be read")
    return raw


# Forms of types


def _form(kind: Any) -> _Form:
    """The form of a declared type. Raises TypeError for one that has none: at import, not at the first order."""
    if origin := get_origin(kind):
        return _composed(kind, origin, get_args(kind))
    if kind in (str, int, bool):
        return _Form(None, _exactly(kind))
    if kind is Decimal:
        return _Form(str, _decimal)
    if kind is datetime:
        return _Form(None, _time)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _Form(None, _member(kind))
    if attrs.has(kind):
        return _Form(*_members(kind))
    raise TypeError(f"{kind} has no form that could be kept")


def _composed(kind: Any, origin: Any, parts: tuple[Any, ...]) -> _Form:
    if origin is UnionType and len(parts) == 2 and parts[1] is NoneType:
        form = _form(parts[0])
        return _Form(_unless_none(form.write), lambda raw: None if raw is None else form.read(raw))
    if origin is dict and parts[0] is str:
        return _mapping(_form(parts[1]))
    if origin is tuple and parts[-1] is not Ellipsis:
        return _row([_form(part) for part in parts])
    if origin in (tuple, list, set):
        return _sequence(origin, _form(parts[0]))
    raise TypeError(f"{kind} has no form that could be kept")


def _unless_none(write: Write | None) -> Write | None:
    return None if write is None else lambda value: None if value is None else write(value)


def _exactly(kind: type) -> Read:
    def read(raw: Any) -> Any:
        if type(raw) is not kind:
            raise ValueError(f"{raw!r:.50} is no {kind.__name__}")
        return raw

    return read


_text, _whole, _list, _object = _exactly(str), _exactly(int), _exactly(list), _exactly(dict)


def _decimal(raw: Any) -> Decimal:
    try:
        value = Decimal(_text(raw))
    except InvalidOperation:
        raise ValueError(f"{raw!r:.50} is no number") from None
    if not value.is_finite():
        raise ValueError(f"{raw!r:.50} is no number")
    return value


def _time(raw: Any) -> datetime:
    time = datetime.fromisoformat(_text(raw))
    if time.utcoffset() != timedelta(0):
        raise ValueError(f"{raw!r:.50} is not in UTC")
    return time.replace(tzinfo=UTC)


def _member(kind: type[StrEnum]) -> Read:
    members = {str(member): member for member in kind}

    def read(raw: Any) -> StrEnum:
        member = members.get(_text(raw))
        if member is None:
            raise ValueError(f"{raw!r:.50} is no {kind.__name__}")
        return member

    return read


def _sequence(kind: type, item: _Form) -> _Form:
    def read(raw: Any) -> Any:
        return kind(map(item.read, _list(raw)))

    write = item.write
    return _Form(list if write is None else lambda value: [write(each) for each in value], read)


def _row(parts: list[_Form]) -> _Form:
    """A tuple whose places have types of their own."""

    def write(value: tuple[Any, ...]) -> list[Any]:
        return [each if part.write is None else part.write(each) for part, each in zip(parts, value, strict=True)]

    def read(raw: Any) -> tuple[Any, ...]:
        return tuple(part.read(each) for part, each in zip(parts, _list(raw), strict=True))

    return _Form(write, read)


def _mapping(item: _Form) -> _Form:
    write = item.write

    def read(raw: Any) -> dict[str, Any]:
        return {name: item.read(value) for name, value in _object(raw).items()}

    return _Form(None if write is None else lambda value: {name: write(each) for name, each in value.items()}, read)


# Forms of classes


def _members(kind: Any) -> tuple[Write, Read]:
    hints = get_type_hints(kind)
    fields = [field for field in attrs.fields(kind) if field.metadata != UNKEPT]
    forms = {field.name: _form(hints[field.name]) for field in fields}
    return _writer(fields, forms), _reader(kind, forms)


def _writer(fields: list[Any], forms: dict[str, _Form]) -> Write:
    plan = [(field.name, *_default(field), forms[field.name].write) for field in fields]
    values = attrgetter(*forms) if len(forms) > 1 else lambda value: (getattr(value, fields[0].name),)

    def write(value: Any) -> dict[str, Any]:
        return {
            name: each if form is None or each is None else form(each)
            for (name, default, made, form), each in zip(plan, values(value), strict=True)
            if each is not default and (each or not made)
        }

    return write


def _default(field: Any) -> tuple[Any, bool]:
    """What is left out: the field's default itself, or whatever is empty where a default is made anew each time."""
    made = isinstance(field.default, attrs.Factory)  # type: ignore[arg-type]
    return field.default, made


def _reader(kind: type, forms: dict[str, _Form]) -> Read:
    reads = {name: form.read for name, form in forms.items()}

    def read(raw: Any) -> Any:
        told = {}
        for name, value in _object(raw).items():
            if (form := reads.get(name)) is None:
                raise ValueError(f"{kind.__name__} has no field {name!r:.50}")
            try:
                told[name] = form(value)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        try:
            return kind(**told)
        except TypeError as error:  # a field without a default is not there
            raise ValueError(f"{kind.__name__} is not whole: {error}") from None

    return read


_write_entry, _read_entry = _members(Entry)
_write_step, _read_step = _members(Step)
_read_order = _members(Order)[1]
