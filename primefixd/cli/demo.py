"""`primefixd demo`: venue, daemon and clients in one command, without configuration, on the loopback alone."""

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import click
import trio
from attrs import asdict, define, field, frozen

from primefixd import daemon, logs
from primefixd.cli import accounting
from primefixd.cli.output import Failure, say, say_json, say_pairs, say_table
from primefixd.cli.run import starting_failure
from primefixd.cli.sandbox import accounts_of
from primefixd.cli.scenario import Followed, Picture, Planned, plan
from primefixd.client import Client, Refused, connect
from primefixd.clock import Moment
from primefixd.config import Settings
from primefixd.control.settings import ClientSettings, ControlSettings, Right
from primefixd.dispatch.calendar import Schedule
from primefixd.runtime.ports import Ports, system_ports
from primefixd.runtime.settings import PortfolioSettings, SessionSettings, VenueSettings
from primefixd.sandbox import venue
from primefixd.sandbox.certificates import make_certificates, server_tls
from primefixd.sandbox.settings import ORDERS_PER_SECOND_MAX, SandboxSettings
from primefixd.secret import Secret

CLIENTS = ("alice", "bob", "carol")
READY_S = 20.0  # for all sessions to be logged on; then the demo goes on with those that are
BUDGET_AT_START = 40  # messages that a session may send at once: a new connection begins with a spent budget
SETTLE_S = 20.0  # after the last submission, for every order to be final; then the demo has failed
TTL_MS = 3_600_000  # faster clients than the rate allows are meant to queue, not to expire
PROBLEMS_SHOWN_MAX = 20  # of those that are not accounted for; --json has all of them
ORDERS_PER_SECOND = 45  # a portfolio, by default: venue and clients share this process, and a busy machine delays all


@frozen
class Shape:
    """What the command line asked for. `rate` is new orders a second, over all portfolios."""

    portfolios: int
    sessions: int
    orders: int
    rate: float
    control_port: int


@frozen
class Outcome:
    """What there is to show at the end. `busiest` is the venue's worst sliding second, by session name."""

    picture: Picture
    problems: list[str]
    sessions: Sequence[Mapping[str, Any]]
    busiest: Mapping[str, int]
    rejected_for_rate: int


@define
class Show:
    """One demo on its way: what its clients know, for whoever watches."""

    shape: Shape
    ports: Ports
    picture: Picture = field(factory=Picture)
    logged_on: int = 0
    news: trio.Event = field(factory=trio.Event)

    def line(self) -> str:
        counts = self.picture.statuses()
        ended = ", ".join(f"{counts[s]} {s.lower()}" for s in ("FILLED", "CANCELLED", "REJECTED") if counts[s])
        sessions = f"{self.logged_on}/{self.shape.portfolios * self.shape.sessions} sessions"
        return f"{sessions}, {len(self.picture.orders)}/{self.shape.orders} orders: {ended or 'none final yet'}"


@click.command()
@click.option("--portfolios", default=1, show_default=True, type=click.IntRange(1, 20), help="Portfolios to run.")
@click.option("--sessions", default=7, show_default=True, type=click.IntRange(1, 7), help="FIX sessions for each.")
@click.option("--orders", default=200, show_default=True, type=click.IntRange(1, 100_000), help="Orders in all.")
@click.option("--rate", type=click.FloatRange(0.1, 10_000), help="Orders a second, in all.  [default: 45 a portfolio]")
@click.option("--control-port", default=0, type=click.IntRange(0, 65_535), help="The daemon's.  [default: any free]")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON document, and no progress.")
def demo(portfolios: int, sessions: int, orders: int, rate: float | None, control_port: int, as_json: bool) -> None:
    """A venue, the daemon and three clients, in this one process, with nothing outside the loopback.

    Ends with 0 only if every order came to its right final state, by the clients' events and the venue's own book.

    Example: primefixd demo --orders 1000
    """
    shape = Shape(portfolios, sessions, orders, rate or ORDERS_PER_SECOND * portfolios, control_port)
    logs.set_up(level="error")
    try:
        outcome = trio.run(_run, shape, not as_json)
    except (OSError, BaseExceptionGroup) as error:
        raise starting_failure(error, "choose another --control-port") from None
    summary = _summary(outcome)
    say_json(summary) if as_json else _print(summary)
    if outcome.problems:
        raise Failure(f"{len(outcome.problems)} things are not accounted for; run with --json for all of them")


