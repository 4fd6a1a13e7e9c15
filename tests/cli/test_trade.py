"""Trading through a real daemon on a real sandbox."""

import json
import os
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import QUIET, first_line, start, stop

README = Path(__file__).parents[2] / "README.md"

MARKET = ("--portfolio", "alpha", "--product-id", "BTC-USD", "--side", "buy", "--type", "MARKET")
RESTING = ("--type", "LIMIT", "--time-in-force", "GOOD_UNTIL_CANCELLED", "--limit-price", "20000", "--post-only")
REST = (*MARKET[:-2], *RESTING, "--base-quantity", "0.1")


def until(rig, name, status):
    end = time.monotonic() + 10
    while (order := rig.json("order", name, "--portfolio", "alpha"))["status"] != status:
        assert time.monotonic() < end, order
    return order


def test_an_order_is_submitted_and_its_receipt_names_it(rig):
    done = rig.run("submit", *REST)
    name, status = done.stdout.split()
    assert (done.returncode, status, done.stderr) == (0, "QUEUED", "")
    order = until(rig, name, "OPEN")
    assert (order["side"], order["post_only"], order["limit_price"]) == ("BUY", True, "20000")
    assert rig.run("cancel", name, "--portfolio", "alpha").returncode == 0
    assert until(rig, name, "CANCELLED")["filled_quantity"] == "0"


def test_an_order_can_be_cancelled_by_the_venue_s_id(rig):
    name = rig.json("submit", *REST)["client_order_id"]
    order_id = until(rig, name, "OPEN")["order_id"]
    assert rig.json("cancel", order_id, "--portfolio", "alpha")["client_order_id"] == name
    until(rig, name, "CANCELLED")


def test_waiting_follows_an_order_until_it_is_final(rig):
    done = rig.run("submit", *MARKET, "--base-quantity", "0.1", "--wait")
    assert done.returncode == 0
    receipt, *lines = done.stdout.splitlines()
    name = receipt.split()[0]
    assert [name in line for line in lines] == [True] * len(lines)
    assert " FILLED " in lines[-1] and " SENT " in done.stdout


def test_waiting_for_programs_gives_the_final_order_as_one_document(rig):
    order = rig.json("submit", *MARKET, "--quote-value", "1000", "--wait", "--client-order-id", "valued")
    assert (order["client_order_id"], order["status"], order["quote_value"]) == ("valued", "FILLED", "1000")


def test_waiting_for_an_order_that_was_final_already_ends_at_once(rig):
    rig.json("submit", *MARKET, "--base-quantity", "0.2", "--wait", "--client-order-id", "again")
    done = rig.run("submit", *MARKET, "--base-quantity", "0.20", "--wait", "--client-order-id", "again")
    assert (done.returncode, done.stdout) == (0, "again FILLED (was submitted before; nothing was sent)\n")


def test_a_rejection_of_the_venue_ends_with_1_and_says_why(rig):
    terms = ("--portfolio", "alpha", "--product-id", "NONE-USD", "--side", "SELL", "--type", "MARKET")
    done = rig.run("submit", *terms, "--base-quantity", "1", "--wait", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["status"] == "REJECTED"
    assert ": unknown_symbol: unknown symbol; submit it anew " in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("size", ["-1", "0"])
def test_a_refusal_of_the_daemon_names_the_option(rig, size):
    done = rig.run("submit", *MARKET, "--base-quantity", size)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("--base-quantity must be ")
    assert "nothing was sent to the venue" in done.stderr


SELL = ("--portfolio", "alpha", "--product-id", "BTC-USD", "--side", "SELL")
RESTS = ("--time-in-force", "GOOD_UNTIL_CANCELLED")
SLICES = ("--time-in-force", "GOOD_UNTIL_DATE_TIME", "--start-time", "2099-01-01T00:00:00Z")


@pytest.mark.parametrize(
    "terms",
    [
        ("--type", "STOP_LIMIT", "--base-quantity", "0.1", "--limit-price", "19000", "--stop-price", "20000", *RESTS),
        ("--type", "TWAP", "--base-quantity", "0.1", "--limit-price", "1", "--historical-pov", "0.1", *SLICES),
        ("--type", "LIMIT", "--base-quantity", "1", "--display-base-size", "0.1", "--limit-price", "900000", *RESTS),
        ("--type", "LIMIT", "--quote-value", "9", "--display-quote-size", "5", "--limit-price", "900000", *RESTS),
        ("--type", "LIMIT", "--quote-value", "9", "--is-raise-exact", "--limit-price", "900000", *RESTS),
        ("--type", "LIMIT", "--side", "BUY", "--quote-value", "9", "--is-buy-exact", "--limit-price", "1", *RESTS),
        (
            *("--type", "PEG", "--base-quantity", "1", "--limit-price", "900000", *RESTS, "--wig-level", "950000"),
            *("--peg-offset-type", "peg_offset_type_bps", "--offset", "-0.5"),
        ),
    ],
)
def test_every_term_of_an_order_can_be_given(rig, terms):
    name = rig.json("submit", *SELL, *terms)["client_order_id"]
    order = rig.json("order", name, "--portfolio", "alpha")
    for option, value in zip(terms, (*terms[1:], "--"), strict=True):
        if option.startswith("--"):
            wanted = True if value.startswith("--") else value.upper() if "_type" in value else value
            assert order[option[2:].replace("-", "_")] == wanted
    rig.run("cancel", name, "--portfolio", "alpha")


def test_terms_that_differ_are_a_duplicate(rig):
    rig.json("submit", *MARKET, "--base-quantity", "0.3", "--client-order-id", "twice")
    done = rig.run("submit", *MARKET, "--base-quantity", "0.4", "--client-order-id", "twice")
    assert done.returncode == 1
    assert "(duplicate, " in done.stderr


def test_tail_tells_what_happens_one_event_a_line(rig, tmp_path):
    options = ("--token-file", rig.told["token_file"], "--portfolio", "alpha")
    programs = start("tail", "--json", *options, cwd=tmp_path, env=rig.env, stdout=subprocess.PIPE)
    people = start("tail", *options, cwd=tmp_path, env=rig.env, stdout=subprocess.PIPE)
    assert first_line(programs)
    for number in range(20):  # until both follow
        rig.run("submit", *MARKET, "--base-quantity", "0.5", "--client-order-id", f"watched-{number}", "--wait")
        if select.select([people.stdout], [], [], 0)[0]:
            break
    cursor, _, portfolio, kind, name, status, *_ = first_line(people).split()
    while (event := json.loads(first_line(programs)))["cursor"] != int(cursor):
        pass
    assert (portfolio, kind, name) == (event["portfolio"], event["type"], event["order"]["client_order_id"])
    assert status == event["order"]["status"]
    for process in (people, programs):
        stop(process)


def test_the_readme_s_rehearsal_trades_as_it_stands(rig):
    (terminal,) = re.findall(r"```sh\n(export PRIMEFIXD_TOKEN.*?)```", README.read_text(), re.DOTALL)
    env = QUIET | rig.env | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-ec", terminal], cwd=rig.folder, env=env, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    assert " FILLED " in done.stdout.splitlines()[-1]
