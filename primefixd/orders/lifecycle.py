"""Which order status may follow which: one table, and the only place that says so (order-rules.md 6).

Theory of operation. The venue's word about an order becomes a *claim*: one of our statuses, or nothing where the word
is never final by itself (39 = 3, 7, 9, B, D). The table then says what a claim does to the status that we hold:

* ADVANCE: the ordinary course of things;
* IGNORE: an older or repeated word;
* CONTRADICT: two words of the venue that cannot both be true. The later one stands, and it is told as such.

Fills are judged elsewhere and before (order-rules.md 1); a claim never carries quantity. A partial fill during a
pending cancel or replace claims nothing: the pending request outlives it.
"""

from enum import Enum, auto

from primefixd.orders.model import Status
from primefixd.orders.reports import RejectReason, Report, ReportKind, VenueStatus


class Move(Enum):
    ADVANCE = auto()
    IGNORE = auto()
    CONTRADICT = auto()


_A, _I, _C = Move.ADVANCE, Move.IGNORE, Move.CONTRADICT
_CLAIMS = (
    Status.PENDING,
    Status.OPEN,
    Status.PENDING_CANCEL,
    Status.PENDING_REPLACE,
    Status.FILLED,
    Status.CANCELLED,
    Status.REJECTED,
    Status.EXPIRED,
)
#                          PEND OPEN PCAN PREP FILL CANC REJ  EXP
_TABLE: dict[Status, tuple[Move, ...]] = {
    Status.QUEUED:          (_C, _C, _C, _C, _C, _C, _C, _C),
    Status.SENT:            (_A, _A, _A, _A, _A, _A, _A, _A),
    Status.PENDING:         (_I, _A, _A, _A, _A, _A, _A, _A),
    Status.OPEN:            (_I, _I, _A, _A, _A, _A, _C, _A),
    Status.PENDING_CANCEL:  (_I, _A, _I, _A, _A, _A, _C, _A),
    Status.PENDING_REPLACE: (_I, _A, _A, _I, _A, _A, _C, _A),
    Status.FILLED:          (_I, _C, _I, _I, _I, _C, _C, _C),
    Status.CANCELLED:       (_I, _C, _I, _I, _C, _I, _C, _C),
    Status.REJECTED:        (_I, _C, _C, _C, _C, _C, _I, _C),
    Status.EXPIRED:         (_I, _C, _I, _I, _C, _C, _C, _I),
}  # fmt: skip


def move(held: Status, claim: Status) -> Move:
    """What `claim` by the venue does to an order that we hold as `held`."""
    return _TABLE[held][_CLAIMS.index(claim)]


_BY_VENUE_STATUS: dict[VenueStatus, Status] = {
    VenueStatus.PENDING_NEW: Status.PENDING,
    VenueStatus.NEW: Status.OPEN,
    VenueStatus.PARTIALLY_FILLED: Status.OPEN,
    VenueStatus.REPLACED: Status.OPEN,
    VenueStatus.PENDING_CANCEL: Status.PENDING_CANCEL,
    VenueStatus.PENDING_REPLACE: Status.PENDING_REPLACE,
    VenueStatus.FILLED: Status.FILLED,
    VenueStatus.CANCELLED: Status.CANCELLED,
    VenueStatus.REJECTED: Status.REJECTED,
    VenueStatus.EXPIRED: Status.EXPIRED,
}
_BY_KIND: dict[ReportKind, Status] = {
    ReportKind.CANCELLED: Status.CANCELLED,
    ReportKind.REJECTED: Status.REJECTED,
    ReportKind.EXPIRED: Status.EXPIRED,
}
ENDS = frozenset(_BY_KIND)
# Kept as venue_status and asked about, never final by themselves (order-rules.md 6).
ASKED_ABOUT = frozenset(
    {
        VenueStatus.DONE_FOR_DAY,
        VenueStatus.STOPPED,
        VenueStatus.SUSPENDED,
        VenueStatus.CALCULATED,
        VenueStatus.ACCEPTED_FOR_BIDDING,
        VenueStatus.UNKNOWN,
    }
)


def claim(report: Report, *, snapshot: bool, pending: bool) -> Status | None:
    """The status that `report` claims for its order, or None where it claims none.

    A status answer that says "rejected" is no rejection (order-rules.md 13). A rejected duplicate may show the status
    of the order that it duplicates (FIX 4.2, order state changes). While a request is pending at the venue, only a
    snapshot or the replacement itself says that the order is simply open again.
    """
    told = _BY_VENUE_STATUS.get(report.status) or _BY_KIND.get(report.kind)
    if report.kind is ReportKind.REJECTED and report.reject_reason is RejectReason.DUPLICATE_ORDER:
        told = Status.REJECTED
    if snapshot and told is Status.REJECTED:
        return None
    if pending and told is Status.OPEN and not (snapshot or report.kind is ReportKind.REPLACED):
        return None
    return told
