"""The sandbox, judged by QuickFIX: it logs on over TLS with the venue's signature, trades, and believes what it hears.

QuickFIX holds every message against its own FIX 4.2 dictionary and against session rules that nobody here wrote.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from primefixd.client import Client
from tests.support.counterparty import Heard, Peer, needs_quickfix, quickfix, trust, write_settings
from tests.support.world import World, booked, configuration, free_port

pytestmark = needs_quickfix

ONE, TWO = "p0s0-account", "p0s1-account"


@asynccontextmanager
async def against_the_sandbox(folder: Path) -> AsyncIterator[tuple[Peer, Client, Path]]:
    """QuickFIX's two sessions logged on to a sandbox of its own process."""
    port = free_port()
    made = World(folder, configuration(folder, venue_port=port))
    try:
        await made.start_sandbox()
        async with made.oracle() as oracle, initiator(folder, port, folder / "ca.pem") as peer:
            await peer.until(lambda: {ONE, TWO} <= set(peer.ups), "logged on")
            yield peer, oracle, folder
    finally:
        for name in list(made.processes):
            await made.end(name)


@asynccontextmanager
async def initiator(
    folder: Path, port: int, ca_file: Path, clients: tuple[str, ...] = (ONE, TWO)
) -> AsyncIterator[Peer]:
    own = folder / "quickfix"
    own.mkdir()
    write_settings(own, "initiator", list(clients), port, **trust(own, ca_file))
    async with quickfix("initiator", own, []) as peer:
        yield peer


def now(later_s: float = 0) -> str:
    return (datetime.now(UTC) + timedelta(seconds=later_s)).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]


def order(key: str, **more: str) -> list[Any]:
    terms = {"55": "BTC-USD", "54": "1", "38": "0.01", "40": "2", "44": "900000", "59": "1", "847": "L"} | more
    fields = [[int(tag), value] for tag, value in terms.items() if value]
    return [[35, "D"], [1, "portfolio-0"], [11, key], [21, "1"], [60, now()], *fields]


def cancel(key: str, of: Heard) -> list[Any]:
    named = [[37, of[37]], [41, of[11]], [54, of[54]], [55, of[55]], [60, now()]]
    return [[35, "F"], [1, "portfolio-0"], [11, key], [38, of[38]], *named]


def replace(key: str, of: Heard, **more: str) -> list[Any]:
    terms = {38: of[38], 44: of[44]} | {int(tag): value for tag, value in more.items()}
    named = [[37, of[37]], [41, of[11]], [54, of[54]], [55, of[55]], [40, of[40]], [21, "1"], [60, now()]]
    return [[35, "G"], [11, key], *named, *([tag, value] for tag, value in terms.items())]


def status(of: Heard) -> list[Any]:
    return [[35, "H"], [11, of[11]], [37, of[37]], [54, of[54]], [55, of[55]]]


async def report(peer: Peer, key: str, kind: str, *, to: str = ONE) -> Heard:
    """The first execution report of that ClOrdID and ExecType."""
    found: Heard = await peer.until(
        lambda: next((each for each in peer.of("8", to) if (each[11], each[150]) == (key, kind)), None),
        f"heard 150={kind} of {key}",
    )
    return found


def told(peer: Peer, key: str) -> tuple[float, float]:
    """Quantity and value of the executions that QuickFIX heard of that order."""
    fills = [each for each in peer.of("8") if each[11] == key and each[150] in "12"]
    return (
        sum(float(each[32]) for each in fills),
        sum(float(each[32]) * float(each[31]) for each in fills),
    )


