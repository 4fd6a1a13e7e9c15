"""Whether all that must move does: the service manager starts a daemon anew that does not (architecture.md 18)."""

import structlog

from primefixd.runtime.desk import Desk

COMMIT_MOST_S = 60.0  # under way without an end; a disk that answers with an error moves, one that hangs does not

_log = structlog.get_logger()


class Moving:
    """Asked every few seconds by the event loop, which thereby shows that it moves itself."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._commit: int | None = None
        self._since = 0.0

    def __call__(self) -> bool:
        stuck = [name for portfolio in self._desk.portfolios.values() for name in portfolio.stuck()]
        journal = self._journal_moves()
        if stuck or not journal:
            _log.critical("stuck", sessions=stuck, journal=not journal)
        return journal and not stuck

    def _journal_moves(self) -> bool:
        now, commit = self._desk.clock().mono, self._desk.journal.under_way
        if commit is None or commit != self._commit:
            self._commit, self._since = commit, now
        return now - self._since <= COMMIT_MOST_S
