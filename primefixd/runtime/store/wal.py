"""Reads SQLite's write-ahead log before SQLite does, to be able to say what was found at its end. It changes nothing.

SQLite uses the log up to its last whole commit and drops the rest without a word. The format is in
https://www.sqlite.org/fileformat2.html section 4: a header of 32 bytes, then frames of 24 bytes and a page, each with
the header's salts and a checksum over everything before it. Frames with older salts are of an earlier round.
"""

import sys
from array import array
from collections.abc import Iterator
from pathlib import Path
from struct import unpack
from typing import BinaryIO

from attrs import frozen

_HEADER, _FRAME = 32, 24
_MAGIC = 0x377F0682  # its lowest bit says that the checksums are over big-endian words
_WORD = 0xFFFFFFFF


@frozen
class Log:
    """What a log holds. `kept` bytes end with the last whole commit; `dropped` bytes after it are of the same round.

    `bad_frame` is the first whole frame (from 1) of this round that is not as it was written.
    """

    readable: bool = True
    kept: int = 0
    dropped: int = 0
    bad_frame: int | None = None


def _checksum(data: bytes, sums: tuple[int, int], big: bool) -> tuple[int, int]:
    words = array("I", data)
    if big != (sys.byteorder == "big"):
        words.byteswap()
    s0, s1 = sums
    pairs = iter(words)
    for first, second in zip(pairs, pairs, strict=True):
        s0 = (s0 + first + s1) & _WORD
        s1 = (s1 + second + s0) & _WORD
    return s0, s1


def _frames(file: BinaryIO, size: int) -> Iterator[tuple[bytes, bytes]]:
    while len(head := file.read(_FRAME)) == _FRAME and len(page := file.read(size)) == size:
        yield head, page


def inspect(path: Path) -> Log:
    """What the log at `path` holds; an empty Log where there is none. Raises OSError."""
    if not path.exists() or not path.stat().st_size:
        return Log()
    with path.open("rb") as file:
        header = file.read(_HEADER)
        if len(header) < _HEADER:
            return Log(readable=False)
        magic, version, size = unpack(">III", header[:12])
        sums = _checksum(header[:24], (0, 0), bool(magic & 1))
        if magic & ~1 != _MAGIC or version != 3007000 or sums != unpack(">II", header[24:]):
            return Log(readable=False)
        return _walk(file, size, header[16:24], sums, bool(magic & 1))


def _walk(file: BinaryIO, size: int, salts: bytes, sums: tuple[int, int], big: bool) -> Log:
    kept = ours = _HEADER
    bad = None
    number = 0
    for number, (head, page) in enumerate(_frames(file, size), 1):
        end = _HEADER + number * (_FRAME + size)
        if bad is None:
            sums = _checksum(page, _checksum(head[:8], sums, big), big)
            if head[8:16] != salts or sums != unpack(">II", head[16:]):
                bad = number
            elif head[4:8] != b"\0\0\0\0":
                kept = end
        if head[8:16] == salts:
            ours = end
    rest = _HEADER + number * (_FRAME + size)
    if bad is None and file.seek(0, 2) > rest:
        ours = file.tell()
    whole = bad is not None and _HEADER + bad * (_FRAME + size) <= ours
    return Log(kept=kept, dropped=max(0, ours - kept), bad_frame=bad if whole else None)
