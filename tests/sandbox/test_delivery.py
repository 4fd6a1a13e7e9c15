"""Who hears a report now, and who later."""

import pytest

from primefixd.clock import Moment
from primefixd.sandbox import delivery as delivery_module
from primefixd.sandbox.delivery import Delivery
from primefixd.sandbox.reporting import Report


def report(name: str, now: Moment, owner: str = "one", asker: str | None = None) -> Report:
    return Report(portfolio_id="main", service_account_id=owner, names=(name,), asker=asker, at=now, body=((11, name),))


def names(reports: list[Report]) -> list[str]:
    return [each.names[0] for each in reports]


def test_report_waits_for_anybody_while_the_portfolio_is_down_and_for_a_day(now: Moment) -> None:
    delivery = Delivery()
    assert delivery.route(report("old", now)) == []
    assert delivery.route(report("new", now.later(10))) == []
    assert delivery.log_on("elsewhere", "side", True, now) == []
    assert names(delivery.log_on("two", "main", False, now.later(24 * 3600 + 5))) == ["new"]
    assert delivery.log_on("one", "main", False, now.later(24 * 3600 + 5)) == []


def test_report_of_a_session_that_is_down_waits_for_it_while_others_are_up(now: Moment) -> None:
    delivery = Delivery()
    delivery.log_on("copy", "main", True, now)
    delivery.log_on("two", "main", False, now)
    assert delivery.route(report("a", now)) == ["copy"]
    assert delivery.log_on("three", "main", False, now) == []
    assert names(delivery.log_on("one", "main", False, now)) == ["a"]


def test_once_the_whole_portfolio_was_down_whoever_comes_first_gets_it(now: Moment) -> None:
    delivery = Delivery()
    delivery.log_on("two", "main", False, now)
    assert delivery.route(report("a", now)) == []
    delivery.log_off("two", [report("b", now.later(-1), owner="two")])
    assert names(delivery.log_on("three", "main", False, now)) == ["b", "a"]
    assert delivery.log_on("one", "main", False, now) == []


def test_who_asked_hears_what_became_of_it(now: Moment) -> None:
    delivery = Delivery()
    delivery.log_on("one", "main", False, now)
    delivery.log_on("two", "main", False, now)
    assert delivery.route(report("a", now, asker="two")) == ["one", "two"]


def test_forgotten_reports_are_lost_until_asked_for(now: Moment) -> None:
    delivery = Delivery()
    delivery.log_on("one", "main", False, now)
    delivery.forget("a")
    assert delivery.route(report("a", now)) == []
    assert delivery.route(report("b", now)) == ["one"]
    delivery.asked_for(["a"])
    assert delivery.route(report("a", now)) == ["one"]
    delivery.log_off("one", [])
    assert delivery.log_on("one", "main", False, now) == []


def test_past_the_bound_the_oldest_is_lost(now: Moment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_module, "WAITING_MAX", 2)
    delivery = Delivery()
    for number in range(3):
        delivery.route(report(str(number), now))
    assert names(delivery.log_on("one", "main", False, now)) == ["1", "2"]
