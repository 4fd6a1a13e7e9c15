"""The whole of it as a user has it: the sandbox and the daemon as processes of their own, TLS between them."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import trio

from primefixd.client import Client, connect

START_S = 20.0
SETTLE_S = 30.0
STOP_S = 20.0
TOKEN = "a-token-for-tests"
KILLABLE = Path(__file__).with_name("killable.py")


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def far_from_now() -> str:
    """A schedule whose window no test meets by chance: half a day away."""
    hour = (datetime.now(UTC) + timedelta(hours=12)).hour
    return f"{{zone: UTC, window: '{hour:02}:00-{hour:02}:05'}}"


def configuration(folder: Path, *, portfolios: int = 1, sessions: int = 2, drop_copy: bool = False, **more: Any) -> str:
    """A daemon's configuration as text. `more`: heartbeat_s, spread, tls (bool), venue_port, top (further lines)."""
    tls = more.get("tls", True)
    lines = [
        "venue:",
        "  host: 127.0.0.1",
        f"  port: {more.get('venue_port', 0) or free_port()}",
        f"  tls: {str(tls).lower()}",
        *([f"  ca_file: {folder / 'ca.pem'}"] if tls else []),
        "control:",
        f"  listen: [127.0.0.1:{free_port()}, 'unix:{folder / 'control.sock'}']",
        "  clients:",
        f"    - {{name: desk, token: {{value: {TOKEN}}}, portfolios: '*', may: [read, trade, admin]}}",
        f"state_dir: {folder / 'state'}",
        *more.get("top", ()),
        "portfolios:",
    ]
    for p in range(portfolios):
        lines += [
            f"  - name: p{p}",
            f"    portfolio_id: portfolio-{p}",
            f"    spread: {str(more.get('spread', False)).lower()}",
            f"    risk: {more.get('risk', 'none')}",
        ]
        lines += ["    sessions:"]
        for s in range(sessions):
            role = "drop_copy" if drop_copy and s == sessions - 1 else "orders"
            name = f"p{p}s{s}"
            lines += [
                f"      - name: {name}",
                f"        service_account_id: {name}-account",
                *(
                    f"        {key}: {{value: {name} {key} of the sandbox}}"
                    for key in ("api_key", "api_secret", "passphrase")
                ),
                f"        role: {role}",
                f"        heartbeat_s: {more.get('heartbeat_s', 30)}",
            ]
    return "\n".join(lines) + "\n"


