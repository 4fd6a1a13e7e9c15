"""Finds FIX messages in anything that may hold some: raw bytes, or lines of a log with text before each message.

Fields may be separated by SOH or by what logs write for it. Unlike the session's codec this hides nothing: a message
that is cut short, or whose BodyLength or CheckSum is wrong, is told with its problems. What only looks like a field
stays part of the value before it. A message of a log that shows none of its frame (8, 9, 10) begins at 35.
"""

import re
from collections.abc import Iterator

from attrs import frozen

from primefixd.fix.message import SECRET_TAGS
from primefixd.fix.tags import BEGIN_STRING, BODY_LENGTH, CHECK_SUM, DATA_TAGS, MSG_TYPE

MESSAGE_MAX_BYTES = 65_536  # a longer one is cut there, and says so
PREFIX_MAX_BYTES = 500  # of the text before a message, the last part

_SEPARATOR = rb"(\x01|\||\^A|\\x01|\\u0001)(?=[0-9]{1,9}=)"
_FRAMED = re.compile(rb"8=FIX[.A-Z0-9]{0,12}" + _SEPARATOR)
_START = re.compile(_FRAMED.pattern + rb"|(?<![0-9])35=[0-9A-Za-z]{1,2}" + _SEPARATOR)
_BODY_LENGTH = re.compile(rb"9=([0-9]{1,9})\x01")
_TAG = re.compile(rb"([0-9]{1,9})=")
_LINE_END = re.compile(rb"[\r\n]")
_QUOTE_END = re.compile(rb"[\r\n]|[\"'](?=[\s,)}\]]|$)")  # logs quote what they tell
_DIGITS = re.compile(rb"[0-9]{0,9}")
_MASKS = (b"***", "…".encode())  # in the place of secrets, in logs of ours
_SECRET = re.compile(rf"(?<!\d)((?:{'|'.join(map(str, sorted(SECRET_TAGS)))})=)[^|^\x01\s]+")

Field = tuple[int, bytes]


@frozen
class Found:
    """One message: the text before it on its line, its fields in order, and what is wrong with it as FIX."""

    prefix: str
    fields: tuple[Field, ...]
    problems: tuple[str, ...]


