"""Nothing is guessed: each type takes exactly its own values, and every problem is told with its path."""

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from primefixd.strict import (
    PROBLEMS_MAX,
    Check,
    Invalid,
    NotJson,
    Problem,
    between,
    matching,
    parse_json,
    structure,
)


class Colour(StrEnum):
    RED = "RED"
    BLUE = "BLUE"


@frozen(kw_only=True)
class Inner:
    size: int


@frozen(kw_only=True)
class Outer:
    text: str = ""
    whole: int = 0
    number: float = 0.0
    truth: bool = False
    decimal: Decimal | None = None
    time: datetime | None = None
    colour: Colour = Colour.RED
    inner: Inner | None = None
    several: tuple[Inner, ...] = ()
    names: frozenset[str] | Literal["*"] = "*"
    short: Annotated[str, matching("[a-z]{1,3}", "must be short")] = "a"
    small: Annotated[int, between(1, 3)] = 1
    only: Literal["this"] = "this"
    from_: int = 0

    def __attrs_post_init__(self) -> None:
        if self.text == "both" and self.whole:
            raise Invalid([Problem(("whole",), "cannot stand beside text")])


def problems(value: object) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        structure(value, Outer)
    return {problem.field: problem.what for problem in caught.value.problems}


@pytest.mark.parametrize(
    ("given_", "made"),
    [
        ({}, Outer()),
        ({"text": "no", "whole": 3, "truth": True}, Outer(text="no", whole=3, truth=True)),
        ({"number": 2}, Outer(number=2.0)),
        ({"decimal": "0.250"}, Outer(decimal=Decimal("0.250"))),
        ({"decimal": None}, Outer()),
        ({"time": "2026-01-27T15:55:05.552Z"}, Outer(time=datetime(2026, 1, 27, 15, 55, 5, 552000, UTC))),
        ({"time": "2026-01-27T15:55:05+00:00"}, Outer(time=datetime(2026, 1, 27, 15, 55, 5, 0, UTC))),
        ({"colour": "BLUE"}, Outer(colour=Colour.BLUE)),
        ({"inner": {"size": 1}, "several": [{"size": 2}]}, Outer(inner=Inner(size=1), several=(Inner(size=2),))),
        ({"names": ["a", "b"]}, Outer(names=frozenset({"a", "b"}))),
        ({"names": "*", "only": "this", "from": 7}, Outer(from_=7)),
    ],
)
def test_right_values_are_taken(given_: object, made: Outer) -> None:
    result = structure(given_, Outer)
    assert result == made
    assert type(result.whole) is int and type(result.number) is float


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("text", 1, "must be text in quotes, not the number 1"),
        ("text", "\ud800", "surrogate"),
        ("text", None, "not null"),
        ("whole", True, "must be a whole number, not true"),
        ("whole", 1.0, "not the number 1.0"),
        ("whole", "1", "not the text '1'"),
        ("number", True, "must be a number"),
        ("number", float("inf"), "must be a number"),
        ("truth", "no", "must be true or false, not the text 'no'"),
        ("truth", 0, "must be true or false"),
        ("decimal", 0.1, "must be a decimal in quotes"),
        ("decimal", 1, "must be a decimal in quotes"),
        ("decimal", "1e3", "digits only"),
        ("decimal", "+1", "digits only"),
        ("decimal", "-1", "digits only"),
        ("decimal", ".5", "digits only"),
        ("decimal", "5.", "digits only"),
        ("decimal", "٣", "digits only"),
        ("decimal", "1\n", "digits only"),
        ("decimal", "9" * 41, "at most 40"),
        ("decimal", "NaN", "digits only"),
        ("time", "2026-01-27T15:55:05", "must be a time in UTC"),
        ("time", "2026-01-27T15:55:05+01:00", "must be a time in UTC"),
        ("time", "2026-02-30T15:55:05Z", "must be a time in UTC"),
        ("time", "2026-01-27T15:55:05.1234567Z", "must be a time in UTC"),
        ("time", 1769529305, "must be a time in UTC"),
        ("colour", "GREEN", "must be one of RED, BLUE, not the text 'GREEN'"),
        ("colour", ["RED"], "must be one of RED, BLUE, not a list"),
        ("inner", "x", "must be an object with size"),
        ("inner", [], "must be an object with size, not a list"),
        ("several", "text", "must be a list"),
        ("several", {"size": 1}, "must be a list"),
        ("names", "+", "must be a list"),
        ("names", None, "must be a list"),
        ("short", "LONG", "must be short"),
        ("small", 4, "must be from 1 to 3, not the number 4"),
        ("only", "that", "must be this, not the text 'that'"),
        ("only", "else", "must be this"),
        ("from", "0", "must be a whole number"),
    ],
)  # fmt: skip
def test_wrong_values_are_named_by_path(name: str, value: object, says: str) -> None:
    found = problems({name: value})
    assert list(found) == [name]
    assert says in found[name]


