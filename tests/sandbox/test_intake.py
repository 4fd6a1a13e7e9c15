"""Whatever a client writes is answered with something that can be sent."""

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from primefixd.clock import Moment
from primefixd.fix.codec import Decoder, encode
from primefixd.fix.message import Message
from primefixd.sandbox.exchange import Exchange
from primefixd.sandbox.intake import Intake
from primefixd.sandbox.reporting import Malformed
from primefixd.sandbox.settings import Account
from primefixd.secret import Secret

NOW = Moment(0.5, datetime(2026, 11, 23, 15, tzinfo=UTC))
ACCOUNT = Account(
    portfolio_id="main",
    service_account_id="main-1",
    api_key=Secret("k"),
    api_secret=Secret("s"),
    passphrase=Secret("p"),
)
TAGS = [1, 11, 18, 21, 37, 38, 40, 41, 44, 54, 55, 59, 60, 99, 117, 126, 131, 152, 168, 210, 211, 836, 847, 849]
TAGS += [8007, 8090, 8998, 8999]
WORDS = [
    "main",
    "a",
    "A",
    "1",
    "2",
    "3",
    "4",
    "6",
    "L",
    "M",
    "T",
    "SL",
    "P",
    "BTC-USD",
    "0.5",
    "60000",
    "20261124-00:00:00",
]
VALUES = st.sampled_from(WORDS).map(str.encode) | st.binary(min_size=1, max_size=12).map(
    lambda raw: raw.replace(b"\x01", b".")
)
LONG = st.sampled_from([b"9" * 5000, b"x" * 20000, b"\xff" * 9000, b"0." + b"0" * 30 + b"1"])
FIELDS = st.lists(st.tuples(st.sampled_from(TAGS), VALUES | LONG), max_size=14)
LIMIT = [(40, b"2"), (59, b"1"), (847, b"L")]
TWAP = [(40, b"2"), (59, b"6"), (168, b"20261123-15:00:00"), (126, b"20261123-15:00:30"), (847, b"T")]
PARTICIPATION = [(40, b"2"), (59, b"6"), (168, b"20261123-15:00:10"), (849, b"0.1"), (847, b"V")]
STOP = [(40, b"2"), (59, b"1"), (99, b"60010"), (847, b"SL")]
PEG = [(40, b"P"), (59, b"1"), (836, b"1"), (211, b"1"), (847, b"P")]
QUOTE = [(40, b"2"), (59, b"4"), (131, b"q")]
AMOUNT = st.sampled_from([b"0.5", b"1", b"60000", b"60100", b"0.00000001"]) | VALUES
PLAUSIBLE = st.tuples(
    st.sampled_from([LIMIT, TWAP, PARTICIPATION, STOP, PEG, QUOTE]),
    st.fixed_dictionaries({11: VALUES, 38: AMOUNT, 44: AMOUNT}),
).map(lambda some: [(1, b"main"), (54, b"1"), (55, b"BTC-USD"), *some[0], *some[1].items()])


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("DFHGRZj"), FIELDS | PLAUSIBLE, st.booleans()), max_size=8))
def test_any_fields_get_an_answer_that_can_be_sent(asked: list[tuple[str, list[tuple[int, bytes]], bool]]) -> None:
    exchange = Exchange(1, NOW)
    intake = Intake(exchange, [ACCOUNT], limits=True)
    for number, (msg_type, fields, over) in enumerate(asked):
        message = Message([(35, msg_type.encode()), (34, str(number).encode()), *fields])
        answers = intake.answer(message, ACCOUNT, over, NOW)
        assert answers
        for answer in answers:
            if not isinstance(answer, Malformed):
                [told] = Decoder().feed(encode([(35, "8"), *answer.body]))
                assert isinstance(told, Message)
    exchange.advance(NOW.later(40))
    for order in exchange.book:
        assert order.received >= 1
        assert order.ask.quantity is None or order.filled <= order.ask.quantity


def test_sequence_of_fifty_orders_in_one_second_and_the_next() -> None:
    intake = Intake(Exchange(1, NOW), [ACCOUNT], limits=True)
    over = [intake.count(ACCOUNT, NOW) for _ in range(52)]
    assert over == [False] * 50 + [True] * 2
    assert not intake.count(ACCOUNT, NOW.later(0.5))
    assert intake.tallies["main-1"].busiest.most == 53
    assert not intake.count(ACCOUNT, NOW.later(1.1))
    assert intake.tallies["main-1"].busiest.most == 53


def test_longest_fields_are_cut_so_that_the_answer_can_be_sent() -> None:
    intake = Intake(Exchange(1, NOW), [ACCOUNT], limits=True)
    fields = [(35, b"D"), (34, b"2"), (1, b"main"), (11, b"\xff" * 16_000), (55, b"\xff" * 16_000)]
    [answer] = intake.answer(Message(fields), ACCOUNT, False, NOW)
    assert not isinstance(answer, Malformed)
    assert len(encode([(35, "8"), *answer.body])) < 2_000
