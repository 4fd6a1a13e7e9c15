"""Why a portfolio refuses what a client asks: the reason, and one sentence that says what to do next.

Nothing is decided here that changes anything; the portfolio asks before it acts.
"""

from collections.abc import Sequence
from datetime import datetime

from primefixd.clock import Moment
from primefixd.orders.model import Order, Submission, Terms
from primefixd.prime import strategies
from primefixd.runtime.answers import Reason, Refused, Sent, Submitted
from primefixd.runtime.sessions import Sessions


def unfit(submission: Submission, deadline: datetime, sessions: Sequence[str], now: Moment) -> Refused | None:
    """What is wrong with a submission by itself; `sessions` are those that trade."""
    problem = strategies.problem(submission.terms)
    if problem is not None:
        return Refused(reason=Reason.INVALID, field=problem.field, message=problem.what)
    if submission.session is not None and submission.session not in sessions:
        return Refused(reason=Reason.INVALID, field="session", message=f"must be one of {', '.join(sessions)}")
    if deadline <= now.utc:
        return Refused(reason=Reason.EXPIRED, message="The deadline has passed already; give a later one.")
    return None


def repeated(key: str, order: Order | None, first: Terms | None, submission: Submission) -> Submitted | Refused:
    """The same id again: the same order if its `first` terms are the same; None when it is kept no more."""
    if order is not None and first == submission.terms:
        return Submitted(order=order, cursor=order.accepted_cursor, duplicate=True)
    before = "for an order that is kept no more" if order is None else "for another order"
    message = f"client_order_id {key} was used before {before}; use a new one for a new order."
    return Refused(reason=Reason.DUPLICATE, message=message, order=order)


def stopping() -> Refused:
    return Refused(reason=Reason.CLOSED, message="The daemon is stopping; submit again when it is back.")


def reconciling() -> Refused:
    message = "The portfolio is finding out how its orders stand after a start; submit again in a moment."
    return Refused(reason=Reason.CLOSED, message=message, retry_after_ms=1000)


def halted() -> Refused:
    return Refused(reason=Reason.CLOSED, message="The portfolio is halted; submit again when it has been resumed.")


def window(end: datetime) -> Refused:
    message = (
        "The venue's daily maintenance closes the portfolio; submit again when it is over, or with on_maintenance."
    )
    return Refused(reason=Reason.CLOSED, message=message, retry_at=end)


def not_durable() -> Refused:
    message = "The daemon cannot write to its state directory, so nothing was sent; free its disk, then submit again."
    return Refused(reason=Reason.NOT_DURABLE, message=message)


def not_durable_yet() -> Refused:
    message = "It is in force, but a restart would forget it: the state directory cannot be written; free its disk."
    return Refused(reason=Reason.NOT_DURABLE, message=message)


def durability_unknown(key: str) -> Refused:
    message = f"The disk does not answer, so whether {key} is kept is unknown; ask for it, or repeat it."
    return Refused(reason=Reason.NOT_DURABLE, message=message, sent=Sent.UNKNOWN)


def no_session(portfolio: str, pin: str | None, sessions: Sessions) -> Refused:
    """No session can take the order, or not the one that it names."""
    if sessions.any_active(pin):
        message = "This machine's clock is off by 4 s or more; set the clock right, then submit again."
        return Refused(reason=Reason.CLOSED, message=message)
    what = f"{pin} is not" if pin else f"No session of {portfolio} is"
    retry_at = sessions.next_attempt_at(pin)
    return Refused(reason=Reason.NO_SESSION, message=f"{what} logged on; submit again later.", retry_at=retry_at)


def busy(session: str) -> Refused:
    message = f"The queue of {session} is full; submit again later, or more slowly."
    return Refused(reason=Reason.BUSY, message=message, retry_after_ms=1000)


def unknown_order(portfolio: str, named: str | None) -> Refused:
    return Refused(reason=Reason.UNKNOWN_ORDER, message=f"There is no order {named} in {portfolio}; list orders.")


def not_in_doubt(order: Order) -> Refused:
    message = f"Order {order.client_order_id} is not in doubt; what the venue said of it stands."
    return Refused(reason=Reason.INVALID, field="client_order_id", message=message)


def final(order: Order) -> Refused:
    message = f"Order {order.client_order_id} is {order.status} already; there is nothing to cancel."
    return Refused(reason=Reason.NOT_CANCELLABLE, message=message, order=order)