async def _run(shape: Shape, progress: bool) -> Outcome:
    show = Show(shape, system_ports())
    async with trio.open_nursery() as nursery:
        if progress:
            nursery.start_soon(_tell_progress, show)
        with tempfile.TemporaryDirectory() as folder:
            outcome = await _rehearse(show, Path(folder))
        nursery.cancel_scope.cancel()
    return outcome


async def _rehearse(show: Show, folder: Path) -> Outcome:
    """Start everything, trade, wait until it is settled, and compare."""
    portfolios = [_invent(f"portfolio-{n + 1}", show.shape.sessions) for n in range(show.shape.portfolios)]
    tokens = {name: _random() for name in CLIENTS}
    async with trio.open_nursery() as nursery:
        files = make_certificates(folder, "127.0.0.1")
        played = SandboxSettings(control_port=0, accounts=tuple(accounts_of(portfolios)))
        running = await nursery.start(venue.run, played, server_tls(files), show.ports.clock)
        settings = _settings(show.shape, portfolios, tokens, running.fix_port, files.ca_file, show.ports.clock())
        started: daemon.Daemon = await nursery.start(daemon.run, settings, show.ports)
        async with connect(f"ws://127.0.0.1:{running.control_port}") as oracle:
            async with connect(started.control_urls[0], tokens[CLIENTS[0]]) as client:
                await _until_ready(show, client)
                names = {each.name: [session.name for session in each.sessions] for each in portfolios}
                await _trade(show, started.control_urls[0], tokens, names)
                sessions = await client.sessions()
            book = (await oracle.call("venue.book"))["orders"]
            tallies = (await oracle.call("venue.sessions"))["sessions"]
        ids = {each.name: each.portfolio_id for each in portfolios}
        problems = accounting.discrepancies(show.picture, book, ids)
        started.stop()
        await started.stopped.wait()
        nursery.cancel_scope.cancel()
    owners = {session.service_account_id: session.name for each in portfolios for session in each.sessions}
    busiest = {owners[each["service_account_id"]]: each["busiest_second"] for each in tallies}
    too_fast = sum(count for each in tallies for why, count in each["rejected"].items() if "rate" in why)
    return Outcome(show.picture, problems, sessions, busiest, too_fast)


async def _until_ready(show: Show, client: Client) -> None:
    """Return when all sessions are logged on and may send, or after READY_S: the orders then show what is missing."""
    ready = 0
    with trio.move_on_after(READY_S):
        while ready < show.shape.portfolios * show.shape.sessions:
            await trio.sleep(0.05)
            active = [session for session in await client.sessions() if session["state"] == "ACTIVE"]
            show.logged_on, ready = len(active), sum(session["budget"] >= BUDGET_AT_START for session in active)


async def _trade(show: Show, url: str, tokens: Mapping[str, str], names: Mapping[str, list[str]]) -> None:
    planned = plan(show.shape.orders, len(CLIENTS), tuple(names), names)
    with trio.move_on_after(show.shape.orders / min(show.shape.rate, 40 * show.shape.portfolios) + SETTLE_S):
        async with trio.open_nursery() as nursery:
            begin = show.ports.clock().mono
            for number, name in enumerate(CLIENTS):
                own = [(begin + n / show.shape.rate, each) for n, each in enumerate(planned) if each.client == number]
                nursery.start_soon(_be_client, show, url, tokens[name], own)


async def _be_client(show: Show, url: str, token: str, own: Sequence[tuple[float, Planned]]) -> None:
    """One client program: submits its orders at their times, cancels some, and listens until all are final."""
    async with connect(url, token) as client, client.subscribe() as events, trio.open_nursery() as nursery:
        nursery.start_soon(_submit_all, show, client, own)
        mine = {(planned.portfolio, planned.key) for _, planned in own}
        async for event in events:
            order = event.get("order")
            if order is None or (order["portfolio"], order["client_order_id"]) not in mine:
                continue
            followed = show.picture.hear(event, show.ports.clock().mono)
            if followed is not None and followed.wants_cancel("open"):
                nursery.start_soon(_cancel, client, followed)
            if all(key in show.picture.orders and show.picture.orders[key].ended for key in mine):
                return


async def _submit_all(show: Show, client: Client, own: Sequence[tuple[float, Planned]]) -> None:
    for at, planned in own:
        await trio.sleep(max(at - show.ports.clock().mono, 0.0))
        followed = show.picture.submitted(planned, show.ports.clock().mono)
        try:
            await client.submit(
                portfolio=planned.portfolio, client_order_id=planned.key, ttl_ms=TTL_MS, **planned.terms
            )
        except Refused as refused:
            followed.refused = refused.message
        if followed.wants_cancel("at once"):
            await _cancel(client, followed)


