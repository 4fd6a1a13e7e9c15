"""What a service manager hears, on a real datagram socket; and that no manager can hold the service up."""

import os
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from primefixd.runtime import notify
from primefixd.runtime.notify import Notifier, from_environment, status_words
from primefixd.runtime.views import PortfolioState, PortfolioView, SessionState, SessionView

NOON = datetime(2026, 3, 4, 17, 0, tzinfo=UTC)


def listening(address: str) -> socket.socket:
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    manager.bind(address)
    return manager


def test_a_manager_behind_a_path_or_an_abstract_name_is_told(tmp_path: Path) -> None:
    name = f"primefixd-{uuid4()}"
    for bound, named in ((str(tmp_path / "notify"), str(tmp_path / "notify")), (f"\0{name}", f"@{name}")):
        with listening(bound) as manager:
            from_environment({"NOTIFY_SOCKET": named}).tell(notify.READY, notify.status("all\n is  well"))
            assert manager.recv(4096) == b"READY=1\nSTATUS=all is well"
            with pytest.raises(BlockingIOError):
                manager.recv(4096)


def test_the_words_of_the_protocol() -> None:
    assert (notify.READY, notify.STOPPING, notify.WATCHDOG) == ("READY=1", "STOPPING=1", "WATCHDOG=1")
    assert notify.extended(2.5) == "EXTEND_TIMEOUT_USEC=2500000"
    before, word, after = (f(time.CLOCK_MONOTONIC) for f in (_usec, lambda _: notify.reloading(), _usec))
    first, _, stamp = word.partition("\nMONOTONIC_USEC=")
    assert first == "RELOADING=1" and before <= int(stamp) <= after


def _usec(clock: int) -> int:
    return time.clock_gettime_ns(clock) // 1000


@pytest.mark.parametrize("address", ["", "@", "vsock:2:1234", "relative/path"])
def test_without_a_manager_of_this_machine_nobody_is_told(address: str) -> None:
    assert from_environment({"NOTIFY_SOCKET": address}).address is None
    assert from_environment({}).address is None
    Notifier().tell(notify.READY)


def vanished(path: Path) -> None:
    listening(str(path)).close()
    path.unlink()


def dead(path: Path) -> None:
    listening(str(path)).close()


def never_there(path: Path) -> None:
    pass


def another_kind(path: Path) -> None:
    path.write_text("")


@pytest.mark.parametrize("end", [vanished, dead, never_there, another_kind])
def test_a_manager_that_is_gone_is_no_error(tmp_path: Path, end: Callable[[Path], None]) -> None:
    end(tmp_path / "notify")
    Notifier(str(tmp_path / "notify")).tell(notify.WATCHDOG)
    Notifier(str(tmp_path / "long" / ("x" * 200))).tell(notify.WATCHDOG)


def test_a_manager_that_does_not_read_holds_nobody_up(tmp_path: Path) -> None:
    with listening(str(tmp_path / "notify")) as manager:
        for _ in range(
            5_000
        ):  # a queue of datagrams is some hundreds long, and a socket that waits would wait for ever
            Notifier(str(tmp_path / "notify")).tell(notify.WATCHDOG)
        assert manager.recv(4096) == b"WATCHDOG=1"


def test_no_socket_is_left_open(tmp_path: Path) -> None:
    with listening(str(tmp_path / "notify")):
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(20):
            Notifier(str(tmp_path / "notify")).tell(notify.WATCHDOG)
            Notifier(str(tmp_path / "nobody")).tell(notify.WATCHDOG)
        assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_watchdogs_period_is_what_is_asked_of_this_process() -> None:
    assert from_environment({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}).watchdog_s == 30.0
    assert from_environment({"WATCHDOG_USEC": "1500000"}).watchdog_s == 1.5
    assert from_environment({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}).watchdog_s is None
    for odd in ("", "0", "-5", "soon", "٣"):
        assert from_environment({"WATCHDOG_USEC": odd}).watchdog_s is None
    assert from_environment({}).watchdog_s is None


def portfolio(name: str = "main", state: PortfolioState = PortfolioState.OPEN, **more: int) -> PortfolioView:
    counts = {"open_orders": 0, "in_doubt": 0, "unreconciled": 0, "order_budget": 50} | more
    later = timedelta(minutes=counts.pop("window_in_m", 192))
    return PortfolioView(name=name, state=state, halted=False, next_window=NOON + later, **counts)


def session(state: SessionState = SessionState.ACTIVE) -> SessionView:
    return SessionView(
        name="s",
        portfolio="main",
        role="orders",
        state=state,
        since=NOON,
        last_error=None,
        next_attempt_at=None,
        sent=0,
        received=0,
        queue=0,
        budget=50,
        clock_offset_ms=None,
        round_trip_ms=None,
    )


def test_status_in_words() -> None:
    said = status_words([portfolio(open_orders=12)], [session()] * 7, NOON)
    assert said == "OPEN 7/7 sessions, 12 open orders, window in 3 h 12 m"


def test_status_counts_over_all_portfolios_and_only_active_sessions() -> None:
    views = [portfolio("a", open_orders=1), portfolio("b", in_doubt=2, unreconciled=1, window_in_m=59)]
    said = status_words(views, [session(), session(SessionState.LOGGING_ON)], NOON)
    assert said == "OPEN 1/2 sessions, 1 open order, 2 in doubt, 1 unreconciled, window in 59 m"


def test_status_names_portfolios_that_differ_worst_first() -> None:
    states = {"a": "OPEN", "b": "RECONCILING", "c": "DRAINING", "d": "CLOSED", "e": "HALTED", "f": "OPEN"}
    said = status_words([portfolio(name, PortfolioState(state)) for name, state in states.items()], [session()], NOON)
    assert said.startswith("HALTED (e), CLOSED (d), DRAINING (c), RECONCILING (b), OPEN (a, f) 1/1 session, ")
    halted = [portfolio("a", PortfolioState.HALTED), portfolio("b", PortfolioState.HALTED)]
    assert status_words(halted, [], NOON).startswith("HALTED 0/0 sessions, ")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (3 * 3600, "window in 3 h 0 m"),
        (3 * 3600 - 1, "window in 3 h 0 m"),
        (3600, "window in 1 h 0 m"),
        (3540, "window in 59 m"),
        (1, "window in 1 m"),
        (0, "in the window"),
        (-100, "in the window"),
    ],
)
def test_the_next_window_in_words(seconds: int, words: str) -> None:
    view = portfolio(window_in_m=0)
    assert status_words([view], [], NOON - timedelta(seconds=seconds)).endswith(words)


def test_the_status_while_a_reload_leaves_no_portfolio() -> None:
    assert status_words([], [], NOON) == "no portfolios 0/0 sessions, 0 open orders"


def test_every_state_of_a_portfolio_has_its_place() -> None:
    for state in PortfolioState:
        assert status_words([portfolio(state=state)], [], NOON).startswith(state.value)
