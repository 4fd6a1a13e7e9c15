"""`primefixd sandbox`: the imitation venue, for a daemon's configuration or with accounts of its own.

Here is what it is set up with, which files it leaves and what it prints; how it behaves is in `primefixd.sandbox`.
"""

import os
import signal
import ssl
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import click
import trio
from attrs import evolve, frozen

from primefixd import logs
from primefixd.cli.invented import Invented, invent, write_configuration
from primefixd.cli.output import Exit, Failure, say, say_json, say_pairs, say_table, warn
from primefixd.cli.run import credentials_option, load_or_refuse, secrets_of, starting_failure
from primefixd.runtime.ports import system_clock
from primefixd.runtime.settings import PortfolioSettings, VenueSettings
from primefixd.sandbox import venue
from primefixd.sandbox.certificates import make_certificates, server_tls
from primefixd.sandbox.rest import PREFIX as REST_PREFIX
from primefixd.sandbox.settings import Account, SandboxSettings
from primefixd.sandbox.venue import Running
from primefixd.secret import Secret
from primefixd.websocket import is_loopback

FIX_PORT = 4198  # the venue's own (prime-fix.md section 1)
_port = click.IntRange(0, 65535)


@frozen(kw_only=True)
class Plan:
    """What to play. `venue` is how a daemon reaches it; `invented` is None for a configuration's accounts."""

    venue: VenueSettings
    accounts: tuple[Account, ...]
    secrets: tuple[Secret, ...]
    state_dir: Path
    invented: Invented | None = None


@click.command(
    epilog="Example: primefixd sandbox --write-config sandbox.yaml & sleep 1; primefixd run --config sandbox.yaml"
)
@click.option(
    "--config", "file", metavar="FILE", type=click.Path(path_type=Path), help="Play the venue for this configuration."
)
@credentials_option
@click.option("--port", type=_port, help=f"FIX port, 0 for any free one.  [default: venue.port, or {FIX_PORT}]")
@click.option("--control-port", type=_port, help="Serve the control port there (loopback, no authentication).")
@click.option("--rest-port", type=_port, help="Serve the REST endpoints there (loopback, plain HTTP).")
@click.option("--rest-own-fill-ids", is_flag=True, help="Let REST call fills by other ids than FIX does.")
@click.option("--no-tls", is_flag=True, help="Plain TCP instead of TLS.")
@click.option("--state-dir", metavar="DIR", type=click.Path(path_type=Path), help="Where certificates and keys go.")
@click.option("--write-config", metavar="FILE", type=click.Path(path_type=Path), help="Write a configuration for run.")
@click.option("--limits-off", is_flag=True, help="Do not enforce the rate rules.")
@click.option("--seed", type=int, default=0, show_default=True, help="Fixes prices and fills.")
@click.option("--clock-offset", metavar="S", type=float, default=0.0, help="Shift its clock by so many seconds.")
@click.option("--json", "as_json", is_flag=True, help="Tell where everything is as one JSON document.")
def sandbox(
    file: Path | None, credentials: Path | None, port: int | None, no_tls: bool, state_dir: Path | None,
    write_config: Path | None, as_json: bool, control_port: int | None, rest_port: int | None, rest_own_fill_ids: bool,
    limits_off: bool, seed: int, clock_offset: float,
) -> None:  # fmt: skip
    """Play Coinbase Prime on this machine, until Ctrl-C or SIGTERM.

    With --config it is the venue of that configuration: same address, TLS and accounts. Without, it makes two
    portfolios of seven sessions, with random keys that it keeps in the state directory, and --write-config writes a
    configuration with which `primefixd run` connects to it.
    """
    if file is not None and write_config is not None:
        raise click.UsageError("--write-config writes what --config is; give one of the two")
    try:
        plan = _configured(file, credentials, state_dir) if file else _invented(state_dir)
        plan = evolve(plan, venue=_settled(plan.venue, port, no_tls))
        settings = SandboxSettings(
            host=plan.venue.host,
            port=plan.venue.port,
            control_port=control_port,
            rest_port=rest_port,
            rest_own_fill_ids=rest_own_fill_ids,
            accounts=plan.accounts,
            limits=not limits_off,
            seed=seed,
            clock_offset_s=clock_offset,
        )
        logs.set_up(plan.secrets)
        trio.run(_play, settings, plan, partial(_tell, plan, write_config, as_json))
    except (OSError, BaseExceptionGroup) as error:
        raise starting_failure(error, "give another --port, --control-port, --rest-port or --state-dir") from None


