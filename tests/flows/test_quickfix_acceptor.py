"""The daemon, judged by QuickFIX as the venue: seven sessions over TLS, and everything that can go wrong on them.

What QuickFIX says as the venue's application is decided here; sessions, numbers, heartbeats and the checking of every
message of ours are its own. It listens on every interface, so both ends live in a network that holds a loopback only.
"""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import trio

from primefixd.client import Client
from tests.support.counterparty import (
    Heard,
    Loopback,
    Peer,
    needs_loopback,
    needs_quickfix,
    quickfix,
    write_certificate,
    write_settings,
)
from tests.support.world import LIMIT, World, configuration, free_port, until, until_ready

pytestmark = [needs_quickfix, needs_loopback]

PRICE = "50000"
TERMS = LIMIT | {"limit_price": PRICE}
PROXY = Path(__file__).parents[1] / "support" / "byte_proxy.py"
COPIED = (1, 38, 40, 44, 54, 55, 59, 99, 126, 152, 168, 210)  # from the order into its reports
Say = list[tuple[str, list[Any]]]


class Floor:
    """The venue's application: what becomes of an order is the first word of its ClOrdID."""

    def __init__(self) -> None:
        self._ids = count(1)
        self.orders: dict[str, Heard] = {}
        self.filled: dict[str, Decimal] = {}
        self.asked: list[str] = []
        self.answers_status = True

    def hear(self, message: Heard) -> Say:
        acts = {"D": self._new, "F": self._cancel, "G": self._replace, "H": self._status, "R": self._quote}
        act = acts.get(message[35])
        return [(message.session, answer) for answer in act(message)] if act else []

    def _new(self, message: Heard) -> list[list[Any]]:
        key = message[11]
        self.orders[key], self.filled[key] = message, Decimal(0)
        match key.split("-")[0]:
            case "fill":
                return [*self.taken(key), self.execution(key, "0.004"), self.execution(key, "0.006", status="1")]
            case "reject":
                return [self.report(key, "8", "8", more=[[103, "99"], [58, "not today"]])]
            case "silent":
                return []
            case _:
                return self.taken(key)

    def _cancel(self, message: Heard) -> list[list[Any]]:
        key, named = message[41], [[11, message[11]], [41, message[41]]]
        if key.startswith("crossed"):
            refusal = [[37, message[37]], *named, [39, "2"], [434, "1"], [102, "0"], [58, "too late"]]
            return [self.execution(key, "0.01"), [[35, "9"], *refusal]]
        return [self.report(key, "6", "6", more=named), self.report(key, "4", "4", more=named)]

    def _replace(self, message: Heard) -> list[list[Any]]:
        old, new = message[41], message[11]
        named = [[37, message[37]], [41, old]]
        if old.startswith("stays"):
            return [[[35, "9"], [11, new], *named, [39, "0"], [434, "2"], [102, "99"], [58, "as it is"]]]
        order = self.orders[old]
        fields = dict(order.fields) | {tag: value for tag, value in message.fields if tag in (11, 37, 38, 44)}
        self.orders[new], self.filled[new] = Heard(order.session, list(fields.items())), self.filled[old]
        return [self.report(new, "E", "E", more=named), self.report(new, "5", "0", more=named)]

    def _quote(self, message: Heard) -> list[list[Any]]:
        asked = [[131, message[131]], [1, message[1]], [55, message[55]]]
        if message[55] != "BTC-USD":
            return [[[35, "b"], *asked, [297, "5"], [300, "1"], [58, "no such product"]]]
        until = f"{datetime.now(UTC) + timedelta(seconds=20):%Y%m%d-%H:%M:%S}"
        return [
            [[35, "S"], *asked, [117, f"for {message[131]}"], [133, PRICE], [135, message[38]], [40, "2"], [62, until]]
        ]

    def _status(self, message: Heard) -> list[list[Any]]:
        key = message[11]
        self.asked.append(key)
        status = "1" if self.filled[key] else "0"
        return [self.report(key, status, status, more=[[20, "1"], [32, "0.0"]])] if self.answers_status else []

    def taken(self, key: str) -> list[list[Any]]:
        return [self.report(key, "A", "A"), self.report(key, "0", "0")]

    def execution(self, key: str, quantity: str, *, status: str = "") -> list[Any]:
        """A fill; the venue says 150=1 for each, and its 39 may lag behind the quantities."""
        self.filled[key] += Decimal(quantity)
        whole = self.filled[key] == Decimal(self.orders[key][38])
        fees = [[[137, "0.1"], [138, "USD"], [139, "7"]], [[137, "0.02"], [138, "USD"], [139, "12"]]]
        paid = [[32, quantity], [31, PRICE], [12, "0.12"], [13, "3"], [136, fees], [8002, "1"], [30, "otc"]]
        return self.report(key, "1", status or ("2" if whole else "1"), more=paid)

    def report(self, key: str, kind: str, status: str, more: list[Any] | None = None) -> list[Any]:
        order, filled = self.orders[key], self.filled[key]
        size = Decimal(order.get(38) or "0.005")  # sized in quote: about that much
        leaves = size - filled if status not in ("4", "8") else Decimal(0)
        order_id = order.get(37) or f"venue-{key}"
        body = {35: "8", 37: order_id, 11: key, 17: f"exec-{next(self._ids)}", 20: "0", 150: kind, 39: status}
        body |= {tag: value for tag, value in order.fields if tag in COPIED}
        body |= {14: f"{filled}", 151: f"{leaves}", 6: PRICE if filled else "0", 32: "0"}
        return [[tag, value] for tag, value in (body | dict(more or [])).items()]