async def _cancel(client: Client, followed: Followed) -> None:
    followed.cancelled = True
    try:
        await client.cancel(followed.planned.key, portfolio=followed.planned.portfolio)
    except Refused as refused:
        followed.surprises.append(f"the cancel was refused: {refused.message}")


async def _tell_progress(show: Show) -> None:
    """A line that renews itself on a terminal, a plain line every second elsewhere."""
    terminal = sys.stdout.isatty()
    while True:
        await trio.sleep(0.2 if terminal else 1.0)
        if terminal:
            sys.stdout.write(f"\r\x1b[2K{show.line()}")
            sys.stdout.flush()
        else:
            say(show.line())


# What everything is set up with


def _random() -> str:
    return os.urandom(24).hex()


def _invent(name: str, sessions: int) -> PortfolioSettings:
    invented = [
        SessionSettings(
            name=f"{name}-{n + 1}",
            service_account_id=_random(),
            api_key=Secret(_random()),
            api_secret=Secret(_random()),
            passphrase=Secret(_random()),
        )
        for n in range(sessions)
    ]
    return PortfolioSettings(name=name, portfolio_id=_random(), sessions=tuple(invented))


def _far_from(now: Moment) -> Schedule:
    """A maintenance window that no demo meets: half a day away."""
    hour = (now.utc + timedelta(hours=12)).hour
    return Schedule(zone="UTC", start=time(hour), end=time(hour, 5))


def _settings(
    shape: Shape,
    portfolios: Sequence[PortfolioSettings],
    tokens: Mapping[str, str],
    fix_port: int,
    ca_file: Path,
    now: Moment,
) -> Settings:
    clients = [
        ClientSettings(name=name, token=Secret(token), portfolios=None, may=frozenset({Right.READ, Right.TRADE}))
        for name, token in tokens.items()
    ]
    return Settings(
        venue=VenueSettings(host="127.0.0.1", port=fix_port, ca_file=str(ca_file)),
        control=ControlSettings(listen=(f"127.0.0.1:{shape.control_port}",), clients=tuple(clients)),
        state_dir=ca_file.parent,
        rest=None,
        retention_days=7,
        quiet_ask_s=2.0,
        schedule=_far_from(now),
        portfolios=tuple(portfolios),
    )


# The last page


def _summary(outcome: Outcome) -> dict[str, Any]:
    picture = outcome.picture
    rate = accounting.orders_per_second(picture, ORDERS_PER_SECOND_MAX)
    return {
        "orders": dict(sorted(picture.statuses().items())),
        "fills": picture.fills,
        "sessions": [
            {
                "name": session["name"],
                "sent": session["sent"],
                "received": session["received"],
                "busiest_second": outcome.busiest[session["name"]],
                "round_trip_ms": session["round_trip_ms"],
            }
            for session in outcome.sessions
        ],
        "submit_to_acknowledgement": asdict(accounting.to_acknowledgement(picture)),
        "submit_to_wire": asdict(accounting.to_wire(picture)),
        "orders_per_second": None if rate is None else round(rate, 2),
        "orders_per_second_allowed": ORDERS_PER_SECOND_MAX,
        "rejected_for_rate": outcome.rejected_for_rate,
        "problems": outcome.problems,
    }


def _print(summary: Mapping[str, Any]) -> None:
    sys.stdout.write("\r\x1b[2K" if sys.stdout.isatty() else "")
    say_table(
        ["session", "sent", "received", "busiest second", "round trip ms"],
        [list(session.values()) for session in summary["sessions"]],
    )
    say()
    pairs = [(status, count) for status, count in summary["orders"].items()]
    pairs += [("fills", summary["fills"])]
    for name in ("submit_to_acknowledgement", "submit_to_wire"):
        pairs.append((name.replace("_", " "), "p50 {p50_ms} ms, p99 {p99_ms} ms".format(**summary[name])))
    pairs.append(("new orders", _rate(summary["orders_per_second"], summary["orders_per_second_allowed"])))
    pairs.append(("rejected for rate", summary["rejected_for_rate"]))
    say_pairs(pairs)
    say()
    for problem in summary["problems"][:PROBLEMS_SHOWN_MAX]:
        say(f"NOT ACCOUNTED FOR  {problem}")
    if not summary["problems"]:
        total = sum(summary["orders"].values())
        say(f"All {total} orders are accounted for: the clients and the venue's book agree on every status and fill.")


def _rate(used: float | None, allowed: int) -> str:
    if used is None:
        return "too few to tell how much of the allowed rate was used"
    return f"{used} a second a portfolio, {100 * used / allowed:.0f} % of the allowed"
