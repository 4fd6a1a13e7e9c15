"""The demo as its user runs it, and what it must notice."""

import json
import socket
import subprocess
import sys


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
    assert "p50" in done.stdout and "too few to tell" in done.stdout and "portfolio-2-2" in done.stdout
    assert "\x1b" not in done.stdout and max(map(len, done.stdout.splitlines())) <= 120


def test_a_port_in_use_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = demo("--control-port", str(taken.getsockname()[1]))
    assert done.returncode == 1 and len(done.stderr.strip().splitlines()) == 1 and "--control-port" in done.stderr
