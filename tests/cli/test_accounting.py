"""Whatever does not add up is named, and the figures are those of the orders."""

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from primefixd.cli import accounting
from primefixd.cli.scenario import Picture, Planned, plan


def _heard(planned: Planned, status: str, fills: dict[str, str]) -> Picture:
    picture = Picture()
    picture.submitted(planned, 0.0)
    order: dict[str, Any] = {
        "portfolio": planned.portfolio,
        "client_order_id": planned.key,
        "status": status,
        "acknowledged_at": "2026-01-01T00:00:00Z",
        "sent_at": "2026-01-01T00:00:00Z",
        "created_at": "2026-01-01T00:00:00Z",
    }
    for exec_id, quantity in fills.items():
        picture.hear(
            {"type": "order.filled", "order": order, "fill": {"exec_id": exec_id, "last_quantity": quantity}}, 1.0
        )
    picture.hear({"type": "order.updated", "order": order}, 1.0)
    return picture


ONE = plan(1, 1, ("p",), {"p": ["s"]})[0]
BOOKED = {
    "portfolio_id": "id",
    "client_order_id": ONE.key,
    "status": "2",
    "received": 1,
    "fills": [{"exec_id": "e", "quantity": "1.0"}],
}


def test_agreement_is_no_problem() -> None:
    assert accounting.discrepancies(_heard(ONE, "FILLED", {"e": "1"}), [BOOKED], {"p": "id"}) == []


@pytest.mark.parametrize(
    ("status", "fills", "booked", "told"),
    [
        ("OPEN", {"e": "1"}, [BOOKED], "is OPEN, not FILLED"),
        ("FILLED", {}, [BOOKED], "the clients heard 0"),
        ("FILLED", {"e": "2"}, [BOOKED], "fills of it"),
        ("FILLED", {"e": "1"}, [], "the venue does not have it"),
        ("FILLED", {"e": "1"}, [BOOKED | {"received": 2}], "received it 2 times"),
        ("FILLED", {"e": "1"}, [BOOKED | {"status": "4"}], "39=4"),
        ("FILLED", {"e": "1"}, [BOOKED, BOOKED | {"client_order_id": "ghost"}], "nobody submitted"),
    ],
)
def test_every_disagreement_is_named(status: str, fills: dict, booked: list, told: str) -> None:
    (problem, *_) = accounting.discrepancies(_heard(ONE, status, fills), booked, {"p": "id"})
    assert told in problem


def test_an_execution_told_twice_is_noticed() -> None:
    picture = _heard(ONE, "FILLED", {"e": "1"})
    (followed,) = picture.orders.values()
    picture.hear({"type": "order.filled", "order": followed.order, "fill": {"exec_id": "e", "last_quantity": "1"}}, 2.0)
    assert "told twice" in accounting.discrepancies(picture, [BOOKED], {"p": "id"})[0]


def test_latencies_are_read_off_the_order_statistics() -> None:
    assert attrs.astuple(accounting.Latency.of(n / 1000 for n in range(100))) == (50.0, 99.0)
    assert attrs.astuple(accounting.Latency.of([])) == (None, None)


@pytest.mark.parametrize(("orders", "told"), [(200, 49.0), (60, None), (1, None), (0, None)])
def test_the_rate_is_told_of_what_took_a_second_and_of_nothing_less(orders: int, told: float | None) -> None:
    picture, noon = Picture(), datetime(2026, 1, 1, 12, tzinfo=UTC)
    for n, planned in enumerate(plan(orders, 1, ("p",), {"p": ["s"]})):
        picture.submitted(planned, 0.0)
        order = {"portfolio": "p", "client_order_id": planned.key, "status": "SENT", "acknowledged_at": None}
        sent_at = (noon + timedelta(seconds=max(n - 49, 0) / 49)).isoformat()  # the first second's worth at once
        picture.hear({"type": "order.updated", "order": order | {"sent_at": sent_at}}, 1.0)
    rate = accounting.orders_per_second(picture, 50)
    assert told == (None if rate is None else pytest.approx(rate, abs=0.01))