@asynccontextmanager
async def against_quickfix(
    folder: Path, *, sessions: int = 7, tls: bool = True, proxied: bool = False, heartbeat_s: int = 30
) -> AsyncIterator[tuple[Peer, Floor, Client, World]]:
    """The daemon logged on to QuickFIX, both in one network without a way out."""
    network, floor, port = Loopback(), Floor(), free_port()
    own = folder / "quickfix"
    own.mkdir()
    clients = [f"p0s{n}-account" for n in range(sessions)]
    write_settings(own, "acceptor", clients, port, **(write_certificate(own) if tls else {}))
    venue_port = free_port() if proxied else port
    shape = {"sessions": sessions, "tls": tls, "heartbeat_s": heartbeat_s, "drop_copy": sessions == 7}
    made = World(folder, configuration(folder, venue_port=venue_port, **shape))
    if tls:
        (own / "ca.pem").rename(folder / "ca.pem")
        (own / "ca.pem").symlink_to(folder / "ca.pem")
    try:
        async with quickfix("acceptor", own, network.open) as peer:
            peer.on_heard = floor.hear
            made.before = network.enter(peer.process.pid)
            if proxied:
                made.processes["proxy"] = proxy(made.before, venue_port, port)
            await made.start_daemon()
            async with made.desk() as desk:
                await until_ready(desk)
                yield peer, floor, desk, made
            await made.end("daemon")
    finally:
        for name in list(made.processes):
            await made.end(name)


def proxy(before: list[str], port: int, target: int) -> subprocess.Popen[bytes]:
    command = [*before, sys.executable, str(PROXY), str(port), str(target)]
    started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert started.stdout is not None and started.stdout.readline() == b"started\n"
    started.stdout.close()
    return started


async def states(desk: Client) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in await desk.sessions()}


async def settle(what: Callable[[], Any], so: str) -> None:
    with trio.move_on_after(20):
        while not what():
            await trio.sleep(0.02)
        return
    raise AssertionError(f"never {so}")


