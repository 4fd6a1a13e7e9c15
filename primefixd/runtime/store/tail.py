"""Cuts off what a failed commit left at the end of SQLite's log, so that it cannot come back after a kill.

A commit whose sync fails is whole in the log; SQLite takes it back in its index only, and would find it again when it
rebuilds that from the log. Where the log ends is in the index's header (https://www.sqlite.org/walformat.html section
2.1). The index stays open here from first to last: closing it would let go of SQLite's POSIX locks on it.
"""

import os
import sys
from contextlib import suppress

from primefixd.runtime.store.folder import Files

_HEADER, _FRAME = 32, 24
_PAGE_SIZE, _FRAMES = slice(14, 16), slice(16, 20)


class Tail:
    """The end of the log of a journal that is open. To be closed after SQLite's connections."""

    def __init__(self, files: Files) -> None:
        self._log = os.open(files.wal, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._index = os.open(files.shm, os.O_RDONLY | os.O_CLOEXEC)
        except BaseException:
            os.close(self._log)
            raise

    def cut(self) -> None:
        """Between transactions: drop everything after the last commit. On a dead disk it may fail; nothing can help."""
        with suppress(OSError):
            header = os.pread(self._index, 20, 0)
            page = int.from_bytes(header[_PAGE_SIZE], sys.byteorder)
            end = _HEADER + int.from_bytes(header[_FRAMES], sys.byteorder) * (_FRAME + page)
            if os.fstat(self._log).st_size > end:
                os.ftruncate(self._log, end)

    def close(self) -> None:
        """Let go of both files."""
        os.close(self._log)
        os.close(self._index)
