"""The daemon as a service manager sees it: what it is told, on a real datagram socket, from the start to the end."""

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import trio

from primefixd import daemon
from primefixd.runtime.notify import Notifier
from primefixd.runtime.ports import system_ports
from primefixd.runtime.service import AGAIN_S, DRAIN_MOST_S, EXTEND_S, STEP_S, attend
from tests.support.world import RESTING, SETTLE_S, World, configuration, until, until_ready, world
from tests.test_daemon import settings

EXTENDED = f"EXTEND_TIMEOUT_USEC={EXTEND_S * 1e6:.0f}"


class Manager:
    """Hears what is told on a datagram socket, as systemd does."""

    def __init__(self, address: Path) -> None:
        self.address = str(address)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(self.address)

    def close(self) -> None:
        self._socket.close()

    def vanish(self) -> None:
        self.close()
        Path(self.address).unlink()

    def heard(self) -> list[str]:
        """Every line since the last call."""
        lines: list[str] = []
        while True:
            try:
                lines += self._socket.recv(4096).decode().split("\n")
            except BlockingIOError:
                return lines

    async def listen(self, seconds: float) -> list[str]:
        """Every line of so long a time; the kernel keeps only some ten datagrams for who does not read."""
        lines: list[str] = []
        until = trio.current_time() + seconds
        while trio.current_time() < until:
            await trio.sleep(min(STEP_S, until - trio.current_time()))
            lines += self.heard()
        return lines

    async def hears(self, start: str) -> list[str]:
        """Every line up to one that starts so."""
        lines: list[str] = []
        with trio.move_on_after(SETTLE_S):
            while not any(line.startswith(start) for line in lines):
                lines += self.heard()
                await trio.sleep(0.02)
        assert any(line.startswith(start) for line in lines), (start, lines)
        return lines


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    with closing(Manager(tmp_path / "notify")) as made:
        yield made


