"""Every row of the venue's strategy table, at the venue's end: allowed and forbidden, field by field."""

from typing import Any

import pytest

BASE = {"11": "a", "38": "1", "54": "1", "55": "BTC-USD"}
ROWS = {
    "L": {"40": "2", "44": "59000", "59": "1"},
    "M": {"40": "1", "59": "3"},
    "T": {"40": "2", "44": "59000", "59": "6", "168": "20261123-15:00:10", "126": "20261123-15:10:00"},
    "V": {"40": "2", "44": "59000", "59": "6", "168": "20261123-15:00:10", "126": "20261123-15:10:00"},
    "SL": {"40": "2", "44": "61000", "59": "1", "99": "60500"},
    "P": {"40": "P", "44": "59000", "59": "1", "836": "0", "211": "10"},
    "R": {"40": "D", "44": "60012", "59": "4"},
}
TIMES_IN_FORCE = {"L": "1346", "M": "3", "T": "6", "V": "6", "SL": "16", "P": "16", "R": "4"}
VALUES = {
    "44": "59000", "99": "60500", "117": "q", "126": "20261123-15:10:00", "210": "1", "836": "0", "211": "1",
    "849": "0.1", "8007": "58000", "18": "A",
}  # fmt: skip
OPTIONAL = {
    "L": {"210", "18"},
    "M": set(),
    "T": {"849", "18"},
    "V": {"849", "18"},
    "SL": {"18"},
    "P": {"8007", "18"},
    "R": set(),
}


def text(desk: Any, strategy: str, changes: dict[str, str | None]) -> str:
    fields: dict[str, str | None] = {**BASE, **ROWS[strategy], "847": strategy}
    if strategy == "R":
        [quote] = desk.ask("35=R|1=main|131=q|54=1|55=BTC-USD|38=1|40=2|44=61000|59=4", 117)
        fields["117"] = quote.removeprefix("117=")
    return "|".join(f"{tag}={value}" for tag, value in (fields | changes).items() if value is not None)


def place(desk: Any, strategy: str, changes: dict[str, str | None]) -> str:
    answer = desk.say(text(desk, strategy, changes), 39, 103)[0]
    assert answer in ("39=A|103=None", "39=8|103=99")
    return "taken" if answer == "39=A|103=None" else "refused"


@pytest.mark.parametrize("strategy", ROWS)
def test_order_with_just_what_its_row_requires_is_taken(desk: Any, strategy: str) -> None:
    assert place(desk, strategy, {}) == "taken"


@pytest.mark.parametrize("strategy", ROWS)
@pytest.mark.parametrize("letter", "123456")
def test_times_in_force(desk: Any, strategy: str, letter: str) -> None:
    expires = VALUES["126"] if letter == "6" else None
    price = {"44": "60000"} if strategy == "L" else {}
    expected = "taken" if letter in TIMES_IN_FORCE[strategy] else "refused"
    assert place(desk, strategy, {"59": letter, "126": expires, **price}) == expected


@pytest.mark.parametrize(("strategy", "tag"), [(name, tag) for name, row in ROWS.items() for tag in row])
def test_no_required_field_may_be_missing(desk: Any, strategy: str, tag: str) -> None:
    assert place(desk, strategy, {tag: None}) == "refused"


@pytest.mark.parametrize("strategy", ROWS)
@pytest.mark.parametrize("tag", VALUES)
def test_fields_go_with_their_strategies_and_no_others(desk: Any, strategy: str, tag: str) -> None:
    row = ROWS[strategy]
    if tag in row or (strategy, tag) == ("R", "117"):
        return
    assert place(desk, strategy, {tag: VALUES[tag]}) == ("taken" if tag in OPTIONAL[strategy] else "refused")


@pytest.mark.parametrize("strategy", "TV")
def test_participation_stands_in_for_the_expiry_time_of_slices_alone(desk: Any, strategy: str) -> None:
    assert place(desk, strategy, {"126": None, "849": "10"}) == "taken"
    assert place(desk, "L", {"11": "b", "59": "6"}) == "refused"


@pytest.mark.parametrize(
    ("strategy", "changes"),
    [
        ("T", {"126": "20261123-15:00:10"}),
        ("T", {"126": "20261123-14:59:59", "168": "20261123-14:00:00"}),
        ("T", {"168": "tomorrow"}),
        ("T", {"849": "-1"}),
        ("L", {"59": "6", "126": "20261123-15:00:00"}),
        ("L", {"210": "1.1"}),
        ("L", {"18": "B"}),
        ("L", {"59": "3", "18": "A"}),
        ("P", {"836": "2"}),
        ("P", {"211": "far"}),
        ("P", {"8007": "0"}),
        ("SL", {"99": "0"}),
        ("L", {"8998": "Y"}),
        ("L", {"8999": "Y"}),
        ("L", {"38": None, "152": "100", "8999": "Y"}),
        ("L", {"38": None, "152": "100", "54": "2", "44": "61000", "8998": "Y"}),
        ("L", {"38": None, "152": "100", "8998": "yes"}),
        ("X", {}),
    ],
)
def test_terms_that_cannot_be(desk: Any, strategy: str, changes: dict[str, str | None]) -> None:
    row = strategy if strategy in ROWS else "L"
    assert place(desk, row, {"847": strategy, **changes}) == "refused"


@pytest.mark.parametrize(
    ("strategy", "changes"),
    [
        ("T", {"168": "20261123-14:00:00"}),
        ("L", {"38": None, "152": "100", "8998": "Y"}),
        ("L", {"38": None, "152": "100", "210": "50"}),
        ("L", {"38": None, "152": "100", "54": "2", "44": "61000", "8999": "Y"}),
        ("L", {"8998": "N", "8999": "N"}),
        ("P", {"211": "-10"}),
    ],
)
def test_terms_that_can_be(desk: Any, strategy: str, changes: dict[str, str | None]) -> None:
    assert place(desk, strategy, changes) == "taken"


def test_terms_are_told_in_every_report(desk: Any) -> None:
    desk.say(text(desk, "T", {}))
    assert desk.wait(10, 44, 168, 126, 40) == []
    asked = f"35=H|1=main|11=a|37={desk.order().order_id}"
    assert desk.ask(asked, 44, 168, 126) == ["44=59000|168=20261123-15:00:10.000|126=20261123-15:10:00.000"]
    assert desk.say(text(desk, "SL", {"11": "s"}), 99)[0] == "99=60500"
    assert desk.say(text(desk, "L", {"11": "l", "210": "0.5", "18": "A"}), 210, 18)[0] == "210=0.5|18=A"
