"""Every metric by its name and what it says, so that what is documented, drawn or alarmed on can be held against it.

Names follow prometheus-client's rules: base units in the name, and counters that end in `_total` when they are shown.
Labels are `portfolio`, `session`, and one of a small closed set (`type`, `reason`, `status`): never an id.
"""

from enum import Enum
from typing import Final

from attrs import frozen

PORTFOLIO: Final = ("portfolio",)
SESSION: Final = ("portfolio", "session")


class Kind(Enum):
    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@frozen
class Meaning:
    kind: Kind
    labels: tuple[str, ...]
    text: str


_G, _C, _H = Kind.GAUGE, Kind.COUNTER, Kind.HISTOGRAM

METRICS: Final[dict[str, Meaning]] = {
    "primefixd_ready": Meaning(_G, (), "1 while /readyz says so: all portfolios open, or in the venue's window."),
    "primefixd_window_left_seconds": Meaning(_G, (), "Until the venue's next daily window starts; 0 inside it."),
    "primefixd_event_loop_lag_seconds": Meaning(_H, (), "How late the event loop wakes a task."),
    "primefixd_journal_sync_seconds": Meaning(_H, (), "How long a commit of the journal took to be on disk."),
    "primefixd_journal_failures": Meaning(_C, (), "Commits of the journal that failed; each is tried again."),
    "primefixd_journal_waiting_batches": Meaning(_G, (), "Changes that wait for the disk."),
    "primefixd_journal_writable": Meaning(_G, (), "1 while the journal can be written."),
    "primefixd_portfolio_state": Meaning(_G, (*PORTFOLIO, "status"), "1 for the state that the portfolio is in."),
    "primefixd_portfolio_halted": Meaning(_G, PORTFOLIO, "1 while an operator, or a limit, halts the portfolio."),
    "primefixd_orders": Meaning(_G, (*PORTFOLIO, "status"), "Orders that are not final, by status."),
    "primefixd_orders_in_doubt": Meaning(_G, PORTFOLIO, "Orders of which it is not known whether the venue has them."),
    "primefixd_orders_unreconciled": Meaning(
        _G, PORTFOLIO, "Orders that the venue has not answered for since a start."
    ),
    "primefixd_orders_finished": Meaning(_C, (*PORTFOLIO, "status"), "Orders that ended, by how."),
    "primefixd_fills": Meaning(_C, PORTFOLIO, "Fills that were told."),
    "primefixd_events": Meaning(_C, (*PORTFOLIO, "type"), "Events that clients were told, by their type."),
    "primefixd_rejects": Meaning(
        _C,
        (*PORTFOLIO, "type", "reason"),
        "What was rejected: an order (by the venue, or before it left), a cancel, replace, quote or message (by it).",
    ),
    "primefixd_requests_refused": Meaning(_C, (*PORTFOLIO, "reason"), "Requests of clients that were refused."),
    "primefixd_order_budget": Meaning(_G, PORTFOLIO, "New orders that may leave in the current second."),
    "primefixd_session_state": Meaning(_G, (*SESSION, "status"), "1 for the state that the session is in."),
    "primefixd_session_in_state_seconds": Meaning(_G, SESSION, "For how long it has been in that state."),
    "primefixd_session_connects": Meaning(_C, SESSION, "Attempts to connect to the venue."),
    "primefixd_session_connect_failures": Meaning(_C, (*SESSION, "reason"), "Attempts that came to no connection."),
    "primefixd_session_logons": Meaning(_C, SESSION, "Logons that the venue accepted."),
    "primefixd_session_reconnects": Meaning(_C, SESSION, "Logons that it accepted after the first."),
    "primefixd_session_logons_refused": Meaning(_C, (*SESSION, "reason"), "Connections that ended before a Logon."),
    "primefixd_session_messages_sent": Meaning(_C, (*SESSION, "type"), "Messages that left, by MsgType."),
    "primefixd_session_messages_received": Meaning(_C, (*SESSION, "type"), "Messages that came, by MsgType."),
    "primefixd_session_garbled": Meaning(_C, SESSION, "How often bytes from the venue had to be skipped."),
    "primefixd_session_unreadable": Meaning(_C, SESSION, "Messages of which something could not be read."),
    "primefixd_session_limiter_wait_seconds": Meaning(
        _C, SESSION, "For how long something could have left but for the rates."
    ),
    "primefixd_session_queued_requests": Meaning(_G, SESSION, "Requests that wait to leave."),
    "primefixd_session_budget_messages": Meaning(_G, SESSION, "Messages that may leave in the current second."),
    "primefixd_session_clock_offset_seconds": Meaning(_G, SESSION, "By how much the venue's clock is ahead of ours."),
    "primefixd_session_round_trip_seconds": Meaning(_G, SESSION, "From a question to the venue to its answer."),
    "primefixd_session_certificate_left_seconds": Meaning(
        _G, SESSION, "For how long the certificate is good that the venue showed last."
    ),
}
