"""FIX 4.2 on the wire: fields to bytes, and any bytes to messages.

Decoding never raises and never waits for more than one message: what is not a message is skipped and told as
`Garbled`, and the next good message is still found. FIX 4.2 calls a message garbled unless 8, 9 and 35 are its first
three fields, BodyLength counts right and CheckSum, last, is right. One rule is added, since BodyLength may lie and
would swallow the messages behind it: between 9 and 10 there are whole fields only, and none of 8, 9, 10 again. It is
applied to the part of a message that has arrived, so a lie is known at the header of the next message, and however a
stream is cut the same messages come out. This module knows no session: numbers, CompIDs and times are not its
concern.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final
from zlib import adler32

from attrs import field, frozen

from primefixd.fix.errors import LocalProtocolError
from primefixd.fix.message import Field, Message
from primefixd.fix.tags import DATA_TAGS, MSG_TYPE

BEGIN: Final = "FIX.4.2"
MESSAGE_MAX_BYTES: Final = 32_768
"""A message that claims to be longer than this is garbled. The venue's longest are some 2 KiB."""
BUFFER_MAX_BYTES: Final = MESSAGE_MAX_BYTES
"""What is kept between two feeds: less than one message, since what cannot become a message is dropped at once."""
SAMPLE_MAX_BYTES: Final = 120

_SOH: Final = b"\x01"
_START: Final = b"8=FIX"
_HEAD: Final = re.compile(rb"8=(FIX[^\x01=]{0,12})\x019=([0-9]{1,9})\x01")
_HEAD_MAX_BYTES: Final = 30
_TRAILER_BYTES: Final = 7  # 10=nnn and SOH
_FRAME_TAGS: Final = frozenset({8, 9, 10})
_TAG: Final = re.compile(rb"[1-9][0-9]{0,8}")
_TAG_MAX_BYTES: Final = 9
_PLAIN_TAGS: Final = {
    str(tag).encode(): tag for tag in range(1, 10_000) if tag not in _FRAME_TAGS and tag not in DATA_TAGS
}
_NOT_PLAIN: Final = "|".join(str(tag) for tag in sorted({*_FRAME_TAGS, *DATA_TAGS}))
# Greedy, not possessive: CPython before 3.11.5 errs in possessive groups (Debian 12 has 3.11.2).
_PLAIN_FIELDS: Final = re.compile(rf"(?:(?!(?:{_NOT_PLAIN})=)[1-9][0-9]{{0,8}}=[^\x01]*\x01)*".encode())
_SECRETS: Final = re.compile(rb"((?:96|554|9407)=)[^\x01]+")


class GarbledReason(StrEnum):
    NOISE = "bytes that begin no message"
    HEAD = "BeginString and BodyLength are not as they must be"
    TOO_LONG = "longer than a message may be"
    FIELDS = "something that is not a field"
    BODY_LENGTH = "BodyLength does not lead to the CheckSum"
    CHECK_SUM = "the CheckSum is wrong"
    MSG_TYPE = "MsgType is not the third field"
    BEGIN_STRING = "another version of FIX"


@frozen
class Garbled:
    """Bytes that were skipped: why, how many, and the first of them with secrets masked."""

    reason: GarbledReason
    size: int
    sample: bytes = field(default=b"")


def encode(fields: Iterable[Field]) -> bytes:
    """One message with BeginString, BodyLength and CheckSum around `fields`, which begin with MsgType (35).

    Raises LocalProtocolError for what could not be read back as it was given: an empty value, a tag that is not a
    positive number or is 8, 9 or 10, SOH outside a data field, a data field whose length field is missing or wrong.
    """
    pairs = tuple(fields)
    if not pairs or pairs[0][0] != MSG_TYPE:
        raise LocalProtocolError("a message must begin with MsgType (35)")
    try:
        body = "".join([f"{tag}={value}\x01" for tag, value in pairs]).encode()
    except UnicodeEncodeError:
        raise LocalProtocolError("a field holds a lone surrogate, which is not text") from None
    if _fields(body) != [(tag, value.encode()) for tag, value in pairs] or not all(value for _, value in pairs):
        raise LocalProtocolError(_mistake(pairs))
    if len(body) + _HEAD_MAX_BYTES + _TRAILER_BYTES > MESSAGE_MAX_BYTES:
        raise LocalProtocolError(f"a message of {len(body)} bytes is longer than {MESSAGE_MAX_BYTES}")
    return framed(body)


