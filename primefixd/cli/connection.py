"""How commands reach the daemon: where it is, the token for it, and its errors as sentences with exit codes.

It retries nothing: what a lost connection leaves open is told, and what to ask then.
"""

import functools
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
import trio
from attrs import field, frozen

from primefixd.cli.output import Exit, Failure
from primefixd.client import Client, ConnectionLost, EventsLost, Refused, Unreachable, connect, find, find_token

T = TypeVar("T")

UNAUTHORIZED = 401
_SENT = {"no": "nothing was sent to the venue", "unknown": "it may have been sent: ask with `primefixd order`"}


@frozen
class Daemon:
    """Where the daemon is, and what to show it."""

    url: str
    token: str | None = field(repr=False)


def daemon_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --url, --token-file and --json to a command, which gets them as `daemon` and `as_json`."""

    @click.option("--url", help="Where the daemon is: ws://HOST:PORT or unix:PATH.")
    @click.option("--token-file", type=click.Path(path_type=Path), help="A file whose first line is the token.")
    @click.option("--json", "as_json", is_flag=True, help="JSON for programs.")
    @functools.wraps(command)
    def finding(url: str | None, token_file: Path | None, **rest: Any) -> Any:
        return command(daemon=_found(url, token_file), **rest)

    return finding


def _found(url: str | None, token_file: Path | None) -> Daemon:
    place = find(url, os.environ)
    if not place.startswith(("ws://", "unix:")):
        raise click.UsageError(f"{place} is no URL of a daemon; give ws://HOST:PORT or unix:PATH")
    try:
        return Daemon(place, find_token(token_file, os.environ))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not text"
        raise click.UsageError(f"cannot read the token file {token_file}: {why}") from None


def ask(daemon: Daemon, job: Callable[[Client], Awaitable[T]], names: Mapping[str, str] | None = None) -> T:
    """What `job` returns, done with a client of the daemon. Raises Failure for all that can go wrong on the way.

    `names` says how the user knows a parameter that was no option of the command.
    """

    async def talk() -> T:
        async with connect(daemon.url, daemon.token) as client:
            return await job(client)

    try:
        return trio.run(talk)
    except Unreachable as unreachable:
        raise Failure(str(unreachable), code=Exit.NO_DAEMON) from None
    except ConnectionLost as lost:
        raise Failure(str(lost), code=Exit.NO_DAEMON) from None
    except EventsLost as lost:
        raise Failure(str(lost)) from None
    except Refused as refused:
        raise Failure(_sentence(refused, daemon, names or {})) from None


def _sentence(refused: Refused, daemon: Daemon, names: Mapping[str, str]) -> str:
    if refused.code == UNAUTHORIZED:
        known = "does not know the token" if daemon.token else "wants a token"
        return f"the daemon at {daemon.url} {known}; give that of a configured client with --token-file FILE"

    def known_as(found: re.Match[str]) -> str:
        return names.get(found[1]) or "--" + found[1].replace("_", "-")

    message = re.sub(r"\bparams\.(\w+)", known_as, refused.message).rstrip(".")
    notes = [refused.reason, _SENT.get(refused.data.get("sent", ""))]
    told = ", ".join(note for note in notes if note)
    return f"{message} ({told})" if told else message
