"""The seal: the number of the newest durable commit, beside the journal, so that lost commits are noticed.

It is written after the commit is durable, and not synced: after a kill it is there, after a power cut it may be some
commits behind, but never ahead of the journal. A journal that is behind its seal has lost commits. A backup's seal is
of another kind: who goes on from a backup goes on without what came after it.
"""

import os
import re
from pathlib import Path
from zlib import crc32

from attrs import frozen

from primefixd.runtime.store.folder import private_file

SEAL_BYTES_MAX = 4096
_LINE = re.compile(rb"(primefixd-(seal|backup) 1 (\S+) (\d{19}) )([0-9a-f]{8})\n")


@frozen
class Seal:
    """Which journal, and how many commits it has had; `backup`: had when it was copied."""

    journal: str
    number: int
    backup: bool = False

    def line(self) -> bytes:
        """As written: always as long for one journal, so that writing over it leaves nothing behind."""
        text = f"primefixd-{'backup' if self.backup else 'seal'} 1 {self.journal} {self.number:019d} ".encode()
        return text + f"{crc32(text):08x}\n".encode()


def read(content: bytes) -> Seal | None:
    """What a seal's file says; None when it is empty or cannot be relied on."""
    found = _LINE.fullmatch(content)
    if found is None or crc32(found[1]) != int(found[5], 16):
        return None
    return Seal(found[3].decode("ascii", "replace"), int(found[4]), found[2] == b"backup")


class SealFile:
    """The open seal of a locked folder."""

    def __init__(self, path: Path) -> None:
        self._file = private_file(path)

    def read(self) -> Seal | None:
        """What is sealed; None when it is empty or cannot be relied on."""
        return read(os.pread(self._file, SEAL_BYTES_MAX, 0))

    def clear(self) -> None:
        """Seal nothing, for good. Raises OSError."""
        os.ftruncate(self._file, 0)
        os.fsync(self._file)

    def begin(self, seal: Seal) -> None:
        """Write it for good, whatever was there. Raises OSError."""
        line = seal.line()
        os.pwrite(self._file, line, 0)
        os.ftruncate(self._file, len(line))
        os.fsync(self._file)

    def write(self, seal: Seal) -> None:
        """Write over it after a commit. A failure leaves it behind, which is safe, and the next one mends it."""
        try:
            os.pwrite(self._file, seal.line(), 0)
        except OSError:
            return

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)
