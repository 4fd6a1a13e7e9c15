"""Whether one portfolio takes new orders, and what it says otherwise (contract.md section 3, portfolio state)."""

from attrs import define

from primefixd.dispatch.calendar import MaintenanceWindow
from primefixd.orders.model import OnMaintenance
from primefixd.runtime import refusals
from primefixd.runtime.answers import Refused
from primefixd.runtime.journal import Journal
from primefixd.runtime.reconciling import Reconciling
from primefixd.runtime.views import PortfolioState


@define
class Gate:
    """Only the portfolio and its day shut and open it."""

    journal: Journal
    reconciling: Reconciling
    stopping: bool = False
    window: MaintenanceWindow | None = None  # from the last orders before it until its end
    in_window: bool = False  # the sessions are logged out for it
    halted: bool = False  # by an operator, until it is taken back

    @property
    def state(self) -> PortfolioState:
        if self.stopping:
            return PortfolioState.DRAINING
        if self.window is not None:
            return PortfolioState.CLOSED if self.in_window else PortfolioState.DRAINING
        if self.halted:
            return PortfolioState.HALTED
        return PortfolioState.RECONCILING if self.reconciling.closed else PortfolioState.OPEN

    @property
    def open(self) -> bool:
        """Whether new orders that were taken may leave."""
        return self.window is None and not (self.reconciling.closed or self.halted or self.stopping)

    def refusal(self, on_maintenance: OnMaintenance = OnMaintenance.REJECT) -> Refused | None:
        """Why nothing new is taken at present, if so; what may be held is taken around the window."""
        if self.stopping:
            return refusals.stopping()
        if not self.journal.writable:
            return refusals.not_durable()
        if self.halted:
            return refusals.halted()
        if self.open or on_maintenance is OnMaintenance.HOLD:
            return None
        return refusals.reconciling() if self.window is None else refusals.window(self.window.end)