def framed(body: bytes) -> bytes:
    """`body`, whole fields each with its SOH, with BeginString, BodyLength and CheckSum around it."""
    counted = b"8=FIX.4.2\x019=%d\x01%b" % (len(body), body)
    return b"%b10=%03d\x01" % (counted, _check_sum(counted))


def _mistake(pairs: tuple[Field, ...]) -> str:
    for tag, value in pairs:
        if tag in _FRAME_TAGS or not 0 < tag < 10**_TAG_MAX_BYTES:
            return f"tag {tag} cannot stand in the body of a message"
        if not value:
            return f"tag {tag} has no value"
        if "\x01" in value and tag not in DATA_TAGS.values():
            return f"the value of tag {tag} contains SOH"
    return "a length field does not tell the length of the data field behind it"


def _check_sum(data: bytes) -> int:
    # Adler-32's lower half is 1 + the sum of the bytes modulo 65521, in C; 256 bytes cannot reach that modulus.
    return sum([adler32(data[at : at + 256]) - 1 for at in range(0, len(data), 256)]) & 0xFF


class _Walk:
    """Field by field through a body that may not be all there yet; this, not `_fields`, defines what a body is."""

    __slots__ = ("_data", "at")

    def __init__(self, at: int) -> None:
        self.at = at
        self._data: tuple[int, int] | None = None  # the data tag that must come next, and its length

    def pass_plain(self, buffer: bytes, end: int) -> None:
        """Go past all plain whole fields that come next, in one go."""
        if self._data is None:
            plain = _PLAIN_FIELDS.match(buffer, self.at, end)
            self.at = plain.end() if plain else self.at

    def step(self, buffer: bytes, end: int) -> tuple[int, bytes] | None:
        """The next whole field of the body that ends at `end`, None if it has not arrived. ValueError: not a field."""
        limit = min(len(buffer), end)
        equals = buffer.find(b"=", self.at, self.at + _TAG_MAX_BYTES + 1)
        if equals < 0 or equals >= limit:
            if limit == end or limit - self.at > _TAG_MAX_BYTES:
                raise ValueError
            return None
        raw_tag = buffer[self.at : equals]
        tag = int(raw_tag) if _TAG.fullmatch(raw_tag) else 0
        if tag == 0 or tag in _FRAME_TAGS:
            raise ValueError
        stop = self._value_end(buffer, tag, equals + 1, end)
        if stop is None:
            return None
        value = buffer[equals + 1 : stop]
        self._data = (DATA_TAGS[tag], _length(value)) if tag in DATA_TAGS else None
        self.at = stop + 1
        return tag, value

    def _value_end(self, buffer: bytes, tag: int, start: int, end: int) -> int | None:
        if self._data is None:
            stop = buffer.find(_SOH, start, end)
            if stop < 0 and len(buffer) >= end:
                raise ValueError
            return None if stop < 0 else stop
        stop = start + self._data[1]
        if tag != self._data[0] or stop >= end:
            raise ValueError
        if stop >= len(buffer):
            return None
        if buffer[stop] != 1:
            raise ValueError
        return stop


def _length(value: bytes) -> int:
    if not value.isdigit() or len(value) > _TAG_MAX_BYTES:
        raise ValueError
    return int(value)


def _fields(body: bytes) -> list[tuple[int, bytes]] | None:
    """All fields of a whole body, None if anything in it is not a field."""
    try:  # nearly every message: plain tags only, cut at each SOH
        pairs = [piece.split(b"=", 1) for piece in body[:-1].split(_SOH)]
        return [(_PLAIN_TAGS[tag], value) for tag, value in pairs]
    except (KeyError, ValueError):
        pass
    walk, found = _Walk(0), list[tuple[int, bytes]]()
    try:
        while walk.at < len(body):
            one = walk.step(body, len(body))
            if one is None:
                return None
            found.append(one)
    except ValueError:
        return None
    return found


