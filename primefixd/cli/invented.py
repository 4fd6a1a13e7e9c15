"""Accounts that the sandbox makes up when it plays for no configuration, and the configuration that goes with them.

Keys, secrets, passphrases and the client's token are random and kept, one a file, so that a configuration written once
goes on working. Nothing here listens or prints.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from primefixd.cli.output import Failure
from primefixd.cli.randomness import new_secret
from primefixd.runtime.settings import SESSIONS_PER_PORTFOLIO_MAX, SessionRole, VenueSettings
from primefixd.sandbox.settings import Account
from primefixd.secret import Secret

PORTFOLIOS = ("alpha", "beta")
TOKEN = "desk.token"
_HEADING = "# Made by `primefixd sandbox`, which writes it anew each time it starts; copy it before you change it.\n"
_SIZES = {"key": 15, "secret": 32, "passphrase": 9}  # random bytes


@frozen
class InventedSession:
    """One session of a made-up portfolio, and the account that it logs on with."""

    name: str
    portfolio: str
    role: SessionRole
    account: Account


@frozen
class Invented:
    """`directory` holds a file for each secret, named as {credential: NAME} names it."""

    directory: Path
    sessions: tuple[InventedSession, ...]

    @property
    def token_file(self) -> Path:
        return self.directory / TOKEN


def invent(directory: Path) -> Invented:
    """The accounts whose secrets are in `directory`; what is missing is made. Raises OSError."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    _kept(directory / TOKEN, 24)
    return Invented(directory, tuple(_sessions(directory)))


def _sessions(directory: Path) -> Iterator[InventedSession]:
    for number, portfolio in enumerate(PORTFOLIOS, 1):
        for place in range(1, SESSIONS_PER_PORTFOLIO_MAX + 1):
            last = place == SESSIONS_PER_PORTFOLIO_MAX
            name = f"{portfolio}-{'drop' if last else place}"
            account = Account(
                portfolio_id=f"00000000-0000-4000-8000-{number:012}",
                service_account_id=f"00000000-0000-4000-8000-{number:08}{place:04}",
                api_key=_kept(directory / f"{name}.key", _SIZES["key"]),
                api_secret=_kept(directory / f"{name}.secret", _SIZES["secret"]),
                passphrase=_kept(directory / f"{name}.passphrase", _SIZES["passphrase"]),
            )
            yield InventedSession(name, portfolio, SessionRole.DROP_COPY if last else SessionRole.ORDERS, account)


def _kept(path: Path, size: int) -> Secret:
    """The secret in the file, made of `size` random bytes if there is none yet."""
    with suppress(FileNotFoundError):
        return Secret(path.read_text().strip())
    text = new_secret(size)
    write_private(path, text + "\n")
    return Secret(text)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, never for a moment anybody else; whoever reads it sees all or none."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with open(fresh, "x", opener=_private, encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def write_configuration(
    path: Path, invented: Invented, venue: VenueSettings, rest_url: str | None, state_dir: Path
) -> None:
    """A configuration for `run`. Raises Failure for a file that the sandbox has not written, OSError if it cannot."""
    with suppress(FileNotFoundError):
        if not path.read_bytes().startswith(_HEADING.encode()):
            raise Failure(f"{path} is there and not of the sandbox's making; give --write-config another name")
    lines = _configuration(invented, venue, rest_url, state_dir)
    write_private(path, _HEADING + "".join(line + "\n" for line in lines))


def _configuration(invented: Invented, venue: VenueSettings, rest_url: str | None, state_dir: Path) -> Iterator[str]:
    def secret(name: str) -> str:
        return f"{{file: {_quoted(invented.directory / name)}}}"

    yield from ("venue:", f"  host: {venue.host}", f"  port: {venue.port}", f"  tls: {_quoted(venue.tls)}")
    yield f"  ca_file: {_quoted(venue.ca_file)}"
    yield from ("control:", "  listen: [127.0.0.1:8417]", "  clients:", "    - name: desk")
    yield from (f"      token: {secret(TOKEN)}", '      portfolios: "*"', "      may: [read, trade, admin]")
    if rest_url is not None:
        yield from ("rest:", f"  url: {_quoted(rest_url)}")
    yield from (f"state_dir: {_quoted(state_dir)}", "portfolios:")
    for name in PORTFOLIOS:
        sessions = [session for session in invented.sessions if session.portfolio == name]
        yield from _portfolio(name, sessions, secret)


def _portfolio(name: str, sessions: list[InventedSession], secret: Callable[[str], str]) -> Iterator[str]:
    yield from (f"  - name: {name}", f"    portfolio_id: {sessions[0].account.portfolio_id}")
    yield from ("    risk: none", "    sessions:")
    for session in sessions:
        yield f"      - name: {session.name}"
        yield f"        service_account_id: {session.account.service_account_id}"
        yield f"        api_key: {secret(session.name + '.key')}"
        yield f"        api_secret: {secret(session.name + '.secret')}"
        yield f"        passphrase: {secret(session.name + '.passphrase')}"
        yield f"        role: {session.role}"


def _quoted(value: Path | str | bool | None) -> str:
    """JSON is YAML, whatever stands in a path."""
    return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)
