"""Plain values, as JSON and YAML give them, into attrs classes: nothing is guessed and every problem is told at once.

A value of another type is a problem, never converted: no "no" for False, no 1.9 for 1, no number where a decimal
text belongs (architecture.md 17). cattrs builds the classes; the hooks here make it exact. It never reads files and
knows nothing of orders or settings.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from math import isfinite
from types import UnionType
from typing import Annotated, Any, Literal, NoReturn, TypeVar, Union, cast, get_args, get_origin

import attrs
from attrs import frozen
from cattrs import ClassValidationError, Converter, ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn, override

T = TypeVar("T")
Path = tuple[str | int, ...]

PROBLEMS_MAX = 100  # told of one list or of unknown names; the rest would only hide them
SUGGESTIONS_MAX = 5  # nearest names looked for in one object: a search costs time, and a peer may send thousands
SHOWN_MAX_CHARS = 48  # of a peer's own text, where a sentence repeats it
DECIMAL_MAX_CHARS = 40  # far beyond any quantity the venue trades, far below what would cost time
INTEGER_MAX_CHARS = 19  # longer ones cannot be answered as JSON integers of 64 bits
_DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|\+00:00)")


class Wrong(ValueError):
    """One value is not acceptable; the text continues a sentence that begins with its path ("must be …")."""


class NotJson(ValueError):
    """The text is no JSON at all; says what and where."""


@frozen
class Problem:
    """What is wrong at `path`, as the rest of a sentence that begins with the path."""

    path: Path
    what: str

    @property
    def field(self) -> str:
        """The path as text, such as `portfolios[0].sessions[2].heartbeat_s`."""
        text = "".join(f"[{step}]" if isinstance(step, int) else f".{shown(step)}" for step in self.path)
        return text.removeprefix(".")

    def under(self, *steps: str | int) -> "Problem":
        return Problem((*steps, *self.path), self.what)


class Invalid(Exception):
    """Everything that is wrong with a value, at least one problem."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{problem.field} {problem.what}" for problem in self.problems))


@frozen
class Check:
    """In `Annotated[T, Check(…)]`: a value of the right type must also satisfy `holds`, or it `must` be as said."""

    must: str
    holds: Callable[[Any], bool]


def between(low: float, high: float) -> Check:
    return Check(f"must be from {low} to {high}", lambda number: low <= number <= high)


def matching(pattern: str, must: str) -> Check:
    regex = re.compile(pattern)
    return Check(must, lambda text: regex.fullmatch(text) is not None)


def shown(text: str, chars_max: int = SHOWN_MAX_CHARS) -> str:
    """A peer's own text, made safe to repeat: escaped where it does not print, cut where it is long."""
    cut = text if len(text) <= chars_max else text[:chars_max] + "…"
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in cut)


# JSON text to plain values


class Repeated(dict[str, object]):
    """A JSON object that gave a name more than once; `names` are those. The class that reads it says so, by path."""

    names: tuple[str, ...]


@frozen
class Endless:
    """Stands for a whole number that is longer than any that means something."""

    text: str


