"""The session-level test cases of the FIX Trading Community for FIX 4.2, one by one: 8 to 20, resending, new numbers,
the end, fields, and what crosses. Cases 1 to 7 are in test_session_cases.py.
"""

import pytest

from primefixd.fix.session import Resend, SessionState
from tests.fix.transcript import acceptor, framed, initiator, play, play_two

CASES = """
    8 9 10a 10b 10c 10d 10e 11a 11b 11c 12 13a 13b 14a 14b 14c 14d 14e 14f 14g 14h 14i 14j 14k 14l 14m 14n
    15 16 17a 17b 17c 17d 17e 17f 17g 17h 17i 17j 18a 18b 19a 19b 20
"""
NO_CRYPTOGRAPHY = (
    "optional: TLS is the cryptography (prime-fix.md section 1), no message is encrypted or signed by itself"
)
ELSEWHERE = {
    "9": "optional: each connection begins at 1 (prime-fix.md section 1), so lost numbers are nothing to agree about",
    "14i": "a session counts no groups; what is there is read, whatever the count says: tests/fix/test_message.py",
    "14j": "a session reads no groups; tests/fix/test_message.py",
    "14l": "optional: whether the application is there is its owner's to say",
    "14m": "which fields a message needs is its owner's to know: tests/sandbox/test_gateway.py, messages that lack",
    "14n": NO_CRYPTOGRAPHY,
    "16": "no connection is taken up again; what queues is the portfolio's: tests/runtime/test_portfolio.py, rule 21",
    **dict.fromkeys((f"17{letter}" for letter in "cdefghij"), NO_CRYPTOGRAPHY),
    "18a": "optional: the venue addresses no third parties (prime-fix.md section 2)",
    "18b": "optional: the venue addresses no third parties (prime-fix.md section 2)",
}
LOGON = """
    !! logon
    >> 35=A|34=1|98=0|108=0|141=Y
    << 35=A|34=1|98=0|108=0|141=Y
    ** LoggedOn A 1
"""
HEADER = "34=2|49=COIN|56=ME|52=20260127-15:55:05.000|"
DUP = "43=Y|122=20260127-15:55:05.000"
both = pytest.mark.parametrize("resend", Resend)


def told(resend: Resend, first: int, then: int) -> str:
    """The gap that skipped numbers leave, where nobody resends."""
    return f"** Gap {first} {then}" if resend is Resend.UNSUPPORTED else ""


def test_every_case_from_8_on_is_shown_here_or_says_where() -> None:
    shown = {name.split("_")[1] for name in globals() if name.startswith("test_")} - {"every"}
    assert shown == {case.lower() for case in set(CASES.split()) - ELSEWHERE.keys()}


@pytest.mark.parametrize(
    ("resend", "answer"),
    [
        (Resend.SUPPORTED, f">> 35=4|34=2|{DUP}|123=Y|36=4\n!! send D 11=c\n>> 35=D|34=4|11=c"),
        (
            Resend.UNSUPPORTED,
            ">> 35=3|34=4|45=2|372=2|373=11|58=ResendRequest is not supported\n!! send D 11=c\n>> 35=D|34=5|11=c",
        ),
    ],
)
def test_8_a_resend_request(resend: Resend, answer: str) -> None:
    """No order is ever sent again: it is covered by a gap fill, which the standard allows for what is out of date."""
    play(
        initiator(heartbeat_s=0, resend=resend),
        f"""
        {LOGON}
        !! send D 11=a
        >> 35=D|34=2|11=a
        !! send D 11=b
        >> 35=D|34=3|11=b
        << 35=2|34=2|7=2|16=0
        {answer}
        """,
    )


# 10: gap fill


@pytest.mark.parametrize(
    ("resend", "story"),
    [
        (
            Resend.SUPPORTED,
            f"""
            << 35=4|34=4|123=Y|36=7
            >> 35=2|34=2|7=2|16=3
            << 35=8|34=2|{DUP}
            ** Received 8 2
            << 35=8|34=3|{DUP}
            ** Received 8 3
            """,
        ),
        (Resend.UNSUPPORTED, "<< 35=4|34=4|123=Y|36=7\n** Gap 2 4\n** Gap 5 7"),
    ],
)
def test_10a_a_gap_fill_whose_number_is_higher_than_expected(resend: Resend, story: str) -> None:
    play(initiator(heartbeat_s=0, resend=resend), f"{LOGON}{story}\n<< 35=8|34=7\n** Received 8 7")


