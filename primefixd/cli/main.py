"""The `primefixd` program: finds the module of a command, runs it, and turns how it ended into an exit code.

Modules of commands are imported only when their command is asked for, so that help and refusals come at once. No
traceback is shown for anything that a user can cause; what is still raised here is a bug, and shows one.
"""

import os
import sys
from importlib import import_module

import click

from primefixd.cli.output import Exit, Failure, innermost, warn

_COMMANDS = {  # name: module of primefixd.cli, what it does in one line
    "run": ("run", "Run the daemon in the foreground."),
    "check": ("run", "Check a configuration and report every mistake."),
    "demo": ("demo", "Run venue, daemon and clients in one command."),
    "sandbox": ("sandbox", "Run the imitation venue alone."),
    "status": ("look", "Show the daemon at one glance."),
    "sessions": ("look", "List the FIX sessions."),
    "orders": ("look", "List orders."),
    "order": ("look", "Show one order."),
    "tail": ("look", "Follow events as they happen."),
    "submit": ("trade", "Submit an order."),
    "replace": ("trade", "Give an order new terms."),
    "cancel": ("trade", "Cancel an order."),
    "cancel-all": ("trade", "Cancel every open order."),
    "rfq": ("quotes", "Ask for a quote and wait for it."),
    "accept-quote": ("quotes", "Trade at a quote."),
    "halt": ("steer", "Refuse new orders, until resumed."),
    "resume": ("steer", "Take new orders again."),
    "restart": ("steer", "Log sessions out and on again."),
    "journal": ("journal", "Verify, back up or export the journal."),
    "import-quickfix": ("import_quickfix", "Make a configuration of a QuickFIX one."),
    "fetch-certificate": ("certificates", "Show a server's certificates as PEM."),
    "decode": ("decode", "Show FIX messages as readable lines."),
}


class _Program(click.Group):
    """Commands by name, their modules imported when they are used."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"primefixd.cli.{_COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _COMMANDS.items()])


@click.group(
    cls=_Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Every command tells more with --help: primefixd submit --help",
)
@click.version_option(package_name="primefixd", message="%(prog)s %(version)s")
def program() -> None:
    """FIX sessions to Coinbase Prime behind one local WebSocket.

    Commands that look and trade find the daemon by --url, else $PRIMEFIXD_URL, else /run/primefixd/control.sock, else
    ws://127.0.0.1:8417, and show it the token of --token-file, else of $PRIMEFIXD_TOKEN.

    Exit codes: 0 done, 1 refused by the daemon or the venue, 2 wrong usage, 69 no daemon there, 78 wrong configuration.
    """


def main() -> None:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_run())


def _run() -> int:
    try:
        ended = program.main(prog_name="primefixd", standalone_mode=False)
        sys.stdout.flush()
        return ended if isinstance(ended, int) else 0
    except BaseException as error:
        code = _told(innermost(error))
        if code is None:
            raise
        return code


def _told(error: BaseException) -> int | None:
    """The exit code of a failure that has been told to the user; None for a bug."""
    match error:
        case Failure():
            warn(*error.lines)
            return error.code
        case click.ClickException():
            error.show()
            return error.exit_code
        case click.Abort() | KeyboardInterrupt():
            return Exit.INTERRUPTED
        case BrokenPipeError():  # as click ends it elsewhere: quietly, and so is the interpreter's last flush
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
    return None


if __name__ == "__main__":
    main()
