"""Who hears a report, and when: by DropCopyFlag, at once or at a later logon (prime-fix.md sections 1 and 2).

A report goes to the session that entered its order and to every drop-copy session of the portfolio. While the portfolio
has no session at all it waits for the next logon of any. Of a session that is down while others are up the venue says
nothing; here its reports wait until that service account logs on again, or, once the whole portfolio has been down, for
whoever comes first. Pure; what a dead connection had not written comes back with its `log_off`.
"""

from collections import deque
from collections.abc import Iterable

from attrs import frozen

from primefixd.clock import Moment
from primefixd.sandbox.reporting import Report

KEPT_S = 24 * 3600.0  # prime-fix.md section 1, missed reports: a rolling day
WAITING_MAX = 100_000  # reports kept for one portfolio or one service account; past it the oldest is lost


@frozen
class _Line:
    portfolio_id: str
    drop_copy: bool


class Delivery:
    """The sessions that are up, by service account, and what waits for those that are not."""

    def __init__(self) -> None:
        self._up: dict[str, _Line] = {}
        self._waiting: dict[str, deque[Report]] = {}  # by service account, or by portfolio when all of it is down
        self._forgotten: set[str] = set()

    def log_on(self, service_account_id: str, portfolio_id: str, drop_copy: bool, now: Moment) -> list[Report]:
        """Marks the session as up; returns the reports that waited for it, oldest first."""
        self._up[service_account_id] = _Line(portfolio_id, drop_copy)
        waited = [*self._waiting.pop(portfolio_id, ()), *self._waiting.pop(service_account_id, ())]
        kept = [report for report in waited if now.mono - report.at.mono < KEPT_S]
        return sorted(kept, key=lambda report: report.at.mono)

    def log_off(self, service_account_id: str, unwritten: Iterable[Report]) -> None:
        """Marks it as down. What was routed to it and not written waits again."""
        line = self._up.pop(service_account_id)
        self._keep(service_account_id, unwritten)
        if any(other.portfolio_id == line.portfolio_id for other in self._up.values()):
            return
        for name, reports in [*self._waiting.items()]:
            if name != line.portfolio_id and reports[0].portfolio_id == line.portfolio_id:
                self._keep(line.portfolio_id, self._waiting.pop(name))

    def route(self, report: Report) -> list[str]:
        """The service accounts that hear it now; it is kept here for the one that should and cannot."""
        if self._forgotten.intersection(report.names):
            return []
        portfolio = [name for name, line in self._up.items() if line.portfolio_id == report.portfolio_id]
        if not portfolio:
            self._keep(report.portfolio_id, [report])
        elif report.service_account_id not in self._up:
            self._keep(report.service_account_id, [report])
        due = (report.service_account_id, report.asker)
        return [name for name in portfolio if self._up[name].drop_copy or name in due]

    def forget(self, client_order_id: str) -> None:
        """Reports about that order are lost from now on."""
        self._forgotten.add(client_order_id)

    def asked_for(self, names: Iterable[str]) -> None:
        """The order of these names was asked about by 35=H: its reports come again, from now on."""
        self._forgotten.difference_update(names)

    def _keep(self, name: str, reports: Iterable[Report]) -> None:
        for report in reports:
            self._waiting.setdefault(name, deque(maxlen=WAITING_MAX)).append(report)