async def test_the_process_tells_its_manager_from_ready_to_stopping(
    tmp_path: Path, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    async with world(tmp_path) as (made, desk, _):
        first = await manager.hears("STATUS=OPEN 2/2 sessions, 0 open orders, window in ")
        assert first.count("READY=1") == 1 and first.index("READY=1") == 0
        await desk.submit(portfolio="p0", client_order_id="one", **RESTING)
        await until(desk, "one", status="OPEN")
        told = await manager.hears("STATUS=OPEN 2/2 sessions, 1 open order, window in ")
        await manager.hears("WATCHDOG=1")
        assert not {"READY=1", "STOPPING=1", EXTENDED} & set(told)
        manager.heard()
        assert await made.end("daemon") == 0
        last = manager.heard()
        assert "READY=1" not in last and last[last.index("STOPPING=1") + 1] == EXTENDED


async def test_ready_does_not_wait_for_the_venue(
    tmp_path: Path, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    alone = World(tmp_path, configuration(tmp_path, tls=False))
    try:
        await alone.start_daemon()
        lines = await manager.hears("STATUS=OPEN 0/2 sessions")
        assert lines[0] == "READY=1"
        async with alone.desk() as desk:
            assert (await desk.info())["version"]
        manager.vanish()  # and is not missed
        assert await alone.end("daemon") == 0
    finally:
        for name in list(alone.processes):
            await alone.end(name)


async def test_a_reload_is_told_with_its_stamp_and_then_that_it_is_over(
    tmp_path: Path, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    async with world(tmp_path) as (made, _, _):
        assert (await manager.hears("STATUS=OPEN 2/2 sessions")).count("READY=1") == 1
        right = made.file.read_text()
        for text, event in ((right, "reloaded"), (right + "wrong: key\n", "reload_refused"), (right, "reloaded")):
            made.file.write_text(text)
            before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            made.processes["daemon"].send_signal(signal.SIGHUP)
            told = await manager.hears("READY=1")
            begun = told.index("RELOADING=1")
            stamp = int(told[begun + 1].removeprefix("MONOTONIC_USEC="))
            assert before <= stamp <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            assert told.index("READY=1") > begun and "STOPPING=1" not in told
            assert [line["event"] for line in made.log() if line["event"].startswith("reload")][-1] == event
        assert await made.end("daemon") == 0


async def test_without_a_manager_the_daemon_runs_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    async with world(tmp_path) as (made, desk, _):
        await until_ready(desk)
        assert await made.end("daemon") == 0


async def test_the_watchdog_is_fed_twice_in_each_period_while_all_moves(
    tmp_path: Path, manager: Manager, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    started = await nursery.start(daemon.run, settings(tmp_path), system_ports())
    moves = True
    notifier = Notifier(manager.address, watchdog_s=10.0)
    nursery.start_soon(attend, notifier, started.desk, lambda: moves, started.stopping)
    assert (await manager.listen(60.1)).count("WATCHDOG=1") == 13
    moves = False
    heard = await manager.listen(60.1)
    assert "WATCHDOG=1" not in heard and any(line.startswith("STATUS=") for line in heard)
    nursery.cancel_scope.cancel()


async def test_an_unwatched_daemon_feeds_nobody_and_repeats_its_status_rarely(
    tmp_path: Path, manager: Manager, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    started = await nursery.start(daemon.run, settings(tmp_path), system_ports())
    nursery.start_soon(attend, Notifier(manager.address), started.desk, lambda: True, started.stopping)
    heard = await manager.listen(100.0)
    assert heard[0] == "READY=1" and "WATCHDOG=1" not in heard
    assert 100 / AGAIN_S - 1 <= sum(line.startswith("STATUS=") for line in heard) <= 100 / AGAIN_S + 4
    nursery.cancel_scope.cancel()


async def test_a_change_of_status_is_told_without_delay(
    tmp_path: Path, manager: Manager, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    started = await nursery.start(daemon.run, settings(tmp_path), system_ports())
    nursery.start_soon(attend, Notifier(manager.address), started.desk, lambda: True, started.stopping)
    await manager.listen(2 * AGAIN_S + STEP_S)
    (portfolio,) = started.desk.portfolios.values()
    nursery.start_soon(portfolio.stop)
    assert any(line.startswith("STATUS=DRAINING ") for line in await manager.listen(2 * STEP_S))
    nursery.cancel_scope.cancel()


async def test_more_time_is_asked_for_while_draining_but_not_for_ever(
    tmp_path: Path, manager: Manager, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    started = await nursery.start(daemon.run, settings(tmp_path), system_ports())
    stopping = trio.Event()
    nursery.start_soon(attend, Notifier(manager.address), started.desk, lambda: True, stopping)
    assert not {"STOPPING=1", EXTENDED} & set(await manager.listen(10.0))
    stopping.set()
    heard = await manager.listen(DRAIN_MOST_S + 2 * STEP_S)
    assert heard.count("STOPPING=1") == 1 and heard.count(EXTENDED) >= DRAIN_MOST_S / EXTEND_S
    assert EXTENDED not in await manager.listen(DRAIN_MOST_S)
    nursery.cancel_scope.cancel()


async def test_a_second_signal_does_not_wait_for_the_venue(tmp_path: Path) -> None:
    async with world(tmp_path, sessions=1) as (made, desk, oracle):
        await oracle.call("venue.mute", on=True)
        await desk.submit(client_order_id="o-1", **RESTING)
        await until(desk, "o-1", status="SENT")  # the first signal waits for its acknowledgement
        made.processes["daemon"].send_signal(signal.SIGTERM)
        with trio.fail_after(SETTLE_S):
            while not any(line["event"] == "signal" for line in made.log()):
                await trio.sleep(0.01)
        assert await made.end("daemon") == 0
        events = [line["event"] for line in made.log()]
        assert events.count("signal") == 2 and "stopped" not in events, "it was cut short"
        await oracle.call("venue.mute", on=False)
        await made.start_daemon()
        async with made.desk() as again:
            await until(again, "o-1", status="OPEN", in_doubt=False)  # in doubt until the venue's kept report came