@both
def test_10b_a_gap_fill_whose_number_is_as_expected(resend: Resend) -> None:
    play(
        initiator(heartbeat_s=0, resend=resend),
        f"{LOGON}<< 35=4|34=2|{DUP}|123=Y|36=9\n{told(resend, 3, 9)}\n<< 35=8|34=9\n** Received 8 9",
    )


@both
def test_10c_a_gap_fill_whose_number_is_lower_with_poss_dup_flag(resend: Resend) -> None:
    play(
        initiator(heartbeat_s=0, resend=resend),
        f"{LOGON}<< 35=8|34=2\n** Received 8 2\n<< 35=4|34=2|{DUP}|123=Y|36=9\n<< 35=8|34=3\n** Received 8 3",
    )


@both
def test_10d_a_gap_fill_whose_number_is_lower_without_poss_dup_flag(resend: Resend) -> None:
    text = "MsgSeqNum too low, expecting 3 but received 2"
    play(
        initiator(heartbeat_s=0, resend=resend),
        f"""
        {LOGON}
        << 35=8|34=2
        ** Received 8 2
        << 35=4|34=2|123=Y|36=9
        ** Ended SEQUENCE_TOO_LOW {text}
        >> 35=5|34=2|58={text}
        """,
    )


@pytest.mark.parametrize("new", [1, 2])
@both
def test_10e_a_gap_fill_that_lowers_the_number(resend: Resend, new: int) -> None:
    text = "NewSeqNo (36) must be a number that raises the next one due, 3"
    play(
        initiator(heartbeat_s=0, resend=resend),
        f"""
        {LOGON}
        << 35=4|34=2|123=Y|36={new}
        >> 35=3|34=2|45=2|371=36|372=4|373=5|58={text}
        << 35=8|34=3
        ** Received 8 3
        """,
    )


# 11: reset


@pytest.mark.parametrize("head", ["34=2", "34=1", "34=99", "34=2|43=Y"])
@both
def test_11a_a_reset_that_raises_the_number_whatever_its_own(resend: Resend, head: str) -> None:
    play(
        initiator(heartbeat_s=0, resend=resend),
        f"{LOGON}<< 35=4|{head}|123=N|36=9\n{told(resend, 2, 9)}\n<< 35=8|34=9\n** Received 8 9",
    )


@pytest.mark.parametrize("flag", ["|123=N", ""])
@both
def test_11b_a_reset_to_the_number_that_is_due(resend: Resend, flag: str) -> None:
    play(
        initiator(heartbeat_s=0, resend=resend),
        f"{LOGON}<< 35=4|34=99{flag}|36=2\n<< 35=8|34=2\n** Received 8 2",
    )


@both
def test_11c_a_reset_that_lowers_the_number(resend: Resend) -> None:
    text = "NewSeqNo (36) must be a number that raises the next one due, 2"
    play(
        initiator(heartbeat_s=0, resend=resend),
        f"""
        {LOGON}
        << 35=4|34=2|123=N|36=1
        >> 35=3|34=2|45=2|371=36|372=4|373=5|58={text}
        << 35=8|34=2
        ** Received 8 2
        """,
    )


# 12, 13: the end


@both
def test_12_our_logout_waits_for_its_answer_and_not_for_ever(resend: Resend) -> None:
    session = initiator(heartbeat_s=0, resend=resend, logout_timeout_s=10)
    play(
        session,
        LOGON
        + """
        !! logout done
        >> 35=5|34=2|58=done
        << 35=8|34=2
        ** Received 8 2
        .. 9.9 s
        .. 0.1 s
        ** Ended LOGOUT_TIMEOUT the peer did not answer our Logout within 10 s
        """,
    )
    assert session.state is SessionState.CLOSED


@pytest.mark.parametrize("number", [2, 9])
@both
def test_13a_the_answer_to_our_logout_ends_in_silence(resend: Resend, number: int) -> None:
    play(
        initiator(heartbeat_s=0, resend=resend),
        f"{LOGON}!! logout\n>> 35=5|34=2\n<< 35=5|34={number}|58=bye\n** Ended LOGOUT bye\nxx",
    )


@pytest.mark.parametrize("number", [2, 9])
@both
def test_13b_a_logout_out_of_the_blue_is_answered(resend: Resend, number: int) -> None:
    """And the connection is closed at once: nothing is resent here that would be worth the standard's 10 s of wait."""
    play(
        initiator(heartbeat_s=0, resend=resend),
        f"{LOGON}<< 35=5|34={number}|58=maintenance\n** Ended LOGOUT maintenance\n>> 35=5|34=2",
    )


