"""`primefixd journal verify|backup|export`: the journal seen from outside, whether a daemon uses it or not.

Nothing is asked of the daemon and nothing of its files is changed.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from primefixd.cli.output import Failure, say, say_json, say_pairs
from primefixd.cli.run import credentials_option, load_or_refuse
from primefixd.config import state_dir_of
from primefixd.control import render
from primefixd.runtime.feed import Event
from primefixd.runtime.store import StoreRefused, copying
from primefixd.runtime.store.copying import Summary

Command = TypeVar("Command", bound=Callable[..., Any])


@click.group(epilog="Example: primefixd journal backup /var/backups/primefixd/2026-03-02")
def journal() -> None:
    """Verify, back up or export the journal, also while the daemon runs.

    The journal is looked for in --state-dir, else where the configuration of --config has it, else in $STATE_DIRECTORY,
    else in ./state. Run it as the user that runs the daemon.
    """


def _folder_options(command: Command) -> Command:
    """--state-dir, --config and --credentials, of which the command gets the folder as `folder`."""

    def wrapped(state_dir: Path | None, file: Path | None, credentials: Path | None, **options: Any) -> None:
        configured = load_or_refuse(file, credentials).settings.state_dir if file and not state_dir else None
        try:
            command(folder=state_dir or configured or state_dir_of(os.environ), **options)
        except StoreRefused as error:
            raise Failure(str(error)) from None

    wrapped.__doc__, wrapped.__name__ = command.__doc__, command.__name__
    wrapped.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    for option in (
        credentials_option,
        click.option("--config", "file", metavar="FILE", type=click.Path(path_type=Path), help="The configuration."),
        click.option(
            "--state-dir", metavar="DIR", type=click.Path(path_type=Path), help="A state directory, or a backup."
        ),
    ):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]


_json_option = click.option("--json", "as_json", is_flag=True, help="JSON for programs.")


@journal.command(epilog="Example: primefixd journal verify --state-dir /var/backups/primefixd/2026-03-02")
@_folder_options
@_json_option
def verify(folder: Path, as_json: bool) -> None:
    """Read every row and check it against its checksum, and that no commit is missing.

    Exit code 0 only if all of it is whole. Works on a daemon's state directory and on a backup.
    """
    _show(copying.verify(folder), folder, "whole", as_json)


@journal.command(epilog="Example: primefixd journal backup /var/backups/primefixd/$(date +%F)")
@click.argument("to", metavar="FOLDER", type=click.Path(path_type=Path))
@_folder_options
@_json_option
def backup(to: Path, folder: Path, as_json: bool) -> None:
    """Copy the journal into a new FOLDER that nobody else can read, and verify the copy.

    To restore it: stop the daemon, move the files journal.* of its state directory away, copy those of FOLDER there,
    start the daemon. It asks the venue what became of the orders; clients begin anew with a snapshot.
    """
    _show(copying.backup(folder, to), to, "written and verified", as_json)


@journal.command(epilog="Example: primefixd journal export --from 4711 > events.jsonl")
@_folder_options
@click.option("--from", "after", metavar="CURSOR", type=click.IntRange(min=0), help="Only the events after this one.")
def export(folder: Path, after: int | None) -> None:
    """Print the events that are kept, oldest first, one JSON object a line, as `tail --json` shows them."""
    for stored in copying.events(folder, after):
        event = Event(stored.cursor, stored.time, stored.portfolio, stored.type, stored.text)
        told = json.loads(render.event(event, stored.cursor - 1))["params"]
        say(json.dumps({name: value for name, value in told.items() if name != "previous"}, ensure_ascii=False))


def _show(found: Summary, folder: Path, how: str, as_json: bool) -> None:
    if as_json:
        say_json(
            {
                "folder": str(folder),
                "journal": found.journal,
                "backup": found.backup,
                "commits": found.commits,
                "oldest": found.oldest,
                "newest": found.newest,
                "orders": found.orders,
            }
        )
        return
    say(f"{'backup' if found.backup else 'journal'} is {how}: {folder}")
    kept = f"{found.oldest} to {found.newest}" if found.newest >= found.oldest else "none"
    say_pairs(
        (
            ("journal", found.journal),
            ("commits", found.commits),
            ("events", kept),
            ("orders", found.orders),
        )
    )