async def test_seven_sessions_log_on_signed_and_every_order_comes_to_its_end(tmp_path: Path) -> None:
    ends = {"fill": "FILLED", "reject": "REJECTED", "cancel": "CANCELLED", "crossed": "FILLED"}
    async with against_quickfix(tmp_path, heartbeat_s=2) as (peer, floor, desk, _):
        logons = peer.of("A")
        assert sorted(each.session for each in logons) == [f"p0s{n}-account" for n in range(7)]
        assert all(each.signed for each in logons) and {each[34] for each in logons} == {"1"}
        assert {each.session: each[9406] for each in logons}["p0s6-account"] == "Y"
        assert sum(each[9406] == "N" for each in logons) == 6
        keys = [f"{kind}-{n}" for kind in ends for n in range(6)]
        for key in keys:
            await desk.submit(client_order_id=key, session=f"p0s{key[-1]}", ttl_ms=20_000, **TERMS)
        for key in keys:
            if not key.startswith(("fill", "reject")):
                await until(desk, key, status="OPEN")
                await desk.cancel(key)
        for key in keys:
            order = await until(desk, key, status=ends[key.split("-")[0]])
            assert float(order["filled_quantity"]) == float(floor.filled[key]), order
            assert (order["order_id"], order["in_doubt"]) == (f"venue-{key}", False)
            assert floor.orders[key].session == f"p0s{key[-1]}-account"
        assert float((await desk.order("fill-0"))["commission"]) == 0.24
        assert len(peer.of("D")) == len(keys) and len(peer.of("F")) == 12
        for n in range(7):
            await peer.send(f"p0s{n}-account", [[35, "1"], [112, f"life of {n}"]])
        for n in range(7):
            await peer.until(
                lambda n=n: [e for e in peer.of("0", f"p0s{n}-account") if e.get(112) == f"life of {n}"], "an echo"
            )
        await peer.until(lambda: {e.session for e in peer.of("0") if not e.get(112)} == set(peer.ups), "heartbeats")
        assert not peer.refusals() and not peer.downs and not peer.of("2")


async def test_quickfix_understands_every_order_type(tmp_path: Path) -> None:
    good, until_date = "GOOD_UNTIL_CANCELLED", {"time_in_force": "GOOD_UNTIL_DATE_TIME"}
    soon = until_date | {"start_time": "2098-01-01T00:00:00Z", "expiry_time": "2099-01-01T00:00:00Z"}
    peg = {"type": "PEG", "peg_offset_type": "PEG_OFFSET_TYPE_BPS", "offset": "-1.5", "wig_level": "50001"}
    market = {"type": "MARKET", "time_in_force": "IMMEDIATE_OR_CANCEL", "limit_price": None}
    by_value = market | {"base_quantity": None, "quote_value": "250.00", "is_buy_exact": True}
    kinds = {
        "post": {"post_only": True, "display_base_size": "0.001"},
        "until": until_date | {"expiry_time": "2099-01-01T00:00:00.250Z"},
        "market": market,
        "exact": by_value,
        "twap": soon | {"type": "TWAP"},
        "vwap": soon | {"type": "VWAP", "expiry_time": None, "historical_pov": "0.25"},
        "stop": {"type": "STOP_LIMIT", "stop_price": "49000", "time_in_force": good},
        "peg": peg | {"time_in_force": good},
    }
    async with against_quickfix(tmp_path, sessions=2) as (peer, floor, desk, _):
        for kind, more in kinds.items():
            terms = {name: value for name, value in (TERMS | more).items() if value is not None}
            await desk.submit(client_order_id=f"{kind}-1", **terms)
        for kind in kinds:
            await until(desk, f"{kind}-1", status="OPEN")
        letters = {kind: (floor.orders[f"{kind}-1"][847], floor.orders[f"{kind}-1"][40]) for kind in kinds}
        assert [letters[kind] for kind in kinds] == [
            *[("L", "2")] * 2,
            *[("M", "1")] * 2,
            ("T", "2"),
            ("V", "2"),
            ("SL", "2"),
            ("P", "P"),
        ]
        assert (floor.orders["exact-1"][152], floor.orders["exact-1"][8998]) == ("250.00", "Y")
        assert (floor.orders["peg-1"][836], floor.orders["peg-1"][211]) == ("1", "-1.5")
        assert floor.orders["vwap-1"][849] == "0.25" and floor.orders["post-1"][18] == "A"
        assert not peer.refusals() and not peer.downs