class World:
    """A configuration file and the two programs that live by it. Only processes started here are ended here."""

    def __init__(self, folder: Path, text: str) -> None:
        self.folder = folder
        self.file = folder / "primefixd.yaml"
        self.file.touch(mode=0o600)
        self.file.write_text(text)
        self.oracle_port = free_port()
        self.url = f"unix:{folder / 'control.sock'}"
        self.before: list[str] = []  # put before each command: how to enter another network
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def _start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        return self._run(name, "-m", "primefixd", *arguments, "--config", str(self.file))

    def _run(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.out").open("ab") as out, (self.folder / f"{name}.err").open("ab") as err:
            command = [*self.before, sys.executable, *arguments]
            process = subprocess.Popen(command, stdout=out, stderr=err, stdin=subprocess.DEVNULL, env=dict(os.environ))
        self.processes[name] = process
        return process

    async def start_sandbox(self, *options: str) -> None:
        process = self._start("sandbox", "sandbox", "--control-port", str(self.oracle_port), *options)
        with trio.fail_after(START_S):
            while True:
                try:
                    stream = await trio.open_tcp_stream("127.0.0.1", self.oracle_port)
                except OSError:
                    assert process.poll() is None, (self.folder / "sandbox.err").read_text()
                    await trio.sleep(0.05)
                else:
                    await stream.aclose()
                    return

    async def start_daemon(self) -> None:
        before = self.starts()
        self._start("daemon", "run")
        await self.started(before)

    async def started(self, before: int) -> None:
        """Wait until the daemon has started once more than `before`."""
        with trio.fail_after(START_S):
            while self.starts() == before:
                assert self.processes["daemon"].poll() is None, (self.folder / "daemon.err").read_text()
                await trio.sleep(0.05)

    def start_doomed(self, point: str, number: int) -> None:
        """Start a daemon that kills itself at the `number`-th crossing of `point`; it may never be ready."""
        self._run("daemon", "-P", str(KILLABLE), str(self.file), point, str(number))

    def log(self) -> list[dict[str, Any]]:
        """What the daemon has logged so far."""
        log = self.folder / "daemon.err"
        lines = log.read_text().splitlines() if log.exists() else []
        return [json.loads(line) for line in lines if line.startswith("{")]

    def starts(self) -> int:
        """How often the daemon has started so far."""
        return sum(line["event"] == "started" for line in self.log())

    async def end(self, name: str, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal one of our processes and wait for its exit code."""
        self.processes[name].send_signal(number)
        return await self.ended(name)

    async def ended(self, name: str) -> int:
        """The exit code of one of our processes that is about to end; it is killed if it does not."""
        process = self.processes.pop(name)
        with trio.move_on_after(STOP_S):
            while process.poll() is None:
                await trio.sleep(0.02)
        if process.poll() is None:
            process.kill()
        return process.wait()

    @asynccontextmanager
    async def desk(self) -> AsyncIterator[Client]:
        async with connect(self.url, TOKEN) as client:
            yield client

    @asynccontextmanager
    async def oracle(self) -> AsyncIterator[Client]:
        async with connect(f"ws://127.0.0.1:{self.oracle_port}") as client:
            yield client


@asynccontextmanager
async def world(folder: Path, **shape: Any) -> AsyncIterator[tuple[World, Client, Client]]:
    """Sandbox and daemon running and logged on, with a client of each; both are ended afterwards."""
    made = World(folder, configuration(folder, **shape))
    try:
        await made.start_sandbox()
        await made.start_daemon()
        async with AsyncExitStack() as stack:
            desk = await stack.enter_async_context(made.desk())
            oracle = await stack.enter_async_context(made.oracle())
            await until_ready(desk)
            yield made, desk, oracle
    finally:
        with trio.CancelScope(shield=True):
            for name in list(made.processes):
                await made.end(name)


async def until_ready(desk: Client) -> None:
    """All sessions are logged on, and may send."""
    with trio.fail_after(SETTLE_S):
        while not all(each["state"] == "ACTIVE" and each["budget"] > 40 for each in await desk.sessions()):
            await trio.sleep(0.05)


async def until(desk: Client, key: str, **wanted: Any) -> dict[str, Any]:
    """That order, once its members have these values."""
    order: dict[str, Any] = {}
    with trio.move_on_after(SETTLE_S):
        while True:
            order = await desk.order(key)
            if all(order[name] == value for name, value in wanted.items()):
                return order
            await trio.sleep(0.02)
    raise AssertionError(f"{key} did not come to {wanted} but stays {order}")


LIMIT = {
    "product_id": "BTC-USD",
    "side": "BUY",
    "type": "LIMIT",
    "base_quantity": "0.01",
    "time_in_force": "GOOD_UNTIL_CANCELLED",
}
RESTING = LIMIT | {"limit_price": "1000"}
CROSSING = LIMIT | {"limit_price": "900000"}


async def booked(oracle: Client) -> dict[str, dict[str, Any]]:
    """The venue's own book by client_order_id."""
    return {order["client_order_id"]: order for order in (await oracle.call("venue.book"))["orders"]}


def agree(order: dict[str, Any], at_venue: dict[str, Any]) -> None:
    """The daemon's order and the venue's are the same in status and in every fill."""
    letters = {"FILLED": "2", "CANCELLED": "4", "REJECTED": "8", "EXPIRED": "C", "OPEN": "01"}
    assert at_venue["status"] in letters[order["status"]], (order, at_venue)
    assert float(at_venue["filled"]) == float(order["filled_quantity"]), (order, at_venue)
    assert at_venue["received"] == 1, at_venue