# 14, 15: fields. The session judges its own messages; of others it hands on every field (prime-fix.md section 5:
# "unknown ones are kept, never an error"), and what may stand in them is for their owner to judge.


@pytest.mark.parametrize("field", ["999=x", "9407=x", "123456789=x"])
@both
def test_14a_a_tag_that_is_not_defined_is_kept(resend: Resend, field: str) -> None:
    play(
        initiator(heartbeat_s=0, resend=resend),
        f"{LOGON}<< 35=1|34=2|112=x|{field}\n>> 35=0|34=2|112=x\n<< 35=8|34=3|{field}\n** Received 8 3",
    )


@pytest.mark.parametrize(
    ("message", "tag", "name"),
    [("35=1", 112, "TestReqID"), ("35=4|123=Y", 36, "NewSeqNo")],
)
@both
def test_14b_a_required_tag_is_missing(resend: Resend, message: str, tag: int, name: str) -> None:
    msg_type = message[3]
    play(
        initiator(heartbeat_s=0, resend=resend),
        f"""
        {LOGON}
        << {message}|34=2
        >> 35=3|34=2|45=2|371={tag}|372={msg_type}|373=1|58={name} ({tag}) is missing
        << 35=8|34=3
        ** Received 8 3
        """,
    )


@both
def test_14c_a_tag_that_is_not_defined_for_the_message_type_is_kept(resend: Resend) -> None:
    play(
        initiator(heartbeat_s=0, resend=resend),
        f"{LOGON}<< 35=1|34=2|112=x|55=BTC-USD\n>> 35=0|34=2|112=x\n<< 35=8|34=3|108=30\n** Received 8 3",
    )


@pytest.mark.parametrize(
    ("body", "tag", "name"),
    [("35=1|{}112=|", 112, "TestReqID"), ("35=4|{}123=Y|36=|", 36, "NewSeqNo")],
)
@both
def test_14d_a_tag_without_a_value(resend: Resend, body: str, tag: int, name: str) -> None:
    play(
        initiator(heartbeat_s=0, resend=resend),
        f"""
        {LOGON}
        <~ {framed(body.format(HEADER))}
        >> 35=3|34=2|45=2|371={tag}|372={body[3]}|373=4|58={name} ({tag}) has no value
        << 35=8|34=3
        ** Received 8 3
        """,
    )


@both
def test_14d_a_tag_without_a_value_in_a_report_costs_nothing_else(resend: Resend) -> None:
    play(initiator(heartbeat_s=0, resend=resend), f"{LOGON}<~ {framed(f'35=8|{HEADER}58=|37=a|')}\n** Received 8 2")


@both
def test_14e_a_value_that_is_none_of_the_list(resend: Resend) -> None:
    play(
        initiator(heartbeat_s=0, resend=resend),
        f"""
        {LOGON}
        << 35=4|34=2|123=X|36=9
        >> 35=3|34=2|45=2|371=123|372=4|373=5|58=GapFillFlag (123) must be Y or N
        << 35=8|34=3
        ** Received 8 3
        """,
    )


@pytest.mark.parametrize("new", ["x", "-9", "9.5", "9 ", "1e9"])
@both
def test_14f_a_value_in_a_wrong_format(resend: Resend, new: str) -> None:
    play(
        initiator(heartbeat_s=0, resend=resend),
        f"""
        {LOGON}
        << 35=4|34=2|123=Y|36={new}|58=x
        >> 35=3|34=2|45=2|371=36|372=4|373=6|58=NewSeqNo (36) is not a number
        << 35=8|34=3
        ** Received 8 3
        """,
    )


@both
def test_14g_header_and_body_are_mixed_and_read_all_the_same(resend: Resend) -> None:
    play(
        initiator(heartbeat_s=0, resend=resend),
        f"{LOGON}<~ {framed('35=1|112=x|52=20260127-15:55:05.000|56=ME|34=2|49=COIN|')}\n>> 35=0|34=2|112=x",
    )


@both
def test_14h_a_tag_that_comes_twice_counts_the_first_time(resend: Resend) -> None:
    play(
        initiator(heartbeat_s=0, resend=resend),
        f"{LOGON}<< 35=1|34=2|112=one|112=two|34=99\n>> 35=0|34=2|112=one\n<< 35=8|34=3\n** Received 8 3",
    )


@both
def test_14k_a_delimiter_in_a_value_garbles_the_message(resend: Resend) -> None:
    """The second of the two reactions that the standard leaves open."""
    play(
        initiator(heartbeat_s=0, resend=resend),
        f"{LOGON}<~ {framed(f'35=1|{HEADER}112=one|two|')}\n** Garbled FIELDS 1\n<< 35=8|34=2\n** Received 8 2",
    )


