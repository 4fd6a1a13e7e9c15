"""`primefixd decode`: FIX messages as lines for people, with names beside numbers and words beside letters.

Secrets are masked in every form of output. What is wrong with a message is told under it.
"""

from collections.abc import Iterator, Mapping
from typing import IO

import click

from primefixd.cli.output import Failure, plain, say, say_json
from primefixd.cli.transcript import Found, Transcript
from primefixd.fix import tags
from primefixd.fix.message import SECRET_TAGS
from primefixd.prime import venue

READ_BYTES = 65_536
MASK = "…"

_SESSION_REJECTS = """
invalid tag number
required tag missing
tag not defined for this message type
undefined tag
tag without a value
value is incorrect
incorrect data format
decryption problem
signature problem
CompID problem
SendingTime accuracy problem
invalid MsgType
"""
_MEANINGS: Mapping[int, Mapping[str, str]] = {
    tags.MSG_TYPE: tags.MSG_TYPE_NAMES,
    tags.REF_MSG_TYPE: tags.MSG_TYPE_NAMES,
    tags.SIDE: venue.SIDES,
    tags.TIME_IN_FORCE: venue.TIMES_IN_FORCE,
    tags.EXEC_INST: {venue.POST_ONLY: "post only"},
    tags.EXEC_TRANS_TYPE: venue.TRANSACTIONS,
    tags.EXEC_TYPE: venue.REPORT_KINDS,
    tags.ORD_STATUS: venue.VENUE_STATUSES,
    tags.ORD_REJ_REASON: venue.REJECT_REASONS,
    tags.CXL_REJ_REASON: venue.CANCEL_REJECT_REASONS,
    tags.CXL_REJ_RESPONSE_TO: {"1": "cancel", "2": "replace"},
    tags.BUSINESS_REJECT_REASON: venue.BUSINESS_REJECT_REASONS,
    tags.SESSION_REJECT_REASON: {str(code): words for code, words in enumerate(_SESSION_REJECTS.splitlines()[1:])},
    tags.MISC_FEE_TYPE: venue.FEE_TYPES,
    tags.ORD_TYPE: {"1": "market", "2": "limit", "D": "previously quoted", "P": "pegged"},
    tags.ENCRYPT_METHOD: {"0": "none"},
    venue.TARGET_STRATEGY: {
        "L": "limit", "M": "market", "T": "TWAP", "V": "VWAP", "SL": "stop limit", "P": "peg", "R": "RFQ"
    },
    venue.PEG_OFFSET_TYPE: {"0": "price", "1": "basis points", "4": "cumulative base depth"},
    venue.DROP_COPY_FLAG: {"Y": "reports of all orders", "N": "reports of this session's orders"},
}  # fmt: skip


@click.command(epilog="Example: primefixd decode --json session.log | jq .name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True), default="-")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a message.")
def decode(file: str, as_json: bool) -> None:
    """Show the FIX messages in FILE, or in what is piped in, as readable lines.

    FILE may be bytes of the wire or a log with text around the messages, fields separated by SOH, | or ^A. Secrets are
    masked; a wrong BodyLength or CheckSum is told under the message.
    """
    count = 0
    try:
        with click.open_file(file, "rb") as stream:
            for found in _messages(stream):
                count += 1
                say_json(_document(found)) if as_json else _show(found)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise Failure(f"cannot read {file}: {error.strerror}; give a file that you may read") from None
    if not count:
        raise Failure("no FIX message found; give bytes or log lines with 8=FIX.4.2 and SOH, | or ^A between fields")


def _messages(stream: IO[bytes]) -> Iterator[Found]:
    transcript = Transcript()
    read = getattr(stream, "read1", stream.read)  # what is there, without waiting for more
    while data := read(READ_BYTES):
        yield from transcript.feed(data)
    yield from transcript.end()


def _show(found: Found) -> None:
    kind = tags.MSG_TYPE_NAMES.get(_type(found), "message")
    say(f"{kind}  {plain(found.prefix)}".rstrip())
    for tag, raw in found.fields:
        value, meaning = _told(tag, raw)
        say(f"{tag:>6} {_name(tag):<20} {plain(value)}{f'  ({meaning})' if meaning else ''}".rstrip())
    for problem in found.problems:
        say(f"     ! {plain(problem)}")
    say()


def _document(found: Found) -> dict[str, object]:
    return {
        "type": _type(found),
        "name": tags.MSG_TYPE_NAMES.get(_type(found)),
        "prefix": found.prefix,
        "fields": [
            {"tag": tag, "name": _name(tag) or None, "value": value, "meaning": meaning}
            for tag, (value, meaning) in ((tag, _told(tag, raw)) for tag, raw in found.fields)
        ],
        "problems": list(found.problems),
    }


def _type(found: Found) -> str:
    return next((raw.decode("utf-8", "backslashreplace") for tag, raw in found.fields if tag == tags.MSG_TYPE), "")


def _name(tag: int) -> str:
    return tags.NAMES.get(tag) or venue.TAG_NAMES.get(tag) or ""


def _told(tag: int, raw: bytes) -> tuple[str, str | None]:
    """The value as text, and what it means in words where that is known."""
    if tag in SECRET_TAGS:
        return MASK, None
    value = raw.decode("utf-8", "backslashreplace")
    meaning = _MEANINGS.get(tag, {}).get(value)
    return value, str(meaning).replace("_", " ") if meaning else None