async def test_quickfix_places_orders_and_hears_what_the_book_holds(tmp_path: Path) -> None:
    orders = {
        "gtc": {},
        "market": {"40": "1", "44": "", "59": "3", "847": "M"},
        "sell": {"40": "1", "44": "", "59": "3", "847": "M", "54": "2", "55": "ETH-USD"},
        "by-value": {"40": "1", "44": "", "59": "3", "847": "M", "38": "", "152": "250.00"},
        "ioc": {"59": "3"},
        "fok": {"59": "4"},
        "gtd": {"59": "6", "126": "20990101-00:00:00.000"},
    }
    async with against_the_sandbox(tmp_path) as (peer, oracle, _):
        for key, more in orders.items():
            await peer.send(ONE, order(key, **more))
        for key in orders:
            done = await peer.until(
                lambda key=key: [e for e in peer.of("8", ONE) if e[11] == key and e[150] == "1" and e[151] == "0"],
                f"heard all of {key}",
            )
            kinds = [each[150] for each in peer.of("8", ONE) if each[11] == key]
            assert kinds[:2] == ["A", "0"] and set(kinds[2:]) == {"1"}
            at_venue = (await booked(oracle))[key]
            quantity, value = told(peer, key)
            assert quantity == pytest.approx(float(at_venue["filled"])) == pytest.approx(float(done[-1][14]))
            assert value == pytest.approx(sum(float(f["quantity"]) * float(f["price"]) for f in at_venue["fills"]))
            assert (at_venue["status"], at_venue["service_account_id"]) == ("2", ONE)
        assert not peer.refusals() and not peer.downs


async def test_quickfix_reads_the_groups_of_a_fill(tmp_path: Path) -> None:
    async with against_the_sandbox(tmp_path) as (peer, oracle, _):
        await oracle.call("venue.hold_fills", on=True)
        await peer.send(ONE, order("one"))
        await report(peer, "one", "0")
        await oracle.call("venue.fill", client_order_id="one", quantity="0.004", price="50000")
        filled = await report(peer, "one", "1")
        fees = [value for tag, value in filled.fields if tag == 137]
        kinds = [value for tag, value in filled.fields if tag == 139]
        assert (filled[136], len(fees), kinds) == ("3", 3, ["7", "12", "14"])
        assert sum(map(float, fees)) == float(filled[12]) == 0.004 * 50000 * 0.001
        assert (filled[78], filled[79], filled[80]) == ("1", "portfolio-0", "0.004")
        assert (filled[14], filled[151], filled[6]) == ("0.004", "0.006", "50000")
        assert not peer.refusals()


async def test_quickfix_cancels_and_asks_for_state(tmp_path: Path) -> None:
    async with against_the_sandbox(tmp_path) as (peer, oracle, _):
        await peer.send(ONE, order("rest", **{"44": "1000"}))
        resting = await report(peer, "rest", "0")
        await peer.send(ONE, status(resting))
        answer = await peer.until(lambda: [e for e in peer.of("8", ONE) if e[20] != "0"], "an answer to 35=H")
        assert (answer[0][39], answer[0][14], float(answer[0][151])) == ("0", "0", 0.01)
        await peer.send(TWO, cancel("cancel-1", resting))
        ended = await peer.until(
            lambda: [e for e in peer.of("8") if e.get(41) == "rest" and e[150] == "4"], "cancelled"
        )
        assert (ended[0][11], ended[0][39], ended[0][151]) == ("cancel-1", "4", "0")
        assert (await booked(oracle))["rest"]["status"] == "4"
        await peer.send(ONE, cancel("cancel-2", resting))
        refused = await peer.until(lambda: peer.of("9"), "a refused cancel")
        assert (refused[0][11], refused[0][41], refused[0][434], refused[0][39]) == ("cancel-2", "rest", "1", "4")
        assert not peer.refusals()


