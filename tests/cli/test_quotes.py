"""Quotes asked for and accepted through a real daemon on a real sandbox."""

import json
import shlex

import pytest

WANTED = ("--portfolio", "alpha", "--product-id", "BTC-USD", "--side", "BUY")


@pytest.mark.parametrize("size", [("--base-quantity", "0.5"), ("--quote-value", "5000")])
def test_a_quote_is_shown_with_the_command_that_trades_at_it(rig, size):
    done = rig.run("rfq", *WANTED, *size, "--limit-price", "90000", "--auction-ms", "30000")
    assert (done.returncode, done.stderr) == (0, "")
    quote, command = done.stdout.splitlines()
    quote_id, *_ = quote.split()
    program, *accept = shlex.split(command)
    assert (program, accept[:2]) == ("primefixd", ["accept-quote", quote_id])
    order = rig.json(*accept, "--wait")
    assert (order["type"], order["status"], order["quote_id"]) == ("RFQ", "FILLED", quote_id)
    assert f" at {order['limit_price']} until " in quote
    again = rig.run(*accept, "--wait")
    assert again.returncode == 1 and "accepted already; ask for another quote\n" in again.stderr


def test_programs_get_the_quote_as_one_document(rig):
    quote = rig.json("rfq", *WANTED, "--base-quantity", "0.5", "--limit-price", "90000", "--quote-request-id", "mine")
    assert (quote["quote_request_id"], quote["side"], quote["quantity"]) == ("mine", "BUY", "0.5")


def test_a_quote_that_the_venue_refuses_ends_with_1_and_says_why(rig):
    done = rig.run("rfq", *WANTED, "--base-quantity", "0.5", "--limit-price", "1", "--json")
    assert done.returncode == 1 and json.loads(done.stdout)["reason"] == "invalid_price"
    assert done.stderr.startswith("no quote: invalid_price: ") and done.stderr.count("\n") == 1


def test_a_request_that_the_daemon_refuses_names_the_option(rig):
    done = rig.run("rfq", *WANTED, "--limit-price", "1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("--base-quantity or quote_value must be given")


def test_a_quote_that_never_came_cannot_be_accepted(rig):
    done = rig.run("accept-quote", "never", *WANTED, "--base-quantity", "1", "--limit-price", "1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("quote never names no quote that came to this portfolio; ")