class Transcript:
    """Bytes as they are read, in; messages, in order, out. Keeps less than two messages."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[Found]:
        """The messages that `data` completes."""
        self._buffer += data
        yield from self._take(closed=False)

    def end(self) -> Iterator[Found]:
        """What is left when nothing more will come."""
        yield from self._take(closed=True)

    def _take(self, closed: bool) -> Iterator[Found]:
        at = 0
        while (start := _START.search(self._buffer, at)) is not None:
            end = _end(self._buffer, start, closed)
            if end is None:
                break
            yield _read(_prefix(self._buffer[at : start.start()]), self._buffer[start.start() : end], _separator(start))
            at = end
        keep = 0 if start else self._buffer.rfind(b"\n") + 1  # a line that goes on may be the prefix of a message
        self._buffer = self._buffer[max(at, keep, len(self._buffer) - 2 * MESSAGE_MAX_BYTES) :]


def _separator(start: re.Match[bytes]) -> bytes:
    separator: bytes = start[1] or start[2]
    return separator


def _end(buffer: bytes, start: re.Match[bytes], closed: bool) -> int | None:
    """Where the message that begins at `start` ends, None if that is not known yet."""
    separator = _separator(start)
    told = _told_end(buffer, start)
    if told is not None and buffer[told - 1 : told + 3] == b"\x0110=":
        end = _check_sum_end(buffer, told, separator)
        return len(buffer) if end is None and closed else end
    limit = _limit(buffer, start)
    check_sum = buffer.find(separator + b"10=", start.end() - 1, limit)
    if check_sum >= 0:
        end = _check_sum_end(buffer[:limit], check_sum + len(separator), separator)
        return limit if end is None and (closed or limit < len(buffer)) else end
    wants_more = limit == len(buffer) or (told is not None and told + 3 > len(buffer))  # a value may hold a line end
    if wants_more and not closed and limit - start.start() < MESSAGE_MAX_BYTES:
        return None
    return limit


def _limit(buffer: bytes, start: re.Match[bytes]) -> int:
    """How far the message can go at most: to the end of its line or quotation, or to the next message."""
    limit = min(len(buffer), start.start() + MESSAGE_MAX_BYTES)
    for stop in (_LINE_END if start[1] else _QUOTE_END, _FRAMED):
        if found := stop.search(buffer, start.end(), limit):
            limit = found.start()
    return limit


def _told_end(buffer: bytes, start: re.Match[bytes]) -> int | None:
    """Where BodyLength says that the CheckSum begins; only where the bytes are those of the wire, which it counts."""
    length = _BODY_LENGTH.match(buffer, start.end())
    if start[1] != b"\x01" or length is None or int(length[1]) > MESSAGE_MAX_BYTES:
        return None
    return length.end() + int(length[1])


def _check_sum_end(buffer: bytes, at: int, separator: bytes) -> int | None:
    """The end of the CheckSum field at `at`, its separator included; None if more of it may come."""
    digits = _DIGITS.match(buffer, at + 3)
    end = digits.end() if digits else at + 3
    rest = buffer[end : end + len(separator)]
    if rest == separator:
        return end + len(separator)
    return None if separator.startswith(rest) else end


def _read(prefix: str, message: bytes, separator: bytes) -> Found:
    fields = tuple(_fields(message, separator))
    masked = any(mask in value for _, value in fields for mask in _MASKS)
    if masked or not message.startswith(b"8="):  # its sums are those of what was there, or are missing
        return Found(prefix, fields, ())
    wire = message if separator == b"\x01" else b"".join(b"%d=%b\x01" % field for field in fields)
    return Found(prefix, fields, tuple(_problems(wire if wire.endswith(b"\x01") else wire + b"\x01", fields)))


def _fields(message: bytes, separator: bytes) -> Iterator[Field]:
    at, data_length = 0, None
    while tag := _TAG.match(message, at):
        end = None if data_length is None else tag.end() + data_length
        if end is None or not message.startswith(separator, end):
            end = _value_end(message, tag.end(), separator)
        number, value = int(tag[1]), message[tag.end() : end]
        yield number, value
        data_length = int(value) if number in DATA_TAGS and value.isdigit() and len(value) < 7 else None
        at = end + len(separator)


def _value_end(message: bytes, at: int, separator: bytes) -> int:
    """The next separator with a field behind it; other separators belong to the value."""
    while (end := message.find(separator, at)) >= 0:
        at = end + len(separator)
        if at == len(message) or _TAG.match(message, at):
            return end
    return len(message)


def _problems(wire: bytes, fields: tuple[Field, ...]) -> Iterator[str]:
    if [tag for tag, _ in fields[:3]] != [BEGIN_STRING, BODY_LENGTH, MSG_TYPE]:
        yield "it does not begin with BeginString (8), BodyLength (9) and MsgType (35)"
    if fields[-1][0] != CHECK_SUM:
        yield "it is cut short: no CheckSum (10) at its end"
        return
    trailer = wire.rfind(b"\x0110=") + 1
    body = wire.find(b"\x01", wire.find(b"\x019=") + 1) + 1
    told = dict(reversed(fields)).get(BODY_LENGTH, b"")
    if not told.isdigit() or int(told[:9]) != trailer - body:
        yield f"BodyLength (9) is {_text(told) or 'missing'}, and the body has {trailer - body} bytes"
    told, added = fields[-1][1], sum(wire[:trailer]) % 256
    if told != b"%03d" % added:
        yield f"CheckSum (10) is {_text(told) or 'missing'}, and the bytes add up to {added:03d}"


def _prefix(raw: bytes) -> str:
    line = _LINE_END.split(raw)[-1][-PREFIX_MAX_BYTES:]
    return _SECRET.sub(r"\1…", _text(line)).strip()


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
