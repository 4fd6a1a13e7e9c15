"""`primefixd run` and `primefixd check`: both read the configuration in the same way, and only one acts on it."""

import os
from collections.abc import Iterator
from errno import EACCES, EADDRINUSE, EADDRNOTAVAIL, EINVAL, EISDIR, ENOENT, EPERM
from pathlib import Path

import click
import structlog
import trio

from primefixd import daemon, logs
from primefixd.cli.output import Exit, Failure, innermost, say, say_json, say_pairs, warn
from primefixd.config import ConfigError, Loaded, Settings, load
from primefixd.runtime.notify import from_environment
from primefixd.runtime.ports import system_ports
from primefixd.runtime.reloading import WrongIdentity
from primefixd.runtime.store import StoreRefused
from primefixd.secret import Secret

_log = structlog.get_logger()
_CANNOT_LISTEN = frozenset({EADDRINUSE, EACCES, EADDRNOTAVAIL, EINVAL, EISDIR, ENOENT, EPERM})

config_option = click.option(
    "--config", "file", metavar="FILE", type=click.Path(path_type=Path), required=True, help="The configuration."
)
credentials_option = click.option(
    "--credentials",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Where {credential: NAME} is looked for; else in $CREDENTIALS_DIRECTORY.",
)


@click.command(epilog="Example: primefixd run --config /etc/primefixd/primefixd.yaml --credentials /etc/primefixd/keys")
@config_option
@credentials_option
def run(file: Path, credentials: Path | None) -> None:
    """Run the daemon in the foreground, until SIGTERM or Ctrl-C.

    It logs to stderr: text on a terminal, else JSON. It does not start with a configuration that `check` complains of.
    """
    loaded = load_or_refuse(file, credentials)
    warn(*loaded.warnings)
    masking = logs.set_up(loaded.settings.secrets())

    def reread() -> Settings:
        again = load(file, credentials, os.environ)
        masking.learn(again.settings.secrets())
        return again.settings

    try:
        trio.run(daemon.run_until_signal, loaded.settings, system_ports(), from_environment(os.environ), reread)
    except Exception as error:
        remedy = f"end what uses that address, or change control.listen or metrics.listen in {file}"
        failure = starting_failure(error, remedy)
        if failure is error:  # a bug: its traceback may hold anything, and so goes the way of the log
            _log.critical("crashed", exc_info=error)
            failure = Failure("primefixd ended by a fault of its own; start it again, and report what its log says")
        raise failure from None


@click.command(epilog="Example: primefixd check --config primefixd.yaml --credentials keys")
@config_option
@credentials_option
@click.option("--connect", is_flag=True, help="Open TLS to the venue, too, and show its certificates.")
@click.option("--json", "as_json", is_flag=True, help="JSON for programs.")
def check(file: Path, credentials: Path | None, connect: bool, as_json: bool) -> None:
    """Check a configuration: report every mistake with its line, open no port.

    Everything that `run` would read is read, secrets included; their values are never shown. With --connect the venue
    is connected to as `run` would. Nobody is logged on: the venue's clock is read off its refusal of a Logon without
    credentials, so that sessions of a running daemon are not disturbed.
    """
    try:
        loaded = load(file, credentials, os.environ)
    except ConfigError as error:
        if as_json:
            say_json({"valid": False, "problems": error.problems, "warnings": []})
        raise Failure(*error.problems, code=Exit.CONFIG) from None
    from primefixd.cli.probe import probe

    counts = _counts(loaded.settings)
    account = loaded.settings.portfolios[0].sessions[0].service_account_id
    probed = probe(loaded.settings.venue, account) if connect else None
    warnings = (*loaded.warnings, *(probed.warnings if probed else ()))
    warn(*(f"{warning} (warning)" for warning in warnings))
    if as_json:
        connection = {"connection": probed.document()} if probed else {}
        say_json({"valid": True, "problems": [], "warnings": warnings} | counts | connection)
    else:
        words = (f"{count} {name if count != 1 else name.removesuffix('s')}" for name, count in counts.items())
        say(f"configuration is valid: {', '.join(words)}")
        say_pairs(probed.pairs() if probed else ())
    if probed and probed.refusal:
        raise Failure(probed.refusal)


def _counts(settings: Settings) -> dict[str, int]:
    return {
        "portfolios": len(settings.portfolios),
        "sessions": sum(len(portfolio.sessions) for portfolio in settings.portfolios),
        "clients": len(settings.control.clients),
    }


def load_or_refuse(file: Path, credentials: Path | None, *, ca_file_required: bool = True) -> Loaded:
    """The configuration in `file`; raises Failure with every problem that it has."""
    try:
        return load(file, credentials, os.environ, ca_file_required=ca_file_required)
    except ConfigError as error:
        raise Failure(*error.problems, code=Exit.CONFIG) from None


def secrets_of(settings: Settings) -> Iterator[Secret]:
    """Every secret of the configuration, to be masked in logs."""
    return settings.secrets()


def starting_failure(error: BaseException, remedy: str) -> BaseException:
    """A port, file or state that cannot be had, as a Failure that says what to do; whatever else, as it is."""
    first = innermost(error)
    if isinstance(first, StoreRefused | WrongIdentity):
        return Failure(str(first), code=Exit.CONFIG if isinstance(first, WrongIdentity) else Exit.REFUSED)
    if not isinstance(first, OSError) or (first.filename is None and first.errno not in _CANNOT_LISTEN):
        return error
    what = f"cannot use {first.filename}" if first.filename is not None else "cannot listen"
    return Failure(f"{what}: {first.strerror or first}; {remedy}")
