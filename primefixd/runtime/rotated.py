"""A text file that grows by whole lines, and makes room for a new one when it is full: FILE, then FILE.1, FILE.2 …

Nobody but its owner may read it (mode 0600). It is opened for each writing, so that a person may move it away at any
time. All of it blocks.
"""

import os
from pathlib import Path

from attrs import frozen

PRIVATE = 0o600
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


@frozen
class Rotated:
    """`max_bytes` in one file, unless one writing alone is longer; `keep` full files beside it, older ones go."""

    file: Path
    max_bytes: int
    keep: int

    def append(self, lines: bytes) -> None:
        """Add all of `lines`, or nothing. Raises OSError."""
        opened = os.open(self.file, _FLAGS, PRIVATE)
        try:
            size = os.fstat(opened).st_size
            if size and size + len(lines) > self.max_bytes:
                self._rotate()
                os.close(opened)
                opened = os.open(self.file, _FLAGS | os.O_EXCL, PRIVATE)
                size = 0
            os.fchmod(opened, PRIVATE)
            _write(opened, size, lines)
        finally:
            os.close(opened)

    def _rotate(self) -> None:
        for number in range(self.keep - 1, 0, -1):
            if self._old(number).exists():
                self._old(number).rename(self._old(number + 1))
        self.file.rename(self._old(1))

    def _old(self, number: int) -> Path:
        return self.file.with_name(f"{self.file.name}.{number}")


def _write(opened: int, size: int, lines: bytes) -> None:
    if size and os.pread(opened, 1, size - 1) != b"\n":  # a power cut ended the last line
        lines = b"\n" + lines
    rest = memoryview(lines)
    try:
        while rest:
            rest = rest[os.write(opened, rest) :]
    except OSError:
        os.ftruncate(opened, size)
        raise