def _configured(file: Path, credentials: Path | None, state_dir: Path | None) -> Plan:
    loaded = load_or_refuse(file, credentials, ca_file_required=False)
    warn(*loaded.warnings)
    settings = loaded.settings
    if not is_loopback(settings.venue.host):
        what = f"venue.host: is {settings.venue.host}, and the sandbox plays on this machine only; set it to 127.0.0.1"
        raise Failure(f"{file}: {what}", code=Exit.CONFIG)
    return Plan(
        venue=settings.venue,
        accounts=tuple(accounts_of(settings.portfolios)),
        secrets=tuple(secrets_of(settings)),
        state_dir=(state_dir or settings.state_dir).absolute(),
    )


def accounts_of(portfolios: Iterable[PortfolioSettings]) -> Iterator[Account]:
    """What the venue knows of a daemon's sessions."""
    for portfolio in portfolios:
        for session in portfolio.sessions:
            yield Account(
                portfolio_id=portfolio.portfolio_id,
                service_account_id=session.service_account_id,
                api_key=session.api_key,
                api_secret=session.api_secret,
                passphrase=session.passphrase,
            )


def _invented(state_dir: Path | None) -> Plan:
    told = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    place = (state_dir or Path(told or "state")).absolute()
    own = invent(place / "sandbox" / "credentials")
    accounts = tuple(session.account for session in own.sessions)
    secrets = tuple(secret for each in accounts for secret in (each.api_key, each.api_secret, each.passphrase))
    own_venue = VenueSettings(host="127.0.0.1", port=FIX_PORT, ca_file=str(place / "sandbox" / "ca.pem"))
    return Plan(venue=own_venue, accounts=accounts, secrets=secrets, state_dir=place, invented=own)


def _settled(told: VenueSettings, port: int | None, no_tls: bool) -> VenueSettings:
    tls = told.tls and not no_tls
    return evolve(told, port=told.port if port is None else port, tls=tls, ca_file=told.ca_file if tls else None)


async def _play(settings: SandboxSettings, plan: Plan, tell: Callable[[Running], None]) -> None:
    """Serve until SIGTERM; Ctrl-C comes out as KeyboardInterrupt."""
    tls = _tls(plan) if plan.venue.tls else None
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            tell(await nursery.start(venue.run, settings, tls, system_clock))
            await anext(signals)
            nursery.cancel_scope.cancel()


def _tls(plan: Plan) -> ssl.SSLContext:
    """TLS with a certificate of the sandbox's own, whose CA is put where the configuration looks for it."""
    certificates = make_certificates(plan.state_dir / "sandbox", plan.venue.server_name or plan.venue.host)
    own_ca = certificates.ca_file.read_bytes()
    if plan.venue.ca_file is None:
        warn(f"venue.ca_file is null, so no daemon will trust this venue; set it to {certificates.ca_file}")
    elif plan.invented or not Path(plan.venue.ca_file).exists():
        Path(plan.venue.ca_file).write_bytes(own_ca)
    elif own_ca.strip() not in Path(plan.venue.ca_file).read_bytes():
        what = f"{plan.venue.ca_file} holds another CA than the sandbox's, so no daemon will trust this venue"
        raise Failure(f"{what}; remove the file, and it is written anew", code=Exit.CONFIG)
    return server_tls(certificates)


def _tell(plan: Plan, write_config: Path | None, as_json: bool, running: Running) -> None:
    """Where everything is, now that it is known; the configuration is written before anybody is told of it."""
    place = evolve(plan.venue, port=running.fix_port)
    rest_url = None if running.rest_port is None else f"http://127.0.0.1:{running.rest_port}{REST_PREFIX}"
    if plan.invented and write_config:
        write_configuration(write_config, plan.invented, place, rest_url, plan.state_dir)
    told = {
        "venue": f"{place.host}:{place.port}",
        "tls": place.tls,
        "ca_file": place.ca_file,
        "control": None if running.control_port is None else f"ws://127.0.0.1:{running.control_port}",
        "rest": rest_url,
        "credentials": str(plan.invented.directory) if plan.invented else None,
        "token_file": str(plan.invented.token_file) if plan.invented else None,
        "config": str(write_config) if write_config else None,
    }
    if as_json:
        say_json(told)
        return
    say_pairs(told.items())
    say()
    if plan.invented:
        rows = [(each.name, each.account.service_account_id, each.account.api_key) for each in plan.invented.sessions]
        say_table(("SESSION", "SERVICE ACCOUNT", "API KEY"), [(*row, key.reveal()) for *row, key in rows])
    else:
        say_table(("PORTFOLIO", "SERVICE ACCOUNT"), [(a.portfolio_id, a.service_account_id) for a in plan.accounts])
