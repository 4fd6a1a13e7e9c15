"""`primefixd import-quickfix`: a QuickFIX session configuration as ours, on stdout.

Every value is written in double quotes as JSON writes it, which YAML reads alike, and every comment on one line: no
text of the file can become YAML of its own.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from attrs import frozen

from primefixd.cli.output import Failure, plain, say, warn
from primefixd.cli.quickfix import Imported, Kept, to_primefixd, too_many
from primefixd.cli.quickfix_file import FILE_MAX_BYTES, Note, read

MISTAKES_SHOWN_MAX = 20  # of a file that is none of QuickFIX's; the rest is counted
ID_TO_FILL_IN = "WRITE THE PORTFOLIO ID HERE"  # the blanks make `check` refuse it, with its line
CLIENT = "strategy-a"


@click.command("import-quickfix", epilog="Example: primefixd import-quickfix quickfix.cfg > primefixd.yaml")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
def import_quickfix(file: str) -> None:
    """Print a primefixd configuration made of the QuickFIX session settings in FILE.

    Settings of QuickFIX, QuickFIX/J, QuickFIX/n and QuickFIX/Go are known. What does not carry over stands in comments,
    with why. Secrets are not taken: each session names the credentials that it needs. `primefixd check` tells what
    is still to be filled in.
    """
    sections = read(_content(file))
    if sections.mistakes:
        raise Failure(*_sentences(file, sections.mistakes))
    imported = to_primefixd(sections)
    if isinstance(imported, tuple):
        raise Failure(*_sentences(file, imported))
    for line in _lines(imported, file):
        say(line)
    if imported.refused:
        raise Failure(*_sentences(file, imported.refused))
    warn("fill in what is missing: primefixd check --config FILE --credentials DIR names it")


def _content(file: str) -> bytes:
    try:
        with click.open_file(file, "rb") as stream:
            content: bytes = stream.read(FILE_MAX_BYTES + 1)
            return content
    except OSError as error:
        raise Failure(f"cannot read {file}: {error.strerror}; give a file that you may read") from None


def _sentences(file: str, notes: Sequence[Note]) -> Iterator[str]:
    for note in notes[:MISTAKES_SHOWN_MAX]:
        yield f"{file}:{note.line}: {note.what}"
    if len(notes) > MISTAKES_SHOWN_MAX:
        yield f"{file}: {len(notes) - MISTAKES_SHOWN_MAX} more lines are wrong; is it a QuickFIX configuration?"


def _lines(imported: Imported, file: str) -> Iterator[str]:
    portfolios = list(_portfolios(imported))
    yield f"# Made from {plain(Path(file).name)} by `primefixd import-quickfix`."
    yield "# Secrets are files in $CREDENTIALS_DIRECTORY or --credentials DIR. Each session needs three: NAME.key,"
    yield "# NAME.secret and NAME.passphrase. The client's token is any long random text."
    for note in imported.refused:
        yield f"# Line {note.line}: {plain(note.what)}."
    if imported.left_out:
        yield "# What does not carry over, and why:"
    for note in imported.left_out:
        yield f"#   line {note.line}, {plain(note.what)}"
    yield ""
    yield from _venue(imported)
    yield from _control(portfolios)
    yield "portfolios:"
    for portfolio in portfolios:
        yield from portfolio.lines()


@frozen
class _Portfolio:
    name: str
    id: str | None
    sessions: tuple[tuple[str, Kept], ...]

    def lines(self) -> Iterator[str]:
        yield f"  - name: {_quoted(self.name)}"
        remark = "" if self.id else "  # not in the file; the venue shows it with the portfolio"
        yield f"    portfolio_id: {_quoted(self.id or ID_TO_FILL_IN)}{remark}"
        if too_many(tuple(kept for _, kept in self.sessions)):
            yield "    # more sessions than the venue takes for a portfolio, which is 7: remove some, or move them"
        yield "    risk: none  # or limits, such as order_quote_value_max; the sample configuration has all"
        yield "    sessions:"
        for name, kept in self.sessions:
            yield f"      - name: {_quoted(name)}  # line {kept.line}"
            yield f"        service_account_id: {_quoted(kept.service_account_id)}"
            yield f"        api_key: {{credential: {_quoted(f'{name}.key')}}}"
            yield f"        api_secret: {{credential: {_quoted(f'{name}.secret')}}}"
            yield f"        passphrase: {{credential: {_quoted(f'{name}.passphrase')}}}"
            yield f"        role: {kept.role}"
            yield f"        heartbeat_s: {kept.heartbeat_s}"


def _portfolios(imported: Imported) -> Iterator[_Portfolio]:
    """Names are the sessions' own qualifiers where they are there and differ, else numbers."""
    taken: set[str] = set()
    for number, (portfolio_id, sessions) in enumerate(imported.sessions.items(), 1):
        name = "main" if len(imported.sessions) == 1 else f"portfolio-{number}"
        named = []
        for count, kept in enumerate(sessions, 1):
            own = kept.named if kept.named not in taken else None
            named.append((own or _free(f"{name}-{count}", taken), kept))
            taken.add(named[-1][0])
        yield _Portfolio(name, portfolio_id, tuple(named))


def _free(name: str, taken: set[str]) -> str:
    return name if name not in taken else _free(f"{name}-x", taken)


def _venue(imported: Imported) -> Iterator[str]:
    venue = imported.venue
    yield "venue:"
    yield f"  host: {_quoted(venue.host)}"
    yield f"  port: {venue.port}"
    yield f"  tls: {'true' if venue.tls else 'false'}"
    if venue.ca_file is not None:
        yield f"  ca_file: {_quoted(venue.ca_file)}  # a relative path starts from the folder of this file"
    if venue.server_name is not None:
        yield f"  server_name: {_quoted(venue.server_name)}"


def _control(portfolios: Sequence[_Portfolio]) -> Iterator[str]:
    names = ", ".join(_quoted(portfolio.name) for portfolio in portfolios)
    yield "control:"
    yield '  listen: ["127.0.0.1:8417"]'
    yield "  clients:  # the programs that trade through the daemon"
    yield f"    - name: {_quoted(CLIENT)}"
    yield f"      token: {{credential: {_quoted(f'{CLIENT}.token')}}}"
    yield f"      portfolios: [{names}]"
    yield "      may: [read, trade]"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