async def test_quickfix_replaces_an_order_and_is_refused_what_the_venue_refuses(tmp_path: Path) -> None:
    async with against_the_sandbox(tmp_path) as (peer, oracle, _):
        await peer.send(ONE, order("first", **{"44": "1000"}))
        resting = await report(peer, "first", "0")
        await peer.send(ONE, replace("second", resting, **{"38": "0.02", "44": "1001"}))
        await peer.until(lambda: [e for e in peer.of("8", ONE) if e[150] == "E"], "a pending replace")
        replaced = await report(peer, "second", "5")
        assert (replaced[41], replaced[37], replaced[38], replaced[44]) == ("first", resting[37], "0.02", "1001")
        await peer.send(ONE, replace("third", resting))
        refused = (await peer.until(lambda: peer.of("9"), "a refused replace"))[0]
        assert (refused[11], refused[41], refused[434]) == ("third", "second", "2") and refused[58]
        await oracle.call("venue.fill", client_order_id="second", quantity="0.02", price="1001")
        filled = await report(peer, "second", "1")
        assert (filled[14], filled[151]) == ("0.02", "0")
        (at_venue,) = (await booked(oracle)).values()
        assert (at_venue["order_id"], at_venue["status"], float(at_venue["filled"])) == (resting[37], "2", 0.02)
        assert not peer.refusals()


async def test_quickfix_trades_every_other_order_type(tmp_path: Path) -> None:
    async with against_the_sandbox(tmp_path) as (peer, oracle, _):
        over_time = {"59": "6", "168": now(), "126": now(2.5)}
        orders = {
            "twap": over_time | {"847": "T"},
            "vwap": over_time | {"847": "V"},
            "stop": {"847": "SL", "99": "70000", "44": "71000"},
            "peg": {"847": "P", "40": "P", "44": "900000", "836": "0", "211": "0"},
        }
        for key, more in orders.items():
            await peer.send(ONE, order(key, **more))
            await report(peer, key, "0")
        await oracle.call("venue.price", product_id="BTC-USD", price="70500")
        for key in ("twap", "vwap", "stop"):
            await peer.until(
                lambda key=key: [e for e in peer.of("8", ONE) if e[11] == key and e[150] == "1" and e[151] == "0"],
                f"heard all of {key}",
            )
        book = await booked(oracle)
        for key in ("twap", "vwap", "stop"):
            assert told(peer, key)[0] == pytest.approx(float(book[key]["filled"])) == pytest.approx(0.01)
        assert sum(each[11] == "twap" and each[150] == "1" for each in peer.of("8")) == 10
        assert told(peer, "peg")[0] == pytest.approx(float(book["peg"]["filled"]))
        assert not peer.refusals()


async def test_quickfix_asks_for_a_quote_and_takes_it_once(tmp_path: Path) -> None:
    def ask(key: str, **more: str) -> list[Any]:
        terms = {"55": "BTC-USD", "54": "1", "38": "0.01", "40": "2", "44": "90000", "59": "4", "8090": "5000"} | more
        return [[35, "R"], [131, key], [1, "portfolio-0"], *([int(tag), value] for tag, value in terms.items())]

    async with against_the_sandbox(tmp_path) as (peer, oracle, _):
        await peer.send(ONE, ask("quote-1"))
        quote = (await peer.until(lambda: peer.of("S", ONE), "a quote"))[0]
        assert (quote[131], quote[55], quote[135]) == ("quote-1", "BTC-USD", "0.01") and quote[62] > now(3)
        accept = {"847": "R", "40": "D", "59": "4", "44": quote[133], "117": quote[117]}
        await peer.send(ONE, order("taken", **accept))
        await peer.until(lambda: [e for e in peer.of("8") if e[150] == "1" and e[151] == "0"], "heard all of it")
        assert told(peer, "taken") == pytest.approx((0.01, 0.01 * float(quote[133])))
        await peer.send(ONE, order("again", **accept))
        assert "quote" in (await report(peer, "again", "8"))[58]
        await peer.send(ONE, ask("quote-2", **{"55": "NONE-USD"}))
        refused = (await peer.until(lambda: peer.of("b", ONE), "a refused request"))[0]
        assert (refused[131], refused[297], refused[300]) == ("quote-2", "5", "1")
        book = await booked(oracle)
        assert (book["taken"]["status"], book["again"]["status"]) == ("2", "8")
        assert not peer.refusals()


