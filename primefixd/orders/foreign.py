"""Reports on orders of other origin: each told once, and the newest of each order kept, should it be taken in.

Nothing of this survives a restart: the venue tells such orders again when they change or are asked about
(order-rules.md 28).
"""

from collections import OrderedDict

from primefixd.orders.reports import Report

FOREIGN_REPORTS_MAX = 10_000  # keys of reports, and orders with their newest one; beyond it the oldest go

_Key = tuple[str | None, ...]


class Foreign:
    def __init__(self) -> None:
        self._heard: OrderedDict[_Key, None] = OrderedDict()
        self._newest: OrderedDict[str, Report] = OrderedDict()

    def first(self, report: Report, *, ours: bool = True) -> bool:
        """Whether a report comes for the first time; its order may be taken in if the account is `ours`."""
        key = (report.account, report.order_id, report.client_order_id, report.exec_id, report.transaction, report.kind)
        if ours:
            self._remember(report)
        if key in self._heard:
            return False
        self._heard[key] = None
        if len(self._heard) > FOREIGN_REPORTS_MAX:
            self._heard.popitem(last=False)
        return True

    def newest(self, order_id: str) -> Report | None:
        return self._newest.get(order_id)

    def adopted(self, order_id: str) -> None:
        """The order is ours from now on."""
        self._newest.pop(order_id, None)

    def _remember(self, report: Report) -> None:
        if report.order_id is None or _older(report, self._newest.get(report.order_id)):
            return
        self._newest[report.order_id] = report
        self._newest.move_to_end(report.order_id)
        if len(self._newest) > FOREIGN_REPORTS_MAX:
            self._newest.popitem(last=False)


def _older(report: Report, known: Report | None) -> bool:
    if known is None or known.transact_time is None:
        return False
    return report.transact_time is not None and report.transact_time < known.transact_time
