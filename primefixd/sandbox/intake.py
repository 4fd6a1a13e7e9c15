"""What each application message asks, and what it is answered: the venue's front desk.

It counts every message against the rates (prime-fix.md sections 1 and 7), reads it and hands it to the exchange. Pure:
it knows neither connections nor who hears a report.
"""

from collections.abc import Sequence
from typing import Final

from primefixd.clock import Moment
from primefixd.fix import tags
from primefixd.fix.message import Message
from primefixd.fix.tags import MsgType
from primefixd.sandbox import asks, reporting, strategies
from primefixd.sandbox.asks import Because, Refusal
from primefixd.sandbox.counting import FixedWindow, Tally
from primefixd.sandbox.exchange import Exchange
from primefixd.sandbox.reporting import Answer, Malformed, Reply
from primefixd.sandbox.settings import MESSAGES_PER_SECOND_MAX, ORDERS_PER_SECOND_MAX, Account

MESSAGE_RATE: Final = f"rate limit exceeded: {MESSAGES_PER_SECOND_MAX} messages per second per session"
ORDER_RATE: Final = f"rate limit exceeded: {ORDERS_PER_SECOND_MAX} orders per second per portfolio"
OTHER, UNSUPPORTED_TYPE, MISSING_FIELD = "0", "3", "5"  # BusinessRejectReason (380)


class Intake:
    """The rates and tallies of every account, and the way from a message to its answers."""

    def __init__(self, exchange: Exchange, accounts: Sequence[Account], limits: bool) -> None:
        messages, orders = (MESSAGES_PER_SECOND_MAX, ORDERS_PER_SECOND_MAX) if limits else (None, None)
        self._exchange = exchange
        self._messages = {account.service_account_id: FixedWindow(messages) for account in accounts}
        self._orders = {account.portfolio_id: FixedWindow(orders) for account in accounts}
        self.tallies = {account.service_account_id: Tally() for account in accounts}

    def count(self, account: Account, now: Moment) -> bool:
        """Counts one message of any kind; True if it is beyond the rate and must not be executed."""
        tally = self.tallies[account.service_account_id]
        tally.messages += 1
        tally.busiest.add(now.mono)
        return self._messages[account.service_account_id].over(now.mono)

    def answer(self, message: Message, account: Account, over: bool, now: Moment) -> list[Answer]:
        """What the venue says to an application message; `over` as `count` told it."""
        answers = self._answer(message, account, over, now)
        tally = self.tallies[account.service_account_id]
        tally.rejected.update(answer.word for answer in answers if answer.word is not None)
        return answers

    def over_rate(self, number: int, msg_type: str, account: Account) -> Reply:
        """The answer to a message over the rate that is no order and no cancel."""
        self.tallies[account.service_account_id].rejected["rate"] += 1
        return reporting.business_reject(number, msg_type, OTHER, MESSAGE_RATE, "rate")

    def _answer(self, message: Message, account: Account, over: bool, now: Moment) -> list[Answer]:
        if message.type not in _ANSWERED:
            return [_business(message, OTHER, MESSAGE_RATE, "rate") if over else _unsupported(message)]
        if message.type == MsgType.NEW_ORDER_SINGLE:
            self.tallies[account.service_account_id].orders += 1
            over_orders = self._orders[account.portfolio_id].over(now.mono)
        if message.type == MsgType.QUOTE_REQUEST:
            return [self._quote(message, account, over, now)]
        if not message.get(tags.CL_ORD_ID):
            return [Malformed(tags.CL_ORD_ID, "ClOrdID (11) is required")]
        if message.type == MsgType.NEW_ORDER_SINGLE:
            text = MESSAGE_RATE if over else ORDER_RATE if over_orders else None
            return self._place(message, account, text, now)
        if message.type == MsgType.ORDER_CANCEL_REQUEST:
            return self._cancel(message, account, over, now)
        if message.type == MsgType.ORDER_CANCEL_REPLACE_REQUEST:
            return self._replace(message, account, over, now)
        return [self._status(message, account, over)]

    def _place(self, message: Message, account: Account, over: str | None, now: Moment) -> list[Answer]:
        ask = asks.new_order(message)
        if over is not None:
            return [self._exchange.turn_away(ask, Refusal(Because.EXCEEDS_LIMIT, over, "rate"), account, now)]
        wrong = strategies.problem(ask, account.portfolio_id, now)
        return self._exchange.place(ask, wrong, account, now)

    def _cancel(self, message: Message, account: Account, over: bool, now: Moment) -> list[Answer]:
        ask = asks.cancel(message)
        if over:
            return [self._exchange.refuse_cancel(ask, account, MESSAGE_RATE, "rate")]
        return self._exchange.cancel(ask, account, now)

    def _replace(self, message: Message, account: Account, over: bool, now: Moment) -> list[Answer]:
        ask = asks.replace(message)
        if over:
            return [self._exchange.refuse_cancel(ask, account, MESSAGE_RATE, "rate")]
        return self._exchange.replace(ask, account, now)

    def _quote(self, message: Message, account: Account, over: bool, now: Moment) -> Answer:
        if over:
            return _business(message, OTHER, MESSAGE_RATE, "rate")
        if not message.get(tags.QUOTE_REQ_ID):
            return Malformed(tags.QUOTE_REQ_ID, "QuoteReqID (131) is required")
        return self._exchange.quote(asks.quote(message), account, now)

    def _status(self, message: Message, account: Account, over: bool) -> Answer:
        if over:
            return _business(message, OTHER, MESSAGE_RATE, "rate")
        if not message.get(tags.ORDER_ID):
            return _business(message, MISSING_FIELD, "OrderID (37) is required to ask for an order", "invalid")
        return self._exchange.status(asks.status(message), account)


_ANSWERED: Final = frozenset(
    {
        MsgType.NEW_ORDER_SINGLE,
        MsgType.ORDER_CANCEL_REQUEST,
        MsgType.ORDER_CANCEL_REPLACE_REQUEST,
        MsgType.ORDER_STATUS_REQUEST,
        MsgType.QUOTE_REQUEST,
    }
)


def _business(message: Message, reason: str, text: str, word: str) -> Reply:
    return reporting.business_reject(message.sequence_number or 0, message.type, reason, text, word)


def _unsupported(message: Message) -> Reply:
    text = "the sandbox does not play this message type"
    return _business(message, UNSUPPORTED_TYPE, text, "unsupported")
