"""Values that the sandbox's tests share: two portfolios' accounts, a moment, orders as the wire has them."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from primefixd.clock import Moment
from primefixd.fix.message import Message
from primefixd.sandbox.settings import Account
from primefixd.secret import Secret

Build = Callable[..., Message]


@pytest.fixture
def now() -> Moment:
    return Moment(1000.0, datetime(2026, 11, 23, 15, 0, tzinfo=UTC))


@pytest.fixture
def accounts() -> tuple[Account, ...]:
    """Nine keys of the portfolio `main`, two of `side`."""
    names = [("main", number) for number in range(1, 10)] + [("side", 1), ("side", 2)]
    return tuple(
        Account(
            portfolio_id=portfolio,
            service_account_id=f"{portfolio}-{number}",
            api_key=Secret(f"key-{portfolio}-{number}"),
            api_secret=Secret("secret"),
            passphrase=Secret("phrase"),
        )
        for portfolio, number in names
    )


@pytest.fixture
def build() -> Build:
    """Message from transcript text: `35=D|11=a|…`."""

    def message(text: str) -> Message:
        pairs = (item.split("=", 1) for item in text.split("|"))
        return Message([(int(tag), value.encode()) for tag, value in pairs])

    return message