def parse_json(text: str) -> object:
    """JSON text as plain values, oddities marked in their place so that a reply can name them; raises NotJson.

    NaN and Infinity come through as the floats that they are not: every class refuses them where they stand.
    """
    try:
        return json.loads(text, object_pairs_hook=_object, parse_int=_integer)
    except json.JSONDecodeError as error:
        raise NotJson(f"{error.msg} at character {error.pos}") from None
    except RecursionError:
        raise NotJson("nested too deep") from None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    marked = Repeated(plain)
    marked.names = tuple(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
    return marked


def _integer(text: str) -> int | Endless:
    return int(text) if len(text) <= INTEGER_MAX_CHARS else Endless(text)


# Plain values to classes


def structure(value: object, cls: type[T], converter: Converter | None = None) -> T:
    """An instance of the attrs class `cls` made of `value`; raises Invalid with all problems, each with its path."""
    try:
        return (converter or CONVERTER).structure(value, cls)
    except Wrong as error:
        raise Invalid([Problem((), str(error))]) from None


def unknown_names(names: Iterable[str], known: Collection[str]) -> list[Problem]:
    """A problem for each of `names`, with the nearest of the `known` where there is one."""
    told = sorted(names)[:PROBLEMS_MAX]
    near = [get_close_matches(name[:SHOWN_MAX_CHARS], known, n=1) for name in told[:SUGGESTIONS_MAX]]
    advice = [f"did you mean {matches[0]}?" if matches else "remove it" for matches in near]
    advice += ["remove it"] * (len(told) - len(advice))
    return [Problem((name,), f"is not known; {what}") for name, what in zip(told, advice, strict=True)]


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {value}"
        case Endless():
            return f"the number {shown(value.text)}"
        case str():
            return f"the text '{shown(value)}'"
        case list():
            return "a list"
    return "an object"


def _refuse(must: str, value: object) -> NoReturn:
    raise Wrong(f"must be {must}, not {_kind(value)}")


def _text(value: object, _: type[str]) -> str:
    if type(value) is not str:
        _refuse("text in quotes", value)
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        raise Wrong("holds half of a surrogate pair, which is no character")
    return value


def _whole(value: object, _: type[int]) -> int:
    return value if type(value) is int else _refuse("a whole number", value)


def _number(value: object, _: type[float]) -> float:
    if type(value) not in (int, float) or not isfinite(cast(float, value)):
        _refuse("a number", value)
    return float(cast(float, value))


def _truth(value: object, _: type[bool]) -> bool:
    return value if type(value) is bool else _refuse("true or false", value)


def _decimal(value: object, _: type[Decimal]) -> Decimal:
    if type(value) is not str or len(value) > DECIMAL_MAX_CHARS or not _DECIMAL.fullmatch(value):
        _refuse(f'a decimal in quotes such as "0.25": digits only, at most {DECIMAL_MAX_CHARS} characters', value)
    return Decimal(value)


def _time(value: object, _: type[datetime]) -> datetime:
    must = "a time in UTC such as 2026-01-27T15:55:05.552Z"
    if type(value) is not str or not _TIME.fullmatch(value):
        _refuse(must, value)
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        _refuse(must, value)


def _member(value: object, cls: type[StrEnum]) -> StrEnum:
    texts = [str(member) for member in cls]
    return cls(value) if type(value) is str and value in texts else _refuse(_alternatives(texts), value)


def _literal(value: object, cls: object) -> object:
    return value if type(value) is str and value in get_args(cls) else _refuse(_alternatives(get_args(cls)), value)


def _alternatives(texts: Collection[str]) -> str:
    return f"one of {', '.join(texts)}" if len(texts) > 1 else next(iter(texts))


def _annotated(cls: Any, converter: Converter) -> Callable[[object, object], object]:
    base, *notes = get_args(cls)
    inner = converter.get_structure_hook(base)
    checks = [note for note in notes if isinstance(note, Check)]

    def hook(value: object, _: object) -> object:
        result = inner(value, base)
        if failed := [check for check in checks if not check.holds(result)]:
            raise Wrong(failed[0].must + ("" if isinstance(value, list) else f", not {_kind(value)}"))
        return result

    return hook


def _several(cls: Any, converter: Converter) -> Callable[[object, object], object]:
    inner, build = get_args(cls)[0], cast(Callable[[Iterable[object]], object], get_origin(cls))
    one = converter.get_structure_hook(inner)

    def hook(value: object, _: object) -> object:
        if type(value) is not list:
            _refuse("a list", value)
        problems: list[Problem] = []
        built = build(list(_each(value, lambda item: one(item, inner), problems)))
        if problems:
            raise Invalid(problems)
        return built

    return hook


def _each(items: Sequence[object], one: Callable[[object], object], problems: list[Problem]) -> Iterator[object]:
    for index, item in enumerate(items):
        try:
            yield one(item)
        except (Wrong, Invalid) as error:
            problems.extend(problem.under(index) for problem in _told(error))
            if len(problems) >= PROBLEMS_MAX:
                return


def _class(cls: type[attrs.AttrsInstance], converter: Converter) -> Callable[[object, object], object]:
    names = {field.name: field.name.rstrip("_") for field in attrs.fields(cls)}
    renames: dict[str, Any] = {name: override(rename=told) for name, told in names.items() if name != told}
    build = make_dict_structure_fn(
        cls, converter, _cattrs_forbid_extra_keys=True, _cattrs_detailed_validation=True, **renames
    )

    def hook(value: object, _: object) -> object:
        if not isinstance(value, dict):
            _refuse("an object" + (f" with {', '.join(names.values())}" if names else ""), value)
        problems = repetitions(value)
        try:
            built = build(value, cls)
        except ClassValidationError as error:
            problems += _class_problems(error, names)
        if problems:
            raise Invalid(problems)
        return built

    return hook


def repetitions(value: object) -> list[Problem]:
    """A problem for each name that a JSON object gave more than once."""
    names = value.names if isinstance(value, Repeated) else ()
    return [Problem((name,), "is given more than once") for name in names]


def _class_problems(error: ClassValidationError, names: dict[str, str]) -> list[Problem]:
    """Unknown names first: a misspelled one is the cause of the missing one."""
    noted, plain = error.group_exceptions()
    first: list[Problem] = []
    rest: list[Problem] = []
    for fault in plain:
        if isinstance(fault, ForbiddenExtraKeysError):
            first += unknown_names(fault.extra_fields, tuple(names.values()))
        else:
            rest += _told(fault)
    for fault, note in noted:
        found = [Problem((), "is missing")] if isinstance(fault, KeyError) else _told(fault)
        rest += [problem.under(names[note.name]) for problem in found]
    return first + rest


def _told(fault: BaseException) -> Sequence[Problem]:
    if isinstance(fault, Invalid):
        return fault.problems
    if isinstance(fault, Wrong):
        return [Problem((), str(fault))]
    raise fault


def _is_union_with_text(cls: Any) -> bool:
    return get_origin(cls) in (Union, UnionType) and any(get_origin(part) is Literal for part in get_args(cls))


def _text_or(cls: Any, converter: Converter) -> Callable[[object, object], object]:
    """For `Literal["*"] | X`: one of those texts, or what X takes."""
    texts = [text for part in get_args(cls) if get_origin(part) is Literal for text in get_args(part)]
    (other,) = (part for part in get_args(cls) if get_origin(part) is not Literal)
    inner = converter.get_structure_hook(other)
    return lambda value, _: value if type(value) is str and value in texts else inner(value, other)


def _is_class(cls: Any) -> bool:
    return isinstance(cls, type) and attrs.has(cls)


def _is(*origins: Any) -> Callable[[Any], bool]:
    return lambda cls: get_origin(cls) in origins


def make_converter() -> Converter:
    """A converter of its own for a caller that has types of its own; its hooks raise Wrong or Invalid."""
    made = Converter(forbid_extra_keys=True, detailed_validation=True)
    exact: dict[Any, Any] = {
        str: _text, StrEnum: _member, int: _whole, float: _number, bool: _truth, Decimal: _decimal, datetime: _time
    }  # fmt: skip
    factories: dict[Callable[[Any], bool], Any] = {
        _is_class: _class,
        _is(tuple, frozenset): _several,
        _is_union_with_text: _text_or,
        _is(Annotated): _annotated,
    }
    for cls, hook in exact.items():
        made.register_structure_hook(cls, hook)
    for predicate, factory in factories.items():
        made.register_structure_hook_factory(predicate, factory)
    made.register_structure_hook_func(_is(Literal), _literal)
    return made


CONVERTER = make_converter()
