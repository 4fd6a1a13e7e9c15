"""What the outside may see of sessions and portfolios, as values (contract.md section 3)."""

from datetime import datetime
from enum import StrEnum

from attrs import frozen


class SessionState(StrEnum):
    DOWN = "DOWN"
    CONNECTING = "CONNECTING"
    LOGGING_ON = "LOGGING_ON"
    ACTIVE = "ACTIVE"
    LOGGING_OUT = "LOGGING_OUT"
    WINDOW = "WINDOW"


class PortfolioState(StrEnum):
    OPEN = "OPEN"
    DRAINING = "DRAINING"
    CLOSED = "CLOSED"
    RECONCILING = "RECONCILING"
    HALTED = "HALTED"


@frozen(kw_only=True)
class SessionView:
    """One session as an operator sees it. `budget` counts messages left in the current second.

    `garbled` counts how often bytes were skipped, `unreadable` the messages of which something could not be read.
    """

    name: str
    portfolio: str
    role: str
    state: SessionState
    since: datetime
    last_error: str | None
    next_attempt_at: datetime | None
    sent: int
    received: int
    queue: int
    budget: int
    clock_offset_ms: float | None
    round_trip_ms: float | None
    garbled: int = 0
    unreadable: int = 0


@frozen(kw_only=True)
class PortfolioView:
    """One portfolio as an operator sees it. `order_budget` counts new orders left in the current second."""

    name: str
    state: PortfolioState
    halted: bool
    open_orders: int
    in_doubt: int
    unreconciled: int
    order_budget: int
    next_window: datetime


@frozen
class SessionChanged:
    session: SessionView


@frozen
class PortfolioChanged:
    portfolio: PortfolioView


@frozen
class ServerStopping:
    """The daemon is about to end; clients should reconnect later and resume from their last cursor."""


class MaintenanceStage(StrEnum):
    ANNOUNCED = "announced"
    STARTED = "started"
    ENDED = "ended"


@frozen(kw_only=True)
class SessionDay:
    """What a window did to one session. `logged_out` says how its last connection before or in the window ended."""

    name: str
    state: SessionState
    logged_out: str | None
    logged_out_at: datetime | None
    logged_on_at: datetime | None
    attempts: int


@frozen(kw_only=True)
class Maintenance:
    """The venue's daily window, as it concerns one portfolio; `sessions` once it has ended."""

    stage: MaintenanceStage
    starts_at: datetime
    ends_at: datetime
    sessions: tuple[SessionDay, ...] = ()
