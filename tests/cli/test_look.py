"""Looking at a real daemon on a real sandbox: what people see fits, and what programs see is whole."""

import json
import re
import subprocess

import pytest

from primefixd.cli.look import event_line, every_order, troubles
from primefixd.client import connect
from tests.cli.conftest import first_line, start, stop

MARKET = ("--product-id", "ETH-USD", "--side", "SELL", "--type", "MARKET", "--base-quantity", "1")
LIMIT = ("--type", "LIMIT", "--time-in-force", "GOOD_UNTIL_CANCELLED", "--limit-price", "20000")


@pytest.fixture
def resting(rig):
    """An order that rests in `beta`, cancelled again after the test."""
    size = ("--product-id", "BTC-USD", "--side", "BUY", "--base-quantity", "0.1")
    name = rig.json("submit", "--portfolio", "beta", *size, *LIMIT)["client_order_id"]
    yield name
    rig.run("cancel", name, "--portfolio", "beta")


def wide(text):
    return max(map(len, text.splitlines()))


def test_status_is_a_summary_at_one_glance(rig, resting):
    text = rig.run("status").stdout
    heading, _, titles, alpha, beta = text.splitlines()
    assert re.fullmatch(r"primefixd 0\.\S+, venue 127\.0\.0\.1:\d+, next window in .+ \(\d\d:00 UTC\)", heading)
    assert titles.split("  ")[0] == "PORTFOLIO"
    assert alpha.split()[:3] == ["alpha", "OPEN", "7/7"]
    assert beta.split() == ["beta", "OPEN", "7/7", "1", "0"]
    assert wide(text) <= 80


def test_status_for_programs_is_one_document(rig):
    told = rig.json("status")
    assert set(told) == {"server", "portfolios", "sessions"}
    assert (len(told["portfolios"]), len(told["sessions"])) == (2, 14)


def test_sessions_are_listed(rig):
    text = rig.run("sessions").stdout
    assert len(text.splitlines()) == 15 and wide(text) <= 80
    assert text.splitlines()[7].split()[:3] == ["alpha-drop", "drop_copy", "ACTIVE"]
    assert [session["name"] for session in rig.json("sessions")["sessions"]][:2] == ["alpha-1", "alpha-2"]


def test_orders_are_listed_open_or_all_with_whole_ids(rig, resting):
    text = rig.run("orders", "--open", "--portfolio", "beta").stdout
    assert wide(text) <= 80
    assert resting in "".join(line[:36].strip() for line in text.splitlines())
    open_ones = rig.json("orders", "--open", "--portfolio", "beta")["orders"]
    assert [order["client_order_id"] for order in open_ones] == [resting]
    rig.run("cancel", resting, "--portfolio", "beta")
    assert resting in [order["client_order_id"] for order in rig.json("orders", "--portfolio", "beta")["orders"]]


def test_no_orders_is_said(rig):
    assert rig.run("orders", "--product-id", "DOGE-USD").stdout == "no orders\n"
    assert rig.run("orders", "--open", "--product-id", "DOGE-USD").stdout == "no open orders\n"


def test_a_limit_stops_the_list(rig, resting):
    for _ in range(2):
        assert rig.run("submit", "--portfolio", "beta", *MARKET).returncode == 0
    assert len(rig.json("orders", "--limit", "2")["orders"]) == 2


async def test_the_list_is_whole_however_many_pages_it_takes(rig, resting):
    for _ in range(3):
        rig.json("submit", "--portfolio", "alpha", *MARKET)
    async with connect(rig.url, rig.token) as client:
        whole = [order["client_order_id"] for order in (await client.orders(open=False))["orders"]]
        for limit, expected in ((None, whole), (3, whole[:3])):
            found = await every_order(client, limit, page_max=2, open=False)
            assert [order["client_order_id"] for order in found] == expected
    assert len(whole) > 3


def test_an_order_is_found_by_either_id(rig, resting):
    order = rig.json("order", resting, "--portfolio", "beta")
    assert rig.json("order", order["order_id"], "--portfolio", "beta")["client_order_id"] == resting
    lines = dict(
        line.split(maxsplit=1) for line in rig.run("order", resting, "--portfolio", "beta").stdout.splitlines()
    )
    assert (lines["status"], lines["limit_price"], lines["in_doubt"]) == ("OPEN", "20000", "no")
    assert "cancel" not in lines


def test_an_order_that_is_not_there_is_refused_in_a_sentence(rig):
    done = rig.run("order", "absent", "--portfolio", "beta")
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr == "There is no order absent in beta; list orders (unknown_order, nothing was sent to the venue)\n"
    )


def test_a_field_that_is_missing_is_named_as_the_option_that_gives_it(rig):
    done = rig.run("order", "absent")
    assert done.returncode == 1
    assert done.stderr.startswith("--portfolio is missing; name one of yours: alpha, beta")


def test_tail_hands_the_cursor_on_as_it_is(rig):
    done = rig.run("tail", "--from", "999999999")
    assert (done.returncode, done.stdout) == (1, "")
    assert "(unknown_cursor)" in done.stderr


def test_tail_begins_after_the_cursor_that_it_is_given(rig):
    following = start("tail", "--from", "1", "--token-file", rig.told["token_file"], cwd=rig.folder, env=rig.env,
                      stdout=subprocess.PIPE)  # fmt: skip
    assert first_line(following).split()[0] == "2"
    stop(following)


@pytest.mark.parametrize("token", [None, "wrong"])
def test_a_token_that_is_not_known_is_refused_with_what_to_do(rig, primefixd, token):
    done = primefixd("status", "--url", rig.url, env={"PRIMEFIXD_TOKEN": token} if token else {})
    assert (done.returncode, done.stdout) == (1, "")
    assert ("does not know the token" if token else "wants a token") in done.stderr
    assert "--token-file FILE" in done.stderr and done.stderr.count("\n") == 1


def test_the_environment_tells_url_and_token(rig, primefixd):
    env = {"PRIMEFIXD_URL": rig.url, "PRIMEFIXD_TOKEN": rig.token}
    assert json.loads(primefixd("status", "--json", env=env).stdout)["server"]["version"]


def session(name, state="ACTIVE", error=None, offset_ms=None):
    return {"name": name, "state": state, "last_error": error, "next_attempt_at": None, "clock_offset_ms": offset_ms}


def test_one_reason_is_told_once_however_many_sessions_it_keeps_down():
    down = [session(name, "DOWN", "logon refused: no") for name in ("a-1", "a-2", "a-3")]
    assert list(troubles([*down, session("a-4")], None)) == ["a-1 and 2 more are DOWN: logon refused: no"]


@pytest.mark.parametrize("offset_ms", [4500.0, -4500.0])
def test_rule_10_a_clock_that_stops_new_orders_is_told(offset_ms):
    assert list(troubles([session("a-1", offset_ms=3999.0)], None)) == []
    (told,) = troubles([session("a-1", offset_ms=offset_ms), session("a-2", offset_ms=1.0)], None)
    assert told.startswith("this machine's clock is 4.5 s off the venue's")


def test_an_event_of_a_cancel_on_its_way_says_so(rig, resting):
    order = rig.json("order", resting, "--portfolio", "beta") | {"cancel": {"state": "sent"}}
    event = {"cursor": 7, "time": order["updated_at"], "portfolio": "beta", "type": "order.updated", "order": order}
    assert event_line(event).endswith("BUY 0.1 BTC-USD at 20000: cancel sent")
