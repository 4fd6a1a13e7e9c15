"""The program as its users run it: a process each time; one sandbox with one daemon for all tests that need them."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.world import far_from_now

PROGRAM = (sys.executable, "-m", "primefixd.cli.main")
START_S = 30
QUIET = {name: value for name, value in os.environ.items() if not name.startswith("PRIMEFIXD_")}


def start(*arguments, cwd, env=None, **pipes):
    return subprocess.Popen([*PROGRAM, *map(str, arguments)], cwd=cwd, env=QUIET | (env or {}), text=True, **pipes)


def first_line(process):
    """The first line that it prints, waited for at most START_S."""
    ready, _, _ = select.select([process.stdout], [], [], START_S)
    assert ready, "it printed nothing"
    return process.stdout.readline()


def stop(process, number=signal.SIGTERM):
    process.send_signal(number)
    try:
        return process.wait(START_S)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def primefixd(tmp_path):
    def run(*arguments, stdin=None, env=None):
        command, full = [*PROGRAM, *map(str, arguments)], QUIET | (env or {})
        return subprocess.run(
            command, input=stdin, capture_output=True, cwd=tmp_path, env=full, timeout=START_S, text=True
        )

    return run


class Rig:
    """A sandbox and the daemon that it wrote the configuration for, two portfolios of seven sessions."""

    def __init__(self, folder):
        self.folder = folder
        self.config = folder / "sandbox.yaml"
        options = ("--port", 0, "--control-port", 0, "--write-config", self.config, "--json")
        quiet = subprocess.DEVNULL
        self.sandbox = start("sandbox", *options, cwd=folder, stdout=subprocess.PIPE, stderr=quiet)
        self.told = json.loads(first_line(self.sandbox))
        self.token = Path(self.told["token_file"]).read_text().strip()
        self.url = f"unix:{folder / 'control.sock'}"
        text = self.config.read_text().replace("127.0.0.1:8417", self.url)
        self.config.write_text(f"schedule: {far_from_now()}\n{text}")
        self.log = folder / "daemon.log"
        with self.log.open("w") as log:
            self.daemon = start("run", "--config", self.config, cwd=folder, stdout=quiet, stderr=log)
        self.env = {"PRIMEFIXD_URL": self.url}

    def run(self, *arguments, env=None):
        token = ("--token-file", self.told["token_file"])
        command, full = [*PROGRAM, *map(str, arguments), *token], QUIET | self.env | (env or {})
        return subprocess.run(command, capture_output=True, env=full, timeout=START_S, text=True)

    def check(self, *options, ca_file=None):
        """`check` of the daemon's configuration, with another `ca_file` if told."""
        config = self.folder / "checked.yaml"
        config.write_text(self.config.read_text().replace(self.told["ca_file"], str(ca_file or self.told["ca_file"])))
        config.chmod(0o600)
        command = [*PROGRAM, "check", "--config", str(config), *options]
        return subprocess.run(command, capture_output=True, env=QUIET, timeout=START_S, text=True)

    def json(self, *arguments):
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def clear(self):
        """Nothing that one file left open may be seen by the next."""
        self.run("cancel-all", "--portfolio", "alpha", "--yes")
        self.run("cancel-all", "--portfolio", "beta", "--yes")
        end = time.monotonic() + START_S
        while self.json("orders", "--open")["orders"]:
            assert time.monotonic() < end, "orders that nobody can cancel"

    def wait_until_up(self):
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            done = self.run("sessions", "--json")
            if done.returncode == 0 and {s["state"] for s in json.loads(done.stdout)["sessions"]} == {"ACTIVE"}:
                return
        raise AssertionError(f"not all sessions came up: {self.log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def rig(shared_rig):
    yield shared_rig
    shared_rig.clear()


@pytest.fixture(scope="session")
def shared_rig(tmp_path_factory):
    rig = Rig(tmp_path_factory.mktemp("rig"))
    try:
        rig.wait_until_up()
        yield rig
    finally:
        codes = stop(rig.daemon), stop(rig.sandbox)
    assert codes == (0, 0)