def test_all_problems_at_once_with_unknown_names_first() -> None:
    found = problems({"whole": "x", "siz": 1, "several": [{"size": 1}, {}, {"size": "s", "sice": 2}], "colur": "RED"})
    assert list(found)[:2] == ["colur", "siz"]
    assert found["colur"] == "is not known; did you mean colour?"
    assert found["whole"].startswith("must be a whole number")
    assert found["several[1].size"] == "is missing"
    assert found["several[2].sice"] == "is not known; did you mean size?"
    assert found["several[2].size"].startswith("must be a whole number")


def test_rules_across_fields_come_with_the_field_that_they_name() -> None:
    assert problems({"text": "both", "whole": 1}) == {"whole": "cannot stand beside text"}
    assert problems({"inner": None, "several": None, "text": 1})["several"] == "must be a list, not null"


def test_the_whole_value_must_be_an_object() -> None:
    assert list(problems(["text"])) == [""]


def test_an_endless_list_of_mistakes_is_cut() -> None:
    assert len(problems({"several": [1] * 5000})) == PROBLEMS_MAX
    assert len(problems({f"name{number}": 1 for number in range(5000)})) == PROBLEMS_MAX


def test_a_peers_text_is_repeated_only_in_part_and_escaped() -> None:
    found = problems({"colour": "\x1b[31m" + "x" * 5000, "na\nme\ud800": 1})
    assert "na\\nme\\ud800" in found
    assert "\\x1b" in found["colour"] and len(found["colour"]) < 200


def test_repeated_names_are_told_by_path() -> None:
    value = parse_json('{"text":"a","inner":{"size":1,"size":2},"text":"b","several":[{"size":1,"size":1,"size":1}]}')
    found = problems(value)
    assert set(found) == {"text", "inner.size", "several[0].size"}
    assert set(found.values()) == {"is given more than once"}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "9" * 5000, "-1e999"])
def test_numbers_that_are_none_are_named_where_they_stand(number: str) -> None:
    assert list(problems(parse_json(f'{{"number":{number}}}'))) == ["number"]
    assert list(problems(parse_json(f'{{"whole":{number}}}'))) == ["whole"]


@pytest.mark.parametrize("text", ["", "{", "nul", "{'a':1}", '"\n"', "[" * 100_000, '{"a":' * 100_000, "\ufeff{}"])
def test_what_is_no_json_is_said_to_be_none(text: str) -> None:
    with pytest.raises(NotJson):
        parse_json(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec=None)), inner),
)


@given(st.dictionaries(st.sampled_from(["text", "inner", "several", "names", "decimal", "time"]), JSON) | JSON)
def test_any_value_is_structured_or_named(value: object) -> None:
    try:
        structure(value, Outer)
    except Invalid as error:
        assert error.problems
        str(error).encode()


def test_a_fault_of_ours_is_not_taken_for_the_peers() -> None:
    def broken(_: object) -> bool:
        raise ZeroDivisionError

    @frozen
    class Faulty:
        value: Annotated[int, Check("must be", broken)]

    with pytest.raises(ZeroDivisionError):
        structure({"value": 1}, Faulty)