class Decoder:
    """Bytes as they arrive, in; messages and skipped garbage, in order, out. Keeps at most BUFFER_MAX_BYTES."""

    def __init__(self) -> None:
        self._buffer = b""
        self._walk: _Walk | None = None  # through the message at the start of the buffer, as far as it has arrived
        self._in_noise = False

    @property
    def buffered(self) -> int:
        """Bytes kept for the next feed."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Message | Garbled]:
        """All that `data` completes. Never raises; noise is told once for each feed that brings some."""
        buffer = self._buffer + data if self._buffer else bytes(data)
        found: list[Message | Garbled] = []
        at = 0
        while at < len(buffer):
            item, after = self._next(buffer, at)
            if item is None:
                break
            self._walk = None
            if isinstance(item, GarbledReason):
                found.append(self._skipped(item, buffer, at, after))
            else:
                self._in_noise = False
                found.append(item)
            at = after
        self._buffer = buffer[at:]
        return found

    def _next(self, buffer: bytes, at: int) -> tuple[Message | GarbledReason | None, int]:
        """What stands at `at`, and where to go on; None if that is not known yet."""
        head = _HEAD.match(buffer, at)
        if head is None:
            return self._headless(buffer, at)
        body = head.end()
        end = body + int(head[2])
        after = end + _TRAILER_BYTES
        if after - at > MESSAGE_MAX_BYTES:
            return GarbledReason.TOO_LONG, _resume(buffer, at)
        if after > len(buffer):
            if self._may_become_whole(buffer, at, body - at, end):
                return None, at
            return GarbledReason.FIELDS, _resume(buffer, at)
        item = _whole(buffer, at, body, end)
        if isinstance(item, Message) and head[1] != BEGIN.encode():
            return GarbledReason.BEGIN_STRING, after
        return item, after if isinstance(item, Message) else _resume(buffer, at)

    def _headless(self, buffer: bytes, at: int) -> tuple[GarbledReason | None, int]:
        if buffer.startswith(_START, at):
            if len(buffer) - at < _HEAD_MAX_BYTES:
                return None, at
            return GarbledReason.HEAD, _resume(buffer, at)
        start = buffer.find(_START, at)
        after = start if start >= 0 else _tail(buffer, at)
        return (GarbledReason.NOISE, after) if after > at else (None, at)

    def _may_become_whole(self, buffer: bytes, at: int, head: int, end: int) -> bool:
        """Whether the fields that have arrived leave it possible; each byte is looked at once, however it trickles."""
        # The walk survives feeds, so its places count from the start of the message, not of the buffer.
        message = buffer[at:] if at else buffer
        walk = self._walk = self._walk or _Walk(head)
        limit = min(len(message), end - at)
        try:
            walk.pass_plain(message, limit)
            while walk.at < limit and walk.step(message, end - at) is not None:
                walk.pass_plain(message, limit)
        except ValueError:
            return False
        return True

    def _skipped(self, reason: GarbledReason, buffer: bytes, at: int, after: int) -> Garbled:
        # Noise that goes on from the feed before may begin inside a secret, where no tag tells that it is one.
        sample = (
            b"" if self._in_noise and reason is GarbledReason.NOISE else buffer[at : min(after, at + SAMPLE_MAX_BYTES)]
        )
        self._in_noise = True
        return Garbled(reason, after - at, _SECRETS.sub(rb"\1***", sample))


def _whole(buffer: bytes, at: int, body: int, end: int) -> Message | GarbledReason:
    """The message in buffer[at:end + trailer], or what is wrong with it."""
    trailer = buffer[end : end + _TRAILER_BYTES]
    if trailer[:3] != b"10=" or trailer[6:] != _SOH or (end > body and buffer[end - 1] != 1):
        return GarbledReason.BODY_LENGTH
    if not trailer[3:6].isdigit() or int(trailer[3:6]) != _check_sum(buffer[at:end]):
        return GarbledReason.CHECK_SUM
    fields = _fields(buffer[body:end])
    if fields is None:
        return GarbledReason.FIELDS
    if not fields or fields[0][0] != MSG_TYPE or not fields[0][1]:
        return GarbledReason.MSG_TYPE
    return Message(fields)


def _resume(buffer: bytes, at: int) -> int:
    """Where a message may begin after the one at `at` turned out to be none."""
    start = buffer.find(_START, at + 1)
    return start if start >= 0 else _tail(buffer, at + 1)


def _tail(buffer: bytes, at: int) -> int:
    """Where the longest beginning of a message at the end of the buffer starts, not before `at`."""
    for size in range(min(len(_START) - 1, len(buffer) - at), 0, -1):
        if buffer.endswith(_START[:size]):
            return len(buffer) - size
    return len(buffer)
