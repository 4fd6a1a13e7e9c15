"""A FIX message as a value: its fields in wire order, unknown tags and repeats kept.

It holds no BeginString, BodyLength or CheckSum (the codec adds and verifies them) and judges nothing: a field that
cannot be read is text. It never prints a secret: a Logon carries the signature, the passphrase and the API key
(prime-fix.md section 2), and messages end up in logs.
"""

from collections.abc import Sequence
from typing import Final

from primefixd.fix.tags import MSG_SEQ_NUM, MSG_TYPE

Field = tuple[int, str]
"""Tag and text of one field that we send; text goes out as UTF-8."""

SECRET_TAGS: Final = frozenset({96, 554, 9407})
"""RawData, Password and the venue's AccessKey: shown as `…` wherever a message is turned to text."""

_NUMBER_DIGITS_MAX: Final = 18  # a longer MsgSeqNum is not a number that any session reaches


class Message:
    """An immutable FIX message or one entry of a repeating group: `(tag, raw value)` pairs, MsgType (35) first."""

    __slots__ = ("_fields", "_first")

    def __init__(self, fields: Sequence[tuple[int, bytes]]) -> None:
        self._fields = tuple(fields)
        self._first: dict[int, bytes] | None = None

    @property
    def fields(self) -> tuple[tuple[int, bytes], ...]:
        """All fields in wire order, with repeats, without 8, 9 and 10."""
        return self._fields

    @property
    def type(self) -> str:
        """MsgType (35); empty for the entry of a group."""
        return self.get(MSG_TYPE) or ""

    @property
    def sequence_number(self) -> int | None:
        """MsgSeqNum (34), None if it is missing or not a number."""
        return self.number(MSG_SEQ_NUM)

    def get(self, tag: int) -> str | None:
        """Text of the first field with this tag, None if there is none. Bytes that are not UTF-8 show as `\\xNN`."""
        if self._first is None:
            self._first = dict(reversed(self._fields))
        raw = self._first.get(tag)
        return None if raw is None else raw.decode("utf-8", "backslashreplace")

    def number(self, tag: int) -> int | None:
        """The whole, unsigned number in this field; None if it is missing or anything else."""
        text = self.get(tag)
        if text is None or not (text.isascii() and text.isdigit()) or len(text) > _NUMBER_DIGITS_MAX:
            return None
        return int(text)

    def text(self) -> str:
        """The message for people, `35=A|34=1|…`, secrets masked."""
        return "|".join(
            f"{tag}=…" if tag in SECRET_TAGS else f"{tag}={raw.decode('utf-8', 'backslashreplace')}"
            for tag, raw in self._fields
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Message) and self._fields == other._fields

    def __hash__(self) -> int:
        return hash(self._fields)

    def __repr__(self) -> str:
        return f"Message({self.text()!r})"