async def test_quickfix_is_told_why_an_order_is_rejected(tmp_path: Path) -> None:
    wrong = {
        "symbol": ({"55": "NONE-USD"}, "1"),
        "post": ({"18": "A"}, "99"),
        "price": ({"44": ""}, "99"),
        "strategy": ({"847": ""}, "99"),
    }
    async with against_the_sandbox(tmp_path) as (peer, oracle, _):
        for key, (more, reason) in wrong.items():
            await peer.send(ONE, order(key, **more))
            rejected = await report(peer, key, "8")
            assert (rejected[39], rejected[103]) == ("8", reason) and rejected[58]
        await peer.send(ONE, order("twice", **{"44": "1000"}))
        await report(peer, "twice", "0")
        await peer.send(TWO, order("twice", **{"44": "1000"}))
        assert (await report(peer, "twice", "8", to=TWO))[103] == "6"
        assert (await booked(oracle))["twice"]["received"] == 2
        assert not peer.refusals()


async def test_quickfix_and_the_sandbox_keep_a_session_through_tests_and_ends(tmp_path: Path) -> None:
    async with against_the_sandbox(tmp_path) as (peer, oracle, _):
        await peer.send(ONE, [[35, "1"], [112, "are you there?"]])
        await peer.until(lambda: [e for e in peer.of("0", ONE) if e.get(112) == "are you there?"], "a Heartbeat")
        await peer.do("logout", ONE, text="enough")
        await peer.until(lambda: peer.of("5", ONE), "a Logout that answers")
        await peer.until(lambda: ONE in peer.downs, "an end")
        await oracle.call("venue.drop", service_account_id=TWO, how="reset")
        await peer.until(lambda: TWO in peer.downs and peer.ups.count(TWO) == 2, "back after a reset")
        assert [each[34] for each in peer.of("A", TWO)] == ["1", "1"]
        await peer.send(TWO, order("after"))
        await report(peer, "after", "1", to=TWO)
        assert not peer.refusals()


async def test_a_resend_that_quickfix_asks_for_is_rejected_as_the_venue_does(tmp_path: Path) -> None:
    async with against_the_sandbox(tmp_path) as (peer, oracle, folder):
        await oracle.call("venue.skip", service_account_id=ONE, count=2)
        await peer.send(ONE, [[35, "1"], [112, "behind the gap"]])
        asked = (await peer.until(lambda: [e for e in peer.sent if e[35] == "2"], "asked for a resend"))[0]
        (log,) = (folder / "quickfix" / "log").glob(f"*{ONE}*.messages.current.log")
        await peer.until(lambda: f"\x0145={asked[34]}\x01" in log.read_text(), "a Reject of it")
        (reject,) = [line for line in log.read_text().splitlines() if "\x0135=3\x01" in line]
        assert "\x01372=2\x01" in reject and "\x01373=11\x01" in reject and "not supported" in reject
        assert not peer.downs


async def test_a_false_signature_is_refused_with_words(tmp_path: Path) -> None:
    port = free_port()
    made = World(tmp_path, configuration(tmp_path, venue_port=port))
    try:
        await made.start_sandbox()
        (own := tmp_path / "quickfix").mkdir()
        write_settings(own, "initiator", [ONE], port, **trust(own, tmp_path / "ca.pem"))
        keys = own / "keys.json"
        keys.write_text(keys.read_text().replace("api_secret of the", "api_secret of another"))
        async with quickfix("initiator", own, []) as peer:
            refused = await peer.until(lambda: peer.of("5"), "a refusal")
            assert "signature" in refused[0][58] and not peer.ups
    finally:
        await made.end("sandbox")


async def test_quickfix_does_not_trust_the_sandbox_without_its_authority(tmp_path: Path) -> None:
    port = free_port()
    made = World(tmp_path, configuration(tmp_path, venue_port=port))
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    try:
        await made.start_sandbox()
        async with initiator(tmp_path, port, other, (ONE,)) as peer, made.oracle() as oracle:
            log = tmp_path / "quickfix" / "log"
            await peer.until(
                lambda: any("certificate" in f.read_text().lower() for f in log.glob("*event*")),
                "a refused certificate",
            )
            assert not peer.ups and not (await oracle.call("venue.sessions"))["sessions"][0]["logons"]
    finally:
        await made.end("sandbox")