async def test_replaces_and_quotes_with_quickfix_as_the_venue(tmp_path: Path) -> None:
    async with against_quickfix(tmp_path, sessions=2) as (peer, floor, desk, _), desk.subscribe() as events:
        for key in ("rest-1", "stays-1"):
            await desk.submit(client_order_id=key, **TERMS)
            await until(desk, key, status="OPEN")
            more = {"base_quantity": "0.02", "limit_price": "49999"}
            await desk.call("order.replace", client_order_id=key, new_client_order_id=f"{key}-new", **more)
        order = await until(desk, "rest-1-new", status="OPEN", base_quantity="0.02")
        assert (order["chain"], order["limit_price"]) == (["rest-1", "rest-1-new"], "49999")
        await peer.send(floor.orders["rest-1"].session, floor.execution("rest-1-new", "0.02"))
        await until(desk, "rest-1", status="FILLED", client_order_id="rest-1-new")
        order = await until(desk, "stays-1", status="OPEN", replace=None)
        assert (order["base_quantity"], order["limit_price"]) == ("0.01", PRICE)
        wish = {"side": "BUY", "base_quantity": "0.01", "limit_price": "60000"}
        await desk.call("quote.request", product_id="BTC-USD", quote_request_id="good", **wish)
        await desk.call("quote.request", product_id="NONE-USD", quote_request_id="bad", **wish)
        told: list[str] = []
        with trio.fail_after(20):
            async for event in events:
                told.append(event["type"])
                if {"order.replace_rejected", "quote.received", "quote.rejected"} <= set(told):
                    break
        accept = TERMS | {"type": "RFQ", "time_in_force": "FILL_OR_KILL", "quote_id": "for good"}
        await desk.submit(client_order_id="fill-quoted", **accept)
        await until(desk, "fill-quoted", status="FILLED")
        assert (floor.orders["fill-quoted"][117], floor.orders["fill-quoted"][847]) == ("for good", "R")
        assert not peer.refusals() and not peer.downs


async def test_numbers_that_are_missing_are_asked_about_by_status_and_never_by_resend(tmp_path: Path) -> None:
    async with against_quickfix(tmp_path, sessions=2) as (peer, floor, desk, made), desk.subscribe() as events:
        await desk.submit(client_order_id="rest-1", session="p0s0", **TERMS)
        await desk.submit(client_order_id="rest-2", session="p0s1", **TERMS)
        await until(desk, "rest-1", status="OPEN")
        await until(desk, "rest-2", status="OPEN")
        floor.execution("rest-1", "0.004")  # said to nobody
        await peer.do("skip", "p0s0-account", count=1)
        await peer.send("p0s0-account", [[35, "1"], [112, "after the gap"]])
        await peer.until(lambda: floor.asked, "asked for the state")
        with trio.fail_after(20):
            async for event in events:
                if event["type"] == "order.fill_gap":
                    assert event["order"]["client_order_id"] == "rest-1"
                    break
        await peer.send("p0s0-account", floor.execution("rest-1", "0.006"))
        assert float((await until(desk, "rest-1", status="FILLED"))["filled_quantity"]) == 0.006
        await until(desk, "rest-2", status="OPEN")
        assert set(floor.asked) == {"rest-1", "rest-2"} and not peer.of("2") and not peer.downs and not peer.refusals()
        assert [line["event"] for line in made.log()].count("gap") == 1


async def test_garbled_messages_over_tls_are_passed_over_and_asked_about(tmp_path: Path) -> None:
    """The engine lets a text hold a field separator, and frames what cannot be read back."""
    async with against_quickfix(tmp_path, sessions=2) as (peer, floor, desk, made):
        await desk.submit(client_order_id="rest-1", session="p0s0", **TERMS)
        await until(desk, "rest-1", status="OPEN")
        spoilt = floor.report("rest-1", "D", "0")
        await peer.send("p0s0-account", [*spoilt, [58, "no\x01field"]])
        await peer.send("p0s0-account", [*spoilt, [58, "a\x018=FIX.4.2\x019=5\x01frame"]])
        await settle(lambda: [e["event"] for e in made.log()].count("garbled") >= 2, "told of what was garbled")
        await peer.send("p0s0-account", floor.execution("rest-1", "0.004"))
        await peer.until(lambda: floor.asked, "asked for the state")
        await peer.send("p0s0-account", floor.execution("rest-1", "0.006"))
        assert float((await until(desk, "rest-1", status="FILLED"))["filled_quantity"]) == 0.01
        assert (await states(desk))["p0s0"]["state"] == "ACTIVE"
        assert not peer.of("2") and not peer.of("3") and not peer.downs