@pytest.mark.parametrize(
    "order",
    [
        "49=COIN|56=ME|34=2|52={}|37=a|11=b|",
        "52={}|34=2|56=ME|49=COIN|11=b|37=a|",
        "37=a|34=2|52={}|49=COIN|11=b|56=ME|",
    ],
)
@both
def test_15_fields_in_any_order_but_the_first_three(resend: Resend, order: str) -> None:
    body = "35=8|" + order.format("20260127-15:55:05.000")
    play(initiator(heartbeat_s=0, resend=resend), f"{LOGON}<~ {framed(body)}\n** Received 8 2")


# 17 to 20


@both
def test_17a_a_logon_with_an_encrypt_method_that_is_supported(resend: Resend) -> None:
    play(
        acceptor(resend=resend),
        "<< 35=A|34=1|98=0|108=0|141=Y\n** LogonReceived A 1\n!! accept\n>> 35=A|34=1|98=0|108=0|141=Y",
    )


@pytest.mark.parametrize("method", ["1", "6", "x"])
@both
def test_17b_a_logon_with_an_encrypt_method_that_is_not_supported(resend: Resend, method: str) -> None:
    """One Logout says why, as the venue refuses a Logon (prime-fix.md section 2)."""
    text = "EncryptMethod (98) must be 0"
    play(
        acceptor(resend=resend),
        f"<< 35=A|34=1|98={method}|108=0|141=Y\n** Ended LOGON_REFUSED {text}\n>> 35=5|34=1|58={text}",
    )


@both
def test_19a_poss_resend_of_what_was_seen_is_handed_on(resend: Resend) -> None:
    """Whether its id was seen is its owner's to know: tests/orders/test_judging.py, rule 2."""
    play(
        initiator(heartbeat_s=0, resend=resend),
        f"{LOGON}<< 35=8|34=2|17=a\n** Received 8 2\n<< 35=8|34=3|97=Y|17=a\n** Received 8 3",
    )


@both
def test_19b_poss_resend_of_what_was_not_seen_is_handed_on(resend: Resend) -> None:
    play(initiator(heartbeat_s=0, resend=resend), f"{LOGON}<< 35=8|34=2|97=Y|17=a\n** Received 8 2")


@pytest.mark.parametrize(
    ("resend", "story"),
    [
        (
            Resend.SUPPORTED,
            f"""
            << 35=8|34=4
            >> 35=2|34=3|7=2|16=3
            << 35=2|34=5|7=2|16=2
            >> 35=4|34=2|{DUP}|123=Y|36=3
            << 35=4|34=2|{DUP}|123=Y|36=4
            ** Received 8 4
            << 35=8|34=6
            ** Received 8 6
            """,
        ),
        (
            Resend.UNSUPPORTED,
            """
            << 35=8|34=4
            ** Gap 2 4
            ** Received 8 4
            << 35=2|34=5|7=2|16=2
            >> 35=3|34=3|45=5|372=2|373=11|58=ResendRequest is not supported
            << 35=8|34=6
            ** Received 8 6
            """,
        ),
    ],
)
def test_20_a_resend_request_while_we_wait_for_our_own(resend: Resend, story: str) -> None:
    play(initiator(heartbeat_s=0, resend=resend), f"{LOGON}!! send D 11=a\n>> 35=D|34=2|11=a\n{story}")


def test_20_both_sides_ask_at_the_same_time() -> None:
    play_two(
        initiator(heartbeat_s=0, resend=Resend.SUPPORTED),
        acceptor(heartbeat_s=0, resend=Resend.SUPPORTED),
        f"""
        a !! logon
        a >> 35=A|34=1|98=0|108=0|141=Y
        b ** LogonReceived A 1
        b !! accept
        b >> 35=A|34=1|98=0|108=0|141=Y
        a ** LoggedOn A 1
        a lose 2
        b lose 1
        a !! send D 11=a
        a xx 35=D|34=2|11=a
        a !! send D 11=b
        a xx 35=D|34=3|11=b
        b !! send 8 37=x
        b xx 35=8|34=2|37=x
        b !! send 8 37=y
        b >> 35=8|34=3|37=y
        a >> 35=2|34=4|7=2|16=2
        b >> 35=4|34=2|{DUP}|123=Y|36=3
        a ** Received 8 3
        b >> 35=2|34=4|7=2|16=3
        a >> 35=4|34=2|{DUP}|123=Y|36=4
        a !! send D 11=c
        a >> 35=D|34=5|11=c
        b ** Received D 5
        """,
    )
