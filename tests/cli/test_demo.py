"""The demo as its user runs it, and what it must notice."""

import json
import socket
import subprocess
import sys
from typing import Any

import attrs
import pytest

from primefixd.cli import accounting
from primefixd.cli.scenario import FINAL, KINDS, Picture, Planned, plan


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "primefixd", "demo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_the_demo_accounts_for_every_order() -> None:
    done = demo("--orders", "60", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["problems"] == [] and sum(summary["orders"].values()) == 60
    assert (
        set(summary["orders"]) == {"FILLED", "CANCELLED", "REJECTED"}
        and summary["fills"] >= summary["orders"]["FILLED"]
    )
    assert len(summary["sessions"]) == 7 and all(each["sent"] > 1 for each in summary["sessions"])
    assert summary["rejected_for_rate"] == 0


def test_two_portfolios_and_a_plain_summary() -> None:
    done = demo("--portfolios", "2", "--sessions", "2", "--orders", "40")
    assert done.returncode == 0, done.stderr
    assert "All 40 orders are accounted for" in done.stdout
    assert "p50" in done.stdout and "% of the allowed" in done.stdout and "portfolio-2-2" in done.stdout
    assert "\x1b" not in done.stdout and max(map(len, done.stdout.splitlines())) <= 120


def test_a_port_in_use_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = demo("--control-port", str(taken.getsockname()[1]))
    assert done.returncode == 1 and len(done.stderr.strip().splitlines()) == 1 and "--control-port" in done.stderr


def test_the_plan_has_every_kind_and_every_session() -> None:
    sessions = {"a": ["a1", "a2"], "b": ["b1", "b2", "b3"]}
    planned = plan(200, 3, ("a", "b"), sessions)
    assert len({each.key for each in planned}) == 200 and {each.kind for each in planned} == set(KINDS)
    assert {each.terms["session"] for each in planned if each.client == 2} == {"a1", "a2", "b1", "b2", "b3"}
    assert {kind.ends for kind in KINDS} <= FINAL


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