async def test_an_abrupt_close_leaves_orders_in_doubt_until_the_venue_says_more(tmp_path: Path) -> None:
    async with against_quickfix(tmp_path, sessions=3) as (peer, floor, desk, _), desk.subscribe() as events:
        await desk.submit(client_order_id="silent-1", session="p0s0", **TERMS)
        await desk.submit(client_order_id="rest-1", session="p0s0", **TERMS)
        await until(desk, "rest-1", status="OPEN")
        await peer.until(lambda: "silent-1" in floor.orders, "the order that is not answered")
        await peer.do("cut", "p0s0-account")
        with trio.fail_after(20):
            async for event in events:
                if event["type"] == "order.in_doubt":
                    assert event["order"]["client_order_id"] == "silent-1"
                    break
        await peer.until(lambda: peer.ups.count("p0s0-account") == 2, "back")
        assert [each[34] for each in peer.of("A", "p0s0-account")] == ["1", "1"]
        assert all(each.signed for each in peer.of("A"))
        await peer.until(lambda: "rest-1" in floor.asked, "asked for the order that was open")
        for late in (*floor.taken("silent-1"), floor.execution("silent-1", "0.01")):
            await peer.send("p0s0-account", late)
        await until(desk, "silent-1", status="FILLED", in_doubt=False)
        await desk.cancel("rest-1")
        await until(desk, "rest-1", status="CANCELLED")
        assert sorted(each[11] for each in peer.of("D")) == ["rest-1", "silent-1"]
        assert peer.downs == ["p0s0-account"] and not peer.of("2") and not peer.refusals()


async def test_a_logout_with_a_text_is_answered_told_and_survived(tmp_path: Path) -> None:
    async with against_quickfix(tmp_path, sessions=2) as (peer, _, desk, _made):
        await peer.do("logout", "p0s1-account", text="see you after lunch")
        await peer.until(lambda: peer.of("5", "p0s1-account"), "an answering Logout")
        with trio.fail_after(20):
            while "see you after lunch" not in ((await states(desk))["p0s1"]["last_error"] or ""):
                await trio.sleep(0.05)
        await desk.submit(client_order_id="fill-1", **TERMS)
        assert (await until(desk, "fill-1", status="FILLED"))["session"] == "p0s0"
        await peer.do("logon", "p0s1-account")
        await until_ready(desk)
        assert peer.ups.count("p0s1-account") == 2 and not peer.refusals()


async def test_junk_and_resets_on_a_plain_connection_cost_no_order(tmp_path: Path) -> None:
    """What comes in pieces of a few bytes, with noise in between and a reset in the middle of a message."""
    noise = b"\x00\xff8=FIX.4.2\x019=banana\x01 8=FIX.4.2\x019=10\x0135=0\x0134=7\x0110=000\x01"
    half = b"8=FIX.4.2\x019=200\x0135=8\x0134=3\x0149=COIN\x01"
    async with against_quickfix(tmp_path, sessions=1, tls=False, proxied=True) as (peer, floor, desk, made):

        def command(line: str) -> None:
            pipe = made.processes["proxy"].stdin
            assert pipe is not None
            pipe.write(line.encode() + b"\n")
            pipe.flush()

        command(f"inject {noise.hex()}")
        await desk.submit(client_order_id="fill-1", **TERMS)
        assert float((await until(desk, "fill-1", status="FILLED"))["filled_quantity"]) == 0.01
        assert not peer.downs and any(line["event"] == "garbled" for line in made.log())
        await desk.submit(client_order_id="rest-1", **TERMS)
        await until(desk, "rest-1", status="OPEN")
        command(f"inject {half.hex()}")
        command("break")
        await peer.until(lambda: peer.ups.count("p0s0-account") == 2, "back after a reset")
        await peer.until(lambda: "rest-1" in floor.asked, "asked for the order that was open")
        await until_ready(desk)
        await desk.cancel("rest-1")
        await until(desk, "rest-1", status="CANCELLED")
        assert not peer.of("2") and not peer.refusals()
        proxied = made.processes["proxy"]
        assert proxied.stdin is not None
        proxied.stdin.close()
