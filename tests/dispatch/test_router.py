"""Rule 21 as scripts: what happens to the sessions, and where each product's next order goes."""

import pytest

from primefixd.dispatch import router
from primefixd.dispatch.router import Candidate, Router

NAMES = ("s1", "s2", "s3")


def sessions(up: str = "123", full: str = "", queue: int = 0, budget: int = 36) -> list[Candidate]:
    """All three; those whose digit is in `up` are up, in `full` have nothing left of their budget."""
    return [Candidate(f"s{n}", n in up, queue if n in full else 0, 0 if n in full else budget) for n in "123"]


Step = tuple[str, str, bool, str | None]  # product, digits of the sessions that are up, idle, session expected

SCRIPTS: dict[str, list[Step]] = {
    "new products spread evenly, ties in configured order": [
        ("BTC", "123", True, "s1"),
        ("ETH", "123", True, "s2"),
        ("SOL", "123", True, "s3"),
        ("LTC", "123", True, "s1"),
        ("DOGE", "123", True, "s2"),
    ],
    "a product stays": [
        ("BTC", "123", True, "s1"),
        ("BTC", "123", False, "s1"),
        ("ETH", "123", True, "s2"),
        ("BTC", "123", True, "s1"),
    ],
    "a first seen product goes only to a session that is up": [
        ("BTC", "3", True, "s3"),
        ("ETH", "23", True, "s2"),
    ],
    "a product moves off a dead link only, to the session with fewest products": [
        ("BTC", "123", False, "s1"),
        ("ETH", "123", False, "s2"),
        ("BTC", "23", False, "s3"),
        ("ETH", "23", False, "s2"),
    ],
    "it comes back when idle, and not before": [
        ("BTC", "123", False, "s1"),
        ("BTC", "23", False, "s2"),
        ("BTC", "123", False, "s2"),
        ("BTC", "123", True, "s1"),
        ("BTC", "123", False, "s1"),
    ],
    "idle does not bring it to a home that is down": [
        ("BTC", "123", False, "s1"),
        ("BTC", "23", False, "s2"),
        ("BTC", "23", True, "s2"),
    ],
    "when its refuge dies too it goes home if it can": [
        ("BTC", "123", False, "s1"),
        ("BTC", "23", False, "s2"),
        ("LTC", "1", False, "s1"),
        ("BTC", "13", False, "s1"),  # although s3 has fewer products
    ],
    "when its refuge dies and its home is still down it moves on": [
        ("BTC", "123", False, "s1"),
        ("BTC", "23", False, "s2"),
        ("BTC", "3", False, "s3"),
        ("BTC", "123", False, "s3"),
        ("BTC", "123", True, "s1"),
    ],
    "its first session is home for ever, also one that was second choice": [
        ("BTC", "3", False, "s3"),
        ("BTC", "123", True, "s3"),
    ],
    "with no session up there is no way": [
        ("BTC", "", True, None),
        ("BTC", "2", True, "s2"),
        ("BTC", "", False, None),
        ("BTC", "12", False, "s2"),
    ],
}


@pytest.mark.parametrize("spread", [False, True])
@pytest.mark.parametrize("name", SCRIPTS)
def test_rule_21_products_stay_move_and_return(name: str, spread: bool) -> None:
    routes = Router(NAMES, spread)
    for product, up, idle, expected in SCRIPTS[name]:
        assert routes.route(product, sessions(up), None, idle) == expected


def test_rule_21_the_order_of_candidates_does_not_matter() -> None:
    routes = Router(NAMES, spread=False)
    assert routes.route("BTC", sessions()[::-1], None, True) == "s1"
    assert Router(("s3", "s1", "s2"), spread=False).route("BTC", sessions(), None, True) == "s3"


@pytest.mark.parametrize(
    "spread, full, queue, expected",
    [
        (False, "", 0, "s1"),
        (False, "1", 0, "s1"),
        (False, "123", 5, "s1"),
        (True, "", 0, "s1"),
        (True, "1", 0, "s2"),
        (True, "12", 0, "s3"),
    ],
)
def test_rule_21_full_means_wait_unless_spread(spread: bool, full: str, queue: int, expected: str) -> None:
    routes = Router(NAMES, spread)
    assert routes.route("BTC", sessions(), None, False) == "s1"
    assert routes.route("BTC", sessions(full=full, queue=queue), None, False) == expected
    assert routes.route("BTC", sessions(), None, False) == "s1"


def test_rule_21_what_queues_counts_against_the_budget_when_spreading() -> None:
    routes = Router(NAMES, spread=True)
    assert routes.route("BTC", sessions(), None, False) == "s1"
    crowd = [Candidate("s1", True, 9, 9), Candidate("s2", True, 30, 36), Candidate("s3", True, 0, 7)]
    assert routes.route("BTC", crowd, None, False) == "s3"
    assert routes.route("BTC", [Candidate("s1", True, 40, 9), *sessions("")[1:]], None, False) == "s1"


def test_rule_21_where_all_are_equally_full_it_waits_at_home() -> None:
    routes = Router(NAMES, spread=True)
    assert [routes.route(product, sessions(), None, False) for product in ("BTC", "ETH")] == ["s1", "s2"]
    assert routes.route("ETH", sessions(full="123"), None, False) == "s2"


@pytest.mark.parametrize(
    "pin, up, expected",
    [("s2", "123", "s2"), ("s2", "13", None), ("s2", "", None), ("elsewhere", "123", None)],
)
def test_rule_21_a_pinned_order_goes_there_or_nowhere(pin: str, up: str, expected: str | None) -> None:
    routes = Router(NAMES, spread=True)
    assert routes.route("BTC", sessions(up, full="2"), pin, True) == expected
    assert routes.route("ETH", sessions(), None, True) == "s1"  # a pin settles nothing about products


@pytest.mark.parametrize(
    "preferred, candidates, expected",
    [
        ("s2", sessions(), "s2"),
        ("s2", sessions(full="2", queue=50), "s2"),
        ("s2", sessions("13"), "s1"),
        ("s2", sessions("13", full="1"), "s3"),
        (None, sessions("123", full="1"), "s2"),
        (None, sessions("123")[::-1], "s1"),
        ("gone", sessions("3"), "s3"),
        ("s2", sessions(""), None),
        (None, [], None),
    ],
)
def test_rule_21_a_cancel_goes_on_its_orders_session_or_the_freest(
    preferred: str | None, candidates: list[Candidate], expected: str | None
) -> None:
    assert Router(NAMES, spread=False).carrier(preferred, candidates) == expected


def test_only_so_many_products_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router, "PRODUCTS_MAX", 3)
    routes = Router(NAMES, spread=False)
    assert [routes.route(product, sessions(), None, True) for product in "ABC"] == ["s1", "s2", "s3"]
    assert routes.route("A", sessions(), None, True) == "s1"
    assert routes.route("D", sessions("2"), None, True) == "s2"  # B, unused for longest, is forgotten
    assert routes.route("A", sessions("3"), None, True) == "s3"
    assert routes.route("A", sessions(), None, True) == "s1"
    assert routes.route("B", sessions("3"), None, True) == "s3"
    assert routes.route("B", sessions(), None, True) == "s3"
