"""What can be made wrong with what the venue sends to one service account, by order of the control port.

Values and pure functions; the connection applies them. They outlive connections, so that a fault can wait for the next.
"""

from enum import StrEnum
from typing import Final

from attrs import define

COUNT_MAX: Final = 1_000_000  # of skipped numbers or lost messages asked for in one go
DELAY_MAX_MS: Final = 600_000


class Drop(StrEnum):
    """How a connection is ended."""

    RESET = "reset"
    CLOSE = "close"
    LOGOUT = "logout"


class Garble(StrEnum):
    """How a message is spoiled."""

    CHECKSUM = "checksum"
    LENGTH = "length"
    TRUNCATE = "truncate"
    JUNK = "junk"


@define
class Faults:
    """`skip` numbers are left out before the next message; the next `lose` messages get numbers and never leave."""

    mute: bool = False
    delay_s: float = 0.0
    jitter_s: float = 0.0
    garble: Garble | None = None
    skip: int = 0
    lose: int = 0


def spoil(data: bytes, what: Garble) -> bytes:
    """One whole message, spoiled; a reader that loses no more than it finds the next one."""
    match what:
        case Garble.CHECKSUM:
            return _closed(data[:-7], 1)
        case Garble.LENGTH:
            head, length, rest = data[:-7].split(b"\x01", 2)
            return _closed(b"\x01".join((head, b"9=%d" % (int(length[2:]) + 9), rest)), 0)
        case Garble.TRUNCATE:
            return data[: len(data) // 2]
        case Garble.JUNK:
            return b"\x00\xff" + data[::-1]


def _closed(data: bytes, off: int) -> bytes:
    """`data` with a CheckSum that is `off` by that much."""
    return data + b"10=%03d\x01" % ((sum(data) + off) % 256)
