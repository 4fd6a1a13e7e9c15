"""How commands speak: tables and lines for people, JSON for programs, failures as one sentence with an exit code.

It decides no meaning. Text that came from outside passes `plain`, so that no peer can steer a terminal.
"""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

import click

WIDTH_CHARS = 80  # of tables, where the output is no terminal that tells its own


class Exit(IntEnum):
    """Exit codes (contract.md section 1); 69 and 78 are those of sysexits.h."""

    REFUSED = 1
    USAGE = 2
    NO_DAEMON = 69
    CONFIG = 78
    INTERRUPTED = 130


class Failure(Exception):
    """Ends the command: `lines` go to stderr as they are, one sentence each that says what to do next."""

    def __init__(self, *lines: str, code: Exit = Exit.REFUSED) -> None:
        super().__init__(*lines)
        self.lines = lines
        self.code = code


def innermost(error: BaseException) -> BaseException:
    """What trio's nurseries put groups around, where it is one thing."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def warn(*lines: str) -> None:
    """Sentences to stderr."""
    for line in lines:
        click.echo(plain(line), err=True)


def say(line: str = "") -> None:
    """One line to stdout, at once, so that a reader of a pipe sees it when it happens."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def say_json(value: object) -> None:
    """One JSON document on one line."""
    say(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def plain(text: object) -> str:
    """`text` with everything escaped that is not printable: control characters, line ends, lone surrogates."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in str(text))


def say_table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, folding: Sequence[str] = ()) -> None:
    """Columns of `rows`; those under `folding` headings break over lines where they must. None shows as –."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in headings:
        table.add_column(heading, no_wrap=heading not in folding, overflow="fold")
    for row in rows:
        table.add_row(*[Text("–" if cell is None else plain(cell)) for cell in row])
    _print(table)


def say_pairs(pairs: Iterable[tuple[str, object]]) -> None:
    """`name  value` lines, aligned; those without a value are left out."""
    known = [(name, plain(value)) for name, value in pairs if value is not None]
    width = max((len(name) for name, _ in known), default=0)
    for name, value in known:
        say(f"{name:<{width}}  {value}")


def _print(table: Any) -> None:
    from rich.console import Console

    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    console = Console(
        width=None if sys.stdout.isatty() else WIDTH_CHARS,
        color_system="auto" if coloured else None,
        highlight=False,
        emoji=False,
        markup=False,
    )
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        say(line.rstrip())


def moment(text: str | None) -> datetime | None:
    """A time of the control protocol (RFC 3339 in UTC); None for what is none."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC) if text else None
    except ValueError:
        return None


def span(seconds: float) -> str:
    """A length of time in words, coarse: `12 s`, `5 min`, `3 h 40 min`, `2 d 3 h`."""
    whole = int(abs(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"
