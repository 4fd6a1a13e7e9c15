"""Known secrets in every credential, a daemon that lives through much, and none of them to be found anywhere."""

import os
import pickle
import signal
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import attrs
import pytest
import trio
import yaml

from primefixd.client import Client, connect
from primefixd.config import load
from primefixd.runtime.sessions import credentials
from tests.support.world import CROSSING, RESTING, World, configuration, free_port, until, until_ready

CRASHING = Path(__file__).parents[1] / "support" / "crashing.py"
MARK = "C4NARY"  # in every secret, and nowhere else
WAIT_S = 40.0
KINDS = ("credential", "file", "env", "value")


def canary(name: str) -> str:
    """A secret with all that quoting, escaping and FIX logs could stumble over."""
    return f"""{MARK}-{name}-'"|\\x=1|{MARK}"""


class Secrets:
    """Each credential of the configuration under a secret of its own, given in each of the four ways."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder / "secret"
        self.folder.mkdir(mode=0o700)
        patch.setenv("CREDENTIALS_DIRECTORY", str(self.folder))
        self._patch, self._made = patch, 0

    def source(self, name: str) -> dict[str, str]:
        kind = KINDS[self._made % len(KINDS)]
        self._made += 1
        if kind == "value":
            return {"value": canary(name)}
        if kind == "env":
            self._patch.setenv(f"SECRET_{self._made}", canary(name))
            return {"env": f"SECRET_{self._made}"}
        self.write(name)
        return {"credential": name} if kind == "credential" else {"file": str(self.folder / name)}

    def write(self, name: str, text: str | None = None) -> None:
        (self.folder / name).touch(mode=0o600)
        (self.folder / name).write_text(text or canary(name))

    def configured(self, folder: Path) -> str:
        tree: Any = yaml.safe_load(configuration(folder, sessions=3, drop_copy=True))
        for session in tree["portfolios"][0]["sessions"]:
            for key in ("api_key", "api_secret", "passphrase"):
                session[key] = self.source(f"{session['name']}.{key}")
        self.write("desk.token")
        tree["control"]["clients"][0]["token"] = {"credential": "desk.token"}
        tree["control"]["clients"].append(
            {"name": "other", "token": self.source("other.token"), "portfolios": "*", "may": ["read"]}
        )
        tree["metrics"] = {"listen": f"127.0.0.1:{free_port()}"}
        return yaml.safe_dump(tree)


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Secrets:
    return Secrets(tmp_path, monkeypatch)


@asynccontextmanager
async def running(folder: Path, text: str, logons: int) -> AsyncIterator[World]:
    """A sandbox, and a daemon whose first `logons` Logons end in a bug."""
    made = World(folder, text)
    try:
        await made.start_sandbox()
        made._run("daemon", "-P", str(CRASHING), str(made.file), str(logons))
        await made.started(0)
        yield made
    finally:
        for name in list(made.processes):
            await made.end(name)


async def said(world: World, event: str, times: int) -> None:
    with trio.fail_after(WAIT_S):
        while sum(line["event"] == event for line in world.log()) < times:
            await trio.sleep(0.05)


def commands(world: World, token: str) -> Iterator[str]:
    """What every command that looks prints, to both streams."""
    env = os.environ | {"PRIMEFIXD_URL": world.url, "PRIMEFIXD_TOKEN": token, "NO_COLOR": "1"}
    state = str(world.folder / "state")
    for line in (
        ("check", "--config", str(world.file)),
        ("check", "--config", str(world.file), "--json", "--connect"),
        ("status",),
        ("status", "--json"),
        ("sessions",),
        ("sessions", "--json"),
        ("orders", "--json"),
        ("order", "o-1"),
        ("journal", "export", "--state-dir", state),
        ("journal", "verify", "--state-dir", state),
        ("decode", f"{state}/fix.log"),
        ("decode", "--json", f"{state}/fix.log"),
    ):
        run = [sys.executable, "-m", "primefixd", *line]
        done = subprocess.run(run, capture_output=True, env=env, text=True, timeout=WAIT_S, check=False)
        assert done.returncode == 0, (line, done.stderr)
        yield f"$ {line}\n{done.stdout}{done.stderr}"


def pages(world: World) -> Iterator[str]:
    """What the listener for monitoring says."""
    listen = yaml.safe_load(world.file.read_text())["metrics"]["listen"]
    for page in ("metrics", "healthz", "readyz", f"{MARK.lower()}"):
        try:
            with urlopen(f"http://{listen}/{page}", timeout=WAIT_S) as answer:
                yield answer.read().decode()
        except HTTPError as error:
            yield f"{error.code} {error.read().decode()}"


def files(folder: Path, but: set[Path]) -> Iterator[tuple[str, bytes]]:
    """Everything that was written below `folder`, but what the test itself put there."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not but & {path, *path.parents}:
            yield str(path.relative_to(folder)), path.read_bytes()


