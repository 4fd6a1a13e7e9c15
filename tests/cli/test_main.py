"""The program as a whole: help, usage, exit codes, and no traceback for anything that a user can cause."""

import json
import os
import re
import signal
import subprocess
import time

import pytest

from primefixd.cli.main import _COMMANDS
from tests.cli.conftest import PROGRAM, QUIET, first_line, start, stop

ASKING = [
    ("status",),
    ("sessions",),
    ("orders", "--open"),
    ("order", "x"),
    ("cancel", "x"),
    ("replace", "x", "--limit-price", "1"),
    ("cancel-all", "--yes"),
    ("rfq", "--product-id", "BTC-USD", "--side", "BUY", "--base-quantity", "1", "--limit-price", "1"),
    ("accept-quote", "x", "--product-id", "BTC-USD", "--side", "BUY", "--base-quantity", "1", "--limit-price", "1"),
    ("tail",),
    ("submit", "--product-id", "BTC-USD", "--side", "BUY", "--type", "MARKET", "--quote-value", "10", "--wait"),
]
RESTING = ("--portfolio", "beta", "--product-id", "LTC-USD", "--side", "BUY", "--base-quantity", "1", "--type", "LIMIT")
RESTING += ("--time-in-force", "GOOD_UNTIL_CANCELLED", "--limit-price", "1", "--client-order-id", "interrupted")


@pytest.mark.parametrize("command", _COMMANDS)
def test_every_command_has_help_with_an_example(primefixd, command):
    done = primefixd(command, "--help")
    assert done.returncode == 0
    assert f"Example: primefixd {command} " in " ".join(done.stdout.split()) + " "


def test_help_lists_the_commands_and_says_how_it_ends(primefixd):
    text = primefixd("--help").stdout
    assert all(f"\n  {command} " in text for command in _COMMANDS)
    assert "69 no daemon there" in " ".join(text.split())


def test_version(primefixd):
    assert primefixd("--version").stdout.startswith("primefixd 0.")


def test_it_runs_as_a_module_too(tmp_path):
    command = [PROGRAM[0], "-m", "primefixd", "--version"]
    assert subprocess.run(command, capture_output=True, cwd=tmp_path, timeout=30).stdout.startswith(b"primefixd 0.")


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("status", "--nonsense"),
        ("orders", "--limit", "0"),
        ("submit", "--product-id", "BTC-USD", "--side", "HOLD", "--type", "MARKET"),
        ("submit", "--side", "BUY", "--type", "MARKET"),
        ("rfq", "--product-id", "BTC-USD", "--side", "BUY", "--base-quantity", "1"),
        ("accept-quote", "--product-id", "BTC-USD", "--side", "BUY", "--limit-price", "1"),
        ("replace", "--limit-price", "1"),
        ("tail", "--from", "-1"),
        ("check",),
        ("sandbox", "--port", "70000"),
        ("sandbox", "--config", "a", "--write-config", "b"),
        ("status", "--url", "http://127.0.0.1:1"),
        ("status", "--token-file", "absent"),
        ("decode", "absent"),
    ],
)
def test_wrong_usage_ends_with_2_and_a_word_on_it(primefixd, arguments):
    done = primefixd(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr and "\nError: " in done.stderr


@pytest.mark.parametrize("arguments", ASKING)
@pytest.mark.parametrize("url", ["ws://127.0.0.1:1", "unix:/absent/control.sock"])
def test_without_a_daemon_it_ends_with_69_and_one_sentence(primefixd, arguments, url):
    done = primefixd(*arguments, "--url", url)
    assert (done.returncode, done.stdout) == (69, "")
    assert done.stderr.count("\n") == 1
    assert url in done.stderr and "start primefixd or give its URL" in done.stderr


@pytest.mark.parametrize("command", [("tail", "--json"), ("submit", *RESTING, "--wait")])
def test_ctrl_c_ends_quietly_with_130(rig, tmp_path, command):
    options = ("--token-file", rig.told["token_file"])
    pipes = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
    process = start(*command, *options, cwd=tmp_path, env=rig.env, **pipes)
    assert first_line(process)
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=30)
    assert (process.returncode, complaint) == (130, "")


@pytest.mark.parametrize("command", [("decode",), ("sandbox", "--port", "0")])
def test_a_reader_that_has_had_enough_ends_it_quietly(tmp_path, command):
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    process = start(*command, cwd=tmp_path, **pipes)
    process.stdout.close()
    process.stdin.write("8=FIX.4.2|9=5|35=0|10=161|\n")
    process.stdin.close()
    assert process.wait(30) == 1
    assert process.stderr.read() == ""
    process.stderr.close()


@pytest.mark.parametrize("no_color", [True, False])
def test_colour_is_for_terminals_and_never_with_no_color(rig, no_color):
    ours, theirs = os.openpty()
    command = [*PROGRAM, "status", "--token-file", rig.told["token_file"]]
    env = {name: value for name, value in (QUIET | rig.env).items() if name != "NO_COLOR"} | {"TERM": "xterm-256color"}
    done = subprocess.run(command, stdout=theirs, env=env | ({"NO_COLOR": "1"} if no_color else {}), timeout=30)
    os.close(theirs)
    text = os.read(ours, 100_000).decode()
    os.close(ours)
    assert done.returncode == 0
    assert ("\x1b" in text) is not no_color
    assert "\x1b" not in rig.run("status").stdout


def test_a_daemon_that_stops_ends_tail_with_the_cursor_to_go_on_from(rig, tmp_path):
    config = tmp_path / "own.yaml"
    own = re.sub("(?m)^state_dir: .*", f"state_dir: {tmp_path / 'own'}", rig.config.read_text())
    config.write_text(own.replace(rig.url, f"unix:{tmp_path / 's'}"))
    config.chmod(0o600)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    daemon = start("run", "--config", config, cwd=tmp_path, **quiet)
    end = time.monotonic() + 30
    while not (tmp_path / "s").exists() and time.monotonic() < end:
        time.sleep(0.05)
    options = ("--token-file", rig.told["token_file"], "--url", f"unix:{tmp_path / 's'}")
    tail = start("tail", "--json", *options, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert first_line(tail)  # a heartbeat, where nothing else happens
    assert stop(daemon) == 0
    printed, complaint = tail.communicate(timeout=30)
    assert tail.returncode == 69
    last = json.loads(printed.splitlines()[-1])["cursor"]
    assert complaint.endswith(f"go on with: primefixd tail --from {last}\n") and complaint.count("\n") == 1
