"""How a command finds the daemon, and what it says when the daemon says no."""

import pytest

from primefixd.cli.connection import Daemon, ask
from primefixd.cli.output import Exit, Failure
from primefixd.client import ConnectionLost, EventsLost, Refused, Unreachable


async def _unused(_client):
    raise AssertionError("there is no daemon")


@pytest.fixture
def told(monkeypatch):
    """What is told when the daemon is found and then `error` comes of asking it."""

    def tell(error, token="t"):
        def fail(*_arguments):
            raise error

        monkeypatch.setattr("primefixd.cli.connection.connect", fail)
        with pytest.raises(Failure) as raised:
            ask(Daemon("ws://127.0.0.1:1", token), _unused)
        (line,) = raised.value.lines
        return line, raised.value.code

    return tell


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unreachable("no daemon"), Exit.NO_DAEMON),
        (ConnectionLost(True, "it is gone"), Exit.NO_DAEMON),
        (EventsLost("too slow"), Exit.REFUSED),
        (Refused(-32020, "closed", {}), Exit.REFUSED),
    ],
)
def test_every_failure_has_its_exit_code(told, error, code):
    assert told(error)[1] == code


def test_a_refusal_names_the_option_the_reason_and_what_was_sent(told):
    refused = Refused(-32602, "params.limit_price must be a decimal.", {"sent": "no"})
    assert told(refused)[0] == "--limit-price must be a decimal (nothing was sent to the venue)"
    doubtful = Refused(-32603, "it failed", {"reason": "busy", "sent": "unknown"})
    assert told(doubtful)[0] == "it failed (busy, it may have been sent: ask with `primefixd order`)"


@pytest.mark.parametrize(("token", "words"), [("t", "does not know the token"), (None, "wants a token")])
def test_a_token_is_asked_for_as_it_is_missing_or_wrong(told, token, words):
    assert words in told(Refused(401, "Unauthorized", {}), token)[0]


def test_the_token_is_not_shown():
    assert "secret" not in repr(Daemon("ws://127.0.0.1:1", "secret"))
