"""New terms for orders, and the end of many at once, through a real daemon on a real sandbox."""

import json
import subprocess

import pytest

from tests.cli.conftest import START_S, start
from tests.cli.test_trade import REST, until

ALPHA = ("--portfolio", "alpha")


def rest(rig, name, *more):
    rig.json("submit", *REST, "--client-order-id", name, *more)
    return until(rig, name, "OPEN")


@pytest.mark.parametrize("by", ["client_order_id", "order_id"])
def test_an_order_is_replaced_by_either_id_and_goes_by_the_new_one(rig, by):
    first, then = f"first-{by}", f"then-{by}"
    order = rest(rig, first)
    done = rig.run("replace", order[by], *ALPHA, "--limit-price", "20001", "--new-client-order-id", then)
    line = f"{then} is to replace {order[by]}, which is OPEN\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, line, "")
    replaced = until(rig, then, "OPEN")
    assert (replaced["limit_price"], replaced["base_quantity"]) == ("20001", "0.1")
    assert (replaced["chain"], replaced["order_id"]) == ([first, then], order["order_id"])
    rig.run("cancel", then, *ALPHA)


def test_a_replace_takes_every_change_and_makes_an_id(rig):
    terms = ("--type", "STOP_LIMIT", "--side", "SELL", "--time-in-force", "GOOD_UNTIL_DATE_TIME", "--product-id")
    terms += ("BTC-USD", "--base-quantity", "0.1", "--limit-price", "20000", "--stop-price", "21000")
    rig.json("submit", *ALPHA, *terms, "--expiry-time", "2099-01-31T16:55:00Z", "--client-order-id", "stopping")
    until(rig, "stopping", "OPEN")
    changes = ("--base-quantity", "0.2", "--limit-price", "20500", "--stop-price", "21500")
    told = rig.json("replace", "stopping", *ALPHA, *changes, "--expiry-time", "2099-02-28T00:00:00Z")
    order = until(rig, told["client_order_id"], "OPEN")
    assert told["client_order_id"] not in ("", "stopping")
    assert [order[name] for name in ("base_quantity", "limit_price", "stop_price")] == ["0.2", "20500", "21500"]
    assert order["expiry_time"] == "2099-02-28T00:00:00Z"
    rig.run("cancel", "stopping", *ALPHA)


def test_the_same_replace_again_sends_nothing(rig):
    rest(rig, "once")
    again = ("replace", "once", *ALPHA, "--display-base-size", "0.01", "--new-client-order-id", "once-more")
    rig.json(*again)
    assert until(rig, "once-more", "OPEN")["display_base_size"] == "0.01"
    assert rig.run(*again).stdout.endswith(" which is OPEN (was asked before; nothing was sent)\n")
    rig.run("cancel", "once", *ALPHA)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ((), "order kept would stay as it is; give something to change"),
        (("--limit-price", "0"), "--limit-price must be greater than 0"),
        (("--quote-value", "5"), "--base-quantity cannot stand beside quote_value"),
    ],
)
def test_a_replace_that_cannot_be_is_refused_in_words_of_the_command(rig, changes, said):
    if rig.run("order", "kept", *ALPHA).returncode:
        rest(rig, "kept")
    done = rig.run("replace", "kept", *ALPHA, *changes)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{said} (nothing was sent to the venue)\n"


def test_an_order_that_is_not_there_cannot_be_replaced(rig):
    done = rig.run("replace", "absent", *ALPHA, "--limit-price", "1")
    assert done.returncode == 1 and done.stderr.startswith("There is no order absent in alpha; ")


def test_waiting_goes_on_when_somebody_replaces_the_order(rig, tmp_path):
    options = ("--token-file", rig.told["token_file"], "--wait", "--client-order-id", "moving", "--json")
    waiting = start("submit", *REST, *options, cwd=tmp_path, env=rig.env, stdout=subprocess.PIPE)
    while rig.run("order", "moving", *ALPHA).returncode:
        assert waiting.poll() is None
    until(rig, "moving", "OPEN")
    rig.json("replace", "moving", *ALPHA, "--limit-price", "20002", "--new-client-order-id", "moved")
    until(rig, "moved", "OPEN")
    rig.json("cancel", "moved", *ALPHA)
    printed, _ = waiting.communicate(timeout=START_S)
    order = json.loads(printed)
    assert (waiting.returncode, order["client_order_id"], order["status"]) == (0, "moved", "CANCELLED")


def test_all_orders_that_fit_are_cancelled_and_no_others(rig):
    litecoin = ("--product-id", "LTC-USD", "--limit-price")
    rest(rig, "bought", *litecoin, "1")
    rest(rig, "sold", *litecoin, "900", "--side", "SELL")
    chosen = (*ALPHA, "--product-id", "LTC-USD", "--side", "sell")
    assert rig.json("cancel-all", *chosen, "--yes") == {"requested": 1}
    until(rig, "sold", "CANCELLED")
    assert rig.json("order", "bought", *ALPHA)["status"] == "OPEN"
    done = rig.run("cancel-all", *ALPHA, "--product-id", "LTC-USD", "--yes")
    assert (done.returncode, done.stdout) == (0, "cancels requested: 1\n")
    until(rig, "bought", "CANCELLED")


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [("n\n", 1, "nothing was cancelled"), ("\n", 1, "nothing was cancelled"), ("", 2, "give --yes")],
)
def test_cancel_all_asks_first_and_takes_only_yes(rig, primefixd, answer, code, said):
    name = f"asked-{code}-{len(answer)}"
    rest(rig, name, "--product-id", "SOL-USD", "--limit-price", "1")
    command = ("cancel-all", *ALPHA, "--product-id", "SOL-USD", "--token-file", rig.told["token_file"])
    done = primefixd(*command, stdin=answer, env=rig.env)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("cancel every open SOL-USD order of portfolio alpha? [y/N] ") and said in done.stderr
    assert rig.json("order", name, *ALPHA)["status"] == "OPEN"
    assert primefixd(*command, stdin="y\n", env=rig.env).stdout == "cancels requested: 1\n"
    until(rig, name, "CANCELLED")