async def rotate(world: World, secrets: Secrets, token: str) -> None:
    """Another token for the desk, by SIGHUP."""
    before = sum(line["event"] == "reloaded" for line in world.log())
    secrets.write("desk.token", token)
    world.processes["daemon"].send_signal(signal.SIGHUP)
    await said(world, "reloaded", before + 1)


async def told(desk: Client) -> list[str]:
    """Every event so far."""
    shown, newest = [], (await desk.info())["cursor"]
    async with desk.subscribe(from_=0) as events:
        with trio.fail_after(WAIT_S):
            async for event in events:
                shown.append(str(event))
                if event["cursor"] >= newest:
                    break
    return shown


async def test_no_secret_is_to_be_found_in_anything_that_was_written_or_said(tmp_path: Path, secrets: Secrets) -> None:
    text = secrets.configured(tmp_path)
    shown: list[str] = []
    token = canary("desk.token")
    async with running(tmp_path, text, logons=2) as world, world.oracle() as oracle:
        await said(world, "session_crashed", 2)
        async with connect(world.url, token) as desk:
            await until_ready(desk)
            await desk.submit(client_order_id="o-1", **CROSSING)
            await until(desk, "o-1", status="FILLED")
            await oracle.call("venue.garble", what="truncate")  # the next message, which is of the order that follows
            await desk.submit(client_order_id="o-2", **RESTING)
            shown += await trio.to_thread.run_sync(list, commands(world, token))
        for turn in ("second", "third"):
            token = canary(turn)
            await rotate(world, secrets, token)
        async with connect(world.url, token) as desk:
            words = f"bad passphrase {canary('p0s0.passphrase')} {token}"
            await oracle.call("venue.refuse_logon", on=True, text=words)
            await oracle.call("venue.drop", how="reset")
            with trio.fail_after(WAIT_S):
                while not all(each["last_error"] and "refused" in each["last_error"] for each in await desk.sessions()):
                    await trio.sleep(0.05)
            shown += await trio.to_thread.run_sync(list, commands(world, token))
            shown += await trio.to_thread.run_sync(list, pages(world))
            shown.append(str([await desk.sessions(), await desk.portfolios(), await desk.info()]))
            shown += await told(desk)
        crash = world.file.with_name(f"{world.file.name}.crash")
        crash.write_text(token)
        assert await world.ended("daemon") == 1
    written = dict(files(tmp_path, {world.file, secrets.folder, crash}))
    assert b"|96=***|554=***|" in written["state/fix.log"] and b"in garbled " in written["state/fix.log"]
    held = written["daemon.err"] + written["state/fix.log"] + "".join(shown).encode()
    for part in (
        b'"crashed"',
        b"session_crashed",
        b"no clock: ",
        b"cannot send ",
        b"bad passphrase ***",
        b"# HELP",
    ):
        assert part in held, part
    assert {"state/journal.sqlite", "sandbox.err", "sandbox.out", "daemon.out"} <= written.keys()
    found = [name for name, content in written.items() if MARK.encode() in content]
    found += [each for each in shown if MARK in each]
    assert found == []


def test_no_secret_is_to_be_found_in_what_the_settings_print(tmp_path: Path, secrets: Secrets) -> None:
    file = tmp_path / "primefixd.yaml"
    file.touch(mode=0o600)
    file.write_text(secrets.configured(tmp_path))
    (tmp_path / "ca.pem").unlink(missing_ok=True)
    loaded = load(file, None, os.environ, ca_file_required=False)
    portfolio = loaded.settings.portfolios[0]
    things = [loaded, loaded.settings, credentials(portfolio.sessions[0], portfolio), *loaded.settings.secrets()]
    assert len(list(loaded.settings.secrets())) == 11
    for thing in things:
        assert MARK not in f"{thing!r} {thing!s} {thing}" and MARK not in repr(vars_of(thing))
        with pytest.raises(TypeError):
            pickle.dumps(thing)
        try:
            raise RuntimeError(thing)
        except RuntimeError as error:
            frames = traceback.TracebackException.from_exception(error, capture_locals=True)
            assert MARK not in "".join(line for line in frames.format() if "MARK" not in line)


def vars_of(thing: object) -> object:
    return attrs.asdict(thing) if attrs.has(type(thing)) else thing  # type: ignore[call-overload]
