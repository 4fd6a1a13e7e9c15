"""Commands that steer a running daemon: `halt`, `resume`, `restart`. Without a portfolio they mean all, and ask."""

from typing import Any

import click

from primefixd.cli.connection import Daemon, ask, daemon_options
from primefixd.cli.output import Failure, say, say_json
from primefixd.client import JSON, Client

portfolio_option = click.option("--portfolio", metavar="P", help="Only this portfolio; all if left out.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask, also if it means all portfolios.")


@click.command(epilog="Example: primefixd halt --portfolio main --cancel-open")
@portfolio_option
@click.option("--cancel-open", is_flag=True, help="Cancel what is open, too.")
@yes_option
@daemon_options
def halt(daemon: Daemon, as_json: bool, portfolio: str | None, cancel_open: bool, yes: bool) -> None:
    """Refuse new orders until `resume`, also over restarts; what queues ends, and cancels go on.

    Needs a client with the right to admin.
    """
    _sure("halt", portfolio, yes)
    params: dict[str, Any] = {"portfolio": portfolio or "*", "cancel_open": cancel_open}
    _steer(daemon, "portfolio.halt", params, as_json, f"halted {portfolio or 'all portfolios'}")


@click.command(epilog="Example: primefixd resume --portfolio main")
@portfolio_option
@yes_option
@daemon_options
def resume(daemon: Daemon, as_json: bool, portfolio: str | None, yes: bool) -> None:
    """Take new orders again after a `halt`. Needs a client with the right to admin."""
    _sure("resume", portfolio, yes)
    _steer(daemon, "portfolio.resume", {"portfolio": portfolio or "*"}, as_json, f"resumed {portfolio or 'all'}")


@click.command(epilog="Example: primefixd restart --session main-1")
@portfolio_option
@click.option("--session", metavar="S", help="Only this session; the portfolio stays open meanwhile.")
@yes_option
@daemon_options
def restart(daemon: Daemon, as_json: bool, portfolio: str | None, session: str | None, yes: bool) -> None:
    """Log sessions out and on again, as the day does at 17:00 New York; orders are asked about afterwards.

    Needs a client with the rights to admin, and to read if no portfolio is named.
    """
    if session is not None:
        params = {"session": session}
        if portfolio is not None:
            raise Failure("name a session or a portfolio, not both")
        _steer(daemon, "session.restart", params, as_json, f"restarting {session}")
        return
    _sure("restart", portfolio, yes)

    async def each(client: Client) -> JSON:
        names = [portfolio] if portfolio else [found["name"] for found in await client.portfolios()]
        for name in names:
            await client.call("session.restart", portfolio=name)
        return {"restarting": names}

    told = ask(daemon, each)
    say_json(told) if as_json else say(f"restarting every session of {', '.join(told['restarting'])}")


def _sure(what: str, portfolio: str | None, yes: bool) -> None:
    """Raises click.Abort if the user would rather not."""
    if portfolio is None and not yes:
        click.confirm(f"{what} all portfolios?", abort=True, err=True)


def _steer(daemon: Daemon, method: str, params: dict[str, Any], as_json: bool, done: str) -> None:
    told = ask(daemon, lambda client: client.call(method, **params))
    say_json(told) if as_json else say(done)
